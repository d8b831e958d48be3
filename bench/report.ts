// docs/performance.md and its chart, of what bench/results.json has. Only what stands between the two marks of the page is written;
// the rest is people's.

import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { format } from 'prettier'
import { chart } from './chart.ts'
import { competitors, contenders, titleOf } from './contenders.ts'
import { median, readResults, type Result } from './results.ts'
import { type Growth, rowsOf, type Scenario, scenarios, type Target } from './scenarios/index.ts'

const docs = (name: string): string => fileURLToPath(new URL(`../docs/${name}`, import.meta.url))
const BEGIN = '<!-- written by bench/report.ts from here -->'
const END = '<!-- to here -->'

export async function writeReport(results: readonly Result[] = readResults()): Promise<void> {
  const page = readFileSync(docs('performance.md'), 'utf8')
  const [before] = page.split(BEGIN)
  const [, after = ''] = page.split(END)
  const text = [before + BEGIN, '', ...summary(results), ...scenarios.flatMap(each => section(each, results))]
  const generator = generatorTable(results)
  const whole = [...text, ...generator, END + after].join('\n')
  writeFileSync(docs('performance.md'), await format(whole, { parser: 'markdown', printWidth: 120 }))
  writeFileSync(docs('performance.svg'), chart(results))
}

const others = competitors.filter(({ name }) => name !== 'margay')

/** The row of one device; undefined if it was not measured or failed. */
function find(results: readonly Result[], row: string, size: string, device: string): Result | undefined {
  return results.find(each => each.row === row && each.size === size && each.device === device && each.wall.length > 0)
}

export interface Comparison {
  /** Who of the others is fastest by that measure. */
  readonly best: Result
  /** Our median to theirs. */
  readonly ratio: number
}

/** Margay beside the best of the others. */
export function compare(
  results: readonly Result[],
  row: string,
  size: string,
  measure: 'wall' | 'cpu',
): Comparison | undefined {
  const ours = find(results, row, size, 'margay')
  const theirs = others.flatMap(({ name }) => find(results, row, size, name) ?? [])
  const [best] = theirs.toSorted((a, b) => median(a[measure]) - median(b[measure]))
  if (!ours || !best) return undefined
  return { best, ratio: median(ours[measure]) / Math.max(median(best[measure]), 1e-5) }
}

function summary(results: readonly Result[]): string[] {
  const rows = scenarios.flatMap(({ targets, targetsAt = {}, sizes, standard }) =>
    Object.entries(targets).flatMap(([row, target]) =>
      sizes.flatMap(({ label }, size) => {
        const wanted = size === standard ? target : targetsAt[size]?.[row]
        return wanted ? [summaryRow(results, row, label, wanted)] : []
      }),
    ),
  )
  return [
    '| scenario | size | Margay | fastest other | ratio | target | CPU ratio | memory | | commit |',
    '|---|---|--:|--:|--:|--:|--:|--:|:-:|---|',
    ...rows,
    '',
    '![Seconds by scenario and router](performance.svg)',
    '',
  ]
}

/** A row of the first table. */
export function summaryRow(results: readonly Result[], row: string, size: string, target: Target): string {
  const ours = find(results, row, size, 'margay')
  const wall = compare(results, row, size, 'wall')
  const cpu = compare(results, row, size, 'cpu')
  const memory = ours ? median(ours.memory) : undefined
  return `| ${[
    row,
    size,
    ours ? told(ours, target) : '',
    wall ? `${titleOf(wall.best.device)} ${told(wall.best, target)}` : '',
    wall && target.wall !== undefined ? wall.ratio.toFixed(2) : '',
    words(target),
    cpu && median(cpu.best.cpu) > 0 ? `${cpu.ratio.toFixed(2)} of ${titleOf(cpu.best.device)}` : '',
    memory ? megabytes(memory) : '',
    ours ? verdict(ours, target, { wall, cpu, bird: find(results, row, size, 'bird') }) : '',
    ours?.commit ?? '',
  ].join(' | ')} |`
}

