// The routes of a peer that restarts: kept for it while it is away, dropped when it does not keep its word (RFC 4724 §4.2,
// RFC 8538 §4), or kept for long as the last choice where both ends know that (RFC 9494 §4.2). The paths themselves stay in
// the RIB; here is which families are kept, and until when.
//
// A second restart before the first was over drops what was stale already (RFC 4724 §4.2). Where routes are kept for long it
// does not: they stay until the time that began with the first is over.

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

/** Seconds for which the routes of a family are kept: as such, and then for long. */
export interface Keeping {
  readonly restart: number
  readonly long: number
}

/** The families whose routes are kept when a session ends in this way. `long`: seconds to keep one for long. */
export function keptFamilies(
  ending: Ending,
  { families, gracefulRestart }: Negotiated,
  long: (family: Family) => number,
): ReadonlyMap<Family, Keeping> {
  const kept = new Map<Family, Keeping>()
  if (!gracefulRestart || ending.how === 'stopped') return kept
  if (ending.how === 'notified') {
    const isHard = ending.code === CEASE && ending.subcode === cease.hardReset
    if (isHard || !gracefulRestart.notification) return kept
  }
  for (const family of families) {
    const keeping = {
      restart: gracefulRestart.families.includes(family) ? gracefulRestart.time : 0,
      long: long(family),
    }
    if (keeping.restart > 0 || keeping.long > 0) kept.set(family, keeping)
  }
  return kept
}

/**
 * Seconds for which routes of a family are kept for long, which both ends have to know (RFC 9494 §4.2). `helps`: whether we
 * do, or for so many seconds at most.
 */
export function longTimes({ longLived = [] }: Negotiated, helps: boolean | number = true): (family: Family) => number {
  if (helps === false) return () => 0
  const most = helps === true ? Infinity : helps
  return family => Math.min(longLived.find(said => said.family === family)?.seconds ?? 0, most)
}

/** What the helper asks of the peer around it. */
export interface HelperPorts {
  readonly now: () => number
  rib(family: Family): Pick<Rib, 'peerAway' | 'peerDown' | 'sweepStale' | 'keepLong'>
  /** Calls `expired` after so many seconds; replaces an earlier wish. */
  wait(seconds: number): void
  cancel(): void
  /** Routes of these families are kept for at most so many seconds; `long`: as the last choice. */
  keeps(families: readonly Family[], seconds: number, long: boolean): void
  /** Routes of these families that were kept are dropped. */
  drops(families: readonly Family[], why: string): void
}

/** A family with stale paths. */
interface Kept extends Keeping {
  readonly phase: 'restart' | 'long'
  /** When the phase is over, milliseconds. */
  readonly until: number
}

export class Helper {
  readonly #ports: HelperPorts
  readonly #id: Parameters<Rib['peerDown']>[0]
  readonly #kept = new Map<Family, Kept>()
  #away = false

  constructor(id: Parameters<Rib['peerDown']>[0], ports: HelperPorts) {
    this.#id = id
    this.#ports = ports
  }

  /** Families with routes that wait for the peer, or for its End-of-RIB. */
  get families(): readonly Family[] {
    return [...this.#kept.keys()]
  }

  /** Whether a family waits for the peer's return within its restart time. */
  get awaits(): boolean {
    return this.#in('restart').length > 0
  }

  /** The session has ended. */
  down(negotiated: Negotiated, keep: ReadonlyMap<Family, Keeping>): void {
    this.#away = true
    for (const family of new Set([...negotiated.families, ...this.families])) {
      const rib = this.#ports.rib(family)
      const keeping = keep.get(family)
      const before = this.#kept.get(family)
      if (!keeping) {
        rib.peerDown(this.#id)
        this.#kept.delete(family)
        continue
      }
      rib.peerAway(this.#id, keeping.long > 0)
      // RFC 9494 §4.2: its time runs on until the peer has told all again.
      if (before?.phase === 'long' && keeping.long > 0) rib.keepLong(this.#id)
      else this.#kept.set(family, { ...keeping, phase: 'restart', until: this.#after(keeping.restart) })
    }
    const starting = this.#in('restart').filter(([, { restart }]) => restart > 0)
    if (starting.length > 0) this.#ports.keeps(starting.map(familyOf), starting[0][1].restart, false)
    this.#look()
  }

  /** A session is Established: what the peer did not preserve goes at once, the rest when it has told all again. */
  up({ families, gracefulRestart, longLived = [] }: Negotiated): void {
    this.#away = false
    const lost = [...this.#kept].filter(([family, { phase }]) => {
      const isLong = phase === 'long'
      const preserved = isLong
        ? gracefulRestart && longLived.some(said => said.family === family && said.forwarding)
        : gracefulRestart?.forwarding.includes(family)
      return !preserved || !families.includes(family)
    })
    this.#drop(lost.map(familyOf), 'it is back, but without the forwarding state of that time')
    for (const [family, kept] of this.#in('restart')) {
      this.#kept.set(family, { ...kept, until: this.#after(kept.restart) })
    }
    this.#wait()
  }

  /** The peer has told all of a family again. */
  endOfRib(family: Family): void {
    if (!this.#kept.delete(family)) return
    this.#ports.rib(family).sweepStale(this.#id)
    this.#wait()
  }

  /** A time is up: for coming back, or after that for the End-of-RIB. */
  expired(): void {
    this.#look()
  }

  /** The routes are not kept any longer; without a reason nobody is told. */
  release(why?: string): void {
    this.#drop(this.families, why)
  }

  /** Does what is due: routes are kept for long from now on, or go. */
  #look(): void {
    const due = [...this.#kept].filter(([, { until }]) => until <= this.#ports.now())
    for (const [family, { phase, restart, long }] of due) {
      const time = phase === 'long' ? long : restart
      if (!this.#away) {
        this.endOfRib(family)
        this.#ports.drops([family], `it did not announce them again within ${time} s of its return`)
      } else if (phase === 'restart' && long > 0) {
        this.#kept.set(family, { restart, long, phase: 'long', until: this.#after(long) })
        this.#ports.rib(family).keepLong(this.#id)
        this.#ports.keeps([family], long, true)
      } else this.#drop([family], `it did not come back within ${time} s`)
    }
    this.#wait()
  }

  #in(phase: Kept['phase']): [Family, Kept][] {
    return [...this.#kept].filter(([, kept]) => kept.phase === phase)
  }

  #after(seconds: number): number {
    return this.#ports.now() + seconds * 1000
  }

  /** For the next phase that ends. */
  #wait(): void {
    if (this.#kept.size === 0) return this.#ports.cancel()
    const next = Math.min(...Array.from(this.#kept.values(), ({ until }) => until))
    this.#ports.wait(Math.max(0.001, (next - this.#ports.now()) / 1000))
  }

  #drop(families: readonly Family[], why: string | undefined): void {
    if (families.length === 0) return
    for (const family of families) {
      this.#ports.rib(family).peerDown(this.#id)
      this.#kept.delete(family)
    }
    this.#wait()
    if (why !== undefined) this.#ports.drops(families, why)
  }
}

function familyOf([family]: readonly [Family, Kept]): Family {
  return family
}
