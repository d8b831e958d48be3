// Messages of more than 4,096 octets (RFC 8654): who may send them, who is sent them, and what becomes of routes that need
// them where they are not spoken.

import t from 'tap'
import { Simulation } from '../transport/simulation.ts'
import { asPath, origin } from '../wire/attributes.ts'
import type { Capability } from '../wire/capabilities.ts'
import { HEADER_LENGTH, message, NOTIFICATION, OPEN, ROUTE_REFRESH, UPDATE } from '../wire/header.ts'
import { decodeOpen } from '../wire/open.ts'
import { attribute, raw, update } from '../wire/test-messages.ts'
import { Puppet } from './test-puppet.ts'
import { config, established, speaker } from './test-speakers.ts'

const [A, B, C, D] = ['10.0.0.1', '10.0.0.2', '10.0.0.3', '10.0.0.4']

const communities = (count: number) => Array.from({ length: count }, (_, i) => `65001:${i + 1}`)
const path = attribute(asPath, [{ type: 'sequence', asns: [65002] }])
const common = [attribute(origin, 'igp'), path, raw(3, [10, 0, 0, 2])]
/** An UPDATE of about so many octets, by communities. */
const long = (octets: number, ...announced: string[]) => {
  const value = Array.from(
    { length: Math.floor(octets / 4) * 4 },
    (_, i) => [0xfd, 0xea, i >> 10, (i >> 2) & 255][i & 3],
  )
  return update({ attributes: [...common, raw(8, value)], announced })
}

function staged(capable: boolean, peer = {}) {
  const net = new Simulation(5)
  const capabilities: Capability[] = [
    { kind: 'fourOctetAs', asn: 65002 },
    ...(capable ? [{ kind: 'extendedMessages' } as const] : []),
  ]
  const puppet = new Puppet(net, B, { open: { capabilities } }).listen()
  const a = speaker(net, A, 65001, { [B]: { remoteAs: 65002, ...peer } })
  t.ok(net.runUntil(() => established([a, B]), 20))
  return { net, puppet, a }
}

t.test('a route that needs a long message goes where those are spoken, and only there', t => {
  const net = new Simulation(2)
  const a = speaker(net, A, 65001, { [B]: 65002, [C]: { remoteAs: 65003, extendedMessages: false } })
  const b = speaker(net, B, 65002, { [A]: 65001, [D]: 65004 })
  const c = speaker(net, C, 65003, { [A]: 65001 })
  const d = speaker(net, D, 65004, { [B]: { remoteAs: 65002, extendedMessages: false } })
  const originate = (count: number) => {
    const route = { prefix: '10.9.0.0/24', communities: communities(count) }
    a.driver.with(engine => engine.originate([route, { prefix: '10.8.0.0/24' }]))
    net.run(2)
  }
  const has = () => [b, c, d].map(one => one.best().join().includes('10.9.0.0/24'))
  originate(100)
  t.ok(net.runUntil(() => [b, c, d].every(one => one.best().length === 2), 30))
  originate(5000)
  t.same(has(), [true, false, false], 'where it does not fit any more it is withdrawn')
  t.equal(b.table('ipv4-unicast', 'in', A).find(({ prefix }) => prefix === '10.9.0.0/24')?.communities.length, 5000)
  const rib = a.engine.rib('ipv4-unicast')
  const [to, id] = [a.engine.peerId(C), rib.lookup('10.9.0.0/24')]
  if (to === undefined || id === undefined) return void t.fail('the route is gone')
  t.match(rib.explainExport(to, id), { accepted: false, text: /do not fit into a message of 4,096 octets.*RFC 8654/ })
  t.same(
    [c, d].map(one => one.best().length),
    [1, 1],
    'the others stay',
  )
  originate(100)
  t.same(has(), [true, true, true])
  const issues = a.driver.with(engine => engine.originate([{ prefix: '10.9.0.0/24', communities: communities(5001) }]))
  t.match(issues, [{ field: 'originate 10.9.0.0/24', reason: /fit into/ }])
  t.same(
    [b, c, d].flatMap(one => one.engine.status().map(({ flaps }) => flaps)),
    [0, 0, 0, 0],
  )
  t.end()
})

