// BGP roles and ONLY_TO_CUSTOMER (RFC 9234): who may be what to whom, and which routes leak.

import t from 'tap'
import { Simulation } from '../transport/simulation.ts'
import type { BgpRole, PeerConfig } from '../types.ts'
import { asPath, localPref, onlyToCustomer, origin } from '../wire/attributes.ts'
import { bgpRoles, type Capability } from '../wire/capabilities.ts'
import { attribute, mpReachOctets, raw, update } from '../wire/test-messages.ts'
import { Engine } from './engine.ts'
import { Puppet } from './test-puppet.ts'
import { config, established, type Peers, speaker } from './test-speakers.ts'

const [A, B, C, D] = ['10.0.0.1', '10.0.0.2', '10.0.0.3', '10.0.0.4']
const P = '10.1.0.0/24'

const says = (...values: readonly number[]): Capability[] => [
  { kind: 'fourOctetAs', asn: 65002 },
  ...values.map(value => ({ kind: 'role', value }) as const),
]

/** A speaker with a puppet that announces these roles. */
function meet(ours: Partial<PeerConfig>, ...values: readonly number[]) {
  const net = new Simulation(1)
  const puppet = new Puppet(net, B, { open: { capabilities: says(...values) } }).listen()
  const a = speaker(net, A, 65001, { [B]: { remoteAs: 65002, ...ours } })
  net.run(2)
  return { net, puppet, a }
}

t.test('roles go in pairs; all others are refused with words (§4.2)', async t => {
  const pairs = ['provider customer', 'customer provider', 'peer peer', 'rs-server rs-client', 'rs-client rs-server']
  for (const role of bgpRoles) {
    for (const [value, theirs] of [...bgpRoles, undefined].entries()) {
      const { puppet, a } = meet({ role }, value)
      const isPair = pairs.includes(`${role} ${theirs}`)
      t.equal(a.peer(B).state === 'Established', isPair, `${role} and ${theirs ?? value}`)
      if (isPair) t.match(a.peer(B), { role, peerRole: theirs })
      else {
        t.equal(puppet.notification, 'OPEN Message Error / Role Mismatch')
        t.match(
          a.peer(B).lastError,
          /its role is .*, but ours is .* only \(RFC 9234\); correct role here or at 10\.0\.0\.2/,
        )
      }
    }
  }
})

t.test('no role, several roles, a malformed one (§4.2)', async t => {
  const up = (ours: Partial<PeerConfig>, ...values: readonly number[]) =>
    meet(ours, ...values).a.peer(B).state === 'Established'
  t.ok(up({ role: 'customer' }), 'none announced')
  t.notOk(up({ role: 'customer', strictRole: true }), 'none announced, and we insist')
  t.ok(up({ role: 'customer', strictRole: true }, 0))
  t.ok(up({ role: 'customer' }, 0, 0), 'the same twice')
  t.notOk(up({ role: 'customer' }, 0, 3), 'two different ones')
  t.notOk(up({}, 0, 3), 'also where we have none')
  t.ok(up({}, 0), 'one is nothing to us where we have none')
  const strict = meet({ role: 'peer', strictRole: true })
  t.match(strict.a.peer(B).lastError, /announces no role, but strictRole is set, and our role is peer/)

  const net = new Simulation(1)
  const long = [...says(), { kind: 'unknown', code: 9, value: Uint8Array.of(3, 3) }] as const
  new Puppet(net, B, { open: { capabilities: long } }).listen()
  const a = speaker(net, A, 65001, { [B]: { remoteAs: 65002, role: 'customer' } })
  net.run(2)
  t.match(a.peer(B), { state: 'Established', peerRole: undefined }, 'two octets are no role')
})

t.test('the role is that of the session at hand, not of the one before', async t => {
  const net = new Simulation(1)
  const open = { capabilities: says(0) as readonly Capability[] }
  const puppet = new Puppet(net, B, { open }).listen()
  const a = speaker(net, A, 65001, { [B]: { remoteAs: 65002, role: 'customer' } })
  net.run(2)
  t.equal(a.peer(B).peerRole, 'provider')
  open.capabilities = says()
  puppet.close()
  net.run(60)
  t.match(a.peer(B), { state: 'Established', flaps: 1, peerRole: undefined })
})

const MARKED = 65009

/**
 * B (65002) announces a route to A, which has the role `role` towards it; with `marks` as ONLY_TO_CUSTOMER. What A holds,
 * and whether C, to whom A is a provider, and D, to whom A is a customer, hear of it.
 */
