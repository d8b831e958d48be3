// Bugs that other speakers had under load and over time: 22 to 25 of the project's list, and 17's crowd. A turn of the event
// loop takes time here, as on a busy machine, and the clock is virtual.

import t from 'tap'
import { Random } from '../fsm/random.ts'
import { Driver } from '../transport/driver.ts'
import { Listeners } from '../transport/listeners.ts'
import { Simulation } from '../transport/simulation.ts'
import type { Clock } from '../transport/transport.ts'
import type { Report } from '../types.ts'
import { message, OPEN } from '../wire/header.ts'
import { asPath, origin } from '../wire/attributes.ts'
import { attribute, raw, update } from '../wire/test-messages.ts'
import { Engine } from './engine.ts'
import { Puppet } from './test-puppet.ts'
import { config, established, speaker } from './test-speakers.ts'

const [A, B, C] = ['10.0.0.1', '10.0.0.2', '10.0.0.3']
const path = attribute(asPath, [{ type: 'sequence', asns: [65002] }])
const good = [attribute(origin, 'igp'), path, raw(3, [10, 0, 0, 2])]

t.test('bug 22: a peer that does not read; hold times of 0, 1 and 2', async t => {
  for (const holdTime of [1, 2]) {
    const net = new Simulation(1)
    const puppet = new Puppet(net, B, { open: { holdTime } }).listen()
    const a = speaker(net, A, 65001, { [B]: 65002 })
    net.run(1)
    t.match(puppet.notification, /Unacceptable Hold Time/, `${holdTime} s`)
    t.match(a.peer(B).lastError, new RegExp(`hold time of ${holdTime} s`))
  }
  for (const holdTime of [0, 90]) {
    const net = new Simulation(1)
    const puppet = new Puppet(net, B, { open: { holdTime } }).listen()
    const a = speaker(net, A, 65001, { [B]: { remoteAs: 65002, sendHoldTime: 100 }, [C]: 65003 })
    const c = speaker(net, C, 65003, { [A]: 65001 })
    net.runUntil(() => established([a, B], [a, C]), 20)
    puppet.pause()
    const alive = message(4, new Uint8Array(0))
    let torn = false
    for (let round = 0; round < 80 && !torn; round++) {
      c.originate(...Array.from({ length: 3000 }, (_, i) => `10.${round}.${i >> 4}.${(i & 15) * 16}/28`))
      if (holdTime > 0) puppet.send(alive)
      net.run(5)
      torn = a.peer(B).flaps > 0
    }
    t.ok(torn, `hold time ${holdTime}: it is given up`)
    t.match(a.peer(B).lastError, /has not read for too long/)
    t.equal(a.peer(C).flaps, 0)
    t.equal(a.best().length, 3000)
  }
})

/** A speaker on a machine on which every turn of the event loop takes so many milliseconds, and handles so many units. */
function slowSpeaker(net: Simulation, peers: Parameters<typeof config>[2], turn: number, budget: number) {
  const clock: Clock = {
    now: () => net.clock.now(),
    at: (time, callback) => net.clock.at(time, callback),
    soon: callback => void net.clock.at(net.clock.now() + turn, callback),
  }
  const reports: Report[] = []
  const engine = new Engine({ seed: 7, now: clock.now() })
  const transport = net.network.host(A)
  const report = (one: Report) => void reports.push(one)
  const driver = new Driver(engine, transport, clock, { report, turned: () => {}, budget })
  driver.with(engine => engine.configure(config(A, 65001, peers)))
  new Listeners(transport, clock, conn => driver.accept(conn), report).set(179, undefined)
  const peer = (name: string) => engine.status().find(one => one.name === name)
  return { engine, driver, reports, peer }
}

