// Routes between whole speakers on the in-memory network.

import t from 'tap'
import * as fc from 'fast-check'
import { Simulation } from '../transport/simulation.ts'
import type { SimulatedSpeaker } from '../transport/simulation.ts'
import { config, established, speaker } from './test-speakers.ts'

const [A, B, C, D] = ['10.0.0.1', '10.0.0.2', '10.0.0.3', '10.0.0.4']

t.test('eBGP in a row: paths grow, next hops are the neighbours, nothing comes back', t => {
  const net = new Simulation(1)
  const a = speaker(net, A, 65001, { [B]: 65002 })
  const b = speaker(net, B, 65002, { [A]: 65001, [C]: 4200000003 })
  const c = speaker(net, C, 4200000003, { [B]: 65002 })
  a.originate('10.1.0.0/24', '10.1.1.0/26')
  c.originate('10.3.0.0/16', '0.0.0.0/0')
  t.ok(net.runUntil(() => a.best().length === 4 && c.best().length === 4, 30))
  t.same(c.best().slice(1, 3), ['10.1.0.0/24 via 10.0.0.2 [65002 65001]', '10.1.1.0/26 via 10.0.0.2 [65002 65001]'])
  t.same(a.best()[0], '0.0.0.0/0 via 10.0.0.2 [65002 4200000003]')
  t.same(a.table('ipv4-unicast', 'in', B).length, 2, 'split horizon')
  a.originate('10.1.1.0/26')
  net.run(1)
  t.same(
    c.best().map(text => text.split(' ')[0]),
    ['0.0.0.0/0', '10.1.1.0/26', '10.3.0.0/16'],
  )
  b.kill()
  net.run(1)
  t.same([a.best().length, c.best().length], [1, 2], 'only their own are left')
  t.end()
})

t.test('iBGP: local preference and next hop kept, not passed on to a third', t => {
  const net = new Simulation(2)
  const a = speaker(net, A, 65001, { [B]: 65001 })
  const b = speaker(net, B, 65001, { [A]: 65001, [C]: 65001 })
  const c = speaker(net, C, 65001, { [B]: 65001 })
  a.driver.with(engine =>
    engine.originate([{ prefix: '10.1.0.0/24', localPref: 250, med: 7, communities: ['65001:9'] }]),
  )
  t.ok(net.runUntil(() => established([a, B], [b, A], [c, B]) && b.best().length === 1, 30))
  t.match(b.table('ipv4-unicast'), [
    { prefix: '10.1.0.0/24', nextHop: A, asPath: '', localPref: 250, med: 7, communities: ['65001:9'], peer: A },
  ])
  net.run(5)
  t.same(c.best(), [])
  t.end()
})

t.test('a route reflector passes on to clients, with originator and cluster list', t => {
  const net = new Simulation(3)
  const client = (more = {}) => ({ remoteAs: 65001, reflectorClient: true, ...more })
  const clusterId = '9.9.9.9'
  const rr = speaker(net, A, 65001, { [B]: client(), [C]: client(), [D]: 65001 }, { clusterId })
  const [b, c, d] = [B, C, D].map(address => speaker(net, address, 65001, { [A]: 65001 }))
  b.originate('10.2.0.0/24')
  d.originate('10.4.0.0/24')
  t.ok(net.runUntil(() => c.best().length === 2 && d.best().length === 2, 30))
  t.match(
    c.table('ipv4-unicast').find(row => row.prefix === '10.2.0.0/24'),
    {
      nextHop: B,
      originatorId: B,
      clusterList: [clusterId],
    },
  )
  t.same(b.best(), ['10.2.0.0/24 via 0.0.0.0 []', '10.4.0.0/24 via 10.0.0.4 []'])
  t.equal(rr.best().length, 2)
  t.end()
})

t.test('clients that tell each other are not told of each other, switched while sessions are up (RFC 4456 §6)', t => {
  const net = new Simulation(3)
  const client = { remoteAs: 65001, reflectorClient: true }
  const peers = { [B]: client, [C]: client, [D]: 65001 }
  const rr = speaker(net, A, 65001, peers, { clientToClient: false })
  const [b, c, d] = [B, C, D].map(address => speaker(net, address, 65001, { [A]: 65001 }))
  b.originate('10.2.0.0/24')
  d.originate('10.4.0.0/24')
  const has = () => [b, c, d].map(one => one.best().map(text => text.slice(0, 4)))
  t.ok(net.runUntil(() => c.best().length === 1 && d.best().length === 2, 30))
  net.run(5)
  const meshed = [['10.2', '10.4'], ['10.4'], ['10.2', '10.4']]
  t.same(has(), meshed, 'from clients to others, and from others to clients')
  t.match(rr.engine.explain('10.2.0.0/24').exports, [
    { peer: B, accepted: false },
    { peer: C, accepted: false, text: /clientToClient/ },
    { peer: D, accepted: true },
  ])
  const sessions = () => rr.engine.status().map(({ since }) => since)
  const before = sessions()
  rr.configure(config(A, 65001, peers))
  t.ok(net.runUntil(() => c.best().length === 2, 5))
  rr.configure(config(A, 65001, peers, { clientToClient: false }))
  t.ok(net.runUntil(() => c.best().length === 1, 5))
  t.same(has(), meshed)
  t.same(sessions(), before)
  t.end()
})

