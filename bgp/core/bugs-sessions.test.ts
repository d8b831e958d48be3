// Bugs that other speakers had with sessions, each reproduced from outside: octets on a connection, and what must happen
// instead. The numbers are those of the project's list of twenty-five; those about UPDATE are in bugs.test.ts, 18 and 19 about
// restarts in restart.test.ts.

import t from 'tap'
import * as fc from 'fast-check'
import { Simulation } from '../transport/simulation.ts'
import { type Capability, writeCapability } from '../wire/capabilities.ts'
import { keepalive, message, NOTIFICATION, OPEN, ROUTE_REFRESH } from '../wire/header.ts'
import { attribute, mpReachOctets, mpUnreachOctets, raw, update } from '../wire/test-messages.ts'
import { capabilityValues } from '../wire/test-values.ts'
import { asPath, localPref, origin } from '../wire/attributes.ts'
import { Puppet } from './test-puppet.ts'
import { config, established, speaker } from './test-speakers.ts'

const [A, B, C] = ['10.0.0.1', '10.0.0.2', '10.0.0.3']
const zeros = (count: number) => Array.from({ length: count }, () => 0)

/** An OPEN of AS 65002 with these octets from the length of its optional parameters on. */
const openWith = (...parameters: readonly number[]) =>
  message(OPEN, Uint8Array.of(4, 0xfd, 0xea, 0, 90, 10, 0, 0, 2, ...parameters))

/** One parameter with these octets of capabilities, in short form. */
const capabilities = (...octets: readonly number[]) => openWith(octets.length + 2, 2, octets.length, ...octets)

/** A speaker, a peer that says only what it is told to, and an honest one. */
function stage() {
  const net = new Simulation(1)
  const puppet = new Puppet(net, B, { polite: false }).listen()
  const a = speaker(net, A, 65001, { [B]: 65002, [C]: 65003 })
  const c = speaker(net, C, 65003, { [A]: 65001 })
  c.originate('10.3.0.0/24')
  net.runUntil(() => established([a, C], [c, A]) && a.peer(B).state === 'OpenSent', 20)
  return { net, puppet, a, c }
}

/** What the speaker makes of an OPEN: `Established`, or the NOTIFICATION. Throws where anybody else would notice. */
function answer(open: Uint8Array): string {
  const { net, puppet, a, c } = stage()
  puppet.send(open)
  puppet.send(keepalive)
  net.run(0.5)
  if (a.peer(C).flaps + c.peer(A).flaps > 0) throw new Error('the other session ended')
  const own = a.reports.find(report => report.text.includes('internal error'))
  if (own) throw new Error(own.text)
  return puppet.notification ?? a.peer(B).state
}

t.test('bug 1: extended optional parameters that read past the end', async t => {
  const rows: [string, number[], RegExp][] = [
    ['extended length larger than the body', [255, 255, 0xff, 0xff, 2, 0, 0], /OPEN Message Error/],
    ['the message ends at the marker', [255, 255], /OPEN Message Error/],
    ['the message ends in the length', [255, 255, 0], /OPEN Message Error/],
    ['a parameter without its length', [255, 255, 0, 1, 2], /OPEN Message Error/],
    ['a parameter with half a length', [255, 255, 0, 2, 2, 0], /OPEN Message Error/],
    ['a parameter longer than all of them', [255, 255, 0, 3, 2, 0, 9], /OPEN Message Error/],
    ['length 255, and nothing', [255], /OPEN Message Error/],
    ['no parameters, in extended form', [255, 255, 0, 0], /^Established/],
    ['short form, one octet', [1, 2], /OPEN Message Error/],
    ['a parameter that nobody knows', [2, 9, 0], /Unsupported Optional Parameter/],
  ]
  for (const [name, octets, expected] of rows) t.match(answer(openWith(...octets)), expected, name)
})

