// Long-lived graceful restart (RFC 9494): what is kept for long, as the last choice, for whom it is good, and when it goes.

import t from 'tap'
import { Simulation } from '../transport/simulation.ts'
import type { Capability } from '../wire/capabilities.ts'
import { asPath, communities, origin } from '../wire/attributes.ts'
import { HEADER_LENGTH, OPEN } from '../wire/header.ts'
import { decodeOpen } from '../wire/open.ts'
import { attribute, raw, update } from '../wire/test-messages.ts'
import { Puppet } from './test-puppet.ts'
import { config, established, speaker } from './test-speakers.ts'

const [A, B, C, D, E] = ['10.0.0.1', '10.0.0.2', '10.0.0.3', '10.0.0.4', '10.0.0.5']
const V4 = 'ipv4-unicast'
const gracefulRestart = { restartTime: 60, longLived: 1000 }

interface Says {
  /** Restart time; undefined: no capability. */
  readonly time?: number
  /** Long-lived stale time; undefined: no capability. */
  readonly long?: number
  readonly forwarding?: boolean
}

function says({ time, long, forwarding = true }: Says): Capability[] {
  const family = { afi: 1, safi: 1, forwarding }
  const common = { kind: 'gracefulRestart', restarting: false, notification: true } as const
  return [
    { kind: 'fourOctetAs', asn: 65002 },
    ...(time === undefined ? [] : [{ ...common, restartTime: time, families: time > 0 ? [family] : [] }]),
    ...(long === undefined ? [] : [{ kind: 'longLived', families: [{ ...family, seconds: long }] } as const]),
  ]
}

const announce = (list: readonly string[], ...more: string[]) => {
  const path = attribute(asPath, [{ type: 'sequence', asns: [65002] }])
  const attributes = [attribute(origin, 'igp'), path, raw(3, [10, 0, 0, 2])]
  if (more.length > 0) attributes.push(attribute(communities, more))
  return update({ attributes, announced: list })
}
const P = '10.1.0.0/24'
const Q = '10.2.0.0/24'

/** A with the puppet B, C which knows LLGR, and D which does not. */
function stage(said: Says, peer = {}, own: object = gracefulRestart) {
  const net = new Simulation(3)
  const options = { polite: true, open: { capabilities: says(said) } }
  const puppet = new Puppet(net, B, options).listen()
  const ofB = { remoteAs: 65002, holdTime: 9, connectRetry: 1, ...peer }
  const a = speaker(net, A, 65001, { [B]: ofB, [C]: 65003, [D]: 65004 }, { gracefulRestart: own as never })
  const c = speaker(net, C, 65003, { [A]: 65001 }, { gracefulRestart })
  const d = speaker(net, D, 65004, { [A]: 65001 }, { gracefulRestart: { restartTime: 60 } })
  t.ok(net.runUntil(() => established([a, B], [a, C], [a, D], [c, A], [d, A]), 20))
  puppet.send(announce([P]), announce([Q], 'no-llgr'), update({}))
  net.run(1)
  t.same([c.best().length, d.best().length], [2, 2])
  const has = () => [a, c, d].map(one => one.best().map(text => text.split(' ')[0]))
  const leave = () => {
    options.polite = false
    puppet.close()
    net.run(0.5)
  }
  const comeBack = (again: Says = said) => {
    options.polite = true
    options.open.capabilities = says(again)
    puppet.close() // what was dialed meanwhile got no answer
    return net.runUntil(() => established([a, B]), 30)
  }
  const stale = () => a.table(V4, 'in', B).map(row => row.stale)
  return { net, puppet, a, c, d, has, leave, comeBack, stale }
}

t.test('after the restart time routes are kept for long: marked, told to those who know, and no others', t => {
  const { net, a, c, has, leave, stale } = stage({ time: 30, long: 300 })
  leave()
  t.same(stale(), ['restart', 'restart'])
  net.run(31)
  t.same(has(), [[P], [P], []], 'NO_LLGR goes, and who does not know LLGR_STALE is told of nothing')
  t.same(stale(), ['long-lived'])
  t.same(
    c.table(V4, 'in', A).map(row => row.communities),
    [['65535:6']],
  )
  const rib = a.engine.rib(V4)
  const [to, id] = [a.engine.peerId(D), rib.lookup(P)]
  if (to === undefined || id === undefined) return void t.fail('the route is gone')
  t.match(rib.explainExport(to, id), { accepted: false, text: /LLGR_STALE/ })
  t.ok(a.reports.some(({ text }) => /kept as the last choice for up to 300 s/.test(text)))
  net.run(290)
  t.same(has()[0], [P])
  net.run(15)
  t.same(has(), [[], [], []])
  t.equal(a.peer(B).prefixesStale, 0)
  t.end()
})

