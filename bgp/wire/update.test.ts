import t from 'tap'
import {
  aggregator,
  asPath,
  asPathText,
  attributeType,
  AttributeWalker,
  clusterList,
  communities,
  largeCommunities,
  localPref,
  med,
  origin,
  originatorId,
} from './attributes.ts'
import { body, attribute, mpReachOctets, mpUnreachOctets, raw } from './test-messages.ts'
import { nlriTexts } from './nlri.ts'
import { UpdateDecoder } from './update.ts'

const ebgp = { kind: 'ebgp', fourOctetAs: true } as const
const ibgp = { kind: 'ibgp', fourOctetAs: true } as const
const narrow = { kind: 'ebgp', fourOctetAs: false } as const

const igp = attribute(origin, 'igp')
const path = attribute(asPath, [{ type: 'sequence', asns: [65002, 4200000000] }])
const hop = raw(3, [10, 0, 0, 2])
const global6 = [0xfd, 0, ...Array.from({ length: 13 }, () => 0), 2]
const linkLocal = [0xfe, 0x80, ...Array.from({ length: 13 }, () => 0), 9]
const announced = ['10.1.0.0/24']

/** Decodes, and shows the attributes kept as `NAME value` in their order. */
function decode(octets: Uint8Array, context: Parameters<UpdateDecoder['decode']>[3] = ebgp) {
  const decoder = new UpdateDecoder()
  // Away from the start of the buffer, and with octets of others around, as in life.
  const buffer = new Uint8Array(octets.length + 60).fill(0xa5)
  buffer.set(octets, 30)
  const verdict = decoder.decode(buffer, 30, 30 + octets.length, context)
  const kept: string[] = []
  const walker = new AttributeWalker()
  for (walker.reset(decoder.attributes, 0, decoder.attributesTo); walker.next();) {
    const type = attributeType(walker.code)
    const value = decoder.attributes.slice(walker.from, walker.to)
    const text = type === asPath ? asPathText(value, 0, value.length) : type?.decode(value, 0, value.length)
    kept.push(`${type?.name ?? walker.code} ${JSON.stringify(text ?? [...value])}`)
  }
  return { verdict, decoder, buffer, kept, do: verdict.do, why: 'why' in verdict ? verdict.why : undefined }
}

t.test('a well-formed UPDATE is found in place, its attributes in canonical order', t => {
  const { decoder, buffer, kept, verdict } = decode(
    body({ withdrawn: ['10.9.0.0/16'], attributes: [attribute(communities, ['65001:20']), hop, path, igp], announced }),
  )
  t.same(verdict, { do: 'accept' })
  t.same(kept, ['ORIGIN "igp"', 'AS_PATH "65002 4200000000"', 'COMMUNITIES ["65001:20"]'])
  t.same(nlriTexts(buffer, decoder.withdrawnFrom, decoder.withdrawnTo, 32), ['10.9.0.0/16'])
  t.same(nlriTexts(buffer, decoder.announcedFrom, decoder.announcedTo, 32), announced)
  t.same([...buffer.subarray(decoder.nextHopFrom, decoder.nextHopTo)], [10, 0, 0, 2])
  t.equal(decoder.prefixes, 2)
  t.end()
})

