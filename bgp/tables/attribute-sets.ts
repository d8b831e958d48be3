// Attribute sets: interned on their wire octets and next hop, so that equal sets are one id and equality is `===`.
//
// The octets (canonical: ascending code, 4-octet AS numbers, no NEXT_HOP or MP attribute) lie in an arena; the columns
// hold what the decision process asks for. Sets are counted by reference. Space of freed ones is won back by moving
// the living ones down, in slices; so nobody may keep an arena offset from one call to the next.

import {
  asPath,
  asPathFirst,
  asPathLength,
  AttributeWalker,
  BLACKHOLE,
  clusterList,
  communities,
  extendedCommunities,
  GRACEFUL_SHUTDOWN,
  hasNonTransitive,
  isConfederated,
  LLGR_STALE,
  linkBandwidth,
  localPref,
  med,
  NO_ADVERTISE,
  NO_EXPORT,
  NO_EXPORT_SUBCONFED,
  NO_LLGR,
  onlyToCustomer,
  origin,
  originatorId,
  uint32,
} from '../wire/attributes.ts'
import type { SetId } from '../types.ts'
import { type Column, column, FIRST, type Halves, type Octets, resized, roundUp, type Words } from './columns.ts'
import type { NextHops } from './next-hops.ts'
import { mix, ShardedIndex } from './sharded-index.ts'

// What `flags` says of a set.
export const HAS_LOCAL_PREF = 1
export const HAS_MED = 2
export const HAS_ORIGINATOR = 4
export const HAS_CLUSTER_LIST = 8
/** Carries NO_EXPORT (RFC 1997): stays in the AS, or the confederation. */
export const STAYS_IN_AS = 16
/** Carries NO_ADVERTISE (RFC 1997). */
export const STAYS_HERE = 32
/** Carries GRACEFUL_SHUTDOWN (RFC 8326). */
export const LEAVES_SOON = 64
/** Carries BLACKHOLE (RFC 7999). */
export const IS_BLACKHOLE = 128
/** Carries an extended community that does not leave the AS (RFC 4360 §6). */
export const HAS_NON_TRANSITIVE = 256
/** Carries ONLY_TO_CUSTOMER (RFC 9234). */
export const ONLY_TO_CUSTOMER = 512
/** Carries NO_EXPORT_SUBCONFED (RFC 1997): stays in the member AS. */
export const STAYS_IN_MEMBER = 1024
/** Its AS path has segments of our confederation (RFC 5065). */
export const HAS_MEMBERS = 2048
/** Carries LLGR_STALE, NO_LLGR (RFC 9494). */
export const IS_LONG_STALE = 4096
export const NEVER_LONG_STALE = 8192
/** Says how much its link carries (draft-ietf-idr-link-bandwidth). */
export const HAS_BANDWIDTH = 16384

/** RFC 4271 leaves the default open; 100 is everyone's. */
export const DEFAULT_LOCAL_PREF = 100

const ARENA_STEP = 1 << 20
const ARENA_RESERVE = 1 << 29
/** Octets of an arena that reserves nothing. */
const ARENA_FIRST = 1 << 12
/** An arena that shrinks is copied; a larger one than this keeps its memory, for the copy would be a long turn. */
const GIVEN_BACK = 32 << 20
const NOWHERE = 0xffffffff
/** Each record in the arena: set id, octets of attributes, attributes, padding to four octets. */
const HEADER = 8

export class AttributeSets extends ShardedIndex {
  readonly nextHops: NextHops
  localPref: Words
  med: Words
  /** First AS of the path, 0 = none: MED is compared among equals (RFC 4271 §9.1.2.2 c). */
  neighbourAs: Words
  pathLength: Halves
  /** 0 IGP, 1 EGP, 2 incomplete. */
  origin: Octets
  flags: Halves
  nextHop: Words
  /** Who is charged with its octets: whoever made it first; 0 = nobody. */
  owner: Words
  /** Differs for every set ever made under an id: tells a memo that the id stands for another set now. */
  serial: Words
  /** Sets in use. */
  size = 0

  readonly #seed: number
  readonly #walker = new AttributeWalker()
  #references: Words
  #hash: Words
  #offset: Words
  #capacity = FIRST
  #end = 1
  #free = 0
  #serials = 0
  /** Octets of living records, by owner. */
  readonly #charges: number[] = []

