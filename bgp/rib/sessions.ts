// Sessions: each time a peer comes up it gets a slot, a small number that paths and group tables keep as "from whom".
//
// A peer that goes down and comes back gets another slot, so that the sweep of the old session's paths cannot meet the
// new session's. A slot is given out again once nothing refers to it. Slot 0 is ourselves.
//
// A peer that restarts gracefully keeps its slot, and so its paths. Its age goes up by one when it is lost: paths of an
// earlier age are stale, and one that is announced again takes the age of the session. No path needs to be looked at.

import type { PeerId, SessionKind } from '../types.ts'
import type { ImportRules } from './import-rules.ts'
import { NO_SLOT } from './paths.ts'
import type { Ceiling, PeerTraits } from './port.ts'

/** The slot of our own routes. */
export const LOCAL = 0

/** Ages are compared modulo 256. */
const MOST_AGES = 100

export const NO_CEILING: Ceiling = { paths: Infinity, rows: Infinity, octets: Infinity }

export interface Session {
  readonly slot: number
  readonly peer: PeerId | null
  readonly name: string
  readonly range?: string
  readonly kind: SessionKind | 'local'
  /** Undefined for ourselves. */
  traits: PeerTraits | undefined
  readonly routerId: number
  /** Of the peer, the last tie-break. */
  address: Uint8Array
  readonly reflectorClient: boolean
  /** Its NLRI carry path identifiers (RFC 7911). */
  pathIds: boolean
  import: ImportRules | undefined
  down: boolean
  /** The peer is expected back; its paths are kept meanwhile. */
  away: boolean
  /** Goes up with each restart of the peer and each refresh of its paths, modulo 256. */
  age: number
  /** Ages that have begun since no path was stale. */
  ages: number
  /** Paths of an earlier age. */
  stale: number
  /** What made them so. */
  staleBy: 'restart' | 'refresh'
  /** The stale ones are kept for long (RFC 9494). */
  longLived: boolean
  /** Paths in the peer's Adj-RIB-In, and those that may be used. */
  paths: number
  accepted: number
  /** Entries that its paths take, with those that wait to be unlinked; no more than `ceiling.rows`. */
  rows: number
  ceiling: Ceiling
  /** The scan that clears its paths is over. */
  swept: boolean
}

/** At its ceiling: a route to a prefix that it has no path for is refused. */
export function isFull({ paths, rows, ceiling }: Session): boolean {
  return paths >= ceiling.paths || rows >= ceiling.rows
}

export class Sessions {
  readonly local: Session = {
    slot: LOCAL,
    peer: null,
    name: 'local',
    kind: 'local',
    traits: undefined,
    routerId: 0,
    address: new Uint8Array(0),
    reflectorClient: false,
    pathIds: false,
    import: undefined,
    down: false,
    away: false,
    age: 0,
    ages: 0,
    stale: 0,
    staleBy: 'restart',
    longLived: false,
    paths: 0,
    accepted: 0,
    rows: 0,
    ceiling: NO_CEILING,
    swept: false,
  }
  readonly #slots: Session[] = [this.local]
  readonly #byPeer: (Session | undefined)[] = []
  readonly #retired: number[] = []

  /** A new session of a peer that has none. `idle` says that nothing refers to a retired slot any more. */
  open(peer: PeerId, traits: PeerTraits, rules: ImportRules, idle: (slot: number) => boolean): Session {
    const slot = this.#slotFor(idle)
    const session: Session = {
      slot,
      peer,
      name: traits.name,
      range: traits.range,
      kind: traits.kind,
      traits,
      routerId: traits.routerId,
      address: traits.address.slice(),
      reflectorClient: traits.reflectorClient,
      pathIds: traits.pathIds,
      import: rules,
      down: false,
      away: false,
      age: 0,
      ages: 0,
      stale: 0,
      staleBy: 'restart',
      longLived: false,
      paths: 0,
      accepted: 0,
      rows: 0,
      ceiling: NO_CEILING,
      swept: false,
    }
    this.#slots[slot] = session
    this.#byPeer[peer] = session
    return session
  }

  /** The peer is gone for a while: its paths are stale from now on. */
  suspend(session: Session): void {
    session.away = true
    this.#grow(session, 'restart')
  }

  /**
   * The peer sends all its paths again: those that are there are stale from now on. False if there are stale paths of so
   * many ages already that no more can be told apart.
   */
  renew(session: Session): boolean {
    if (session.stale === session.paths) return true
    if (session.stale > 0 && isOld(session)) return false
    this.#grow(session, 'refresh')
    return true
  }

  #grow(session: Session, by: Session['staleBy']): void {
    session.age = (session.age + 1) & 255
    session.ages = session.stale === 0 ? 1 : session.ages + 1
    session.stale = session.paths
    session.staleBy = by
  }

  /** The peer is back, in the same slot. */
  resume(session: Session, traits: PeerTraits): void {
    session.away = false
    session.traits = traits
    session.address = traits.address.slice()
    session.pathIds = traits.pathIds
  }

  /** The session is over: the peer has none, the slot stays until nothing refers to it. */
  close(session: Session): void {
    session.down = true
    session.away = false
    if (session.peer !== null) this.#byPeer[session.peer] = undefined
    this.#retired.push(session.slot)
  }

  of(peer: PeerId): Session | undefined {
    return this.#byPeer[peer]
  }

  at(slot: number): Session {
    return this.#slots[slot]
  }

  #slotFor(idle: (slot: number) => boolean): number {
    for (const [i, slot] of this.#retired.entries()) {
      const session = this.#slots[slot]
      if (!session.swept || session.rows > 0 || !idle(slot)) continue
      this.#retired.splice(i, 1)
      return slot
    }
    const slot = this.#slots.length
    if (slot === NO_SLOT) throw new RangeError('65,534 sessions are open or being cleared; no more can be opened')
    return slot
  }
}

/** Whether a session with these traits may go on in the slot: it is the same speaker, maybe at another address. */
export function mayResume(session: Session, traits: PeerTraits): boolean {
  return (
    session.away &&
    session.kind === traits.kind &&
    session.routerId === traits.routerId &&
    session.reflectorClient === traits.reflectorClient
  )
}

/** Stale paths of so many ages are there that no more can be told apart. */
export function isOld({ ages }: Session): boolean {
  return ages >= MOST_AGES
}

/** Whether age `a` comes before age `b`. */
export function isEarlier(a: number, b: number): boolean {
  return a !== b && ((b - a) & 255) < 128
}
