// The datastore goes away and comes back.

import { renameSync } from 'node:fs'
import { eventually } from '../../kit/lab.ts'
import type { ContinuityEvent, Scene } from '../kit/event.ts'
import { isItself } from '../kit/restart.ts'

export const datastoreLost: ContinuityEvent = {
  name: 'datastore gone and back, a daemon restarted meanwhile',
  planned: false,
  promised: true,
  keepsRoutes: true,
  bound: 'every node goes on with what it knows, after a restart with what its own store remembers',
  run: async scene => {
    const { lab, fabric } = scene
    const { store } = lab.files(fabric.nodes[0])
    renameSync(store, `${store}.away`)
    try {
      await everyNodeSays(scene, 'lost')
      const [node] = fabric.nodes
      await lab.stop(node, 'margayd')
      await scene.probe.passing(100)
      lab.startNode(node)
      await lab.established([node])
      await scene.probe.passing(300)
    } finally {
      renameSync(`${store}.away`, store)
    }
    await everyNodeSays(scene, 'in sync')
    for (const node of fabric.nodes) await isItself(lab, node)
  },
}

async function everyNodeSays({ lab }: Scene, state: 'lost' | 'in sync'): Promise<void> {
  for (const node of lab.nodes)
    await eventually(
      `the datastore is ${state} for ${node}`,
      async () => (await lab.ask(node, '/v1/status', {}).catch(() => undefined))?.datastore.state === state,
      60,
    )
}
