// Sessions between whole speakers on the in-memory network: coming up, going down, and saying why.

import t from 'tap'
import { Simulation } from '../transport/simulation.ts'
import { Puppet } from './test-puppet.ts'
import { config, established, speaker } from './test-speakers.ts'

const [A, B, C] = ['10.0.0.1', '10.0.0.2', '10.0.0.3']

function pair(seed = 1, peerOfA = {}, peerOfB = {}) {
  const net = new Simulation(seed)
  const a = speaker(net, A, 65001, { [B]: { remoteAs: 65002, ...peerOfA } })
  const b = speaker(net, B, 65002, { [A]: { remoteAs: 65001, ...peerOfB } })
  return { net, a, b, up: () => established([a, B], [b, A]) }
}

t.test('both dial at once, over and over: one session each time, whoever is higher', t => {
  const idsOf = [
    ['1.1.1.1', '2.2.2.2'],
    ['2.2.2.2', '1.1.1.1'],
    ['1.1.1.1', '1.1.1.1'],
  ]
  const trial = (seed: number): string | undefined => {
    const net = new Simulation(seed)
    const [routerIdA, routerIdB] = idsOf[seed % 3]
    net.network.setLink(A, B, { delay: 1 + (seed % 7), piece: 1 + (seed % 40) })
    const a = speaker(net, A, 65001, { [B]: 65002 }, { routerId: routerIdA })
    const b = speaker(net, B, 65002, { [A]: 65001 }, { routerId: routerIdB })
    const up = () => established([a, B], [b, A])
    if (!net.runUntil(up, 20)) return `seed ${seed}: no session`
    net.run(30)
    if (!up() || a.peer(B).flaps + b.peer(A).flaps > 0) return `seed ${seed}: the session did not stay`
    return a.driver.connections + b.driver.connections === 2 ? undefined : `seed ${seed}: a connection leaked`
  }
  t.same(Array.from({ length: 60 }, (_, seed) => trial(seed)).filter(Boolean), [])
  t.end()
})

t.test('what is agreed on: the smaller hold time, and router ids', t => {
  for (const [ours, theirs, expected] of [
    [90, 30, 30],
    [9, 30, 9],
    [0, 30, 0],
  ]) {
    const { net, a, b, up } = pair(1, { holdTime: ours }, { holdTime: theirs })
    t.ok(net.runUntil(up, 20))
    t.match(a.peer(B), { holdTime: expected, routerId: B })
    t.equal(b.peer(A).holdTime, expected)
    net.run(300)
    t.ok(up(), 'keepalives hold it up, and none are needed with hold time 0')
  }
  t.end()
})

t.test('keepalives of many sessions go out together, each of them in time', t => {
  const net = new Simulation(3)
  const others = Array.from({ length: 100 }, (_, i) => `10.0.1.${i + 1}`)
  const peers = Object.fromEntries(others.map(other => [other, { remoteAs: 65002, holdTime: 9 }]))
  const a = speaker(net, A, 65001, peers)
  for (const other of others) speaker(net, other, 65002, { [A]: 65001 })
  t.ok(net.runUntil(() => others.every(other => established([a, other])), 30))
  net.run(5)
  const sent = (): number[] => a.engine.counters().map(({ out }) => out.keepalive)
  let before = sent()
  const last = others.map(() => -1)
  const gaps: number[] = []
  let moments = 0
  for (let ms = 0; ms < 9_000; ms++) {
    net.run(0.001)
    const now = sent()
    const those = now.flatMap((count, i) => (count > before[i] ? [i] : []))
    if (those.length > 0) moments++
    for (const i of those) {
      if (last[i] >= 0) gaps.push(ms - last[i])
      last[i] = ms
    }
    before = now
  }
  t.ok(gaps.length > 200, `${gaps.length} keepalives after others`)
  t.ok(
    Math.min(...gaps) >= 2_249 && Math.max(...gaps) <= 3_001,
    `${Math.min(...gaps)} to ${Math.max(...gaps)} ms apart`,
  )
  t.ok(moments <= 97, `at ${moments} moments`)
  t.end()
})