/** Its time, what it counts, the worst of what must not be exceeded, and of how many rounds. */
function told(result: Result, { counts, count: most }: Target): string {
  const { wall, count, failed } = result
  const time = median(wall) > 0 || !count ? [seconds(median(wall))] : []
  const worst =
    most !== undefined && count && Math.max(...count) > median(count) ? [`at most ${Math.max(...count)}`] : []
  const broken = failed === undefined ? '' : ', then failed'
  return `${[...time, ...(count ? [counted(result, counts)] : []), ...worst].join(', ')} (×${wall.length}${broken})`
}

interface Others {
  readonly wall: Comparison | undefined
  readonly cpu: Comparison | undefined
  readonly bird: Result | undefined
}

/** ✔ or ✘; nothing where what it is compared with was not measured. */
function verdict(ours: Result, target: Target, { wall, cpu, bird }: Others): string {
  const limits: readonly (readonly [number | undefined, number | undefined])[] = [
    [wall?.ratio, target.wall],
    [cpu?.ratio, target.cpu],
    [median(ours.memory), target.memory],
    [bird && median(ours.memory) - median(bird.memory), target.overBird],
    [Math.max(...ours.wall), target.seconds],
    [ours.count && Math.max(...ours.count), target.count],
    [ours.count && median(ours.count), target.overTheory && (1 + target.overTheory) * (ours.theory ?? 0)],
  ]
  const asked = limits.filter(([, most]) => most !== undefined)
  if (ours.failed !== undefined) return '✘'
  if (asked.length === 0 || asked.some(([found]) => found === undefined)) return ''
  return asked.every(([found = Infinity, most = 0]) => found <= most) ? '✔' : '✘'
}

function words({ wall, cpu, memory, overBird, seconds: most, count, counts = 'count', overTheory }: Target): string {
  const parts = [
    wall === undefined ? [] : `≤ ${wall}`,
    cpu === undefined ? [] : `CPU ≤ ${cpu}`,
    memory === undefined ? [] : `${memory} MB`,
    overBird === undefined ? [] : `BIRD's + ${overBird} MB`,
    most === undefined ? [] : `≤ ${seconds(most)}`,
    count === undefined ? [] : `≤ ${count} ${counts}`,
    overTheory === undefined ? [] : `${counts} ≤ theory + ${100 * overTheory} %`,
  ]
  return parts.flat().join(', ')
}

/** All devices at all sizes. */
function section(scenario: Scenario, results: readonly Result[]): string[] {
  const { words, name, sizes } = scenario
  const own = results.filter(each => each.scenario === name)
  const isThere = (contender: string): boolean =>
    scenario.contenders?.includes(contender) ?? own.some(({ device }) => device === contender)
  return rowsOf(scenario).flatMap((row, i) => [
    `### ${row}`,
    '',
    ...(i === 0 ? [words, ''] : []),
    `| | ${sizes.map(({ label }) => label).join(' | ')} | ${scenario.theory?.[row] ? 'a node’s grow with' : 'CPU grows with'} |`,
    `|---|${sizes.map(() => '--:|').join('')}:-:|`,
    ...contenders
      .filter(({ name }) => isThere(name))
      .map(({ name, title }) => {
        const cells = sizes.map(({ label }) => cell(own, row, label, name, scenario.targets[row]?.counts))
        const version = own.find(each => each.device === name)?.version
        const theory = scenario.theory?.[row]
        const growth = theory ? besideTheory(own, row, sizes, name, theory) : exponent(own, row, sizes, name, 'cpu')
        return `| ${title}${version ? ` ${version}` : ''} | ${cells.join(' | ')} | ${growth} |`
      }),
    '',
  ])
}

function cell(results: readonly Result[], row: string, size: string, device: string, counts?: string): string {
  const result = find(results, row, size, device)
  if (result) {
    const [wall, cpu, memory] = [median(result.wall), median(result.cpu), median(result.memory)]
    const parts = [
      ...(wall > 0 || !result.count ? [seconds(wall)] : []),
      ...(cpu > 0 ? [`CPU ${seconds(cpu)}`] : []),
      ...(memory > 0 ? [megabytes(memory)] : []),
      ...(result.count ? [counted(result, counts)] : []),
    ]
    const { wall: times, failed } = result
    return `${parts.join(', ')} (×${times.length})${failed === undefined ? '' : `, then ${broken(failed)}`}`
  }
  const failed = results.find(each => each.row === row && each.size === size && each.device === device)?.failed
  return failed === undefined ? '' : broken(failed)
}