t.test('bug 2: lengths of capabilities that lie', async t => {
  const some = Object.values(capabilityValues).flatMap(one => fc.sample<Capability>(one, { numRuns: 1, seed: 3 }))
  const own: [code: number, value: number[]][] = [
    ...some.map((one): [number, number[]] => {
      const [code, , ...value] = writeCapability(one)
      return [code, value]
    }),
    [71, [0, 1, 1, 0, 0, 0, 9]], // long-lived graceful restart
    [73, [1, 65, 0]], // FQDN
    [75, [3, 65, 66, 67]], // software version
    [200, [1, 2, 3]],
  ]
  for (const [code, value] of own) {
    for (const other of [[], value.slice(0, -1), [...value, 0], [...value, ...value], [255, ...value]]) {
      // A capability with a value that is none counts as not there; what follows it is read where it is.
      const got = answer(capabilities(code, other.length, ...other, 65, 4, 0, 0, 0xfd, 0xea))
      t.match(got, /^Established$|OPEN Message Error/, `capability ${code} of ${other.length} octets`)
    }
    t.match(answer(capabilities(code, value.length + 1, ...value)), /OPEN Message Error/, `${code} runs past the end`)
    t.match(answer(capabilities(code, 255, ...value)), /OPEN Message Error/, `${code} claims 255 octets`)
  }
  t.match(answer(capabilities(65)), /OPEN Message Error/, 'a capability without a length')
})

