// Every timer of the speaker, on one wheel, and the one timer that the shell keeps for all of them.

import { type TimerId, TimerWheel } from '../fsm/timers.ts'
import type { Connection, ConnectionTimer } from '../session/connection.ts'
import type { Peer } from '../session/peer.ts'

export class Alarms {
  readonly wheel: TimerWheel
  readonly #wakeAt: (at: number) => void
  /** By timer: what happens when it is due. */
  readonly #ofConnections: { readonly peer: Peer; readonly connection: Connection; readonly timer: ConnectionTimer }[] =
    []
  readonly #own = new Map<TimerId, () => void>()
  #now: number
  /** What the shell was last asked for. */
  #wake = Infinity

  /** `wakeAt` asks the shell to call `advance` then; it replaces an earlier wish. */
  constructor(now: number, wakeAt: (at: number) => void) {
    this.#now = now
    this.#wakeAt = wakeAt
    this.wheel = new TimerWheel(now)
  }

  /** The shell's clock, as it was last told. */
  get now(): number {
    return this.#now
  }

  /** A timer that belongs to no connection. */
  create(due: () => void): TimerId {
    const id = this.wheel.create()
    this.#own.set(id, due)
    return id
  }

  isArmed(id: TimerId): boolean {
    return this.wheel.isArmed(id)
  }

  arm(id: TimerId, at: number): void {
    this.wheel.arm(id, at)
    if (at >= this.#wake) return
    this.#wake = at
    this.#wakeAt(at)
  }

  /** Arms a timer of a connection. */
  armFor(peer: Peer, connection: Connection, timer: ConnectionTimer, at: number): void {
    const { id } = connection.timers[timer]
    if (this.#ofConnections[id]?.connection !== connection) this.#ofConnections[id] = { peer, connection, timer }
    this.arm(id, at)
  }

  /** Time has passed: whatever is due happens. */
  advance(now: number): void {
    this.#now = Math.max(this.#now, now)
    this.wheel.advance(this.#now, id => {
      const own = this.#own.get(id)
      if (own) return own()
      const { peer, connection, timer } = this.#ofConnections[id]
      peer.expired(connection, timer)
    })
    const wake = this.wheel.next()
    if (wake !== this.#wake && wake !== Infinity) this.#wakeAt(wake)
    this.#wake = wake
  }
}
