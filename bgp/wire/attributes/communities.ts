// Communities: standard (RFC 1997), extended (RFC 4360), large (RFC 8092); errors RFC 7606 §7.8, §7.14, RFC 8092 §5.

import { type AttributeType, OPTIONAL, TRANSITIVE } from '../attribute.ts'
import { putUint32, uint32 } from './as-path.ts'

/** Well-known communities (RFC 1997, RFC 8326, RFC 7999). */
export const NO_EXPORT = 0xffffff01
export const NO_ADVERTISE = 0xffffff02
export const NO_EXPORT_SUBCONFED = 0xffffff03
export const GRACEFUL_SHUTDOWN = 0xffff0000
export const BLACKHOLE = 0xffff029a

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

/** Extended communities, kept and carried on as 16 hex digits each. */
export const extendedCommunities: AttributeType<readonly string[]> = {
  code: 16,
  name: 'EXTENDED_COMMUNITIES',
  flags: OPTIONAL | TRANSITIVE,
  part: 'route',
  validate: (_, from, to) => multipleOf(8, from, to),
  onError: 'withdraw',
  decode: (octets, from, to) => chop(octets, from, to, 8, hexText),
  encode: texts => Uint8Array.from(texts.join('').match(/../g) ?? [], pair => Number.parseInt(pair, 16)),
}

export const largeCommunities: AttributeType<readonly string[]> = {
  code: 32,
  name: 'LARGE_COMMUNITY',
  flags: OPTIONAL | TRANSITIVE,
  part: 'route',
  validate: (_, from, to) => multipleOf(12, from, to),
  onError: 'withdraw',
  decode: (octets, from, to) => chop(octets, from, to, 12, value => [0, 4, 8].map(at => uint32(value, at)).join(':')),
  encode: texts => {
    const octets = new Uint8Array(texts.length * 12)
    texts.forEach((text, i) => text.split(':').forEach((part, j) => putUint32(octets, i * 12 + j * 4, Number(part))))
    return octets
  },
}

/** `65001:20` as a number; undefined if the text is no standard community. */
export function parseCommunity(text: string): number | undefined {
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

function multipleOf(size: number, from: number, to: number): string | undefined {
  return to > from && (to - from) % size === 0 ? undefined : `length ${to - from}, must be a multiple of ${size}, not 0`
}

function chop(octets: Uint8Array, from: number, to: number, size: number, text: (value: Uint8Array) => string) {
  const texts: string[] = []
  for (let at = from; at < to; at += size) texts.push(text(octets.subarray(at, at + size)))
  return texts
}

function hexText(value: Uint8Array): string {
  return Array.from(value, octet => octet.toString(16).padStart(2, '0')).join('')
}
