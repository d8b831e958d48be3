// What runs have found: bench/results.json, of which docs/performance.md is made. A run replaces what it has measured and leaves
// the rest.

import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { format } from 'prettier'

/** One device at one size of one row of a scenario. */
export interface Result {
  readonly scenario: string
  readonly size: string
  readonly row: string
  /** Its name, or `direct`: the generator with itself. */
  readonly device: string
  readonly version: string
  /** A number a round: seconds, seconds, MB; of rows with several steps, the median of the round's. */
  readonly wall: readonly number[]
  readonly cpu: readonly number[]
  readonly memory: readonly number[]
  /** Seconds of the generator's own process. */
  readonly generator: readonly number[]
  /** What the row counts, if it counts something. */
  readonly count?: readonly number[]
  /** What that has to be at least. */
  readonly theory?: number
  /** On which commit it was measured. */
  readonly commit?: string
  /** Why there is nothing, or what went wrong in the round after those that there are. */
  readonly failed?: string
}

const file = fileURLToPath(new URL('results.json', import.meta.url))

export function readResults(): Result[] {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Result[]
  } catch {
    return []
  }
}

/** Whatever was there of the same scenarios and sizes goes, so that figures side by side are of one run. */
export async function writeResults(fresh: readonly Result[]): Promise<Result[]> {
  const isFresh = (old: Result): boolean =>
    fresh.some(({ scenario, size }) => scenario === old.scenario && size === old.size)
  const commit = execFileSync('git', ['rev-parse', '--short=7', 'HEAD'], {
    cwd: import.meta.dirname,
    encoding: 'utf8',
  }).trim()
  const all = [...readResults().filter(old => !isFresh(old)), ...fresh.map(each => ({ ...each, commit }))]
  writeFileSync(file, await format(JSON.stringify(all), { parser: 'json', printWidth: 120 }))
  return all
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

/** The smallest value that at least so many per cent of all are not above (nearest rank). */
export function percentile(values: readonly number[], percent: number): number {
  return values.toSorted((a, b) => a - b)[Math.max(1, Math.ceil((percent * values.length) / 100)) - 1]
}