t.test(
  'bug 23: a busy loop does not miss keepalives, and does not expire a hold timer over input that waits',
  async t => {
    const net = new Simulation(1)
    const puppet = new Puppet(net, B, { open: { holdTime: 3 } }).listen()
    const peers = { [B]: { remoteAs: 65002, holdTime: 3 }, [C]: { remoteAs: 65003, holdTime: 3 } }
    const a = slowSpeaker(net, peers, 100, 256)
    const c = speaker(net, C, 65003, { [A]: { remoteAs: 65001, holdTime: 3 } })
    t.ok(net.runUntil(() => a.peer(B)?.state === 'Established' && established([c, A]), 60))
    // 40,000 routes are 160 turns of a tenth of a second: five hold times.
    for (let i = 0; i < 40; i++) {
      const announced = Array.from({ length: 1000 }, (_, j) => `10.${i}.${j >> 4}.${(j & 15) * 16}/28`)
      for (let from = 0; from < 1000; from += 250)
        puppet.send(update({ attributes: good, announced: announced.slice(from, from + 250) }))
    }
    const flaps = () => [a.peer(B)?.flaps, a.peer(C)?.flaps, c.peer(A).flaps]
    const before = flaps() // two that dial at once, and are slow, may have begun twice
    const arrived = () => [a.peer(B)?.prefixesReceived, c.peer(A).prefixesReceived]
    const keeper = setKeepalives(net, puppet, 120)
    t.ok(
      net.runUntil(() => arrived().every(count => count === 40_000), 120),
      `${arrived().join(' and ')} have arrived`,
    )
    t.ok(net.clock.now() > 15_000, 'it took longer than any hold time')
    t.same(flaps(), before)
    keeper()
  },
)

/** Keepalives of the puppet's own, once a second for so many seconds; returns a function that ends them. */
function setKeepalives(net: Simulation, puppet: Puppet, seconds: number): () => void {
  let left = seconds
  const next = () => {
    if (left-- <= 0) return
    puppet.send(message(4, new Uint8Array(0)))
    net.clock.at(net.clock.now() + 1000, next)
  }
  next()
  return () => void (left = 0)
}

t.test('bug 23: two hundred peers connect at once', async t => {
  const net = new Simulation(1)
  const names = Array.from({ length: 200 }, (_, i) => `10.0.1.${i + 1}`)
  const peers = Object.fromEntries(names.map((name, i) => [name, { remoteAs: 64000 + i, holdTime: 3, passive: true }]))
  const a = slowSpeaker(net, peers, 20, 512)
  const crowd = names.map((name, i) => {
    const capabilities = [{ kind: 'fourOctetAs', asn: 64000 + i }] as const
    const one = new Puppet(net, name, { open: { asn: 64000 + i, routerId: i + 1, holdTime: 3, capabilities } }).dial(A)
    setKeepalives(net, one, 60)
    return one
  })
  const all = () => a.engine.status().every(({ state }) => state === 'Established')
  t.ok(net.runUntil(all, 20))
  crowd.forEach((one, i) => {
    const path = attribute(asPath, [{ type: 'sequence', asns: [64000 + i] }])
    one.send(update({ attributes: [good[0], path, raw(3, [10, 0, 1, i + 1])], announced: [`10.9.${i}.0/24`] }))
  })
  net.run(20)
  t.ok(all())
  t.ok(
    a.engine
      .status()
      .every(
        ({ flaps, prefixesReceived, prefixesSent }) => flaps === 0 && prefixesReceived === 1 && prefixesSent === 199,
      ),
  )
})

