// Rewriting attributes: a copy of a set's octets with some attributes replaced, added or left out.
//
// Policy transforms and the rules of each kind of session (prepend, strip, reflect) are both lists of edits, merged
// here in ascending code, so that the result is canonical again.

import { AS_SEQUENCE, AttributeWalker, putHeader, putUint32 } from '../wire/attributes.ts'

/** What becomes of one attribute. Reusable: the value's buffer may be longer than the value. */
export interface Edit {
  readonly code: number
  readonly flags: number
  value: Uint8Array
  /** Octets of the value; -1 = the attribute is left out. */
  length: number
}

/** Octets of an attribute before its value: flags, code, and a length of two octets (RFC 4271 §4.3). */
const HEADER = 4
/** Room at first: a set is seldom longer. */
const ROOM = 4096

export class Rewriter {
  /** The result is `octets[0, length)`. */
  octets = new Uint8Array(ROOM)
  length = 0
  readonly #walker = new AttributeWalker()

  /** Rewrites `source[from, to)` by the first `count` edits, which ascend by code. */
  run(source: Uint8Array, from: number, to: number, edits: readonly Edit[], count = edits.length): void {
    this.#makeRoom(to - from, edits, count)
    const { octets } = this
    const walker = this.#walker.reset(source, from, to)
    let at = 0
    let next = 0
    while (walker.next()) {
      while (next < count && edits[next].code < walker.code) at = this.#put(edits[next++], at)
      if (next < count && edits[next].code === walker.code) {
        at = this.#put(edits[next++], at)
        continue
      }
      for (let i = walker.start; i < walker.to; i++) octets[at++] = source[i]
    }
    while (next < count) at = this.#put(edits[next++], at)
    this.length = at
  }

  #makeRoom(length: number, edits: readonly Edit[], count: number): void {
    let needed = length
    for (let i = 0; i < count; i++) needed += HEADER + Math.max(0, edits[i].length)
    if (needed > this.octets.length) this.octets = new Uint8Array(2 * needed)
  }

  #put(edit: Edit, at: number): number {
    if (edit.length < 0) return at
    const start = putHeader(this.octets, at, edit.flags, edit.code, edit.length)
    for (let i = 0; i < edit.length; i++) this.octets[start + i] = edit.value[i]
    return start + edit.length
  }
}

/**
 * Writes an AS_PATH in 4-octet form to `out`: `count` times `asn`, then the path `source[from, to)`. Goes into the
 * leading segment of `type` while that has room, else into a new one (RFC 4271 §5.1.2, RFC 5065 §4.1). What is no member
 * of our confederation goes behind those that are. Returns the length.
 */
export function prependAs(
  source: Uint8Array,
  from: number,
  to: number,
  asn: number,
  count: number,
  out: Uint8Array,
  type: number = AS_SEQUENCE,
): number {
  let at = 0
  const body = type === AS_SEQUENCE ? behindMembers(source, from, to) : from
  for (; from < body; from++) out[at++] = source[from]
  const leading = to > from && source[from] === type ? source[from + 1] : 0
  for (let left = count; left > 0;) {
    const taken = Math.min(left, 255)
    left -= taken
    const joins = left === 0 && leading > 0 && taken + leading <= 255
    out[at++] = type
    out[at++] = joins ? taken + leading : taken
    for (let i = 0; i < taken; i++) at = putUint32(out, at, asn)
    if (joins) from += 2
  }
  for (let i = from; i < to; i++) out[at++] = source[i]
  return at
}

/** Where a path goes on behind the members of a confederation that it begins with. */
function behindMembers(source: Uint8Array, from: number, to: number): number {
  let at = from
  while (at < to && source[at] > AS_SEQUENCE) at += 2 + source[at + 1] * 4
  return at
}
