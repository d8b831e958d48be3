// IPv4 routes with IPv6 next hops (RFC 8950), and next hops that are link-local (RFC 2545 §3).

import t from 'tap'
import { Simulation } from '../transport/simulation.ts'
import type { ChangeView, PeerConfig } from '../types.ts'
import { attribute, mpReachOctets, mpUnreachOctets, update } from '../wire/test-messages.ts'
import { asPath, origin } from '../wire/attributes.ts'
import { NOTIFICATION, OPEN, UPDATE } from '../wire/header.ts'
import { checkConfig } from './check.ts'
import { Puppet } from './test-puppet.ts'
import { config, established, speaker } from './test-speakers.ts'

const [A, B, C] = ['fd00::1', 'fd00::2', '10.0.0.3']
const on = { extendedNextHop: true } as const
const id = (n: number) => ({ routerId: `10.0.0.${n}` })
const octets = (start: readonly number[], last: number) => [...start, ...Array(15 - start.length).fill(0), last]
const GLOBAL = octets([0xfd, 0], 2)
const LOCAL = octets([0xfe, 0x80], 2)
const NONE = octets([], 0)

function pair(net: Simulation, theirs: Partial<PeerConfig> = on, ours: Partial<PeerConfig> = on) {
  const a = speaker(net, A, 65001, { [B]: { remoteAs: 65002, ...ours } }, id(1))
  const b = speaker(net, B, 65002, { [A]: { remoteAs: 65001, ...theirs } }, id(2))
  return [a, b] as const
}

t.test('IPv4 and IPv6 over one IPv6 session, with IPv6 next hops: tables, feed, withdrawal', t => {
  const net = new Simulation(1)
  const [a, b] = pair(net)
  a.originate('10.1.0.0/24', '10.1.1.0/24', 'fd01::/64')
  net.run(10)
  t.match(a.peer(B), { extendedNextHop: true, families: ['ipv4-unicast', 'ipv6-unicast'] })
  t.same(b.best(), ['10.1.0.0/24 via fd00::1 [65001]', '10.1.1.0/24 via fd00::1 [65001]'])
  t.same(b.best('ipv6-unicast'), ['fd01::/64 via fd00::1 [65001]'])
  t.same(
    a.table('ipv4-unicast', 'out', B).map(({ nextHop }) => nextHop),
    [A, A],
  )
  t.same(b.peer(A).endOfRib, ['ipv4-unicast', 'ipv6-unicast'])
  const changes = b.engine.rib('ipv4-unicast').changes('fib')
  const view: ChangeView = { prefix: '', nextHops: [], peer: '', med: undefined, localPref: undefined }
  t.ok(changes.next(view))
  t.match(view, { prefix: /^10.1.[01].0.24/, nextHops: [A], peer: A })
  b.driver.with(engine => engine.setNextHops([{ address: A, reachable: false, metric: 0 }]))
  net.run(1)
  t.same(b.best(), [], 'an IPv6 next hop of an IPv4 route is tracked like any')
  b.driver.with(engine => engine.setNextHops([{ address: A, reachable: true, metric: 0 }]))
  a.originate('10.1.1.0/24')
  net.run(5)
  t.same(b.best(), ['10.1.1.0/24 via fd00::1 [65001]'])
  t.end()
})

t.test('without the capability at one end IPv4 stays away from an IPv6 session, and IPv6 goes on', t => {
  const net = new Simulation(1)
  const hop = { nextHopSelf: { 'ipv4-unicast': '10.0.0.2' } }
  const [a, b] = pair(net, { families: ['ipv4-unicast', 'ipv6-unicast'], ...hop })
  a.originate('10.1.0.0/24', 'fd01::/64')
  net.run(10)
  t.match(a.peer(B), { extendedNextHop: false, families: ['ipv6-unicast'], state: 'Established' })
  t.same(b.best(), [])
  t.same(b.best('ipv6-unicast'), ['fd01::/64 via fd00::1 [65001]'])
  t.end()
})

