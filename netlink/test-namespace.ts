// Network namespaces for tests: made with `ip`, gone at the end of the test, also of a failed one, and of the process.

import { execFileSync } from 'node:child_process'

interface Test {
  teardown(cleanUp: () => void): unknown
}

let made = 0
const alive = new Set<string>()

function remove(name: string): void {
  if (!alive.delete(name)) return
  try {
    execFileSync('ip', ['netns', 'del', name], { stdio: 'ignore' })
  } catch {
    // the test removed it
  }
}

process.on('exit', () => alive.forEach(remove))

export interface TestNamespace {
  readonly name: string
  readonly path: string
  /** Runs `ip -n NAME …`; the words are split at spaces. Returns what it prints. */
  ip(words: string): string
  /** `ip -j …`, parsed. */
  json(words: string): IpObject[]
  /** Several commands in one go, as `ip -batch` has them. */
  batch(lines: readonly string[]): void
}

/** What `ip -j` prints of one object; a test asks for the fields that it knows. */
export type IpObject = Record<string, unknown>

/** A fresh namespace with its loopback up. */
export function namespace(t: Test): TestNamespace {
  const name = `mgn-${process.pid}-${++made}`
  execFileSync('ip', ['netns', 'add', name])
  alive.add(name)
  t.teardown(() => remove(name))
  const run = (args: readonly string[], input?: string): string =>
    execFileSync('ip', ['-n', name, ...args], { encoding: 'utf8', input, maxBuffer: 1 << 28 })
  run(['link', 'set', 'lo', 'up'])
  return {
    name,
    path: `/run/netns/${name}`,
    ip: words => run(words.split(' ')),
    json: words => JSON.parse(run(['-j', '-d', ...words.split(' ')]) || '[]') as IpObject[],
    batch: lines => void run(['-batch', '-'], lines.join('\n')),
  }
}
