// How many prefixes a peer may be told of, so that a leak does not reach it.

import t from 'tap'
import { Simulation } from '../transport/simulation.ts'
import type { PeerConfig, PrefixLimit, Report } from '../types.ts'
import { NOTIFICATION } from '../wire/header.ts'
import { Engine } from './engine.ts'
import { config, established, type Peers, speaker } from './test-speakers.ts'
import { Puppet } from './test-puppet.ts'

const [A, B, C] = ['10.0.0.1', '10.0.0.2', '10.0.0.3']

const prefixes = (count: number, from = 0) => Array.from({ length: count }, (_, i) => `10.1.${from + i}.0/24`)

/** A tells B, which has this limit, and C, which has none. */
function stage(limit: PrefixLimit | undefined, more: Partial<PeerConfig> = {}) {
  const net = new Simulation(1)
  const peers = (limited: PrefixLimit | undefined): Peers => ({
    [B]: { remoteAs: 65002, maxPrefixesOut: { 'ipv4-unicast': limited }, ...more },
    [C]: 65003,
  })
  const a = speaker(net, A, 65001, peers(limit))
  const b = speaker(net, B, 65002, { [A]: 65001 })
  const c = speaker(net, C, 65003, { [A]: 65001 })
  net.runUntil(() => established([a, B], [a, C], [b, A]), 20)
  net.run(1)
  const tell = (...list: readonly string[]) => {
    a.originate(...list)
    net.run(1)
  }
  const relimit = (limited: PrefixLimit | undefined) => {
    a.configure(config(A, 65001, peers(limited)))
    net.run(2)
  }
  const at = (one: typeof b) =>
    one
      .table('ipv4-unicast')
      .map(row => row.prefix)
      .toSorted()
  const told = () =>
    a.reports.flatMap((report: Report) =>
      report.type === 'prefixLimit' && report.direction === 'out' ? [report.text] : [],
    )
  return { net, a, b, c, tell, relimit, at, told }
}

t.test('reject: the rest is not sent, says so, and follows when there is room', async t => {
  const { net, a, b, c, tell, relimit, at, told } = stage({ limit: 3, action: 'reject', warnAt: 3 })
  tell(...prefixes(5))
  t.same([at(b), at(c).length], [prefixes(3), 5], 'a peer without a limit is told of all')
  t.match(a.peer(B), { prefixesSent: 3, atLimitOut: ['ipv4-unicast'], flaps: 0 })
  const rib = a.engine.rib('ipv4-unicast')
  const why = (prefix: string) => rib.explainExport(a.engine.peerId(B)!, rib.lookup(prefix)!)
  t.same(why('10.1.4.0/24'), { accepted: false, text: 'not sent: the peer is told of 3 prefixes, which is its limit' })
  t.equal(why('10.1.0.0/24')?.accepted, true)
  t.match(told(), [
    /is told of 3 ipv4-unicast prefixes, and the limit is 3/,
    /the rest is not sent; raise maxPrefixesOut/,
  ])

  tell(...prefixes(1), ...prefixes(3, 2))
  t.same(at(b), ['10.1.0.0/24', '10.1.2.0/24', '10.1.3.0/24'], 'one has gone, one follows')
  tell(...prefixes(2, 3))
  t.same(at(b), ['10.1.3.0/24', '10.1.4.0/24'])
  t.same([a.peer(B).prefixesSent, why('10.1.4.0/24')?.accepted], [2, true])
  tell(...prefixes(5))
  tell(...prefixes(9))
  t.same([at(b).length, told().length], [3, 4], 'told again, as it had fallen, but not for each prefix')
  b.originate('10.9.0.0/24', '10.9.1.0/24', '10.9.2.0/24', '10.9.3.0/24')
  net.run(1)
  t.same([at(b).length, at(c).length], [7, 13], 'what it sent itself takes no room')

  relimit({ limit: 8, action: 'reject' })
  t.equal(a.peer(B).prefixesSent, 8, 'more room')
  relimit({ limit: 2, action: 'reject' })
  t.same([a.peer(B).prefixesSent, b.table('ipv4-unicast', 'in', A).length], [2, 2], 'less: the rest is withdrawn')
  relimit(undefined)
  t.same([a.peer(B).prefixesSent, b.table('ipv4-unicast', 'in', A).length, a.peer(B).atLimitOut], [9, 9, []])
  t.same([a.peer(B).flaps, a.peer(C).flaps], [0, 0], 'all without a new session')
})

