// `npm run bench`: scenario by scenario, device by device, round by round, and then docs/performance.md.
//
//     npm run bench                           each scenario at its standard size beside the fastest others, and Margay at smaller ones;
//                                             ends within ten minutes
//     npm run bench -- --full                 all devices at all sizes, three rounds
//     npm run bench -- --quick                each scenario at its smallest size, once; nothing is written
//         --only full-table,churn             these scenarios, all of them repeated and Margay at all smaller sizes
//         --devices margay,bird               these devices; nothing is written
//         --size 1                            at this size alone: 0, 1 or 2
//         --profile FOLDER                    Margay writes a profile of its processor time there
//         --rounds 5  --no-write

import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { type Contender, contenders } from './contenders.ts'
import { devices } from './devices/index.ts'
import { measure, type Outcome } from './measure.ts'
import { writeReport } from './report.ts'
import { median, type Result, writeResults } from './results.ts'
import { type Measured, rowsOf, type Scenario, scenarios } from './scenarios/index.ts'

const text = { type: 'string' } as const
const flag = { type: 'boolean', default: false } as const
const { values: options } = parseArgs({
  options: {
    full: flag,
    quick: flag,
    only: text,
    devices: text,
    rounds: text,
    size: text,
    profile: text,
    'no-write': flag,
  },
})

// For scenarios that last longer then, in other processes, too.
if (options.full) process.env.BENCH_FULL = '1'

/** The short set begins no run that may not end by then, going by its first. Seconds. */
const BUDGET = 570
/** All scenarios in that time: none is repeated that took longer. */
const LONG = options.only === undefined ? 25 : BUDGET
/** What a first run is taken to last at most. */
const UNKNOWN = 60
/** They take minutes where others take seconds: asked for by name, or with all. */
const SLOW = ['openbgpd', 'gobgp']
/** Seconds a phase. */
const LIMIT = options.full ? 400 : 60

interface Cell {
  readonly scenario: Scenario
  readonly size: number
  /** Undefined: the generator with itself. */
  readonly contender: Contender | undefined
  /** The time that its first run took, seconds. */
  took: number
  readonly rounds: Map<string, Measured>[]
  failed: string | undefined
}

const names = (list: string | undefined): readonly string[] | undefined => list?.split(',')
const chosen = scenarios.filter(({ name }) => names(options.only)?.includes(name) ?? true)
const named = contenders.filter(({ name }) => names(options.devices)?.includes(name) ?? true)
const isShort = !options.full && !options.quick && options.size === undefined && options.devices === undefined
const rounds = Number(options.rounds ?? (options.quick ? 1 : 3))

/** Sizes, and who is measured at each. */
function cellsOf(scenario: Scenario): Cell[] {
  const only = options.quick ? 0 : options.size === undefined ? undefined : Number(options.size)
  const sizes = [0, 1, 2].filter(size => only === undefined || size === only)
  return sizes.flatMap(size => {
    const isMain = options.full || size === (only ?? scenario.standard)
    const { others, isOneSize = false } = isShort ? (scenario.short ?? {}) : {}
    if (isOneSize && options.only === undefined && size !== scenario.standard) return []
    const asked = scenario.contenders ?? devices.map(({ name }) => name)
    const all = named.filter(({ name }) => asked.includes(name))
    const isAsked = options.full || options.devices !== undefined
    const usual = all.filter(
      ({ name }) => isAsked || name === 'margay' || (others?.includes(name) ?? !SLOW.includes(name)),
    )
    const own = usual.filter(({ name }) => name === 'margay')
    const who: (Contender | undefined)[] = isMain ? [...usual] : size < scenario.standard ? own : []
    if (isMain && isOneToOne(scenario, size)) who.unshift(undefined)
    return who.map(contender => ({ scenario, size, contender, took: 0, rounds: [], failed: undefined }))
  })
}

/** Then the generator can do without a device. */
function isOneToOne(scenario: Scenario, size: number): boolean {
  return !('run' in scenario) && scenario.sizes[size].shape.peers.length === 2
}

/** The steps of one row become one figure. */
function merged(measured: readonly Measured[]): Map<string, Measured> {
  const rows = Map.groupBy(measured, ({ row }) => row)
  const of = (steps: readonly Measured[], field: (step: Measured) => number): number => median(steps.map(field))
  return new Map(
    rows.entries().map(([row, steps]) => [
      row,
      {
        row,
        wall: of(steps, ({ wall }) => wall),
        // Processor time is told in hundredths: of many short steps only the mean says something.
        cpu: steps.reduce((sum, { cpu }) => sum + cpu, 0) / steps.length,
        memory: Math.max(...steps.map(({ memory }) => memory)),
        generator: of(steps, ({ generator = 0 }) => generator),
        ...(steps[0].count !== undefined && { count: of(steps, ({ count = 0 }) => count) }),
        theory: steps[0].theory,
      },
    ]),
  )
}

