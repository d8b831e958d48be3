// Sessions with the device, and one phase after another: octets out, and the time at which the last receiver had what it has to have.

import { createServer, type Server } from 'node:net'
import { keepalive } from '../../bgp/wire/header.ts'
import { UpdateWriter } from '../../bgp/wire/update-writer.ts'
import type { Shape } from '../scenarios/scenario.ts'
import { addressOf, device, legOf, peerStation } from './addresses.ts'
import { Checker } from './check.ts'
import { HOLD_TIME, openOf, Session } from './session.ts'
import { makeTraffic, type PhaseTraffic, type Traffic } from './traffic.ts'

/** Octets that a prefix may take on its way to a receiver, when each comes in a message of its own. */
const OCTETS_A_PREFIX = 130
/** Milliseconds without a word after which the receivers' inboxes are read: when enough has come, and when not. */
const QUIET = 60
const LONG_QUIET = 4_000
const POLL = 5
/** Sessions that are dialled at the same time. */
const AT_ONCE = 8

export interface PhaseResult {
  readonly row: string | undefined
  /** From the first octet out until the last receiver had all. */
  readonly seconds: number
  /** Processor time of the generator itself, its receivers included. */
  readonly cpu: number
  /** Octets that the receivers got. */
  readonly octets: number
}

export class Run {
  readonly #shape: Shape
  readonly #traffic: Traffic
  readonly #sessions: readonly Session[]
  readonly #receivers: readonly { readonly peer: number; readonly session: Session; readonly checker: Checker }[]
  /** Without a device: the senders' ends of the receivers' connections. */
  readonly #direct: boolean
  /** The one peer that is played. */
  readonly #only: number | undefined
  #send: (peer: number, octets: Uint8Array) => void

