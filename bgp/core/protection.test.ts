// What keeps one peer from harming the others: limits of routes and memory, the send hold timer, and the rests between
// attempts.

import t from 'tap'
import { Simulation } from '../transport/simulation.ts'
import { attribute, raw, update } from '../wire/test-messages.ts'
import { asPath, origin } from '../wire/attributes.ts'
import { keepalive, NOTIFICATION, ROUTE_REFRESH } from '../wire/header.ts'
import type { PrefixLimit } from '../types.ts'
import { MOST_OCTETS } from '../session/limits.ts'
import { Puppet } from './test-puppet.ts'
import { config, established, speaker } from './test-speakers.ts'

const [A, B, C] = ['10.0.0.1', '10.0.0.2', '10.0.0.3']
const path = attribute(asPath, [{ type: 'sequence', asns: [65002] }])
const good = [attribute(origin, 'igp'), path, raw(3, [10, 0, 0, 2])]
const open = {
  capabilities: [{ kind: 'fourOctetAs', asn: 65002 }, { kind: 'routeRefresh' }] as const,
  asn: 65002,
  holdTime: 65535,
}

function prefixes(count: number, from = 0): string[] {
  return Array.from({ length: count }, (_, i) => `10.1.${(from + i) >> 8}.${(from + i) & 255}/32`)
}

function announce(...announced: string[]): Uint8Array {
  return update({ attributes: good, announced })
}

/** A speaker with a puppet that has this limit, and an honest speaker beside it. */
function stage(limit: PrefixLimit | undefined, more = {}) {
  const net = new Simulation(1)
  const puppet = new Puppet(net, B, { open }).listen()
  const peers = (limited: PrefixLimit | undefined) => ({
    [B]: { remoteAs: 65002, maxPrefixes: { 'ipv4-unicast': limited }, ...more },
    [C]: 65003,
  })
  const a = speaker(net, A, 65001, peers(limit))
  const c = speaker(net, C, 65003, { [A]: 65001 })
  net.runUntil(() => established([a, B], [a, C]), 20)
  const relimit = (limited: PrefixLimit | undefined) => a.configure(config(A, 65001, peers(limited)))
  return { net, puppet, a, c, relimit }
}

t.test('restart: the session ends before anything beyond the limit is stored, and rests (RFC 4486 §4)', t => {
  const { net, puppet, a, c } = stage({ limit: 2, action: 'restart' })
  puppet.send(announce(...prefixes(2)))
  net.run(0.1)
  t.equal(a.peer(B).prefixesReceived, 2, 'the limit itself is allowed')
  let most = 0
  const rib = a.engine.rib('ipv4-unicast')
  const real = rib.announce.bind(rib)
  rib.announce = (...args) => {
    const refused = real(...args)
    most = Math.max(most, rib.received(args[0]).all)
    return refused
  }
  puppet.send(announce(...prefixes(100, 2)))
  net.run(0.1)
  t.equal(most, 2, 'not even for a moment')
  const notification = puppet.of(NOTIFICATION).at(-1)
  t.same(Array.from(notification ?? []).slice(19), [6, 1, 0, 1, 1, 0, 0, 0, 2], 'AFI, SAFI and the limit')
  t.match(a.peer(B).lastError, /announces more than 2 ipv4-unicast prefixes.*raise maxPrefixes/)

  const before = puppet.connections
  for (let i = 0; i < 100; i++) {
    net.run(2)
    new Puppet(net, B, { open }).dial(A)
  }
  t.equal(puppet.connections, before, 'it is not tried for three minutes')
  t.equal(a.peer(B).flaps, 1, 'nor let in')
  for (let i = 0; i < 1500; i++) {
    if (a.peer(B).state === 'Established') puppet.send(announce(...prefixes(3)))
    net.run(1)
  }
  t.ok(puppet.connections - before <= 7, `${puppet.connections - before} more sessions in 25 minutes`)
  t.equal(c.peer(A).flaps, 0)
  t.end()
})

