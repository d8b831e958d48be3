// A peer of the device: dials until it is let in, keeps the session alive, and puts what comes into its inbox.

import { connect, type Socket } from 'node:net'
import { HEADER_LENGTH, KEEPALIVE, keepalive, NOTIFICATION, OPEN } from '../../bgp/wire/header.ts'
import { encodeOpen } from '../../bgp/wire/open.ts'
import type { Family } from '../../bgp/types.ts'
import type { Station } from './addresses.ts'
import { Inbox } from './inbox.ts'

/** Seconds, where a scenario does not say another. */
export const HOLD_TIME = 240
const RETRY = 100
/** A connection that has brought no session by then is given up: where a queue of connections overflows, one end alone believes in it. */
const PATIENCE = 10_000

export interface SessionOptions {
  readonly family: Family
  readonly own: Station
  /** Where it dials from, and to. */
  readonly from: string
  readonly to: string
  /** Octets that may come, about. */
  readonly capacity: number
  readonly gracefulRestart?: boolean
  /** Takes several paths of a prefix. */
  readonly hasPaths?: boolean
  /** Seconds. */
  readonly holdTime?: number
}

export class Session {
  readonly inbox: Inbox
  readonly #options: SessionOptions
  #socket: Socket | undefined
  #established = false
  #silent = false
  /** Milliseconds between two keepalives at most. */
  longestGap = 0
  #lastKeepalive = 0
  #keepalives: NodeJS.Timeout | undefined
  /** When something last came, milliseconds. */
  lastHeard = 0
  /** Why the session ended, and when it was told so, in milliseconds since 1970. */
  ended: string | undefined
  endedAt: number | undefined

  constructor(options: SessionOptions) {
    this.#options = options
    this.inbox = new Inbox(options.capacity)
  }

  /** Resolves when the session is established; dials until then. */
  async up(): Promise<void> {
    if (this.ended !== undefined) this.#established = false
    while (!this.#established) {
      await this.#attempt()
      if (!this.#established) await new Promise(resolve => setTimeout(resolve, RETRY))
    }
  }

  /** Forgets how far apart keepalives were. */
  forgetGaps(): void {
    this.longestGap = 0
    this.#lastKeepalive = performance.now()
  }

  #heardKeepalive(): void {
    const now = performance.now()
    if (this.#lastKeepalive > 0) this.longestGap = Math.max(this.longestGap, now - this.#lastKeepalive)
    this.#lastKeepalive = now
  }

  /** Says nothing any more, and stays. */
  silence(): void {
    clearInterval(this.#keepalives)
    this.#silent = true
  }

  /** Sends octets, as fast as the other end takes them. */
  send(octets: Uint8Array): void {
    this.#socket?.write(octets)
  }

  close(): void {
    this.ended = 'closed here'
    this.#socket?.destroy()
  }

  /** Resolves when it is established, or has failed. */
  #attempt(): Promise<void> {
    const { own, family, from, to, gracefulRestart, hasPaths, holdTime = HOLD_TIME } = this.#options
    const { inbox } = this
    inbox.end = inbox.framed = 0
    inbox.clear()
    return new Promise(resolve => {
      const socket = connect({
        host: to,
        port: 179,
        localAddress: from,
        noDelay: true,
        onread: {
          buffer: () => inbox.room(),
          callback: (count, into) => {
            inbox.received(count, into)
            // A lone keepalive says nothing.
            if (count > HEADER_LENGTH) this.lastHeard = performance.now()
            return true
          },
        },
      })
      this.#socket = socket
      inbox.onOther = (type, at, length) => {
        if (type === OPEN && !this.#silent) socket.write(keepalive)
        if (type === NOTIFICATION) this.endedAt = performance.timeOrigin + performance.now()
        if (type === NOTIFICATION) this.ended = `NOTIFICATION ${inbox.octets.toString('hex', at + 19, at + length)}`
        if (type === KEEPALIVE) this.#heardKeepalive()
        if (type !== KEEPALIVE || this.#established) return
        this.#established = true
        clearTimeout(impatience)
        this.ended = undefined
        clearInterval(this.#keepalives)
        this.#keepalives = setInterval(() => socket.write(keepalive), (holdTime / 4) * 1000).unref()
        resolve()
      }
      const impatience = setTimeout(() => socket.destroy(), PATIENCE)
      socket.on('connect', () => socket.write(openOf(own, family, { gracefulRestart, hasPaths, holdTime })))
      socket.on('error', () => {})
      socket.on('close', () => {
        clearTimeout(impatience)
        if (this.#established) this.ended ??= 'the device closed the connection'
        resolve()
      })
    })
  }
}

/** Multiprotocol and 4-octet AS numbers, what every router speaks; and what else is asked for. */
export function openOf(
  { asn, routerId }: Station,
  family: Family,
  {
    gracefulRestart,
    hasPaths,
    holdTime = HOLD_TIME,
  }: Pick<SessionOptions, 'gracefulRestart' | 'hasPaths' | 'holdTime'> = {},
): Uint8Array {
  const id = routerId.split('.').reduce((sum, octet) => sum * 256 + Number(octet), 0)
  const common = { kind: 'gracefulRestart', restarting: false, notification: false, restartTime: 120 } as const
  const numbers = { afi: family === 'ipv4-unicast' ? 1 : 2, safi: 1 } as const
  return encodeOpen({
    asn,
    holdTime,
    routerId: id,
    capabilities: [
      { kind: 'multiprotocol', ...numbers },
      ...(gracefulRestart ? [{ ...common, families: [{ ...numbers, forwarding: true }] }] : []),
      { kind: 'fourOctetAs', asn },
      ...(hasPaths ? [{ kind: 'addPath', families: [{ ...numbers, receive: true, send: false }] } as const] : []),
    ],
  })
}
