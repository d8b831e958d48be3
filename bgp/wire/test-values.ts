// Random values of all that the codec writes and reads: a generator for every row of its tables.
//
// The tables of attributes and capabilities are matched by type and by round-trip.test.ts, so a row without a generator
// neither compiles nor passes.

import * as fc from 'fast-check'
import type { Family } from '../types.ts'
import * as types from './attributes.ts'
import type { AttributeType } from './attributes.ts'
import { type Capability, type capabilityTypes, writeCapability } from './capabilities.ts'
import { keepalive, KEEPALIVE, NOTIFICATION, OPEN, ROUTE_REFRESH, UPDATE } from './header.ts'
import { encodeNotification, type Notification } from './notification.ts'
import { encodeOpen, type Open } from './open.ts'
import { encodeRefresh } from './refresh.ts'
import { attribute, mpReachOctets, mpUnreachOctets, raw, update } from './test-messages.ts'

export const asn = fc.integer({ min: 1, max: 4294967295 })
export const uint8 = fc.nat(255)
export const uint16 = fc.nat(65535)
export const uint32 = fc.nat(4294967295)
export const quad = fc.tuple(uint8, uint8, uint8, uint8).map(parts => parts.join('.'))
const octets = (length: number) => fc.uint8Array({ minLength: length, maxLength: length })
const some = <Value>(value: fc.Arbitrary<Value>) => fc.array(value, { minLength: 1, maxLength: 60 })
const hex = (value: Uint8Array) => Buffer.from(value).toString('hex')
const joined = (...parts: readonly fc.Arbitrary<number | string>[]) => fc.tuple(...parts).map(list => list.join(':'))

// ---- attributes -----------------------------------------------------------------------------------------------------

const kind = fc.constantFrom('rt', 'ro')
const extended = fc.oneof(
  joined(kind, fc.oneof(quad, uint16), uint16),
  joined(kind, fc.integer({ min: 65536, max: 4294967295 }), uint16),
  octets(7).map(value => `0x43${hex(value)}`),
)
const path = fc.array(fc.record({ type: fc.constantFrom('set', 'sequence'), asns: some(asn) }), { maxLength: 5 })
const sequence = fc.record({ type: fc.constant('sequence' as const), asns: some(asn) })

/** A value of every attribute, by name; those that the decoder takes out are octets here. */
export const attributeValues: Readonly<Record<string, fc.Arbitrary<unknown>>> = {
  ORIGIN: fc.constantFrom('igp', 'egp', 'incomplete'),
  AS_PATH: path,
  NEXT_HOP: octets(4),
  MULTI_EXIT_DISC: uint32,
  LOCAL_PREF: uint32,
  ATOMIC_AGGREGATE: fc.constant(true),
  AGGREGATOR: fc.record({ asn, routerId: quad }),
  COMMUNITIES: some(joined(uint16, uint16)),
  ORIGINATOR_ID: quad,
  CLUSTER_LIST: some(quad),
  MP_REACH_NLRI: octets(16).map(hop => Uint8Array.from([0, 2, 1, 16, ...hop, 0, 16, 0xfd, 1])),
  MP_UNREACH_NLRI: octets(2).map(prefix => Uint8Array.from([0, 2, 1, 16, ...prefix])),
  EXTENDED_COMMUNITIES: some(extended),
  AS4_PATH: sequence.map(one => types.asPath.encode([one])),
  AS4_AGGREGATOR: octets(8),
  AIGP: fc.uint8Array({ maxLength: 8 }).map(value => Uint8Array.of(1, 0, 3 + value.length, ...value)),
  LARGE_COMMUNITY: some(joined(asn, asn, asn)),
  ONLY_TO_CUSTOMER: asn,
}

/** Any attribute that is part of a route, with a value of its own. */
const routeAttribute = fc.oneof(
  ...(types.attributeTypes as readonly AttributeType[])
    .filter(({ part, code }) => part === 'route' && code > 2)
    .map(type => attributeValues[type.name].map(value => ({ code: type.code, octets: attribute(type, value) }))),
  fc
    .tuple(fc.integer({ min: 200, max: 255 }), fc.uint8Array({ maxLength: 300 }))
    .map(([code, value]) => ({ code, octets: raw(code, value) })),
)

// ---- capabilities ---------------------------------------------------------------------------------------------------

const families = fc.record({ afi: uint16, safi: uint8, forwarding: fc.boolean() })

const name = (minLength: number) =>
  fc.string({ unit: fc.constantFrom('a', '-', '.', 'é', '網'), minLength, maxLength: 20 })