t.test('bug 3: a shutdown communication that lies about its length, or is no text', async t => {
  const rows: [string, number[], RegExp][] = [
    ['length 255, three octets', [6, 2, 255, 65, 66, 67], /Administrative Shutdown/],
    ['length 255 and nothing', [6, 2, 255], /Administrative Shutdown/],
    ['no length at all', [6, 2], /Administrative Shutdown/],
    ['no UTF-8', [6, 2, 2, 0xc3, 0x28], /Administrative Shutdown/],
    ['129 octets, more than RFC 8203 had', [6, 2, 129, ...Array.from({ length: 129 }, () => 65)], /A{129}/],
    ['control characters', [6, 4, 4, 65, 27, 10, 66], /"A B"/],
    ['as long as can be', [6, 2, 255, ...Array.from({ length: 4000 }, () => 66)], /B{255}"/],
    ['a Hard Reset in a Hard Reset', [6, 9, ...Array.from({ length: 4000 }, (_, i) => (i % 2 ? 9 : 6))], /Hard Reset/],
  ]
  for (const [name, octets, expected] of rows) {
    const { net, puppet, a, c } = stage()
    puppet.sendOpen()
    puppet.send(keepalive)
    net.run(0.5)
    t.equal(a.peer(B).state, 'Established')
    puppet.send(message(NOTIFICATION, Uint8Array.from(octets)))
    net.run(0.1)
    t.not(a.peer(B).state, 'Established', name)
    const told = a.reports.filter(report => report.type === 'sessionError')
    t.equal(told.length, 1, name)
    t.match(told[0].text, expected, name)
    t.notMatch(told[0].text, /\p{Cc}/u, name)
    t.ok(told[0].text.length < 1000, name)
    t.equal(c.peer(A).flaps, 0)
  }
})

t.test('unknown NOTIFICATION codes end the session and are told as numbers', async t => {
  for (const octets of [
    [77, 1],
    [0, 0],
    [255, 255, 1, 2, 3],
    [6, 200],
    [3, 99],
  ]) {
    const { net, puppet, a } = stage()
    puppet.sendOpen()
    puppet.send(keepalive)
    net.run(0.5)
    puppet.send(message(NOTIFICATION, Uint8Array.from(octets)))
    net.run(0.1)
    t.match(a.peer(B).lastError, new RegExp(`\\b${octets[1]}\\b`), octets.join('/'))
    t.equal(puppet.notification, undefined, 'no NOTIFICATION answers one')
  }
})

/** A peer that has come up, with both families. */
function upStage(kind: 'ebgp' | 'ibgp' = 'ebgp') {
  const net = new Simulation(1)
  const asn = kind === 'ebgp' ? 65002 : 65001
  const offers = [1, 2].map(afi => ({ kind: 'multiprotocol', afi, safi: 1 }) as const)
  const open = { asn, capabilities: [...offers, { kind: 'routeRefresh' }, { kind: 'fourOctetAs', asn }] as const }
  const puppet = new Puppet(net, B, { open }).listen()
  const nextHopSelf = { 'ipv6-unicast': 'fd00::1' }
  const a = speaker(net, A, 65001, { [B]: { remoteAs: asn, nextHopSelf }, [C]: 65003 })
  const c = speaker(net, C, 65003, { [A]: 65001 })
  net.runUntil(() => established([a, B], [a, C]), 20)
  const path = attribute(asPath, kind === 'ebgp' ? [{ type: 'sequence', asns: [65002] }] : [])
  const good = [attribute(origin, 'igp'), path, raw(3, [10, 0, 0, 2])]
  return { net, puppet, a, c, good: kind === 'ebgp' ? good : [...good, attribute(localPref, 100)] }
}

t.test('bug 15: lists of types and lengths in which nothing moves on', async t => {
  const nothings = (code: number, count: number) => Array.from({ length: count }, () => [code, 0]).flat()
  t.equal(
    answer(capabilities(...nothings(200, 100), 65, 4, 0, 0, 0xfd, 0xea)),
    'Established',
    'capabilities of nothing',
  )
  t.equal(answer(openWith(200, ...nothings(2, 100))), 'Established', 'parameters of nothing')
  const { net, puppet, a, good } = upStage('ibgp')
  const many = Array.from({ length: 50 }, (_, i) => raw(150 + i, []))
  puppet.send(update({ attributes: [...good, ...many], announced: ['10.1.0.0/24'] }))
  for (const value of [[1, 0, 0], [1, 0, 0, 0, 0], zeros(200), [9, 0, 3, 1, 0, 2]])
    puppet.send(update({ attributes: [...good, raw(26, value)], announced: ['10.2.0.0/24'] }))
  puppet.send(message(ROUTE_REFRESH, Uint8Array.of(0, 1, 1, 1, ...zeros(100))))
  net.run(1)
  t.equal(a.peer(B).state, 'Established')
  t.same(
    a.best().map(text => text.split(' ')[0]),
    ['10.1.0.0/24', '10.2.0.0/24'],
  )
})

t.test('bug 16: lengths of prefixes, and families that nobody here has', async t => {
  const nlri = (code: number, afi: number, safi: number, ...octets: number[]) =>
    code === 14 ? raw(14, [0, afi, safi, 4, 10, 0, 0, 2, 0, ...octets]) : raw(15, [0, afi, safi, ...octets])
  for (const [afi, safi] of [
    [1, 133], // flowspec
    [1, 4], // labelled
    [1, 128],
    [25, 70], // EVPN
    [2, 133],
    [0, 0],
    [16388, 71],
  ]) {
    const { net, puppet, a, good } = upStage()
    for (const octets of [[], [0], [240], [255, 255, 1], [24, 0, 0, 0], zeros(60), [120, ...zeros(3)]]) {
      const reach = nlri(14, afi & 255, safi, ...octets)
      puppet.send(update({ attributes: [...good.slice(0, 2), reach] }))
      puppet.send(update({ attributes: [nlri(15, afi & 255, safi, ...octets)] }))
    }
    net.run(0.5)
    t.equal(a.peer(B).state, 'Established', `family ${afi}/${safi} is stepped over`)
    t.same(a.best(), [])
  }
  const prefix = (length: number) => [length, ...zeros((length + 7) >> 3)]
  for (const length of [33, 64, 129, 255]) {
    const { net, puppet, good, c } = upStage()
    const whole = update({ attributes: good, announced: ['10.1.0.0/24'] })
    const octets = Uint8Array.from([...whole.subarray(19, -4), ...prefix(length)])
    puppet.send(message(2, octets))
    net.run(0.2)
    t.match(puppet.notification, /Invalid Network Field/, `a prefix of ${length} bits`)
    t.equal(c.peer(A).flaps, 0)
  }
  const { net, puppet, a, good } = upStage()
  puppet.send(update({ attributes: good, announced: ['0.0.0.0/0', '10.1.2.3/32'] }))
  const hop = [0xfd, ...zeros(14), 2]
  puppet.send(update({ attributes: [...good.slice(0, 2), mpReachOctets('ipv6-unicast', hop, ['::/0'])] }))
  net.run(0.2)
  t.same(a.best().length + a.best('ipv6-unicast').length, 3, 'no bits, and all of them, are prefixes as any')
  puppet.send(update({ withdrawn: ['0.0.0.0/0'], attributes: [mpUnreachOctets('ipv6-unicast', ['::/0'])] }))
  net.run(0.2)
  t.same([a.best().length, a.best('ipv6-unicast').length], [1, 0])
})

t.test('bug 17: both dial at once, a thousand times; connections to a session that is up', async t => {
  const idsOf = [
    ['1.1.1.1', '2.2.2.2'],
    ['2.2.2.2', '1.1.1.1'],
    ['1.1.1.1', '1.1.1.1'], // RFC 6286: equal ones are decided by the AS numbers
  ]
  const wrong: string[] = []
  for (let seed = 0; seed < 40; seed++) {
    const net = new Simulation(seed)
    const [routerIdA, routerIdB] = idsOf[seed % 3]
    net.network.setLink(A, B, { delay: 1 + (seed % 7), piece: 1 + (seed % 40) })
    const a = speaker(net, A, 65001, { [B]: 65002 }, { routerId: routerIdA })
    const b = speaker(net, B, 65002, { [A]: 65001 }, { routerId: routerIdB })
    const up = () => established([a, B], [b, A])
    for (let i = 0; i < 25; i++) {
      if (!net.runUntil(up, 20)) wrong.push(`seed ${seed}, ${i}: no session`)
      const flaps = a.peer(B).flaps + b.peer(A).flaps
      net.run(i === 0 ? 30 : 2)
      if (!up() || a.peer(B).flaps + b.peer(A).flaps > flaps) wrong.push(`seed ${seed}, ${i}: the session did not stay`)
      if (a.driver.connections + b.driver.connections !== 2) wrong.push(`seed ${seed}, ${i}: a connection leaked`)
      a.driver.with(engine => engine.disablePeer(B))
      b.driver.with(engine => engine.disablePeer(A))
      net.run(0.1)
      a.driver.with(engine => engine.enablePeer(B))
      b.driver.with(engine => engine.enablePeer(A))
    }
  }
  t.same(wrong, [])

  const { net, a, good, puppet } = upStage()
  puppet.send(update({ attributes: good, announced: ['10.1.0.0/24'] }))
  const second = new Puppet(net, B, { polite: false }).dial(A)
  net.run(0.5)
  second.sendOpen()
  net.run(0.5)
  t.match(second.notification, /Connection Collision Resolution/, 'a second connection does not displace the session')
  t.same([a.peer(B).state, a.peer(B).flaps, a.best().length], ['Established', 0, 1])
  const silent = Array.from({ length: 20 }, () => new Puppet(net, B, { polite: false }).dial(A))
  net.run(300)
  t.equal(a.peer(B).flaps, 0)
  t.ok(a.driver.connections <= 3, `${a.driver.connections} connections`)
  t.ok(
    silent.slice(0, -1).every(one => one.closed !== undefined),
    'of those that say nothing, one at most is kept',
  )

  for (const gone of ['disabled', 'removed'] as const) {
    const { net, a, c, puppet } = upStage()
    if (gone === 'disabled') a.driver.with(engine => engine.disablePeer(B))
    else a.configure(config(A, 65001, { [C]: 65003 }))
    net.run(1)
    t.match(puppet.notification, gone === 'disabled' ? /Administrative Shutdown/ : /De-configured/)
    const late = new Puppet(net, B).dial(A)
    net.run(1)
    t.not(late.closed, undefined, `a connection of a peer that is ${gone} is closed`)
    t.notOk(a.engine.status().some(({ name, state }) => name === B && state !== 'Idle'))
    t.equal(c.peer(A).flaps, 0)
  }
})