t.test('RFC 7606: what follows from an error', t => {
  const good = [igp, path, hop]
  const rows: [string, Uint8Array, string, RegExp?][] = [
    ['ORIGIN 3', body({ attributes: [raw(1, [3]), path, hop], announced }), 'withdraw', /ORIGIN/],
    ['ORIGIN missing', body({ attributes: [path, hop], announced }), 'withdraw', /ORIGIN is missing/],
    ['AS_PATH missing', body({ attributes: [igp, hop], announced }), 'withdraw', /AS_PATH is missing/],
    ['NEXT_HOP missing', body({ attributes: [igp, path], announced }), 'withdraw', /NEXT_HOP is missing/],
    ['no attributes at all', body({ announced }), 'withdraw', /missing/],
    ['only an unknown transitive one', body({ attributes: [raw(31, [1])], announced }), 'withdraw', /missing/],
    [
      'AS_PATH segment type 9',
      body({ attributes: [igp, raw(2, [9, 1, 0, 0, 0, 1]), hop], announced }),
      'withdraw',
      /9/,
    ],
    ['AS_PATH empty segment', body({ attributes: [igp, raw(2, [2, 0]), hop], announced }), 'withdraw', /empty/],
    ['AS_PATH cut off', body({ attributes: [igp, raw(2, [2, 2, 0, 0, 0, 1]), hop], announced }), 'withdraw', /end/],
    ['AS_PATH one octet', body({ attributes: [igp, raw(2, [2]), hop], announced }), 'withdraw', /empty/],
    ['AS 0', body({ attributes: [igp, raw(2, [2, 1, 0, 0, 0, 0]), hop], announced }), 'withdraw', /AS 0/],
    ['confederation segment', body({ attributes: [igp, raw(2, [3, 1, 0, 0, 0, 1]), hop], announced }), 'withdraw', /3/],
    ...[0, 1, 2, 3, 5, 16].map((n): [string, Uint8Array, string, RegExp] => [
      `NEXT_HOP of ${n} octets`,
      body({
        attributes: [
          igp,
          path,
          raw(
            3,
            Array.from({ length: n }, () => 10),
          ),
        ],
        announced,
      }),
      'withdraw',
      /NEXT_HOP/,
    ]),
    ...[0, 127, 224, 255].map((n): [string, Uint8Array, string, RegExp] => [
      `NEXT_HOP ${n}.0.0.1`,
      body({ attributes: [igp, path, raw(3, [n, 0, 0, 1])], announced }),
      'withdraw',
      /next hop/,
    ]),
    ['MED of 3 octets', body({ attributes: [...good, raw(4, [1, 2, 3])], announced }), 'withdraw', /MULTI_EXIT_DISC/],
    ['COMMUNITIES of 5 octets', body({ attributes: [...good, raw(8, [1, 2, 3, 4, 5])], announced }), 'withdraw'],
    ['COMMUNITIES empty', body({ attributes: [...good, raw(8, [])], announced }), 'withdraw'],
    [
      'extended communities of 7',
      body({ attributes: [...good, raw(16, [1, 2, 3, 4, 5, 6, 7])], announced }),
      'withdraw',
    ],
    ['large communities of 11', body({ attributes: [...good, raw(32, Array(11).fill(1))], announced }), 'withdraw'],
    ['wrong flags', body({ attributes: [raw(1, [0], 0xc0), path, hop], announced }), 'withdraw', /flags/],
    ['ATOMIC_AGGREGATE with a value', body({ attributes: [...good, raw(6, [1])], announced }), 'discard', /ATOMIC/],
    ['AGGREGATOR of 6 octets', body({ attributes: [...good, raw(7, [0, 1, 1, 1, 1, 1])], announced }), 'discard'],
    ['a second ORIGIN', body({ attributes: [...good, raw(1, [2])], announced }), 'discard', /twice/],
    [
      'garbage in unknown attributes',
      body({ attributes: [...good, raw(40, Array(9).fill(0)), raw(23, [1])], announced }),
      'accept',
    ],
    ['LOCAL_PREF of 1 octet from eBGP', body({ attributes: [...good, raw(5, [1])], announced }), 'accept'],
    [
      'attribute past the end',
      body({ attributes: [...good, [0x40, 8, 200, 1]], announced }),
      'withdraw',
      /past the end/,
    ],
    ['one octet left over', body({ attributes: [...good, [0x40]], announced }), 'withdraw', /past the end/],
    ['three octets left over', body({ attributes: [...good, [0x50, 8, 0]], announced }), 'withdraw', /past the end/],
    [
      'two MP_REACH',
      body({
        attributes: [
          igp,
          path,
          mpReachOctets('ipv6-unicast', global6, ['fd01::/64']),
          mpReachOctets('ipv6-unicast', global6, []),
        ],
      }),
      'reset',
      /twice/,
    ],
    ['unknown well-known', body({ attributes: [...good, raw(99, [1], 0x40)], announced }), 'reset', /well known/],
    ['a bad attribute and no routes', body({ attributes: [raw(1, [9])] }), 'reset'],
    ['withdrawn length too long', Uint8Array.of(0, 9, 0, 0), 'reset', /withdrawn routes/],
    ['attribute length too long', Uint8Array.of(0, 0, 0, 9), 'reset', /attributes/],
    ['withdrawn prefix of 33 bits', Uint8Array.of(0, 6, 33, 1, 2, 3, 4, 5, 0, 0), 'reset', /withdrawn prefix/],
    ['announced prefix of 255 bits', Uint8Array.of(0, 0, 0, 0, 255, 1), 'reset', /announced prefix/],
    ['announced prefix cut off', Uint8Array.of(0, 0, 0, 0, 24, 1), 'reset', /announced prefix/],
    ['MP_REACH too short', body({ attributes: [igp, path, raw(14, [0, 2, 1, 0])] }), 'reset', /MP_REACH/],
    ...[0, 9, 15, 17, 64].map((n): [string, Uint8Array, string, RegExp] => [
      `MP_REACH next hop of ${n} octets`,
      body({ attributes: [igp, path, raw(14, [0, 2, 1, n, ...Array.from({ length: n }, () => 1), 0])] }),
      'reset',
      /next hop/,
    ]),
    [
      'MP_REACH next hop past the end',
      body({ attributes: [igp, path, raw(14, [0, 2, 1, 16, 1])] }),
      'reset',
      /next hop/,
    ],
    [
      'MP_REACH prefix of 129 bits',
      body({ attributes: [igp, path, raw(14, [0, 2, 1, 16, ...global6, 0, 129])] }),
      'reset',
    ],
    [
      'MP_REACH next hop ff02::1',
      body({ attributes: [igp, path, mpReachOctets('ipv6-unicast', [0xff, 2, ...Array(14).fill(1)], ['fd01::/64'])] }),
      'withdraw',
      /multicast/,
    ],
    [
      'MP_REACH next hop ::',
      body({ attributes: [igp, path, mpReachOctets('ipv6-unicast', Array(16).fill(0), ['fd01::/64'])] }),
      'withdraw',
      /unspecified/,
    ],
    [
      'MP_REACH of an unknown family',
      body({ attributes: [igp, path, raw(14, [0, 25, 70, 4, 1, 2, 3, 4, 0, 99])] }),
      'accept',
    ],
    ['MP_UNREACH too short', body({ attributes: [raw(15, [0, 2])] }), 'reset', /MP_UNREACH/],
    [
      'MP_UNREACH and IPv4 without attributes',
      body({ attributes: [mpUnreachOctets('ipv6-unicast', ['fd01::/64'])], announced }),
      'withdraw',
      /missing/,
    ],
  ]
  for (const [name, octets, expected, why] of rows) {
    const result = decode(octets)
    t.equal(result.do, expected, `${name}: ${result.why ?? ''}`)
    if (why) t.match(result.why, why, name)
  }
  t.end()
})

