// An update group: peers that are told the same. Its table is their common Adj-RIB-Out, 10 octets a row: the attribute set
// that was announced, the session it came from, and the number of the flush that said so. What a row stands for is the
// subclass's to say: a prefix, or with ADD-PATH a path.
//
// Marked prefixes are evaluated against export rules, compared with the table, gathered in buckets and encoded once
// into the ring. Nothing is encoded while even the fastest member has enough to send: what waits is a set of prefixes.

import type { LocRib, Follower } from '../rib/loc-rib.ts'
import { DirtyQueue } from '../tables/dirty-queue.ts'
import { column, type Halves, resized, type Words } from '../tables/columns.ts'
import type { Explanation } from '../policy/compile.ts'
import { LOCAL } from '../rib/sessions.ts'
import type { UpdateWriter } from '../wire/update-writer.ts'
import { Buckets } from './buckets.ts'
import type { ChunkPool } from './chunks.ts'
import type { ExportRules } from './export-rules.ts'
import type { Member } from './member.ts'
import type { Outgoing, Shape } from './outgoing.ts'
import { Ring } from './ring.ts'
import { Room } from './room.ts'

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

/** What a group is made of. */
export interface GroupParts {
  readonly key: string
  readonly shape: Shape
  readonly rib: LocRib
  readonly rules: ExportRules
  readonly outgoing: Outgoing
  readonly writer: UpdateWriter
  readonly pool: ChunkPool
  readonly limits: Limits
  /** Prefixes to reserve address space for. */
  readonly reserve: number
  /** Rows that the one member may be told of. */
  readonly most?: number
}

export abstract class Group implements Follower {
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
  set: Words
  /** Slot of the session that the route came from. */
  abstract readonly source: Halves
  /** Number of the flush that last changed the row. */
  changed: Words
  /** Rows with a set. */
  size = 0

  protected readonly rib: LocRib
  protected readonly rules: ExportRules
  readonly #limits: Limits
  readonly #room: Room | undefined
  readonly #bySource: number[] = []
  readonly #buckets = new Buckets()
  #closing = 0
  /** The flush under way has changed a row. */
  #touched = false

  /** `capacity`: entries that a column by row must have. */
  constructor(parts: GroupParts, capacity: number) {
    const { key, shape, rib, rules, outgoing, writer, pool, limits, reserve, most } = parts
    this.key = key
    this.shape = shape
    this.ring = new Ring(pool)
    this.outgoing = outgoing
    this.writer = writer
    this.queue = new DirtyQueue(reserve)
    this.rib = rib
    this.rules = rules
    this.#limits = limits
    this.#room = most === undefined ? undefined : new Room(most, reserve)
    this.set = column(Uint32Array, capacity, reserve)
    this.changed = column(Uint32Array, capacity, reserve)
    this.queue.fill(rib.prefixes.end)
  }

  /** Rows that may have a set lie below this one. */
  abstract get end(): number

  /** Rows of a prefix. */
  abstract rowsOf(prefix: number): Iterable<number>

  /** The path identifier that a row is sent with; undefined: none. */
  abstract pathId(row: number): number | undefined

  /** Brings the rows of a prefix up to date by `write`; returns the units that it took. */
  protected abstract evaluate(prefix: number, flush: number, listening: boolean): number

  /** Entries that a column by row must have now. */
  protected abstract get capacity(): number

  /** The columns have to be longer. */
  protected grow(rows: number): void {
    this.set = resized(this.set, rows)
    this.changed = resized(this.changed, rows)
  }

  protected abstract unfollow(): void

  // ---- following the Loc-RIB ------------------------------------------------------------------------------------

  mark(prefix: number): void {
    this.queue.mark(prefix)
  }

  abstract passed(prefix: number): boolean

  abstract forget(prefix: number): void

  /** Whether nobody needs a row without a set any more. */
  protected hasPassed(row: number): boolean {
    if (row >= this.set.length) return true
    if (this.set[row] !== 0) return false
    const changed = this.changed[row]
    if (changed === 0) return true
    for (const member of this.members) if (member.needsSince < changed) return false
    return this.leavers.size === 0
  }

  /** The row may stand for something else from now on. */
  protected forgetRow(row: number): void {
    if (row < this.changed.length) this.changed[row] = 0
  }

