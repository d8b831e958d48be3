// Paths (Adj-RIB-In of all peers): one entry per prefix and peer, chained by prefix.
//
// An entry keeps the attribute set as received and as import policy left it, so a changed policy runs again without
// asking the peer. A withdrawn path stays in its chain as DEAD until the decision process, which walks the chain anyway,
// takes it out. A peer's paths are found by scanning the peer column, so a peer costs nothing per path.

import { type Column, column, resized, roundUp, STEP } from '../tables/columns.ts'
import { mix, ShardedIndex } from '../tables/sharded-index.ts'

// Flags of a path.
/** Withdrawn; to be unlinked. */
export const DEAD = 1
/** Import policy said no. */
export const REJECTED = 2
/** Three bits: 0, or 1 + index into `ineligibleKinds`. */
export const INELIGIBLE_SHIFT = 2
export const INELIGIBLE = 7 << INELIGIBLE_SHIFT
/** In the Loc-RIB as the best path or equal to it up to the IGP metric. */
export const CHOSEN = 32
/** Replaced since the last decision. */
export const CHANGED = 64

/** Never a session's slot: the entry is free. */
export const NO_SLOT = 0xffff

/** A prefix with more paths than this gets them indexed (an anycast address of a thousand nodes). */
const LONG_CHAIN = 32

export class Paths extends ShardedIndex {
  prefix: Uint32Array<ArrayBuffer>
  /** Set as received; 0 once dead. */
  received: Uint32Array<ArrayBuffer>
  /** Set after import policy; 0 if rejected or dead. */
  accepted: Uint32Array<ArrayBuffer>
  /** Next path of the prefix; 0 = last. */
  next: Uint32Array<ArrayBuffer>
  /** Slot of the session that it came from. */
  slot: Uint16Array<ArrayBuffer>
  flags: Uint8Array<ArrayBuffer>
  /** Age of the session when the path was last announced; an earlier one than the session's is stale (RFC 4724 §4.2). */
  age: Uint8Array<ArrayBuffer>
  /** Entries in use. */
  size = 0
  /** Ids given out so far lie below this one. */
  end = 1

  readonly #seed: number
  readonly #indexed = new Set<number>()
  #soughtPrefix = 0
  #soughtSlot = 0
  #capacity = STEP
  #free = 0

  constructor(seed: number, reserve: number) {
    super()
    this.#seed = mix(seed ^ 0x2545f491)
    const words = () => column(Uint32Array, STEP, reserve)
    this.prefix = words()
    this.received = words()
    this.accepted = words()
    this.next = words()
    this.slot = column(Uint16Array, STEP, reserve)
    this.flags = column(Uint8Array, STEP, reserve)
    this.age = column(Uint8Array, STEP, reserve)
  }

  /** The path, living or dead, of the slot in the chain that starts at `first`; 0 if there is none. */
  find(first: number, prefix: number, slot: number): number {
    if (this.#indexed.size > 0 && this.#indexed.has(prefix)) {
      this.#soughtPrefix = prefix
      this.#soughtSlot = slot
      return this.findId(this.#hash(prefix, slot))
    }
    let steps = 0
    for (let id = first; id !== 0; id = this.next[id]) {
      if (this.slot[id] === slot) return id
      steps++
    }
    if (steps > LONG_CHAIN) this.#index(first, prefix)
    return 0
  }

  /** A new path in front of the chain that starts at `first`. */
  add(first: number, prefix: number, slot: number): number {
    const id = this.#take()
    this.prefix[id] = prefix
    this.slot[id] = slot
    this.next[id] = first
    this.flags[id] = 0
    this.size++
    if (this.#indexed.size > 0 && this.#indexed.has(prefix)) this.addId(this.#hash(prefix, slot), id)
    return id
  }

  /** Frees a path that its chain no longer holds. */
  remove(id: number): void {
    const prefix = this.prefix[id]
    if (this.#indexed.has(prefix)) this.removeId(this.#hash(prefix, this.slot[id]), id)
    this.slot[id] = NO_SLOT
    this.flags[id] = DEAD
    this.next[id] = this.#free
    this.#free = id
    this.size--
  }

  /** The chain of the prefix is empty. */
  chainEmpty(prefix: number): void {
    if (this.#indexed.size > 0) this.#indexed.delete(prefix)
  }

  protected override hashOf(id: number): number {
    return this.#hash(this.prefix[id], this.slot[id])
  }

  protected override isSought(id: number): boolean {
    return this.prefix[id] === this.#soughtPrefix && this.slot[id] === this.#soughtSlot
  }

  #hash(prefix: number, slot: number): number {
    return mix(Math.imul(prefix, 0x9e3779b1) ^ mix(slot ^ this.#seed))
  }

  #index(first: number, prefix: number): void {
    this.#indexed.add(prefix)
    for (let id = first; id !== 0; id = this.next[id]) this.addId(this.#hash(prefix, this.slot[id]), id)
  }

  #take(): number {
    if (this.#free !== 0) {
      const id = this.#free
      this.#free = this.next[id]
      return id
    }
    if (this.end === this.#capacity) {
      this.#capacity = roundUp(this.#capacity + 1)
      const grown = <T extends Column>(old: T): T => resized(old, this.#capacity)
      this.prefix = grown(this.prefix)
      this.received = grown(this.received)
      this.accepted = grown(this.accepted)
      this.next = grown(this.next)
      this.slot = grown(this.slot)
      this.flags = grown(this.flags)
      this.age = grown(this.age)
    }
    return this.end++
  }
}