function leak(role: BgpRole | undefined, marks: number | undefined, family: 'ipv4-unicast' | 'ipv6-unicast') {
  const net = new Simulation(1)
  const capabilities = [
    ...says(),
    { kind: 'multiprotocol', afi: 1, safi: 1 },
    { kind: 'multiprotocol', afi: 2, safi: 1 },
  ] as const
  const puppet = new Puppet(net, B, { open: { capabilities } }).listen()
  const families = ['ipv4-unicast', 'ipv6-unicast'] as const
  const both = (host: number) => ({ families, nextHopSelf: { 'ipv6-unicast': `fd00::${host}` } })
  const a = speaker(net, A, 65001, {
    [B]: { remoteAs: 65002, role, ...both(1) },
    [C]: { remoteAs: 65003, role: 'provider', ...both(1) },
    [D]: { remoteAs: 65004, role: 'customer', ...both(1) },
  })
  const c = speaker(net, C, 65003, { [A]: { remoteAs: 65001, ...both(3) } })
  const d = speaker(net, D, 65004, { [A]: { remoteAs: 65001, ...both(4) } })
  net.runUntil(() => established([a, B], [a, C], [a, D]), 20)
  const path = attribute(asPath, [{ type: 'sequence', asns: [65002] }])
  const otc = marks === undefined ? [] : [attribute(onlyToCustomer, marks)]
  const head = [attribute(origin, 'igp'), path]
  const hop6 = [0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2]
  puppet.send(
    family === 'ipv4-unicast'
      ? update({ attributes: [...head, raw(3, [10, 0, 0, 2]), ...otc], announced: [P] })
      : update({ attributes: [...head, mpReachOctets(family, hop6, ['fd00:1::/64']), ...otc] }),
  )
  net.run(2)
  const [row] = a.table(family, 'in', B)
  const heard = (one: typeof c) => one.table(family)[0]?.onlyToCustomer
  const rib = a.engine.rib(family)
  const why = () => rib.explainExport(a.engine.peerId(D)!, rib.lookup(row.prefix)!)?.text
  return {
    row,
    used: a.table(family).length > 0,
    down: heard(c),
    up: d.table(family).length > 0,
    upMark: heard(d),
    why,
  }
}

t.test('which routes are leaks, which are marked, and who is told (§5)', async t => {
  const rows: readonly (readonly [BgpRole | undefined, number | undefined, number | 'leak' | undefined, boolean])[] = [
    // our role, their ONLY_TO_CUSTOMER, what we keep, whether our own provider hears of it
    ['provider', undefined, undefined, true],
    ['provider', MARKED, 'leak', false],
    ['provider', 65002, 'leak', false],
    ['provider', 0, 'leak', false],
    ['rs-server', undefined, undefined, true],
    ['rs-server', MARKED, 'leak', false],
    ['peer', undefined, 65002, false],
    ['peer', 65002, 65002, false],
    ['peer', MARKED, 'leak', false],
    ['customer', undefined, 65002, false],
    ['customer', MARKED, MARKED, false],
    ['rs-client', undefined, 65002, false],
    ['rs-client', MARKED, MARKED, false],
    [undefined, undefined, undefined, true],
    [undefined, MARKED, MARKED, false],
  ]
  for (const family of ['ipv4-unicast', 'ipv6-unicast'] as const) {
    for (const [role, marks, kept, up] of rows) {
      const name = `${family}: ${role ?? 'no role'} with ${marks ?? 'no mark'}`
      const seen = leak(role, marks, family)
      if (kept === 'leak') {
        t.notOk(seen.used, name)
        t.match(seen.row.reason, /a route leak: ONLY_TO_CUSTOMER .* \(RFC 9234 §5\)/)
        continue
      }
      t.equal(seen.row.onlyToCustomer, kept, name)
      t.equal(seen.down, kept ?? 65001, `${name}: to the customer with a mark`)
      t.equal(seen.up, up, `${name}: to the provider`)
      if (up) t.equal(seen.upMark, undefined, `${name}: without a mark`)
      else t.equal(seen.why(), 'not sent: it carries ONLY_TO_CUSTOMER, and the peer is our provider (RFC 9234)')
    }
  }
})

t.test('by role of the receiver: who is told of a marked route, and whose mark an unmarked one gets', async t => {
  for (const [role, toldMarked, mark] of [
    ['provider', true, 65001],
    ['rs-server', true, 65001],
    ['peer', false, 65001],
    ['customer', false, undefined],
    ['rs-client', false, undefined],
    [undefined, true, undefined],
  ] as const) {
    const net = new Simulation(1)
    const puppet = new Puppet(net, B).listen()
    const a = speaker(net, A, 65001, { [B]: 65002, [C]: { remoteAs: 65003, role } })
    const c = speaker(net, C, 65003, { [A]: 65001 })
    net.runUntil(() => established([a, B], [a, C]), 20)
    const path = attribute(asPath, [{ type: 'sequence', asns: [65002] }])
    const head = [attribute(origin, 'igp'), path, raw(3, [10, 0, 0, 2])]
    puppet.send(update({ attributes: [...head, attribute(onlyToCustomer, MARKED)], announced: [P] }))
    a.originate('10.9.0.0/24')
    net.run(2)
    const got = new Map(c.table('ipv4-unicast').map(row => [row.prefix, row.onlyToCustomer]))
    t.equal(got.get(P), toldMarked ? MARKED : undefined, `${role}: a marked route stays as it is`)
    t.equal(got.has(P), toldMarked)
    t.equal(got.get('10.9.0.0/24'), mark, `${role}: our own route`)
    t.ok(got.has('10.9.0.0/24'))
  }
})

