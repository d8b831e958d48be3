// Bugs that other speakers had with path attributes, each reproduced from outside: octets on a session, and what must
// happen instead. The numbers are those of the project's list of twenty-five; 4 to 14 are about UPDATE.

import t from 'tap'
import type { Test } from 'tap'
import { Simulation } from '../transport/simulation.ts'
import type { Report } from '../types.ts'
import { aggregator, as4Aggregator, as4Path, asPath, communities, localPref, med, origin } from '../wire/attributes.ts'
import { numbersOf } from '../wire/family.ts'
import { message, UPDATE } from '../wire/header.ts'
import { attribute, body, mpReachOctets, mpUnreachOctets, raw, update } from '../wire/test-messages.ts'
import { Puppet } from './test-puppet.ts'
import { established, speaker } from './test-speakers.ts'

const [A, B, C] = ['10.0.0.1', '10.0.0.2', '10.0.0.3']
const igp = attribute(origin, 'igp')
const hop = raw(3, [10, 0, 0, 2])
const global6 = [0xfd, 0, ...Array.from({ length: 13 }, () => 0), 2]
const other = '10.200.0.0/24'

type Kind = 'ebgp' | 'ibgp'
const bothKinds: readonly Kind[] = ['ebgp', 'ibgp']

/** Well-formed mandatory attributes of a peer of that kind. */
function good(kind: Kind, asns: readonly number[] = kind === 'ebgp' ? [65002] : []): number[][] {
  const path = attribute(asPath, asns.length > 0 ? [{ type: 'sequence', asns }] : [])
  return kind === 'ebgp' ? [igp, path, hop] : [igp, path, hop, attribute(localPref, 100)]
}

/** A speaker, the peer that misbehaves, and an honest one behind it; both families with the first. */
function stage(kind: Kind, fourOctetAs = true) {
  const net = new Simulation(1)
  const asn = kind === 'ebgp' ? 65002 : 65001
  const capabilities = (['ipv4-unicast', 'ipv6-unicast'] as const).map(
    family => ({ kind: 'multiprotocol', ...numbersOf(family) }) as const,
  )
  const open = { asn, capabilities: [...capabilities, ...(fourOctetAs ? [{ kind: 'fourOctetAs', asn } as const] : [])] }
  const puppet = new Puppet(net, B, { open }).listen()
  const nextHopSelf = { 'ipv6-unicast': 'fd00::1' }
  const ofC = { remoteAs: 65003, nextHopSelf, extendedMessages: false }
  const a = speaker(net, A, 65001, { [B]: { remoteAs: asn, nextHopSelf }, [C]: ofC })
  const c = speaker(net, C, 65003, { [A]: { remoteAs: 65001, nextHopSelf: { 'ipv6-unicast': 'fd00::3' } } })
  net.runUntil(() => established([a, B], [a, C], [c, A]), 20)
  net.run(2)
  const attributes = fourOctetAs
    ? good(kind)
    : [igp, raw(2, kind === 'ebgp' ? [2, 1, 0xfd, 0xea] : []), ...good(kind).slice(2)]
  puppet.send(update({ attributes, announced: [other, '10.1.0.0/24'] }))
  net.run(1)
  const routes = (one: typeof a) =>
    (['ipv4-unicast', 'ipv6-unicast'] as const)
      .flatMap(family => one.table(family).map(row => row.prefix))
      .filter(prefix => prefix !== other)
  const incidents = () => a.reports.filter((report): report is Report & { type: 'update' } => report.type === 'update')
  return { net, puppet, a, c, routes, incidents }
}

type Treatment = 'accept' | 'discard' | 'withdraw' | 'reset'

