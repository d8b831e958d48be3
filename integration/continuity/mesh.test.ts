// The other nodes are the helpers.

import { moved } from './events/addresses.ts'
import { wrapped } from './events/changes.ts'
import { killed } from './events/restarts.ts'
import { runFabric } from './kit/run.ts'

await runFabric({
  name: 'full mesh',
  tag: 'mesh',
  source: { lab: 'full-mesh' },
  pods: ['n1-p1', 'n2-p1'],
  nodes: ['n1', 'n2'],
  watched: ['n1', 'n2', 'n3'],
  events: [killed, wrapped, moved],
})