t.test('inside the AS the mark goes on, whatever it says', async t => {
  const net = new Simulation(1)
  const puppet = new Puppet(net, B).listen()
  const a = speaker(net, A, 65001, { [B]: { remoteAs: 65002, role: 'customer' }, [C]: 65001 })
  const c = speaker(net, C, 65001, { [A]: 65001, [D]: { remoteAs: 65004, role: 'peer' } })
  const d = speaker(net, D, 65004, { [C]: 65001 })
  net.runUntil(() => established([a, B], [a, C], [c, D]), 20)
  const path = attribute(asPath, [{ type: 'sequence', asns: [65002] }])
  puppet.send(update({ attributes: [attribute(origin, 'igp'), path, raw(3, [10, 0, 0, 2])], announced: [P] }))
  net.run(2)
  t.match(c.table('ipv4-unicast'), [{ prefix: P, onlyToCustomer: 65002 }])
  t.same(d.table('ipv4-unicast'), [], 'so that another border router knows')
})

t.test('a malformed mark: the routes count as withdrawn (§5, RFC 7606)', async t => {
  for (const kind of ['ebgp', 'ibgp'] as const) {
    const remoteAs = kind === 'ebgp' ? 65002 : 65001
    const net = new Simulation(1)
    const open = { asn: remoteAs, capabilities: [{ kind: 'fourOctetAs', asn: remoteAs }] as const }
    const puppet = new Puppet(net, B, { open }).listen()
    const a = speaker(net, A, 65001, { [B]: { remoteAs, role: kind === 'ebgp' ? 'customer' : undefined } })
    net.run(2)
    const path = attribute(asPath, [{ type: 'sequence', asns: [65002] }])
    const head = [attribute(origin, 'igp'), path, raw(3, [10, 0, 0, 2]), attribute(localPref, 100)]
    const send = (value: readonly number[], flags = 0xc0) => {
      puppet.send(update({ attributes: [...head, attribute(onlyToCustomer, 65002)], announced: [P] }))
      net.run(1)
      t.equal(a.best().length, 1)
      puppet.send(update({ attributes: [...head, raw(35, value, flags)], announced: [P] }))
      net.run(1)
      return a.best().length
    }
    for (const value of [[], [0, 0, 1], [0, 0, 0, 1, 0]]) t.equal(send(value), 0, `${kind}, ${value.length} octets`)
    t.equal(send([0, 0, 0, 1], 0x80), 0, 'flags')
    t.match(
      a.reports.find(report => report.type === 'update'),
      { treatment: 'withdraw', text: /ONLY_TO_CUSTOMER: length 0, must be 4/ },
    )
    t.equal(a.peer(B).state, 'Established')
  }
})

t.test('another role means another session, for that peer only', async t => {
  const net = new Simulation(1)
  const peers = (role: BgpRole | undefined, more: Partial<PeerConfig> = {}): Peers => ({
    [B]: { remoteAs: 65002, role, ...more },
    [C]: 65003,
  })
  const a = speaker(net, A, 65001, peers(undefined))
  const [b] = [speaker(net, B, 65002, { [A]: 65001 }), speaker(net, C, 65003, { [A]: 65001 })]
  net.runUntil(() => established([a, B], [a, C], [b, A]), 20)
  const flaps = (more: Peers) => {
    a.configure(config(A, 65001, more))
    net.runUntil(() => established([a, B], [a, C]), 120)
    return [a.peer(B).flaps, a.peer(C).flaps]
  }
  t.same(flaps(peers('provider')), [1, 0])
  t.same(flaps(peers('provider')), [1, 0], 'the same again')
  t.same(flaps(peers(undefined, { strictRole: false })), [2, 0])
})

t.test('what is wrong with roles is told', async t => {
  const check = (peer: Partial<PeerConfig>) =>
    new Engine({ seed: 1, now: 0 })
      .configure(config(A, 65001, { [B]: { remoteAs: 65002, ...peer } }))
      .map(({ field, reason, fix }) => `${field}: ${reason}; ${fix}`)
  t.match(check({ role: 'client' as 'customer' }), [
    /^role: .* use provider, rs-server, rs-client, customer, peer: what we/,
  ])
  t.match(check({ role: 'peer', remoteAs: 65001 }), [/^role: the peer belongs to us.*correct remoteAs$/])
  t.match(check({ strictRole: true }), [/^strictRole: .* set role, or remove it$/])
})
