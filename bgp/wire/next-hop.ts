// Which next hops make sense at all (RFC 4271 §6.3, RFC 7606 §7.3; IPv6 by the same reasoning, RFC 2545 §3).

import { formatAddress } from '../../inet/index.ts'

/** Why the next hop in `octets[from, to)` (4, 16 or 32 octets) can never be one; undefined if it can. */
export function badNextHop(octets: Uint8Array, from: number, to: number): string | undefined {
  // Of a pair the first is global. Speakers without a global address send none there, or their link-local one.
  const pair = to - from === 32 && isUnspecified(octets, from)
  if (pair && isLinkLocal(octets, from + 16)) return undefined
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

function isUnspecified(octets: Uint8Array, from: number): boolean {
  for (let i = 0; i < 16; i++) if (octets[from + i] !== 0) return false
  return true
}

/** Whether the address at `octets[from]` is in fe80::/10. */
export function isLinkLocal(octets: Uint8Array, from: number): boolean {
  return octets[from] === 0xfe && (octets[from + 1] & 0xc0) === 0x80
}