t.test('with a restart time of 0 that begins at once', t => {
  const { net, has, leave, stale } = stage({ time: 0, long: 100 })
  leave()
  t.same(stale(), ['long-lived'])
  t.same(has(), [[P], [P], []])
  net.run(102)
  t.same(has(), [[], [], []])
  t.end()
})

t.test('a peer that comes back and tells all again: the mark goes with what is told, the rest at End-of-RIB', t => {
  const { net, puppet, a, c, has, leave, comeBack } = stage({ time: 10, long: 300 })
  puppet.send(announce(['10.3.0.0/24']))
  leave()
  net.run(20)
  t.ok(comeBack())
  t.same(has()[1], [P, '10.3.0.0/24'])
  puppet.send(announce([P]))
  net.run(1)
  t.same(
    c.table(V4, 'in', A).map(row => [row.prefix, row.communities]),
    [
      [P, []],
      ['10.3.0.0/24', ['65535:6']],
    ],
    'the very same route again is a fresh one',
  )
  puppet.send(update({}))
  net.run(1)
  t.same(has(), [[P], [P], [P]])
  t.equal(a.peer(B).prefixesStale, 0)
  t.end()
})

t.test('what it did not preserve goes at once when it is back', t => {
  for (const again of [{ time: 10, long: 300, forwarding: false }, { time: 10 }, { long: 300 }, {}]) {
    const { net, has, leave, comeBack } = stage({ time: 10, long: 300 })
    leave()
    net.run(20)
    t.same(has()[0], [P])
    t.ok(comeBack(again))
    net.run(0.3)
    t.same(has()[0], [], JSON.stringify(again))
  }
  t.end()
})

t.test('a second restart inside the time deletes nothing, and the time runs on (RFC 9494 §4.2)', t => {
  const { net, puppet, has, leave, comeBack } = stage({ time: 10, long: 300 })
  leave()
  net.run(100)
  t.ok(comeBack())
  puppet.send(announce(['10.4.0.0/24']))
  net.run(1)
  leave()
  t.same(has()[0], [P, '10.4.0.0/24'])
  net.run(150)
  t.same(has()[0], [P, '10.4.0.0/24'])
  t.ok(comeBack())
  net.run(1)
  t.same(has()[0], [P, '10.4.0.0/24'])
  net.run(60)
  t.same(has()[0], [], 'without End-of-RIB it all goes when the time of the first is over')
  t.end()
})

t.test('a second restart before the time for long has begun deletes nothing either', t => {
  const { net, puppet, has, leave, comeBack } = stage({ time: 20, long: 300 })
  leave()
  net.run(5)
  t.ok(comeBack())
  puppet.send(announce(['10.4.0.0/24']))
  net.run(1)
  leave()
  t.same(has()[0], [P, Q, '10.4.0.0/24'])
  net.run(25)
  t.same(has()[0], [P, '10.4.0.0/24'])
  t.end()
})

t.test('who has to know it for it to happen', t => {
  for (const [name, said, peer, own] of [
    ['not the peer', { time: 10 }, {}, gracefulRestart],
    ['the peer, but without graceful restart', { long: 300 }, {}, gracefulRestart],
    ['the peer asks for no time', { time: 10, long: 0 }, {}, gracefulRestart],
    ['not we', { time: 10, long: 300 }, {}, { restartTime: 60 }],
    ['we do not help', { time: 10, long: 300 }, { longLivedHelper: false }, gracefulRestart],
    ['we help for no time', { time: 10, long: 300 }, { longLivedHelper: 0 }, gracefulRestart],
    ['we help nobody', { time: 10, long: 300 }, { gracefulRestartHelper: false }, gracefulRestart],
  ] as const) {
    const { net, has, leave } = stage(said, peer, own)
    leave()
    net.run(15)
    t.same(has()[0], [], name)
  }
  const { net, has, leave } = stage({ time: 10, long: 3000 }, { longLivedHelper: 100 })
  leave()
  net.run(105)
  t.same(has()[0], [P])
  net.run(10)
  t.same(has()[0], [], 'no longer than we will')
  t.end()
})