t.test('restartAfter 0: down until the limit changes, or the operator acts', t => {
  for (const way of ['limit', 'reset'] as const) {
    const { net, puppet, a, relimit } = stage({ limit: 2, action: 'restart', restartAfter: 0 })
    puppet.send(announce(...prefixes(3)))
    net.run(3600)
    t.equal(a.peer(B).state, 'Idle')
    t.equal(puppet.connections, 1)
    if (way === 'limit') relimit({ limit: 5, action: 'restart' })
    else a.driver.with(engine => engine.resetPeer(B))
    net.run(2)
    t.equal(a.peer(B).state, 'Established', way)
    t.equal(puppet.connections, 2)
  }
  t.end()
})

t.test('reject: what is there stays and may change, the rest is left out, told once', t => {
  const { net, puppet, a, relimit } = stage({ limit: 2, warnAt: 2, action: 'reject' })
  puppet.send(announce(...prefixes(50)))
  puppet.send(announce(...prefixes(50)))
  const far = attribute(asPath, [{ type: 'sequence', asns: [65002, 65009] }])
  puppet.send(update({ attributes: [good[0], far, good[2]], announced: prefixes(1) }))
  net.run(1)
  t.same(
    a.best().map(text => text.split(' ')[0] + text.slice(text.indexOf('['))),
    ['10.1.0.0/32[65002 65009]', '10.1.0.1/32[65002]'],
  )
  t.same(a.peer(B).atLimit, ['ipv4-unicast'])
  const told = () => a.reports.filter(report => report.type === 'prefixLimit').map(report => report.text)
  t.match(told(), [/more than its limit of 2 .* the rest is left out/, /announces 2 .* its limit is 2/])
  puppet.send(update({ withdrawn: prefixes(1) }), announce('10.9.9.9/32'))
  net.run(1)
  t.match(a.best(), [/^10\.1\.0\.1/, /^10\.9\.9\.9/], 'withdrawn ones do not count')
  t.equal(told().filter(text => text.includes('left out')).length, 1)

  relimit({ limit: 60, action: 'reject' })
  net.run(1)
  t.equal(puppet.of(ROUTE_REFRESH).length, 1, 'room again: it is asked for all it has')
  t.same(a.peer(B).atLimit, [])
  puppet.send(announce(...prefixes(50)))
  net.run(1)
  t.equal(a.best().length, 51)
  relimit({ limit: 3, action: 'restart' })
  net.run(1)
  t.match(puppet.notification, /Maximum Number of Prefixes Reached: limit 3/, 'a lower limit takes effect at once')
  t.end()
})

t.test('warn: told once on the way up, and nothing more', t => {
  const { net, puppet, a } = stage({ limit: 10, warnAt: 8, action: 'warn' })
  const told = () => a.reports.filter(report => report.type === 'prefixLimit').length
  for (const [count, times] of [
    [7, 0],
    [8, 1],
    [40, 1],
  ]) {
    puppet.send(announce(...prefixes(count)))
    net.run(1)
    t.equal(told(), times)
  }
  t.equal(a.best().length, 40)
  puppet.send(update({ withdrawn: prefixes(40) }))
  net.run(1)
  puppet.send(announce(...prefixes(40)))
  net.run(1)
  t.equal(told(), 2, 'and again after it has fallen')
  t.end()
})

t.test('a peer without a limit has a ceiling: attributes', t => {
  const { net, puppet, a, c } = stage(undefined)
  const size = 3900
  const one = update({ attributes: [...good, raw(99, Array(size).fill(0), 0xd0)], announced: prefixes(1) })
  const prefixAt = one.length - 2
  const junkAt = one.length - 5 - size
  let sent = 0
  while (a.peer(B).state === 'Established' && sent < 2 * MOST_OCTETS) {
    for (let i = 0; i < 250; i++, sent += size) {
      const octets = one.slice()
      const view = new DataView(octets.buffer, octets.byteOffset)
      view.setUint16(prefixAt, (sent / size) & 65535)
      view.setUint32(junkAt, sent)
      puppet.send(octets)
    }
    net.run(0.05)
  }
  t.ok(sent > MOST_OCTETS / 2 && sent < MOST_OCTETS * 1.1, `${sent} octets`)
  t.match(puppet.notification, 'Cease / Out of Resources')
  t.match(a.peer(B).lastError, /attributes of its ipv4-unicast routes take more than/)
  t.equal(c.peer(A).flaps, 0)
  net.run(400)
  t.equal(a.peer(B).state, 'Established')
  t.ok(a.engine.rib('ipv4-unicast').affords(a.engine.peerId(B)!, MOST_OCTETS), 'all of it is given back')
  t.end()
})

