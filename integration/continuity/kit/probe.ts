// The probe: packets with numbers, both ways and in both families at once between two pods, each flow at its own rate, counted where
// they arrive. It runs all the time; what an event lost is the numbers between two moments that have not arrived.
//
// Moments are told by numbers, not by clocks: on a loaded machine the probe sends fewer packets and means the same.

import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface, type Interface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import type { Test } from 'tap'
import { inNamespace } from '../../../src/lab/processes.ts'
import { eventually, slowness, type TestLab } from '../../kit/lab.ts'
import { probeEnd } from './probe-program.ts'

export interface EndOptions {
  readonly targets: readonly string[]
  readonly port: number
  readonly perSecond: number
}

/** From, and the number after the last. */
export type Range = readonly [number, number]

export interface Received {
  readonly next: number
  readonly runStart: number
  readonly missing: readonly Range[]
}

/** What one end knows: how much it sent to a target, and what it received of that one. */
export interface EndState {
  readonly sent: number
  /** Numbers that the sender's kernel refused. */
  readonly unsent: readonly Range[]
  readonly received: Received
  /** Packets that arrived and were thrown away because this end did not read in time. */
  readonly unread: number
}

/** One direction of one family. */
interface FlowState {
  readonly name: string
  readonly sent: number
  readonly unsent: readonly Range[]
  readonly received: Received
  readonly unread: number
}

export interface Loss {
  readonly flow: string
  readonly sent: number
  readonly lost: number
}

export const perSecond = 1000
const port = 20_000
/** Seconds, an emulated machine's slowness included; it may be loaded tenfold. */
const patience = 120 / slowness
/** Packets after the last one in question: whatever arrives at all has arrived by then. */
const after = 200

export class Probe {
  readonly #ends: readonly End[]
  readonly #names: readonly string[]

  private constructor(ends: readonly End[], names: readonly string[]) {
    this.#ends = ends
    this.#names = names
  }

  /** Begins, and resolves when every flow runs. Ends with the test. `rate`: packets a second of each flow. */
  static async start(t: Test, lab: TestLab, pods: readonly [string, string], rate = perSecond): Promise<Probe> {
    const ends = await Promise.all(
      pods.map((pod, i) => {
        const { ipv4, ipv6 } = lab.addresses(pods[1 - i])
        return End.start(t, lab, pod, { targets: [ipv4!, ipv6!], port, perSecond: rate })
      }),
    )
    for (const end of ends) end.tell('start')
    const probe = new Probe(ends, pods)
    await probe.steady()
    return probe
  }

  /** Until every flow has sent so many packets more: the event has to be seen by packets, however slow the machine. */
  async passing(count: number): Promise<void> {
    const from = await this.#flows()
    await eventually(
      `${count} more packets are sent`,
      async () => (await this.#flows()).every(({ sent }, i) => sent >= from[i].sent + count),
      patience,
    )
  }

  /** Until of each flow so many packets sent from now on have arrived without a gap. Rejects with the flows that do not come. */
  async steady(count = 300): Promise<void> {
    const from = (await this.#flows()).map(({ sent }) => sent)
    let silent = ''
    try {
      await eventually(
        'steady',
        async () => {
          const waiting = (await this.#flows()).filter(
            ({ received }, i) => received.next - Math.max(received.runStart, from[i]) < count,
          )
          silent = waiting.map(({ name }) => name).join(', ')
          return waiting.length === 0
        },
        patience,
      )
    } catch {
      throw new Error(`no steady traffic within ${patience} s: ${silent}`)
    }
  }

  /** Sends nothing while `work` is done. */
  async rest(work: () => Promise<void>): Promise<void> {
    for (const end of this.#ends) end.signal('SIGSTOP')
    try {
      await work()
    } finally {
      for (const end of this.#ends) end.signal('SIGCONT')
    }
  }

  /** What each flow loses from now until the function that it returns is called, which resolves when that is known. */
  async measure(): Promise<() => Promise<readonly Loss[]>> {
    const begin = await this.#flows()
    return async () => {
      const end = await this.#flows()
      await this.steady(after)
      const now = await this.#flows()
      return now.map(({ name, received, unsent, unread }, i) => {
        const window: Range = [begin[i].sent, end[i].sent]
        const missing = within(received.missing, window) - within(unsent, window) - (unread - begin[i].unread)
        return { flow: name, sent: window[1] - window[0], lost: Math.max(0, missing) }
      })
    }
  }

  async #flows(): Promise<readonly FlowState[]> {
    const states = await Promise.all(this.#ends.map(end => end.state()))
    return states.flatMap((sending, i) =>
      sending.map(({ sent, unsent }, family) => {
        const { received, unread } = states[1 - i][family]
        const name = `${this.#names[i]} to ${this.#names[1 - i]}, ${family === 0 ? 'IPv4' : 'IPv6'}`
        return { name, sent, unsent, received, unread }
      }),
    )
  }
}

/** How many numbers of a window lie in the ranges. */
function within(ranges: readonly Range[], [from, to]: Range): number {
  return ranges.reduce((sum, [first, end]) => sum + Math.max(0, Math.min(end, to) - Math.max(first, from)), 0)
}

class End {
  readonly #input: Writable
  readonly #lines: Interface
  /** To the program itself: nothing stands between it and this process. */
  readonly signal: (name: NodeJS.Signals) => void
  #asked: Promise<unknown> = Promise.resolve()

  private constructor(child: ChildProcessByStdio<Writable, Readable, null>) {
    this.#input = child.stdin
    this.#lines = createInterface(child.stdout)
    this.signal = name => void child.kill(name)
  }

  static async start(t: Test, lab: TestLab, pod: string, { port, perSecond, targets }: EndOptions): Promise<End> {
    // Ahead of everything else on this machine: what a slow prober does not send is not seen.
    const argv = ['nice', '-n', '-20', probeEnd(), String(port), String(perSecond), ...targets]
    const [command, ...args] = inNamespace(lab.netns(pod), argv)
    const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] })
    t.teardown(() => child.kill('SIGKILL'))
    const end = new End(child)
    await once(end.#lines, 'line')
    return end
  }

  tell(what: string): void {
    this.#input.write(`${what}\n`)
  }

  /** One question at a time: answers carry no number. */
  state(): Promise<readonly EndState[]> {
    const answer = this.#asked.then(async () => {
      this.tell('state')
      const [line] = (await once(this.#lines, 'line')) as [string]
      return JSON.parse(line) as readonly EndState[]
    })
    this.#asked = answer.catch(() => undefined)
    return answer
  }
}
