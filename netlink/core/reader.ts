// Walks over netlink messages and their attributes without copying. What the kernel sends is believed to be well formed, but no
// length is believed beyond the buffer that holds it.

import { align, attributeTypeMask, headerLength, littleEndian } from './protocol.ts'

const utf8 = new TextDecoder()

/** One message inside a buffer; `from` and `to` bound its body. */
export interface Message {
  readonly type: number
  readonly flags: number
  readonly sequence: number
  readonly bytes: Uint8Array
  readonly view: DataView
  readonly from: number
  readonly to: number
}

/** Calls `each` for every message in `bytes`. */
export function readMessages(bytes: Uint8Array, each: (message: Message) => void): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  for (let at = 0; at + headerLength <= bytes.length;) {
    const length = view.getUint32(at, littleEndian)
    if (length < headerLength || at + length > bytes.length) return
    each({
      type: view.getUint16(at + 4, littleEndian),
      flags: view.getUint16(at + 6, littleEndian),
      sequence: view.getUint32(at + 8, littleEndian),
      bytes,
      view,
      from: at + headerLength,
      to: at + length,
    })
    at += align(length)
  }
}

/** A cursor over attributes: `next` moves on, then `type` and the getters speak of the attribute it stands on. */
export class Attributes {
  readonly #bytes: Uint8Array
  readonly #view: DataView
  readonly #end: number
  #next: number
  #from = 0
  #to = 0
  type = 0

  /** Of the attributes in `bytes` from `from` (aligned up) to `to`. */
  constructor(message: { readonly bytes: Uint8Array; readonly view: DataView }, from: number, to: number) {
    this.#bytes = message.bytes
    this.#view = message.view
    this.#next = from
    this.#end = Math.min(to, message.bytes.length)
  }

  next(): boolean {
    const at = this.#next
    if (at + 4 > this.#end) return false
    const length = this.#view.getUint16(at, littleEndian)
    if (length < 4 || at + length > this.#end) return false
    this.type = this.#view.getUint16(at + 2, littleEndian) & attributeTypeMask
    this.#from = at + 4
    this.#to = at + length
    this.#next = at + align(length)
    return true
  }

  /** Octets of the value. */
  get length(): number {
    return this.#to - this.#from
  }

  u8(): number {
    return this.length >= 1 ? this.#view.getUint8(this.#from) : 0
  }

  u16(): number {
    return this.length >= 2 ? this.#view.getUint16(this.#from, littleEndian) : 0
  }

  u32(): number {
    return this.length >= 4 ? this.#view.getUint32(this.#from, littleEndian) : 0
  }

  /** In network byte order, as ports are. */
  u16be(): number {
    return this.length >= 2 ? this.#view.getUint16(this.#from) : 0
  }

  /** In network byte order, as netfilter's numbers are. */
  u32be(): number {
    return this.length >= 4 ? this.#view.getUint32(this.#from) : 0
  }

  /** An IPv4 address as a number of 32 bits; -1 if the value is none. */
  word(): number {
    return this.length === 4 ? this.u32be() : -1
  }

  /** A view of the value, not a copy. */
  octets(): Uint8Array {
    return this.#bytes.subarray(this.#from, this.#to)
  }

  /** Text up to its closing zero. */
  text(): string {
    const octets = this.octets()
    const zero = octets.indexOf(0)
    return utf8.decode(zero < 0 ? octets : octets.subarray(0, zero))
  }

  /** The attributes within, after `skip` octets of a structure. */
  nested(skip = 0): Attributes {
    return new Attributes({ bytes: this.#bytes, view: this.#view }, this.#from + skip, this.#to)
  }

  /** Calls `each` for every struct rtnexthop within (RTA_MULTIPATH). */
  nextHops(each: (flags: number, hops: number, link: number, attributes: Attributes) => void): void {
    for (let at = this.#from; at + 8 <= this.#to;) {
      const length = this.#view.getUint16(at, littleEndian)
      if (length < 8 || at + length > this.#to) return
      each(
        this.#view.getUint8(at + 2),
        this.#view.getUint8(at + 3),
        this.#view.getUint32(at + 4, littleEndian),
        new Attributes({ bytes: this.#bytes, view: this.#view }, at + 8, at + length),
      )
      at += align(length)
    }
  }
}