t.test('what the operator ends is not kept for long, nor is it after a change of mind', t => {
  const { net, a, has, leave } = stage({ time: 10, long: 300 })
  a.driver.with(engine => engine.disablePeer(B))
  net.run(1)
  t.same(has()[0], [])
  a.driver.with(engine => engine.enablePeer(B))
  net.run(10)
  t.ok(established([a, B]))
  leave()
  a.driver.with(engine => engine.resetPeer(B))
  net.run(1)
  t.same(has()[0], [])
  t.end()
})

t.test('bug 19: a path kept for long is never chosen beside a fresh one, however good it is', t => {
  const { net, a, leave } = stage({ time: 10, long: 300 })
  const e = speaker(net, E, 65005, { [A]: 65001 })
  a.configure(
    config(
      A,
      65001,
      { [B]: { remoteAs: 65002, holdTime: 9, connectRetry: 1 }, [C]: 65003, [D]: 65004, [E]: 65005 },
      { gracefulRestart },
    ),
  )
  e.originate(P)
  t.ok(net.runUntil(() => established([a, E]), 20))
  net.run(2)
  const paths = () => {
    const id = a.engine.rib(V4).lookup(P)
    return id === undefined
      ? []
      : a.engine
          .rib(V4)
          .paths(id)
          .map(({ peer, best, multipath }) => ({ peer, best, multipath }))
  }
  t.same(
    paths().map(({ best, multipath }) => best || multipath),
    [true, true],
    'equal while both are fresh',
  )
  leave()
  t.same(
    paths().map(({ best, multipath }) => best || multipath),
    [true, true],
    'and for the restart time (RFC 4724)',
  )
  net.run(11)
  t.same(paths(), [
    { peer: E, best: true, multipath: false },
    { peer: B, best: false, multipath: false },
  ])
  t.match(a.engine.rib(V4).paths(a.engine.rib(V4).lookup(P) as never)[1].reason, /LLGR_STALE/)
  a.configure(config(A, 65001, { [B]: 65002, [C]: 65003, [D]: 65004 }, { gracefulRestart }))
  net.run(1)
  t.same(paths(), [{ peer: B, best: true, multipath: false }], 'the last choice is a choice')
  t.end()
})

t.test('a route that comes marked is the last choice, too, and goes on to those who know', t => {
  const { net, puppet, a, c, d } = stage({ time: 10, long: 300 })
  const e = speaker(net, E, 65005, { [A]: 65001 })
  e.originate('10.5.0.0/24')
  const peers = { [B]: { remoteAs: 65002, holdTime: 9, connectRetry: 1 }, [C]: 65003, [D]: 65004, [E]: 65005 }
  a.configure(config(A, 65001, peers, { gracefulRestart }))
  puppet.send(announce(['10.5.0.0/24', '10.6.0.0/24'], 'llgr-stale'))
  t.ok(net.runUntil(() => established([a, E]), 20))
  net.run(1)
  t.match(
    a.table(V4).find(({ prefix }) => prefix === '10.5.0.0/24'),
    { peer: E },
  )
  t.match(c.best().join(), /10\.6\.0\.0\/24/)
  t.notMatch(d.best().join(), /10\.6\.0\.0\/24/)
  t.end()
})

t.test('partial deployment: inside the AS those who do not know it may be told (RFC 9494 §4.6)', t => {
  const { net, puppet, a, leave } = stage({ time: 10, long: 300 })
  const peers = (sendLongLived: boolean) => ({
    [B]: { remoteAs: 65002, holdTime: 9, connectRetry: 1 },
    [C]: 65003,
    [D]: 65004,
    [E]: { remoteAs: 65001, sendLongLived },
  })
  const e = speaker(net, E, 65001, { [A]: 65001 })
  const configure = (told: boolean) => a.configure(config(A, 65001, peers(told), { gracefulRestart }))
  configure(true)
  puppet.send(announce(['10.7.0.0/24']))
  t.ok(net.runUntil(() => established([e, A]) && e.best().length === 3, 20))
  t.match(e.table(V4)[0], { localPref: 100, communities: [] }, 'fresh ones as ever')
  leave()
  net.run(15)
  const told = { prefix: P, localPref: 0, communities: ['65535:6', '65535:65281'] }
  const ofP = () => e.table(V4).find(({ prefix }) => prefix === P)
  t.match(ofP(), told)
  configure(false)
  net.run(1)
  t.same(e.best(), [])
  configure(true)
  net.run(1)
  t.match(ofP(), told, 'and back, in the same session')
  t.match(
    a.engine.configure(config(A, 65001, { [C]: { remoteAs: 65003, sendLongLived: true } }, { gracefulRestart })),
    [{ field: 'sendLongLived', reason: /inside ours/ }],
    'never to another AS',
  )
  t.end()
})

