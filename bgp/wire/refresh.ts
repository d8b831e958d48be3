// ROUTE-REFRESH (RFC 2918 §3): a request for all routes of a family again. Where both ends have announced RFC 7313, the octet
// between AFI and SAFI says which: a request, the beginning of what was asked for (BoRR), or its end (EoRR).

import type { Family } from '../types.ts'
import { familyOf, numbersOf } from './family.ts'
import { HEADER_LENGTH, message, ROUTE_REFRESH } from './header.ts'
import { type Fault, fault } from './verdict.ts'

export type RefreshKind = 'request' | 'begin' | 'end'

const kinds: readonly RefreshKind[] = ['request', 'begin', 'end']

/** What a ROUTE-REFRESH says; `ignored` says why it says nothing to us. */
export type Refresh =
  | { readonly kind: RefreshKind; readonly family: Family }
  | { readonly kind: 'ignored'; readonly why: string }
  | { readonly kind: 'fault'; readonly fault: Fault }

const BODY = 4

/** Reads the body `octets[from, to)` behind its header. `enhanced`: both ends have announced RFC 7313. */
export function decodeRefresh(octets: Uint8Array, from: number, to: number, enhanced: boolean): Refresh {
  const length = to - from
  // RFC 2918 §3: a reserved octet, which is not looked at.
  const subtype = enhanced && length > 2 ? octets[from + 2] : 0
  if (subtype >= kinds.length) return { kind: 'ignored', why: `ROUTE-REFRESH of subtype ${subtype} is not known` } // §5
  if (length !== BODY && subtype > 0) {
    // RFC 7313 §5: with the whole message
    const why = `a ROUTE-REFRESH of ${HEADER_LENGTH + length} octets marks a beginning or end, for which 23 are right`
    return { kind: 'fault', fault: fault(7, 1, why, octets.slice(from - HEADER_LENGTH, to)) }
  }
  if (length < BODY) {
    const data = Uint8Array.of((HEADER_LENGTH + length) >> 8, HEADER_LENGTH + length)
    return { kind: 'fault', fault: fault(1, 2, `length ${HEADER_LENGTH + length} is wrong for a ROUTE-REFRESH`, data) }
  }
  if (length > BODY) return { kind: 'ignored', why: 'ROUTE-REFRESH with a filter, which nobody has offered (RFC 5291)' }
  const [afi, safi] = [(octets[from] << 8) | octets[from + 1], octets[from + 3]]
  const family = familyOf(afi, safi)
  if (!family) return { kind: 'ignored', why: `ROUTE-REFRESH for AFI ${afi}, SAFI ${safi}, which are not carried here` }
  return { kind: kinds[subtype], family }
}

export function encodeRefresh(family: Family, kind: RefreshKind = 'request'): Uint8Array {
  const { afi, safi } = numbersOf(family)
  return message(ROUTE_REFRESH, Uint8Array.of(afi >> 8, afi & 255, kinds.indexOf(kind), safi))
}