t.test('reject with routes that come and go at random: never beyond, and full whenever it can be', async t => {
  const { a, b, tell } = stage({ limit: 10, action: 'reject' })
  let seed = 7
  const random = () => (seed = (Math.imul(seed, 1103515245) + 12345) >>> 0) / 2 ** 32
  for (let round = 0; round < 60; round++) {
    const list = prefixes(30).filter(() => random() < (round % 3) / 2)
    tell(...list)
    const held = b.table('ipv4-unicast', 'in', A).map(row => row.prefix)
    t.equal(held.length, Math.min(10, list.length), `round ${round}`)
    t.ok(held.every(prefix => list.includes(prefix)))
    t.equal(a.peer(B).prefixesSent, held.length)
  }
})

t.test('restart: the session ends before more is sent, and rests; another limit brings it back', async t => {
  const net = new Simulation(1)
  const puppet = new Puppet(net, B).listen()
  const peers = (limit: number): Peers => ({
    [B]: { remoteAs: 65002, maxPrefixesOut: { 'ipv4-unicast': { limit, action: 'restart', restartAfter: 0 } } },
    [C]: 65003,
  })
  const a = speaker(net, A, 65001, peers(3))
  const c = speaker(net, C, 65003, { [A]: 65001 })
  net.runUntil(() => established([a, B], [a, C]), 20)
  a.originate(...prefixes(3))
  net.run(1)
  t.equal(a.peer(B).state, 'Established', 'the limit itself is allowed')
  const before = puppet.of(2).length
  a.originate(...prefixes(4))
  net.run(1)
  t.equal(puppet.of(2).length, before, 'nothing beyond it was sent')
  const notification = puppet.of(NOTIFICATION).at(-1)
  t.same(Array.from(notification ?? []).slice(19), [6, 1, 0, 1, 1, 0, 0, 0, 3], 'AFI, SAFI and the limit')
  t.match(a.peer(B).lastError, /would be told of more than 3 ipv4-unicast prefixes.*raise maxPrefixesOut/)
  net.run(3600)
  t.same([a.peer(B).state, puppet.connections, c.best().length], ['Idle', 1, 4], 'others are not concerned')
  a.configure(config(A, 65001, peers(4)))
  net.run(5)
  t.equal(a.peer(B).state, 'Established')
  a.configure(config(A, 65001, peers(2)))
  net.run(1)
  t.equal(a.peer(B).state, 'Idle', 'a lower limit takes effect at once')
})

t.test('warn: told once on the way up', async t => {
  const { a, b, tell, at, told } = stage({ limit: 3, action: 'warn' })
  tell(...prefixes(3))
  t.same(told(), [])
  tell(...prefixes(5))
  tell(...prefixes(6))
  t.match(told(), [/is told of 5 ipv4-unicast prefixes, and the limit is 3; look whether it should/])
  t.same([at(b).length, a.peer(B).flaps], [6, 0])
})

t.test('with ADD-PATH paths are counted', async t => {
  const net = new Simulation(1)
  const out = { limit: 3, action: 'reject' } as const
  const send = { addPath: { 'ipv4-unicast': { send: 'all' } }, maxPrefixesOut: { 'ipv4-unicast': out } } as const
  const a = speaker(net, A, 65001, { [B]: { remoteAs: 65001, reflectorClient: true, ...send }, [C]: 65003 })
  const b = speaker(net, B, 65001, { [A]: { remoteAs: 65001, addPath: { 'ipv4-unicast': { receive: true } } } })
  const c = speaker(net, C, 65003, { [A]: 65001 })
  net.runUntil(() => established([a, B], [a, C]), 20)
  a.originate(...prefixes(2))
  c.originate(...prefixes(2))
  net.run(2)
  t.same([a.peer(B).prefixesSent, b.table('ipv4-unicast', 'in', A).length], [3, 3])
  c.originate()
  net.run(2)
  t.same(b.table('ipv4-unicast', 'in', A).length, 2)
})

t.test('what is wrong with the limits is told', async t => {
  const check = (peer: Partial<PeerConfig>) =>
    new Engine({ seed: 1, now: 0 })
      .configure(config(A, 65001, { [B]: { remoteAs: 65002, ...peer } }))
      .map(({ field, fix }) => `${field}: ${fix}`)
  t.match(check({ maxPrefixesOut: { 'ipv4-unicast': { limit: 0, action: 'warn' } } }), [
    /^maxPrefixesOut.ipv4-unicast.limit/,
  ])
  t.match(check({ maxPrefixesOut: { 'ipv4-unicast': { limit: 1, action: 'stop' as 'warn' } } }), [/action: use warn/])
  t.match(check({ maxAsPathLength: 0 }), ['maxAsPathLength: give 1 to 4095'])
  t.match(check({ maxCommunities: 5000 }), ['maxCommunities: give 0 to 4095'])
})
