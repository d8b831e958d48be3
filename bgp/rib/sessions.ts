// Sessions: each time a peer comes up it gets a slot, a small number that paths and group tables keep as "from whom".
//
// A peer that goes down and comes back gets another slot, so that the sweep of the old session's paths cannot meet the
// new session's. A slot is given out again once nothing refers to it. Slot 0 is ourselves.

import type { CompiledPolicy } from '../policy/compile.ts'
import type { PeerId, Policy } from '../types.ts'
import { NO_SLOT } from './paths.ts'
import type { Ceiling, PeerTraits } from './port.ts'

/** The slot of our own routes. */
export const LOCAL = 0

export const NO_CEILING: Ceiling = { paths: Infinity, rows: Infinity, octets: Infinity }

export interface Session {
  readonly slot: number
  readonly peer: PeerId | null
  readonly name: string
  readonly kind: 'ebgp' | 'ibgp' | 'local'
  /** Undefined for ourselves. */
  readonly traits: PeerTraits | undefined
  readonly routerId: number
  readonly address: Uint8Array
  readonly reflectorClient: boolean
  importPolicy: Policy | undefined
  import: CompiledPolicy | undefined
  down: boolean
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
    importPolicy: undefined,
    import: undefined,
    down: false,
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
  open(peer: PeerId, traits: PeerTraits, policy: CompiledPolicy, idle: (slot: number) => boolean): Session {
    const slot = this.#slotFor(idle)
    const session: Session = {
      slot,
      peer,
      name: traits.name,
      kind: traits.kind,
      traits,
      routerId: traits.routerId,
      address: traits.address.slice(),
      reflectorClient: traits.reflectorClient,
      importPolicy: traits.import,
      import: policy,
      down: false,
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

  /** The session is over: the peer has none, the slot stays until nothing refers to it. */
  close(session: Session): void {
    session.down = true
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
      if (!session.swept || session.paths > 0 || !idle(slot)) continue
      this.#retired.splice(i, 1)
      return slot
    }
    const slot = this.#slots.length
    if (slot === NO_SLOT) throw new RangeError('65,534 sessions are open or being cleared; no more can be opened')
    return slot
  }
}