t.test('a route with an IPv6 next hop goes to other peers as they can take it', t => {
  const net = new Simulation(1)
  const b = speaker(
    net,
    B,
    65002,
    {
      [A]: { remoteAs: 65001, ...on },
      [C]: { remoteAs: 65003, localAddress: '10.0.0.2' },
      '10.0.0.4': { remoteAs: 65002, localAddress: '10.0.0.2' },
      'fd00::5': { remoteAs: 65002, ...on },
      '10.0.0.6': { remoteAs: 65002, localAddress: '10.0.0.2', nextHop: 'self' },
      '10.0.0.7': { remoteAs: 65002, localAddress: '10.0.0.2', ...on },
    },
    id(2),
  )
  const a = speaker(net, A, 65001, { [B]: { remoteAs: 65002, ...on } }, id(1))
  const c = speaker(net, C, 65003, { '10.0.0.2': 65002 })
  const four = speaker(net, '10.0.0.4', 65002, { '10.0.0.2': 65002 })
  const five = speaker(net, 'fd00::5', 65002, { [B]: { remoteAs: 65002, ...on } }, id(5))
  const six = speaker(net, '10.0.0.6', 65002, { '10.0.0.2': 65002 })
  const seven = speaker(net, '10.0.0.7', 65002, { '10.0.0.2': { remoteAs: 65002, ...on } })
  // The hub has both addresses: those that dial it find it under either.
  const transport = net.network.host('10.0.0.2')
  transport.listen({ port: 179 }, { accepted: conn => b.driver.accept(conn), listening: () => {}, failed: () => {} })
  net.run(10)
  a.originate('10.1.0.0/24')
  c.originate('10.3.0.0/24')
  net.run(10)
  t.ok(established([b, A], [b, C], [b, '10.0.0.4'], [b, 'fd00::5'], [b, '10.0.0.6'], [b, '10.0.0.7']))
  t.same(a.best(), ['10.1.0.0/24 via 0.0.0.0 []', '10.3.0.0/24 via fd00::2 [65002 65003]'], 'and the other way')
  t.same(c.best()[0], '10.1.0.0/24 via 10.0.0.2 [65002 65001]', 'eBGP: our own next hop')
  t.same(four.best(), ['10.3.0.0/24 via 10.0.0.3 [65003]'], 'iBGP would keep it, and the peer cannot read it')
  const prefix = b.engine.rib('ipv4-unicast').lookup('10.1.0.0/24') ?? 0
  const peer = b.engine.peerId('10.0.0.4') ?? 0
  t.match(b.engine.rib('ipv4-unicast').explainExport(peer as never, prefix as never), {
    accepted: false,
    text: /IPv6 next hop.*extendedNextHop \(RFC 8950\)/,
  })
  t.same(five.best(), ['10.1.0.0/24 via fd00::1 [65001]', '10.3.0.0/24 via 10.0.0.3 [65003]'], 'both kinds, unchanged')
  t.same(six.best(), ['10.1.0.0/24 via 10.0.0.2 [65001]', '10.3.0.0/24 via 10.0.0.2 [65003]'])
  t.same(seven.best(), five.best(), 'over IPv4 as well')
  t.end()
})

t.test('every form of a link-local next hop is taken, and belongs to its link', t => {
  for (const [name, hop, text] of [
    ['one that is link-local', LOCAL, 'fe80::2%eth0'],
    [':: and link-local', [...NONE, ...LOCAL], 'fe80::2%eth0'],
    ['link-local twice', [...LOCAL, ...LOCAL], 'fe80::2%eth0'],
    ['global and link-local', [...GLOBAL, ...LOCAL], 'fd00::2'],
    ['global', GLOBAL, 'fd00::2'],
    ['another link named by the peer', octets([0xfe, 0x80, 0, 7], 2), 'fe80::2%eth0'],
    [':: alone', NONE, undefined],
    [':: and global', [...NONE, ...GLOBAL], undefined],
  ] as const) {
    const net = new Simulation(1)
    const there = 'fe80::2%eth0'
    const families = [{ afi: 1, safi: 1, hopAfi: 2 }]
    const capabilities = [
      { kind: 'multiprotocol', afi: 1, safi: 1 },
      { kind: 'multiprotocol', afi: 2, safi: 1 },
      { kind: 'fourOctetAs', asn: 65002 },
      { kind: 'extendedNextHop', families },
    ] as const
    const puppet = new Puppet(net, there, { open: { asn: 65002, capabilities } }).listen()
    const a = speaker(net, 'fe80::1%eth0', 65001, { [there]: 65002 }, id(1))
    net.runUntil(() => established([a, there]), 10)
    const attributes = [attribute(origin, 'igp'), attribute(asPath, [{ type: 'sequence', asns: [65002] }])]
    puppet.send(
      update({ attributes: [mpReachOctets('ipv4-unicast', hop, ['10.2.0.0/24']), ...attributes] }),
      update({ attributes: [mpReachOctets('ipv6-unicast', hop, ['fd02::/64']), ...attributes] }),
    )
    net.run(1)
    t.same(a.best(), text === undefined ? [] : [`10.2.0.0/24 via ${text} [65002]`], name)
    t.same(a.best('ipv6-unicast'), text === undefined ? [] : [`fd02::/64 via ${text} [65002]`], name)
    t.equal(a.peer(there).state, 'Established', 'no form ends the session')
    puppet.send(update({ attributes: [mpUnreachOctets('ipv4-unicast', ['10.2.0.0/24'])] }))
    net.run(1)
    t.same(a.best(), [])
  }
  t.end()
})

