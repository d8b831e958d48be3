import t from 'tap'
import { everyPairReaches } from '../kit/expect.ts'
import { drained, reloaded, translated } from './events/changes.ts'
import { datastoreLost } from './events/datastore.ts'
import { flapped, torKilled } from './events/links.ts'
import { killed, stopped, upgraded } from './events/restarts.ts'
import { conflicting, flushed } from './events/strangers.ts'
import { runFabric } from './kit/run.ts'

const lab = await runFabric({
  name: 'two racks, BIRD',
  tag: 'bird',
  source: { lab: 'two-racks' },
  pods: ['r1n1-p1', 'r2n1-p1'],
  nodes: ['r1n1', 'r2n1'],
  watched: ['tor1', 'tor2', 'spine', 'r1n2', 'r2n2'],
  witness: { router: 'spine', neighbours: ['tor1', 'tor2'] },
  events: [
    upgraded,
    stopped,
    killed,
    reloaded,
    translated,
    drained,
    datastoreLost,
    flushed,
    conflicting,
    flapped,
    torKilled,
  ],
})

t.test('after all of it', t => everyPairReaches(t, lab))