t.test('what is longer than 4,096 octets is taken once both have said so, and is an error otherwise', t => {
  for (const [capable, own, taken] of [
    [true, {}, true],
    [false, {}, false],
    [true, { extendedMessages: false }, false],
  ] as const) {
    const { net, puppet, a } = staged(capable, own)
    const open = puppet.of(OPEN)[0]
    const said = decodeOpen(open, HEADER_LENGTH, open.length)
    t.equal(
      'capabilities' in said && said.capabilities.some(({ kind }) => kind === 'extendedMessages'),
      own === own && !('extendedMessages' in own),
    )
    puppet.send(long(5000, '10.1.0.0/24'))
    net.run(1)
    t.same(a.best().length, taken ? 1 : 0)
    t.equal(puppet.notification, taken ? undefined : 'Message Header Error / Bad Message Length')
    if (!taken) t.equal(puppet.of(NOTIFICATION)[0].length, 23, 'with the length in question')
  }
  t.end()
})

t.test('up to 65,535 octets, in pieces as they come; a session stays what it is', t => {
  const { net, puppet, a } = staged(true)
  const whole = long(61000, ...Array.from({ length: 1000 }, (_, i) => `10.${i >> 8}.${i & 255}.0/24`))
  puppet.send(whole.subarray(0, 30000))
  net.run(20)
  t.equal(a.best().length, 0)
  puppet.send(whole.subarray(30000))
  net.run(1)
  t.equal(a.best().length, 1000)
  puppet.send(update({ withdrawn: Array.from({ length: 1000 }, (_, i) => `10.${i >> 8}.${i & 255}.0/24`) }))
  net.run(1)
  t.equal(a.best().length, 0)
  puppet.send(message(UPDATE, new Uint8Array(65535 - 19).fill(255)))
  net.run(1)
  t.match(puppet.notification, /^UPDATE Message Error/, 'the longest there is, though it says nothing sensible')
  t.end()
})

t.test('a message of very many prefixes is read in slices, so that no turn is longer for it', t => {
  const { net, puppet, a } = staged(true)
  const prefixes = Array.from({ length: 10_000 }, (_, i) => `${1 + (i >> 8)}.${i & 255}.0.0/16`)
  const units: number[] = []
  const receive = a.engine.receive.bind(a.engine)
  a.engine.receive = (...args) => {
    const taken = receive(...args)
    units.push(a.engine.spent)
    return taken
  }
  for (const [announced, withdrawn, left] of [
    [prefixes, [], 10_000],
    [prefixes.slice(0, 6000), prefixes.slice(5000), 6000],
    [[], prefixes, 0],
  ] as const) {
    puppet.send(update({ attributes: announced.length > 0 ? common : [], announced, withdrawn }))
    net.run(1)
    t.equal(a.best().length, left)
  }
  t.ok(Math.max(...units) <= 8192 + 1025, `${Math.max(...units)} units`)
  t.equal(a.peer(B).updatesIn, 3)
  puppet.send(update({ attributes: [raw(1, [9]), ...common.slice(1)], announced: prefixes }))
  net.run(3)
  t.equal(a.reports.filter(({ type }) => type === 'update').length, 1, 'an error in one is told once')
  t.end()
})

t.test('attributes that leave no room for what is added to them are not kept', t => {
  const { net, puppet, a } = staged(true)
  puppet.send(long(5000, '10.1.0.0/24'), long(63000, '10.1.0.0/24', '10.2.0.0/24'))
  net.run(1)
  t.same(a.best(), [])
  t.match(a.reports.at(-1), { type: 'update', treatment: 'withdraw', text: /63\d\d\d octets/ })
  // Two octets an AS become four: a path that fits into the message, but not into what it is kept in.
  t.equal(a.peer(B).state, 'Established')
  t.end()
})