t.test('a peer without a limit has a ceiling: prefixes, withdrawn ones too until they are out of the table', t => {
  const { net, puppet, a } = stage(undefined)
  const rib = a.engine.rib('ipv4-unicast')
  rib.setCeiling(a.engine.peerId(B)!, { paths: 10, rows: 20, octets: MOST_OCTETS })
  for (let i = 0; i < 8; i++)
    puppet.send(update({ withdrawn: prefixes(9, i * 9) }), announce(...prefixes(9, i * 9 + 9)))
  net.run(1)
  t.match(puppet.notification, /Maximum Number of Prefixes Reached/, 'churn faster than it is decided')
  t.end()
})

t.test('a peer that does not read is given up in bounded time (RFC 9687), also without hold time', t => {
  for (const [holdTime, sendHoldTime, after] of [
    [90, undefined, 480],
    [0, undefined, 480],
    [600, undefined, 1200],
    [0, 30, 30],
  ] as const) {
    const { net, puppet, a, c } = stage(undefined, { holdTime, sendHoldTime })
    puppet.pause()
    let seconds = 0
    for (; seconds < 3000 && a.peer(B).flaps === 0; seconds++) {
      const round = seconds % 100
      if (round < 2)
        c.originate(...Array.from({ length: 8000 }, (_, i) => `10.${round + 10}.${i >> 5}.${(i & 31) * 8}/29`))
      puppet.send(keepalive)
      net.run(1)
    }
    t.ok(seconds > after - 10 && seconds < after + 120, `hold time ${holdTime}: ${seconds} s`)
    t.match(a.peer(B).lastError, /has not read for too long/)
    t.ok(
      a.reports.some(report => report.type === 'sessionError' && report.code === 8),
      'Send Hold Timer Expired',
    )
    t.equal(a.peer(C).flaps, 0)
  }
  t.end()
})

t.test('a peer that stops in the middle of the first table is given up too, though nothing changes any more', t => {
  const { net, puppet, a, c } = stage(undefined, { holdTime: 0 })
  puppet.pause()
  c.originate(...Array.from({ length: 60000 }, (_, i) => `10.${i >> 13}.${(i >> 5) & 255}.${(i & 31) * 8}/29`))
  net.run(600)
  t.equal(a.peer(B).flaps, 1)
  t.equal(a.peer(C).flaps, 0)
  t.end()
})

t.test('hold time 0: silence is no reason to end a session', t => {
  const { net, puppet, a } = stage(undefined, { holdTime: 0 })
  net.run(3600)
  t.equal(a.peer(B).flaps, 0)
  t.equal(puppet.connections, 1)
  t.end()
})

t.test('a slow reader is no dead one', t => {
  const { net, puppet, a, c } = stage(undefined, { holdTime: 0, sendHoldTime: 30 })
  for (let i = 0; i < 20; i++) {
    puppet.pause()
    c.originate(...Array.from({ length: 8000 }, (_, n) => `10.${(i % 2) + 10}.${n >> 5}.${(n & 31) * 8}/29`))
    net.run(25)
    puppet.resume()
    net.run(1)
  }
  t.equal(a.peer(B).state, 'Established')
  t.equal(a.peer(B).flaps, 0)
  t.end()
})

t.test('sessions that die at once become rare, whatever they die of, and one that lives ends that', t => {
  const deaths: Readonly<Record<string, (puppet: Puppet) => void>> = {
    'closed by the peer': puppet => puppet.close(),
    'an error in an UPDATE': puppet => puppet.send(update({ attributes: [raw(14, [0, 2, 1, 99])] })),
  }
  for (const [name, kill] of Object.entries(deaths)) {
    const { net, puppet, a } = stage(undefined)
    for (let i = 0; i < 1200; i++) {
      if (a.peer(B).state === 'Established') kill(puppet)
      net.run(0.5)
    }
    t.ok(puppet.connections >= 5 && puppet.connections <= 30, `${name}: ${puppet.connections} in ten minutes`)
    net.runUntil(() => a.peer(B).state === 'Established', 130)
    net.run(61)
    kill(puppet)
    const before = puppet.connections
    net.run(3)
    t.equal(puppet.connections, before + 1, 'after a minute in peace it is tried at once')
  }
  t.end()
})

