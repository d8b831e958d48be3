// Two network namespaces joined by a veth pair: a speaker of ours in one, a real BIRD in the other.

import { type ChildProcess, execFile, execFileSync, fork, spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { Test } from 'tap'
import type { Call, State } from './bgp-child.ts'
import type { SimpleConfig } from '../../bgp/simple-config.ts'
import type { Family, PathView } from '../../bgp/types.ts'
import { untilNextLook } from './looks.ts'

const run = promisify(execFile)
const child = fileURLToPath(new URL('bgp-child.ts', import.meta.url))

export const OURS = { ipv4: '10.99.0.1', ipv6: 'fd99::1' }
export const BIRDS = { ipv4: '10.99.0.2', ipv6: 'fd99::2' }

let count = 0

export class BgpPair {
  readonly #ours: string
  readonly #birds: string
  readonly #directory = mkdtempSync(join(tmpdir(), 'mgb-'))
  readonly #speakers = new Set<ChildProcess>()
  #bird: ChildProcess | undefined

  private constructor() {
    const name = `mgb-${process.pid}-${count++}`
    this.#ours = `${name}-s`
    this.#birds = `${name}-b`
  }

  /** Made for one test, removed at its end, also if it fails or the process is told to end. */
  static make(t: Test): BgpPair {
    const pair = new BgpPair()
    const remove = () => pair.#remove()
    process.once('exit', remove)
    t.teardown(() => {
      process.off('exit', remove)
      remove()
    })
    pair.#create()
    return pair
  }

  /** BIRD with these protocols, besides a device protocol and its router id; `-R`: it comes up after a restart. */
  startBird(protocols: string, ...options: readonly '-R'[]): void {
    const file = join(this.#directory, 'bird.conf')
    writeFileSync(file, `router id ${BIRDS.ipv4};\nprotocol device {}\n${protocols}`)
    const argv = [
      'netns',
      'exec',
      this.#birds,
      'bird',
      '-f',
      '-c',
      file,
      '-s',
      this.#socket,
      '-P',
      `${file}.pid`,
      ...options,
    ]
    this.#bird = spawn('ip', argv, { stdio: 'ignore' })
  }

  killBird(): void {
    this.#bird?.kill('SIGKILL')
    this.#bird = undefined
  }

  /** What birdc answers. */
  async birdc(...command: readonly string[]): Promise<string> {
    const { stdout } = await run('birdc', ['-s', this.#socket, ...command]).catch(error => error)
    return String(stdout)
  }

  /** `sockets`: with socket options and neighbour discovery. */
  async startSpeaker(config: SimpleConfig, sockets = false): Promise<SpeakerProcess> {
    const execArgv = ['netns', 'exec', this.#ours, process.execPath]
    const process_ = fork(child, { execPath: 'ip', execArgv, serialization: 'advanced' })
    this.#speakers.add(process_)
    const speaker = new SpeakerProcess(process_)
    await speaker.call({ call: 'start', config, sockets })
    return speaker
  }

  /** One more address at an end, for one more session. */
  addAddress(end: 'ours' | 'birds', ipv4: string): void {
    execFileSync('ip', ['-n', end === 'ours' ? this.#ours : this.#birds, 'addr', 'add', `${ipv4}/24`, 'dev', 'eth0'])
  }

  /** Our namespace, for a speaker in the process of the test: its sockets may live there. */
  get netns(): string {
    return this.#ours
  }

  /** The namespace of the other end. */
  get otherNetns(): string {
    return this.#birds
  }

  get #socket(): string {
    return join(this.#directory, 'bird.ctl')
  }

  #create(): void {
    const ip = (options: readonly string[], lines: readonly string[]) =>
      execFileSync('ip', [...options, '-batch', '-'], { input: lines.join('\n') })
    const link = `link add eth0 type veth peer name eth0 netns ${this.#birds}`
    ip([], [`netns add ${this.#ours}`, `netns add ${this.#birds}`])
    for (const [name, { ipv4, ipv6 }, ...first] of [
      [this.#ours, OURS, link],
      [this.#birds, BIRDS],
    ] as const)
      ip(
        ['-n', name],
        [
          ...first,
          `addr add ${ipv4}/24 dev eth0`,
          `addr add ${ipv6}/64 dev eth0 nodad`,
          'link set lo up',
          'link set eth0 up',
        ],
      )
  }

  #remove(): void {
    this.killBird()
    for (const speaker of this.#speakers) speaker.kill('SIGKILL')
    for (const name of [this.#ours, this.#birds]) {
      try {
        execFileSync('ip', ['netns', 'del', name], { stdio: 'ignore' })
      } catch {
        // it was never made
      }
    }
    rmSync(this.#directory, { recursive: true, force: true })
  }
}

export class SpeakerProcess {
  readonly #process: ChildProcess

  constructor(process_: ChildProcess) {
    this.#process = process_
  }

  /** One call at a time. */
  call(message: Call): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.#process.once('message', (answer: { result?: unknown; error?: string }) =>
        answer.error === undefined ? resolve(answer.result) : reject(new Error(answer.error)),
      )
      this.#process.send(message)
    })
  }

  async state(): Promise<State> {
    return (await this.call({ call: 'state' })) as State
  }

  /** Every path of a prefix, the best first. */
  async paths(family: Family, prefix: string): Promise<PathView[]> {
    return (await this.call({ call: 'paths', family, prefix })) as PathView[]
  }

  /** `prefix via next-hop [path]`, sorted. */
  async best(): Promise<string[]> {
    const { best } = await this.state()
    return best.map(({ prefix, nextHop, asPath }) => `${prefix} via ${nextHop} [${asPath}]`).toSorted()
  }

  kill(): void {
    this.#process.kill('SIGKILL')
  }
}

/** Polls until it holds, at most so many seconds; says whether it held. */
export async function within(seconds: number, holds: () => Promise<boolean>): Promise<boolean> {
  const deadline = performance.now() + seconds * 1000
  for (;;) {
    const since = performance.now()
    if (await holds()) return true
    if (performance.now() > deadline) return false
    await untilNextLook(since)
  }
}
