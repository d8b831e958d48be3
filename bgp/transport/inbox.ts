// Octets that came from a connection and were not taken yet. Copies what it is given; what is partly taken moves to the
// front when room is needed.

export class Inbox {
  /** What is unread is `octets[from, to)`. */
  octets = new Uint8Array(0)
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
    // An idle session keeps no large buffer.
    if (this.octets.length > 4096) this.octets = new Uint8Array(0)
  }

  #makeRoom(extra: number): void {
    const needed = this.size + extra
    const target =
      needed <= this.octets.length ? this.octets : new Uint8Array(Math.max(needed, Math.min(2 * needed, 65536)))
    target.set(this.octets.subarray(this.from, this.to))
    this.octets = target
    this.to -= this.from
    this.from = 0
  }
}
