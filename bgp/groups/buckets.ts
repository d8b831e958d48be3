// Buckets: the prefixes of one slice, put together by what their UPDATE will say, so that messages are full.
//
// A slice has a few thousand prefixes at most, and its buckets are emptied before it ends: what waits longer waits as
// state in a queue of prefixes, never as a bucket.

import type { Tag } from './ring.ts'

export interface Bucket {
  /** Attribute set to announce; 0 = withdraw. */
  set: number
  /** Session that the route came from (its announcement goes to all but that one), or the one addressed alone. */
  slot: number
  tag: Tag
  first: number
  /** Next bucket at the same place of the look-up; -1 = none. */
  other: number
}

export class Buckets {
  /** Entries in all buckets. */
  size = 0
  #prefix = new Uint32Array(1024)
  #next = new Int32Array(1024)
  readonly #buckets: Bucket[] = []
  #count = 0
  /**
   * The look-up by set: 1 + the first bucket at the place, which is the set's last bits; a power of two. No Map, which after
   * `clear` takes all its memory anew.
   */
  #heads = new Int32Array(64)
  #last: Bucket | undefined

  add(prefix: number, set: number, slot: number, tag: Tag): void {
    if (this.size === this.#prefix.length) this.#grow()
    const entry = this.size++
    let bucket = this.#last
    if (!bucket || bucket.set !== set || bucket.slot !== slot || bucket.tag !== tag) {
      bucket = this.#last = this.#find(set, slot, tag)
    }
    this.#prefix[entry] = prefix
    this.#next[entry] = bucket.first
    bucket.first = entry
  }

  /** Hands over each bucket and its prefixes, then is empty. Withdrawals come first. */
  drain(begin: (bucket: Bucket) => void, add: (prefix: number) => void): void {
    try {
      for (const withdrawals of [true, false]) {
        for (let i = 0; i < this.#count; i++) {
          const bucket = this.#buckets[i]
          if ((bucket.set === 0) === withdrawals) this.#hand(bucket, begin, add)
        }
      }
    } finally {
      this.size = this.#count = 0
      this.#heads.fill(0)
      this.#last = undefined
    }
  }

  /** A function of its own, called often: V8 compiles it well, which it does not do to a loop within the one call of a slice. */
  #hand(bucket: Bucket, begin: (bucket: Bucket) => void, add: (prefix: number) => void): void {
    begin(bucket)
    for (let entry = bucket.first; entry >= 0; entry = this.#next[entry]) add(this.#prefix[entry])
  }

  #find(set: number, slot: number, tag: Tag): Bucket {
    let place = set & (this.#heads.length - 1)
    for (let i = this.#heads[place] - 1; i >= 0; i = this.#buckets[i].other) {
      const bucket = this.#buckets[i]
      if (bucket.set === set && bucket.slot === slot && bucket.tag === tag) return bucket
    }
    if (this.#count === this.#heads.length) {
      this.#spread()
      place = set & (this.#heads.length - 1)
    }
    const bucket = (this.#buckets[this.#count] ??= { set, slot, tag, first: -1, other: -1 })
    bucket.set = set
    bucket.slot = slot
    bucket.tag = tag
    bucket.first = -1
    bucket.other = this.#heads[place] - 1
    this.#heads[place] = ++this.#count
    return bucket
  }

  /** Twice as many places. */
  #spread(): void {
    this.#heads = new Int32Array(this.#heads.length * 2)
    for (let i = 0; i < this.#count; i++) {
      const bucket = this.#buckets[i]
      const place = bucket.set & (this.#heads.length - 1)
      bucket.other = this.#heads[place] - 1
      this.#heads[place] = i + 1
    }
  }

  #grow(): void {
    const prefix = new Uint32Array(this.size * 2)
    prefix.set(this.#prefix)
    this.#prefix = prefix
    const next = new Int32Array(this.size * 2)
    next.set(this.#next)
    this.#next = next
  }
}
