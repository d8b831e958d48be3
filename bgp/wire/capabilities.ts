// Capabilities in OPEN (RFC 5492): the only list. One row adds one; a code without a row is kept as it came.

import type { BgpRole } from '../types.ts'
import { families, familyOf } from './family.ts'

export interface RestartFamily {
  readonly afi: number
  readonly safi: number
  /** F bit: forwarding state was preserved. */
  readonly forwarding: boolean
}

/** Next hops of another family that go with routes of a family. */
export interface NextHopFamily {
  readonly afi: number
  readonly safi: number
  readonly hopAfi: number
}

export interface AddPathFamily {
  readonly afi: number
  readonly safi: number
  readonly receive: boolean
  readonly send: boolean
}

export interface LongLivedFamily extends RestartFamily {
  /** Long-lived stale time, seconds, 0–16777215. */
  readonly seconds: number
}

export type Capability =
  | { readonly kind: 'multiprotocol'; readonly afi: number; readonly safi: number }
  | { readonly kind: 'routeRefresh' }
  | { readonly kind: 'extendedMessages' }
  | { readonly kind: 'enhancedRefresh' }
  | { readonly kind: 'hostname'; readonly hostname: string; readonly domainName: string }
  | { readonly kind: 'softwareVersion'; readonly version: string }
  | { readonly kind: 'fourOctetAs'; readonly asn: number }
  | { readonly kind: 'extendedNextHop'; readonly families: readonly NextHopFamily[] }
  /** What its sender is to the receiver, by its place in `bgpRoles`. */
  | { readonly kind: 'role'; readonly value: number }
  | {
      readonly kind: 'gracefulRestart'
      /** R bit. */
      readonly restarting: boolean
      /** N bit: a session that a NOTIFICATION ended may be resumed, too (RFC 8538 §2). */
      readonly notification: boolean
      /** Seconds, 0–4095. */
      readonly restartTime: number
      readonly families: readonly RestartFamily[]
    }
  | { readonly kind: 'longLived'; readonly families: readonly LongLivedFamily[] }
  | { readonly kind: 'addPath'; readonly families: readonly AddPathFamily[] }
  | { readonly kind: 'unknown'; readonly code: number; readonly value: Uint8Array }

export type CapabilityKind = Exclude<Capability['kind'], 'unknown'>

interface CapabilityType<K extends CapabilityKind> {
  readonly kind: K
  readonly code: number
  /** Undefined if the value is malformed; it then counts as unknown, so the session goes on without it. */
  read(value: Uint8Array): Extract<Capability, { kind: K }> | undefined
  write(capability: Extract<Capability, { kind: K }>): number[]
}

/** RFC 4760 §8. */
const multiprotocol: CapabilityType<'multiprotocol'> = {
  kind: 'multiprotocol',
  code: 1,
  read: value =>
    value.length === 4 ? { kind: 'multiprotocol', afi: (value[0] << 8) | value[1], safi: value[3] } : undefined,
  write: ({ afi, safi }) => [afi >> 8, afi & 255, 0, safi],
}

/** RFC 2918 §2. */
const routeRefresh: CapabilityType<'routeRefresh'> = {
  kind: 'routeRefresh',
  code: 2,
  read: value => (value.length === 0 ? { kind: 'routeRefresh' } : undefined),
  write: () => [],
}

/** RFC 8654 §3. */
const extendedMessages: CapabilityType<'extendedMessages'> = {
  kind: 'extendedMessages',
  code: 6,
  read: value => (value.length === 0 ? { kind: 'extendedMessages' } : undefined),
  write: () => [],
}

