// A member of an update group: one session's place in what the group sends.
//
// Usually that is an index into the group's ring. A member that is new, too far behind, asked for a refresh or comes
// from another group first gets a walk of the table, encoded for it alone: the rows as of one flush, after which the
// ring takes over. Nothing is made before somebody pulls.

import type { Session } from '../rib/sessions.ts'
import { type Chunk, type ChunkPool, ChunkTarget, type Run } from './chunks.ts'
import type { Group } from './group.ts'
import type { ChunkSink } from './port.ts'
import { Buckets } from './buckets.ts'

/** Octets handed over by one pull. */
const PULL = 65536
/** Rows that one pull looks at, and that it encodes, at most. */
const LOOK = 16384
const ENCODE = 2048

interface Walk {
  /** Next row. */
  next: number
  /** Rows announced later come by the ring. */
  upTo: number
  /** Rows announced in an earlier flush or in this one are known to the member. */
  announceAfter: number
  /** The same for rows withdrawn. */
  withdrawAfter: number
}

/** A table that the member was served from before, up to the flush `upTo`. */
interface Former {
  readonly group: Group
  readonly upTo: number
}

/** Of whichever member is in `#walkOn`, which leaves them empty: a mesh has thousands of members that say nothing. */
const buckets = new Buckets()

export class Member {
  readonly session: Session
  group: Group
  /** Next segment of the ring. */
  index: number
  /** On the list of members to pull. */
  ready = false

  readonly #wake: (member: Member) => void
  readonly #own: OwnRuns
  /** Every change up to this flush has been handed over, except what `#walk` has still to bring. */
  #position = 0
  #walk: Walk | undefined
  #formers: Former[] = []
  /** Everything goes out again: the former tables no longer say what the member has. */
  #resend = false
  /** Waits for the new group's table to be complete before it is compared with the former one. */
  #waiting = false

  constructor(session: Session, group: Group, pool: ChunkPool, wake: (member: Member) => void) {
    this.session = session
    this.group = group
    this.#wake = wake
    this.#own = new OwnRuns(pool)
    this.index = group.ring.end
    group.members.add(this)
    // A table that has not begun needs no walk: all of it will come by the ring.
    if (group.flushes > 0) this.#startWalk(0, group.flushes)
  }

  /** Whether the group has to encode for this member. */
  get listening(): boolean {
    return !this.#waiting
  }