/** A capability of every kind. */
export const capabilityValues: {
  readonly [K in keyof typeof capabilityTypes]: fc.Arbitrary<Extract<Capability, { kind: K }>>
} = {
  multiprotocol: fc.record({ kind: fc.constant('multiprotocol'), afi: uint16, safi: uint8 }),
  routeRefresh: fc.constant({ kind: 'routeRefresh' }),
  fourOctetAs: fc.record({ kind: fc.constant('fourOctetAs'), asn }),
  extendedNextHop: fc.record({
    kind: fc.constant('extendedNextHop'),
    families: fc.array(fc.record({ afi: fc.nat(65535), safi: fc.nat(65535), hopAfi: fc.nat(65535) }), { maxLength: 4 }),
  }),
  addPath: fc.record({
    kind: fc.constant('addPath'),
    families: fc.array(
      fc
        .record({ afi: uint16, safi: uint8, mode: fc.integer({ min: 1, max: 3 }) })
        .map(({ afi, safi, mode }) => ({ afi, safi, receive: mode !== 2, send: mode !== 1 })),
      { minLength: 1, maxLength: 4 },
    ),
  }),
  extendedMessages: fc.constant({ kind: 'extendedMessages' }),
  enhancedRefresh: fc.constant({ kind: 'enhancedRefresh' }),
  hostname: fc.record({ kind: fc.constant('hostname'), hostname: name(1), domainName: name(0) }),
  softwareVersion: fc.record({ kind: fc.constant('softwareVersion'), version: name(1) }),
  role: fc.record({ kind: fc.constant('role'), value: uint8 }),
  longLived: fc.record({
    kind: fc.constant('longLived'),
    families: fc.array(fc.record({ afi: uint16, safi: uint8, forwarding: fc.boolean(), seconds: fc.nat(0xffffff) }), {
      maxLength: 4,
    }),
  }),
  gracefulRestart: fc.record({
    kind: fc.constant('gracefulRestart'),
    restarting: fc.boolean(),
    notification: fc.boolean(),
    restartTime: fc.nat(4095),
    families: fc.array(families, { maxLength: 4 }),
  }),
}

/** One that no row of the table knows. */
export const unknownCapability: fc.Arbitrary<Capability> = fc.record({
  kind: fc.constant('unknown'),
  code: fc.integer({ min: 128, max: 255 }),
  value: fc.uint8Array({ maxLength: 60 }),
})

export const capability: fc.Arbitrary<Capability> = fc.oneof(...Object.values(capabilityValues), unknownCapability)

// ---- messages -------------------------------------------------------------------------------------------------------

export const open: fc.Arbitrary<Open> = fc
  .record({
    asn,
    holdTime: fc.oneof(fc.constant(0), fc.integer({ min: 3, max: 65535 })),
    routerId: fc.integer({ min: 1, max: 4294967295 }),
    capabilities: fc.array(capability, { maxLength: 12 }),
  })
  .map(value => ({
    ...value,
    // One AS number in an OPEN, and room for all of it in one message.
    capabilities: [
      ...value.capabilities.filter((one, i, all) => one.kind !== 'fourOctetAs' && octetsBefore(all, i) < 3900),
      { kind: 'fourOctetAs', asn: value.asn },
    ],
  }))

const octetsBefore = (list: readonly Capability[], i: number) =>
  list.slice(0, i + 1).reduce((sum, one) => sum + 3 + writeCapability(one).length, 0)

export const notification: fc.Arbitrary<Notification> = fc.record({
  code: uint8,
  subcode: uint8,
  data: fc.uint8Array({ maxLength: 300 }),
})

const prefix4 = fc
  .tuple(uint32, fc.nat(32))
  .map(([bits, length]) => [bits & (length === 0 ? 0 : -1 << (32 - length)), length])
  .map(([n, length]) => `${[n >>> 24, (n >>> 16) & 255, (n >>> 8) & 255, n & 255].join('.')}/${length}`)
const prefix6 = fc
  .tuple(
    fc.integer({ min: 0x2001, max: 0x3fff }),
    fc.integer({ min: 1, max: 65535 }),
    fc.integer({ min: 32, max: 128 }),
  )
  .map(([a, b, length]) => `${a.toString(16)}:${b.toString(16)}::/${length}`)

/** What an UPDATE says, in the parts that it is made of. */
export interface UpdateParts {
  /** Prefixes of both families have path identifiers: `7 10.0.0.0/8`. */
  readonly pathIds: boolean
  readonly withdrawn: readonly string[]
  /** Apart from the mandatory ones: each code once. */
  readonly attributes: readonly { readonly code: number; readonly octets: number[] }[]
  readonly path: readonly types.AsPathSegment[]
  readonly nextHop: readonly number[]
  readonly announced: readonly string[]
  /** IPv6. */
  readonly reach: readonly string[]
  readonly unreach: readonly string[]
}

const routes = (pathIds: boolean, prefix: fc.Arbitrary<string>, maxLength: number) =>
  fc.array(pathIds ? fc.tuple(uint32, prefix).map(parts => parts.join(' ')) : prefix, { maxLength })

