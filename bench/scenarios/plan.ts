// What a change of one record costs a node of a large cluster before anything is done: the plan, worked out again.

import { tunnelDevice, type TunnelKind } from '../../src/model/tunnel.ts'
import type { TunnelUse } from '../../src/model/tunnel-use.ts'
import { createPlanner, type Situation } from '../../src/plan/planner.ts'
import type { Snapshot } from '../../src/plan/snapshot.ts'
import type { TunnelStates } from '../../src/plan/tunnels.ts'
import type { IPPoolSpec, NodeResource } from '../../src/resources/index.ts'
import { blockOf, nodeName, snapshotOf } from '../cluster/snapshot.ts'
import { median } from '../results.ts'
import { type Measured, type OwnScenario, type Size, thousands } from './scenario.ts'

const nodes = [500, 1_000, 5_000]
const REFLECTORS = 2
const CHANGES = 30

/** One record is another than before, or there is one more; the rest are the same objects. */
const changes: Readonly<Record<string, (snapshot: Snapshot, n: number) => Snapshot>> = {
  'a node changes': (snapshot, n) => ({
    ...snapshot,
    nodes: snapshot.nodes.with(n, {
      ...snapshot.nodes[n],
      metadata: { ...snapshot.nodes[n].metadata, labels: { ...snapshot.nodes[n].metadata.labels, changed: String(n) } },
    }),
  }),
  'a node more': (snapshot, n) => ({ ...snapshot, nodes: snapshot.nodes.toSpliced(n, 0, newNode(snapshot, n)) }),
  'a block more': (snapshot, n) => ({
    ...snapshot,
    blocks: [...snapshot.blocks, { cidr: blockOf(snapshot.blocks.length), node: nodeName(n) }],
  }),
}

/** With a name that puts it before the one at place `n`. */
function newNode({ nodes }: Snapshot, n: number): NodeResource {
  const address = `10.255.${n >> 8}.${n & 255}`
  const { metadata, spec } = nodes[n]
  return {
    ...nodes[n],
    metadata: { ...metadata, name: `${nodes[n - 1].metadata.name}a` },
    spec: {
      bgp: { ipv4Address: `${address}/9` },
      ...(spec.wireguard && { wireguard: { publicKey: `key of ${address}` } }),
    },
  }
}

/** What the pool asks for, and what all nodes say they do. */
const encapsulations: Readonly<Record<string, (snapshot: Snapshot) => { snapshot: Snapshot; situation?: Situation }>> =
  {
    plan: snapshot => ({ snapshot }),
    'plan with IPIP': snapshot => tunnelled(snapshot, 'ipip', { ipipMode: 'Always' }, { v4: 'all' }),
    'plan with WireGuard': snapshot => {
      const nodes = snapshot.nodes.map(node => ({
        ...node,
        spec: { ...node.spec, wireguard: { publicKey: `key of ${node.metadata.name}` } },
      }))
      return tunnelled({ ...snapshot, nodes }, 'wireguard', { wireguardMode: 'Always' }, {})
    },
  }

function tunnelled(before: Snapshot, kind: TunnelKind, mode: Partial<IPPoolSpec>, open: TunnelUse['open']) {
  const device = tunnelDevice(kind, 4)
  const names = before.nodes.map(({ metadata }) => metadata.name)
  const use = { accepts: [device], leaving: [], sends: [device], bare: {}, open }
  const snapshot: Snapshot = {
    ...before,
    pools: before.pools.map(pool => ({ ...pool, spec: { ...pool.spec, ...mode } })),
    tunnelUses: names.map(node => ({ node, ...use })),
  }
  const tunnels: TunnelStates = new Map([
    [device, { address: '10.0.0.1', ...(kind === 'wireguard' && { met: names }) }],
  ])
  return { snapshot, situation: { tunnels } }
}

/** The slower of a reflector and a client, the median of many changes of other nodes. */
function measure(size: number, encapsulation: string, kind: string): Measured {
  const of = [0, REFLECTORS].map(own => {
    const planner = createPlanner(nodeName(own))
    const first = encapsulations[encapsulation](snapshotOf('reflectors', nodes[size], REFLECTORS))
    const { situation } = first
    let { snapshot } = first
    planner.plan(snapshot, situation)
    const times = Array.from({ length: CHANGES }, (_, i) => {
      snapshot = changes[kind](snapshot, REFLECTORS + 1 + 2 * i)
      const [start, cpu] = [performance.now(), process.cpuUsage()]
      planner.plan(snapshot, situation)
      const { user, system } = process.cpuUsage(cpu)
      return { wall: (performance.now() - start) / 1000, cpu: (user + system) / 1e6 }
    })
    return { wall: median(times.map(({ wall }) => wall)), cpu: median(times.map(({ cpu }) => cpu)) }
  })
  const [slower] = of.toSorted((a, b) => b.wall - a.wall)
  return { row: rowOf(encapsulation, kind), ...slower, memory: 0 }
}

const rowOf = (encapsulation: string, kind: string): string => `${encapsulation}, ${kind}`
const cases = Object.keys(encapsulations).flatMap(encapsulation =>
  Object.keys(changes).map(kind => [encapsulation, kind] as const),
)
const rows = cases.map(([encapsulation, kind]) => rowOf(encapsulation, kind))

export const plan: OwnScenario = {
  name: 'plan',
  words:
    'The plan of a node, a reflector or a client, after one record of the cluster has changed: the slower of the two, the median of 30 changes. With IPIP and WireGuard every node is at the other end of a tunnel.',
  targets: Object.fromEntries(rows.map(row => [row, { seconds: 0.02 }])),
  sizes: nodes.map((units): Size => ({ label: `${thousands(units)} nodes`, units })) as [Size, Size, Size],
  standard: 2,
  rows,
  contenders: ['margay'],
  run: size => Promise.resolve(cases.map(each => measure(size, ...each))),
}
