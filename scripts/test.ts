// Runs the checks and every test, prints progress a file at a time, and ends with the totals.

import { spawn } from 'node:child_process'
import { existsSync, globSync, mkdirSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

process.chdir(fileURLToPath(new URL('..', import.meta.url)))

interface Outcome {
  readonly file: string
  readonly passed: number
  readonly failed: number
}

const check = 'scripts/check.ts'
/** It takes a processor for minutes, ahead of what is beside it: first of all. */
const emulated = 'integration/dataplane/other-kinds.test.ts'
const logs = 'build/test-logs'
/** What Node makes of each module: hundreds of programs that start from the same sources need not read them anew. */
const compiled = join(process.cwd(), 'build/compile-cache')
/** `npm test` has made one file of tap. */
const hooks = existsSync('node_modules/@tapjs/one.mjs') ? ['--import', join(process.cwd(), 'scripts/tap.ts')] : []
const logOf = (file: string): string => join(logs, `${file.replaceAll('/', '_')}.log`)
const seconds = (since: number): string => `${((performance.now() - since) / 1000).toFixed(1)} s`

const isIntegration = (file: string): boolean => file.startsWith('integration/')

/** Seconds, for a slow machine with much to do: the checks alone read every file three times. */
function limitOf(file: string): number {
  if (file === emulated) return 2400
  return isIntegration(file) || file === check ? 1200 : 600
}

/** Runs one file as a program of its own: without a runner's hooks in it, what it starts runs as it would for a user. */
function run(file: string): Promise<Outcome> {
  const started = performance.now()
  const limit = limitOf(file)
  const env = { ...process.env, TAP_TIMEOUT: String(limit), NODE_COMPILE_CACHE: compiled }
  const child = spawn(process.execPath, [...hooks, file], {
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
      const ok = code === 0 && failed === 0
      const passed = file === check ? Number(ok) : leaves.length - failed - skipped.length
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
async function runLanes(lanes: readonly (readonly Iterable<string>[])[]): Promise<Outcome[]> {
  const lane = async (queues: readonly Iterable<string>[]): Promise<Outcome[]> => {
    const outcomes: Outcome[] = []
    for (const queue of queues) for (const file of queue) outcomes.push(await run(file))
    return outcomes
  }
  return (await Promise.all(lanes.map(lane))).flat()
}

const chosen = process.argv.slice(2)
const beside = globSync('{inet,bgp,netlink,src,cni-plugin,scripts,bench}/**/*.test.ts', {
  exclude: path => /(^|\/)(dist|node_modules)$/.test(path),
})
const integration = globSync('integration/**/*.test.ts')
/** These first, so that none of them ends when the other lanes have nothing more to do. */
const longest = [
  'cni/conformance',
  'compose/compose',
  'continuity/racks-bird',
  'lab-lifecycle',
  'continuity/reflectors',
  'lab-etcd',
  'lab-interrupt',
  'coexistence/neighbours',
  'lab-two-subnets',
  'libraries',
  'packaging/deb',
].map(name => `integration/${name}.test.ts`)
const pick = (files: readonly string[]): string[] =>
  files.filter(file => chosen.length === 0 || chosen.includes(file)).toSorted()

const unknown = chosen.filter(file => !beside.includes(file) && !integration.includes(file))
if (unknown.length > 0) {
  console.error(`no such test file: ${unknown.join(', ')}`)
  process.exit(2)
}

/** Files that failed beside another. */
const shaken: string[] = []

/** All of it shares two cores with real routers and labs: what failed beside another is asked once more by itself, and it is told. */
async function alone({ file }: Outcome): Promise<Outcome> {
  console.log(`once more, alone: ${file}`)
  renameSync(logOf(file), `${logOf(file)}.beside`)
  const again = await run(file)
  if (again.failed === 0) shaken.push(file)
  return again
}

const started = performance.now()
// What takes a processor and what mostly waits, side by side: six at once for two cores, and no processor stands idle. One lane begins with
// the units, the others with integration, and each goes on with the others' where it has no more of its own.
const units = [...(chosen.length === 0 ? [check] : []), ...pick(beside)].values()
// Interop's table comes after what fills it, so one lane has all of it, in the order of its names.
const isInterop = (file: string): boolean => file.startsWith('integration/interop/')
const rest = pick(integration.filter(file => !isInterop(file) && file !== emulated))
const labs = [...longest.filter(file => rest.includes(file)), ...rest.filter(file => !longest.includes(file))].values()
const interop = pick(integration.filter(isInterop)).values()
const ran = await runLanes([
  [pick([emulated]), labs, units],
  [units, labs],
  [labs, units],
  [labs, units],
  [labs, units],
  [interop, labs, units],
])
const outcomes: Outcome[] = []
for (const outcome of ran) outcomes.push(outcome.failed > 0 ? await alone(outcome) : outcome)
const sum = (of: (outcome: Outcome) => number): number => outcomes.reduce((total, outcome) => total + of(outcome), 0)
const failed = sum(outcome => outcome.failed)
if (shaken.length > 0) console.log(`passed only when run alone: ${shaken.join(', ')}`)
console.log(`took ${seconds(started)}`)
console.log(`${sum(outcome => outcome.passed)} passed, ${failed} failed`)
process.exit(failed === 0 ? 0 : 1)
