// One connection of a peer: the state of its machine, its timers, and the few messages that are not routes.

import type { TimerId, TimerWheel } from '../fsm/timers.ts'
import type { Role, TimerName } from '../fsm/machine.ts'
import type { ChunkSink } from '../groups/port.ts'
import type { ConnEnds, ConnId, State } from '../types.ts'
import type { CapabilityKind } from '../wire/capabilities.ts'
import { MAX_EXTENDED, MAX_MESSAGE } from '../wire/header.ts'
import type { Negotiated } from './negotiate.ts'

/**
 * `stale`: the routes of a peer that is away are kept no longer (RFC 4724 §4.2); `refresh`: those that it did not send again
 * are kept no longer (RFC 7313 §4). Of the dialing connection only.
 */
export type ConnectionTimer = TimerName | 'stale' | 'refresh'

export const timerNames: readonly ConnectionTimer[] = [
  'connectRetry',
  'hold',
  'keepalive',
  'idleHold',
  'sendHold',
  'stale',
  'refresh',
]

interface Timer {
  readonly id: TimerId
  /** Milliseconds it was last armed for. */
  period: number
}

export class Connection {
  state: State = 'Idle'
  /** When the state was entered. */
  since: number
  role: Role
  /** The TCP connection, or the attempt at one. */
  conn: ConnId | undefined
  local = ''
  remote = ''
  /** Capabilities that the last OPEN on it did without. */
  leftOut: readonly CapabilityKind[] = []
  /** 0 where the transport does not tell. */
  localPort = 0
  remotePort = 0
  /** Whole messages, as they went and came. */
  openSent: Uint8Array | undefined
  openReceived: Uint8Array | undefined
  notificationSent: Uint8Array | undefined
  notificationReceived: Uint8Array | undefined
  /** Set when an acceptable OPEN has come. */
  negotiated: Negotiated | undefined
  /** Octets that a message may have, either way; of OPEN never more than 4,096. */
  get longest(): number {
    return this.negotiated?.extendedMessages ? MAX_EXTENDED : MAX_MESSAGE
  }
  /** The shell holds input that was not taken for want of budget. */
  unread = false
  /** Prefixes that are applied of a long UPDATE which is not done yet; 0 = none is under way. */
  applied = 0
  /** When the last UPDATE came, while Established. */
  heardAt = -1
  /** The hold timer ran out once already since input last came. */
  overdue = false
  readonly timers: { readonly [T in ConnectionTimer]: Timer }
  #control: Uint8Array[] = []

  constructor(role: Role, wheel: TimerWheel, now: number) {
    this.role = role
    this.since = now
    this.timers = {
      connectRetry: { id: wheel.create(), period: 0 },
      hold: { id: wheel.create(), period: 0 },
      keepalive: { id: wheel.create(), period: 0 },
      idleHold: { id: wheel.create(), period: 0 },
      stale: { id: wheel.create(), period: 0 },
      refresh: { id: wheel.create(), period: 0 },
      sendHold: { id: wheel.create(), period: 0 },
    }
  }

  /** Gives its timers back. */
  dispose(wheel: TimerWheel): void {
    for (const name of timerNames) wheel.destroy(this.timers[name].id)
  }

  /** A new TCP connection, or none, takes the place of the one before. */
  attach(conn: ConnId | undefined): void {
    this.conn = conn
    this.local = ''
    this.remote = ''
    this.localPort = this.remotePort = 0
    this.openSent = this.openReceived = this.notificationSent = this.notificationReceived = undefined
    this.negotiated = undefined
    this.unread = false
    this.applied = 0
    this.heardAt = -1
    this.overdue = false
    this.#control = []
  }

  /** The TCP connection stands between these. */
  setEnds({ local, remote, localPort = 0, remotePort = 0 }: ConnEnds): void {
    this.local = local
    this.remote = remote
    this.localPort = localPort
    this.remotePort = remotePort
  }

  /** Queues a message that goes before any route. */
  send(message: Uint8Array): void {
    this.#control.push(message)
  }

  /** Takes the queued messages out. */
  takeControl(): Uint8Array[] {
    const messages = this.#control
    if (messages.length > 0) this.#control = []
    return messages
  }
}

/** Hands small messages to the sink as one chunk. */
export function pump(messages: readonly Uint8Array[], sink: ChunkSink): void {
  if (messages.length === 0) return
  if (messages.length === 1) return sink.chunk(messages[0], 1, nothing)
  const whole = new Uint8Array(messages.reduce((sum, message) => sum + message.length, 0))
  let at = 0
  for (const message of messages) {
    whole.set(message, at)
    at += message.length
  }
  sink.chunk(whole, messages.length, nothing)
}

function nothing(): void {}
