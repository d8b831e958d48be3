// Two routers a rack: BIRD in the first, FRR in the second.

import t from 'tap'
import { everyPairReaches } from '../kit/expect.ts'
import { oneOfTwoPulled } from './events/links.ts'
import { oneOfTwoTorsKilled } from './events/routers.ts'
import { runFabric } from './kit/run.ts'

const lab = await runFabric({
  name: 'dual ToR',
  tag: 'dual',
  source: { lab: 'dual-tor' },
  pods: ['r1n1-p1', 'r2n1-p1'],
  nodes: ['r1n1', 'r2n1'],
  watched: ['tor1a', 'tor1b', 'tor2a', 'tor2b', 'spine', 'r1n2', 'r2n2'],
  events: [oneOfTwoPulled, oneOfTwoTorsKilled],
})

t.test('after all of it', t => everyPairReaches(t, lab))