t.test('after a bad attribute the good ones around it are still read', t => {
  const {
    do: what,
    decoder,
    buffer,
  } = decode(
    body({
      withdrawn: ['10.9.0.0/16'],
      attributes: [raw(8, [1]), igp, raw(4, [1]), path, hop, mpReachOctets('ipv6-unicast', global6, ['fd01::/64'])],
      announced,
    }),
  )
  t.equal(what, 'withdraw')
  t.same(nlriTexts(buffer, decoder.announcedFrom, decoder.announcedTo, 32), announced)
  t.same(nlriTexts(buffer, decoder.reach.from, decoder.reach.to, 128), ['fd01::/64'])
  t.end()
})

t.test('IPv6 comes by MP_REACH and MP_UNREACH, next hop of 16 or 32 octets', t => {
  for (const next of [global6, [...global6, ...linkLocal]]) {
    const {
      decoder,
      buffer,
      do: what,
      kept,
    } = decode(
      body({
        attributes: [
          mpReachOctets('ipv6-unicast', next, ['fd01::/64', '::/0']),
          igp,
          path,
          mpUnreachOctets('ipv6-unicast', ['fd02::/127']),
        ],
      }),
    )
    t.equal(what, 'accept')
    t.equal(decoder.reach.family, 'ipv6-unicast')
    t.same([...buffer.subarray(decoder.reach.nextHopFrom, decoder.reach.nextHopTo)], next)
    t.same(nlriTexts(buffer, decoder.reach.from, decoder.reach.to, 128), ['fd01::/64', '::/0'])
    t.same(nlriTexts(buffer, decoder.unreach.from, decoder.unreach.to, 128), ['fd02::/127'])
    t.equal(decoder.prefixes, 3)
    t.same(kept, ['ORIGIN "igp"', 'AS_PATH "65002 4200000000"'], 'the envelope is taken out')
  }
  t.end()
})