  /** Whether a row names the session as its source. */
  refersTo(slot: number): boolean {
    return (this.#bySource[slot] ?? 0) > 0
  }

  /** Rows that a member's Adj-RIB-Out has. */
  sentTo(slot: number): number {
    return this.size - (this.#bySource[slot] ?? 0)
  }

  /** Paths of a prefix that are considered for this group: those that may be used. */
  abstract pathsOf(prefix: number): Iterable<number>

  /** Whether one of them is for this group, and why. */
  explain(prefix: number, path: number): Explanation {
    const { paths, sessions } = this.rib
    const said = this.rules.explain(prefix, paths.accepted[path], sessions.at(paths.slot[path]))
    const row = this.pathId(path) === undefined ? prefix : path
    if (!said.accepted || !this.#room?.leftOut.has(prefix) || this.set[row] !== 0) return said
    return { accepted: false, text: `not sent: the peer is told of ${this.#room.most} prefixes, which is its limit` }
  }

  /** Whether prefixes wait for room. */
  get isFull(): boolean {
    return this.#room !== undefined && !this.#room.leftOut.empty
  }

  // ---- flushing ---------------------------------------------------------------------------------------------------

  /** Marked prefixes wait, and there is somebody to read what they give. */
  get pending(): boolean {
    return !this.queue.empty && this.members.size > 0 && !this.#blocked()
  }

  /** Evaluates marked prefixes until `units` are spent, and encodes what changed; returns the units used. */
  flush(units: number): number {
    if (!this.pending) return 0
    const { filling } = this.queue
    if (this.flushes >= this.#limits.flushes) this.#renumber()
    const listening = this.#listening()
    if (this.capacity > this.set.length) this.grow(this.capacity)
    const flush = this.flushes + 1
    let used = 0
    this.#touched = false
    while (used < units) {
      const prefix = this.queue.take()
      if (prefix === 0) break
      used += this.evaluate(prefix, flush, listening)
    }
    if (this.#touched) this.flushes = flush
    if (this.#buckets.size > 0) this.#encode(flush)
    if (this.#room) this.#admitWaiting(this.#room)
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
      this.unfollow()
      this.ring.drop(this.ring.end)
      this.ring.close()
      this.#closing = 1
    }
    const rows = Math.min(this.set.length, this.end)
    const end = Math.min(rows, this.#closing + units)
    for (let row = this.#closing; row < end; row++) {
      if (this.set[row] !== 0) this.rib.sets.release(this.set[row])
    }
    this.#closing = end
    return end < rows
  }

  /** The set, if the member may be told of one more; else nothing now, and the prefix waits for room. */
  protected admit(prefix: number, row: number, set: number, source: number): number {
    if (!this.#room || set === 0) return set
    const slot = this.#onlySlot
    const isTold = row < this.set.length && this.set[row] !== 0 && this.source[row] !== slot
    if (source === slot || isTold || this.sentTo(slot) < this.#room.most) return set
    this.rib.sets.release(set)
    this.#room.leftOut.mark(prefix)
    return 0
  }

  /** As many of those that wait as there is room for now. */
  #admitWaiting({ most, leftOut }: Room): void {
    for (let left = most - this.sentTo(this.#onlySlot); left > 0 && !leftOut.empty; left--)
      this.queue.mark(leftOut.take())
  }

  get #onlySlot(): number {
    for (const { session } of this.members) return session.slot
    return LOCAL
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

  /** A row is now `set`, with its reference, from the session in the slot; 0 = nothing. */
  protected write(row: number, set: number, source: number, flush: number, listening: boolean): void {
    const { sets } = this.rib
    const before = this.set[row]
    const sourceBefore = this.source[row]
    if (set === before && (set === 0 || source === sourceBefore)) {
      if (set !== 0) sets.release(set)
      return
    }
    this.#touched = true
    this.set[row] = set
    this.source[row] = source
    this.changed[row] = flush
    if (before !== 0) {
      sets.release(before)
      this.#bySource[sourceBefore]--
      this.size--
    }
    if (set !== 0) {
      this.#bySource[source] = (this.#bySource[source] ?? 0) + 1
      this.size++
    }
    if (!listening) return
    if (set === 0) this.#buckets.add(row, 0, sourceBefore, 'except')
    else {
      this.#buckets.add(row, set, source, 'except')
      if (before !== 0 && sourceBefore !== source) this.#buckets.add(row, 0, source, 'only')
    }
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
      row => writer.add(row),
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
    for (let row = 0; row < this.changed.length; row++) if (this.changed[row] !== 0) this.changed[row] = 1
    const last = this.flushes
    this.flushes = 2
    for (const member of this.members) member.renumbered(last)
    for (const member of this.leavers) member.formerRenumbered(this)
  }
}
