// Processes in namespaces: started so that they outlive the command that starts them, found again after it was killed.
//
// A pid alone proves nothing, because pids are given anew; with the start time from /proc/PID/stat (field 22) it does.

import { spawn } from 'node:child_process'
import {
  closeSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

export interface ProcessId {
  readonly pid: number
  /** Clock ticks since boot. */
  readonly startTime: string
}

export interface StartOptions {
  readonly netns: string
  readonly argv: readonly string[]
  readonly log: string
  /** File that gets pid and start time. */
  readonly record: string
  readonly env?: Readonly<Record<string, string>>
}

export const netnsPath = (netns: string): string => `/run/netns/${netns}`

/** argv that runs `argv` in a namespace, in the same process. */
export const inNamespace = (netns: string, argv: readonly string[]): readonly [string, ...string[]] => [
  'nsenter',
  `--net=${netnsPath(netns)}`,
  '--',
  ...argv,
]

/** Starts a process of its own session, with its output in a log file. Throws if it could not be started. */
export function start(options: StartOptions): ProcessId {
  mkdirSync(dirname(options.log), { recursive: true })
  const log = openSync(options.log, 'a')
  try {
    const [command, ...args] = inNamespace(options.netns, options.argv)
    const child = spawn(command, args, {
      detached: true,
      stdio: ['ignore', log, log],
      env: { ...process.env, ...options.env },
    })
    child.on('error', () => {})
    if (child.pid === undefined)
      throw new Error(`${options.argv[0]} could not be started in ${options.netns}: is nsenter installed?`)
    const id = { pid: child.pid, startTime: startTimeOf(child.pid) ?? '' }
    writeFileSync(options.record, `${JSON.stringify(id)}\n`)
    child.unref()
    return id
  } finally {
    closeSync(log)
  }
}

export function isAlive(id: ProcessId): boolean {
  return startTimeOf(id.pid) === id.startTime
}

export function self(): ProcessId {
  return { pid: process.pid, startTime: startTimeOf(process.pid) ?? '' }
}

/** Field 22 of /proc/PID/stat; undefined if there is no such process, or only its zombie. */
function startTimeOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return fields[0] === 'Z' || fields[0] === 'X' ? undefined : fields[19]
  } catch {
    return undefined
  }
}

/** The processes recorded in a directory, by the record's name (`tor1-bird`). */
export function recorded(dir: string): ReadonlyMap<string, ProcessId> {
  const found = new Map<string, ProcessId>()
  let names: string[] = []
  try {
    names = readdirSync(dir)
  } catch {
    return found
  }
  for (const name of names) {
    try {
      found.set(name, JSON.parse(readFileSync(join(dir, name), 'utf8')) as ProcessId)
    } catch {
      // Half written when its writer was killed: the process is found by its namespace.
    }
  }
  return found
}

/** Every process whose network namespace is one of these, whoever started it. */
export function processesIn(namespaces: readonly string[]): readonly ProcessId[] {
  const inodes = new Set(
    namespaces.flatMap(netns => {
      try {
        return [`net:[${statSync(netnsPath(netns)).ino}]`]
      } catch {
        return []
      }
    }),
  )
  return readdirSync('/proc')
    .filter(name => /^\d+$/.test(name))
    .flatMap(name => {
      try {
        if (!inodes.has(readlinkSync(`/proc/${name}/ns/net`))) return []
        const startTime = startTimeOf(Number(name))
        return startTime === undefined ? [] : [{ pid: Number(name), startTime }]
      } catch {
        return []
      }
    })
}

/** Asks them to end, and after `patience` milliseconds makes them. Resolves when all are gone. */
export async function stop(processes: readonly ProcessId[], patience = 3000): Promise<void> {
  const left = (): ProcessId[] => processes.filter(isAlive)
  signal(left(), 'SIGTERM')
  // A stopped process acts on nothing but SIGKILL until it is continued.
  signal(left(), 'SIGCONT')
  const deadline = performance.now() + patience
  while (left().length > 0 && performance.now() < deadline) await sleep(20)
  signal(left(), 'SIGKILL')
  while (left().length > 0) await sleep(10)
}

/** Ends everything in these namespaces, also what it starts meanwhile, but not this process. Returns how many there were. */
export async function stopIn(
  namespaces: readonly string[],
  also: readonly ProcessId[] = [],
  patience?: number,
): Promise<number> {
  const ended = new Set<number>()
  for (;;) {
    const found = new Map([...also, ...processesIn(namespaces)].filter(isAlive).map(id => [id.pid, id]))
    found.delete(process.pid)
    if (found.size === 0) return ended.size
    for (const pid of found.keys()) ended.add(pid)
    await stop([...found.values()], patience)
  }
}

export function signal(processes: readonly ProcessId[], name: NodeJS.Signals): void {
  for (const id of processes) {
    try {
      if (isAlive(id)) process.kill(id.pid, name)
    } catch {
      // Ended in between.
    }
  }
}
