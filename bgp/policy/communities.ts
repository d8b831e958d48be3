// Communities of all three kinds as policy sees them: one text form each, so one list holds them all.
//
// `65001:20` is a standard community (RFC 1997), `65001:1:2` a large one (RFC 8092), `rt:65001:20`, `ro:…` and `0x…` are
// extended ones (RFC 4360); `no-export`, `no-advertise`, `no-export-subconfed`, `graceful-shutdown` and `blackhole` are
// well known. In a pattern, `*` stands for any number: `65001:*`, `65001:1:*`, `rt:65001:*`.

import {
  type AttributeType,
  communities,
  extendedCommunities,
  largeCommunities,
  parseCommunity,
  parseExtendedCommunity,
  parseLargeCommunity,
  putUint32,
} from '../wire/attributes.ts'

interface CommunityKind {
  readonly type: AttributeType<readonly string[]>
  /** Octets of one. */
  readonly size: number
  readonly parse: (text: string) => Uint8Array | undefined
  /** Octets that each number of the text form takes in front of the end; 0 where a `*` may not stand. */
  readonly wildcards: (text: string) => readonly number[]
}

/** In ascending code. */
export const communityKinds: readonly CommunityKind[] = [
  { type: communities, size: 4, parse: standard, wildcards: () => [2, 2] },
  // The last number of a route target: four octets after an AS of two, else two.
  {
    type: extendedCommunities,
    size: 8,
    parse: parseExtendedCommunity,
    wildcards: text => [0, 0, parseExtendedCommunity(text)?.[0] === 0 ? 4 : 2],
  },
  { type: largeCommunities, size: 12, parse: parseLargeCommunity, wildcards: () => [4, 4, 4] },
]

/** One community, or all that agree with it where `mask` has ones. */
export interface CommunityPattern {
  /** Index in `communityKinds`. */
  readonly kind: number
  readonly value: Uint8Array
  readonly mask: Uint8Array
}

/** Undefined if the text is no community. */
export function parseCommunityPattern(text: string): CommunityPattern | undefined {
  const stars = text.split(':').map(part => part === '*')
  const plain = stars.includes(true)
    ? text
        .split(':')
        .map(part => (part === '*' ? '0' : part))
        .join(':')
    : text
  for (const [kind, { size, parse, wildcards }] of communityKinds.entries()) {
    const value = parse(plain)
    if (!value) continue
    const mask = new Uint8Array(size).fill(255)
    if (!stars.includes(true)) return { kind, value, mask }
    const widths = wildcards(plain)
    let to = size
    for (let i = stars.length - 1; i >= 0; i--) {
      if (stars[i] && (widths[i] ?? 0) === 0) return undefined
      if (stars[i]) mask.fill(0, to - widths[i], to)
      to -= widths[i] ?? 0
    }
    return { kind, value, mask }
  }
  return undefined
}

/** Exactly one community; undefined if the text is none or has a `*`. */
export function parseAnyCommunity(text: string): CommunityPattern | undefined {
  return text.includes('*') ? undefined : parseCommunityPattern(text)
}

/** Whether the community at `octets[at]`, of the pattern's kind, is one that the pattern means. */
export function fits({ value, mask }: CommunityPattern, octets: Uint8Array, at: number): boolean {
  for (let i = 0; i < value.length; i++) if (((octets[at + i] ^ value[i]) & mask[i]) !== 0) return false
  return true
}

function standard(text: string): Uint8Array | undefined {
  const value = parseCommunity(text)
  if (value === undefined) return undefined
  const octets = new Uint8Array(4)
  putUint32(octets, 0, value)
  return octets
}

/** What a checker tells of a text that is none. */
export const communityFix =
  'write it like 65001:20, 65001:1:2, rt:65001:20, 0x4004fde900000001, no-export or blackhole, each number in its range'
