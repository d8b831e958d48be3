// What the speaker does for so many routes, counted: messages, encodings, buffers. Every machine counts the same, so a count that
// grows is a change of the code. Whoever makes one smaller writes the smaller number here.

import t from 'tap'
import { ChunkPool } from '../../bgp/groups/chunks.ts'
import { Outgoing } from '../../bgp/groups/outgoing.ts'
import { CompiledPolicy } from '../../bgp/policy/compile.ts'
import { UpdateWriter } from '../../bgp/wire/update-writer.ts'
import { all, oneToMany, type Phase, type Shape } from '../scenarios/scenario.ts'
import { World } from './world.ts'

interface Counts {
  /** UPDATEs that the receivers get, all together. */
  readonly updates: number
  /** Attribute sets made ready for the wire, and prefixes written into messages: once for a group, however many it has. */
  readonly sets: number
  readonly prefixes: number
  /** Routes shown to a policy, on the way in and out. */
  readonly policy: number
  /** Buffers of 64 KiB. */
  readonly chunks: number
}

const calls = { sets: 0, prefixes: 0, policy: 0, chunks: 0 }
count(Outgoing.prototype, 'make', 'sets')
count(UpdateWriter.prototype, 'add', 'prefixes')
count(CompiledPolicy.prototype, 'apply', 'policy')
count(ChunkPool.prototype, 'take', 'chunks')

function count<K extends string>(
  on: Record<K, (...args: never[]) => unknown>,
  method: K,
  as: keyof typeof calls,
): void {
  const inner = on[method]
  on[method] = function (this: unknown, ...args: never[]) {
    calls[as]++
    return inner.apply(this, args)
  }
}

function phaseOf(world: World, n: number): Counts {
  Object.assign(calls, { sets: 0, prefixes: 0, policy: 0, chunks: 0 })
  const updates = world.phase(n)
  return { updates, ...calls }
}

const PREFIXES = 4_000
const SETS = 600

const phase = (peers: Shape['peers'], kind: 'announce' | 'withdraw'): Phase => ({
  row: undefined,
  changes: all(peers, kind),
})

function shape(peers: Shape['peers'], more: Partial<Shape> = {}): Shape {
  const phases = [phase(peers, 'announce'), phase(peers, 'announce'), phase(peers, 'withdraw')]
  return { family: 'ipv4-unicast', kind: 'ebgp', peers, phases, ...more }
}

const manyPeers = Array.from({ length: 20 }, () => ({ prefixes: 200, sets: 30, receives: true }))

/** Three that have what the first of `oneToMany` has. */
const sameTables = Array.from({ length: 3 }, () => ({ prefixes: PREFIXES / 4, sets: SETS / 4, receives: false }))

/** The table announced; announced again as it is: nothing may come of that; and withdrawn. Each at most so much. */
const again: Counts = { updates: 0, sets: 0, prefixes: 0, policy: 0, chunks: 0 }
const announced: Omit<Counts, 'updates'> = { sets: 601, prefixes: PREFIXES, policy: 2 * PREFIXES, chunks: 2 }
const withdrawn: Omit<Counts, 'updates'> = { sets: 0, prefixes: PREFIXES, policy: 0, chunks: 1 }
const RECEIVERS = 20

const cases: readonly {
  readonly name: string
  readonly shape: Shape
  /** UPDATEs of the first phase and the last. */
  readonly updates: readonly [number, number]
}[] = [
  { name: 'one eBGP peer to another', shape: shape(oneToMany(PREFIXES, 1, SETS)), updates: [601, 5] },
  {
    name: 'one eBGP peer to twenty',
    shape: shape(oneToMany(PREFIXES, RECEIVERS, SETS)),
    updates: [RECEIVERS * 601, RECEIVERS * 5],
  },
  {
    name: 'a client of a reflector to twenty',
    shape: shape(oneToMany(PREFIXES, RECEIVERS, SETS), { kind: 'reflector' }),
    updates: [RECEIVERS * 601, RECEIVERS * 5],
  },
  {
    name: 'four with the same prefixes to twenty, with ADD-PATH',
    shape: shape([...sameTables, ...oneToMany(PREFIXES / 4, RECEIVERS, SETS / 4)], {
      hasSameTables: true,
      hasPaths: true,
    }),
    updates: [RECEIVERS * 600 + 4 * 450, (RECEIVERS + 4) * 8],
  },
  {
    name: 'IPv6',
    shape: shape(oneToMany(PREFIXES, RECEIVERS, SETS), { family: 'ipv6-unicast' }),
    updates: [RECEIVERS * 601, RECEIVERS * 8],
  },
  { name: 'twenty eBGP peers to each other', shape: shape(manyPeers), updates: [19 * 601, 19 * 21] },
]

for (const { name, shape, updates } of cases)
  t.test(name, async t => {
    const world = new World(shape)
    const most: readonly Counts[] = [
      { ...announced, updates: updates[0] },
      again,
      { ...withdrawn, updates: updates[1] },
    ]
    for (const [n, limits] of most.entries()) {
      const found = phaseOf(world, n)
      for (const key of Object.keys(limits) as (keyof Counts)[])
        t.ok(found[key] <= limits[key], `phase ${n}: ${found[key]} ${key}, at most ${limits[key]}`)
      t.equal(found.updates > 0, n !== 1, 'the receivers hear of it')
    }
  })
