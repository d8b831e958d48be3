// Large communities (RFC 8092; errors §6 there): three numbers of four octets, written `65001:1:2`.

import { type AttributeType, OPTIONAL, TRANSITIVE } from '../attribute.ts'
import { putUint32, uint32 } from './as-path.ts'
import { multipleOf } from './communities.ts'

/** Octets of one. */
export const LARGE_COMMUNITY = 12

const SIZE = LARGE_COMMUNITY

export const largeCommunities: AttributeType<readonly string[]> = {
  code: 32,
  name: 'LARGE_COMMUNITY',
  flags: OPTIONAL | TRANSITIVE,
  part: 'route',
  validate: (_, from, to) => multipleOf(SIZE, from, to),
  onError: 'withdraw',
  decode: largeCommunityTexts,
  encode: texts => {
    const octets = new Uint8Array(texts.length * SIZE)
    texts.forEach((text, i) => octets.set(parseLargeCommunity(text) ?? [], i * SIZE))
    return octets
  },
  write: withoutDoubles,
}

/** `65001:1:2` as its twelve octets; undefined if the text is no large community. */
export function parseLargeCommunity(text: string): Uint8Array | undefined {
  const parts = /^(\d{1,10}):(\d{1,10}):(\d{1,10})$/.exec(text)?.slice(1).map(Number)
  if (!parts || parts.some(part => part > 0xffffffff)) return undefined
  const octets = new Uint8Array(SIZE)
  parts.forEach((part, i) => putUint32(octets, i * 4, part))
  return octets
}

export function largeCommunityTexts(octets: Uint8Array, from: number, to: number): string[] {
  const texts: string[] = []
  for (let at = from; at < to; at += SIZE) texts.push([0, 4, 8].map(skip => uint32(octets, at + skip)).join(':'))
  return texts
}

/** RFC 8092 §3: a receiver silently removes doubles. The first of each stays where it is. */
function withoutDoubles(octets: Uint8Array, from: number, to: number, out: Uint8Array, at: number): number {
  const seen = to - from > SIZE ? new Set<string>() : undefined
  for (let next = from; next < to; next += SIZE) {
    const one = octets.subarray(next, next + SIZE)
    if (seen) {
      const key = String.fromCharCode(...one)
      if (seen.has(key)) continue
      seen.add(key)
    }
    out.set(one, at)
    at += SIZE
  }
  return at
}