interface Row {
  readonly name: string
  /** The body of the UPDATE. */
  readonly sent: (kind: Kind) => Uint8Array
  readonly treatment: Treatment | Readonly<Record<Kind, Treatment>>
  readonly why?: RegExp
  readonly kinds?: readonly Kind[]
  /** Prefixes that are there afterwards, besides the one that must never suffer. Default: `10.1.0.0/24` if accepted. */
  readonly left?: readonly string[]
  /** The peer speaks 2-octet AS numbers only. */
  readonly narrow?: boolean
  /** A is left with this path for `10.1.0.0/24`. */
  readonly path?: string
}

/** Sends each message on a fresh session on which `10.1.0.0/24` was announced before, and looks what came of it. */
function table(t: Test, rows: readonly Row[]): void {
  for (const { name, sent, treatment, why, kinds = bothKinds, left, narrow, path } of rows) {
    for (const kind of kinds) {
      const { net, puppet, a, c, routes, incidents } = stage(kind, !narrow)
      const wanted = typeof treatment === 'string' ? treatment : treatment[kind]
      const said = `${name}, ${kind}: ${wanted}`
      const octets = message(UPDATE, sent(kind))
      puppet.send(octets)
      net.run(1)
      const incident = incidents()[0]
      t.equal(incident?.treatment ?? 'accept', wanted, said)
      if (incident) t.same([...incident.octets], [...octets], `${said}: the octets are in the report`)
      if (why) t.match(incident?.text, why, `${said}: the reason`)
      t.equal(
        puppet.notification !== undefined,
        wanted === 'reset',
        `${said}: ${puppet.notification ?? 'no NOTIFICATION'}`,
      )
      t.equal(a.peer(C).flaps, 0, `${said}: nobody else notices`)
      if (wanted === 'reset') {
        t.match(puppet.notification, /UPDATE|Attribute|Malformed|Invalid|Network/i, said)
        continue
      }
      const expected = left ?? (wanted === 'withdraw' ? [] : ['10.1.0.0/24'])
      t.same(routes(a).toSorted(), expected.toSorted(), `${said}: what is left`)
      t.same(routes(c).toSorted(), expected.toSorted(), `${said}: what is passed on`)
      t.ok(
        a.table('ipv4-unicast').some(row => row.prefix === other),
        `${said}: other routes stay`,
      )
      if (path !== undefined)
        t.equal(a.table('ipv4-unicast').find(row => row.prefix === '10.1.0.0/24')?.asPath, path, said)
    }
  }
}

const announced = ['10.1.0.0/24']
/** An UPDATE for `10.1.0.0/24` with these attributes besides the good ones, or in place of those with the same code. */
const besides =
  (...attributes: readonly (readonly number[])[]) =>
  (kind: Kind) => {
    const codes = attributes.map(one => one[1])
    return body({ attributes: [...good(kind).filter(one => !codes.includes(one[1])), ...attributes], announced })
  }
/** Without the attribute of that code. */
const lacking = (code: number) => (kind: Kind) =>
  body({ attributes: good(kind).filter(one => one[1] !== code), announced })
const zeros = (count: number) => Array.from({ length: count }, () => 0)

t.test('bug 4: an announcement without mandatory attributes', async t => {
  table(t, [
    {
      name: 'only an unknown transitive one',
      sent: () => body({ attributes: [raw(31, [1, 2])], announced }),
      treatment: 'withdraw',
    },
    { name: 'ORIGIN missing', sent: lacking(1), treatment: 'withdraw', why: /ORIGIN is missing/ },
    { name: 'AS_PATH missing', sent: lacking(2), treatment: 'withdraw', why: /AS_PATH is missing/ },
    { name: 'NEXT_HOP missing', sent: lacking(3), treatment: 'withdraw', why: /NEXT_HOP is missing/ },
    {
      name: 'MP_REACH_NLRI alone',
      sent: () => body({ attributes: [mpReachOctets('ipv6-unicast', global6, ['fd01::/64'])] }),
      treatment: 'withdraw',
      left: announced,
    },
  ])
})

