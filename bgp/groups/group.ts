// An update group: peers that are told the same. Its table is their common Adj-RIB-Out, 10 octets a prefix: the
// attribute set that was announced, the session it came from, and the number of the flush that said so.
//
// Marked prefixes are evaluated against export rules, compared with the table, gathered in buckets and encoded once
// into the ring. Nothing is encoded while even the fastest member has enough to send: what waits is a set of prefixes.

import type { LocRib, Follower } from '../rib/loc-rib.ts'
import { DirtyQueue } from '../tables/dirty-queue.ts'
import { column, resized } from '../tables/columns.ts'
import type { Explanation } from '../policy/compile.ts'
import type { Session } from '../rib/sessions.ts'
import type { UpdateWriter } from '../wire/update-writer.ts'
import { Buckets } from './buckets.ts'
import type { ChunkPool } from './chunks.ts'
import type { ExportRules } from './export-rules.ts'
import type { Member } from './member.ts'
import type { Outgoing, Shape } from './outgoing.ts'
import { Ring } from './ring.ts'

export interface Limits {
  /** No more is encoded while the fastest member has this many octets to read. */
  readonly lead: number
  /** A member that is more than this many octets behind is sent what changed by a walk of the table. */
  readonly ring: number
  /** Marked prefixes that one flush takes at most. */
  readonly slice: number
  /** Flush numbers are 32 bits wide in the table; at this one they start again. */
  readonly flushes: number
}

export class Group implements Follower {
  readonly key: string
  readonly shape: Shape
  readonly ring: Ring
  readonly members = new Set<Member>()
  /** Members of other groups that still compare with this table, because they were here before. */
  readonly leavers = new Set<Member>()
  readonly writer: UpdateWriter
  readonly outgoing: Outgoing
  /** Prefixes to evaluate. */
  readonly queue: DirtyQueue
  /** Number of the last flush that changed the table. */
  flushes = 0
  /** Attribute set announced; 0 = none. */
  set: Uint32Array<ArrayBuffer>
  /** Slot of the session that the route came from. */
  source: Uint16Array<ArrayBuffer>
  /** Number of the flush that last changed the row. */
  changed: Uint32Array<ArrayBuffer>
  /** Rows with a set. */
  size = 0

  readonly #rib: LocRib
  readonly #rules: ExportRules
  readonly #limits: Limits
  readonly #bySource: number[] = []
  readonly #buckets = new Buckets()
  #closing = 0

  constructor(
    key: string,
    shape: Shape,
    rib: LocRib,
    rules: ExportRules,
    outgoing: Outgoing,
    writer: UpdateWriter,
    pool: ChunkPool,
    limits: Limits,
    reserve: number,
  ) {
    this.key = key
    this.shape = shape
    this.ring = new Ring(pool)
    this.outgoing = outgoing
    this.writer = writer
    this.queue = new DirtyQueue(reserve)
    this.#rib = rib
    this.#rules = rules
    this.#limits = limits
    const { capacity } = rib.prefixes
    this.set = column(Uint32Array, capacity, reserve)
    this.source = column(Uint16Array, capacity, reserve)
    this.changed = column(Uint32Array, capacity, reserve)
    this.queue.fill(rib.prefixes.end)
    rib.follow(this)
  }

  // ---- following the Loc-RIB ------------------------------------------------------------------------------------

  mark(prefix: number): void {
    this.queue.mark(prefix)
  }

  passed(prefix: number): boolean {
    if (this.queue.has(prefix)) return false
    if (prefix >= this.set.length) return true
    if (this.set[prefix] !== 0) return false
    const changed = this.changed[prefix]
    if (changed === 0) return true
    for (const member of this.members) if (member.needsSince < changed) return false
    return this.leavers.size === 0
  }

  forget(prefix: number): void {
    if (prefix < this.changed.length) this.changed[prefix] = 0
  }