export const updateParts: fc.Arbitrary<UpdateParts> = fc.boolean().chain(pathIds =>
  fc.record({
    pathIds: fc.constant(pathIds),
    withdrawn: routes(pathIds, prefix4, 20),
    attributes: fc.uniqueArray(routeAttribute, { maxLength: 6, selector: ({ code }) => code }),
    path: fc.array(sequence, { maxLength: 2 }),
    nextHop: fc.tuple(fc.integer({ min: 1, max: 126 }), uint8, uint8, uint8),
    announced: routes(pathIds, prefix4, 20),
    reach: routes(pathIds, prefix6, 10),
    unreach: routes(pathIds, prefix6, 10),
  }),
)

const hop6 = [0xfd, ...Array.from({ length: 14 }, () => 0), 2]

/** The whole message, its attributes in ascending order; well formed unless `others` take the place of those with their codes. */
export function encodeParts(parts: UpdateParts, others: UpdateParts['attributes'] = []): Uint8Array {
  const mandatory = [
    { code: 1, octets: attribute(types.origin, 'igp') },
    { code: 2, octets: attribute(types.asPath, parts.path) },
  ]
  const announces = parts.announced.length > 0 || parts.reach.length > 0
  const attributes = [
    ...(announces ? [...mandatory, ...parts.attributes] : []),
    ...(parts.announced.length > 0 ? [{ code: 3, octets: raw(3, parts.nextHop) }] : []),
    ...(parts.reach.length > 0 ? [{ code: 14, octets: mpReachOctets('ipv6-unicast', hop6, parts.reach) }] : []),
    ...(parts.unreach.length > 0 ? [{ code: 15, octets: mpUnreachOctets('ipv6-unicast', parts.unreach) }] : []),
  ]
  return update({
    withdrawn: parts.withdrawn,
    attributes: [...attributes.filter(({ code }) => !others.some(other => other.code === code)), ...others]
      .toSorted((a, b) => a.code - b.code)
      .map(one => one.octets),
    announced: parts.announced,
  })
}

const refreshFamily = fc.constantFrom<Family>('ipv4-unicast', 'ipv6-unicast')

/** A well-formed message of every type, by type. */
export const messages: Readonly<Record<number, fc.Arbitrary<Uint8Array>>> = {
  [OPEN]: open.map(encodeOpen),
  [UPDATE]: updateParts.map(parts => encodeParts(parts)),
  [NOTIFICATION]: notification.map(encodeNotification),
  [KEEPALIVE]: fc.constant(keepalive),
  [ROUTE_REFRESH]: refreshFamily.map(encodeRefresh),
}

// ---- nearly right ---------------------------------------------------------------------------------------------------

/** Octets at which lengths, counts and types turn. */
const edge = fc.constantFrom(0, 1, 2, 3, 4, 5, 8, 15, 16, 17, 32, 33, 127, 128, 129, 254, 255)

/** The value shorter, longer, with an octet that is another, or wholly other. */
function bent(value: Uint8Array): fc.Arbitrary<Uint8Array> {
  const at = fc.nat(Math.max(0, value.length - 1))
  return fc.oneof(
    fc.nat(value.length).map(length => value.slice(0, length)),
    fc.integer({ min: 1, max: 3 }).map(less => value.slice(0, Math.max(0, value.length - less))),
    fc.array(edge, { minLength: 1, maxLength: 4 }).map(more => Uint8Array.from([...value, ...more])),
    fc.tuple(at, edge).map(([i, octet]) => value.map((old, j) => (i === j ? octet : old))),
    fc.array(edge, { maxLength: 12 }).map(all => Uint8Array.from(all)),
  )
}

const bentAttribute = fc.oneof(
  ...(types.attributeTypes as readonly AttributeType[]).map(type =>
    attributeValues[type.name]
      .chain(value => bent(type.encode(value)))
      .map(value => ({ code: type.code, octets: raw(type.code, value) })),
  ),
)
const bentCapability = capability
  .map(one => Uint8Array.from(writeCapability(one)))
  .chain(([code, , ...value]) =>
    bent(Uint8Array.from(value)).map(other => ({ kind: 'unknown' as const, code, value: other })),
  )

/** Messages that are right but for the value of an attribute or two, or of a capability: every length around it agrees. */
export const nearlyRight: fc.Arbitrary<Uint8Array> = fc.oneof(
  fc
    .tuple(updateParts, fc.uniqueArray(bentAttribute, { minLength: 1, maxLength: 2, selector: ({ code }) => code }))
    .map(([parts, others]) => encodeParts(parts, others)),
  fc
    .tuple(open, fc.array(bentCapability, { minLength: 1, maxLength: 3 }))
    .map(([value, others]) => encodeOpen({ ...value, capabilities: [...value.capabilities.slice(-1), ...others] })),
)
