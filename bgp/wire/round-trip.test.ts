// What is written is what is read: every attribute, capability and message, driven by the codec's own tables.

import * as fc from 'fast-check'
import t from 'tap'
import { type AttributeType, AttributeWalker, attributeType, attributeTypes, asPath } from './attributes.ts'
import { capabilityTypes, readCapabilities, writeCapability } from './capabilities.ts'
import {
  checkHeader,
  HEADER_LENGTH,
  keepalive,
  KEEPALIVE,
  MAX_MESSAGE,
  message,
  NOTIFICATION,
  ROUTE_REFRESH,
} from './header.ts'
import { OPEN, UPDATE } from './header.ts'
import { nlriTexts } from './nlri.ts'
import { decodeNotification, encodeNotification } from './notification.ts'
import { decodeOpen, encodeOpen } from './open.ts'
import { decodeRefresh, encodeRefresh } from './refresh.ts'
import * as values from './test-values.ts'
import { UpdateDecoder } from './update.ts'

const context = { kind: 'ibgp', fourOctetAs: true } as const

t.test('every attribute reads what it writes, and finds it valid', async t => {
  t.same(
    Object.keys(values.attributeValues).toSorted(),
    attributeTypes.map(({ name }) => name).toSorted(),
    'every row of the table has a generator',
  )
  for (const type of attributeTypes as readonly AttributeType[]) {
    fc.assert(
      fc.property(values.attributeValues[type.name], value => {
        const octets = type.encode(value)
        const buffer = Uint8Array.of(1, 2, 3, ...octets, 4)
        t.equal(type.validate(buffer, 3, 3 + octets.length, context), undefined)
        t.same(type.decode(buffer, 3, 3 + octets.length), value, type.name)
      }),
      { numRuns: 100 },
    )
  }
})

t.test('every capability reads what it writes', async t => {
  t.same(Object.keys(values.capabilityValues).toSorted(), Object.keys(capabilityTypes).toSorted())
  for (const one of [...Object.values(values.capabilityValues), values.unknownCapability]) {
    fc.assert(
      fc.property(one, value => {
        const octets = Uint8Array.from(writeCapability(value))
        t.same(readCapabilities(octets, 0, octets.length), [value])
      }),
      { numRuns: 100 },
    )
  }
})

t.test('every message type has a generator', async t => {
  const known = Array.from({ length: 256 }, (_, type) => type).filter(type => {
    const wrong = checkHeader(message(type, new Uint8Array(40)), 0, MAX_MESSAGE)
    return !(wrong?.code === 1 && wrong.subcode === 3)
  })
  t.same(Object.keys(values.messages).map(Number), known)
  for (const [type, arbitrary] of Object.entries(values.messages)) {
    fc.assert(
      fc.property(
        arbitrary,
        octets => octets[18] === Number(type) && checkHeader(octets, 0, MAX_MESSAGE) === undefined,
      ),
      { numRuns: 100 },
    )
  }
})

t.test('OPEN, in short and in extended form (RFC 9072)', async t => {
  fc.assert(
    fc.property(values.open, value => {
      const octets = encodeOpen(value)
      t.equal(octets[18], OPEN)
      t.same(decodeOpen(octets, HEADER_LENGTH, octets.length), value)
    }),
    { numRuns: 300 },
  )
})

t.test('NOTIFICATION, ROUTE-REFRESH, KEEPALIVE', async t => {
  fc.assert(
    fc.property(values.notification, value => {
      const octets = encodeNotification(value)
      t.equal(octets[18], NOTIFICATION)
      t.same(decodeNotification(octets, HEADER_LENGTH, octets.length), value)
    }),
    { numRuns: 300 },
  )
  for (const family of ['ipv4-unicast', 'ipv6-unicast'] as const) {
    for (const kind of ['request', 'begin', 'end'] as const) {
      const octets = encodeRefresh(family, kind)
      t.equal(octets[18], ROUTE_REFRESH)
      t.same(decodeRefresh(octets, HEADER_LENGTH, octets.length, true), { kind, family })
    }
  }
  t.same([keepalive.length, keepalive[18]], [HEADER_LENGTH, KEEPALIVE])
})

t.test('UPDATE: prefixes of both families, next hop, and every attribute as it was', async t => {
  const decoder = new UpdateDecoder()
  fc.assert(
    fc.property(values.updateParts, parts => {
      const octets = values.encodeParts(parts)
      t.equal(octets[18], UPDATE)
      const pathIds = parts.pathIds ? { 'ipv4-unicast': true, 'ipv6-unicast': true } : undefined
      t.same(decoder.decode(octets, HEADER_LENGTH, octets.length, { ...context, pathIds }), { do: 'accept' })
      const { withdrawnFrom, withdrawnTo, announcedFrom, announcedTo, reach, unreach } = decoder
      t.same(nlriTexts(octets, withdrawnFrom, withdrawnTo, 32, parts.pathIds), parts.withdrawn)
      t.same(nlriTexts(octets, announcedFrom, announcedTo, 32, parts.pathIds), parts.announced)
      t.same(nlriTexts(octets, reach.from, reach.to, 128, parts.pathIds), parts.reach)
      t.same(nlriTexts(octets, unreach.from, unreach.to, 128, parts.pathIds), parts.unreach)
      const announces = parts.announced.length + parts.reach.length > 0
      if (parts.announced.length > 0)
        t.same([...octets.subarray(decoder.nextHopFrom, decoder.nextHopTo)], parts.nextHop)
      if (!announces) return
      const kept: [number, unknown][] = []
      const walker = new AttributeWalker()
      for (walker.reset(decoder.attributes, 0, decoder.attributesTo); walker.next();) {
        const { code, from, to } = walker
        kept.push([code, attributeType(code)?.decode(decoder.attributes, from, to) ?? to - from])
      }
      const sent = parts.attributes.map(({ code, octets }): [number, unknown] => {
        walker.reset(Uint8Array.from(octets), 0, octets.length).next()
        const { from, to } = walker
        return [code, attributeType(code)?.decode(Uint8Array.from(octets), from, to) ?? to - from]
      })
      const unique = (value: unknown) => (Array.isArray(value) ? [...new Set(value)] : value)
      t.same(
        kept,
        [[1, 'igp'] as [number, unknown], [asPath.code, parts.path] as [number, unknown], ...sent]
          .toSorted(([a], [b]) => a - b)
          .map(([code, value]) => [code, code === 32 ? unique(value) : value]),
      )
    }),
    { numRuns: 500 },
  )
})
