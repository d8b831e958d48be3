import t from 'tap'
import * as fc from 'fast-check'
import {
  aggregator,
  aigp,
  asPath,
  asPathContains,
  asPathFirst,
  asPathLength,
  asPathText,
  atomicAggregate,
  type AttributeType,
  attributeTypes,
  clusterList,
  communities,
  extendedCommunities,
  formatCommunity,
  hasCommunity,
  largeCommunities,
  localPref,
  med,
  onlyToCustomer,
  origin,
  originatorId,
  parseCommunity,
  parseExtendedCommunity,
} from './attributes.ts'

const asn = fc.integer({ min: 1, max: 4294967295 })
const quad = fc.tuple(fc.nat(255), fc.nat(255), fc.nat(255), fc.nat(255)).map(parts => parts.join('.'))
const some = <Value>(value: fc.Arbitrary<Value>) => fc.array(value, { minLength: 1, maxLength: 60 })
const uint16 = fc.nat(65535)

const extended = fc.oneof(
  fc.tuple(fc.constantFrom('rt', 'ro'), fc.oneof(quad, uint16), uint16).map(parts => parts.join(':')),
  fc
    .tuple(fc.constantFrom('rt', 'ro'), fc.integer({ min: 65536, max: 4294967295 }), uint16)
    .map(parts => parts.join(':')),
  fc.uint8Array({ minLength: 7, maxLength: 7 }).map(octets => `0x43${Buffer.from(octets).toString('hex')}`),
)

/** A value of every attribute that is part of a route. */
const values: [AttributeType, fc.Arbitrary<unknown>][] = [
  [origin, fc.constantFrom('igp', 'egp', 'incomplete')],
  [asPath, fc.array(fc.record({ type: fc.constantFrom('set', 'sequence'), asns: some(asn) }), { maxLength: 5 })],
  [med, fc.nat(4294967295)],
  [localPref, fc.nat(4294967295)],
  [atomicAggregate, fc.constant(true)],
  [aggregator, fc.record({ asn, routerId: quad })],
  [communities, some(fc.tuple(uint16, uint16).map(parts => parts.join(':')))],
  [originatorId, quad],
  [clusterList, some(quad)],
  [extendedCommunities, some(extended)],
  [aigp, fc.uint8Array({ maxLength: 8 }).map(value => Uint8Array.of(1, 0, 3 + value.length, ...value))],
  [largeCommunities, some(fc.tuple(asn, asn, asn).map(parts => parts.join(':')))],
  [onlyToCustomer, asn],
]

t.test('every attribute reads what it writes, and finds it valid', t => {
  const covered = values.map(([type]) => type.code)
  t.same(
    covered,
    attributeTypes.filter(({ part }) => part === 'route').map(({ code }) => code),
    'none is forgotten',
  )
  for (const [type, arbitrary] of values) {
    fc.assert(
      fc.property(arbitrary, value => {
        const octets = type.encode(value)
        const buffer = Uint8Array.of(1, 2, 3, ...octets, 4)
        t.equal(type.validate(buffer, 3, 3 + octets.length, { kind: 'ibgp', fourOctetAs: true }), undefined)
        t.same(type.decode(buffer, 3, 3 + octets.length), value, type.name)
      }),
      { numRuns: 100 },
    )
  }
  t.end()
})

t.test('readers of AS_PATH', t => {
  const octets = asPath.encode([
    { type: 'sequence', asns: [65001, 4200000000] },
    { type: 'set', asns: [65003, 65004] },
  ])
  t.equal(asPathText(octets, 0, octets.length), '65001 4200000000 {65003 65004}')
  t.equal(asPathLength(octets, 0, octets.length), 3)
  t.equal(asPathFirst(octets, 0, octets.length), 65001)
  for (const [asn, expected] of [
    [65001, true],
    [65004, true],
    [4200000000, true],
    [65002, false],
  ] as const) {
    t.equal(asPathContains(octets, 0, octets.length, asn), expected, String(asn))
  }
  t.equal(asPathText(octets, 0, 0), '')
  t.equal(asPathFirst(octets, 0, 0), 0)
  const long = asPath.encode([{ type: 'sequence', asns: Array.from({ length: 300 }, (_, i) => i + 1) }])
  t.equal(asPathLength(long, 0, long.length), 300, 'more than 255 AS numbers take two segments')
  t.end()
})

t.test('communities as text', t => {
  for (const [text, value] of [
    ['0:0', 0],
    ['65535:65281', 0xffffff01],
    ['65001:20', 0xfde90014],
  ] as const) {
    t.equal(parseCommunity(text), value)
    t.equal(formatCommunity(value), text)
  }
  for (const bad of ['65536:1', '1:65536', '1', '1:2:3', 'a:b', '-1:2', ''])
    t.equal(parseCommunity(bad), undefined, bad)
  t.equal(parseCommunity('no-export'), 0xffffff01)
  t.equal(parseCommunity('blackhole'), 0xffff029a)
  for (const [text, hex] of [
    ['rt:65001:70000', '0002fde900011170'],
    ['ro:10.0.0.1:5', '01030a0000010005'],
    ['rt:4200000001:9', '0202fa56ea010009'],
    ['0x4004fde900000001', '4004fde900000001'],
  ] as const) {
    t.equal(Buffer.from(parseExtendedCommunity(text) ?? []).toString('hex'), hex)
    t.same(extendedCommunities.decode(Buffer.from(hex, 'hex'), 0, 8), [text])
  }
  const small = Buffer.from('0202000000010009', 'hex')
  t.same(
    extendedCommunities.decode(small, 0, 8),
    ['0x0202000000010009'],
    'an AS of four octets that would fit into two',
  )
  const octets = communities.encode(['1:2', '3:4'])
  t.ok(hasCommunity(octets, 0, octets.length, 0x30004))
  t.notOk(hasCommunity(octets, 0, octets.length, 0x30005))
  t.end()
})
