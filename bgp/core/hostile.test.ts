// Peers that misbehave: what they get for it, and that nobody else notices.

import t from 'tap'
import * as fc from 'fast-check'
import { Simulation } from '../transport/simulation.ts'
import { attribute, mpReachOctets, raw, update } from '../wire/test-messages.ts'
import { asPath, clusterList, localPref, origin, originatorId } from '../wire/attributes.ts'
import { KEEPALIVE, keepalive, message, OPEN, UPDATE } from '../wire/header.ts'
import { encodeRefresh } from '../wire/refresh.ts'
import { mutate } from '../wire/test-mutations.ts'
import { messages, nearlyRight } from '../wire/test-values.ts'
import { Random } from '../fsm/random.ts'
import { Puppet, type PuppetOptions } from './test-puppet.ts'
import { streamFault } from './test-stream.ts'
import { established, speaker } from './test-speakers.ts'

const [A, B, C] = ['10.0.0.1', '10.0.0.2', '10.0.0.3']
const path = attribute(asPath, [{ type: 'sequence', asns: [65002] }])
const good = [attribute(origin, 'igp'), path, raw(3, [10, 0, 0, 2])]

/** A speaker with a puppet and an honest speaker as its peers. */
function stage(options: PuppetOptions = {}, peerOptions = {}) {
  const net = new Simulation(1)
  const puppet = new Puppet(net, B, options).listen()
  const a = speaker(net, A, 65001, { [B]: { remoteAs: 65002, ...peerOptions }, [C]: 65003 })
  const c = speaker(net, C, 65003, { [A]: 65001 })
  c.originate('10.3.0.0/24')
  net.runUntil(() => established([a, C], [c, A]) && c.best().length > 0, 20)
  net.run(2)
  return { net, puppet, a, c }
}

t.test('an UPDATE with errors costs its own routes at most (RFC 7606)', t => {
  const { net, puppet, a } = stage()
  puppet.send(update({ attributes: good, announced: ['10.1.0.0/24', '10.2.0.0/24'] }))
  net.run(1)
  t.equal(a.table('ipv4-unicast', 'in', B).length, 2)
  puppet.send(update({ attributes: [raw(1, [7]), path, raw(3, [10, 0, 0, 2])], announced: ['10.1.0.0/24'] }))
  puppet.send(update({ attributes: [...good, raw(40, [0, 0, 0]), raw(6, [1])], announced: ['10.4.0.0/24'] }))
  net.run(1)
  t.same(
    a.best().map(text => text.split(' ')[0]),
    ['10.2.0.0/24', '10.3.0.0/24', '10.4.0.0/24'],
  )
  t.equal(a.peer(B).state, 'Established')
  const incident = a.reports.find(report => report.type === 'update')
  t.match(incident, { peer: B, treatment: 'withdraw', text: /count as withdrawn: ORIGIN: value 7/ })
  t.ok(incident?.type === 'update' && incident.octets[18] === UPDATE, 'the message is shown')
  t.end()
})

t.test('loops and next hops of our own', t => {
  const { net, puppet, a } = stage()
  const through = attribute(asPath, [{ type: 'sequence', asns: [65002, 65001] }])
  puppet.send(
    update({ attributes: [attribute(origin, 'igp'), through, raw(3, [10, 0, 0, 2])], announced: ['10.1.0.0/24'] }),
  )
  puppet.send(update({ attributes: [good[0], path, raw(3, [10, 0, 0, 1])], announced: ['10.2.0.0/24'] }))
  puppet.send(
    update({
      attributes: [...good, attribute(localPref, 900), attribute(originatorId, A)],
      announced: ['10.4.0.0/24'],
    }),
  )
  net.run(1)
  t.same(a.best(), ['10.3.0.0/24 via 10.0.0.3 [65003]', '10.4.0.0/24 via 10.0.0.2 [65002]'])
  t.match(
    a.table('ipv4-unicast').find(row => row.prefix === '10.4.0.0/24'),
    { localPref: undefined, originatorId: undefined },
  )

  const inside = new Simulation(1)
  const reflected = new Puppet(inside, B, { open: { asn: 65001 } }).listen()
  const b = speaker(inside, A, 65001, { [B]: 65001 }, { clusterId: '9.9.9.9' })
  inside.run(2)
  const empty = attribute(asPath, [])
  const ibgp = [attribute(origin, 'igp'), empty, raw(3, [10, 0, 0, 7]), attribute(localPref, 100)]
  reflected.send(update({ attributes: [...ibgp, attribute(originatorId, A)], announced: ['10.1.0.0/24'] }))
  reflected.send(update({ attributes: [...ibgp, attribute(clusterList, ['9.9.9.9'])], announced: ['10.2.0.0/24'] }))
  reflected.send(update({ attributes: [...ibgp, attribute(originatorId, '7.7.7.7')], announced: ['10.5.0.0/24'] }))
  inside.run(1)
  t.same(b.best(), ['10.5.0.0/24 via 10.0.0.7 []'])
  t.end()
})

