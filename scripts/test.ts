// Runs the checks and every test, prints progress a file at a time, and ends with the totals.

import { spawn, spawnSync } from 'node:child_process'
import { globSync, mkdirSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

process.chdir(fileURLToPath(new URL('..', import.meta.url)))

interface Outcome {
  readonly file: string
  readonly passed: number
  readonly failed: number
}

const logs = 'build/test-logs'
/** What Node makes of each module: hundreds of programs that start from the same sources need not read them anew. */
const compiled = join(process.cwd(), 'build/compile-cache')
const logOf = (file: string): string => join(logs, `${file.replaceAll('/', '_')}.log`)
const seconds = (since: number): string => `${((performance.now() - since) / 1000).toFixed(1)} s`

/** Runs one file as a program of its own: without a runner's hooks in it, what it starts runs as it would for a user. */
function run(file: string, limit: number): Promise<Outcome> {
  const started = performance.now()
  const env = { ...process.env, TAP_TIMEOUT: String(limit), NODE_COMPILE_CACHE: compiled }
  const child = spawn(process.execPath, [file], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env,
    timeout: (limit + 30) * 1000,
  })
  const output: Buffer[] = []
  child.stdout.on('data', (data: Buffer) => output.push(data))
  child.stderr.on('data', (data: Buffer) => output.push(data))
  return new Promise(resolve => {
    child.on('close', code => {
      const text = Buffer.concat(output).toString()
      mkdirSync(logs, { recursive: true })
      const log = logOf(file)
      writeFileSync(log, text)
      const leaves = [...text.matchAll(/^\s*(not )?ok \d+(.*)$/gm)].filter(([, , rest]) => !rest.includes('# time='))
      const skipped = leaves.filter(([, , rest]) => / # SKIP/i.test(rest))
      const failed = leaves.filter(([, no, rest]) => no && !/ # (SKIP|TODO)/i.test(rest)).length
      const passed = leaves.length - failed - skipped.length
      const ok = code === 0 && failed === 0
      console.log(
        `${ok ? '✔' : '✘'} ${file}  ${passed} passed${failed ? `, ${failed} failed` : ''}  ${seconds(started)}`,
      )
      for (const [line] of skipped) console.log(`    skipped: ${line.replace(/^.*# SKIP:?\s*/i, '')}`)
      if (!ok) {
        const lines = text.split('\n')
        const first = lines.findIndex(line => /^\s*not ok/.test(line))
        const tail = first >= 0 ? lines.slice(Math.max(0, first - 5), first + 45) : lines.slice(-50)
        console.log(tail.map(line => `    ${line}`).join('\n'))
        console.log(`    all of its output: ${log}`)
      }
      resolve({ file, passed, failed: ok ? 0 : Math.max(failed, 1) })
    })
  })
}

/** Runs files one after another, several such lanes at once; a lane goes through its queues, and lanes may share one. */
async function runLanes(lanes: readonly (readonly Iterable<string>[])[], limit: number): Promise<Outcome[]> {
  const lane = async (queues: readonly Iterable<string>[]): Promise<Outcome[]> => {
    const outcomes: Outcome[] = []
    for (const queue of queues) for (const file of queue) outcomes.push(await run(file, limit))
    return outcomes
  }
  return (await Promise.all(lanes.map(lane))).flat()
}

const chosen = process.argv.slice(2)
const beside = globSync('{inet,bgp,netlink,src,cni-plugin,scripts,bench}/**/*.test.ts', {
  exclude: path => /(^|\/)(dist|node_modules)$/.test(path),
})
const integration = globSync('integration/**/*.test.ts')
const pick = (files: readonly string[]): string[] =>
  files.filter(file => chosen.length === 0 || chosen.includes(file)).toSorted()

const unknown = chosen.filter(file => !beside.includes(file) && !integration.includes(file))
if (unknown.length > 0) {
  console.error(`no such test file: ${unknown.join(', ')}`)
  process.exit(2)
}

/** Files that failed beside another. */
const shaken: string[] = []

/** Real routers and labs of several nodes share two cores: what failed beside another is asked once more by itself, and it is told. */
async function alone({ file }: Outcome): Promise<Outcome> {
  console.log(`once more, alone: ${file}`)
  renameSync(logOf(file), `${logOf(file)}.beside`)
  const again = await run(file, 900)
  if (again.failed === 0) shaken.push(file)
  return again
}

const started = performance.now()
const outcomes: Outcome[] = []
if (chosen.length === 0) {
  const { status } = spawnSync(process.execPath, ['scripts/check.ts'], { stdio: 'inherit' })
  outcomes.push({ file: 'scripts/check.ts', passed: status === 0 ? 1 : 0, failed: status === 0 ? 0 : 1 })
}
const units = pick(beside).values()
outcomes.push(...(await runLanes([[units], [units]], 300)))
// Speakers beside labs: they mostly wait. Each in the order of its names: interop's table comes after what fills it.
const isInterop = (file: string): boolean => file.startsWith('integration/interop/')
const isSpeaker = (file: string): boolean => file.startsWith('integration/bgp-')
// An emulated machine takes both processors, and beside others it takes many times as long.
const emulated = 'integration/dataplane/other-kinds.test.ts'
const labs = pick(integration.filter(file => !isSpeaker(file) && !isInterop(file) && file !== emulated)).values()
const speakers = pick(integration.filter(isSpeaker)).values()
const interop = pick(integration.filter(isInterop)).values()
// Four at once, for two cores: each waits for more than half of its time.
const together = await runLanes([[labs], [labs], [speakers, labs], [interop, labs]], 900)
const last = await runLanes([[pick([emulated])]], 900)
for (const outcome of [...together, ...last]) outcomes.push(outcome.failed === 0 ? outcome : await alone(outcome))
const sum = (of: (outcome: Outcome) => number): number => outcomes.reduce((total, outcome) => total + of(outcome), 0)
const failed = sum(outcome => outcome.failed)
if (shaken.length > 0) console.log(`passed only when run alone: ${shaken.join(', ')}`)
console.log(`took ${seconds(started)}`)
console.log(`${sum(outcome => outcome.passed)} passed, ${failed} failed`)
process.exit(failed === 0 ? 0 : 1)