t.test('IPv4 may come by MP_REACH too', t => {
  const {
    decoder,
    buffer,
    do: what,
  } = decode(body({ attributes: [igp, path, mpReachOctets('ipv4-unicast', [10, 0, 0, 2], announced)] }))
  t.equal(what, 'accept')
  t.equal(decoder.reach.family, 'ipv4-unicast')
  t.same(nlriTexts(buffer, decoder.reach.from, decoder.reach.to, 32), announced)
  t.end()
})

t.test('End-of-RIB in both forms, and nothing that only looks like one', t => {
  t.equal(decode(body({})).decoder.endOfRib, 'ipv4-unicast')
  t.equal(decode(body({ attributes: [mpUnreachOctets('ipv6-unicast', [])] })).decoder.endOfRib, 'ipv6-unicast')
  const withMore = decode(body({ attributes: [mpUnreachOctets('ipv6-unicast', []), raw(4, [1])] }))
  t.equal(withMore.decoder.endOfRib, undefined)
  t.equal(withMore.do, 'reset')
  t.equal(decode(body({ withdrawn: ['10.0.0.0/8'] })).decoder.endOfRib, undefined)
  t.equal(decode(body({ attributes: [mpUnreachOctets('ipv6-unicast', ['fd01::/64'])] })).decoder.endOfRib, undefined)
  t.end()
})

t.test('attributes of another AS are ignored from eBGP and kept from iBGP', t => {
  const attributes = [
    igp,
    path,
    hop,
    attribute(localPref, 200),
    attribute(originatorId, '1.1.1.1'),
    attribute(clusterList, ['2.2.2.2', '3.3.3.3']),
  ]
  t.same(decode(body({ attributes, announced })).kept, ['ORIGIN "igp"', 'AS_PATH "65002 4200000000"'])
  t.same(decode(body({ attributes, announced }), ibgp).kept.slice(2), [
    'LOCAL_PREF 200',
    'ORIGINATOR_ID "1.1.1.1"',
    'CLUSTER_LIST ["2.2.2.2","3.3.3.3"]',
  ])
  t.end()
})

t.test('unknown attributes: transitive ones stay, marked partial; others go', t => {
  const { decoder, kept } = decode(
    body({ attributes: [igp, path, hop, raw(200, [7, 7], 0xc0), raw(201, [8], 0x80), attribute(med, 5)], announced }),
  )
  t.same(kept.slice(2), ['MULTI_EXIT_DISC 5', '200 [7,7]'])
  const walker = new AttributeWalker().reset(decoder.attributes, 0, decoder.attributesTo)
  t.ok(walker.find(200))
  t.equal(walker.flags, 0xe0)
  t.end()
})