t.test('our own: OPEN and UPDATE octet by octet', t => {
  const net = new Simulation(1)
  const there = 'fe80::2%eth0'
  const capabilities = [
    { kind: 'multiprotocol', afi: 1, safi: 1 },
    { kind: 'fourOctetAs', asn: 65002 },
    { kind: 'extendedNextHop', families: [{ afi: 1, safi: 1, hopAfi: 2 }] },
  ] as const
  const puppet = new Puppet(net, there, { open: { asn: 65002, capabilities } }).listen()
  const a = speaker(net, 'fe80::1%eth0', 65001, { [there]: 65002 }, id(1))
  a.originate('10.1.0.0/24')
  net.run(10)
  const open = Array.from(puppet.of(OPEN)[0]).join(' ')
  t.match(open, / 2 8 5 6 0 1 0 1 0 2/, 'RFC 8950 §4')
  const [sent, end] = puppet.of(UPDATE).map(message => Array.from(message).slice(19))
  const own = octets([0xfe, 0x80], 1)
  t.match(sent.join(' '), [0, 1, 1, 32, ...own, ...own, 0, 24, 10, 1, 0].join(' '), 'link-local twice, as FRR has it')
  t.same(end, [0, 0, 0, 0], 'End-of-RIB of IPv4 is the empty UPDATE (RFC 4724 §2)')
  t.end()
})

t.test('a next hop of 16 octets for IPv4 that was not agreed on ends the session (RFC 7606 §7.11)', t => {
  const net = new Simulation(1)
  const puppet = new Puppet(net, B, { open: { asn: 65002 } }).listen()
  const a = speaker(net, A, 65001, { [B]: { remoteAs: 65002, nextHopSelf: { 'ipv4-unicast': '10.0.0.1' } } }, id(1))
  net.runUntil(() => established([a, B]), 10)
  const attributes = [attribute(origin, 'igp'), attribute(asPath, [{ type: 'sequence', asns: [65002] }])]
  puppet.send(update({ attributes: [mpReachOctets('ipv4-unicast', GLOBAL, ['10.2.0.0/24']), ...attributes] }))
  net.run(1)
  t.same(Array.from(puppet.of(NOTIFICATION)[0] ?? []).slice(19, 21), [3, 9])
  t.end()
})

t.test('policies match and set such next hops', t => {
  const net = new Simulation(1)
  const policy = {
    name: 'p',
    rules: [
      {
        name: 'range',
        when: { nextHops: ['fd00::/64'], family: 'ipv4-unicast' },
        then: 'next',
        set: { localPref: 77 },
      },
      { name: 'family', then: 'accept', set: { nextHop: 'fd00::9' } },
    ],
    otherwise: 'reject',
  } as const
  const [a, b] = pair(net, { ...on, import: policy })
  a.originate('10.1.0.0/24', 'fd01::/64')
  net.run(10)
  t.same(b.best(), ['10.1.0.0/24 via fd00::1 [65001]'], 'an address is set on routes of its family only')
  t.equal(b.table('ipv4-unicast')[0].localPref, 77)
  t.same(b.best('ipv6-unicast'), ['fd01::/64 via fd00::9 [65001]'])
  b.configure(config(B, 65002, { [A]: { remoteAs: 65001, ...on } }, id(2)))
  const self = {
    name: 's',
    rules: [{ name: 'self', then: 'accept', set: { nextHop: 'self' } }],
    otherwise: 'reject',
  } as const
  a.configure(config(A, 65001, { [B]: { remoteAs: 65002, ...on, export: self } }, id(1)))
  net.run(5)
  t.same(b.best(), ['10.1.0.0/24 via fd00::1 [65001]'])
  t.end()
})