  #arena: Octets
  #words: Words
  #top = 0
  #dead = 0
  /** Compaction under way: the next record to look at, and where it would go. */
  #from = 0
  #to = 0
  #compacting = false

  // The set that is being looked for.
  #octets: Uint8Array = new Uint8Array(0)
  #soughtFrom = 0
  #soughtTo = 0
  #soughtHash = 0
  #soughtNextHop = 0

  constructor(nextHops: NextHops, seed: number, reserve: number) {
    super()
    this.nextHops = nextHops
    this.#seed = mix(seed ^ 0x5bd1e995)
    const words = () => column(Uint32Array, FIRST, reserve)
    this.localPref = words()
    this.med = words()
    this.neighbourAs = words()
    this.pathLength = column(Uint16Array, FIRST, reserve)
    this.origin = column(Uint8Array, FIRST, reserve)
    this.flags = column(Uint16Array, FIRST, reserve)
    this.nextHop = words()
    this.owner = words()
    this.serial = words()
    this.#references = words()
    this.#hash = words()
    this.#offset = words()
    this.#arena = column(Uint8Array, reserve > 0 ? ARENA_STEP : ARENA_FIRST, reserve > 0 ? ARENA_RESERVE : 0)
    this.#words = wordsOf(this.#arena)
  }

  /** Entries that every column by set id must have. */
  get capacity(): number {
    return this.#capacity
  }

  /**
   * The set of attributes `octets[from, to)` with a next hop of 0, 4, 16 or 32 octets, with a reference. If it is new,
   * the owner is charged with it for as long as it lives.
   */
  intern(octets: Uint8Array, from: number, to: number, nextHop: Uint8Array, owner = 0): SetId {
    const hop = this.nextHops.obtain(nextHop)
    const hash = this.#hashOctets(octets, from, to, hop)
    this.#octets = octets
    this.#soughtFrom = from
    this.#soughtTo = to
    this.#soughtHash = hash
    this.#soughtNextHop = hop
    const known = this.findId(hash)
    if (known !== 0) {
      this.nextHops.release(hop)
      this.#references[known]++
      return known as SetId
    }
    const id = this.#take()
    this.#hash[id] = hash
    this.nextHop[id] = hop
    this.owner[id] = owner
    this.#charges[owner] = this.charged(owner) + recordLength(to - from)
    this.#references[id] = 1
    this.serial[id] = this.#serials = (this.#serials + 1) >>> 0 || 1
    this.#store(id, octets, from, to)
    this.#describe(id, octets, from, to)
    this.addId(hash, id)
    this.size++
    return id as SetId
  }

  acquire(id: number): SetId {
    this.#references[id]++
    return id as SetId
  }

