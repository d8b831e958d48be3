// The Loc-RIB feed: what a reader outside BGP (the FIB) hears of the chosen paths.
//
// A new reader gets the whole Loc-RIB first, then changes. What waits is a set of prefixes, so a slow reader sees the
// last state of each only, and a prefix that came and went unseen is never mentioned.

import type { PrefixKey } from '../../inet/index.ts'
import type { ChangeCursor, ChangeView } from '../types.ts'
import { column, FIRST, type Octets, resized, roundUp } from '../tables/columns.ts'
import { DirtyQueue } from '../tables/dirty-queue.ts'
import { HAS_LOCAL_PREF, HAS_MED, IS_BLACKHOLE } from '../tables/attribute-sets.ts'
import type { Follower, LocRib } from './loc-rib.ts'

const none: readonly string[] = []

export class ChangeFeed implements ChangeCursor, Follower {
  readonly #rib: LocRib
  readonly #queue: DirtyQueue
  readonly #closed: () => void
  /** Prefixes that the reader was told of and that are there. */
  size = 0
  /** One bit per prefix: the reader was told of chosen paths. */
  #told: Octets
  /** Of the prefixes that the reader was told of: the same each time, so that nothing is worked out of the prefix anew. */
  readonly #keys: (PrefixKey | undefined)[] = []
  /** The last list of a single next hop. */
  #alone: readonly string[] = []

  constructor(rib: LocRib, reserve: number, closed: () => void) {
    this.#rib = rib
    this.#closed = closed
    this.#queue = new DirtyQueue(reserve)
    this.#told = column(Uint8Array, FIRST / 8, reserve / 8)
    this.#queue.fill(rib.prefixes.end)
    rib.follow(this)
  }

  next(into: ChangeView): boolean {
    const prefix = this.advance()
    if (prefix !== 0) this.#fill(prefix, into)
    return prefix !== 0
  }

  /** The next prefix of which there is something to tell; 0 if there is none now. */
  advance(): number {
    for (let prefix = this.#queue.take(); prefix !== 0; prefix = this.#queue.take()) {
      const set = this.#rib.bestSet(prefix)
      if (set < 0) continue
      const there = set > 0
      const wasTold = this.#wasTold(prefix)
      if (!there && !wasTold) continue
      if (there !== wasTold) this.size += there ? 1 : -1
      this.#setTold(prefix, there)
      return prefix
    }
    return 0
  }

  close(): void {
    this.#rib.unfollow(this)
    this.#closed()
  }

  mark(prefix: number): void {
    this.#queue.mark(prefix)
  }

  passed(prefix: number): boolean {
    return !this.#queue.has(prefix)
  }

  forget(): void {}

  #fill(prefix: number, into: ChangeView): void {
    const { prefixes, paths, sets, sessions } = this.#rib
    const best = prefixes.best[prefix]
    const key = this.#key(prefix, best !== 0)
    into.prefix = key.text
    into.key = key
    into.peer = ''
    into.med = into.localPref = undefined
    into.blackhole = false
    into.bandwidths = undefined
    if (best === 0) {
      into.nextHops = none
      return
    }
    const set = paths.accepted[best]
    into.peer = sessions.at(paths.slot[best]).name
    into.blackhole = (sets.flags[set] & IS_BLACKHOLE) !== 0
    if (sets.flags[set] & HAS_MED) into.med = sets.med[set]
    if (sets.flags[set] & HAS_LOCAL_PREF) into.localPref = sets.localPref[set]
    if (this.#rib.isAlone(prefix)) into.nextHops = this.#listOf(set)
    else this.#fillEqual(prefix, into)
  }

  /** Next hops of several chosen paths. */
  #fillEqual(prefix: number, into: ChangeView): void {
    const { paths, sets, nextHops } = this.#rib
    const found = new Map<string, number | undefined>()
    for (const path of this.#rib.chosen(prefix)) {
      const accepted = paths.accepted[path]
      const text = nextHops.text(sets.nextHop[accepted])
      // Of several paths with one next hop (by several reflectors, say) the best one's word counts.
      if (text !== '' && !found.has(text)) found.set(text, sets.bandwidth(accepted))
    }
    const [first, ...others] = found.keys()
    into.nextHops = first === undefined ? none : [first, ...others.toSorted()]
    const bandwidths = into.nextHops.flatMap(text => found.get(text) ?? [])
    if (others.length > 0 && bandwidths.length === found.size) into.bandwidths = bandwidths
  }

  /** The next hop of a set alone. */
  #listOf(set: number): readonly string[] {
    const text = this.#rib.nextHops.text(this.#rib.sets.nextHop[set])
    if (text === '') return none
    if (this.#alone[0] !== text) this.#alone = [text]
    return this.#alone
  }

  #key(prefix: number, there: boolean): PrefixKey {
    const key = this.#keys[prefix] ?? this.#rib.prefixes.key(prefix)
    this.#keys[prefix] = there ? key : undefined
    return key
  }

  #wasTold(prefix: number): boolean {
    return (this.#told[prefix >> 3] & (1 << (prefix & 7))) !== 0
  }

  #setTold(prefix: number, told: boolean): void {
    if (prefix >> 3 >= this.#told.length) this.#told = resized(this.#told, roundUp(prefix + 1) / 8)
    if (told) this.#told[prefix >> 3] |= 1 << (prefix & 7)
    else this.#told[prefix >> 3] &= ~(1 << (prefix & 7))
  }
}