t.test('bug 5: no attributes at all, and what only looks like End-of-RIB', async t => {
  table(t, [
    { name: 'attributes of length 0, with NLRI', sent: () => body({ announced }), treatment: 'withdraw' },
    {
      name: 'MP_UNREACH_NLRI empty, and ORIGIN in error',
      sent: () => body({ attributes: [mpUnreachOctets('ipv6-unicast', []), raw(1, [9])] }),
      treatment: 'reset',
    },
    {
      name: 'MP_UNREACH_NLRI with wrong flags, nothing else',
      sent: () => body({ attributes: [raw(15, [0, 2, 1], 0xc0)] }),
      treatment: 'withdraw',
      left: announced,
    },
    {
      name: 'a real End-of-RIB',
      sent: () => body({ attributes: [mpUnreachOctets('ipv6-unicast', [])] }),
      treatment: 'accept',
    },
  ])
})

t.test('bug 6: MP_UNREACH_NLRI and IPv4 NLRI behind it, without mandatory attributes', async t => {
  table(t, [
    {
      name: 'MP_UNREACH_NLRI and NLRI',
      sent: () => body({ attributes: [mpUnreachOctets('ipv6-unicast', ['fd01::/64'])], announced }),
      treatment: 'withdraw',
    },
  ])
})

t.test('bug 7: MP_REACH_NLRI whose next hop cannot be', async t => {
  const reach = (value: readonly number[]) => (kind: Kind) => body({ attributes: [...good(kind), raw(14, value)] })
  table(t, [
    ...[0, 9, 64].map((length): Row => ({
      name: `next hop of ${length} octets`,
      sent: reach([0, 2, 1, length, ...zeros(length), 0, 16, 0xfd, 1]),
      treatment: 'reset',
      why: /MP_REACH_NLRI/,
    })),
    { name: 'next hop longer than the attribute', sent: reach([0, 2, 1, 16, 0xfd, 0, 0]), treatment: 'reset' },
    { name: 'shorter than its own header', sent: reach([0, 2, 1]), treatment: 'reset' },
    {
      name: 'NLRI longer than an address',
      sent: reach([0, 2, 1, 16, ...global6, 0, 129, ...zeros(17)]),
      treatment: 'reset',
    },
    { name: 'NLRI cut off', sent: reach([0, 2, 1, 16, ...global6, 0, 64, 0xfd]), treatment: 'reset' },
    {
      name: 'the unspecified address',
      sent: reach([0, 2, 1, 16, ...zeros(16), 0, 16, 0xfd, 1]),
      treatment: 'withdraw',
      left: announced,
    },
    { name: 'a family that nobody has', sent: reach([0, 99, 1, 0, 0, 255, 1]), treatment: 'accept' },
  ])
})

t.test('bug 8: an optional attribute that nobody here understands, with garbage', async t => {
  table(t, [
    { name: 'tunnel encapsulation', sent: besides(raw(23, [0xde, 0xad])), treatment: 'accept' },
    { name: 'Prefix-SID, all zero', sent: besides(raw(40, zeros(10))), treatment: 'accept' },
    { name: 'ATTR_SET of nothing', sent: besides(raw(128, [])), treatment: 'accept' },
    { name: 'unknown and not transitive', sent: besides(raw(200, [1], 0x80)), treatment: 'accept' },
    { name: 'AIGP in error', sent: besides(raw(26, [1, 0, 2])), treatment: { ebgp: 'accept', ibgp: 'discard' } },
    { name: 'unknown, but said to be well known', sent: besides(raw(200, [1], 0x40)), treatment: 'reset' },
  ])
  const { net, puppet, c } = stage('ebgp')
  puppet.send(update({ attributes: [...good('ebgp'), raw(40, [1, 2, 3]), raw(200, [1], 0x80)], announced }))
  net.run(1)
  t.same(c.peer(A).flaps, 0, 'what is passed on is read by the next speaker')
})

