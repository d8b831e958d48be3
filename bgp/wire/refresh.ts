// ROUTE-REFRESH (RFC 2918 §3). The octet between AFI and SAFI is reserved, or a subtype of RFC 7313, which is not
// spoken: such a message is ignored, as RFC 7313 §5 allows only after both ends have announced it.

import type { Family } from '../types.ts'
import { familyOf, numbersOf } from './family.ts'
import { message, ROUTE_REFRESH } from './header.ts'

/** The family in the body `octets[from, to)`; undefined if we do not carry it or it is no plain request. */
export function decodeRefresh(octets: Uint8Array, from: number, to: number): Family | undefined {
  if (to - from !== 4 || octets[from + 2] !== 0) return undefined
  return familyOf((octets[from] << 8) | octets[from + 1], octets[from + 3])
}

export function encodeRefresh(family: Family): Uint8Array {
  const { afi, safi } = numbersOf(family)
  return message(ROUTE_REFRESH, Uint8Array.of(afi >> 8, afi & 255, 0, safi))
}
