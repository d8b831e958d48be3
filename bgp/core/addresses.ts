// Addresses as sockets and configurations write them: in any notation, with or without the zone of a link-local one.

import { type Address, formatAddress, parseAddress } from '../../inet/index.ts'
import { uint32 } from '../wire/attributes.ts'

/** The address without its zone; an IPv4-mapped IPv6 address, as sockets report it, is its IPv4 address. */
export function bareAddress(text: string): Address | undefined {
  return parseAddress(text.replace(/^::ffff:(?=\d+\.)/i, '').replace(/%.*$/, ''))
}

/** One notation for each address, zone included. */
export function plainAddress(text: string): string {
  const address = bareAddress(text)
  const zone = /%.*$/.exec(text)?.[0] ?? ''
  return address ? `${formatAddress(address)}${zone}` : text
}

/** The zone of a link-local address counts only if both have one. */
export function sameAddress(a: string, b: string): boolean {
  if (a === b) return true
  const [left, right] = [zoned(a), zoned(b)]
  return left.bare === right.bare && sameZone(left.zone, right.zone)
}

/** An address in one notation, and its zone. */
export function zoned(address: string): { readonly bare: string; readonly zone: string | undefined } {
  const [bare, zone] = plainAddress(address).split('%')
  return { bare, zone }
}

export function sameZone(a: string | undefined, b: string | undefined): boolean {
  return a === undefined || b === undefined || a === b
}

/** A router or cluster id as an unsigned number. */
export function numberOf(dottedQuad: string): number {
  const octets = parseAddress(dottedQuad)?.octets
  return octets ? uint32(octets, 0) : 0
}
