// Writes netlink messages one behind the other into one buffer, which grows and is used again.

import { align, headerLength, littleEndian, nested } from './protocol.ts'

const utf8 = new TextEncoder()

export class MessageWriter {
  #bytes: Uint8Array
  #view: DataView
  #length = 0
  #start = 0

  constructor(capacity = 4096) {
    this.#bytes = new Uint8Array(capacity)
    this.#view = new DataView(this.#bytes.buffer)
  }

  /** Octets written. */
  get length(): number {
    return this.#length
  }

  /** What was written; valid until the next write. */
  get bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#length)
  }

  clear(): void {
    this.#length = 0
  }

  /** Starts a message: struct nlmsghdr. The body follows, then `end`. */
  begin(type: number, flags: number, sequence: number): void {
    const at = (this.#start = this.#claim(headerLength))
    this.#view.setUint16(at + 4, type, littleEndian)
    this.#view.setUint16(at + 6, flags, littleEndian)
    this.#view.setUint32(at + 8, sequence, littleEndian)
  }

  /** Ends the message begun last. */
  end(): void {
    this.#view.setUint32(this.#start, this.#length - this.#start, littleEndian)
    this.#claim(align(this.#length) - this.#length)
  }

  /** Takes back what was written after the first `length` octets. */
  truncate(length: number): void {
    this.#length = length
  }

  u8(value: number): void {
    const at = this.#claim(1)
    this.#bytes[at] = value
  }

  octets4(a: number, b: number, c: number, d: number): void {
    const at = this.#claim(4)
    const bytes = this.#bytes
    bytes[at] = a
    bytes[at + 1] = b
    bytes[at + 2] = c
    bytes[at + 3] = d
  }

  u16(value: number): void {
    const at = this.#claim(2)
    this.#view.setUint16(at, value, littleEndian)
  }

  u32(value: number): void {
    const at = this.#claim(4)
    this.#view.setUint32(at, value, littleEndian)
  }

  /** struct nlattr: length u16, type u16, then the value, filled up to a multiple of four. */
  attribute(type: number, value: Uint8Array): void {
    const at = this.#header(type, value.length)
    this.#bytes.set(value, at)
  }

  attributeU8(type: number, value: number): void {
    const at = this.#header(type, 1)
    this.#bytes[at] = value
  }

  attributeU16(type: number, value: number): void {
    const at = this.#header(type, 2)
    this.#view.setUint16(at, value, littleEndian)
  }

  /** In network byte order, as ports are. */
  attributeU16be(type: number, value: number): void {
    const at = this.#header(type, 2)
    this.#view.setUint16(at, value)
  }

  attributeU32be(type: number, value: number): void {
    const at = this.#header(type, 4)
    this.#view.setUint32(at, value)
  }

  attributeU32(type: number, value: number): void {
    const at = this.#header(type, 4)
    this.#view.setUint32(at, value, littleEndian)
  }

  /** A string with its closing zero. */
  attributeText(type: number, value: string): void {
    const encoded = utf8.encode(value)
    const at = this.#header(type, encoded.length + 1)
    this.#bytes.set(encoded, at)
  }

  /** Starts an attribute that holds others, or a structure; give what it returns to `endNest`. */
  beginNest(type: number, flags: typeof nested | 0 = nested): number {
    const at = this.#claim(4)
    this.#view.setUint16(at + 2, type | flags, littleEndian)
    return at
  }

  endNest(at: number): void {
    this.#view.setUint16(at, this.#length - at, littleEndian)
    this.#claim(align(this.#length) - this.#length)
  }

  /** struct rtnexthop: length u16, flags u8, hops u8, link u32; attributes follow, then `endNextHop` with what it returns. */
  beginNextHop(flags: number, hops: number, link: number): number {
    const at = this.#claim(8)
    this.#bytes[at + 2] = flags
    this.#bytes[at + 3] = hops
    this.#view.setUint32(at + 4, link, littleEndian)
    return at
  }

  endNextHop(at: number): void {
    this.#view.setUint16(at, this.#length - at, littleEndian)
  }

  #header(type: number, length: number): number {
    const at = this.#claim(4 + align(length))
    this.#view.setUint16(at, 4 + length, littleEndian)
    this.#view.setUint16(at + 2, type, littleEndian)
    return at + 4
  }

  /** Room for `count` octets of zero; returns where it begins. May put another buffer in the place of `#bytes` and `#view`. */
  #claim(count: number): number {
    const at = this.#length
    const length = at + count
    if (length > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(length, 2 * this.#bytes.length))
      larger.set(this.#bytes.subarray(0, at))
      this.#bytes = larger
      this.#view = new DataView(larger.buffer)
    }
    const bytes = this.#bytes
    for (let i = at; i < length; i++) bytes[i] = 0
    this.#length = length
    return at
  }
}
