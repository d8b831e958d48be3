// Extended communities (RFC 4360, RFC 5668; errors RFC 7606 §7.14): eight octets.
//
// Route targets and route origins are written `rt:65001:20` and `ro:65001:20`; the first number may be an AS of two or
// four octets or an IPv4 address, and the text tells which. Every other one is written as its octets, `0x4004fde900000001`.

import { formatAddress, parseAddress } from '../../../inet/index.ts'
import { type AttributeType, OPTIONAL, TRANSITIVE } from '../attribute.ts'
import { putUint32, uint32 } from './as-path.ts'
import { multipleOf } from './communities.ts'

const SIZE = 8
/** In the first octet: the community does not leave the AS (RFC 4360 §2). */
const NON_TRANSITIVE = 0x40

// What the first six octets of the value hold (RFC 4360 §3, RFC 5668 §2).
const TWO_OCTET_AS = 0
const IPV4 = 1
const FOUR_OCTET_AS = 2

/** Subtype; the value after the AS is a 32-bit IEEE number. */
const LINK_BANDWIDTH = 4

const kinds: readonly (readonly [name: string, subtype: number])[] = [
  ['rt', 2], // RFC 4360 §4
  ['ro', 3], // RFC 4360 §5
]

export const extendedCommunities: AttributeType<readonly string[]> = {
  code: 16,
  name: 'EXTENDED_COMMUNITIES',
  flags: OPTIONAL | TRANSITIVE,
  part: 'route',
  validate: (_, from, to) => multipleOf(SIZE, from, to),
  onError: 'withdraw',
  decode: extendedCommunityTexts,
  encode: texts => {
    const octets = new Uint8Array(texts.length * SIZE)
    texts.forEach((text, i) => octets.set(parseExtendedCommunity(text) ?? [], i * SIZE))
    return octets
  },
}

/** An extended community as its eight octets; undefined if the text is none. */
export function parseExtendedCommunity(text: string): Uint8Array | undefined {
  const raw = /^0x([0-9a-f]{16})$/i.exec(text)
  if (raw) return Uint8Array.from(raw[1].match(/../g) ?? [], pair => Number.parseInt(pair, 16))
  const [name, global, local, ...rest] = text.split(':')
  const subtype = kinds.find(kind => kind[0] === name)?.[1]
  if (subtype === undefined || rest.length > 0 || !/^\d{1,10}$/.test(local ?? '')) return undefined
  const octets = new Uint8Array(SIZE)
  octets[1] = subtype
  const value = Number(local)
  const address = global.includes('.') ? parseAddress(global)?.octets : undefined
  if (!address && !/^\d{1,10}$/.test(global)) return undefined
  const asn = Number(global)
  octets[0] = address ? IPV4 : asn > 65535 ? FOUR_OCTET_AS : TWO_OCTET_AS
  if (octets[0] === TWO_OCTET_AS) {
    octets[2] = asn >> 8
    octets[3] = asn
    putUint32(octets, 4, value)
    return value > 0xffffffff ? undefined : octets
  }
  if (address) octets.set(address, 2)
  else putUint32(octets, 2, asn)
  octets[6] = value >> 8
  octets[7] = value
  return value > 65535 || asn > 0xffffffff ? undefined : octets
}

export function extendedCommunityTexts(octets: Uint8Array, from: number, to: number): string[] {
  const texts: string[] = []
  for (let at = from; at < to; at += SIZE) texts.push(textOf(octets.subarray(at, at + SIZE)))
  return texts
}

/** Whether one of them may not leave the AS. */
export function hasNonTransitive(octets: Uint8Array, from: number, to: number): boolean {
  for (let at = from; at < to; at += SIZE) if (octets[at] & NON_TRANSITIVE) return true
  return false
}

/**
 * Octets per second by the first link-bandwidth community (draft-ietf-idr-link-bandwidth §3), transitive or not; undefined where there
 * is none that makes sense.
 */
export function linkBandwidth(octets: Uint8Array, from: number, to: number): number | undefined {
  for (let at = from; at < to; at += SIZE) {
    if ((octets[at] & ~NON_TRANSITIVE) !== TWO_OCTET_AS || octets[at + 1] !== LINK_BANDWIDTH) continue
    const value = new DataView(octets.buffer, octets.byteOffset + at + 4).getFloat32(0)
    return value > 0 && Number.isFinite(value) ? value : undefined
  }
  return undefined
}

/** Copies those that may leave the AS to `out`; returns their length. */
export function copyTransitive(octets: Uint8Array, from: number, to: number, out: Uint8Array): number {
  let length = 0
  for (let at = from; at < to; at += SIZE) {
    if (octets[at] & NON_TRANSITIVE) continue
    out.set(octets.subarray(at, at + SIZE), length)
    length += SIZE
  }
  return length
}

function textOf(octets: Uint8Array): string {
  const name = kinds.find(kind => kind[1] === octets[1])?.[0]
  const short = (octets[6] << 8) | octets[7]
  if (name && octets[0] === TWO_OCTET_AS) return `${name}:${(octets[2] << 8) | octets[3]}:${uint32(octets, 4)}`
  if (name && octets[0] === IPV4) return `${name}:${formatAddress(octets.subarray(2, 6))}:${short}`
  // An AS that fits into two octets would read as one of those.
  if (name && octets[0] === FOUR_OCTET_AS && uint32(octets, 2) > 65535) return `${name}:${uint32(octets, 2)}:${short}`
  return `0x${Array.from(octets, octet => octet.toString(16).padStart(2, '0')).join('')}`
}