t.test('a path of 2-octet AS numbers that outgrows every message when it is widened is not kept', t => {
  const net = new Simulation(5)
  const puppet = new Puppet(net, B, { open: { capabilities: [{ kind: 'extendedMessages' }] } }).listen()
  const a = speaker(net, A, 65001, { [B]: 65002, [C]: 65003 })
  speaker(net, C, 65003, { [A]: 65001 })
  t.ok(net.runUntil(() => established([a, B], [a, C]), 20))
  const wide = (segments: number) => {
    const one = [2, 255, ...Array.from({ length: 255 }, () => [253, 234]).flat()]
    return raw(2, Array.from({ length: segments }, () => one).flat())
  }
  for (const segments of [60, 100, 120]) {
    const attributes = [attribute(origin, 'igp'), wide(segments), raw(3, [10, 0, 0, 2])]
    puppet.send(update({ attributes, announced: [`10.${segments}.0.0/24`] }))
    net.run(1)
  }
  t.same(
    a.best().map(text => text.split(' ')[0]),
    ['10.60.0.0/24'],
  )
  t.equal(a.peer(B).state, 'Established')
  t.end()
})

t.test('a route that fits into no message at all is not sent, and the reason is told', t => {
  const { net, puppet, a } = staged(true, {})
  const narrow = new Puppet(net, D, { open: { asn: 65004, capabilities: [{ kind: 'extendedMessages' }] } }).listen()
  a.configure(config(A, 65001, { [B]: 65002, [D]: 65004 }))
  t.ok(net.runUntil(() => established([a, D]), 20))
  const asns = Array.from({ length: 250 }, () => 70000)
  const segments = Array.from({ length: 50 }, () => ({ type: 'sequence', asns }) as const)
  const attributes = [common[0], attribute(asPath, [{ type: 'sequence', asns: [65002] }, ...segments]), common[2]]
  puppet.send(update({ attributes, announced: ['10.1.0.0/24'] }))
  net.run(2)
  const rib = a.engine.rib('ipv4-unicast')
  const [to, id] = [a.engine.peerId(D), rib.lookup('10.1.0.0/24')]
  if (to === undefined || id === undefined) return void t.fail('the route did not come')
  t.match(rib.explainExport(to, id), { accepted: false, text: /65,535 octets/ }, 'AS_PATH and AS4_PATH together')
  t.equal(narrow.of(UPDATE).length, 1, 'End-of-RIB only')
  t.end()
})

t.test('an error is answered with the whole attribute, as far as the peer can read it', t => {
  for (const capable of [true, false]) {
    const { net, puppet } = staged(capable)
    const attributes = [...common, raw(222, new Uint8Array(capable ? 5000 : 4000), 0x40)]
    puppet.send(update({ attributes, announced: ['10.1.0.0/24'] }))
    net.run(1)
    t.equal(puppet.notification, 'UPDATE Message Error / Unrecognized Well-known Attribute')
    t.equal(puppet.of(NOTIFICATION)[0].length, 21 + 4 + (capable ? 5000 : 4000))
  }
  t.end()
})

t.test('other messages may be long, too; an OPEN never', t => {
  const { net, puppet, a } = staged(true)
  puppet.send(message(ROUTE_REFRESH, new Uint8Array(5000)))
  net.run(1)
  t.equal(a.peer(B).state, 'Established')
  puppet.send(message(OPEN, new Uint8Array(4096)))
  net.run(1)
  t.equal(puppet.notification, 'Message Header Error / Bad Message Length')
  t.end()
})

t.test('switching it over needs a new session, and happens at once', t => {
  const net = new Simulation(9)
  const a = speaker(net, A, 65001, { [B]: 65002 })
  const b = speaker(net, B, 65002, { [A]: 65001 })
  a.driver.with(engine => engine.originate([{ prefix: '10.9.0.0/24', communities: communities(2000) }]))
  t.ok(net.runUntil(() => b.best().length === 1, 20))
  a.configure(config(A, 65001, { [B]: { remoteAs: 65002, extendedMessages: true } }))
  net.run(1)
  t.equal(a.peer(B).flaps, 0, 'what is the default changes nothing')
  a.configure(config(A, 65001, { [B]: { remoteAs: 65002, extendedMessages: false } }))
  t.ok(net.runUntil(() => established([a, B], [b, A]), 20))
  net.run(2)
  t.same([a.peer(B).flaps, b.best().length], [1, 0])
  t.end()
})