t.test('equal routes give equal octets, however they were written', t => {
  const one = decode(body({ attributes: [igp, path, hop, attribute(med, 1)], announced })).decoder
  const long = [0x50, 2, 0, path.length - 3, ...path.slice(3)] // extended length without need
  const two = decode(body({ attributes: [attribute(med, 1), hop, long, igp], announced })).decoder
  t.same(two.attributes.slice(0, two.attributesTo), one.attributes.slice(0, one.attributesTo))
  t.end()
})

t.test('large communities lose doubles (RFC 8092 §3), and a value that shrinks gets a short header', t => {
  const good = [igp, path, hop]
  const { kept, do: done } = decode(
    body({ attributes: [...good, attribute(largeCommunities, ['1:2:3', '4:5:6', '1:2:3', '1:2:4'])], announced }),
  )
  t.equal(done, 'accept')
  t.equal(kept.at(-1), 'LARGE_COMMUNITY ["1:2:3","4:5:6","1:2:4"]')
  const many = Array.from({ length: 30 }, () => '7:7:7')
  t.equal(
    decode(body({ attributes: [...good, attribute(largeCommunities, many)], announced })).kept.at(-1),
    'LARGE_COMMUNITY ["7:7:7"]',
  )
  t.end()
})

t.test('MP_UNREACH_NLRI with wrong flags is no End-of-RIB', t => {
  t.equal(decode(body({ attributes: [raw(15, [0, 2, 1])] })).decoder.endOfRib, 'ipv6-unicast')
  t.equal(decode(body({ attributes: [raw(15, [0, 2, 1], 0xc0)] })).decoder.endOfRib, undefined)
  t.end()
})

t.test('a peer with 2-octet AS numbers (RFC 6793 §4.2.3)', t => {
  const as2 = (...asns: number[]) => raw(2, [2, asns.length, ...asns.flatMap(n => [n >> 8, n & 255])])
  const as4 = (...asns: number[]) => raw(17, asPath.encode([{ type: 'sequence', asns }]))
  const rows: [string, number[][], string][] = [
    ['widened', [as2(65002, 65003)], '65002 65003'],
    [
      'AS4_PATH takes the place of the end',
      [as2(65002, 23456, 23456), as4(4200000001, 4200000002)],
      '65002 4200000001 4200000002',
    ],
    ['AS4_PATH before AS_PATH', [as4(4200000001), as2(65002, 23456)], '65002 4200000001'],
    ['AS4_PATH of equal length', [as2(23456), as4(4200000001)], '4200000001'],
    ['AS4_PATH longer than AS_PATH is ignored', [as2(23456), as4(1, 2)], '23456'],
    ['malformed AS4_PATH is dropped', [as2(65002, 23456), raw(17, [2, 9, 1])], '65002 23456'],
    ['a set counts as one', [raw(2, [2, 1, 253, 234, 1, 2, 0, 1, 0, 2]), as4(4200000001)], '65002 4200000001'],
    [
      'newer AGGREGATOR: both are ignored',
      [as2(65002, 23456), as4(4200000001), raw(7, [0, 9, 1, 1, 1, 1])],
      '65002 23456',
    ],
  ]
  for (const [name, attributes, expected] of rows) {
    const { kept } = decode(body({ attributes: [igp, hop, ...attributes], announced }), narrow)
    t.equal(kept[1], `AS_PATH ${JSON.stringify(expected)}`, name)
  }
  const merged = decode(
    body({
      attributes: [
        igp,
        hop,
        as2(65002),
        raw(7, [91, 160, 1, 1, 1, 1]),
        raw(18, aggregator.encode({ asn: 4200000001, routerId: '9.9.9.9' })),
      ],
      announced,
    }),
    narrow,
  )
  t.equal(merged.kept[2], 'AGGREGATOR {"asn":4200000001,"routerId":"9.9.9.9"}')
  const long = Array.from({ length: 200 }, (_, i) => i + 1)
  t.equal(
    decode(body({ attributes: [igp, hop, as2(...long)], announced }), narrow).kept[1],
    `AS_PATH "${long.join(' ')}"`,
  )
  t.end()
})