t.test('bug 9: attributes behind one in error are read where they are', async t => {
  table(t, [
    {
      name: 'ORIGIN in error, then good ones',
      sent: kind => body({ attributes: [raw(1, [5]), ...good(kind).slice(1), attribute(med, 5)], announced }),
      treatment: 'withdraw',
      why: /ORIGIN/,
    },
    {
      name: 'two in error, the first is told',
      sent: kind => body({ attributes: [raw(1, [5]), ...good(kind).slice(1), raw(4, [1]), raw(8, [1])], announced }),
      treatment: 'withdraw',
      why: /ORIGIN/,
    },
    {
      name: 'one to drop, one to withdraw by',
      sent: besides(raw(6, [1]), raw(8, [1, 2, 3])),
      treatment: 'withdraw',
      why: /COMMUNITIES/,
    },
    {
      name: 'two to drop',
      sent: besides(raw(6, [1]), raw(7, [1, 2, 3])),
      treatment: 'discard',
      why: /ATOMIC_AGGREGATE/,
    },
  ])
})

t.test('bug 10: lengths that contradict each other', async t => {
  const cut = (by: number) => (kind: Kind) => {
    const whole = body({ attributes: good(kind), announced })
    const length = (whole[2] << 8) | whole[3]
    const octets = Uint8Array.from([...whole.subarray(0, 4 + length), ...zeros(by), ...whole.subarray(4 + length)])
    octets[2] = (length + by) >> 8
    octets[3] = (length + by) & 255
    return octets
  }
  const declare = (offset: number, length: number) => (kind: Kind) => {
    const octets = body({ attributes: good(kind), announced })
    octets[offset] = length >> 8
    octets[offset + 1] = length & 255
    return octets
  }
  table(t, [
    ...[1, 2].map((by): Row => ({
      name: `${by} octets left over`,
      sent: cut(by),
      treatment: 'withdraw',
      why: /past the end/,
    })),
    { name: '3 octets left over: an attribute of code 0', sent: cut(3), treatment: 'reset', why: /well known/ },
    { name: 'attributes longer than the message', sent: declare(2, 4000), treatment: 'reset' },
    { name: 'attributes of 65,535 octets', sent: declare(2, 65535), treatment: 'reset' },
    { name: 'withdrawn routes longer than the message', sent: declare(0, 4000), treatment: 'reset' },
    {
      name: 'the last attribute longer than what is left',
      sent: kind => body({ attributes: [...good(kind), [0xc0, 8, 40, 1, 2, 3, 4]], announced }),
      treatment: 'withdraw',
    },
  ])
})

t.test('bug 11: the same attribute twice', async t => {
  table(t, [
    {
      name: 'two ORIGINs: the first counts',
      sent: kind => body({ attributes: [...good(kind), raw(1, [2])], announced }),
      treatment: 'discard',
      why: /ORIGIN appears twice/,
    },
    {
      name: 'a second one in error is not looked at',
      sent: kind => body({ attributes: [...good(kind), raw(1, [7])], announced }),
      treatment: 'discard',
    },
    {
      name: 'two MP_REACH_NLRI',
      sent: kind => {
        const reach = mpReachOctets('ipv6-unicast', global6, ['fd01::/64'])
        return body({ attributes: [...good(kind), reach, reach] })
      },
      treatment: 'reset',
      why: /twice/,
    },
    {
      name: 'two MP_UNREACH_NLRI',
      sent: () => {
        const unreach = mpUnreachOctets('ipv6-unicast', ['fd01::/64'])
        return body({ attributes: [unreach, unreach] })
      },
      treatment: 'reset',
    },
  ])
})

