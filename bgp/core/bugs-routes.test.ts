// Bugs that other speakers had on the way from one session to another, each reproduced from outside: 20 and 21 of the project's
// list, and the runners-up.

import t from 'tap'
import { Random } from '../fsm/random.ts'
import { Simulation } from '../transport/simulation.ts'
import {
  asPath,
  clusterList,
  communities,
  largeCommunities,
  localPref,
  med,
  origin,
  originatorId,
} from '../wire/attributes.ts'
import { keepalive, message, UPDATE } from '../wire/header.ts'
import { attribute, mpReachOctets, mpUnreachOctets, raw, update } from '../wire/test-messages.ts'
import { Puppet } from './test-puppet.ts'
import { established, type Peers, speaker } from './test-speakers.ts'

const [A, B, C, D] = ['10.0.0.1', '10.0.0.2', '10.0.0.3', '10.0.0.4']
const igp = attribute(origin, 'igp')
const sequence = (...asns: number[]) => attribute(asPath, asns.length > 0 ? [{ type: 'sequence', asns }] : [])
const hop = (last: number) => raw(3, [10, 0, 0, last])
const hop6 = (last: number) => [0xfd, ...Array.from({ length: 14 }, () => 0), last]

/** A puppet of that AS which speaks both families. */
function puppetOf(net: Simulation, address: string, asn: number): Puppet {
  const families = [1, 2].map(afi => ({ kind: 'multiprotocol', afi, safi: 1 }) as const)
  const capabilities = [...families, { kind: 'routeRefresh' }, { kind: 'fourOctetAs', asn }] as const
  return new Puppet(net, address, { open: { asn, routerId: Number(address.slice(-1)), capabilities } }).listen()
}

/** A speaker of AS 65001 with these peers, of which B is a puppet, and C a speaker with routes of A in it. */
function stage(asns: { readonly b: number; readonly c: number }, peers: Peers = {}, ofC: object = {}) {
  const net = new Simulation(1)
  const puppet = puppetOf(net, B, asns.b)
  const both = { 'ipv6-unicast': 'fd00::1' }
  const a = speaker(net, A, 65001, {
    [B]: { remoteAs: asns.b, nextHopSelf: both },
    [C]: { remoteAs: asns.c, nextHopSelf: both, ...ofC },
    ...peers,
  })
  const c = speaker(net, C, asns.c, { [A]: { remoteAs: 65001, nextHopSelf: { 'ipv6-unicast': 'fd00::3' } } })
  net.runUntil(() => established([a, B], [a, C], [c, A]), 20)
  net.run(1)
  return { net, puppet, a, c }
}

t.test('bug 20: only the next hop differs, or changes', async t => {
  const { net, puppet, a, c } = stage({ b: 65001, c: 65001 }, {}, { reflectorClient: true })
  const inside = [igp, sequence(65009), attribute(localPref, 100)]
  const six = (last: number, prefix: string) =>
    update({ attributes: [...inside, mpReachOctets('ipv6-unicast', hop6(last), [prefix])] })
  puppet.send(
    update({ attributes: [...inside, hop(7)], announced: ['10.1.0.0/24'] }),
    update({ attributes: [...inside, hop(8)], announced: ['10.2.0.0/24'] }),
    six(7, 'fd01::/64'),
    six(8, 'fd02::/64'),
  )
  net.run(1)
  for (const [one, who] of [
    [a, 'taken'],
    [c, 'passed on'],
  ] as const) {
    t.same(one.best(), ['10.1.0.0/24 via 10.0.0.7 [65009]', '10.2.0.0/24 via 10.0.0.8 [65009]'], who)
    t.same(one.best('ipv6-unicast'), ['fd01::/64 via fd00::7 [65009]', 'fd02::/64 via fd00::8 [65009]'], who)
  }
  puppet.send(update({ attributes: [...inside, hop(9)], announced: ['10.1.0.0/24'] }), six(9, 'fd01::/64'))
  net.run(1)
  t.match(c.best()[0], '10.1.0.0/24 via 10.0.0.9')
  t.match(c.best('ipv6-unicast')[0], 'fd01::/64 via fd00::9')
})