t.test('the same link-local address on two links is two peers and two next hops', t => {
  const net = new Simulation(1)
  const links = ['eth0', 'eth1']
  const peers = Object.fromEntries(links.map(link => [`fe80::2%${link}`, { remoteAs: 'external' as const }]))
  const a = speaker(net, 'fe80::1%eth0', 65001, peers, id(1))
  const transport = net.network.host('fe80::1%eth1')
  transport.listen({ port: 179 }, { accepted: conn => a.driver.accept(conn), listening: () => {}, failed: () => {} })
  const [b, c] = links.map((link, i) =>
    speaker(net, `fe80::2%${link}`, 65002, { [`fe80::1%${link}`]: 65001 }, id(2 + i)),
  )
  a.driver.with(engine => engine.setNextHops([{ address: 'fe80::2%eth1', reachable: true, metric: 5 }]))
  for (const one of [b, c]) one.originate('10.2.0.0/24')
  net.run(20)
  t.ok(established([a, 'fe80::2%eth0'], [a, 'fe80::2%eth1']))
  const feed = () => {
    const view: ChangeView = { prefix: '', nextHops: [], peer: '', med: undefined, localPref: undefined }
    a.engine.rib('ipv4-unicast').changes('fib').next(view)
    return view.nextHops
  }
  t.same(feed(), ['fe80::2%eth0'], 'metrics are told of an address on its link')
  a.driver.with(engine => engine.setNextHops([{ address: 'fe80::2%eth1', reachable: true, metric: 0 }]))
  net.run(1)
  t.same(feed().toSorted(), ['fe80::2%eth0', 'fe80::2%eth1'], 'equal paths')
  b.kill()
  net.run(100)
  t.same(feed(), ['fe80::2%eth1'])
  t.end()
})

t.test('what cannot be meant is refused', t => {
  const refused = (peer: Partial<PeerConfig>) =>
    checkConfig(config(A, 65001, { [B]: { remoteAs: 65002, ...peer } }, id(1))).map(
      ({ field, fix }) => `${field}: ${fix}`,
    )
  t.match(refused({ families: ['ipv4-unicast'] }), [/families: set extendedNextHop/])
  t.same(refused({ families: ['ipv4-unicast'], ...on }), [])
  t.match(refused({ nextHopSelf: { 'ipv4-unicast': 'fd00::1' } }), [/nextHopSelf/])
  t.same(refused({ nextHopSelf: { 'ipv4-unicast': 'fd00::1' }, ...on }), [])
  t.end()
})

t.test('a peer that hangs up while it does not know us yet still gets IPv4 when it does', t => {
  const net = new Simulation(1)
  const there = 'fe80::2%eth0'
  const a = speaker(net, 'fe80::1%eth0', 65001, { [there]: { remoteAs: 65002, connectRetry: 1 } }, id(1))
  let hangsUp = true
  const b = speaker(
    net,
    there,
    65002,
    { 'fe80::1%eth0': { remoteAs: 65001, passive: true } },
    { ...id(2), listenPort: 0 },
  )
  net.network
    .host(there)
    .listen(
      { port: 179 },
      { accepted: conn => (hangsUp ? conn.close(true) : b.driver.accept(conn)), listening: () => {}, failed: () => {} },
    )
  for (let closed = 1; closed < 12; closed++) {
    net.run(closed)
    if (closed < 5) continue
    hangsUp = false
    net.runUntil(() => established([a, there]), 60)
    t.match(a.peer(there), { extendedNextHop: true, families: ['ipv4-unicast', 'ipv6-unicast'] }, `${closed}`)
    hangsUp = true
    b.driver.with(engine => engine.resetPeer('fe80::1%eth0'))
  }
  t.end()
})
