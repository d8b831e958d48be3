// The second rack's router restarts gracefully; the first's, which is killed, does not.

import { readFileSync } from 'node:fs'
import t from 'tap'
import { everyPairReaches } from '../kit/expect.ts'
import { labFile } from '../kit/lab.ts'
import { drained, reloaded, translated } from './events/changes.ts'
import { datastoreLost } from './events/datastore.ts'
import { flapped } from './events/links.ts'
import { killed, stopped, upgraded } from './events/restarts.ts'
import { torKilled, torRestarted } from './events/routers.ts'
import { conflicting, flushed } from './events/strangers.ts'
import { runFabric } from './kit/run.ts'

const lab = await runFabric({
  name: 'two racks, BIRD',
  tag: 'bird',
  source: { text: readFileSync(labFile('two-racks'), 'utf8').replace('- name: tor2', '$&\n    gracefulRestart: true') },
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
    torRestarted,
    datastoreLost,
    flushed,
    conflicting,
    flapped,
    torKilled,
  ],
})

t.test('after all of it', t => everyPairReaches(t, lab))
