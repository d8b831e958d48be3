// Which AS a peer may be in: a number, a list, internal, external; and which families it is offered.

import t from 'tap'
import { Simulation } from '../transport/simulation.ts'
import type { PeerConfig, RemoteAs } from '../types.ts'
import { NOTIFICATION } from '../wire/header.ts'
import { checkConfig } from './check.ts'
import { Puppet } from './test-puppet.ts'
import { config, established, speaker } from './test-speakers.ts'

const [A, B] = ['10.0.0.1', '10.0.0.2']

t.test('a peer is let in if its OPEN names an AS that is allowed, and is internal if that is ours', t => {
  for (const [remoteAs, more, asn, up] of [
    ['external', {}, 65002, true],
    ['external', {}, 65001, false],
    ['internal', {}, 65001, true],
    ['internal', {}, 65002, false],
    [[65002, 65003], {}, 65003, true],
    [[65002, 65003], {}, 65004, false],
    ['internal', { localAs: 64999 }, 64999, true],
    ['external', { localAs: 64999 }, 65001, true],
    ['external', { localAs: 64999 }, 64999, false],
  ] as readonly (readonly [RemoteAs, Partial<PeerConfig>, number, boolean])[]) {
    const net = new Simulation(1)
    const open = { asn, capabilities: [{ kind: 'fourOctetAs', asn }] as const }
    const puppet = new Puppet(net, B, { open }).listen()
    const a = speaker(net, A, 65001, { [B]: { remoteAs, ...more } })
    const name = `${JSON.stringify(remoteAs)} ${JSON.stringify(more)}, AS ${asn}`
    t.equal(
      net.runUntil(() => established([a, B]), 10),
      up,
      name,
    )
    if (up) t.equal(a.peer(B).remoteAs, asn, 'status tells which')
    else t.same(Array.from(puppet.of(NOTIFICATION)[0] ?? []).slice(19, 21), [2, 2], 'Bad Peer AS')
    if (!up) t.match(a.peer(B).lastError, /its AS is \d+, but (our own AS|an AS that is not ours|one of AS)/)
  }
  t.end()
})

t.test('internal and external decide what BGP does with routes', t => {
  const net = new Simulation(1)
  const a = speaker(net, A, 65001, { [B]: { remoteAs: 'external' } })
  const b = speaker(net, B, 65002, { [A]: { remoteAs: 'external' }, '10.0.0.3': { remoteAs: 'internal' } })
  const c = speaker(net, '10.0.0.3', 65002, { [B]: { remoteAs: 'internal' } })
  a.originate('10.1.0.0/24')
  net.run(10)
  t.same(b.best(), ['10.1.0.0/24 via 10.0.0.1 [65001]'])
  t.same(c.best(), ['10.1.0.0/24 via 10.0.0.1 [65001]'], 'iBGP leaves path and next hop')
  t.equal(c.table('ipv4-unicast', 'in', B)[0]?.localPref, 100)
  t.end()
})

t.test('without policies an external peer exchanges nothing, an internal one all (RFC 8212)', t => {
  const net = new Simulation(1)
  const none = { import: undefined, export: undefined }
  const a = speaker(net, A, 65001, { [B]: { remoteAs: 'external', ...none }, '10.0.0.3': 65001 })
  speaker(net, B, 65002, { [A]: { remoteAs: 'external' } }).originate('10.2.0.0/24')
  const c = speaker(net, '10.0.0.3', 65001, { [A]: { remoteAs: 'internal', ...none } })
  a.originate('10.1.0.0/24')
  net.run(10)
  t.ok(established([a, B], [a, '10.0.0.3']))
  t.same(a.best(), ['10.1.0.0/24 via 0.0.0.0 []'])
  t.same(c.best(), ['10.1.0.0/24 via 10.0.0.1 []'])
  t.end()
})

t.test('another distance takes effect without a new session', t => {
  const net = new Simulation(1)
  const a = speaker(net, A, 65001, { [B]: 65002 })
  const b = speaker(net, B, 65002, { [A]: 65001 })
  net.runUntil(() => established([a, B], [b, A]), 10)
  a.configure(config(A, 65001, { [B]: { remoteAs: 65002, multihop: 3 } }))
  net.run(5)
  t.equal(a.peer(B).flaps, 0)
  t.end()
})

t.test('what cannot be meant is refused', t => {
  const refused = (peer: Partial<PeerConfig>) =>
    checkConfig(config(A, 65001, { [B]: { remoteAs: 65002, ...peer } })).map(
      ({ field, reason }) => `${field}: ${reason}`,
    )
  t.same(refused({ remoteAs: 'external' }), [])
  t.match(refused({ remoteAs: 0 }), [/remoteAs: it is no AS/])
  t.match(refused({ remoteAs: [] }), [/remoteAs: no peer can be in none/])
  t.match(refused({ remoteAs: [65002, 65001] }), [/remoteAs: it is our own AS/])
  t.match(refused({ remoteAs: 'exotic' as 'external' }), [/remoteAs: it is no AS/])
  t.match(refused({ remoteAs: 'external', reflectorClient: true }), [/only a peer in AS 65001 can be a client/])
  t.match(refused({ remoteAs: 'internal', asOverride: true }), [/the peer is in AS 65001 as we are/])
  t.match(refused({ multihop: 0 }), [/multihop: no packet goes so far/])
  t.match(refused({ multihop: 3, ttlSecurity: 3 }), [/multihop: ttlSecurity 3 says already/])
  t.end()
})

t.test('only families that both ends enable are exchanged; none in common is told', t => {
  const both = ['ipv4-unicast', 'ipv6-unicast'] as const
  const own = (host: number) => ({ 'ipv6-unicast': `fd00::${host}` })
  for (const [ours, theirs, common] of [
    [both, both, both],
    [['ipv6-unicast'], both, ['ipv6-unicast']],
    [both, ['ipv4-unicast'], ['ipv4-unicast']],
    [['ipv6-unicast'], ['ipv4-unicast'], undefined],
  ] as const) {
    const net = new Simulation(1)
    const a = speaker(net, A, 65001, { [B]: { remoteAs: 65002, families: ours, nextHopSelf: own(1) } })
    const b = speaker(net, B, 65002, { [A]: { remoteAs: 65001, families: theirs, nextHopSelf: own(2) } })
    b.originate('10.2.0.0/24', 'fd02::/64')
    net.run(10)
    t.equal(established([a, B]), common !== undefined)
    t.same(a.peer(B).families, common ?? [])
    t.equal(a.best('ipv4-unicast').length, common?.some(family => family === 'ipv4-unicast') ? 1 : 0)
    t.equal(a.best('ipv6-unicast').length, common?.some(family => family === 'ipv6-unicast') ? 1 : 0)
    if (!common) t.match(a.peer(B).lastError, /it offers ipv4-unicast, but ipv6-unicast is configured|enable/)
  }
  t.end()
})