t.test('bug 12: next hops', async t => {
  table(t, [
    ...[0, 1, 2, 3, 5, 16].map((length): Row => ({
      name: `NEXT_HOP of ${length} octets`,
      sent: besides(raw(3, zeros(length))),
      treatment: 'withdraw',
    })),
    ...[
      [0, 1, 2, 3],
      [127, 0, 0, 1],
      [224, 0, 0, 5],
      [255, 255, 255, 255],
      [10, 0, 0, 1],
    ].map((octets): Row => ({
      name: `NEXT_HOP ${octets.join('.')}`,
      sent: besides(raw(3, octets)),
      treatment: 'withdraw',
    })),
    {
      name: 'NEXT_HOP in error beside MP_REACH_NLRI and NLRI',
      sent: besides(raw(3, [1, 2]), mpReachOctets('ipv6-unicast', global6, ['fd01::/64'])),
      treatment: 'withdraw',
    },
    {
      name: 'NEXT_HOP in error beside MP_REACH_NLRI alone, to which it does not belong',
      sent: kind =>
        body({
          attributes: [
            ...good(kind).filter(one => one[1] !== 3),
            raw(3, [1, 2]),
            mpReachOctets('ipv6-unicast', global6, ['fd01::/64']),
          ],
        }),
      treatment: 'accept',
      left: [...announced, 'fd01::/64'],
    },
  ])
})

t.test('bug 13: AS numbers of four octets through a peer of two', async t => {
  const path2 = raw(2, [2, 2, 0xfd, 0xea, 0x5b, 0xa0]) // 65002 AS_TRANS
  const path4 = attribute(as4Path, Uint8Array.from([2, 1, 0xfa, 0x56, 0xea, 0x01])) // 4200000001
  const rows: [string, number[][], Treatment, string][] = [
    ['AS4_PATH first', [path4, igp, path2, hop], 'accept', '65002 4200000001'],
    ['AS4_PATH last', [hop, path2, igp, path4], 'accept', '65002 4200000001'],
    ['AS4_PATH malformed', [igp, path2, hop, raw(17, [2, 9, 0])], 'discard', '65002 23456'],
    [
      'AS4_PATH longer',
      [igp, path2, hop, raw(17, [2, 3, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3])],
      'accept',
      '65002 23456',
    ],
    [
      'confederation segments in AS4_PATH',
      [igp, path2, hop, raw(17, [3, 1, 0, 0, 0xfc, 0, ...path4.slice(3)])],
      'accept',
      '65002 4200000001',
    ],
    [
      'AGGREGATOR of the 4-octet form',
      [igp, path2, hop, attribute(aggregator, { asn: 1, routerId: B })],
      'discard',
      '65002 23456',
    ],
    [
      'AGGREGATOR newer than AS4_PATH',
      [
        igp,
        path2,
        hop,
        raw(7, [0, 1, 10, 0, 0, 9]),
        path4,
        attribute(as4Aggregator, Uint8Array.of(0, 0, 0, 1, 1, 1, 1, 1)),
      ],
      'accept',
      '65002 23456',
    ],
    ['AS4_AGGREGATOR of 6 octets', [igp, path2, hop, path4, raw(18, zeros(6))], 'discard', '65002 4200000001'],
  ]
  table(
    t,
    rows.map(([name, attributes, treatment, path]) => ({
      name,
      sent: () => body({ attributes, announced }),
      treatment,
      path,
      kinds: ['ebgp'],
      narrow: true,
    })),
  )
})

