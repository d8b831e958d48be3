// Routes of a table as UPDATE messages (RFC 4271 §4.3, RFC 4760): one message for routes that come one after the other with
// the same attributes. AS paths have 4-octet numbers.

import { OctetWriter } from '../octet-writer.ts'
import type { RouteOctets } from '../rib/port.ts'
import { withNextHop } from '../route-octets.ts'
import type { Family } from '../types.ts'
import { mpReach, mpUnreach } from '../wire/attributes.ts'
import { EXTENDED_LENGTH } from '../wire/attribute.ts'
import { numbersOf } from '../wire/family.ts'
import { HEADER_LENGTH, MAX_MESSAGE, putMessageHeader, UPDATE } from '../wire/header.ts'
import type { UpdateDecoder } from '../wire/update.ts'

/** Octets of the header, of the three lengths in a body, and of an MP attribute around a next hop. */
const OVERHEAD = HEADER_LENGTH + 4 + 9 + 32

/** Puts routes of one key together, and hands out each message with the key of its routes. */
export class UpdatePacker<Key> {
  readonly #emit: (key: Key, update: Uint8Array) => void
  readonly #nlri = new OctetWriter()
  #key: Key | undefined
  #family: Family = 'ipv4-unicast'
  #attributes: Uint8Array | undefined
  #nextHop: Uint8Array = NOTHING

  constructor(emit: (key: Key, update: Uint8Array) => void) {
    this.#emit = emit
  }

  add(key: Key, family: Family, { nlri, pathId, attributes, nextHop }: RouteOctets): void {
    const room = MAX_MESSAGE - OVERHEAD - (attributes?.length ?? 0)
    const joins =
      this.#nlri.length > 0 &&
      this.#nlri.length + nlri.length + 4 <= room &&
      this.#key === key &&
      this.#family === family &&
      same(this.#attributes, attributes) &&
      same(this.#nextHop, nextHop)
    if (!joins) {
      this.flush()
      this.#key = key
      this.#family = family
      this.#attributes = attributes?.slice()
      this.#nextHop = nextHop.slice()
    }
    if (pathId !== undefined) this.#nlri.u32(pathId)
    this.#nlri.bytes(nlri)
  }

  /** Hands out what is begun. */
  flush(): void {
    if (this.#nlri.length === 0 || this.#key === undefined) return
    const nlri = this.#nlri.take()
    const update = this.#attributes
      ? announcement(this.#family, this.#attributes, this.#nextHop, nlri)
      : withdrawal(this.#family, nlri)
    this.#emit(this.#key, update)
  }
}

function announcement(family: Family, attributes: Uint8Array, hop: Uint8Array, nlri: Uint8Array): Uint8Array {
  if (family === 'ipv4-unicast' && hop.length <= 4) return update(NOTHING, withNextHop(attributes, hop), nlri)
  const { afi, safi } = numbersOf(family)
  const address = hop.length > 0 ? hop : new Uint8Array(16)
  const length = 5 + address.length + nlri.length
  const head = [mpReach.flags | EXTENDED_LENGTH, mpReach.code, length >> 8, length, afi >> 8, afi, safi, address.length]
  return update(NOTHING, Uint8Array.from([...head, ...address, 0, ...nlri, ...attributes]), NOTHING)
}

function withdrawal(family: Family, nlri: Uint8Array): Uint8Array {
  return family === 'ipv4-unicast' ? update(nlri, NOTHING, NOTHING) : update(NOTHING, unreach(family, nlri), NOTHING)
}

function unreach(family: Family, nlri: Uint8Array): Uint8Array {
  const { afi, safi } = numbersOf(family)
  const length = 3 + nlri.length
  const head = [mpUnreach.flags | EXTENDED_LENGTH, mpUnreach.code, length >> 8, length, afi >> 8, afi, safi]
  return Uint8Array.from([...head, ...nlri])
}

/** The End-of-RIB marker (RFC 4724 §2). */
export function endOfRib(family: Family): Uint8Array {
  return withdrawal(family, NOTHING)
}

/** What an UPDATE comes to whose routes count as withdrawn (RFC 7606 §2), as the decoder has read it. */
export function asWithdrawal(decoder: UpdateDecoder, octets: Uint8Array): Uint8Array {
  const { withdrawnFrom, withdrawnTo, announcedFrom, announcedTo, reach, unreach: gone } = decoder
  const classic = [...octets.subarray(withdrawnFrom, withdrawnTo), ...octets.subarray(announcedFrom, announcedTo)]
  const attributes = [reach, gone].flatMap(({ family, from, to }) =>
    family && to > from ? [...unreach(family, octets.subarray(from, to))] : [],
  )
  return update(Uint8Array.from(classic), Uint8Array.from(attributes), NOTHING)
}

function update(withdrawn: Uint8Array, attributes: Uint8Array, nlri: Uint8Array): Uint8Array {
  const message = new Uint8Array(HEADER_LENGTH + 4 + withdrawn.length + attributes.length + nlri.length)
  let at = putMessageHeader(message, 0, UPDATE, message.length)
  for (const part of [withdrawn, attributes]) {
    message[at++] = part.length >> 8
    message[at++] = part.length
    message.set(part, at)
    at += part.length
  }
  message.set(nlri, at)
  return message
}

function same(a: Uint8Array | undefined, b: Uint8Array | undefined): boolean {
  if (a === undefined || b === undefined) return a === b
  if (a.length !== b.length) return false
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false
  return true
}

const NOTHING = new Uint8Array(0)
