// AS numbers of 4 octets from peers that speak only 2 (RFC 6793 §4.2.3): AS_PATH and AGGREGATOR get the 4-octet form
// in which everything else keeps them, with the help of AS4_PATH and AS4_AGGREGATOR.

import { AS_SEQUENCE, AS_SET, uint32 } from './attributes/as-path.ts'
import { AS_TRANS } from './open.ts'

/** A validated value in a message. */
export interface Span {
  readonly from: number
  readonly to: number
}

/** Length for merging: like `asPathLength`, on the 2-octet form, so members of a confederation do not count. */
function length2(octets: Uint8Array, { from, to }: Span): number {
  let length = 0
  for (let at = from; at < to; at += 2 + octets[at + 1] * 2) {
    if (octets[at] <= AS_SEQUENCE) length += octets[at] === AS_SET ? 1 : octets[at + 1]
  }
  return length
}

/** The same for an AS4_PATH, without the confederation segments that it must not have (RFC 6793 §3). */
function length4(octets: Uint8Array, { from, to }: Span): number {
  let length = 0
  for (let at = from; at < to; at += 2 + octets[at + 1] * 4) {
    if (octets[at] <= AS_SEQUENCE) length += octets[at] === AS_SET ? 1 : octets[at + 1]
  }
  return length
}

/**
 * Writes the 4-octet form of a 2-octet path to `out` and returns the offset after it. The AS4_PATH, if it is not longer
 * than the path, takes the place of the path's end; what the path has more of stays in front, and the members of a
 * confederation where they are in front of all, or behind what stays (RFC 6793 §4.2.3).
 */
export function widenAsPath(
  octets: Uint8Array,
  path: Span,
  as4: Span | undefined,
  out: Uint8Array,
  at: number,
): number {
  let keep = length2(octets, path)
  if (as4) {
    const length = length4(octets, as4)
    if (length > keep) as4 = undefined
    else keep -= length
  }
  for (let from = path.from; from < path.to;) {
    const count = octets[from + 1]
    const type = octets[from]
    if (type <= AS_SEQUENCE && keep === 0) break
    const taken = type === AS_SEQUENCE ? Math.min(count, keep) : count
    out[at++] = octets[from]
    out[at++] = taken
    for (let i = 0; i < taken; i++) {
      out[at++] = 0
      out[at++] = 0
      out[at++] = octets[from + 2 + i * 2]
      out[at++] = octets[from + 3 + i * 2]
    }
    if (taken < count) break
    if (type <= AS_SEQUENCE) keep -= type === AS_SET ? 1 : taken
    from += 2 + count * 2
  }
  if (!as4) return at
  for (let from = as4.from; from < as4.to;) {
    const end = from + 2 + octets[from + 1] * 4
    if (octets[from] <= AS_SEQUENCE) {
      out.set(octets.subarray(from, end), at)
      at += end - from
    }
    from = end
  }
  return at
}

/** True if a 2-octet AGGREGATOR says that AS4_PATH and AS4_AGGREGATOR are out of date and to be ignored. */
export function aggregatorIsNewer(octets: Uint8Array, aggregator: Span | undefined): boolean {
  return aggregator !== undefined && ((octets[aggregator.from] << 8) | octets[aggregator.from + 1]) !== AS_TRANS
}

/** Writes the 8-octet form of a 6-octet AGGREGATOR; returns the offset after it. */
export function widenAggregator(
  octets: Uint8Array,
  aggregator: Span,
  as4: Span | undefined,
  out: Uint8Array,
  at: number,
): number {
  if (as4 && uint32(octets, as4.from) !== 0) {
    out.set(octets.subarray(as4.from, as4.to), at)
    return at + 8
  }
  out[at] = out[at + 1] = 0
  out.set(octets.subarray(aggregator.from, aggregator.to), at + 2)
  return at + 8
}