t.test('bug 24: whatever makes a session end at once, attempts become rare, and a limit is no pump', async t => {
  const badOpen = message(OPEN, Uint8Array.of(3, 0xfd, 0xea, 0, 90, 1, 1, 1, 1, 0))
  const loops: readonly [string, (puppet: Puppet, up: boolean) => void, object?][] = [
    ['a bad OPEN', puppet => puppet.send(badOpen)],
    ['a malformed UPDATE', (puppet, up) => up && puppet.send(message(2, Uint8Array.of(0, 99, 0, 0)))],
    ['no words at all', (puppet, up) => up && puppet.close()],
    [
      'limit 2, 3 sent',
      (puppet, up) =>
        up && puppet.send(update({ attributes: good, announced: ['10.1.0.0/24', '10.2.0.0/24', '10.3.0.0/24'] })),
      { maxPrefixes: { 'ipv4-unicast': { limit: 2, action: 'restart', restartAfter: 60 } } },
    ],
  ]
  for (const [name, die, more] of loops) {
    const net = new Simulation(1)
    const a = speaker(net, A, 65001, { [B]: { remoteAs: 65002, ...more }, [C]: 65003 })
    const c = speaker(net, C, 65003, { [A]: 65001 })
    const puppet = new Puppet(net, B, { polite: name !== 'a bad OPEN' }).listen()
    for (let i = 0; i < 3600; i++) {
      die(puppet, a.peer(B).state === 'Established')
      net.run(0.5)
    }
    t.ok(
      puppet.connections >= 5 && puppet.connections <= 80,
      `${name}: ${puppet.connections} connections in half an hour`,
    )
    const reasons = a.reports.filter(
      one => 'peer' in one && one.peer === B && !['state', 'endOfRib'].includes(one.type),
    )
    t.ok(reasons.length < 30, `${name}: ${reasons.length} reports of a reason`)
    t.equal(c.peer(A).flaps, 0)
    t.same(a.best(), [], `${name}: nothing is left of it`)
  }
  // The threshold of a warning does not overflow, and withdrawn routes count no more.
  const net = new Simulation(1)
  const limit = { limit: 0xffffffff, action: 'restart' } as const
  const a = speaker(net, A, 65001, { [B]: { remoteAs: 65002, maxPrefixes: { 'ipv4-unicast': limit } } })
  const puppet = new Puppet(net, B).listen()
  net.run(2)
  for (let i = 0; i < 50; i++) {
    puppet.send(update({ attributes: good, announced: [`10.1.${i}.0/24`] }))
    puppet.send(update({ withdrawn: [`10.1.${i}.0/24`] }))
  }
  net.run(1)
  t.same([a.peer(B).state, a.peer(B).prefixesReceived], ['Established', 0])
  t.notOk(a.reports.some(report => report.type === 'prefixLimit'))
})

t.test('bug 25: a configuration that is equal, or differs in words, filters and timers, resets no session', async t => {
  const net = new Simulation(1)
  const random = new Random(5)
  const peers = () => ({ [B]: { remoteAs: 65002, description: `${random.next()}` }, [C]: 65003 })
  const a = speaker(net, A, 65001, { [B]: 65002, [C]: 65003 })
  const b = speaker(net, B, 65002, { [A]: 65001 })
  const c = speaker(net, C, 65003, { [A]: 65001 })
  b.originate('10.2.0.0/24')
  net.runUntil(() => established([a, B], [a, C]) && c.best().length === 1, 20)
  const sent = () => [b.peer(A).messagesIn, c.peer(A).messagesIn]
  const before = sent()
  for (let i = 0; i < 20; i++) a.configure(config(A, 65001, { [B]: 65002, [C]: 65003 }))
  net.run(0.5)
  t.same(sent(), before, 'twenty times the same: not one message')
  for (let i = 0; i < 5; i++) a.configure(config(A, 65001, peers()))
  a.configure(config(A, 65001, { [B]: { remoteAs: 65002, connectRetry: 7 }, [C]: 65003 }))
  net.run(0.5)
  t.same(sent(), before, 'words and timers neither')
  const none = { name: 'none', rules: [], otherwise: 'reject' } as const
  a.configure(config(A, 65001, { [B]: { remoteAs: 65002, import: none }, [C]: 65003 }))
  net.run(1)
  t.same(c.best(), [], 'a filter takes effect at once')
  a.configure(config(A, 65001, { [B]: 65002, [C]: 65003 }))
  net.run(1)
  t.equal(c.best().length, 1, 'and what it kept out comes back, though the peer does not send it again')
  t.same([a.peer(B).flaps, a.peer(C).flaps], [0, 0])
})
