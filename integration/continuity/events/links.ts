// Cables and routers.

import { eventually, type TestLab } from '../../kit/lab.ts'
import type { ContinuityEvent, Scene } from '../kit/event.ts'

/** Takes the carrier of a host's interface away, or gives it back, at the other end of its cable. */
async function carrier(lab: TestLab, host: string, device: string, state: 'up' | 'down'): Promise<void> {
  const link = lab.topology.hosts.find(({ name }) => name === host)?.links.find(each => each.device === device)
  if (!link) throw new Error(`${host} has no ${device}`)
  await lab.exec('switch', 'ip', 'link', 'set', link.port, state)
}

export const flapped: ContinuityEvent = {
  name: 'the only cable of a node is pulled and put back',
  planned: false,
  bound:
    'the time without a cable, and a moment after it: routes return with the carrier (link event), as the sessions live on for their hold time (9 s here)',
  run: async ({ lab, fabric, probe }) => {
    const [node] = fabric.nodes
    const learned = async (): Promise<number> =>
      (await lab.routes(node)).filter(({ protocol, gateway }) => protocol === '81' && gateway !== undefined).length
    const before = await learned()
    await carrier(lab, node, 'eth0', 'down')
    await eventually(`${node} has no route over it`, async () => (await learned()) === 0, 60)
    await carrier(lab, node, 'eth0', 'up')
    await eventually(`${node} has its routes again`, async () => (await learned()) === before, 120)
    await probe.steady()
    await lab.established([node])
  },
}

/** Of two-racks: one router, with nothing beside it. */
export const torKilled: ContinuityEvent = {
  name: 'the only ToR killed, and started again',
  planned: false,
  bound:
    'the time until it is back and has its sessions: it asks nobody to keep its routes, and there is no other way; nodes dial every second (connectRetryTime)',
  run: async scene => {
    const { lab } = scene
    const { host, role, node } = firstTor(scene)
    await lab.kill(host, role)
    await eventually(
      `${node} has lost its session with ${host}`,
      async () => (await lab.ask(node, '/v1/bgp/summary', {})).peers.every(({ state }) => state !== 'Established'),
      60,
    )
    await lab.startRouter(host)
    await lab.established([node])
    await scene.probe.steady()
    await lab.established()
  },
}

function firstTor({ lab, fabric }: Scene): { readonly host: string; readonly role: string; readonly node: string } {
  const [node] = fabric.nodes
  const tor = lab.topology.routers.find(({ neighbours }) => neighbours.some(({ name }) => name === node))
  if (!tor) throw new Error(`no router has a session with ${node}`)
  return { host: tor.host, role: tor.kind === 'bird' ? 'bird' : 'bgpd', node }
}
