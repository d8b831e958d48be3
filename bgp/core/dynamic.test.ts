// Dynamic neighbours: peers that a connection from inside a prefix makes.

import t from 'tap'
import { fullConfig, type SimpleConfig } from '../simple-config.ts'
import { Simulation } from '../transport/simulation.ts'
import { acceptAll, type ListenRange, rejectAll } from '../types.ts'
import { cease } from '../wire/notification.ts'
import { NOTIFICATION } from '../wire/header.ts'
import { checkConfig } from './check.ts'
import { Puppet } from './test-puppet.ts'
import { config, established, speaker } from './test-speakers.ts'

const HUB = '10.0.0.1'
const rack: ListenRange = { name: 'rack', prefix: '10.0.0.0/16', limit: 3, template: { remoteAs: 'external' } }

function hub(net: Simulation, more: Partial<SimpleConfig> = {}) {
  return speaker(net, HUB, 65001, {}, { dynamic: [rack], ...more })
}

/** A speaker that dials the hub. */
function leaf(net: Simulation, n: number, asn = 65000 + n) {
  const one = speaker(net, `10.0.0.${n}`, asn, { [HUB]: 65001 })
  one.originate(`10.${n}.0.0/24`)
  return one
}

const names = (of: ReturnType<typeof hub>) => of.engine.status().map(({ name }) => name)

t.test('whoever connects from inside the prefix is a peer, of its own AS, and learns of the others', t => {
  const net = new Simulation(1)
  const a = hub(net)
  const [b, c] = [leaf(net, 2), leaf(net, 3)]
  t.ok(net.runUntil(() => established([b, HUB], [c, HUB]), 20))
  net.run(5)
  t.same(names(a).toSorted(), ['rack/10.0.0.2', 'rack/10.0.0.3'])
  t.match(a.peer('rack/10.0.0.3'), { range: 'rack', remoteAs: 65003, address: '10.0.0.3', prefixesReceived: 1 })
  t.same(b.best(), ['10.2.0.0/24 via 0.0.0.0 []', '10.3.0.0/24 via 10.0.0.1 [65001 65003]'])
  t.end()
})

t.test(
  'from elsewhere, in an AS that is not allowed, or with an address of a configured peer: as without the range',
  t => {
    const net = new Simulation(1)
    const a = speaker(
      net,
      HUB,
      65001,
      { '10.0.0.9': 65009 },
      { dynamic: [{ ...rack, template: { remoteAs: [65002] } }] },
    )
    const [b, c, nine] = [leaf(net, 2), leaf(net, 3), leaf(net, 9)]
    const stranger = speaker(net, '10.9.0.4', 65004, { [HUB]: 65001 })
    net.run(20)
    t.ok(established([b, HUB], [nine, HUB], [a, '10.0.0.9'], [a, 'rack/10.0.0.2']))
    t.not(c.peer(HUB).state, 'Established')
    t.match(c.peer(HUB).lastError, /OPEN|AS/)
    t.not(stranger.peer(HUB).state, 'Established')
    t.match(a.reports.find(({ type }) => type === 'refused')?.text, /10\.9\.0\.4.*no peer with that address/)
    t.end()
  },
)

t.test('a range that is full takes no more, and says so once', t => {
  const net = new Simulation(1)
  const a = hub(net)
  const in_ = [2, 3, 4].map(n => leaf(net, n))
  net.run(20)
  t.ok(established(...in_.map(one => [one, HUB] as const)))
  const out = [5, 6, 7, 8].map(n => leaf(net, n))
  net.run(50)
  for (const one of out) t.not(one.peer(HUB).state, 'Established')
  const told = a.reports.filter(({ type }) => type === 'refused')
  t.equal(told.length, 1, 'not for each of four, nor for each attempt')
  t.match(told[0].text, /listen range "rack" \(10\.0\.0\.0\/16\) has its limit of 3 peers; raise the limit/)
  t.equal(names(a).length, 3)
  in_[0].kill()
  t.ok(
    net.runUntil(() => out.some(one => one.peer(HUB).state === 'Established'), 60),
    'room is used at once, though the peer that left is remembered otherwise',
  )
  t.end()
})

