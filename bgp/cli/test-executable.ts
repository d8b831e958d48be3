// The executable in a process of its own, with files in a folder of its own, for tests.

import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { IncomingMessage } from 'node:http'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { Test } from 'tap'
import { request } from './http.ts'

/** BGP_SPEAKER: the same bundled, which starts in less time. */
const main = process.env['BGP_SPEAKER'] ?? fileURLToPath(new URL('main.ts', import.meta.url))
const execute = promisify(execFile)

/** Runs a command to its end. */
export const bgpSpeaker = (...argv: readonly string[]) => execute(process.execPath, [main, ...argv])

/** `1: what it says` of a command that fails. */
export async function failure(...argv: readonly string[]): Promise<string> {
  const { code, stderr } = (await bgpSpeaker(...argv).catch((error: unknown) => error)) as Record<string, unknown>
  return `${String(code)}: ${String(stderr)}`
}

export interface Line {
  readonly type: string
  readonly [field: string]: unknown
}

export class Executable {
  readonly folder = mkdtempSync(join(tmpdir(), 'bgp-speaker-'))
  readonly file = join(this.folder, 'router.json')
  readonly socket = join(this.folder, 'control')
  /** Lines of standard output, as they come. */
  lines: Line[] = []
  /** Standard error so far. */
  words = ''
  #process: ChildProcess | undefined
  readonly #waiting = new Set<() => void>()
  readonly #prefix: readonly string[]

  /** `prefix`: a command that runs it elsewhere, such as `ip netns exec NAME`. */
  constructor(t: Test, prefix: readonly string[] = []) {
    this.#prefix = prefix
    t.teardown(() => {
      this.#process?.kill('SIGKILL')
      rmSync(this.folder, { recursive: true, force: true })
    })
  }

  write(config: object): this {
    writeFileSync(this.file, JSON.stringify(config))
    return this
  }

  /** Resolves when it has started. */
  async run(...options: readonly string[]): Promise<this> {
    this.lines = []
    this.words = ''
    const argv = [main, 'run', this.file, '--control', this.socket, ...options]
    const [command, ...rest] = [...this.#prefix, process.execPath, ...argv]
    const child = spawn(command, rest, { stdio: ['ignore', 'pipe', 'pipe'] })
    this.#process = child
    child.stderr.on('data', data => {
      this.words += String(data)
      this.#wake()
    })
    createInterface(child.stdout).on('line', text => {
      this.lines.push(JSON.parse(text) as Line)
      this.#wake()
    })
    child.once('exit', () => this.#wake())
    await this.until(() => this.has('started') || child.exitCode !== null)
    return this
  }

  /** Whether a line of that type, with these fields, came. */
  has(type: string, fields: object = {}): boolean {
    return this.lines.some(
      line => line.type === type && Object.entries(fields).every(([key, value]) => line[key] === value),
    )
  }

  /** Resolves when it holds, looked at with every line and word. */
  async until(holds: () => boolean): Promise<void> {
    while (!holds()) await new Promise<void>(resolve => this.#waiting.add(resolve))
  }

  signal(signal: NodeJS.Signals): void {
    this.#process?.kill(signal)
  }

  /** Resolves with the exit code. */
  async exit(): Promise<number | null> {
    if (this.#process?.exitCode === null) await once(this.#process, 'exit')
    return this.#process?.exitCode ?? null
  }

  /** What `bgp-speaker ctl` prints; rejects with its words. */
  async ctl(...words: readonly string[]): Promise<string> {
    const { stdout } = await bgpSpeaker('ctl', this.socket, ...words)
    return stdout
  }

  /** What the control socket answers; rejects with its words. */
  async get<T = Line[]>(path: string): Promise<T> {
    return (await this.#ask('GET', path)) as T
  }

  async post(path: string, params: object = {}): Promise<void> {
    await this.#ask('POST', path, params)
  }

  /** The prefixes of the Loc-RIB, sorted. */
  async prefixes(): Promise<string[]> {
    return (await this.get<{ prefix: string }[]>('/routes')).map(({ prefix }) => prefix).toSorted()
  }

  async #ask(method: string, path: string, body?: object): Promise<unknown> {
    const asking = request({ socketPath: this.socket, method, path, agent: false }).end(body && JSON.stringify(body))
    const [response] = (await once(asking, 'response')) as [IncomingMessage]
    let text = ''
    for await (const part of response) text += String(part)
    if (response.statusCode !== 200) throw new Error(text)
    if (response.headers['content-type'] === 'application/json') return JSON.parse(text)
    return text
      .split('\n')
      .filter(Boolean)
      .map(row => JSON.parse(row) as unknown)
  }

  #wake(): void {
    for (const resolve of this.#waiting) resolve()
    this.#waiting.clear()
  }
}