t.test('bug 21: announcements and withdrawals in one segment, whatever their order', async t => {
  const { net, puppet, a, c } = stage({ b: 65002, c: 65003 })
  const random = new Random(21)
  const pick = (below: number) => Math.floor(random.next() * below)
  const expected = new Map<string, string>()
  for (let round = 0; round < 150; round++) {
    const segment: Uint8Array[] = []
    for (let i = 0; i < 12; i++) {
      const six = pick(2) === 1
      const prefix = six ? `fd0${pick(3)}::/64` : `10.${pick(3)}.0.0/24`
      const attributes = [igp, sequence(65002, 64000 + pick(3))]
      if (pick(2)) {
        segment.push(
          six ? update({ attributes: [mpUnreachOctets('ipv6-unicast', [prefix])] }) : update({ withdrawn: [prefix] }),
        )
        expected.delete(prefix)
        continue
      }
      segment.push(
        six
          ? update({ attributes: [...attributes, mpReachOctets('ipv6-unicast', hop6(2), [prefix])] })
          : update({ attributes: [...attributes, hop(2)], announced: [prefix] }),
      )
      expected.set(prefix, String(attributes[1].slice(-2)))
    }
    puppet.send(Uint8Array.from(segment.flatMap(one => [...one])))
    if (pick(3) > 0) continue
    net.run(0.2)
    const want = [...expected].map(([prefix, last]) => `${prefix} ${last}`).toSorted()
    for (const one of [a, c]) {
      const rows = [...one.table('ipv4-unicast'), ...one.table('ipv6-unicast')]
      const last = (path: string) => Number(path.split(' ').at(-1))
      const have = rows.map(({ prefix, asPath }) => `${prefix} ${last(asPath) >> 8},${last(asPath) & 255}`).toSorted()
      t.same(have, want)
    }
  }
  // In one UPDATE a prefix that is withdrawn and announced is announced (RFC 4271 §4.3).
  puppet.send(
    update({ withdrawn: ['10.9.0.0/24'], attributes: [igp, sequence(65002), hop(2)], announced: ['10.9.0.0/24'] }),
  )
  net.run(0.2)
  t.ok(c.best().some(text => text.startsWith('10.9.0.0/24')))
})

t.test('runner-up: what only means something inside an AS is ignored from outside, and loops are silent', async t => {
  const { net, puppet, a, c } = stage({ b: 65002, c: 65003 })
  const strange = [attribute(localPref, 900), attribute(originatorId, A), attribute(clusterList, [A, '9.9.9.9'])]
  puppet.send(update({ attributes: [igp, sequence(65002), hop(2), ...strange], announced: ['10.1.0.0/24'] }))
  puppet.send(update({ attributes: [igp, sequence(65002, 65001), hop(2)], announced: ['10.2.0.0/24'] }))
  net.run(1)
  t.match(a.table('ipv4-unicast'), [
    { prefix: '10.1.0.0/24', localPref: undefined, originatorId: undefined, clusterList: [] },
  ])
  t.equal(a.table('ipv4-unicast').length, 1)
  t.match(c.best(), ['10.1.0.0/24 via 10.0.0.1 [65001 65002]'])
  t.same(
    a.reports.filter(report => report.type === 'update'),
    [],
    'a path that came round is no error',
  )
})

t.test('runner-up: what an iBGP peer sent goes to no other iBGP peer', async t => {
  const { net, puppet, a, c } = stage({ b: 65001, c: 65001 })
  puppet.send(
    update({ attributes: [igp, sequence(65009), hop(7), attribute(localPref, 100)], announced: ['10.1.0.0/24'] }),
  )
  net.run(1)
  t.same([a.best().length, c.best().length], [1, 0])
})

t.test('runner-up: a reflector never changes the next hop', async t => {
  for (const nextHop of ['auto', 'keep'] as const) {
    const { net, puppet, c } = stage({ b: 65001, c: 65001 }, {}, { reflectorClient: true, nextHop })
    puppet.send(
      update({ attributes: [igp, sequence(), hop(7), attribute(localPref, 100)], announced: ['10.1.0.0/24'] }),
    )
    net.run(1)
    t.match(c.table('ipv4-unicast'), [{ nextHop: '10.0.0.7', originatorId: '0.0.0.2', clusterList: [A] }], nextHop)
  }
})

t.test('runner-up: MED decides within a neighbouring AS, in whatever order the paths come', async t => {
  // Of AS 65002 the path with MED 1 beats that with 9; the other AS wins by its router id, or not, but always the same.
  const paths: [peer: string, attributes: number[][]][] = [
    [B, [igp, sequence(65002, 64999), hop(2), attribute(med, 9)]],
    [C, [igp, sequence(65003, 64999), hop(3), attribute(med, 5)]],
    [D, [igp, sequence(65002, 64999), hop(4), attribute(med, 1)]],
  ]
  const winners = [
    [0, 1, 2],
    [2, 1, 0],
    [1, 0, 2],
    [1, 2, 0],
    [0, 2, 1],
    [2, 0, 1],
  ].map(order => {
    const net = new Simulation(1)
    const puppets = new Map([
      [B, puppetOf(net, B, 65002)],
      [C, puppetOf(net, C, 65003)],
      [D, puppetOf(net, D, 65002)],
    ])
    const a = speaker(net, A, 65001, { [B]: 65002, [C]: 65003, [D]: 65002 })
    net.runUntil(() => established([a, B], [a, C], [a, D]), 20)
    for (const i of order) {
      puppets.get(paths[i][0])?.send(update({ attributes: paths[i][1], announced: ['10.1.0.0/24'] }))
      net.run(0.2)
    }
    return a.best()[0]
  })
  t.equal(new Set(winners).size, 1, winners.join())
  t.match(winners[0], 'via 10.0.0.3', 'B is out by its MED, and C has a lower router id than D')
})

