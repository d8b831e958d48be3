// Standard communities (RFC 1997; errors RFC 7606 §7.8): four octets, written `65001:20`.

import { type AttributeType, OPTIONAL, TRANSITIVE } from '../attribute.ts'
import { putUint32, uint32 } from './as-path.ts'

/** Well-known communities (RFC 1997, RFC 8326, RFC 7999). */
export const NO_EXPORT = 0xffffff01
export const NO_ADVERTISE = 0xffffff02
export const NO_EXPORT_SUBCONFED = 0xffffff03
export const GRACEFUL_SHUTDOWN = 0xffff0000
export const BLACKHOLE = 0xffff029a
/** RFC 9494 §4.1, §4.2: kept long after its sender went; not to be kept so. */
export const LLGR_STALE = 0xffff0006
export const NO_LLGR = 0xffff0007

/** The well-known ones by the names that IANA gives them. */
export const wellKnownCommunities: ReadonlyMap<string, number> = new Map([
  ['no-export', NO_EXPORT],
  ['no-advertise', NO_ADVERTISE],
  ['no-export-subconfed', NO_EXPORT_SUBCONFED],
  ['graceful-shutdown', GRACEFUL_SHUTDOWN],
  ['blackhole', BLACKHOLE],
  ['llgr-stale', LLGR_STALE],
  ['no-llgr', NO_LLGR],
])

export const communities: AttributeType<readonly string[]> = {
  code: 8,
  name: 'COMMUNITIES',
  flags: OPTIONAL | TRANSITIVE,
  part: 'route',
  validate: (_, from, to) => multipleOf(4, from, to),
  onError: 'withdraw',
  decode: communityTexts,
  encode: texts => {
    const octets = new Uint8Array(texts.length * 4)
    texts.forEach((text, i) => putUint32(octets, i * 4, parseCommunity(text) ?? 0))
    return octets
  },
}

/** `65001:20`, or the name of a well-known one, as a number; undefined if the text is no standard community. */
export function parseCommunity(text: string): number | undefined {
  const known = wellKnownCommunities.get(text)
  if (known !== undefined) return known
  const match = /^(\d{1,5}):(\d{1,5})$/.exec(text)
  if (!match) return undefined
  const [high, low] = [Number(match[1]), Number(match[2])]
  return high > 65535 || low > 65535 ? undefined : ((high << 16) | low) >>> 0
}

export function formatCommunity(value: number): string {
  return `${value >>> 16}:${value & 65535}`
}

export function communityTexts(octets: Uint8Array, from: number, to: number): string[] {
  const texts: string[] = []
  for (let at = from; at < to; at += 4) texts.push(formatCommunity(uint32(octets, at)))
  return texts
}

export function hasCommunity(octets: Uint8Array, from: number, to: number, value: number): boolean {
  for (let at = from; at < to; at += 4) if (uint32(octets, at) === value) return true
  return false
}

/** What all attributes that are lists of equal pieces have to be. */
export function multipleOf(size: number, from: number, to: number): string | undefined {
  return to > from && (to - from) % size === 0 ? undefined : `length ${to - from}, must be a multiple of ${size}, not 0`
}
