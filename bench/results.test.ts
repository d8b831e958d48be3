// Where a share of all values lies.

import t from 'tap'
import { percentile } from './results.ts'

const upTo = (count: number): number[] => Array.from({ length: count }, (_, i) => count - i)

for (const { of, percent, is } of [
  { of: 100, percent: 99, is: 99 },
  { of: 300, percent: 99, is: 297 },
  { of: 1_000, percent: 99, is: 990 },
  { of: 10, percent: 99, is: 10 },
  { of: 5, percent: 50, is: 3 },
  { of: 1, percent: 1, is: 1 },
  { of: 3, percent: 100, is: 3 },
])
  t.equal(percentile(upTo(of), percent), is, `${percent} % of 1 to ${of} are not above ${is}`)
