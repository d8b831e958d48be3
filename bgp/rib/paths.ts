// Paths (Adj-RIB-In of all peers): one entry per prefix and peer, chained by prefix; of a peer with ADD-PATH (RFC 7911) one
// per prefix, peer and path identifier.
//
// The index of an entry is the path identifier that we send it with: it stays for as long as the path does.
//
// An entry keeps the attribute set as received and as import policy left it, so a changed policy runs again without
// asking the peer. A withdrawn path stays in its chain as DEAD until the decision process, which walks the chain anyway,
// takes it out. A peer's paths are found by scanning the peer column, so a peer costs nothing per path.

import {
  type Column,
  column,
  FIRST,
  type Halves,
  type Octets,
  resized,
  roundUp,
  type Words,
} from '../tables/columns.ts'
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

const NONE = column(Uint32Array, 0, 0)

export class Paths extends ShardedIndex {
  prefix: Words
  /** Set as received; 0 once dead. */
  received: Words
  /** Set after import policy; 0 if rejected or dead. */
  accepted: Words
  /** Next path of the prefix; 0 = last. */
  next: Words
  /** Slot of the session that it came from. */
  slot: Halves
  flags: Octets
  /** Age of the session when the path was last announced; an earlier one than the session's is stale (RFC 4724 §4.2). */
  age: Octets
  /** Path identifier that its peer gave it, 0 if none; no entries before `keepIds`. */
  pathId = NONE
  /** Entries in use. */
  size = 0
  /** Ids given out so far lie below this one. */
  end = 1

  readonly #seed: number
  readonly #reserve: number
  readonly #indexed = new Set<number>()
  /** Paths in the index, by prefix and slot. */
  readonly #counts = new Map<number, number>()
  #soughtPrefix = 0
  #soughtSlot = 0
  #soughtId = 0
  #capacity = FIRST
  #free = 0

  constructor(seed: number, reserve: number) {
    super()
    this.#seed = mix(seed ^ 0x2545f491)
    this.#reserve = reserve
    const words = () => column(Uint32Array, FIRST, reserve)
    this.prefix = words()
    this.received = words()
    this.accepted = words()
    this.next = words()
    this.slot = column(Uint16Array, FIRST, reserve)
    this.flags = column(Uint8Array, FIRST, reserve)
    this.age = column(Uint8Array, FIRST, reserve)
  }

  /** Entries that every column by path must have. */
  get capacity(): number {
    return this.#capacity
  }

  /** Path identifiers are kept from now on: 4 octets a path. */
  keepIds(): void {
    if (this.pathId.length === 0) this.pathId = column(Uint32Array, this.#capacity, this.#reserve)
  }

  /** The path, living or dead, of the slot in the chain that starts at `first`; 0 if there is none. */
  find(first: number, prefix: number, slot: number, pathId: number): number {
    if (this.#indexed.size > 0 && this.#indexed.has(prefix)) {
      this.#soughtPrefix = prefix
      this.#soughtSlot = slot
      this.#soughtId = pathId
      return this.findId(this.#hash(prefix, slot, pathId))
    }
    let steps = 0
    for (let id = first; id !== 0; id = this.next[id]) {
      if (this.slot[id] === slot && (this.pathId.length === 0 || this.pathId[id] === pathId)) return id
      steps++
    }
    if (steps > LONG_CHAIN) this.#index(first, prefix)
    return 0
  }

  /** How many paths the slot has for a prefix, living or dead; 0 while all of the prefix are few. */
  countOf(prefix: number, slot: number): number {
    return this.#counts.size > 0 ? (this.#counts.get(counted(prefix, slot)) ?? 0) : 0
  }

  /** A new path in front of the chain that starts at `first`. */
  add(first: number, prefix: number, slot: number, pathId: number): number {
    const id = this.#take()
    this.prefix[id] = prefix
    this.slot[id] = slot
    this.next[id] = first
    this.flags[id] = 0
    if (this.pathId.length > 0) this.pathId[id] = pathId
    this.size++
    if (this.#indexed.size > 0 && this.#indexed.has(prefix)) this.#enter(id)
    return id
  }

  /** The path of a chain in the index gets another identifier, which no other path of its slot there has. */
  rename(id: number, pathId: number): void {
    this.removeId(this.hashOf(id), id)
    this.pathId[id] = pathId
    this.addId(this.hashOf(id), id)
  }

  /** Frees a path that its chain no longer holds. */
  remove(id: number): void {
    const prefix = this.prefix[id]
    if (this.#indexed.size > 0 && this.#indexed.has(prefix)) {
      this.removeId(this.hashOf(id), id)
      const key = counted(prefix, this.slot[id])
      const left = (this.#counts.get(key) ?? 0) - 1
      if (left > 0) this.#counts.set(key, left)
      else this.#counts.delete(key)
    }
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
    return this.#hash(this.prefix[id], this.slot[id], this.pathId.length > 0 ? this.pathId[id] : 0)
  }

  protected override isSought(id: number): boolean {
    if (this.prefix[id] !== this.#soughtPrefix || this.slot[id] !== this.#soughtSlot) return false
    return this.pathId.length === 0 || this.pathId[id] === this.#soughtId
  }

  #hash(prefix: number, slot: number, pathId: number): number {
    return mix(Math.imul(prefix, 0x9e3779b1) ^ mix(slot ^ this.#seed ^ Math.imul(pathId, 0x85ebca77)))
  }

  #index(first: number, prefix: number): void {
    this.#indexed.add(prefix)
    for (let id = first; id !== 0; id = this.next[id]) this.#enter(id)
  }

  #enter(id: number): void {
    this.addId(this.hashOf(id), id)
    const key = counted(this.prefix[id], this.slot[id])
    this.#counts.set(key, (this.#counts.get(key) ?? 0) + 1)
  }

  #take(): number {
    if (this.#free !== 0) {
      const id = this.#free
      this.#free = this.next[id]
      return id
    }
    if (this.end === this.#capacity) this.#grow()
    return this.end++
  }

  /** Not within `#take`: a function that has a closure makes an object for it at every call. */
  #grow(): void {
    this.#capacity = roundUp(this.#capacity + 1)
    const grown = <T extends Column>(old: T): T => resized(old, this.#capacity)
    this.prefix = grown(this.prefix)
    this.received = grown(this.received)
    this.accepted = grown(this.accepted)
    this.next = grown(this.next)
    this.slot = grown(this.slot)
    this.flags = grown(this.flags)
    this.age = grown(this.age)
    if (this.pathId.length > 0) this.pathId = grown(this.pathId)
  }
}

/** A number for a prefix and a slot. */
function counted(prefix: number, slot: number): number {
  return prefix * (NO_SLOT + 1) + slot
}
