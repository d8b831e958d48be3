// A group's ring of encoded changes: every member reads it at its own pace, and what all have read is let go.
//
// A segment is a run of messages for the same members: all of them, all but the one from which the routes came, or that
// one alone. So split horizon is a skip, and the octets are made once.

import { type Chunk, ChunkTarget, type Run } from './chunks.ts'

/** For whom: `except` all but the session in the slot, `only` it alone. */
export type Tag = 'except' | 'only'

interface Segment extends Run {
  readonly tag: Tag
  readonly slot: number
  /** Number of the flush that made it. */
  readonly flush: number
  /** Octets that went through the ring before it. */
  readonly before: number
}

export class Ring extends ChunkTarget {
  /** Index of the oldest segment that is kept, and of the one to come. Indices never repeat. */
  first = 0
  end = 0
  /** Octets that went through the ring so far. */
  octetsWritten = 0
  /** Messages encoded so far. */
  messages = 0

  readonly #segments: Segment[] = []
  #head = 0
  #tag: Tag = 'except'
  #slot = 0
  #flush = 0
  #open: Segment | undefined

  /** What is written from here on belongs to this flush. */
  begin(flush: number): void {
    this.#flush = flush
    this.#open = undefined
  }

  /** What is written from here on is for these members. */
  address(tag: Tag, slot: number): void {
    if (this.#tag !== tag || this.#slot !== slot) this.#open = undefined
    this.#tag = tag
    this.#slot = slot
  }

  segment(index: number): Segment {
    return this.#segments[this.#head + index - this.first]
  }

  /** Octets from the segment `index` to the end, as far as they are kept. */
  lag(index: number): number {
    const next = Math.max(index, this.first)
    return next >= this.end ? 0 : this.octetsWritten - this.segment(next).before
  }

  sees(index: number, slot: number): boolean {
    const segment = this.segment(index)
    return (segment.slot === slot) === (segment.tag === 'only')
  }

  /** Lets go of the segments before `index`. */
  drop(index: number): void {
    while (this.first < index && this.first < this.end) {
      this.#segments[this.#head++].chunk.done()
      this.first++
    }
    if (this.#head > 1024 && this.#head * 2 > this.#segments.length) {
      this.#segments.splice(0, this.#head)
      this.#head = 0
    }
  }

  protected override written(chunk: Chunk, from: number, to: number): void {
    this.messages++
    const open = this.#open
    if (open && open.chunk === chunk && open.to === from) {
      open.to = to
      open.messages++
    } else {
      chunk.references++
      this.#open = {
        chunk,
        from,
        to,
        messages: 1,
        tag: this.#tag,
        slot: this.#slot,
        flush: this.#flush,
        before: this.octetsWritten,
      }
      this.#segments.push(this.#open)
      this.end++
    }
    this.octetsWritten += to - from
  }
}
