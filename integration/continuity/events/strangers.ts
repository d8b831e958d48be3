// Somebody else at the kernel of a node.

import { eventually, type TestLab } from '../../kit/lab.ts'
import type { ContinuityEvent, Scene } from '../kit/event.ts'

const families = ['-4', '-6'] as const

/** Our routes to blocks of other nodes, and to pods here. */
const ours = async (lab: TestLab, node: string): Promise<readonly string[]> =>
  (await lab.routes(node)).flatMap(route => (route.protocol === '81' ? [JSON.stringify(route)] : [])).toSorted()

export const flushed: ContinuityEvent = {
  name: 'somebody flushes our routes',
  planned: false,
  bound: 'the kernel tells of each deleted route, and it is put back at once (20 ms)',
  run: async ({ t, lab, fabric }) => {
    for (const node of fabric.nodes) {
      const before = await ours(lab, node)
      for (const family of families) await lab.exec(node, 'ip', family, 'route', 'flush', 'proto', '81')
      await eventually(
        `${node} has put its routes back`,
        async () => (await ours(lab, node)).join() === before.join(),
        60,
      )
      t.pass(`${node}: ${before.length} routes are back`)
    }
  },
}

export const conflicting: ContinuityEvent = {
  name: 'somebody adds a route for a block of another node, and removes it',
  planned: false,
  bound:
    'theirs is taken and leads where it leads; ours gives way, is named in the status, and is back when theirs goes (20 ms)',
  run: async scene => {
    const { lab, fabric } = scene
    const [node] = fabric.nodes
    const routes = await towards(scene)
    for (const { dst, gateway, family } of routes)
      await lab.exec(node, 'ip', family, 'route', 'add', dst, 'via', gateway, 'metric', '50', 'proto', 'static')
    const conflicts = async (): Promise<readonly string[]> =>
      (await lab.ask(node, '/v1/status', {})).routes.conflicts.map(({ prefix }) => prefix)
    await eventually(
      'the status names them',
      async () => {
        const named = await conflicts()
        return routes.every(({ dst }) => named.includes(dst))
      },
      60,
    )
    await scene.probe.passing(300)
    for (const { dst, family } of routes)
      await lab.exec(node, 'ip', family, 'route', 'delete', dst, 'metric', '50', 'proto', 'static')
    await eventually('no conflict is left', async () => (await conflicts()).length === 0, 60)
    const after = await towards(scene)
    scene.t.same(after, routes, 'ours are back')
  },
}

interface Towards {
  readonly dst: string
  readonly gateway: string
  readonly family: '-4' | '-6'
}

/** Our routes from the first node to the blocks of the second. */
async function towards({ lab, fabric }: Scene): Promise<readonly Towards[]> {
  const [node, other] = fabric.nodes
  const { blocks } = await lab.ask(other, '/v1/status', {})
  const found = (await lab.routes(node)).flatMap(({ dst, gateway, protocol }): Towards[] =>
    blocks.includes(dst) && protocol === '81' && gateway !== undefined
      ? [{ dst, gateway, family: dst.includes(':') ? '-6' : '-4' }]
      : [],
  )
  if (found.length !== blocks.length) throw new Error(`${node} has ${found.length} routes for ${blocks.join(', ')}`)
  return found.toSorted((a, b) => a.dst.localeCompare(b.dst))
}
