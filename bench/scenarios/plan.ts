// What a change of one record costs a node of a large cluster before anything is done: the plan, worked out again.

import { createPlanner } from '../../src/plan/planner.ts'
import type { Snapshot } from '../../src/plan/snapshot.ts'
import { blockOf, nodeName, snapshotOf } from '../cluster/snapshot.ts'
import { median } from '../results.ts'
import { type Measured, type OwnScenario, type Size, thousands } from './scenario.ts'

const nodes = [500, 1_000, 5_000]
const REFLECTORS = 2
const CHANGES = 30

/** One record is another than before; the rest are the same objects. */
const changes: Readonly<Record<string, (snapshot: Snapshot, n: number) => Snapshot>> = {
  'plan, a node changes': (snapshot, n) => ({
    ...snapshot,
    nodes: snapshot.nodes.with(n, {
      ...snapshot.nodes[n],
      metadata: { ...snapshot.nodes[n].metadata, labels: { ...snapshot.nodes[n].metadata.labels, changed: String(n) } },
    }),
  }),
  'plan, a block more': (snapshot, n) => ({
    ...snapshot,
    blocks: [...snapshot.blocks, { cidr: blockOf(snapshot.blocks.length), node: nodeName(n) }],
  }),
}

/** The slower of a reflector and a client, the median of many changes of other nodes. */
function measure(size: number, row: string): Measured {
  const change = changes[row]
  const of = [0, REFLECTORS].map(own => {
    const planner = createPlanner(nodeName(own))
    let snapshot = snapshotOf('reflectors', nodes[size], REFLECTORS)
    planner.plan(snapshot)
    const times = Array.from({ length: CHANGES }, (_, i) => {
      snapshot = change(snapshot, REFLECTORS + 1 + i)
      const [start, cpu] = [performance.now(), process.cpuUsage()]
      planner.plan(snapshot)
      const { user, system } = process.cpuUsage(cpu)
      return { wall: (performance.now() - start) / 1000, cpu: (user + system) / 1e6 }
    })
    return { wall: median(times.map(({ wall }) => wall)), cpu: median(times.map(({ cpu }) => cpu)) }
  })
  const [slower] = of.toSorted((a, b) => b.wall - a.wall)
  return { row, ...slower, memory: 0 }
}

export const plan: OwnScenario = {
  name: 'plan',
  words:
    'The plan of a node, a reflector or a client, after one record of the cluster has changed: the slower of the two, the median of 30 changes.',
  targets: { 'plan, a node changes': { seconds: 0.02 }, 'plan, a block more': { seconds: 0.02 } },
  sizes: nodes.map((units): Size => ({ label: `${thousands(units)} nodes`, units })) as [Size, Size, Size],
  standard: 2,
  rows: Object.keys(changes),
  contenders: ['margay'],
  run: size => Promise.resolve(Object.keys(changes).map(row => measure(size, row))),
}
