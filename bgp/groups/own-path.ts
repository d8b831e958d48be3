// What becomes of the AS numbers in a path that leaves: members of our confederation stay behind (RFC 5065 §4.1), and as
// the peer's configuration says, its own AS is replaced by ours (as-override), private ones (RFC 6996) left out or replaced.

import { AS_SEQUENCE, isPrivateAs, putUint32, uint32 } from '../wire/attributes.ts'
import type { Shape } from './outgoing.ts'

/** Writes the path `octets[from, to)`, in 4-octet form, to the start of `out`; returns its length. */
export function rewriteAsPath(
  { localAs, peerAs, asOverride, privateAs }: Pick<Shape, 'localAs' | 'peerAs' | 'asOverride' | 'privateAs'>,
  octets: Uint8Array,
  from: number,
  to: number,
  out: Uint8Array,
): number {
  let length = 0
  for (let at = from; at < to;) {
    const end = at + 2 + octets[at + 1] * 4
    if (octets[at] > AS_SEQUENCE) {
      at = end
      continue
    }
    const segment = length
    out[length++] = octets[at]
    let count = 0
    length++
    for (at += 2; at < end; at += 4) {
      let asn = uint32(octets, at)
      if (asn === peerAs) asn = asOverride ? localAs : asn
      else if (privateAs !== 'keep' && isPrivateAs(asn)) {
        if (privateAs === 'remove') continue
        asn = localAs
      }
      length = putUint32(out, length, asn)
      count++
    }
    out[segment + 1] = count
    if (count === 0) length = segment
  }
  return length
}