/** In a cell of a table. */
const broken = (failed: string): string => `✘ ${failed.replaceAll('|', '/')}`

/** The power of the size with which that grows, from the smallest to the largest that was measured. */
function exponent(
  results: readonly Result[],
  row: string,
  sizes: Scenario['sizes'],
  device: string,
  measure: 'cpu' | 'memory' | 'count',
): string {
  const points = sizes.flatMap(({ label, units }) => {
    const found = median(find(results, row, label, device)?.[measure] ?? [0])
    // Of what took next to nothing nobody knows how it grows.
    return found > 0 ? [{ x: Math.log(units), y: Math.log(found) }] : []
  })
  if (points.length < 2) return ''
  const [a, b] = [points[0], points[points.length - 1]]
  return `n^${((b.y - a.y) / (b.x - a.x)).toFixed(2)}`
}

function besideTheory(
  results: readonly Result[],
  row: string,
  sizes: Scenario['sizes'],
  device: string,
  theory: Growth,
): string {
  const measures = { CPU: 'cpu', memory: 'memory', UPDATEs: 'count' } as const
  return Object.entries(measures)
    .map(([word, measure]) => [word, measure, exponent(results, row, sizes, device, measure)] as const)
    .filter(([, , found]) => found !== '')
    .map(([word, measure, found]) => `${word} ${found} (theory n^${theory[measure]})`)
    .join(', ')
}

function generatorTable(results: readonly Result[]): string[] {
  const rows = results
    .filter(({ device, wall }) => device === 'direct' && wall.length > 0)
    .map(direct => {
      const all = results.filter(
        each =>
          each.row === direct.row && each.size === direct.size && each.device !== 'direct' && each.wall.length > 0,
      )
      const fastest = Math.min(...all.map(({ wall }) => median(wall)))
      // A row whose time is how late something came says nothing about the generator.
      const share = fastest > 0 ? (median(direct.wall) / fastest).toFixed(2) : '–'
      return `| ${direct.row} | ${direct.size} | ${seconds(median(direct.wall))} | ${seconds(fastest)} | ${share} |`
    })
  const busy = scenarios.flatMap(({ targets, sizes, standard }) =>
    Object.entries(targets).flatMap(([row, target]) => {
      // A time that is asked for in seconds is how late something came.
      if (target.seconds !== undefined) return []
      const ours = find(results, row, sizes[standard].label, 'margay')
      if (!ours || median(ours.generator) === 0) return []
      const [own, wall] = [median(ours.generator), median(ours.wall)]
      return [`| ${row} | ${ours.size} | ${seconds(own)} | ${seconds(wall)} | ${(own / wall).toFixed(2)} |`]
    }),
  )
  return [
    '### The generator with itself',
    '',
    'Sender and receiver joined without a device between them, so that both do all that they do in the runs above.',
    '',
    '| scenario | size | generator alone | fastest device | share |',
    '|---|---|--:|--:|--:|',
    ...rows,
    '',
    'And what part of the time of a run with Margay its one thread is busy, all receivers in it: near 1 it would be what is measured.',
    '',
    '| scenario | size | processor time of the generator | time of the run | share |',
    '|---|---|--:|--:|--:|',
    ...busy,
    '',
  ]
}

function counted({ count = [], theory }: Result, counts = 'counted'): string {
  return `${median(count)} ${counts}${theory === undefined ? '' : ` (theory ${theory})`}`
}

const megabytes = (value: number): string => `${value.toFixed(value < 10 ? 1 : 0)} MB`

/** Three figures. */
export function seconds(value: number): string {
  return value < 1 ? `${(value * 1000).toFixed(value < 0.01 ? 1 : 0)} ms` : `${value.toFixed(value < 10 ? 2 : 1)} s`
}
