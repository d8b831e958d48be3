// UPDATE messages encoded beforehand, the prefixes of one attribute set in as few messages as they fit into, as a router packs them.

import { EXTENDED_LENGTH, OPTIONAL } from '../../bgp/wire/attribute.ts'
import { HEADER_LENGTH, MAX_MESSAGE, putMessageHeader, UPDATE } from '../../bgp/wire/header.ts'
import type { Table } from './table.ts'

const MP_REACH = 14
const MP_UNREACH = 15
/** Flags, code and two octets of length; AFI and SAFI. */
const MP_HEADER = 7

/** Announces the prefixes `[from, to)`. `attributes`: those of a set, without the prefixes' own attribute for IPv6. */
export function announcements(
  table: Table,
  from: number,
  to: number,
  attributes: (set: number) => Uint8Array,
  nextHop: Uint8Array,
): Uint8Array {
  const out = new Octets()
  for (let i = from; i < to;) {
    const set = table.sets[i]
    const own = attributes(set)
    const start = out.begin()
    if (table.family === 'ipv6-unicast') {
      out.mp(MP_REACH)
      out.u8(nextHop.length).bytes(nextHop).u8(0)
      const room = start + MAX_MESSAGE - own.length
      while (i < to && table.sets[i] === set && out.nlri(table, i, room)) i++
      out.endMp()
      out.bytes(own)
      out.endAttributes()
    } else {
      out.bytes(own)
      out.endAttributes()
      while (i < to && table.sets[i] === set && out.nlri(table, i, start + MAX_MESSAGE)) i++
    }
    out.end()
  }
  return out.done()
}

/** Withdraws the prefixes `[from, to)`, as many in a message as fit. */
export function withdrawals(table: Table, from: number, to: number): Uint8Array {
  const out = new Octets()
  for (let i = from; i < to;) {
    const start = out.begin()
    if (table.family === 'ipv6-unicast') {
      out.mp(MP_UNREACH)
      while (i < to && out.nlri(table, i, start + MAX_MESSAGE)) i++
      out.endMp()
      out.endAttributes()
    } else {
      while (i < to && out.nlri(table, i, start + MAX_MESSAGE - 2)) i++
      out.endWithdrawn()
    }
    out.end()
  }
  return out.done()
}

/** Messages one after another in a buffer that grows. */
class Octets {
  #octets = new Uint8Array(1 << 20)
  #at = 0
  /** Where the message, and its MP attribute, begin. */
  #start = 0
  #mp = 0

  /** Begins a message without withdrawn routes whose attributes follow; returns where. */
  begin(): number {
    this.#room(MAX_MESSAGE)
    this.#start = this.#at
    this.#at += HEADER_LENGTH + 4
    return this.#start
  }

  mp(code: number): void {
    this.#mp = this.#at
    this.u8(OPTIONAL | EXTENDED_LENGTH).u8(code)
    this.#at += 2
    this.bytes(Uint8Array.of(0, 2, 1))
  }

  endMp(): void {
    this.#u16(this.#mp + 2, this.#at - this.#mp - MP_HEADER + 3)
  }

  endAttributes(): void {
    this.#u16(this.#start + HEADER_LENGTH, 0)
    this.#u16(this.#start + HEADER_LENGTH + 2, this.#at - this.#start - HEADER_LENGTH - 4)
  }

  /** What was written since `begin` are withdrawn routes: they stand two octets further ahead. */
  endWithdrawn(): void {
    const from = this.#start + HEADER_LENGTH + 4
    const length = this.#at - from
    this.#octets.copyWithin(from - 2, from, this.#at)
    this.#u16(this.#start + HEADER_LENGTH, length)
    this.#u16(this.#at - 2, 0)
  }

  end(): void {
    putMessageHeader(this.#octets, this.#start, UPDATE, this.#at - this.#start)
  }

  u8(value: number): this {
    this.#octets[this.#at++] = value
    return this
  }

  bytes(octets: Uint8Array): this {
    this.#octets.set(octets, this.#at)
    this.#at += octets.length
    return this
  }

  /** False if it does not fit before `end`. */
  nlri({ high, low, lengths }: Table, i: number, end: number): boolean {
    const octets = (lengths[i] + 7) >>> 3
    if (this.#at + 1 + octets > end) return false
    this.u8(lengths[i])
    for (let n = 0; n < octets; n++) this.u8((n < 4 ? high[i] >>> (24 - 8 * n) : low[i] >>> (56 - 8 * n)) & 255)
    return true
  }

  done(): Uint8Array {
    return this.#octets.slice(0, this.#at)
  }

  #u16(at: number, value: number): void {
    this.#octets[at] = value >> 8
    this.#octets[at + 1] = value
  }

  #room(octets: number): void {
    if (this.#at + octets <= this.#octets.length) return
    const grown = new Uint8Array(2 * this.#octets.length)
    grown.set(this.#octets)
    this.#octets = grown
  }
}