t.test('what ends the session, and with which NOTIFICATION', t => {
  const marker = keepalive.slice()
  marker[3] = 0
  const rows: [string, Uint8Array, RegExp][] = [
    ['marker', marker, /Connection Not Synchronized/],
    ['type', message(9, new Uint8Array(4)), /Bad Message Type/],
    ['length', message(UPDATE, new Uint8Array(2)), /Bad Message Length/],
    ['a second OPEN', message(OPEN, Uint8Array.of(4, 0, 1, 0, 90, 1, 1, 1, 1, 0)), /Established State/],
    ['unreadable UPDATE', message(UPDATE, Uint8Array.of(0, 99, 0, 0)), /Malformed Attribute List/],
    ['no NLRI to be found', update({ attributes: [raw(14, [0, 2, 1, 99])] }), /Optional Attribute Error/],
  ]
  for (const [name, octets, expected] of rows) {
    const { net, puppet, a, c } = stage()
    t.equal(a.peer(B).state, 'Established')
    puppet.send(update({ attributes: good, announced: ['10.1.0.0/24'] }))
    net.run(0.1)
    puppet.send(octets)
    net.run(0.1)
    t.match(puppet.notification, expected, name)
    t.equal(puppet.closed, '', 'flushed, then closed')
    t.ok(a.peer(B).lastError)
    t.same(a.best(), ['10.3.0.0/24 via 10.0.0.3 [65003]'])
    t.equal(c.peer(A).flaps, 0, 'nobody else notices')
  }
  t.end()
})

t.test('the same error again and again: the attempts become rare', t => {
  const net = new Simulation(1)
  const a = speaker(net, A, 65001, { [B]: 65002 })
  const puppet = new Puppet(net, B).listen()
  const dying = () => {
    if (a.peer(B).state === 'Established') puppet.send(message(UPDATE, Uint8Array.of(0, 99, 0, 0)))
  }
  for (let i = 0; i < 6000; i++) {
    dying()
    net.run(0.1)
  }
  t.ok(puppet.connections >= 5 && puppet.connections <= 30, `${puppet.connections} connections in ten minutes`)
  t.end()
})

t.test('a peer that dials and lies is slowed down too', t => {
  const net = new Simulation(1)
  const a = speaker(net, A, 65001, { [B]: { remoteAs: 65002, passive: true } })
  let served = 0
  for (let i = 0; i < 600; i++) {
    const puppet = new Puppet(net, B, { open: { asn: 666 } }).dial(A)
    net.run(1)
    if (puppet.notification) served++
    puppet.close()
  }
  t.ok(served >= 5 && served <= 30, `${served} of 600 got as far as an OPEN`)
  t.match(a.peer(B).lastError, /its AS is 666, but AS 65002 is configured/)
  t.end()
})

t.test('silence: before OPEN, before KEEPALIVE, and after', t => {
  const net = new Simulation(1)
  const a = speaker(net, A, 65001, { [B]: { remoteAs: 65002, holdTime: 9 } })
  const mute = new Puppet(net, B, { polite: false }).listen()
  net.run(200)
  t.equal(a.peer(B).state, 'OpenSent')
  net.run(60)
  t.match(mute.notification, /Hold Timer Expired/)
  net.run(5)
  mute.sendOpen()
  net.run(1)
  t.equal(a.peer(B).state, 'OpenConfirm')
  mute.send(keepalive)
  net.run(5)
  t.equal(a.peer(B).state, 'Established')
  t.ok(mute.of(KEEPALIVE).length >= 2)
  net.run(6)
  t.not(a.peer(B).state, 'Established')
  t.end()
})

t.test('a peer that never reads stops itself only, and memory does not grow with changes', t => {
  const { net, puppet, a, c } = stage({}, { holdTime: 0 })
  puppet.pause()
  for (let round = 0; round < 20; round++) {
    c.originate(...Array.from({ length: 3000 }, (_, i) => `10.${round + 10}.${i >> 4}.${(i & 15) * 16}/28`))
    net.run(2)
  }
  t.equal(a.best().length, 3000)
  t.equal(a.peer(B).state, 'Established')
  t.equal(a.peer(C).flaps, 0)
  const sent = a.peer(B).updatesOut
  net.run(5)
  t.equal(a.peer(B).updatesOut, sent, 'nothing is pulled for it')
  t.end()
})