t.test('a passive peer is never dialed but accepts', t => {
  const { net, up, b } = pair(1, {}, { passive: true })
  t.ok(net.runUntil(up, 20))
  t.notOk(b.reports.some(report => report.type === 'state' && report.to === 'Connect'))
  t.end()
})

t.test('a lost link ends the session by the hold timer, at both ends; it comes back by itself', t => {
  const { net, a, b, up } = pair(3, { holdTime: 9 }, { holdTime: 9 })
  a.originate('10.1.0.0/24')
  t.ok(net.runUntil(() => up() && b.best().length === 1, 20))
  net.network.cut(A, B)
  net.run(8)
  t.ok(b.peer(A).state === 'Established' || b.peer(A).lastError !== undefined)
  net.run(3)
  t.not(a.peer(B).state, 'Established')
  t.match(a.peer(B).lastError, /hold timer expired: nothing was heard from 10\.0\.0\.2/)
  const ends = () => a.reports.filter(report => report.type === 'state' && report.from === 'Established')
  t.match(ends(), [{ silent: true }], 'it may be dead')
  t.same(b.best(), [], 'its routes are gone')
  net.run(30)
  t.match(a.peer(B).lastError, /no answer from 10\.0\.0\.2:179/)
  net.network.mend(A, B)
  t.ok(net.runUntil(() => up() && b.best().length === 1, 60))
  t.end()
})

t.test('a killed peer is noticed at once, and its return too', t => {
  const { net, a, b, up } = pair()
  b.originate('10.2.0.0/24')
  t.ok(net.runUntil(() => up() && a.best().length === 1, 20))
  net.run(100)
  b.kill()
  net.run(1)
  t.same(a.best(), [])
  t.not(a.peer(B).state, 'Established')
  t.equal(a.peer(B).flaps, 1)
  net.run(10)
  t.match(a.peer(B).lastError, /^connection refused by 10\.0\.0\.2:179: is BGP enabled there for /)
  const again = speaker(net, B, 65002, { [A]: 65001 })
  again.originate('10.2.0.0/24')
  t.ok(net.runUntil(() => a.best().length === 1, 20))
  t.end()
})

t.test('wrong AS: both ends say what is wrong, nobody spins, and the correction helps', t => {
  const net = new Simulation(5)
  const a = speaker(net, A, 65001, { [B]: 65099 })
  const b = speaker(net, B, 65002, { [A]: 65001 })
  net.run(5)
  t.match(
    a.peer(B).lastError,
    /its AS is 65002, but AS 65099 is configured; correct the AS number here or at 10\.0\.0\.2/,
  )
  t.match(b.peer(A).lastError, /Bad Peer AS: it does not expect AS 65002/)
  const before = a.peer(B).messagesOut
  net.run(600)
  t.ok(a.peer(B).messagesOut - before < 60, `${a.peer(B).messagesOut - before} messages in ten minutes`)
  a.configure(config(A, 65001, { [B]: 65002 }))
  t.ok(net.runUntil(() => established([a, B], [b, A]), 130))
  t.end()
})

t.test('causes, told to the operator', t => {
  const { net: other, a: picky } = pair(1, { families: ['ipv6-unicast'] })
  other.run(3)
  t.match(picky.peer(B).lastError, /enable the same address families at both ends/)

  const net = new Simulation(1)
  const a = speaker(net, A, 65001, {})
  const c = speaker(net, C, 65003, { [A]: 65001 })
  net.run(3)
  t.match(a.reports, [
    { type: 'refused', remote: C, text: /connection from 10\.0\.0\.3 to 10\.0\.0\.1 refused: no peer/ },
  ])
  t.match(c.peer(A).lastError, /is 10\.0\.0\.3 a configured neighbour there, with AS 65003\?/)
  t.end()
})

t.test('same router id in one AS is refused, in two is allowed (RFC 6286)', t => {
  const twins = (asOfB: number) => {
    const net = new Simulation(1)
    const a = speaker(net, A, 65001, { [B]: asOfB }, { routerId: '9.9.9.9' })
    const b = speaker(net, B, asOfB, { [A]: 65001 }, { routerId: '9.9.9.9' })
    return { a, b, up: net.runUntil(() => established([a, B], [b, A]), 10) }
  }
  t.ok(twins(65002).up)
  const inOne = twins(65001)
  t.notOk(inOne.up)
  t.match(inOne.a.peer(B).lastError, /router id/)
  t.end()
})