t.test('bug 14: AS 0, long paths, and sets that grow on the way out', async t => {
  table(t, [
    { name: 'AS 0 in the path', sent: besides(raw(2, [2, 2, 0, 0, 0xfd, 0xea, 0, 0, 0, 0])), treatment: 'withdraw' },
    { name: 'a segment of nothing', sent: besides(raw(2, [2, 0])), treatment: 'withdraw' },
    { name: 'a segment that is none', sent: besides(raw(2, [5, 1, 0, 0, 0xfd, 0xea])), treatment: 'withdraw' },
    { name: 'confederation segments', sent: besides(raw(2, [3, 1, 0, 0, 0xfd, 0xea])), treatment: 'withdraw' },
  ])

  const long = (count: number) =>
    attribute(asPath, [{ type: 'sequence', asns: [65002, ...Array.from({ length: count - 1 }, (_, i) => i + 1)] }])
  for (const count of [255, 510]) {
    const { net, puppet, c } = stage('ebgp')
    puppet.send(update({ attributes: [igp, long(count), hop], announced }))
    net.run(1)
    const path = c
      .table('ipv4-unicast')
      .find(row => row.prefix === announced[0])
      ?.asPath.split(' ')
    t.same([path?.length, path?.[0], path?.[1]], [count + 1, '65001', '65002'], `${count} ASes and ours in front`)
  }

  const { net, puppet, a, c } = stage('ebgp')
  const many = attribute(
    communities,
    Array.from({ length: 1000 }, (_, i) => `65002:${i}`),
  )
  const octets = update({ attributes: [igp, long(2), hop, many], announced: [] })
  const room = 4096 - octets.length - 4
  const filled = update({
    attributes: [igp, long(2), hop, many, raw(99, zeros(room - 4 + (room - 4 > 255 ? 0 : 1)))],
    announced,
  })
  t.ok(filled.length > 4090 && filled.length <= 4096, `${filled.length} octets`)
  puppet.send(filled)
  net.run(1)
  t.ok(
    a.table('ipv4-unicast').some(row => row.prefix === announced[0]),
    'a message as long as can be is taken',
  )
  t.notOk(
    c.table('ipv4-unicast').some(row => row.prefix === announced[0]),
    'it would not fit with our AS in it, and is not sent',
  )
  t.same([a.peer(C).flaps, c.peer(A).flaps], [0, 0])
})

t.test('RFC 7606 §7: every attribute in every wrong length, and with wrong flags', async t => {
  const wrong: [string, number, number, readonly number[][], Treatment | { ebgp: Treatment; ibgp: Treatment }][] = [
    ['ORIGIN', 1, 0x40, [[], [0, 0], [3]], 'withdraw'],
    ['AS_PATH', 2, 0x40, [[2], [2, 2, 0, 0, 0, 1], [9, 1, 0, 0, 0, 1]], 'withdraw'],
    ['MULTI_EXIT_DISC', 4, 0x80, [[], [1, 2, 3], zeros(5)], 'withdraw'],
    ['LOCAL_PREF', 5, 0x40, [[], [1, 2, 3], zeros(5)], { ebgp: 'accept', ibgp: 'withdraw' }],
    ['ATOMIC_AGGREGATE', 6, 0x40, [[1]], 'discard'],
    ['AGGREGATOR', 7, 0xc0, [[], zeros(6), zeros(9)], 'discard'],
    ['COMMUNITIES', 8, 0xc0, [[], [1, 2, 3], zeros(5)], 'withdraw'],
    ['ORIGINATOR_ID', 9, 0x80, [[], [1, 2, 3], zeros(5)], { ebgp: 'accept', ibgp: 'withdraw' }],
    ['CLUSTER_LIST', 10, 0x80, [[], [1, 2, 3], zeros(5)], { ebgp: 'accept', ibgp: 'withdraw' }],
    ['EXTENDED_COMMUNITIES', 16, 0xc0, [[], zeros(7), zeros(12)], 'withdraw'],
    ['AS4_PATH', 17, 0xc0, [[2], [9, 1, 0, 0, 0, 1]], 'discard'],
    ['AS4_AGGREGATOR', 18, 0xc0, [[], zeros(6)], 'discard'],
    ['LARGE_COMMUNITY', 32, 0xc0, [[], zeros(11), zeros(16)], 'withdraw'],
  ]
  const rows = wrong.flatMap(([name, code, flags, values, treatment]): Row[] => [
    ...values.map((value): Row => ({
      name: `${name} of ${value.length} octets`,
      sent: besides(raw(code, value, flags)),
      treatment,
    })),
    {
      name: `${name} with wrong flags`,
      sent: besides(raw(code, values[0], flags ^ 0x40)),
      treatment: typeof treatment === 'object' ? treatment : 'withdraw',
    },
  ])
  table(t, rows)
})
