// Which next hops make sense at all (RFC 4271 §6.3, RFC 7606 §7.3; IPv6 by the same reasoning).

import { formatAddress } from '../../inet/index.ts'

/** Why the next hop in `octets[from, to)` (4, 16 or 32 octets) can never be one; undefined if it can. */
export function badNextHop(octets: Uint8Array, from: number, to: number): string | undefined {
  const bad = to - from === 4 ? bad4(octets[from]) : bad6(octets, from)
  return bad && `next hop ${formatAddress(octets.subarray(from, Math.min(to, from + 16)))} is ${bad}`
}

function bad4(first: number): string | undefined {
  if (first === 0) return 'in 0.0.0.0/8'
  if (first === 127) return 'a loopback address'
  return first >= 224 ? 'a multicast or reserved address' : undefined
}

function bad6(octets: Uint8Array, from: number): string | undefined {
  if (octets[from] === 0xff) return 'a multicast address'
  for (let i = 0; i < 15; i++) if (octets[from + i] !== 0) return undefined
  if (octets[from + 15] === 0) return 'the unspecified address'
  return octets[from + 15] === 1 ? 'the loopback address' : undefined
}