/** RFC 4724 §3, RFC 8538 §2. */
const gracefulRestart: CapabilityType<'gracefulRestart'> = {
  kind: 'gracefulRestart',
  code: 64,
  read: value => {
    if (value.length < 2 || value.length % 4 !== 2) return undefined
    const list: RestartFamily[] = []
    for (let at = 2; at < value.length; at += 4) {
      list.push({
        afi: (value[at] << 8) | value[at + 1],
        safi: value[at + 2],
        forwarding: (value[at + 3] & 0x80) !== 0,
      })
    }
    return {
      kind: 'gracefulRestart',
      restarting: (value[0] & 0x80) !== 0,
      notification: (value[0] & 0x40) !== 0,
      restartTime: ((value[0] & 0x0f) << 8) | value[1],
      families: list,
    }
  },
  write: ({ restarting, notification, restartTime, families }) => [
    (restarting ? 0x80 : 0) | (notification ? 0x40 : 0) | (restartTime >> 8),
    restartTime & 255,
    ...families.flatMap(({ afi, safi, forwarding }) => [afi >> 8, afi & 255, safi, forwarding ? 0x80 : 0]),
  ],
}

/** RFC 7313 §3.1. */
const enhancedRefresh: CapabilityType<'enhancedRefresh'> = {
  kind: 'enhancedRefresh',
  code: 70,
  read: value => (value.length === 0 ? { kind: 'enhancedRefresh' } : undefined),
  write: () => [],
}

/** RFC 9494 §3.1. */
const longLived: CapabilityType<'longLived'> = {
  kind: 'longLived',
  code: 71,
  read: value => {
    if (value.length % 7 !== 0) return undefined
    const list: LongLivedFamily[] = []
    for (let at = 0; at < value.length; at += 7) {
      list.push({
        afi: (value[at] << 8) | value[at + 1],
        safi: value[at + 2],
        forwarding: (value[at + 3] & 0x80) !== 0,
        seconds: (value[at + 4] << 16) | (value[at + 5] << 8) | value[at + 6],
      })
    }
    return { kind: 'longLived', families: list }
  },
  write: ({ families }) =>
    families.flatMap(({ afi, safi, forwarding, seconds }) => [
      afi >> 8,
      afi & 255,
      safi,
      forwarding ? 0x80 : 0,
      seconds >> 16,
      (seconds >> 8) & 255,
      seconds & 255,
    ]),
}

/** RFC 6793 §3. */
const fourOctetAs: CapabilityType<'fourOctetAs'> = {
  kind: 'fourOctetAs',
  code: 65,
  read: value =>
    value.length === 4
      ? { kind: 'fourOctetAs', asn: ((value[0] << 24) | (value[1] << 16) | (value[2] << 8) | value[3]) >>> 0 }
      : undefined,
  write: ({ asn }) => [asn >>> 24, (asn >>> 16) & 255, (asn >>> 8) & 255, asn & 255],
}

/** RFC 7911 §4: a value that is neither 1 (receive), 2 (send) nor 3 (both) makes all of it count as not understood. */
const addPath: CapabilityType<'addPath'> = {
  kind: 'addPath',
  code: 69,
  read: value => {
    if (value.length === 0 || value.length % 4 !== 0) return undefined
    const list: AddPathFamily[] = []
    for (let at = 0; at < value.length; at += 4) {
      const mode = value[at + 3]
      if (mode < 1 || mode > 3) return undefined
      const [receive, send] = [(mode & 1) !== 0, (mode & 2) !== 0]
      list.push({ afi: (value[at] << 8) | value[at + 1], safi: value[at + 2], receive, send })
    }
    return { kind: 'addPath', families: list }
  },
  write: ({ families }) =>
    families.flatMap(({ afi, safi, receive, send }) => [afi >> 8, afi & 255, safi, (receive ? 1 : 0) | (send ? 2 : 0)]),
}

/** RFC 9234 §4.1. */
const role: CapabilityType<'role'> = {
  kind: 'role',
  code: 9,
  read: value => (value.length === 1 ? { kind: 'role', value: value[0] } : undefined),
  write: ({ value }) => [value],
}

/** By value. */
export const bgpRoles: readonly BgpRole[] = ['provider', 'rs-server', 'rs-client', 'customer', 'peer']