t.test('a peer is forgotten when it has been away for a minute, and its routes go with its session', t => {
  const net = new Simulation(1)
  const a = hub(net)
  const b = leaf(net, 2)
  net.runUntil(() => a.best().length === 1, 20)
  b.stop('cease')
  net.run(2)
  t.same(a.best(), [])
  t.match(a.peer('rack/10.0.0.2').lastError, /shutdown|Shutdown|stops/, 'its status tells why')
  net.run(90)
  t.same(names(a), [])
  t.end()
})

t.test('a peer that restarts keeps its routes, and is not forgotten meanwhile (RFC 4724)', t => {
  const net = new Simulation(1)
  const a = hub(net, { gracefulRestart: { restartTime: 200 } })
  const peers = { [HUB]: 65001 }
  const b = speaker(net, '10.0.0.2', 65002, peers, { gracefulRestart: { restartTime: 200 } })
  b.originate('10.2.0.0/24')
  net.runUntil(() => a.best().length === 1, 20)
  net.run(5)
  b.kill()
  net.run(150)
  t.same(a.best(), ['10.2.0.0/24 via 10.0.0.2 [65002]'])
  t.equal(a.peer('rack/10.0.0.2').prefixesStale, 1)
  net.run(200)
  t.same(a.best(), [])
  t.same(names(a), [])
  t.end()
})

t.test('memory and ids are used again, however many come and go', t => {
  const net = new Simulation(1)
  const a = hub(net)
  let most = 0
  for (let n = 2; n < 40; n++) {
    const b = leaf(net, n)
    t.ok(
      net.runUntil(() => a.best().length > 0, 20),
      `${n}`,
    )
    most = Math.max(most, a.engine.peerId(`rack/10.0.0.${n}`) ?? Infinity)
    b.kill()
    net.runUntil(() => a.best().length === 0, 100)
    if (n % 2 === 0) net.run(100)
  }
  t.ok(most < 6, `the highest id is ${most}`)
  net.run(100)
  t.same(names(a), [])
  t.end()
})

t.test('a peer that breaks the rules rests, though nobody configured it', t => {
  const net = new Simulation(1)
  const a = hub(net)
  let served = 0
  for (let i = 0; i < 300; i++) {
    const liar = new Puppet(net, '10.0.0.2', { open: { asn: 65001 } }).dial(HUB)
    net.run(1)
    if (liar.of(NOTIFICATION).length > 0) served++
  }
  t.ok(served >= 3 && served <= 30, `${served} of 300 attempts got an answer`)
  t.equal(names(a).length, 1)
  t.end()
})

t.test('half-open connections from everywhere in the range stay within its limit, and go by themselves', t => {
  const net = new Simulation(1)
  const a = hub(net)
  for (let n = 2; n < 200; n++) new Puppet(net, `10.0.1.${n}`, { polite: false }).dial(HUB)
  net.run(10)
  t.equal(names(a).length, 3)
  net.run(400)
  t.equal(names(a).length, 0)
  t.end()
})

t.test('idle connections keep nobody out: the oldest without an OPEN gives way, and no session does', t => {
  const net = new Simulation(1)
  const a = hub(net)
  const b = leaf(net, 2)
  t.ok(net.runUntil(() => established([b, HUB]), 20))
  const idle = [3, 4].map(n => {
    const one = new Puppet(net, `10.0.1.${n}`, { polite: false }).dial(HUB)
    net.run(1)
    return one
  })
  const c = leaf(net, 5)
  t.ok(
    net.runUntil(() => established([c, HUB]), 10),
    'it need not wait for their timers',
  )
  t.same(names(a).toSorted(), ['rack/10.0.0.2', 'rack/10.0.0.5', 'rack/10.0.1.4'])
  t.match(idle[0].notification, /Out of Resources/i)
  t.equal(idle[1].closed, undefined)
  const d = leaf(net, 6)
  t.ok(net.runUntil(() => established([d, HUB]), 10))
  const e = leaf(net, 7)
  net.run(20)
  t.not(e.peer(HUB).state, 'Established', 'those that have said OPEN stay')
  t.equal(b.peer(HUB).flaps + c.peer(HUB).flaps + d.peer(HUB).flaps, 0)
  t.end()
})

