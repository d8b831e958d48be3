// Whole clusters in one process: what a node costs as they grow, in messages, processor time and memory.

import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { Step } from '../cluster/main.ts'
import { type Growth, type Measured, type OwnScenario, type Size, thousands } from './scenario.ts'

const main = fileURLToPath(new URL('../cluster/main.ts', import.meta.url))
const run = promisify(execFile)

/**
 * V8 collects the whole heap each time that buffers beside it have grown by a third, whatever lives in it: of a quarter of a million
 * sessions in one process that was nine tenths of the time. With these it counts them as a part of what may grow. In MB: the heap at most.
 */
const V8 = [
  '--external-memory-accounted-in-global-limit',
  '--external-memory-max-growing-factor=4',
  '--max-old-space-size=12000',
]

/** The C library gives back what it has free: memory in use is what is told. */
const ENVIRONMENT = { MALLOC_TRIM_THRESHOLD_: '131072', MALLOC_MMAP_THRESHOLD_: '131072' }

interface Ended {
  readonly code?: number | string
  readonly signal?: string
  readonly stderr?: string
}

/** What stands in a table: neither a command line nor a stack. */
function whyEnded({ code, signal, stderr = '' }: Ended): string {
  const said = stderr.split('\n').find(line => /Error|FATAL|what\(\)/.test(line))
  return `the process ended (${signal ?? code}${said === undefined ? '' : `: ${said.trim()}`})`
}

function cluster(
  topology: 'mesh' | 'reflectors',
  nodes: readonly [number, number, number],
  words: string,
  theory: Readonly<Partial<Record<Step['what'], Growth>>>,
): OwnScenario {
  const name = `cluster-${topology}`
  const row = (what: Step['what']): string => `${topology}, ${what}`
  const steps: readonly Step['what'][] = topology === 'mesh' ? ['start', 'join'] : ['start', 'join', 'reflector dies']
  // A few messages more are no matter of growth.
  const targets = Object.fromEntries(steps.map(what => [row(what), { overTheory: 0.05, counts: 'UPDATEs' }]))
  return {
    name,
    words,
    targets,
    targetsAt: { 1: targets, 2: targets },
    sizes: nodes.map((units): Size => ({ label: `${thousands(units)} nodes`, units })) as [Size, Size, Size],
    standard: 0,
    rows: steps.map(row),
    theory: Object.fromEntries(steps.flatMap(what => (theory[what] ? [[row(what), theory[what]]] : []))),
    contenders: ['margay'],
    run: async (size): Promise<readonly Measured[]> => {
      const options = ['--expose-gc', '--disable-warning=ExperimentalWarning', ...V8]
      const argv = [...options, main, topology, String(nodes[size])]
      const { stdout } = await run(process.execPath, argv, { env: { ...process.env, ...ENVIRONMENT } }).catch(
        (error: unknown) => {
          throw new Error(whyEnded(error as Ended))
        },
      )
      return (JSON.parse(stdout) as Step[]).map(({ what, wall, cpu, memory, updates, theory }) => ({
        row: row(what),
        wall,
        cpu: cpu / nodes[size],
        memory: memory / 1e6,
        count: updates,
        theory,
      }))
    },
  }
}

const common =
  'all by the code that runs in production, in one process, with a network in memory and a virtual clock. Processor time and memory are those of one node; counted are the UPDATEs that a node sends on average, beside those that the sessions and routes ask for.'

/** A node has to do with each other: it hears of it, and keeps its route. */
const LINEAR = { cpu: 1, memory: 1, count: 1 }

export const mesh = cluster(
  'mesh',
  [50, 200, 500],
  `Nodes of which each has a session with every other, and one block: all start at once, then one more joins; ${common} By theory a node has a session with each other, sends its route to each and keeps theirs; of one that joins it is told once, and each plan looks at all Nodes.`,
  { start: LINEAR, join: { ...LINEAR, count: 0 } },
)

export const reflectors = cluster(
  'reflectors',
  [300, 1_000, 5_000],
  `Nodes with a session to each of two reflectors: all start at once, one more joins, a reflector dies; ${common} By theory a node hears of each other from each reflector and keeps the routes; of one that joins it is told once by each, and each plan looks at all Nodes; when a reflector dies, it goes over the routes that it had from it.`,
  { start: LINEAR, join: { ...LINEAR, count: 0 }, 'reflector dies': { ...LINEAR, count: 0 } },
)
