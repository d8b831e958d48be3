// Cables of a node that break.

import { eventually, type TestLab } from '../../kit/lab.ts'
import { learned, routersOf } from '../kit/ask.ts'
import type { ContinuityEvent, Scene } from '../kit/event.ts'

const patience = 120

export const flapped: ContinuityEvent = {
  name: 'the only cable of a node pulled and put back',
  planned: false,
  bound:
    'the time without a cable and a moment more: routes return with the carrier (link event), as sessions live on for their hold time (9 s here)',
  run: async ({ lab, fabric, probe }) => {
    const [node] = fabric.nodes
    // The node's end alone: the router's is that of the whole rack.
    const { port } = lab.topology.hosts.find(({ name }) => name === node)!.links[0]
    const set = (state: 'up' | 'down') => lab.exec('switch', 'ip', 'link', 'set', port, state)
    const before = (await learned(lab, node)).length
    await set('down')
    await eventually(`${node} has no route over it`, async () => (await learned(lab, node)).length === 0, patience)
    await set('up')
    await eventually(`${node} has its routes again`, async () => (await learned(lab, node)).length === before, patience)
    await probe.steady()
    await lab.established([node])
  },
}

export const oneOfTwoPulled: ContinuityEvent = {
  name: 'one of two ToR links pulled and put back',
  planned: false,
  bound:
    'the carrier: the kernel passes by a next hop without one at once (ignore_routes_with_linkdown); the ToR’s way to the node leads round by the spine when its BGP has heard of its own end',
  run: async scene => {
    const { lab, fabric, probe } = scene
    for (const node of fabric.nodes) {
      const before = await waysTo(lab, node)
      // One after the other: a flow takes either.
      for (const router of routersOf(lab, node)) {
        await lab.cable(node, router.host, 'down')
        await useWays(scene, node, 1)
        await probe.passing(300)
        await lab.cable(node, router.host, 'up')
        // A router ends its session as the carrier goes, and needs a second to learn anew; a node learns of that end when the carrier is
        // back. Both have to have done with it: two cables without routes are another event.
        const restored = async () => (await waysTo(lab, node)) === before
        await eventually(`every router sends to ${node} as before`, restored, patience)
        await lab.established([node])
        await useWays(scene, node, 2)
      }
    }
  },
}

/** The kernel's routes of every router to the node's blocks, as text. */
async function waysTo(lab: TestLab, node: string): Promise<string> {
  const { blocks } = await lab.ask(node, '/v1/status', {})
  const ways = lab.topology.routers.map(async ({ host }) =>
    (await lab.routes(host))
      .filter(({ dst }) => blocks.includes(dst))
      .map(({ dst, gateway, nexthops = [{ gateway }] }) =>
        [host, dst, ...nexthops.map(({ gateway }) => String(gateway)).toSorted()].join(' '),
      ),
  )
  return (await Promise.all(ways)).flat().toSorted().join('\n')
}

/** Until so many of the node's cables carry every route that it has learned. */
export async function useWays({ lab }: Scene, node: string, count: number): Promise<void> {
  await eventually(
    `${node} sends by ${count} cables`,
    async () => {
      const routes = await learned(lab, node)
      // A neighbour's own subnet may come from one of them only.
      return routes.length > 0 && routes.every(({ nexthops }) => (nexthops?.length ?? 1) === count)
    },
    patience,
  )
}
