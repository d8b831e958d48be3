// What a route takes in each table.

import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { type OwnScenario, type Size, thousands } from './scenario.ts'

const rows = [
  'memory, first peer',
  'columns, Adj-RIB-In',
  'columns, Loc-RIB',
  'columns, Adj-RIB-Out',
  'columns, attribute sets',
  'memory, Adj-RIB-In',
  'memory, receiver',
  'memory, Adj-RIB-Out',
] as const
export type Row = (typeof rows)[number]

const octets = { counts: 'octets' }
const counts = [100_000, 300_000, 1_000_000]
const main = fileURLToPath(new URL('../memory.ts', import.meta.url))

export const memory: OwnScenario = {
  name: 'memory',
  words:
    'Octets a route, columns and objects, by what each peer adds to a speaker. The first brings all tables, and columns and hash indexes of each are told by themselves, too: Adj-RIB-In (paths), Loc-RIB (prefixes, how they are found, the best path of each), Adj-RIB-Out of its update group, and attribute sets, 15 to 100 prefixes, whose octets the other three share. A second one with the same prefixes brings an Adj-RIB-In and sets of its own; one that is told what others are told nothing; one with another view an Adj-RIB-Out.',
  targets: Object.fromEntries(rows.map(row => [row, row === 'memory, receiver' ? { ...octets, count: 1 } : octets])),
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
