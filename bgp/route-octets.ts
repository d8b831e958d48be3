// The attributes of a route with its next hop among them again, as tables on disk and mirrored messages have them. The RIB keeps
// the next hop apart (design §6).

import { parseAddress } from '../inet/index.ts'
import { type Edit, Rewriter } from './policy/rewrite.ts'
import { mpReach, nextHop } from './wire/attributes.ts'

const rewriter = new Rewriter()
const classic: Edit = { code: nextHop.code, flags: nextHop.flags, value: new Uint8Array(4), length: 4 }
const abbreviated: Edit = { code: mpReach.code, flags: mpReach.flags, value: new Uint8Array(33), length: 0 }

/** With NEXT_HOP (RFC 4271 §5.1.3). The octets are good until the next call. */
export function withNextHop(attributes: Uint8Array, hop: Uint8Array): Uint8Array {
  classic.value.fill(0)
  classic.value.set(hop.subarray(0, 4))
  rewriter.run(attributes, 0, attributes.length, [classic])
  return rewriter.octets.subarray(0, rewriter.length)
}

/** With an MP_REACH_NLRI of the next hop alone, its length before it (RFC 6396 §4.3.4). Good until the next call. */
export function withNextHopAlone(attributes: Uint8Array, hop: Uint8Array): Uint8Array {
  abbreviated.value[0] = hop.length
  abbreviated.value.set(hop, 1)
  abbreviated.length = 1 + hop.length
  rewriter.run(attributes, 0, attributes.length, [abbreviated])
  return rewriter.octets.subarray(0, rewriter.length)
}

/** 4 or 16 octets; 0.0.0.0 where there is no address yet. */
export function addressOctets(text: string): Uint8Array {
  return parseAddress(text.replace(/%.*$/, ''))?.octets ?? new Uint8Array(4)
}
