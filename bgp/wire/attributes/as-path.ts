// AS_PATH (RFC 4271 §4.3 b; confederation segments RFC 5065 §3; errors RFC 7606 §7.2, AS 0 RFC 7607).
//
// Readers here expect the 4-octet form of RFC 6793, the only one that is kept. How a path from a 2-octet peer becomes
// one is in as4.ts.

import { type AttributeContext, type AttributeType, TRANSITIVE } from '../attribute.ts'

/** Segment types. */
export const AS_SET = 1
export const AS_SEQUENCE = 2
/** Of our own confederation (RFC 5065 §3); from outside of it they are malformed. */
export const AS_CONFED_SEQUENCE = 3
export const AS_CONFED_SET = 4

export interface AsPathSegment {
  readonly type: 'sequence' | 'set' | 'confed-sequence' | 'confed-set'
  readonly asns: readonly number[]
}

export const asPath: AttributeType<readonly AsPathSegment[]> = {
  code: 2,
  name: 'AS_PATH',
  flags: TRANSITIVE,
  part: 'route',
  validate: (octets, from, to, context) =>
    context.confederation
      ? (validateAsPath(octets, from, to, context, AS_CONFED_SET) ?? memberMissing(octets, from, to, context))
      : validateAsPath(octets, from, to, context),
  onError: 'withdraw',
  decode: readAsPath,
  encode: encodeAsPath,
}

/**
 * What is wrong with a path in the form that `context` says, whose segments have types up to `lastType`. Empty is right: a
 * route of the peer's own AS.
 */
export function validateAsPath(
  octets: Uint8Array,
  from: number,
  to: number,
  context: Pick<AttributeContext, 'fourOctetAs'>,
  lastType = AS_SEQUENCE,
): string | undefined {
  const width = context.fourOctetAs ? 4 : 2
  let at = from
  while (at < to) {
    const type = octets[at]
    if (type < AS_SET || type > lastType) return `segment type ${type} is not known`
    const count = at + 1 < to ? octets[at + 1] : 0
    if (count === 0) return 'a segment is empty'
    const end = at + 2 + count * width
    if (end > to) return 'a segment reads past the end'
    for (at += 2; at < end; at += width) {
      if (octets[at] === 0 && octets[at + 1] === 0 && (width === 2 || (octets[at + 2] === 0 && octets[at + 3] === 0))) {
        return 'AS 0 is in the path'
      }
    }
  }
  return undefined
}

/** RFC 5065 §5: what comes from another member begins with a sequence of members. */
function memberMissing(octets: Uint8Array, from: number, to: number, { kind }: AttributeContext): string | undefined {
  if (kind !== 'confed-ebgp' || (to > from && octets[from] === AS_CONFED_SEQUENCE)) return undefined
  return 'it does not begin with AS_CONFED_SEQUENCE, but another member of the confederation sent it'
}

/** Reads four octets as an unsigned number. */
export function uint32(octets: Uint8Array, at: number): number {
  return ((octets[at] << 24) | (octets[at + 1] << 16) | (octets[at + 2] << 8) | octets[at + 3]) >>> 0
}

export function putUint32(octets: Uint8Array, at: number, value: number): number {
  octets[at] = value >>> 24
  octets[at + 1] = value >>> 16
  octets[at + 2] = value >>> 8
  octets[at + 3] = value
  return at + 4
}

/** In the order of their codes, from 1. */
const segmentTypes: readonly AsPathSegment['type'][] = ['set', 'sequence', 'confed-sequence', 'confed-set']

export function readAsPath(octets: Uint8Array, from: number, to: number): AsPathSegment[] {
  const segments: AsPathSegment[] = []
  for (let at = from; at < to; at += 2 + octets[at + 1] * 4) {
    const asns: number[] = []
    for (let i = 0; i < octets[at + 1]; i++) asns.push(uint32(octets, at + 2 + i * 4))
    segments.push({ type: segmentTypes[octets[at] - 1], asns })
  }
  return segments
}

/** The 4-octet form; a segment with more than 255 AS numbers is cut into several. */
export function encodeAsPath(segments: readonly AsPathSegment[]): Uint8Array {
  const out: number[] = []
  for (const { type, asns } of segments) {
    for (let start = 0; start < asns.length; start += 255) {
      const part = asns.slice(start, start + 255)
      out.push(segmentTypes.indexOf(type) + 1, part.length)
      for (const asn of part) out.push(asn >>> 24, (asn >>> 16) & 255, (asn >>> 8) & 255, asn & 255)
    }
  }
  return Uint8Array.from(out)
}

/** Length for the decision process: an AS_SET counts as one (RFC 4271 §9.1.2.2 a), a confederation not (RFC 5065 §5.3). */
export function asPathLength(octets: Uint8Array, from: number, to: number): number {
  let length = 0
  for (let at = from; at < to; at += 2 + octets[at + 1] * 4) {
    if (octets[at] <= AS_SEQUENCE) length += octets[at] === AS_SET ? 1 : octets[at + 1]
  }
  return length
}

/** Whether the path has segments of a confederation. */
export function isConfederated(octets: Uint8Array, from: number, to: number): boolean {
  for (let at = from; at < to; at += 2 + octets[at + 1] * 4) if (octets[at] > AS_SEQUENCE) return true
  return false
}

export function asPathContains(octets: Uint8Array, from: number, to: number, asn: number): boolean {
  return asPathCount(octets, from, to, asn) > 0
}

/** How often the path names the AS; among members of a confederation only, or elsewhere only, if that is asked for. */
export function asPathCount(
  octets: Uint8Array,
  from: number,
  to: number,
  asn: number,
  where?: 'members' | 'outside',
): number {
  let count = 0
  for (let at = from; at < to;) {
    const end = at + 2 + octets[at + 1] * 4
    const counts = where === undefined || octets[at] > AS_SEQUENCE === (where === 'members')
    for (at += 2; at < end; at += 4) if (counts && uint32(octets, at) === asn) count++
  }
  return count
}

/** AS numbers for private use (RFC 6996, with the edges that RFC 7300 reserves left out). */
export function isPrivateAs(asn: number): boolean {
  return (asn >= 64512 && asn <= 65534) || (asn >= 4200000000 && asn <= 4294967294)
}

/**
 * The neighbouring AS, for comparing MED (RFC 4271 §9.1.2.2 c): the first of a leading sequence, members of our own
 * confederation aside; 0 = none.
 */
export function asPathFirst(octets: Uint8Array, from: number, to: number): number {
  let at = from
  while (at < to && octets[at] > AS_SEQUENCE) at += 2 + octets[at + 1] * 4
  return asPathHead(octets, at, to, AS_SEQUENCE)
}

/** The first AS of a path that begins with a segment of that type; 0 = it does not. */
export function asPathHead(octets: Uint8Array, from: number, to: number, type: number): number {
  return to > from && octets[from] === type ? uint32(octets, from + 2) : 0
}

/** `65001 65002 {65003 65004}`, members of a confederation `(65001 65002)` and `[65001 65002]`; empty for an empty path. */
export function asPathText(octets: Uint8Array, from: number, to: number): string {
  return formatAsPath(readAsPath(octets, from, to))
}

export function formatAsPath(segments: readonly AsPathSegment[]): string {
  return segments.map(({ type, asns }) => brackets[type][0] + asns.join(' ') + brackets[type][1]).join(' ')
}

const brackets: { readonly [T in AsPathSegment['type']]: readonly [string, string] } = {
  set: ['{', '}'],
  sequence: ['', ''],
  'confed-sequence': ['(', ')'],
  'confed-set': ['[', ']'],
}
