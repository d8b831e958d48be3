// The routes of a peer that restarts: kept for it while it is away, dropped when it does not keep its word (RFC 4724 §4.2,
// RFC 8538 §4). The paths themselves stay in the RIB; here is which families are kept, and until when.

import type { Family } from '../types.ts'
import type { FsmEvent } from '../fsm/machine.ts'
import { CEASE, cease, HOLD_TIMER_EXPIRED, type Notification } from '../wire/notification.ts'
import type { Rib } from '../rib/port.ts'
import type { Negotiated } from './negotiate.ts'

/** How a session ended. */
export type Ending =
  /** The connection went without a word, or the peer connected anew. */
  | { readonly how: 'lost' }
  /** By a NOTIFICATION, theirs or ours. */
  | { readonly how: 'notified'; readonly code: number; readonly subcode: number }
  /** By the operator on this side. */
  | { readonly how: 'stopped' }

/** How a session ended by an event that took it out of Established; `notified`: the NOTIFICATION that came. */
export function endingOf(event: FsmEvent, notified: Notification | undefined, running: boolean): Ending {
  if (event.kind === 'notification')
    return { how: 'notified', code: notified?.code ?? 0, subcode: notified?.subcode ?? 0 }
  if (event.kind === 'fault') return { how: 'notified', code: event.fault.code, subcode: event.fault.subcode }
  if (event.kind === 'holdExpired') return { how: 'notified', code: HOLD_TIMER_EXPIRED, subcode: 0 }
  if (event.kind === 'open') return { how: 'notified', code: 5, subcode: 3 }
  // Without a fault, and while the peer runs, it is the connection of before, which the peer has given up.
  return event.kind === 'stop' && (event.fault || !running) ? { how: 'stopped' } : { how: 'lost' }
}

/** Families whose routes are kept when a session ends in this way. */
export function keptFamilies(ending: Ending, { families, gracefulRestart }: Negotiated): readonly Family[] {
  if (!gracefulRestart || gracefulRestart.time === 0 || ending.how === 'stopped') return []
  if (ending.how === 'notified') {
    const isHard = ending.code === CEASE && ending.subcode === cease.hardReset
    if (isHard || !gracefulRestart.notification) return []
  }
  return families.filter(family => gracefulRestart.families.includes(family))
}

/** What the helper asks of the peer around it. */
export interface HelperPorts {
  rib(family: Family): Pick<Rib, 'peerAway' | 'peerDown' | 'sweepStale'>
  /** Calls `expired` after so many seconds; replaces an earlier wish. */
  wait(seconds: number): void
  cancel(): void
  /** Routes of these families are kept for at most so many seconds. */
  keeps(families: readonly Family[], seconds: number): void
  /** Routes of these families that were kept are dropped. */
  drops(families: readonly Family[], why: string): void
}

export class Helper {
  readonly #ports: HelperPorts
  readonly #id: Parameters<Rib['peerDown']>[0]
  /** Families with stale paths. */
  readonly #stale = new Set<Family>()
  #time = 0
  #away = false

  constructor(id: Parameters<Rib['peerDown']>[0], ports: HelperPorts) {
    this.#id = id
    this.#ports = ports
  }

  /** Families with routes that wait for the peer, or for its End-of-RIB. */
  get families(): readonly Family[] {
    return [...this.#stale]
  }

  /** The session has ended. What was stale already goes: a second restart before the first was over (RFC 4724 §4.2). */
  down(negotiated: Negotiated, kept: readonly Family[]): void {
    this.#ports.cancel()
    for (const family of new Set([...negotiated.families, ...this.#stale])) {
      const rib = this.#ports.rib(family)
      if (kept.includes(family)) {
        rib.peerAway(this.#id)
        this.#stale.add(family)
      } else {
        rib.peerDown(this.#id)
        this.#stale.delete(family)
      }
    }
    this.#away = this.#stale.size > 0
    if (!this.#away) return
    this.#time = negotiated.gracefulRestart?.time ?? 0
    this.#ports.wait(this.#time)
    this.#ports.keeps(this.families, this.#time)
  }

  /** A session is Established: what the peer did not preserve goes at once, the rest when it has told all again. */
  up({ families, gracefulRestart }: Negotiated): void {
    this.#away = false
    const preserved = gracefulRestart?.forwarding.filter(family => families.includes(family)) ?? []
    const lost = this.families.filter(family => !preserved.includes(family))
    this.#drop(lost, 'it is back, but without the forwarding state of that time')
    if (this.#stale.size > 0) this.#ports.wait(this.#time)
  }

  /** The peer has told all of a family again. */
  endOfRib(family: Family): void {
    if (!this.#stale.delete(family)) return
    this.#ports.rib(family).sweepStale(this.#id)
    if (this.#stale.size === 0) this.#ports.cancel()
  }

  /** The time is up: for coming back, or after that for the End-of-RIB. */
  expired(): void {
    if (this.#away) return this.#drop(this.families, `it did not come back within ${this.#time} s`)
    const families = this.families
    for (const family of families) this.endOfRib(family)
    this.#ports.drops(families, `it did not announce them again within ${this.#time} s of its return`)
  }

  /** The routes are not kept any longer; without a reason nobody is told. */
  release(why?: string): void {
    this.#drop(this.families, why)
  }

  #drop(families: readonly Family[], why: string | undefined): void {
    if (families.length === 0) return
    for (const family of families) {
      this.#ports.rib(family).peerDown(this.#id)
      this.#stale.delete(family)
    }
    if (this.#stale.size === 0) this.#ports.cancel()
    if (why !== undefined) this.#ports.drops(families, why)
  }
}