t.test('a stop says goodbye; a restart does not', t => {
  for (const [mode, expected] of [
    ['cease', /Administrative Shutdown: "the speaker stops": the session is disabled there/],
    ['restart', /closed the connection without a NOTIFICATION/],
  ] as const) {
    const { net, a, b, up } = pair()
    t.ok(net.runUntil(up, 20))
    a.stop(mode)
    net.run(0.5)
    t.match(b.peer(A).lastError, expected)
    net.run(60)
    t.equal(a.peer(B).state, 'Idle', 'it stays down')
    if (mode === 'cease') t.match(b.peer(A).lastError, /^connection refused.*; before that: .*the speaker stops/, mode)
  }
  t.end()
})

t.test('reload: what is equal or concerns only filters, words and timers touches no session', t => {
  const { net, a, b, up } = pair()
  a.originate('10.1.0.0/24', '10.1.1.0/24')
  t.ok(net.runUntil(() => up() && b.best().length === 2, 20))
  const only = (prefix: string) => ({
    name: 'only',
    rules: [{ name: 'one', when: { prefixes: [{ prefix }] }, then: 'accept' as const }],
    otherwise: 'reject' as const,
  })
  for (const more of [
    {},
    { description: 'words' },
    { holdTime: 30, connectRetry: 9 },
    { export: only('10.1.1.0/24') },
  ]) {
    a.configure(config(A, 65001, { [B]: { remoteAs: 65002, ...more } }))
    net.run(5)
  }
  t.equal(a.peer(B).flaps, 0)
  t.same(b.best(), ['10.1.1.0/24 via 10.0.0.1 [65001]'], 'the new filter has taken effect')
  a.configure(config(A, 65001, { [B]: 65002 }))
  b.configure(config(B, 65002, { [A]: { remoteAs: 65001, import: only('10.1.0.0/24') } }))
  net.run(5)
  t.same(b.best(), ['10.1.0.0/24 via 10.0.0.1 [65001]'])
  t.match(b.peer(A), { prefixesReceived: 2, prefixesAccepted: 1, flaps: 0 })
  t.end()
})

t.test('peers are added and removed while others run', t => {
  const { net, a, b, up } = pair()
  t.ok(net.runUntil(up, 20))
  const c = speaker(net, C, 65003, { [A]: 65001 })
  c.originate('10.3.0.0/24')
  a.configure(config(A, 65001, { [B]: 65002, [C]: 65003 }))
  t.ok(net.runUntil(() => b.best().length === 1, 20))
  a.configure(config(A, 65001, { [B]: 65002 }))
  net.run(1)
  t.same(b.best(), [])
  t.match(c.peer(A).lastError, /Peer De-configured: configure 10\.0\.0\.3 with AS 65003/)
  t.ok(up())
  t.equal(a.peer(B).flaps, 0)
  t.end()
})

t.test('a configuration that is wrong changes nothing and says what to do', t => {
  const { net, a, up } = pair()
  t.ok(net.runUntil(up, 20))
  const wrong = config(
    A,
    65001,
    { [B]: 0, [C]: { remoteAs: 65003, holdTime: 2, reflectorClient: true }, '10.0.0.300': 65004 },
    { routerId: '0.0.0.0' },
  )
  const issues = a.engine.configure(wrong)
  t.match(
    issues.map(({ peer, field }) => `${peer ?? ''} ${field}`),
    [' routerId', `${B} remoteAs`, `${C} holdTime`, `${C} reflectorClient`, '10.0.0.300 address'],
  )
  for (const issue of issues) t.match(issue, { reason: /\w/, fix: /\w/ })
  net.run(5)
  t.ok(up())
  t.equal(a.peer(B).flaps, 0)
  t.end()
})