t.test('a new configuration touches only those whom it concerns', t => {
  const net = new Simulation(1)
  const a = hub(net)
  const [b, c] = [leaf(net, 2), leaf(net, 3)]
  net.runUntil(() => established([b, HUB], [c, HUB]), 20)
  net.run(5)
  const put = (dynamic: readonly ListenRange[], peers = {}) => {
    a.configure(fullConfig({ ...config(HUB, 65001, peers), peers: config(HUB, 65001, peers).peers, dynamic }))
    net.run(10)
  }
  const full = (more: Partial<ListenRange>): ListenRange => ({
    ...rack,
    template: { remoteAs: 'external', import: acceptAll, export: acceptAll },
    ...more,
  })
  put([full({})])
  put([full({ limit: 1 })])
  put([full({ template: { remoteAs: 'external', import: acceptAll, export: rejectAll, description: 'x' } })])
  t.equal(b.peer(HUB).flaps + c.peer(HUB).flaps, 0, 'the same, another limit, other policies')
  t.same(b.best(), ['10.2.0.0/24 via 0.0.0.0 []'], 'which count at once')
  put([full({ prefix: '10.0.0.0/31' }), full({ name: 'other', prefix: '10.0.0.2/31' })])
  t.equal(b.peer(HUB).flaps, 1)
  t.ok(established([a, 'other/10.0.0.2'], [a, 'other/10.0.0.3']), 'they are in another range now')
  put([full({ name: 'other', prefix: '10.0.0.2/31' })], { '10.0.0.2': { remoteAs: 65002, passive: true } })
  t.same(names(a).toSorted(), ['10.0.0.2', 'other/10.0.0.3'])
  t.equal(c.peer(HUB).flaps, 1, 'a peer that is configured now takes only its own place')
  put([])
  t.match(c.peer(HUB).lastError, /De-configured|deconfigured|removed/i)
  t.same(names(a), [])
  t.equal(cease.deconfigured, 3)
  t.end()
})

t.test('the most specific range counts; its name stands for its peers in policies', t => {
  const net = new Simulation(1)
  const fabric = { ...rack, name: 'fabric', prefix: '10.0.0.2/32' }
  const fromFabric = {
    name: 'p',
    rules: [{ name: 'fabric', when: { peers: ['fabric'] }, then: 'accept' }],
    otherwise: 'reject',
  } as const
  const a = speaker(
    net,
    HUB,
    65001,
    { '10.0.0.9': { remoteAs: 65009, export: fromFabric } },
    { dynamic: [rack, fabric] },
  )
  const [nine] = [leaf(net, 9), leaf(net, 2), leaf(net, 3)]
  net.run(20)
  t.same(names(a).toSorted(), ['10.0.0.9', 'fabric/10.0.0.2', 'rack/10.0.0.3'])
  t.same(nine.best(), ['10.2.0.0/24 via 10.0.0.1 [65001 65002]', '10.9.0.0/24 via 0.0.0.0 []'])
  t.end()
})

t.test('a speaker that has stopped makes no peers', t => {
  const net = new Simulation(1)
  const a = hub(net)
  a.driver.with(engine => engine.stop('cease'))
  const b = leaf(net, 2)
  net.run(10)
  t.not(b.peer(HUB).state, 'Established')
  t.end()
})

t.test('what cannot be meant is refused', t => {
  const refused = (dynamic: readonly ListenRange[], peers = {}) =>
    checkConfig(config(HUB, 65001, peers, { dynamic })).map(({ peer, field, reason }) => `${peer} ${field}: ${reason}`)
  t.same(refused([rack]), [])
  t.match(refused([{ ...rack, prefix: '10.0.0.1/16' }]), [/rack prefix: it is no prefix/])
  t.match(refused([{ ...rack, limit: 0 }]), [/rack limit: it is no number of peers/])
  t.match(refused([rack, { ...rack, prefix: '10.0.0.0/8' }]), [/rack name: another range/])
  t.match(refused([rack, { ...rack, name: 'other' }]), [/other prefix: range "rack" has it too/])
  t.match(refused([{ ...rack, template: { remoteAs: 65001, asOverride: true } }]), [/rack asOverride/])
  const keyed = { ...rack, template: { remoteAs: 65002, secret: 'x' } }
  t.match(refused([keyed], { '10.0.0.2': 65002 }), [/rack template.secret: peer "10.0.0.2" has no key/])
  t.same(refused([keyed], { '10.0.0.2': { remoteAs: 65002, secret: 'y' } }), [])
  t.match(refused([keyed, { ...rack, name: 'in', prefix: '10.0.1.0/24' }]), [
    /rack template.secret: range "in" has no key/,
  ])
  t.end()
})