async function outcomeOf({ scenario, size, contender }: Cell): Promise<Outcome> {
  if (!('run' in scenario)) {
    const device = devices.find(({ name }) => name === contender?.name)
    return measure(scenario, size, device, LIMIT, options.profile)
  }
  try {
    return { rows: await scenario.run(size, contender?.name ?? '', { limit: LIMIT, full: options.full }) }
  } catch (error) {
    return { rows: [], failed: error instanceof Error ? error.message : String(error) }
  }
}

async function run(cell: Cell): Promise<void> {
  const { scenario, size, contender } = cell
  const start = performance.now()
  const outcome = await outcomeOf(cell)
  cell.took = (performance.now() - start) / 1000
  const who = `[${spent().toFixed(0).padStart(3)} s] ${scenario.name} ${scenario.sizes[size].label}  ${(contender?.title ?? 'generator alone').padEnd(18)} `
  if ('failed' in outcome) {
    cell.failed = outcome.failed.split('\n')[0]
    console.log(`${who}failed: ${outcome.failed}`)
    return
  }
  const rows = merged(outcome.rows)
  cell.rounds.push(rows)
  for (const { row, wall, cpu, memory, generator = 0, count, theory } of rows.values()) {
    console.log(
      `${who}${row.padEnd(16)} wall ${wall.toFixed(3)} s  cpu ${cpu.toFixed(2)} s  ${memory.toFixed(memory < 10 ? 2 : 0)} MB` +
        (generator > 0 ? `  (generator ${generator.toFixed(3)} s)` : '') +
        (count === undefined ? '' : `  count ${count.toFixed(1)}`) +
        (theory === undefined ? '' : ` (theory ${theory.toFixed(1)})`),
    )
  }
}

function resultsOf({ scenario, size, contender, rounds, failed }: Cell): Result[] {
  return rowsOf(scenario).map(row => {
    const of = (field: 'wall' | 'cpu' | 'memory' | 'generator' | 'count', digits: number): number[] =>
      rounds.flatMap(each => each.get(row) ?? []).map(found => Number((found[field] ?? 0).toFixed(digits)))
    const theory = rounds[0]?.get(row)?.theory
    const hasCount = rounds.some(each => each.get(row)?.count !== undefined)
    return {
      scenario: scenario.name,
      size: scenario.sizes[size].label,
      row,
      device: contender?.name ?? 'direct',
      version: contender?.version() ?? '',
      wall: of('wall', 6),
      cpu: of('cpu', 5),
      memory: of('memory', 2),
      generator: of('generator', 4),
      ...(hasCount && { count: of('count', 1) }),
      ...(theory !== undefined && { theory: Number(theory.toFixed(1)) }),
      ...(failed !== undefined && { failed }),
    }
  })
}

const root = fileURLToPath(new URL('..', import.meta.url))
execFileSync(process.execPath, ['--disable-warning=ExperimentalWarning', 'scripts/build.ts'], { cwd: root })
for (const library of ['bgp', 'netlink']) {
  execFileSync(process.execPath, ['--disable-warning=ExperimentalWarning', 'scripts/build.ts', library], { cwd: root })
}
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1)) // then namespaces go
const start = performance.now()
const spent = (): number => (performance.now() - start) / 1000
const cells = chosen.flatMap(cellsOf)
for (let round = 0; round < rounds; round++) {
  for (const cell of cells) {
    const isOver =
      !options.full && (spent() + (round > 0 ? cell.took : UNKNOWN) > BUDGET || (round > 0 && cell.took > LONG))
    if (!isOver && cell.failed === undefined) await run(cell)
  }
}
const [tried, left] = [cells.filter(({ took }) => took > 0), cells.filter(({ took }) => took === 0)]
for (const { scenario, size, contender } of left)
  console.log(
    `no time was left for ${scenario.name} ${scenario.sizes[size].label} ${contender?.title ?? 'generator alone'}`,
  )
console.log(`${spent().toFixed(0)} s`)
if (!options.quick && !options.devices && !options['no-write']) {
  await writeReport(await writeResults(tried.flatMap(resultsOf)))
}
process.exit()