t.test('a thousand half-open connections of a peer, and octets one by one: nobody else notices', t => {
  for (const kind of ['silent', 'after OPEN', 'drip'] as const) {
    const net = new Simulation(1)
    const a = speaker(net, A, 65001, { [B]: { remoteAs: 65002, passive: true }, [C]: { remoteAs: 65003, holdTime: 3 } })
    const c = speaker(net, C, 65003, { [A]: 65001 })
    c.originate('10.3.0.0/24')
    net.runUntil(() => established([a, C]), 20)
    const crowd = Array.from({ length: 1000 }, () => new Puppet(net, B, { polite: false }).dial(A))
    net.run(1)
    if (kind === 'after OPEN') for (const one of crowd) one.sendOpen()
    for (let i = 0; i < 100; i++) {
      if (kind === 'drip') for (const one of crowd) one.send(Uint8Array.of(255))
      net.run(0.2)
    }
    t.ok(a.driver.connections <= 4, `${kind}: ${a.driver.connections} connections are kept`)
    t.equal(a.peer(C).flaps, 0, 'no keepalive is missed')
    t.equal(a.best().length, 1)
    const told = a.reports.filter(report => 'remote' in report || ('peer' in report && report.peer === B))
    t.ok(told.length < 30, `${told.length} reports`)
    net.run(300)
    new Puppet(net, B).dial(A)
    net.run(2)
    t.equal(a.peer(B).state, 'Established', 'and the peer itself may come')
  }
  t.end()
})

t.test('connections from strangers: refused, and told once', t => {
  const net = new Simulation(1)
  const a = speaker(net, A, 65001, { [C]: { remoteAs: 65003, holdTime: 3 } })
  speaker(net, C, 65003, { [A]: 65001 })
  for (let i = 0; i < 1000; i++) new Puppet(net, '10.0.0.66').dial(A)
  net.run(20)
  t.equal(a.driver.connections, 1)
  t.equal(a.peer(C).flaps, 0)
  t.equal(a.reports.filter(report => report.type === 'refused').length, 1)
  t.end()
})

t.test('what cannot be configured is refused, and no key is shown', t => {
  const rows: [object, string, RegExp][] = [
    [{ maxPrefixes: { 'ipv4-unicast': { limit: 0, action: 'warn' } } }, 'maxPrefixes.ipv4-unicast.limit', /1 or more/],
    [
      { maxPrefixes: { 'ipv4-unicast': { limit: 5, warnAt: 6, action: 'warn' } } },
      'maxPrefixes.ipv4-unicast.warnAt',
      /1 to 5/,
    ],
    [
      { maxPrefixes: { 'ipv6-unicast': { limit: 5, action: 'explode' } } },
      'maxPrefixes.ipv6-unicast.action',
      /warn, reject/,
    ],
    [
      { maxPrefixes: { 'ipv4-unicast': { limit: 5, action: 'restart', restartAfter: -1 } } },
      'maxPrefixes.ipv4-unicast.restartAfter',
      /86400/,
    ],
    [{ maxPrefixes: { ipv5: { limit: 5, action: 'warn' } } }, 'maxPrefixes.ipv5', /ipv6-unicast/],
    [{ sendHoldTime: 1 }, 'sendHoldTime', /10 to 65535/],
    [{ sendHoldTime: 90 }, 'sendHoldTime', /give 91 or more/],
    [{ sendHoldTime: 20, holdTime: 30 }, 'sendHoldTime', /give 31 or more/],
    [{ secret: 'hunter2'.repeat(12) }, 'secret', /1 to 80 octets/],
    [{ secret: '' }, 'secret', /1 to 80 octets/],
    [{ ttlSecurity: 255 }, 'ttlSecurity', /give 1/],
  ]
  const { a } = stage(undefined)
  for (const [more, field, fix] of rows) {
    const bad = config(A, 65001, { [B]: { remoteAs: 65002, ...more } })
    const issues = a.engine.configure(bad)
    t.match(issues, [{ peer: B, field, fix }], field)
    t.notMatch(JSON.stringify(issues), 'hunter2')
  }
  t.end()
})
