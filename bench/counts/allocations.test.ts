// What the speaker takes from memory for 100,000 routes from one eBGP peer to another, in 15,000 attribute sets. Columns are the same
// to the octet each time; of objects the heap tells a few octets a route more or less, and the smallest object has 16. Whoever makes a
// count smaller writes the smaller number here.

import t from 'tap'
import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { Allocations } from './allocations.ts'
import { type ByTable, tables } from './columns.ts'
import { steps } from './world.ts'

const PREFIXES = 100_000

/** Made or grown so often, by so many octets, at most. */
type Limits = Readonly<Record<keyof Allocations['first'], ByTable>>

const first: Limits = {
  octets: {
    'Adj-RIB-In': 2_611_200,
    'Loc-RIB': 4_645_760,
    'Adj-RIB-Out': 1_354_176,
    'attribute sets': 1_338_880,
    else: 0,
  },
  times: { 'Adj-RIB-In': 56, 'Loc-RIB': 60, 'Adj-RIB-Out': 17, 'attribute sets': 63, else: 0 },
}

/** When the table comes and goes four times more: an arena of attributes that is compacted each time, and no column grows. */
const later: Limits = {
  octets: { 'Adj-RIB-In': 0, 'Loc-RIB': 0, 'Adj-RIB-Out': 0, 'attribute sets': 4 * 1024 * 1024, else: 0 },
  times: { 'Adj-RIB-In': 0, 'Loc-RIB': 0, 'Adj-RIB-Out': 0, 'attribute sets': 4, else: 0 },
}

/** Octets of objects a route: there are some for each message and each attribute set, and none for a route. */
const heap = [32, 20, 18]

const main = fileURLToPath(new URL('allocations.ts', import.meta.url))
const flags = ['--predictable', '--disable-warning=ExperimentalWarning']
const text = execFileSync(process.execPath, [...flags, main, String(PREFIXES)], { encoding: 'utf8' })
const found = JSON.parse(text) as Allocations

for (const [round, limits] of Object.entries({ first, later }) as ['first' | 'later', Limits][])
  t.test(`columns, ${round}`, async t => {
    for (const key of ['octets', 'times'] as const)
      for (const table of tables) {
        const [is, most] = [found[round][key][table], limits[key][table]]
        t.ok(is <= most, `${table}: ${is} ${key}, at most ${most}`)
      }
  })

t.test('objects', async t => {
  for (const [n, step] of steps.entries())
    t.ok(found.heap[n] <= heap[n], `${step}: ${found.heap[n].toFixed(1)} octets a route, at most ${heap[n]}`)
})
