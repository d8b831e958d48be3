// What a path attribute is (RFC 4271 §4.3, RFC 7606): the shape of one row of the table in attributes.ts.

import type { SessionKind } from '../types.ts'

/** Attribute flags (RFC 4271 §4.3). */
export const OPTIONAL = 0x80
export const TRANSITIVE = 0x40
export const PARTIAL = 0x20
export const EXTENDED_LENGTH = 0x10

/** What the meaning of an attribute's octets depends on. */
export interface AttributeContext {
  readonly kind: SessionKind
  /** Both ends are in one confederation, so paths may have its segments (RFC 5065). */
  readonly confederation?: boolean
  /** AS numbers in AS_PATH and AGGREGATOR take 4 octets on this session (RFC 6793). */
  readonly fourOctetAs: boolean
}

/** One kind of path attribute. `Value` is its decoded form, for readers that are not in a hurry. */
export interface AttributeType<Value = unknown> {
  readonly code: number
  readonly name: string
  /** OPTIONAL and TRANSITIVE as they have to be on the wire. */
  readonly flags: number
  /**
   * `route`: part of the route, kept in its attribute set. `envelope`: says where the routes are or how to read another
   * attribute; the UPDATE decoder takes it out.
   */
  readonly part: 'route' | 'envelope'
  /** Only meaningful inside an AS, or a confederation: from outside it is ignored without further look. */
  readonly internalOnly?: 'as' | 'confederation'
  /** What is wrong with the value in `octets[from, to)`; undefined if it is well formed. */
  readonly validate: (octets: Uint8Array, from: number, to: number, context: AttributeContext) => string | undefined
  /** What follows when it is malformed (RFC 7606 §7): drop the attribute, or treat its routes as withdrawn. */
  readonly onError: 'discard' | 'withdraw'
  /** Reads a validated value in its 4-octet form. */
  readonly decode: (octets: Uint8Array, from: number, to: number) => Value
  /** The value's octets, the inverse of `decode`. */
  encode(value: Value): Uint8Array
  /** Writes a validated value to `out` at `at` as it is to be kept, and returns the offset after it. Default: a copy. */
  readonly write?: (octets: Uint8Array, from: number, to: number, out: Uint8Array, at: number) => number
}

/** Octets that the header of an attribute with a value of that length takes: 3, or 4 with extended length. */
export function headerLength(valueLength: number): 3 | 4 {
  return valueLength > 255 ? 4 : 3
}

/**
 * Writes flags, code and length in canonical form (extended length only where needed) and returns the offset at which
 * the value starts.
 */
export function putHeader(out: Uint8Array, at: number, flags: number, code: number, valueLength: number): number {
  if (valueLength > 255) {
    out[at] = flags | EXTENDED_LENGTH
    out[at + 1] = code
    out[at + 2] = valueLength >> 8
    out[at + 3] = valueLength & 255
    return at + 4
  }
  out[at] = flags & ~EXTENDED_LENGTH
  out[at + 1] = code
  out[at + 2] = valueLength
  return at + 3
}

/** Writes a whole attribute of known kind in canonical form; returns the offset after it. */
export function putAttribute(out: Uint8Array, at: number, type: AttributeType, value: Uint8Array): number {
  const start = putHeader(out, at, type.flags, type.code, value.length)
  out.set(value, start)
  return start + value.length
}

/**
 * Steps over attributes in `octets[from, to)`. One walker may be used again and again; nothing is allocated.
 *
 *     for (walker.reset(octets, from, to); walker.next(); ) use(walker.code, walker.from, walker.to)
 */
export class AttributeWalker {
  flags = 0
  code = 0
  /** The value is `octets[from, to)`. */
  from = 0
  to = 0
  /** Where the attribute's own header starts. */
  start = 0
  /** True after `next` returned false because an attribute does not fit into what is left (RFC 7606 §4). */
  overrun = false
  #octets: Uint8Array = new Uint8Array(0)
  #end = 0

  reset(octets: Uint8Array, from: number, to: number): this {
    this.#octets = octets
    this.#end = to
    this.to = from
    this.overrun = false
    return this
  }

  /** Goes to the next attribute; false at the end, or where the octets do not hold a whole one. */
  next(): boolean {
    const octets = this.#octets
    const start = this.to
    const left = this.#end - start
    if (left <= 0) return false
    const flags = left >= 3 ? octets[start] : 0
    const header = flags & EXTENDED_LENGTH ? 4 : 3
    if (left < header) return this.#stop()
    const length = header === 4 ? (octets[start + 2] << 8) | octets[start + 3] : octets[start + 2]
    if (left < header + length) return this.#stop()
    this.start = start
    this.flags = flags
    this.code = octets[start + 1]
    this.from = start + header
    this.to = this.from + length
    return true
  }

  /** Goes forward to the attribute with that code; false if there is none from here on. */
  find(code: number): boolean {
    while (this.next()) if (this.code === code) return true
    return false
  }

  #stop(): false {
    this.overrun = true
    this.#end = this.to
    return false
  }
}