  /** Whether a row names the session as its source. */
  refersTo(slot: number): boolean {
    return (this.#bySource[slot] ?? 0) > 0
  }

  /** Prefixes that may have a row lie below this id. */
  get end(): number {
    return this.#rib.prefixes.end
  }

  /** Rows that a member's Adj-RIB-Out has. */
  sentTo(slot: number): number {
    return this.size - (this.#bySource[slot] ?? 0)
  }

  /** Whether a route is for this group, and why. */
  explain(prefix: number, set: number, from: Session): Explanation {
    return this.#rules.explain(prefix, set, from)
  }

  // ---- flushing ---------------------------------------------------------------------------------------------------

  /** Marked prefixes wait, and there is somebody to read what they give. */
  get pending(): boolean {
    return !this.queue.empty && this.members.size > 0 && !this.#blocked()
  }

  /** Evaluates at most `units` marked prefixes and encodes what changed; returns how many it took. */
  flush(units: number): number {
    if (!this.pending) return 0
    const { filling } = this.queue
    if (this.flushes >= this.#limits.flushes) this.#renumber()
    const listening = this.#listening()
    const rows = this.#rib.prefixes.capacity
    if (rows > this.set.length) {
      this.set = resized(this.set, rows)
      this.source = resized(this.source, rows)
      this.changed = resized(this.changed, rows)
    }
    const flush = this.flushes + 1
    let used = 0
    let touched = false
    for (; used < units; used++) {
      const prefix = this.queue.take()
      if (prefix === 0) break
      if (this.#evaluate(prefix, flush, listening)) touched = true
    }
    if (touched) this.flushes = flush
    if (this.#buckets.size > 0) this.#encode(flush)
    if (filling && !this.queue.filling) for (const member of this.members) if (!member.listening) member.wake()
    return used
  }

  /** Whether equal rows here and there mean equal messages: policy aside, everything that shapes the octets is equal. */
  tellsAlike(other: Group): boolean {
    return JSON.stringify(this.shape) === JSON.stringify(other.shape)
  }

  /** Lets go of what all members have read, and of what is too old to wait for the slowest. */
  trim(): void {
    let slowest = this.ring.end
    for (const member of this.members) if (member.index < slowest) slowest = member.index
    this.ring.drop(slowest)
    while (this.ring.lag(this.ring.first) > this.#limits.ring) this.ring.drop(this.ring.first + 1)
  }

  /** Encodes the announcement or withdrawal of a bucket's prefixes: `begin` of what `Buckets.drain` wants. */
  begin(set: number, slot: number, target: Parameters<UpdateWriter['withdraw']>[0]): void {
    if (set === 0) return this.writer.withdraw(target)
    this.outgoing.make(this.shape, set, slot)
    this.writer.announce(target, this.outgoing.octets, this.outgoing.length, this.outgoing.nextHop)
  }

  /** Gives the sets back in slices once the group has no members; true while there is more to do. */
  close(units: number): boolean {
    if (this.#closing === 0) {
      this.#rib.unfollow(this)
      this.ring.drop(this.ring.end)
      this.ring.close()
      this.#closing = 1
    }
    const rows = Math.min(this.set.length, this.#rib.prefixes.end)
    const end = Math.min(rows, this.#closing + units)
    for (let prefix = this.#closing; prefix < end; prefix++) {
      if (this.set[prefix] !== 0) this.#rib.sets.release(this.set[prefix])
    }
    this.#closing = end
    return end < rows
  }

  #listening(): boolean {
    for (const member of this.members) if (member.listening) return true
    return false
  }

  #blocked(): boolean {
    let listeners = false
    for (const member of this.members) {
      if (!member.listening) continue
      if (this.ring.lag(member.index) < this.#limits.lead) return false
      listeners = true
    }
    return listeners
  }

  /** Brings a row up to date; true if it changed. */
  #evaluate(prefix: number, flush: number, listening: boolean): boolean {
    const { sets, paths, prefixes, sessions } = this.#rib
    const best = this.#rib.bestSet(prefix)
    if (best < 0) return false
    const source = best === 0 ? 0 : paths.slot[prefixes.best[prefix]]
    const set = best === 0 ? 0 : this.#rules.apply(prefix, best, sessions.at(source))
    const before = this.set[prefix]
    const sourceBefore = this.source[prefix]
    if (set === before && (set === 0 || source === sourceBefore)) {
      if (set !== 0) sets.release(set)
      return false
    }
    this.set[prefix] = set
    this.source[prefix] = source
    this.changed[prefix] = flush
    if (before !== 0) {
      sets.release(before)
      this.#bySource[sourceBefore]--
      this.size--
    }
    if (set !== 0) {
      this.#bySource[source] = (this.#bySource[source] ?? 0) + 1
      this.size++
    }
    if (!listening) return true
    if (set === 0) this.#buckets.add(prefix, 0, sourceBefore, 'except')
    else {
      this.#buckets.add(prefix, set, source, 'except')
      if (before !== 0 && sourceBefore !== source) this.#buckets.add(prefix, 0, source, 'only')
    }
    return true
  }

  #encode(flush: number): void {
    const { ring, writer } = this
    const before = ring.end
    ring.begin(flush)
    this.#buckets.drain(
      bucket => {
        writer.end()
        ring.address(bucket.tag, bucket.slot)
        this.begin(bucket.set, bucket.slot, ring)
      },
      prefix => writer.add(prefix),
    )
    writer.end()
    for (const member of this.members) {
      if (!member.listening || member.ready) continue
      for (let index = before; index < ring.end; index++) {
        if (!ring.sees(index, member.session.slot)) continue
        member.wake()
        break
      }
    }
    this.trim()
  }

  /** Every row becomes as old as can be; members that have not read everything get the whole table again. */
  #renumber(): void {
    for (let prefix = 0; prefix < this.changed.length; prefix++)
      if (this.changed[prefix] !== 0) this.changed[prefix] = 1
    const last = this.flushes
    this.flushes = 2
    for (const member of this.members) member.renumbered(last)
    for (const member of this.leavers) member.formerRenumbered(this)
  }
}