t.test('graceful restart: what OPEN says, and when End-of-RIB goes out (RFC 4724)', t => {
  const net = new Simulation(2)
  const restart = { restartTime: 120, restarting: true, forwarding: true }
  const a = speaker(net, A, 65001, { [B]: 65002 }, { gracefulRestart: restart })
  const b = speaker(net, B, 65002, { [A]: 65001 }, { gracefulRestart: { restartTime: 120 } })
  a.originate('10.1.0.0/24')
  b.originate('10.2.0.0/24')
  t.ok(net.runUntil(() => b.best().length === 2, 20))
  net.run(5)
  t.same(b.peer(A).endOfRib, [], 'our own routes are not complete yet')
  t.same(a.peer(B).endOfRib, ['ipv4-unicast'], 'those of the peer are')
  a.driver.with(engine => engine.setComplete(true))
  net.run(1)
  t.same(b.peer(A).endOfRib, ['ipv4-unicast'])
  t.end()
})

t.test('a peer with graceful restart that comes back unnoticed takes its session over', t => {
  const net = new Simulation(2)
  const graceful = { gracefulRestart: { restartTime: 120 } }
  const a = speaker(net, A, 65001, { [B]: 65002 }, graceful)
  const b = speaker(net, B, 65002, { [A]: 65001 }, graceful)
  t.ok(net.runUntil(() => established([a, B], [b, A]), 20))
  net.network.cut(A, B) // its end of the session is lost on the way
  b.kill()
  net.network.forget(A, B)
  net.network.mend(A, B)
  const again = speaker(net, B, 65002, { [A]: 65001 }, graceful)
  t.ok(
    net.runUntil(() => established([a, B], [again, A]), 10),
    'without waiting for the hold timer',
  )
  net.run(200)
  t.ok(established([a, B], [again, A]))
  t.end()
})

t.test('a peer that has just dialed is not dialed as well, unless its connection leads nowhere', t => {
  const net = new Simulation(3)
  const a = speaker(net, A, 65001, { [B]: { remoteAs: 65002, connectRetry: 1 } })
  net.run(2)
  const silent = new Puppet(net, B, { polite: false })
  silent.dial(A)
  t.ok(net.runUntil(() => silent.connections === 1, 2))
  const listener = new Puppet(net, B, { open: { asn: 65002 } }).listen()
  net.run(4)
  t.equal(listener.connections, 0, 'one connection is enough')
  t.ok(
    net.runUntil(() => established([a, B]), 10),
    'nothing came on it',
  )
  t.equal(listener.connections, 1)
  t.end()
})

t.test('both dial at once, and the second OPEN comes when the first session is up: that is no restart', t => {
  for (const [name, families, later, kept] of [
    ['a peer with graceful restart', [{ afi: 1, safi: 1, forwarding: true }], undefined, true],
    [
      'one whose second connection is accepted when the session is up',
      [{ afi: 1, safi: 1, forwarding: true }],
      1,
      true,
    ],
    ['one that only helps others, which connects once more', [], 6, true],
    ['one that restarts', [{ afi: 1, safi: 1, forwarding: true }], 6, false],
  ] as const) {
    const net = new Simulation(4)
    net.network.setLink(A, B, { delay: 300 })
    const restart = { restarting: false, notification: false, restartTime: 120, families }
    const capabilities = [
      { kind: 'fourOctetAs', asn: 65002 },
      { kind: 'multiprotocol', afi: 1, safi: 1 },
      { kind: 'gracefulRestart', ...restart },
    ] as const
    new Puppet(net, B, { open: { capabilities } }).listen()
    const second = new Puppet(net, B, { polite: false })
    const a = speaker(net, A, 65001, { [B]: { remoteAs: 65002 } }, { gracefulRestart: { restartTime: 60 } })
    if (later === undefined) {
      second.dial(A)
      t.ok(
        net.runUntil(() => second.connections === 1, 2),
        name,
      )
      t.not(a.peer(B).state, 'Established', 'the second connection is there before the session')
    }
    t.ok(
      net.runUntil(() => established([a, B]), 20),
      name,
    )
    net.run(later ?? 0)
    if (later !== undefined) second.dial(A)
    net.run(1)
    second.sendOpen({ capabilities })
    net.run(2)
    t.equal(a.peer(B).flaps, kept ? 0 : 1, name)
    if (kept) t.match(second.notification, /Connection Collision Resolution/, name)
  }
  t.end()
})