t.test('a changed import policy leaves the mark where it is', t => {
  const { net, a, c, leave } = stage({ time: 10, long: 300 })
  leave()
  net.run(15)
  const tag = {
    name: 'tag',
    rules: [{ name: 'all', then: 'accept', set: { addCommunities: ['65001:7'] } }],
    otherwise: 'reject',
  } as const
  const peers = { [B]: { remoteAs: 65002, holdTime: 9, connectRetry: 1, import: tag }, [C]: 65003, [D]: 65004 }
  a.configure(config(A, 65001, peers, { gracefulRestart }))
  net.run(1)
  t.same(
    c.table(V4, 'in', A).map(row => row.communities.toSorted()),
    [['65001:7', '65535:6']],
  )
  t.end()
})

t.test('as the one that restarts: the capability says for how long, by family', t => {
  const net = new Simulation(3)
  const puppet = new Puppet(net, B)
  const nextHopSelf = { 'ipv6-unicast': 'fd00::1' }
  const ofB = { remoteAs: 65002, passive: true, nextHopSelf }
  const own = { restartTime: 60, restarting: true, forwarding: true, longLived: { 'ipv6-unicast': 0xfedcba } }
  speaker(net, A, 65001, { [B]: ofB }, { gracefulRestart: own })
  puppet.dial(A)
  net.run(1)
  const octets = puppet.of(OPEN)[0]
  const open = decodeOpen(octets, HEADER_LENGTH, octets.length)
  t.match('capabilities' in open && open.capabilities.find(({ kind }) => kind === 'longLived'), {
    families: [
      { afi: 1, safi: 1, forwarding: true, seconds: 0 },
      { afi: 2, safi: 1, forwarding: true, seconds: 0xfedcba },
    ],
  })
  t.end()
})

t.test('two speakers: one is away for minutes, and the third never loses the route', t => {
  const net = new Simulation(5)
  const a = speaker(net, A, 65001, { [B]: { remoteAs: 65002, holdTime: 9 }, [C]: 65003 }, { gracefulRestart })
  const c = speaker(net, C, 65003, { [A]: 65001 }, { gracefulRestart })
  const start = (restarting: boolean) => {
    const own = { restartTime: 20, longLived: 600, restarting, forwarding: restarting }
    const b = speaker(net, B, 65002, { [A]: 65001 }, { gracefulRestart: own })
    b.originate(P)
    if (restarting) b.driver.with(engine => engine.setComplete(true))
    return b
  }
  const b = start(false)
  t.ok(net.runUntil(() => c.best().length === 1, 20))
  b.kill()
  let lost = false
  for (let i = 0; i < 3000; i++) {
    net.run(0.1)
    lost ||= c.best().length !== 1
  }
  t.notOk(lost)
  start(true)
  t.ok(net.runUntil(() => a.peer(B).state === 'Established' && a.peer(B).prefixesStale === 0, 30))
  t.same(
    c.table(V4, 'in', A).map(row => row.communities),
    [[]],
  )
  t.end()
})

t.test('the CVEs of this capability: a length that is none (CVE-2023-31489)', t => {
  for (let length = 0; length < 16; length++) {
    const net = new Simulation(3)
    const value: Capability = { kind: 'unknown', code: 71, value: new Uint8Array(length).fill(1) }
    const restart = says({ time: 10 })
    new Puppet(net, B, { open: { capabilities: [...restart, value] } }).listen()
    const a = speaker(net, A, 65001, { [B]: 65002 }, { gracefulRestart })
    t.ok(
      net.runUntil(() => established([a, B]), 20),
      `${length} octets`,
    )
  }
  t.end()
})

t.test('what is no time is refused', t => {
  for (const [own, peer, field] of [
    [{ restartTime: 60, longLived: 0x1000000 }, {}, 'gracefulRestart.longLived'],
    [{ restartTime: 60, longLived: { 'ipv4-unicast': -1 } }, {}, 'gracefulRestart.longLived.ipv4-unicast'],
    [{ restartTime: 60 }, { longLivedHelper: true }, 'longLivedHelper'],
    [gracefulRestart, { longLivedHelper: 1.5 }, 'longLivedHelper'],
  ] as const) {
    const peers = { [B]: { remoteAs: 65002, ...peer } }
    t.throws(() => speaker(new Simulation(), A, 65001, peers, { gracefulRestart: own }), {
      message: new RegExp(`"${field}"`),
    })
  }
  t.end()
})