t.test('the hold timer does not expire over input that waits to be read', t => {
  const net = new Simulation(1)
  const puppet = new Puppet(net, B, { polite: false }).listen()
  const a = speaker(net, A, 65001, { [B]: { remoteAs: 65002, holdTime: 3 } })
  net.run(1)
  puppet.sendOpen()
  puppet.send(keepalive)
  net.run(0.5)
  t.equal(a.peer(B).state, 'Established')
  // The process is busy: time passes, and the tick comes before the input that has been there for long.
  puppet.send(keepalive)
  const { engine } = a
  engine.handle({ kind: 'tick', now: net.clock.now() + 5000 })
  t.equal(a.peer(B).state, 'Established', 'one more look')
  net.run(0.05)
  engine.handle({ kind: 'tick', now: net.clock.now() + 5200 })
  t.equal(a.peer(B).state, 'Established', 'the input was there')
  t.end()
})

t.test('route refresh: everything again (RFC 2918)', t => {
  const { net, puppet } = stage()
  net.run(1)
  const before = puppet.of(UPDATE).length
  puppet.send(encodeRefresh('ipv4-unicast'))
  net.run(1)
  t.ok(puppet.of(UPDATE).length > before)
  const after = puppet.of(UPDATE).length
  puppet.send(encodeRefresh('ipv6-unicast'), message(5, Uint8Array.of(0, 25, 0, 70)))
  net.run(1)
  t.equal(puppet.of(UPDATE).length, after, 'families not in use are ignored')
  t.equal(puppet.closed, undefined)
  t.end()
})

t.test('routes of a family that was not agreed on are ignored', t => {
  const { net, puppet, a } = stage()
  const hop = [0xfd, ...Array.from({ length: 15 }, () => 1)]
  puppet.send(update({ attributes: [good[0], path, mpReachOctets('ipv6-unicast', hop, ['fd01::/64'])] }))
  net.run(1)
  t.same(a.best('ipv6-unicast'), [])
  t.equal(a.peer(B).state, 'Established')
  t.end()
})

t.test('a fault of our own ends that session with words, and no other', t => {
  const { net, puppet, a, c } = stage()
  const rib = a.engine.rib('ipv4-unicast')
  const announce = rib.announce.bind(rib)
  rib.announce = () => {
    throw new Error('a bug')
  }
  puppet.send(update({ attributes: good, announced: ['10.1.0.0/24'] }))
  net.run(0.5)
  rib.announce = announce
  t.match(puppet.notification, 'Cease / Administrative Reset: "internal error: a bug"')
  t.match(a.peer(B).lastError, /internal error: a bug/)
  t.equal(c.peer(A).flaps, 0)
  t.ok(
    net.runUntil(() => a.peer(B).state === 'Established', 20),
    'and it is tried again',
  )
  t.end()
})

t.test('random messages after a good start never get beyond their own session', t => {
  const body = fc.uint8Array({ maxLength: 200 })
  const octets = fc.oneof(
    body,
    fc.tuple(fc.integer({ min: 1, max: 5 }), body).map(([type, rest]) => message(type, rest)),
  )
  fc.assert(
    fc.property(fc.array(octets, { minLength: 1, maxLength: 5 }), list => {
      const net = new Simulation(1)
      const puppet = new Puppet(net, B).listen()
      const a = speaker(net, A, 65001, { [B]: 65002 })
      net.run(1)
      puppet.send(...list)
      net.run(1)
      return !a.reports.some(report => report.text.includes('internal error'))
    }),
    { numRuns: 50 },
  )
  t.pass('no internal error')
  t.end()
})

t.test('a flood of malformed UPDATEs, and of different ones, is told a few times and then counted', t => {
  const { net, puppet, a, c } = stage()
  for (let i = 0; i < 10_000; i++) {
    const wrong = i % 2 ? raw(1, [3 + (i % 200)]) : raw(4, [1, 2])
    puppet.send(update({ attributes: [...good.slice(1), wrong], announced: ['10.1.0.0/24'] }))
    if (i % 100 === 99) net.run(10)
  }
  const told = a.reports.filter(report => report.type === 'update')
  t.ok(told.length >= 6 && told.length < 20, `${told.length} reports of 10,000`)
  t.match(told.at(-1)?.text, /and \d\d+ more of the kind since the last report/)
  t.match(
    told
      .slice(0, 2)
      .map(({ text }) => text)
      .join(),
    /MULTI_EXIT_DISC.*ORIGIN|ORIGIN.*MULTI_EXIT_DISC/s,
  )
  t.same([a.peer(B).state, c.peer(A).flaps], ['Established', 0])
  t.end()
})

t.test('mutated streams, whole and dripping: no fault of our own, and nobody else notices', t => {
  const random = new Random(3)
  const pool = [...Object.values(messages), nearlyRight].flatMap(one => fc.sample(one, { numRuns: 30, seed: 9 }))
  const pick = () => pool[Math.floor(random.next() * pool.length)]
  for (let round = 0; round < 24; round++) {
    const stream = Array.from({ length: 40 }, (_, i) => (i % 3 === 0 ? pick() : mutate(pick(), pick(), random)))
    t.equal(streamFault(stream, round % 4 === 0), undefined)
  }
  t.end()
})
