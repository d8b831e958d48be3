// Octets written one after the other into a buffer that grows, for records and messages whose length is known at their end.

export class OctetWriter {
  #octets = new Uint8Array(4096)
  #length = 0

  get length(): number {
    return this.#length
  }

  /** A copy of what was written; the writer starts anew. */
  take(): Uint8Array {
    const octets = this.#octets.slice(0, this.#length)
    this.#length = 0
    return octets
  }

  u8(value: number): this {
    this.#room(1)
    this.#octets[this.#length++] = value
    return this
  }

  u16(value: number): this {
    return this.u8(value >> 8).u8(value)
  }

  u32(value: number): this {
    return this.u16(value >>> 16).u16(value)
  }

  /** A number below 2⁵³ in 8 octets. */
  u64(value: number): this {
    return this.u32(Math.floor(value / 2 ** 32)).u32(value % 2 ** 32)
  }

  bytes(octets: Uint8Array): this {
    this.#room(octets.length)
    this.#octets.set(octets, this.#length)
    this.#length += octets.length
    return this
  }

  zeros(count: number): this {
    this.#room(count)
    this.#octets.fill(0, this.#length, this.#length + count)
    this.#length += count
    return this
  }

  /** Four octets that were written at `at` become this number. */
  patch32(at: number, value: number): void {
    for (let i = 0; i < 4; i++) this.#octets[at + i] = value >>> (24 - 8 * i)
  }

  patch16(at: number, value: number): void {
    this.#octets[at] = value >> 8
    this.#octets[at + 1] = value
  }

  #room(octets: number): void {
    if (this.#length + octets <= this.#octets.length) return
    const grown = new Uint8Array(Math.max(2 * this.#octets.length, this.#length + octets))
    grown.set(this.#octets)
    this.#octets = grown
  }
}
