// A table that is nobody's, as UPDATE messages: attributes and lengths of prefixes about in the shares in which the Internet's
// table has them, so that code meets in it what it will meet there.

import { Random } from '../fsm/random.ts'
import type { Family } from '../types.ts'
import {
  asPath,
  communities,
  med,
  mpReach,
  mpUnreach,
  nextHop,
  origin,
  putAttribute,
  putUint32,
} from '../wire/attributes.ts'
import { numbersOf } from '../wire/family.ts'
import { HEADER_LENGTH, putMessageHeader, UPDATE } from '../wire/header.ts'

/** Messages, one after the other, that announce the prefixes of some sets, and that withdraw them. */
export interface Part {
  readonly announce: Uint8Array
  readonly withdraw: Uint8Array
}

/** Sets a part, and the most prefixes of one. */
const SETS = 12
const MOST = 7
/** Messages and prefixes of a part at most. */
export const PART_UNITS = SETS * (1 + MOST)
/** Octets that the announcement of a set, and the prefixes of a part, have at most. */
const LONGEST = 256
const NLRI = SETS * MOST * 9

const lengths: { readonly [F in Family]: readonly number[] } = {
  'ipv4-unicast': [24, 24, 24, 24, 24, 24, 23, 22, 21, 20, 19, 16],
  'ipv6-unicast': [48, 48, 48, 48, 48, 32, 32, 44, 40, 36, 47, 64],
}
const hops: { readonly [F in Family]: Uint8Array } = {
  'ipv4-unicast': Uint8Array.of(192, 0, 2, 1),
  'ipv6-unicast': Uint8Array.of(0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1),
}

/** Told by a peer in the AS `asn`. Parts are made when they are asked for, in their order. */
export class SyntheticTable {
  readonly parts: number
  readonly #family: Family
  readonly #asn: number
  readonly #random = new Random(1)
  readonly #made: Part[] = []

  /** Of so many attribute sets, with four prefixes each on average. */
  constructor(family: Family, sets: number, asn: number) {
    this.#family = family
    this.#asn = asn
    this.parts = Math.ceil(sets / SETS)
  }

  part(n: number): Part {
    return (this.#made[n] ??= this.#make())
  }

  #make(): Part {
    const out = new Uint8Array(SETS * LONGEST)
    const nlri = new Uint8Array(NLRI)
    let at = 0
    let to = 0
    for (let set = 0; set < SETS; set++) {
      const from = to
      for (let count = 1 + this.#below(MOST); count > 0; count--) to = this.#putPrefix(nlri, to)
      at = this.#announce(out, at, nlri.subarray(from, to))
    }
    return { announce: out.slice(0, at), withdraw: this.#withdraw(nlri.subarray(0, to)) }
  }

  /** As NLRI, anywhere in the part of the address space that is in use. */
  #putPrefix(out: Uint8Array, at: number): number {
    const choice = lengths[this.#family]
    const length = choice[this.#below(choice.length)]
    const last = at + ((length + 7) >> 3)
    out[at++] = length
    out[at] = this.#family === 'ipv4-unicast' ? 1 + this.#below(223) : 0x20 + this.#below(16)
    while (at < last) out[++at] = this.#below(256)
    out[last] &= -1 << (-length & 7)
    return last + 1
  }

  #announce(out: Uint8Array, start: number, nlri: Uint8Array): number {
    const classic = this.#family === 'ipv4-unicast'
    const hop = hops[this.#family]
    const attributes = start + HEADER_LENGTH + 4
    let at = attributes
    if (!classic) at = putAttribute(out, at, mpReach, joined(this.#mpHeader(hop), nlri))
    at = putAttribute(out, at, origin, Uint8Array.of(this.#below(7) === 0 ? 2 : 0))
    at = putAttribute(out, at, asPath, this.#path())
    if (classic) at = putAttribute(out, at, nextHop, hop)
    if (this.#below(5) === 0) at = putAttribute(out, at, med, med.encode(this.#below(500)))
    const tags = this.#tags()
    if (tags.length > 0) at = putAttribute(out, at, communities, tags)
    out[attributes - 2] = (at - attributes) >> 8
    out[attributes - 1] = at - attributes
    if (classic) {
      out.set(nlri, at)
      at += nlri.length
    }
    putMessageHeader(out, start, UPDATE, at - start)
    return at
  }

  #withdraw(nlri: Uint8Array): Uint8Array {
    const out = new Uint8Array(HEADER_LENGTH + 4 + 8 + nlri.length)
    let at = HEADER_LENGTH
    if (this.#family === 'ipv4-unicast') {
      out[at++] = nlri.length >> 8
      out[at++] = nlri.length
      out.set(nlri, at)
      at += nlri.length + 2
    } else {
      const end = putAttribute(out, at + 4, mpUnreach, joined(this.#mpHeader(), nlri))
      out[at + 2] = (end - at - 4) >> 8
      out[at + 3] = end - at - 4
      at = end
    }
    putMessageHeader(out, 0, UPDATE, at)
    return out.slice(0, at)
  }

  /** What stands before the prefixes in MP_REACH_NLRI, and without a next hop in MP_UNREACH_NLRI. */
  #mpHeader(hop?: Uint8Array): Uint8Array {
    const { afi, safi } = numbersOf(this.#family)
    return hop ? Uint8Array.of(0, afi, safi, hop.length, ...hop, 0) : Uint8Array.of(0, afi, safi)
  }

  /** Two to seven ASes, one in six of four octets. */
  #path(): Uint8Array {
    const asns = [this.#asn]
    for (let count = 1 + this.#below(6); count > 0; count--)
      asns.push(this.#below(6) === 0 ? 131_072 + this.#below(80_000) : 1 + this.#below(60_000))
    return asPath.encode([{ type: 'sequence', asns }])
  }

  /** None to eight. */
  #tags(): Uint8Array {
    const tags = new Uint8Array(4 * this.#below(9))
    for (let at = 0; at < tags.length; at += 4) putUint32(tags, at, (3356 << 16) | this.#below(4000))
    return tags
  }

  #below(limit: number): number {
    return Math.floor(this.#random.next() * limit)
  }
}

function joined(one: Uint8Array, other: Uint8Array): Uint8Array {
  const out = new Uint8Array(one.length + other.length)
  out.set(one)
  out.set(other, one.length)
  return out
}
