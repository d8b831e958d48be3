// A queue of ids in which each id stands at most once: what is waiting is state, not messages.
//
// A consumer that falls behind sees the last state of a prefix only, and its backlog is bounded by the table. One bit
// per id says whether it waits; the order is kept in blocks, so that growing never copies.

import { column, FIRST, type Octets, resized, roundUp } from './columns.ts'

const BLOCK = 1024

export class DirtyQueue {
  /** Ids taken so far, and ids put so far: a mark that the consumer passes when `taken` reaches it. */
  taken = 0
  put = 0

  #waiting: Octets
  readonly #blocks: Uint32Array[] = [new Uint32Array(BLOCK)]
  /** The first of them, which is taken from at `#head`, and the last, which is put to at `#tail`. */
  #first = this.#blocks[0]
  #end = this.#blocks[0]
  #head = 0
  #tail = 0
  #spare: Uint32Array | undefined
  /** Ids in [#next, #last) come before all others: a consumer that starts anew gets the whole table. */
  #next = 0
  #last = 0

  constructor(reserve: number) {
    this.#waiting = column(Uint8Array, FIRST / 8, reserve / 8)
  }

  /** Everything below `end` waits, in ascending order. For an empty queue. */
  fill(end: number): void {
    this.#next = 1
    this.#last = end
  }

  /** The part of `fill` that is not taken yet. */
  get filling(): boolean {
    return this.#next < this.#last
  }

  get empty(): boolean {
    return this.taken === this.put && !this.filling
  }

  has(id: number): boolean {
    return (id >= this.#next && id < this.#last) || (this.#waiting[id >> 3] & (1 << (id & 7))) !== 0
  }

  mark(id: number): void {
    const bit = 1 << (id & 7)
    if (id >> 3 >= this.#waiting.length) this.#waiting = resized(this.#waiting, roundUp(id + 1) / 8)
    if (this.#waiting[id >> 3] & bit) return
    this.#waiting[id >> 3] |= bit
    if (this.#tail === BLOCK) {
      this.#end = this.#spare ?? new Uint32Array(BLOCK)
      this.#blocks.push(this.#end)
      this.#spare = undefined
      this.#tail = 0
    }
    this.#end[this.#tail++] = id
    this.put++
  }

  /** The next id; 0 if none waits. */
  take(): number {
    if (this.#next < this.#last) return this.#next++
    if (this.taken === this.put) return 0
    if (this.#head === BLOCK) {
      this.#spare = this.#blocks.shift()
      this.#first = this.#blocks[0]
      this.#head = 0
    }
    const id = this.#first[this.#head++]
    this.taken++
    this.#waiting[id >> 3] &= ~(1 << (id & 7))
    return id
  }
}
