// The other nodes are the helpers.

import t from 'tap'
import { everyPairReaches } from '../kit/expect.ts'
import { killed } from './events/restarts.ts'
import { runFabric } from './kit/run.ts'

const lab = await runFabric({
  name: 'full mesh',
  tag: 'mesh',
  source: { lab: 'full-mesh' },
  pods: ['n1-p1', 'n2-p1'],
  nodes: ['n1', 'n2'],
  watched: ['n1', 'n2', 'n3'],
  events: [killed],
})

t.test('after all of it', t => everyPairReaches(t, lab))
