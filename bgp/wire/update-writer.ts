// UPDATE messages written (RFC 4271 §4.3, RFC 4760 §3, §4): as many prefixes as fit, one attribute set each.
//
// IPv4 goes by classic NLRI, unless its next hops may be IPv6 (RFC 8950); all else by MP_REACH_NLRI and MP_UNREACH_NLRI,
// which come first among the attributes (RFC 7606 §5.1). Messages are written where they will be sent from; nothing is allocated.

import type { Family } from '../types.ts'
import { mpReach, mpUnreach } from './attributes.ts'
import { EXTENDED_LENGTH } from './attribute.ts'
import { numbersOf } from './family.ts'
import { HEADER_LENGTH, MAX_EXTENDED, MAX_MESSAGE, putMessageHeader, UPDATE } from './header.ts'

/** Where messages go. */
export interface MessageTarget {
  /** The next message is written from `octets[at]`. */
  readonly octets: Uint8Array
  readonly at: number
  /** Makes room for a message of so many octets, at most 65,535. */
  reserve(octets: number): void
  /** A whole message of `length` octets stands at `octets[at]`. */
  commit(length: number): void
}

/** A message of many prefixes ends here even if it might be longer: reading one is a single piece of work. */
const FULL_EXTENDED = 16384

/** Whatever can write a route as NLRI: a length octet and the octets it needs, after a path identifier if there is one. */
export interface NlriSource {
  /** Octets of the longest one. */
  readonly longestNlri: number
  nlriLength(id: number): number
  putNlri(id: number, out: Uint8Array, at: number): number
}

/**
 * Writes runs of prefixes: `announce` or `withdraw` begins one, `add` takes a prefix, `end` closes it. A full message
 * is committed and another one begun by itself.
 */
export class UpdateWriter {
  readonly #family: Family
  readonly #classic: boolean
  readonly #afi: number
  readonly #safi: number
  readonly #nlri: NlriSource
  readonly #longest: number
  readonly #full: number
  #target: MessageTarget | undefined
  #attributes: Uint8Array = new Uint8Array(0)
  #length = 0
  #nextHop: Uint8Array = new Uint8Array(0)
  #announces = false
  /** Offset in the target at which the next NLRI goes; -1 = no message begun. */
  #at = -1
  /** Octets of the message that are left for NLRI end here. */
  #limit = 0

  /** `extended`: whoever reads this takes messages of up to 65,535 octets (RFC 8654). */
  constructor(family: Family, nlri: NlriSource, extended = false, classic = family === 'ipv4-unicast') {
    this.#longest = extended ? MAX_EXTENDED : MAX_MESSAGE
    this.#full = extended ? FULL_EXTENDED : MAX_MESSAGE
    const { afi, safi } = numbersOf(family)
    this.#family = family
    this.#classic = classic
    this.#afi = afi
    this.#safi = safi
    this.#nlri = nlri
  }

  /** Octets of attributes (with NEXT_HOP for IPv4) that leave room for one prefix. */
  roomForAttributes(nextHopLength: number): number {
    return this.#longest - this.#around(nextHopLength)
  }

  /** Octets of a message that announces one prefix, without the attributes of the route. */
  #around(nextHopLength: number): number {
    return HEADER_LENGTH + 4 + this.#nlri.longestNlri + (this.#classic ? 0 : 4 + 5 + nextHopLength)
  }

  /** Begins a run with `attributes[0, length)`; IPv4 has its NEXT_HOP among them, other families give it here. */
  announce(target: MessageTarget, attributes: Uint8Array, length: number, nextHop: Uint8Array): void {
    this.#target = target
    this.#attributes = attributes
    this.#length = length
    this.#nextHop = nextHop
    this.#announces = true
  }

  withdraw(target: MessageTarget): void {
    this.#target = target
    this.#length = 0
    this.#announces = false
  }

  add(id: number): void {
    const target = this.#target
    if (!target) return
    if (this.#at >= 0 && this.#at + this.#nlri.nlriLength(id) > this.#limit) this.#close(target)
    if (this.#at < 0) this.#begin(target)
    this.#at = this.#nlri.putNlri(id, target.octets, this.#at)
  }

  end(): void {
    if (this.#target && this.#at >= 0) this.#close(this.#target)
    this.#target = undefined
  }

  /** The End-of-RIB marker of the family (RFC 4724 §2). */
  endOfRib(): Uint8Array {
    const body =
      this.#family === 'ipv4-unicast'
        ? [0, 0, 0, 0]
        : [0, 0, 0, 6, mpUnreach.flags, mpUnreach.code, 3, 0, this.#afi, this.#safi]
    const message = new Uint8Array(HEADER_LENGTH + body.length)
    message.set(body, putMessageHeader(message, 0, UPDATE, message.length))
    return message
  }

  #begin(target: MessageTarget): void {
    const most = Math.max(this.#full, this.#length + this.#around(this.#nextHop.length))
    target.reserve(most)
    const { octets } = target
    const start = target.at
    this.#limit = start + most
    let at = start + HEADER_LENGTH
    if (this.#classic) {
      octets[at++] = 0
      octets[at++] = 0
      if (this.#announces) {
        octets[at++] = this.#length >> 8
        octets[at++] = this.#length
        at = this.#putAttributes(octets, at)
      } else this.#limit -= 2 // the length of the attributes, none, comes after the withdrawn prefixes
    } else {
      octets[at++] = 0
      octets[at++] = 0
      at += 2 // length of the attributes
      const type = this.#announces ? mpReach : mpUnreach
      octets[at++] = type.flags | EXTENDED_LENGTH
      octets[at++] = type.code
      at += 2 // length of this attribute
      octets[at++] = this.#afi >> 8
      octets[at++] = this.#afi
      octets[at++] = this.#safi
      if (this.#announces) {
        octets[at++] = this.#nextHop.length
        for (let i = 0; i < this.#nextHop.length; i++) octets[at++] = this.#nextHop[i]
        octets[at++] = 0
      }
      this.#limit -= this.#length
    }
    this.#at = at
  }

  #close(target: MessageTarget): void {
    const { octets } = target
    const start = target.at
    const body = start + HEADER_LENGTH
    let at = this.#at
    if (this.#classic) {
      if (!this.#announces) {
        put16(octets, body, at - body - 2)
        octets[at++] = 0
        octets[at++] = 0
      }
    } else {
      put16(octets, body + 6, at - body - 8)
      at = this.#putAttributes(octets, at)
      put16(octets, body + 2, at - body - 4)
    }
    putMessageHeader(octets, start, UPDATE, at - start)
    this.#at = -1
    target.commit(at - start)
  }

  #putAttributes(octets: Uint8Array, at: number): number {
    const attributes = this.#attributes
    for (let i = 0; i < this.#length; i++) octets[at++] = attributes[i]
    return at
  }
}

function put16(octets: Uint8Array, at: number, value: number): void {
  octets[at] = value >> 8
  octets[at + 1] = value
}