t.test('reflectors of one cluster do not feed each other for ever', t => {
  const net = new Simulation(4)
  const clusterId = '9.9.9.9'
  const client = { remoteAs: 65001, reflectorClient: true }
  const one = speaker(net, A, 65001, { [B]: 65001, [C]: client, [D]: client }, { clusterId })
  const two = speaker(net, B, 65001, { [A]: 65001, [C]: client, [D]: client }, { clusterId })
  const c = speaker(net, C, 65001, { [A]: 65001, [B]: 65001 })
  const d = speaker(net, D, 65001, { [A]: 65001, [B]: 65001 })
  c.originate('10.3.0.0/24')
  t.ok(
    net.runUntil(
      () => d.table('ipv4-unicast', 'in', A).length === 1 && d.table('ipv4-unicast', 'in', B).length === 1,
      30,
    ),
  )
  net.run(5)
  t.same(d.best(), ['10.3.0.0/24 via 10.0.0.3 []'])
  t.match(one.table('ipv4-unicast', 'in', B), [{ reason: /cluster/ }])
  c.originate()
  net.run(2)
  t.same(
    [one, two, d].map(each => each.best()),
    [[], [], []],
  )
  t.end()
})

t.test('a route through our own AS is kept but not used', t => {
  const net = new Simulation(5)
  const a = speaker(net, A, 65001, { [B]: 65002 })
  const b = speaker(net, B, 65002, { [A]: 65001, [C]: 65001 })
  const c = speaker(net, C, 65001, { [B]: 65002 })
  a.originate('10.1.0.0/24')
  t.ok(net.runUntil(() => established([b, C]) && b.best().length === 1, 30))
  net.run(2)
  t.same(c.best(), [])
  t.match(c.table('ipv4-unicast', 'in', B), [{ prefix: '10.1.0.0/24', reason: /AS/ }])
  t.match(c.peer(B), { prefixesReceived: 1, prefixesAccepted: 0 })
  t.end()
})

t.test('IPv6 routes on an IPv4 session, with the next hops configured', t => {
  const net = new Simulation(6)
  const families = ['ipv4-unicast', 'ipv6-unicast'] as const
  const six = (address: string) => ({ families, nextHopSelf: { 'ipv6-unicast': address } })
  const a = speaker(net, A, 65001, { [B]: { remoteAs: 65002, ...six('fd00::1') } })
  const b = speaker(net, B, 65002, { [A]: { remoteAs: 65001, ...six('fd00::2') } })
  a.originate('10.1.0.0/24', 'fd01::/64', '::/0')
  b.originate('fd02::/64')
  t.ok(net.runUntil(() => b.best('ipv6-unicast').length === 3 && b.best().length === 1, 30))
  t.same(b.best('ipv6-unicast'), ['::/0 via fd00::1 [65001]', 'fd01::/64 via fd00::1 [65001]', 'fd02::/64 via :: []'])
  t.same(a.best('ipv6-unicast').at(-1), 'fd02::/64 via fd00::2 [65002]')
  net.run(1)
  t.same(b.peer(A).endOfRib.toSorted(), ['ipv4-unicast', 'ipv6-unicast'])
  a.originate('10.1.0.0/24')
  net.run(1)
  t.same(b.best('ipv6-unicast').length, 1)
  t.end()
})

t.test('policies: what is set on the way', t => {
  const net = new Simulation(7)
  const rules = [
    {
      name: 'mark',
      when: { prefixes: [{ prefix: '10.1.0.0/16', max: 32 }] },
      then: 'accept',
      set: { addCommunities: ['65001:7'], prepend: { asn: 65001, count: 2 }, med: 5 },
    },
  ] as const
  const b = speaker(net, B, 65002, {
    [A]: {
      remoteAs: 65001,
      import: { name: 'in', rules: [{ name: 'prefer', then: 'accept', set: { localPref: 300 } }], otherwise: 'reject' },
    },
  })
  const a = speaker(net, A, 65001, { [B]: { remoteAs: 65002, export: { name: 'out', rules, otherwise: 'reject' } } })
  a.originate('10.1.0.0/24', '10.9.0.0/24')
  t.ok(net.runUntil(() => b.best().length === 1, 30))
  t.match(b.table('ipv4-unicast'), [
    { prefix: '10.1.0.0/24', asPath: '65001 65001 65001', communities: ['65001:7'], med: 5, localPref: 300 },
  ])
  t.end()
})