t.test('runner-up: communities that keep a route in', async t => {
  const { net, puppet, a, c } = stage({ b: 65002, c: 65003 })
  for (const [i, community] of ['65535:65281', '65535:65282', '65002:1'].entries()) {
    const attributes = [igp, sequence(65002), hop(2), attribute(communities, [community])]
    puppet.send(update({ attributes, announced: [`10.${i}.0.0/24`] }))
  }
  net.run(1)
  t.equal(a.best().length, 3)
  t.same(c.best(), ['10.2.0.0/24 via 10.0.0.1 [65001 65002]'])
})

t.test('runner-up: large communities that come twice are passed on once', async t => {
  const { net, puppet, c } = stage({ b: 65002, c: 65003 })
  const twice = attribute(largeCommunities, ['1:2:3', '4:5:6', '1:2:3'])
  puppet.send(update({ attributes: [igp, sequence(65002), hop(2), twice], announced: ['10.1.0.0/24'] }))
  net.run(1)
  t.match(c.table('ipv4-unicast'), [{ largeCommunities: ['1:2:3', '4:5:6'] }])
})

t.test('runner-up: IPv6 next hops in every form', async t => {
  const zero = Array.from({ length: 16 }, () => 0)
  const local = [0xfe, 0x80, ...Array.from({ length: 13 }, () => 0), 2]
  const forms: [name: string, octets: number[], nextHop?: string][] = [
    ['global', hop6(2), 'fd00::2'],
    ['global and link-local', [...hop6(2), ...local], 'fd00::2'],
    // What speakers without a global address send; whether it is of use is for the peer's configuration to say.
    [':: and link-local', [...zero, ...local], 'whatever'],
    ['link-local alone', local, 'whatever'],
    ['link-local twice', [...local, ...local], 'whatever'],
    [':: alone', zero, undefined],
    ['loopback', [...zero.slice(1), 1], undefined],
    ['multicast', [0xff, 2, ...zero.slice(2)], undefined],
  ]
  for (const [name, octets, nextHop] of forms) {
    const { net, puppet, a, c } = stage({ b: 65002, c: 65003 })
    puppet.send(update({ attributes: [igp, sequence(65002), mpReachOctets('ipv6-unicast', octets, ['fd01::/64'])] }))
    net.run(1)
    t.same([a.peer(B).state, a.peer(B).flaps, c.peer(A).flaps], ['Established', 0, 0], name)
    if (nextHop === 'whatever') continue
    t.same(
      a.table('ipv6-unicast').map(row => row.nextHop),
      nextHop === undefined ? [] : [nextHop],
      name,
    )
    t.equal(c.best('ipv6-unicast').length, nextHop === undefined ? 0 : 1)
  }
})

t.test('runner-up: what is passed on is what came, though the octets came in one buffer with others', async t => {
  const { net, puppet, c } = stage({ b: 65002, c: 65003 })
  const many = Array.from({ length: 60 }, (_, i) => {
    const attributes = [igp, sequence(65002, 1000 + i), hop(2), attribute(communities, [`65002:${i}`])]
    return update({ attributes, announced: [`10.0.${i}.0/24`] })
  })
  puppet.send(Uint8Array.from(many.flatMap(one => [...one])))
  net.run(1)
  t.same(
    c
      .table('ipv4-unicast')
      .map(({ prefix, asPath, communities }) => `${prefix} ${asPath} ${communities.join()}`)
      .toSorted(),
    Array.from({ length: 60 }, (_, i) => `10.0.${i}.0/24 65001 65002 ${1000 + i} 65002:${i}`).toSorted(),
  )
})

t.test('runner-up: markers, and lengths that cannot be', async t => {
  const header = (length: number, type: number, more = 0) => {
    const octets = new Uint8Array(19 + more)
    octets.set(keepalive)
    octets.set([length >> 8, length & 255, type], 16)
    return octets
  }
  const unmarked = (at: number) => {
    const octets = keepalive.slice()
    octets[at] = 0xfe
    return octets
  }
  const rows: [string, Uint8Array, RegExp][] = [
    ...[0, 7, 15].map((at): [string, Uint8Array, RegExp] => [
      `octet ${at}`,
      unmarked(at),
      /Connection Not Synchronized/,
    ]),
    ...[0, 1, 18].map((n): [string, Uint8Array, RegExp] => [`length ${n}`, header(n, 4), /Bad Message Length/]),
    ['a KEEPALIVE of 20', header(20, 4, 1), /Bad Message Length/],
    ['an UPDATE of 22', header(22, UPDATE, 3), /Bad Message Length/],
    ['an OPEN of 5,000, which is never extended (RFC 8654 §4)', header(5000, 1, 4981), /Bad Message Length/],
    ['4,097 octets', header(4097, UPDATE, 4078), /Bad Message Length/],
    ['65,535 octets', header(65535, UPDATE), /Bad Message Length/],
    ['type 0', message(0, new Uint8Array(4)), /Bad Message Type/],
    ['type 255', message(255, new Uint8Array(4)), /Bad Message Type/],
  ]
  for (const [name, octets, expected] of rows) {
    const { net, puppet, a, c } = stage({ b: 65002, c: 65003 })
    puppet.send(octets)
    net.run(0.3)
    t.match(puppet.notification, expected, name)
    t.equal(a.peer(B).flaps, 1)
    t.equal(c.peer(A).flaps, 0)
  }
})
