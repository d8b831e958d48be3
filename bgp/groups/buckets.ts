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
  /** Next bucket of the same set; -1 = none. */
  other: number
}

export class Buckets {
  /** Entries in all buckets. */
  size = 0
  #prefix = new Uint32Array(1024)
  #next = new Int32Array(1024)
  readonly #buckets: Bucket[] = []
  #count = 0
  readonly #bySet = new Map<number, number>()
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
    for (const withdrawals of [true, false]) {
      for (let i = 0; i < this.#count; i++) {
        const bucket = this.#buckets[i]
        if ((bucket.set === 0) === withdrawals) this.#hand(bucket, begin, add)
      }
    }
    this.size = this.#count = 0
    this.#bySet.clear()
    this.#last = undefined
  }

  /** A function of its own, called often: V8 compiles it well, which it does not do to a loop within the one call of a slice. */
  #hand(bucket: Bucket, begin: (bucket: Bucket) => void, add: (prefix: number) => void): void {
    begin(bucket)
    for (let entry = bucket.first; entry >= 0; entry = this.#next[entry]) add(this.#prefix[entry])
  }

  #find(set: number, slot: number, tag: Tag): Bucket {
    const head = this.#bySet.get(set) ?? -1
    for (let i = head; i >= 0; i = this.#buckets[i].other) {
      const bucket = this.#buckets[i]
      if (bucket.slot === slot && bucket.tag === tag) return bucket
    }
    const bucket = (this.#buckets[this.#count] ??= { set, slot, tag, first: -1, other: -1 })
    bucket.set = set
    bucket.slot = slot
    bucket.tag = tag
    bucket.first = -1
    bucket.other = head
    this.#bySet.set(set, this.#count++)
    return bucket
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