/** RFC 8950 §4. */
const extendedNextHop: CapabilityType<'extendedNextHop'> = {
  kind: 'extendedNextHop',
  code: 5,
  read: value => {
    if (value.length % 6 !== 0) return undefined
    const list: NextHopFamily[] = []
    const word = (at: number) => (value[at] << 8) | value[at + 1]
    for (let at = 0; at < value.length; at += 6) {
      list.push({ afi: word(at), safi: word(at + 2), hopAfi: word(at + 4) })
    }
    return { kind: 'extendedNextHop', families: list }
  },
  write: ({ families }) =>
    families.flatMap(({ afi, safi, hopAfi }) => [afi, safi, hopAfi].flatMap(word => [word >> 8, word & 255])),
}

/** draft-walton-bgp-hostname-capability: two texts, each behind its length. For display. */
const hostname: CapabilityType<'hostname'> = {
  kind: 'hostname',
  code: 73,
  read: value => {
    const [name, domain, ...rest] = readTexts(value) ?? []
    const whole = name !== undefined && name !== '' && domain !== undefined && rest.length === 0
    return whole ? { kind: 'hostname', hostname: name, domainName: domain } : undefined
  },
  write: ({ hostname, domainName }) => [...textOctets(hostname), ...textOctets(domainName)],
}

/** draft-abraitis-bgp-version-capability: a text behind its length. For display. */
const softwareVersion: CapabilityType<'softwareVersion'> = {
  kind: 'softwareVersion',
  code: 75,
  read: value => {
    const [version, ...rest] = readTexts(value) ?? []
    return version !== undefined && version !== '' && rest.length === 0
      ? { kind: 'softwareVersion', version }
      : undefined
  },
  write: ({ version }) => textOctets(version),
}

/** Texts, each behind its length; undefined if one runs past the end or is none. Control characters do not reach a terminal. */
function readTexts(value: Uint8Array): string[] | undefined {
  const list: string[] = []
  for (let at = 0; at < value.length;) {
    const end = at + 1 + value[at]
    if (end > value.length) return undefined
    const text = utf8(value.subarray(at + 1, end))
    if (text === undefined) return undefined
    list.push(text.replace(/\p{Cc}+/gu, ' '))
    at = end
  }
  return list
}

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

function utf8(octets: Uint8Array): string | undefined {
  try {
    return decoder.decode(octets)
  } catch {
    return undefined
  }
}

function textOctets(text: string): number[] {
  const octets = new TextEncoder().encode(text)
  return [octets.length, ...octets]
}

export const capabilityTypes: { readonly [K in CapabilityKind]: CapabilityType<K> } = {
  multiprotocol,
  routeRefresh,
  extendedMessages,
  role,
  gracefulRestart,
  longLived,
  fourOctetAs,
  extendedNextHop,
  enhancedRefresh,
  hostname,
  softwareVersion,
  addPath,
}

/** Reads the capabilities in `octets[from, to)`, one parameter's value; undefined if one runs past the end. */
export function readCapabilities(octets: Uint8Array, from: number, to: number): Capability[] | undefined {
  const list: Capability[] = []
  for (let at = from; at < to;) {
    const start = at + 2
    const end = start + (at + 1 < to ? octets[at + 1] : 255)
    if (end > to) return undefined
    list.push(readCapability(octets[at], octets.slice(start, end)))
    at = end
  }
  return list
}

function readCapability(code: number, value: Uint8Array): Capability {
  for (const type of Object.values(capabilityTypes)) {
    if (type.code === code) return type.read(value) ?? { kind: 'unknown', code, value }
  }
  return { kind: 'unknown', code, value }
}

/** The octets of one capability: code, length, value. */
export function writeCapability(capability: Capability): number[] {
  if (capability.kind === 'unknown') return [capability.code, capability.value.length, ...capability.value]
  const type = capabilityTypes[capability.kind] as { code: number; write(capability: Capability): number[] }
  const value = type.write(capability)
  return [type.code, value.length, ...value]
}

/** The families that the list offers; IPv4 unicast if it names none at all (RFC 4760 §8). */
export function offeredFamilies(list: readonly Capability[]) {
  const offered = list.flatMap(item => (item.kind === 'multiprotocol' ? [item] : []))
  if (offered.length === 0) return [families[0].family]
  const known = offered.flatMap(({ afi, safi }) => familyOf(afi, safi) ?? [])
  return families.map(row => row.family).filter(family => known.includes(family))
}