  /** The member may need the withdrawal of anything withdrawn after this flush. */
  get needsSince(): number {
    if (this.#waiting) return Infinity
    return this.#walk ? this.#walk.withdrawAfter : this.#position
  }

  /** No walk is under way, and what one brought is handed over. */
  get walked(): boolean {
    return !this.#waiting && this.#walk === undefined && this.#own.runs.length === 0
  }

  /** Has something to pull, as far as can be told without a look at the table. */
  get hasMore(): boolean {
    if (this.#waiting) return !this.group.queue.filling
    return this.#walk !== undefined || this.#own.runs.length > 0 || this.index < this.group.ring.end
  }

  wake(): void {
    if (!this.ready) this.#wake(this)
  }

  /** Sends everything again (RFC 2918). */
  refresh(): void {
    this.#resend = true
    if (!this.#waiting) this.#startWalk(0, this.needsSince)
    this.wake()
  }

  /** Moves to another group; only what differs is sent, as far as it is known what was sent. */
  move(group: Group): void {
    const whole = this.#walk === undefined && !this.#waiting
    this.#formers.push({ group: this.group, upTo: whole ? this.#position : 0 })
    this.group.members.delete(this)
    this.group.leavers.add(this)
    this.group = group
    group.members.add(this)
    this.index = group.ring.end
    this.#walk = undefined
    this.#waiting = true
    this.wake()
  }

  /** Leaves for good. */
  leave(): void {
    this.group.members.delete(this)
    this.#forgetFormers()
    this.#own.drop()
  }

  /** The group starts its flush numbers anew: `last` was the old one, 2 comes next. */
  renumbered(last: number): void {
    const whole = this.#walk === undefined && this.#position === last
    this.#position = whole ? 2 : 0
    if (whole || this.#waiting) return
    this.#resend = true
    this.#startWalk(0, 0)
  }

  /** The former group starts its flush numbers anew: nothing is known of its rows. */
  formerRenumbered(group: Group): void {
    this.#formers = this.#formers.map(former => (former.group === group ? { group, upTo: 0 } : former))
  }

  /** Hands over at most about 64 KiB; true if there is more. */
  pull(sink: ChunkSink): boolean {
    if (this.#waiting && !this.group.queue.filling) {
      this.#waiting = false
      this.#startWalk(0, this.group.flushes)
    }
    if (this.#waiting) return false
    if (!this.#walk && this.index < this.group.ring.first) this.#startWalk(this.#position, this.#position)
    if (this.#walk && this.#own.runs.length === 0) this.#walkOn(this.#walk)
    const left = this.#own.hand(sink, PULL)
    if (!this.#walk && this.#own.runs.length === 0 && this.index >= this.group.ring.first) this.#readRing(sink, left)
    return this.hasMore
  }

  #startWalk(announceAfter: number, withdrawAfter: number): void {
    this.#walk = { next: 1, upTo: this.group.flushes, announceAfter, withdrawAfter }
    this.index = this.group.ring.end
  }

  #walkOn(walk: Walk): void {
    const { group } = this
    const { writer } = group
    const { end } = group
    for (let looked = 0; looked < LOOK && walk.next < end && buckets.size < ENCODE; looked++) {
      this.#compare(walk.next++, walk)
    }
    buckets.drain(
      bucket => {
        writer.end()
        group.begin(bucket.set, bucket.slot, this.#own)
      },
      row => writer.add(row),
    )
    writer.end()
    if (walk.next < end) return
    this.#own.close()
    this.#position = walk.upTo
    this.#walk = undefined
    this.#forgetFormers()
  }

  /** Buckets a row if the member has to hear of it. */
  #compare(row: number, walk: Walk): void {
    const { group, session } = this
    const there = row < group.set.length
    const set = there ? group.set[row] : 0
    const changed = there ? group.changed[row] : 0
    const source = there ? group.source[row] : session.slot
    const has = set !== 0 && source !== session.slot
    if (has) {
      if (changed <= walk.announceAfter || changed > walk.upTo) return
      if (!this.#knows(row, set, source)) buckets.add(row, set, source, 'except')
    } else if (changed > walk.withdrawAfter || this.#mayHave(row)) {
      // Also of later rows: one that the session itself became the source of may never be mentioned to it in the ring.
      buckets.add(row, 0, source, 'only')
    }
  }

  /** Whether the one former table told the member exactly this. */
  #knows(row: number, set: number, source: number): boolean {
    if (this.#resend || this.#formers.length !== 1) return false
    const [{ group, upTo }] = this.#formers
    if (!group.tellsAlike(this.group) || row >= group.set.length || group.changed[row] > upTo) return false
    return group.set[row] === set && group.source[row] === source
  }

  #mayHave(row: number): boolean {
    for (const { group, upTo } of this.#formers) {
      if (row >= group.set.length) continue
      if (group.changed[row] > upTo) return true
      if (group.set[row] !== 0 && group.source[row] !== this.session.slot) return true
    }
    return false
  }

  #readRing(sink: ChunkSink, left: number): void {
    const { ring } = this.group
    const { slot } = this.session
    let run: Run | undefined
    while (this.index < ring.end && left > 0) {
      const segment = ring.segment(this.index)
      if (ring.sees(this.index, slot)) {
        if (run && run.chunk === segment.chunk && run.to === segment.from) {
          run.to = segment.to
          run.messages += segment.messages
        } else {
          if (run) hand(run, sink)
          const { chunk, from, to, messages } = segment
          chunk.references++
          run = { chunk, from, to, messages }
        }
        left -= segment.to - segment.from
      }
      this.index++
    }
    if (run) hand(run, sink)
    this.#position = this.index === ring.end ? this.group.flushes : ring.segment(this.index).flush - 1
  }

  #forgetFormers(): void {
    for (const { group } of this.#formers) group.leavers.delete(this)
    this.#formers = []
    this.#resend = false
  }
}

/** What was encoded for one member alone and is not handed over yet. */
class OwnRuns extends ChunkTarget {
  readonly runs: Run[] = []

  /** Hands over about `left` octets; returns what is left of them. */
  hand(sink: ChunkSink, left: number): number {
    while (left > 0) {
      const run = this.runs.shift()
      if (!run) break
      left -= run.to - run.from
      hand(run, sink)
    }
    return left
  }

  drop(): void {
    for (const { chunk } of this.runs.splice(0)) chunk.done()
    this.close()
  }

  protected override written(chunk: Chunk, from: number, to: number): void {
    const last = this.runs[this.runs.length - 1]
    if (last && last.chunk === chunk && last.to === from) {
      last.to = to
      last.messages++
      return
    }
    chunk.references++
    this.runs.push({ chunk, from, to, messages: 1 })
  }
}

/** The run's reference goes over to the sink. */
function hand({ chunk, from, to, messages }: Run, sink: ChunkSink): void {
  sink.chunk(chunk.octets.subarray(from, to), messages, chunk.done)
}
