// Octets that came from a connection and were not taken yet. Copies what it is given; what is partly taken moves to the
// front when room is needed.

/** Buffers that idle connections gave back, so that a busy one need not make its own each time. */
const spare: Uint8Array<ArrayBuffer>[] = []
const SPARE = 65536
const smallSpare: Uint8Array<ArrayBuffer>[] = []
const SMALL = 4096
/** Room for keepalives and short updates, which a session keeps: whatever is made anew counts for V8's collector, and its turns with it. */
const TINY = 256
const nothing = new Uint8Array(0)

export class Inbox {
  /** What is unread is `octets[from, to)`. */
  octets = nothing
  from = 0
  to = 0

  get size(): number {
    return this.to - this.from
  }

  append(more: Uint8Array): void {
    if (this.to + more.length > this.octets.length) this.#makeRoom(more.length)
    this.octets.set(more, this.to)
    this.to += more.length
  }

  take(count: number): void {
    this.from += count
    if (this.from < this.to) return
    this.from = this.to = 0
    // An idle session keeps no larger buffer.
    const { octets } = this
    if (octets.length <= TINY) return
    if (octets.length === SPARE && spare.length < 8) spare.push(octets)
    if (octets.length === SMALL && smallSpare.length < 64) smallSpare.push(octets)
    this.octets = nothing
  }

  #makeRoom(extra: number): void {
    const needed = this.size + extra
    const target = needed <= this.octets.length ? this.octets : buffer(needed)
    target.set(this.octets.subarray(this.from, this.to))
    this.octets = target
    this.to -= this.from
    this.from = 0
  }
}

/** Room for so many octets: small for small messages, else at least 64 KiB. */
function buffer(needed: number): Uint8Array<ArrayBuffer> {
  if (needed <= TINY) return new Uint8Array(TINY)
  if (needed <= SMALL) return smallSpare.pop() ?? new Uint8Array(SMALL)
  return needed <= SPARE ? (spare.pop() ?? new Uint8Array(SPARE)) : new Uint8Array(2 * needed)
}
