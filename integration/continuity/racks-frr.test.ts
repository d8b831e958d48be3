// FRR on top of both racks; the spine stays a BIRD, which counts.

import { readFileSync } from 'node:fs'
import { labFile } from '../kit/lab.ts'
import { torKilled } from './events/routers.ts'
import { killed, upgraded } from './events/restarts.ts'
import { runFabric } from './kit/run.ts'

await runFabric({
  name: 'two racks, FRR',
  tag: 'frr',
  source: { text: readFileSync(labFile('two-racks'), 'utf8').replaceAll(/(- name: tor\d\n\s+kind: )bird/g, '$1frr') },
  pods: ['r1n1-p1', 'r2n1-p1'],
  nodes: ['r1n1', 'r2n1'],
  watched: ['tor1', 'tor2', 'spine', 'r1n2', 'r2n2'],
  witness: { router: 'spine', neighbours: ['tor1', 'tor2'] },
  events: [upgraded, killed, torKilled],
})