  /** `who`: see main.ts. */
  constructor(shape: Shape, who = 'all') {
    const direct = who === 'direct'
    this.#shape = shape
    this.#only = /^\d+$/.test(who) ? Number(who) : undefined
    this.#direct = direct
    this.#traffic = makeTraffic(shape, direct)
    const { expected, slices } = this.#traffic
    const capacity = Math.min(expected.table.length * OCTETS_A_PREFIX, 2 ** 28) + 2 ** 20
    this.#sessions = shape.peers.map(({ receives }, n) => {
      const own = peerStation(n, shape.kind)
      const from = addressOf(own, shape.family)
      const far = addressOf(direct ? peerStation(0, shape.kind) : device, shape.family)
      const to = shape.legs ? legOf(n === 0 ? 0 : 1) : far
      const { holdTime, kernel: gracefulRestart, hasPaths } = shape
      const more = {
        capacity: receives ? capacity : 2 ** 19,
        gracefulRestart,
        hasPaths: hasPaths && receives,
        holdTime,
      }
      return new Session({ family: shape.family, own, from, to, ...more })
    })
    this.#receivers = this.#sessions.flatMap((session, peer) => {
      if (!shape.peers[peer].receives) return []
      return [{ peer, session, checker: new Checker(expected, session.inbox, slices[peer]) }]
    })
    this.#send = (peer, octets) => this.#sessions[peer].send(octets)
  }

  /** Resolves when all sessions are up and nobody has said anything for a while. */
  async up(): Promise<void> {
    if (this.#direct) await this.#serve()
    const all = this.#sessions.filter((_, n) => this.#only === undefined || n === this.#only)
    const dialing = this.#direct ? this.#receivers.map(({ session }) => session) : all
    // A few at a time: listeners keep no more in their queue (BIRD: 8).
    const waiting = dialing.values()
    await Promise.all(
      Array.from({ length: AT_ONCE }, async () => {
        for (const session of waiting) await session.up()
      }),
    )
    const since = performance.now()
    const settled = () => performance.now() - Math.max(since, ...dialing.map(({ lastHeard }) => lastHeard)) > 1_500
    while (!settled()) await pause(50)
    if (this.#shape.kernel) this.#endOfRib()
  }

  /** Throws an Error in words if what arrives is wrong, or not there in time. `limit`: seconds. */
  async phase(n: number, limit: number): Promise<PhaseResult> {
    const { seconds } = this.#shape.phases[n] ?? {}
    if (seconds === undefined) return this.#change(n, limit)
    const quiet = this.#sessions.filter((_, n) => this.#shape.peers[n].isQuiet)
    const due = ((this.#shape.holdTime ?? HOLD_TIME) * 1000) / 3
    const lateness = (): number => Math.max(0, ...quiet.map(({ longestGap }) => longestGap - due)) / 1000
    // Reading the inboxes takes a second in which no keepalive is seen: it waits, and what is late by then is not counted.
    let late: number | undefined
    const reading = { after: seconds * 1000, begins: () => (late ??= lateness()) }
    for (const session of quiet) session.forgetGaps()
    const [result] = await Promise.all([this.#change(n, limit, reading), pause(seconds * 1000)])
    const lost = quiet.filter(({ ended }) => ended !== undefined)
    if (lost.length > 0) throw new Error(`${lost.length} sessions were lost: ${lost[0].ended}`)
    return { ...result, seconds: late ?? lateness() }
  }

  /** `reading`: the inboxes are read so many milliseconds after the start at the earliest, and before it does it says so. */
  async #change(n: number, limit: number, reading = { after: 0, begins: () => {} }): Promise<PhaseResult> {
    const phase = this.#traffic.phases[n]
    const isRestarted = this.#shape.phases[n]?.restart === true
    if (isRestarted) await Promise.all(this.#sessions.map(session => session.up()))
    for (const { checker } of this.#receivers) checker.aim(phase.goal)
    const cpu = process.cpuUsage()
    const start = performance.now()
    for (const [peer, octets] of phase.sends) {
      if (this.#only === undefined || peer === this.#only) this.#send(peer, octets)
    }
    if (isRestarted) this.#endOfRib()
    // Then somebody else looks for what comes of it.
    if (this.#receivers.length === 0) return { row: phase.row, seconds: 0, cpu: 0, octets: 0 }
    let used = 0
    let read = 0
    for (;;) {
      await pause(POLL)
      const now = performance.now()
      const octets = this.#receivers.reduce((sum, { session }) => sum + session.inbox.end, 0)
      const quiet = now - Math.max(start, ...this.#receivers.map(({ session }) => session.lastHeard))
      const lost = this.#sessions.find(({ ended }) => ended !== undefined)
      const isLate = now - start > limit * 1000
      if (now - start < reading.after) continue
      if (octets > read && (lost || isLate || quiet > LONG_QUIET || (quiet > QUIET && this.#isEnough(phase)))) {
        const { user, system } = process.cpuUsage(cpu)
        used = (user + system) / 1e6
        reading.begins()
        for (const { checker } of this.#receivers) checker.read()
        read = octets
        const [fault] = this.#receivers.flatMap(({ checker }) => checker.faults)
        if (fault) throw new Error(fault)
      }
      if (this.#receivers.every(({ checker }) => checker.reached !== undefined)) {
        const end = Math.max(...this.#receivers.map(({ checker }) => checker.reached ?? 0))
        return { row: phase.row, seconds: (end - start) / 1000, cpu: used, octets }
      }
      if (lost) throw new Error(`a session ended: ${lost.ended}`)
      if (isLate) throw new Error(`not there after ${limit} s: ${this.#missing()}`)
    }
  }

  /** Resolves with the time, in milliseconds since 1970, at which the device ended a session for want of words. */
  async silence(): Promise<number> {
    for (const session of this.#sessions) session.silence()
    for (;;) {
      const at = this.#sessions.find(({ endedAt }) => endedAt !== undefined)?.endedAt
      if (at !== undefined) return at
      await pause(POLL)
    }
  }

  #endOfRib(): void {
    const { family } = this.#shape
    for (const session of this.#sessions) session.send(new UpdateWriter(family, NO_NLRI).endOfRib())
  }

  /** Whether every receiver got at least as much as it has to get. */
  #isEnough({ least }: PhaseTraffic): boolean {
    const all = least.values().reduce((sum, one) => sum + one, 0)
    return this.#receivers.every(({ peer, session }) => session.inbox.end >= all - (least.get(peer) ?? 0))
  }

  #missing(): string {
    const short = this.#receivers.filter(({ checker }) => checker.missing > 0)
    const [first] = short
    return `${short.length} receivers lack something, the first ${first?.checker.missing} prefixes: ${first?.checker.example()}`
  }

  /** The sender listens itself, and is the other end of the receiver's session. */
  async #serve(): Promise<void> {
    const { family, kind } = this.#shape
    const own = peerStation(0, kind)
    const server: Server = createServer({ noDelay: true }, socket => {
      socket.on('error', () => {}).resume()
      socket.write(openOf(own, family))
      socket.write(keepalive)
      this.#send = (_, octets) => void socket.write(octets)
    })
    await new Promise<void>(resolve => server.listen(179, addressOf(own, family), resolve))
  }
}

const NO_NLRI = { longestNlri: 0, nlriLength: () => 0, putNlri: (_id: number, _out: Uint8Array, at: number) => at }

const pause = (ms: number): Promise<void> => new Promise(resolve => setTimeout(resolve, ms))
