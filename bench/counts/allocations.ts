// What a table of routes makes the speaker take from memory: columns, by table, and objects of JavaScript. In a process of its own, with
// `--predictable`: V8 then compiles on the main thread, and what its heap gives out is the same to a few octets a route each time. Prints
// one line of JSON, `Allocations`.
//
//     node --predictable bench/counts/allocations.ts PREFIXES

import { type ByTable, takenSince } from './columns.ts'
import { getHeapStatistics } from 'node:v8'
import { all, oneToMany } from '../scenarios/scenario.ts'
import { steps, World } from './world.ts'

export interface Allocations {
  /** Octets of columns and hash indexes, and how often one was made or grew: of the first round, and of all others together. */
  readonly first: Taken
  readonly later: Taken
  /** Octets of objects a route, by step: the least of all rounds, the code being compiled by then. */
  readonly heap: readonly number[]
}

interface Taken {
  readonly octets: ByTable
  readonly times: ByTable
}

const ROUNDS = 5

const prefixes = Number(process.argv[2])
const peers = oneToMany(prefixes, 1)
const world = new World({
  family: 'ipv4-unicast',
  kind: 'ebgp',
  peers,
  phases: (['announce', 'announce', 'withdraw'] as const).map(kind => ({ row: undefined, changes: all(peers, kind) })),
})

const heap = steps.map(() => Infinity)
function round(): void {
  for (const n of steps.keys()) {
    const before = getHeapStatistics().total_allocated_bytes
    world.phase(n)
    heap[n] = Math.min(heap[n], (getHeapStatistics().total_allocated_bytes - before) / prefixes)
  }
}

takenSince()
round()
const first = takenSince()
for (let n = 1; n < ROUNDS; n++) round()
console.log(JSON.stringify({ first, later: takenSince(), heap } satisfies Allocations))
