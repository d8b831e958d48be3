// What a route takes in each table.

import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { type OwnScenario, type Size, thousands } from './scenario.ts'

const rows = ['memory, first peer', 'memory, Adj-RIB-In', 'memory, receiver', 'memory, Adj-RIB-Out'] as const
export type Row = (typeof rows)[number]

const counts = [100_000, 300_000, 1_000_000]
const main = fileURLToPath(new URL('../memory.ts', import.meta.url))

export const memory: OwnScenario = {
  name: 'memory',
  words:
    'Octets a route, columns and objects, by what each peer adds to a speaker. The first brings all tables: Loc-RIB, Adj-RIB-In, Adj-RIB-Out of its update group, and attribute sets. A second one with the same prefixes brings an Adj-RIB-In and sets of its own, 15 to 100 prefixes; one that is told what others are told nothing; one with another view an Adj-RIB-Out.',
  targets: { 'memory, receiver': { count: 1, counts: 'octets' } },
  sizes: counts.map((units): Size => ({ label: thousands(units), units })) as [Size, Size, Size],
  standard: 2,
  short: { isOneSize: true },
  rows,
  contenders: ['margay'],
  run: async size => {
    const options = ['--expose-gc', '--disable-warning=ExperimentalWarning', '--max-old-space-size=8192']
    const { stdout } = await promisify(execFile)(process.execPath, [...options, main, String(counts[size])])
    const found = JSON.parse(stdout) as Record<Row, number>
    return rows.map(row => ({ row, wall: 0, cpu: 0, memory: 0, count: found[row] }))
  },
}
