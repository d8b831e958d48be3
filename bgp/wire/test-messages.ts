// UPDATE messages for tests, written by hand: attributes in any order, right or wrong.

import { attributeType, type AttributeType, putHeader } from './attributes.ts'
import { numbersOf } from './family.ts'
import { message, UPDATE } from './header.ts'
import { nlriOctets } from './nlri.ts'
import type { Family } from '../types.ts'

/** One attribute, header included, from its raw value; flags as they should be unless given. */
export function raw(code: number, value: Iterable<number>, flags = attributeType(code)?.flags ?? 0xc0): number[] {
  const octets = [...value]
  const header = new Uint8Array(4)
  const length = putHeader(header, 0, flags, code, octets.length)
  return [...header.subarray(0, length), ...octets]
}

/** One attribute from its value. */
export function attribute<Value>(type: AttributeType<Value>, value: Value): number[] {
  return raw(type.code, type.encode(value))
}

export function mpReachOctets(family: Family, nextHop: readonly number[], prefixes: readonly string[]): number[] {
  const { afi, safi, bits } = numbersOf(family)
  return raw(14, [0, afi, safi, nextHop.length, ...nextHop, 0, ...nlriOctets(prefixes, bits)])
}

export function mpUnreachOctets(family: Family, prefixes: readonly string[]): number[] {
  const { afi, safi, bits } = numbersOf(family)
  return raw(15, [0, afi, safi, ...nlriOctets(prefixes, bits)])
}

/** The body of an UPDATE. */
export function body(parts: {
  readonly withdrawn?: readonly string[]
  readonly attributes?: readonly (readonly number[])[]
  readonly announced?: readonly string[]
}): Uint8Array {
  const withdrawn = nlriOctets(parts.withdrawn ?? [], 32)
  const attributes = (parts.attributes ?? []).flat()
  const lengths = (length: number) => [length >> 8, length & 255]
  return Uint8Array.from([
    ...lengths(withdrawn.length),
    ...withdrawn,
    ...lengths(attributes.length),
    ...attributes,
    ...nlriOctets(parts.announced ?? [], 32),
  ])
}

export function update(parts: Parameters<typeof body>[0]): Uint8Array {
  return message(UPDATE, body(parts))
}