t.test('many routes, in small pieces', t => {
  const net = new Simulation(8)
  net.network.setLink(A, B, { piece: 700, delay: 3 })
  const a = speaker(net, A, 65001, { [B]: 65002 })
  const b = speaker(net, B, 65002, { [A]: 65001 })
  const many = Array.from({ length: 20_000 }, (_, i) => `10.${i >> 8}.${i & 255}.0/24`)
  a.originate(...many)
  t.ok(net.runUntil(() => b.peer(A).prefixesReceived === many.length && b.peer(A).endOfRib.length === 1, 60))
  t.same(new Set(b.table('ipv4-unicast').map(row => row.prefix)), new Set(many))
  t.ok(b.peer(A).updatesIn < 100, 'packed')
  a.originate()
  t.ok(net.runUntil(() => b.peer(A).prefixesReceived === 0, 60))
  t.same(b.best(), [])
  t.end()
})

t.test('a turn handles a bounded number of units', t => {
  const net = new Simulation(9)
  const a = speaker(net, A, 65001, { [B]: 65002 })
  const b = speaker(net, B, 65002, { [A]: 65001 })
  t.ok(net.runUntil(() => established([a, B], [b, A]), 20))
  let most = 0
  const { engine } = b
  const receive = engine.receive.bind(engine)
  engine.receive = (...parameters) => {
    const taken = receive(...parameters)
    most = Math.max(most, engine.spent)
    return taken
  }
  a.originate(...Array.from({ length: 30_000 }, (_, i) => `10.${i >> 8}.${i & 255}.0/24`))
  t.ok(net.runUntil(() => b.peer(A).prefixesReceived === 30_000, 60))
  t.ok(most > 1000 && most <= 8192 + 1400, `${most} units in one turn: the budget and at most one message more`)
  t.end()
})

t.test('whatever is announced and withdrawn, the receivers end with what is meant', t => {
  const prefixes = Array.from({ length: 12 }, (_, i) => `10.${i}.0.0/${16 + (i % 9)}`)
  const operation = fc.record({
    who: fc.nat(1),
    prefix: fc.nat(prefixes.length - 1),
    med: fc.option(fc.nat(3), { nil: undefined }),
    withdraw: fc.boolean(),
    wait: fc.nat(2),
    flap: fc.nat(30).map(n => n === 0),
  })
  fc.assert(
    fc.property(fc.integer(), fc.array(operation, { minLength: 1, maxLength: 40 }), (seed, operations) => {
      const net = new Simulation(seed)
      net.network.setLink(A, B, { piece: 30 })
      const a = speaker(net, A, 65001, { [B]: 65002 })
      const b = speaker(net, B, 65002, { [A]: 65001, [C]: 65003, [D]: 65004 })
      const c = speaker(net, C, 65003, { [B]: 65002 })
      const d = speaker(net, D, 65004, { [B]: 65002 })
      const senders: [SimulatedSpeaker, Map<string, number | undefined>][] = [
        [a, new Map()],
        [c, new Map()],
      ]
      net.runUntil(() => established([a, B], [c, B], [d, B]), 30)
      for (const { who, prefix, med, withdraw, wait, flap } of operations) {
        const [sender, model] = senders[who]
        if (withdraw) model.delete(prefixes[prefix])
        else model.set(prefixes[prefix], med)
        sender.driver.with(engine => engine.originate([...model].map(([prefix, med]) => ({ prefix, med }))))
        if (flap) sender.driver.with(engine => engine.resetPeer(B))
        net.run(wait / 1000)
      }
      const expected = new Set([...senders[0][1].keys(), ...senders[1][1].keys()])
      const settled = () =>
        established([a, B], [c, B], [d, B]) &&
        [b, d].every(each => {
          const rows = each.table('ipv4-unicast')
          return rows.length === expected.size && rows.every(row => expected.has(row.prefix))
        })
      net.run(1)
      if (!net.runUntil(settled, 60)) return false
      // b chose by path length (equal), then by MED only within one AS, then by the lower router id: a.
      return b.table('ipv4-unicast').every(({ prefix, peer, med }) => {
        const [byA, byC] = [senders[0][1], senders[1][1]]
        return byA.has(prefix) ? peer === A && med === byA.get(prefix) : peer === C && med === byC.get(prefix)
      })
    }),
    { numRuns: 15 },
  )
  t.end()
})