  release(id: number): void {
    if (--this.#references[id] > 0) return
    this.removeId(this.hashOf(id), id)
    this.nextHops.release(this.nextHop[id])
    const length = recordLength(this.#words[(this.#offset[id] >> 2) + 1])
    this.#dead += length
    this.#charges[this.owner[id]] -= length
    this.#offset[id] = NOWHERE
    this.serial[id] = 0
    this.#hash[id] = this.#free
    this.#free = id
    this.size--
  }

  /** Octets in the arena that the owner is charged with. */
  charged(owner: number): number {
    return this.#charges[owner] ?? 0
  }

  references(id: number): number {
    return this.#references[id]
  }

  /** The attributes of a set are `octets[from(id), to(id))` until the next set is made or `compact` is called. */
  get octets(): Uint8Array {
    return this.#arena
  }

  from(id: number): number {
    return this.#offset[id] + HEADER
  }

  to(id: number): number {
    const offset = this.#offset[id]
    return offset + HEADER + this.#words[(offset >> 2) + 1]
  }

  /** Octets of its attributes. */
  length(id: number): number {
    return this.#words[(this.#offset[id] >> 2) + 1]
  }

  /** The set's ORIGINATOR_ID (RFC 4456) as a number; undefined if it has none. */
  originator(id: number): number | undefined {
    if (!(this.flags[id] & HAS_ORIGINATOR)) return undefined
    this.#walker.reset(this.#arena, this.from(id), this.to(id))
    return this.#walker.find(originatorId.code) ? uint32(this.#arena, this.#walker.from) : undefined
  }

  clusterListLength(id: number): number {
    if (!(this.flags[id] & HAS_CLUSTER_LIST)) return 0
    this.#walker.reset(this.#arena, this.from(id), this.to(id))
    return this.#walker.find(clusterList.code) ? (this.#walker.to - this.#walker.from) / 4 : 0
  }

  /** Octets per second that the set's link carries, by its link-bandwidth community; undefined if it has none. */
  bandwidth(id: number): number | undefined {
    if (!(this.flags[id] & HAS_BANDWIDTH)) return undefined
    const walker = this.#walker.reset(this.#arena, this.from(id), this.to(id))
    return walker.find(extendedCommunities.code) ? linkBandwidth(this.#arena, walker.from, walker.to) : undefined
  }

  /** Whether two sets have the very same AS path. */
  sameAsPath(a: number, b: number): boolean {
    const arena = this.#arena
    const walker = this.#walker
    const find = (id: number) => walker.reset(arena, this.from(id), this.to(id)).find(asPath.code)
    if (this.pathLength[a] !== this.pathLength[b] || this.neighbourAs[a] !== this.neighbourAs[b]) return false
    if (!find(a)) return false
    const { from, to } = walker
    if (!find(b) || walker.to - walker.from !== to - from) return false
    for (let i = from, j = walker.from; i < to; i++, j++) if (arena[i] !== arena[j]) return false
    return true
  }

  /** Octets of the arena that records take, living and dead. */
  get arenaUsed(): number {
    return this.#top
  }

  /** Whether more than half of the arena is dead, and it is worth the work. */
  get wasteful(): boolean {
    return this.#compacting || (this.#dead > ARENA_STEP && this.#dead * 2 > this.#top)
  }

  /** Moves at most `units` records down over dead ones; returns the units used. */
  compact(units: number): number {
    if (!this.#compacting) {
      this.#compacting = true
      this.#from = this.#to = 0
    }
    let used = 0
    for (; used < units && this.#from < this.#top; used++) {
      const id = this.#words[this.#from >> 2]
      const length = recordLength(this.#words[(this.#from >> 2) + 1])
      if (this.#offset[id] === this.#from) {
        this.#arena.copyWithin(this.#to, this.#from, this.#from + length)
        this.#offset[id] = this.#to
        this.#to += length
      } else this.#dead -= length
      this.#from += length
    }
    if (this.#from === this.#top) {
      this.#compacting = false
      this.#top = this.#to
      if (this.#top < GIVEN_BACK) this.#resizeArena(Math.ceil((this.#top + 1) / ARENA_STEP) * ARENA_STEP)
    }
    return used
  }

  protected override hashOf(id: number): number {
    return this.#hash[id] | 0
  }

  protected override isSought(id: number): boolean {
    if ((this.#hash[id] | 0) !== this.#soughtHash || this.nextHop[id] !== this.#soughtNextHop) return false
    const length = this.#soughtTo - this.#soughtFrom
    if (this.length(id) !== length) return false
    const [arena, octets, from, sought] = [this.#arena, this.#octets, this.from(id), this.#soughtFrom]
    for (let i = 0; i < length; i++) if (arena[from + i] !== octets[sought + i]) return false
    return true
  }

  #hashOctets(octets: Uint8Array, from: number, to: number, nextHop: number): number {
    let h = Math.imul(nextHop ^ this.#seed, 0x9e3779b1)
    let at = from
    for (; at + 4 <= to; at += 4) {
      h = Math.imul(
        h ^ (octets[at] | (octets[at + 1] << 8) | (octets[at + 2] << 16) | (octets[at + 3] << 24)),
        0x85ebca6b,
      )
      h ^= h >>> 15
    }
    for (; at < to; at++) h = Math.imul(h ^ octets[at], 0xc2b2ae35) ^ (h >>> 13)
    return mix(h ^ (to - from) ^ this.#seed)
  }

  #store(id: number, octets: Uint8Array, from: number, to: number): void {
    const size = recordLength(to - from)
    const offset = this.#top
    if (offset + size > this.#arena.length) {
      this.#resizeArena(roundUp(offset + size, ARENA_STEP))
    }
    this.#words[offset >> 2] = id
    this.#words[(offset >> 2) + 1] = to - from
    const arena = this.#arena
    for (let i = from, at = offset + HEADER; i < to; i++, at++) arena[at] = octets[i]
    this.#offset[id] = offset
    this.#top = offset + size
  }

  #resizeArena(octets: number): void {
    this.#arena = resized(this.#arena, octets)
    this.#words = wordsOf(this.#arena)
  }

  #describe(id: number, octets: Uint8Array, from: number, to: number): void {
    this.localPref[id] = DEFAULT_LOCAL_PREF
    this.med[id] = 0 // RFC 4271 §9.1.2.2 c: missing counts as lowest
    this.neighbourAs[id] = 0
    this.pathLength[id] = 0
    this.origin[id] = 2
    let flags = 0
    const walker = this.#walker.reset(octets, from, to)
    while (walker.next()) {
      switch (walker.code) {
        case origin.code:
          this.origin[id] = octets[walker.from]
          break
        case asPath.code:
          this.pathLength[id] = asPathLength(octets, walker.from, walker.to)
          this.neighbourAs[id] = asPathFirst(octets, walker.from, walker.to)
          if (isConfederated(octets, walker.from, walker.to)) flags |= HAS_MEMBERS
          break
        case med.code:
          this.med[id] = uint32(octets, walker.from)
          flags |= HAS_MED
          break
        case localPref.code:
          this.localPref[id] = uint32(octets, walker.from)
          flags |= HAS_LOCAL_PREF
          break
        case communities.code:
          flags |= wellKnown(octets, walker.from, walker.to)
          break
        case extendedCommunities.code:
          if (hasNonTransitive(octets, walker.from, walker.to)) flags |= HAS_NON_TRANSITIVE
          if (linkBandwidth(octets, walker.from, walker.to) !== undefined) flags |= HAS_BANDWIDTH
          break
        case originatorId.code:
          flags |= HAS_ORIGINATOR
          break
        case clusterList.code:
          flags |= HAS_CLUSTER_LIST
          break
        case onlyToCustomer.code:
          flags |= ONLY_TO_CUSTOMER
          break
      }
    }
    this.flags[id] = flags
  }

  #take(): number {
    if (this.#free !== 0) {
      const id = this.#free
      this.#free = this.#hash[id]
      return id
    }
    if (this.#end === this.#capacity) this.#grow()
    return this.#end++
  }

  #grow(): void {
    this.#capacity = roundUp(this.#capacity + 1)
    const grown = <T extends Column>(old: T): T => resized(old, this.#capacity)
    this.localPref = grown(this.localPref)
    this.med = grown(this.med)
    this.neighbourAs = grown(this.neighbourAs)
    this.pathLength = grown(this.pathLength)
    this.origin = grown(this.origin)
    this.flags = grown(this.flags)
    this.nextHop = grown(this.nextHop)
    this.owner = grown(this.owner)
    this.serial = grown(this.serial)
    this.#references = grown(this.#references)
    this.#hash = grown(this.#hash)
    this.#offset = grown(this.#offset)
  }
}

function wordsOf(arena: Octets): Words {
  return new Uint32Array(arena.buffer, 0, arena.length / 4)
}

function recordLength(attributes: number): number {
  return (HEADER + attributes + 3) & ~3
}

function wellKnown(octets: Uint8Array, from: number, to: number): number {
  let flags = 0
  for (let at = from; at < to; at += 4) {
    if (octets[at] !== 255 || octets[at + 1] !== 255) continue
    switch (uint32(octets, at)) {
      case NO_EXPORT:
        flags |= STAYS_IN_AS
        break
      case NO_EXPORT_SUBCONFED:
        flags |= STAYS_IN_MEMBER
        break
      case NO_ADVERTISE:
        flags |= STAYS_HERE
        break
      case GRACEFUL_SHUTDOWN:
        flags |= LEAVES_SOON
        break
      case BLACKHOLE:
        flags |= IS_BLACKHOLE
        break
      case LLGR_STALE:
        flags |= IS_LONG_STALE
        break
      case NO_LLGR:
        flags |= NEVER_LONG_STALE
        break
    }
  }
  return flags
}
