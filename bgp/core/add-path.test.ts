// ADD-PATH (RFC 7911) between whole speakers on the in-memory network, and with peers that say what they like.

import t from 'tap'
import { Simulation } from '../transport/simulation.ts'
import type { AddPath, Family, PeerConfig } from '../types.ts'
import { asPath, origin } from '../wire/attributes.ts'
import type { Capability } from '../wire/capabilities.ts'
import { attribute, mpReachOctets, raw, update } from '../wire/test-messages.ts'
import { Puppet } from './test-puppet.ts'
import { config, established, speaker } from './test-speakers.ts'

const [A, B, C, D] = ['10.0.0.1', '10.0.0.2', '10.0.0.3', '10.0.0.4']
const P = '10.9.0.0/24'
const four = 'ipv4-unicast'

const paths = (one: ReturnType<typeof speaker>, prefix = P) => {
  const rib = one.engine.rib(four)
  const id = rib.lookup(prefix)
  return id === undefined ? [] : rib.paths(id)
}

const sorted = (ids: readonly (number | undefined)[]) => ids.toSorted((one = -1, other = -1) => one - other)

/** Path identifiers in an Adj-RIB-In or Adj-RIB-Out. */
const idsOf = (one: ReturnType<typeof speaker>, table: 'in' | 'out', family: Family = four) =>
  sorted(one.table(family, table, B).map(view => view.pathId))

/** A has two equal paths for P, from C and from D, and is a reflector for B. */
function stage(atA: AddPath | undefined, atB: AddPath | undefined, more: Partial<PeerConfig> = {}) {
  const net = new Simulation(1)
  const here = (addPath: AddPath | undefined) => ({ addPath: addPath && { [four]: addPath } })
  const peers = (addPath: AddPath | undefined) => ({
    [B]: { remoteAs: 65001, reflectorClient: true, nextHop: 'keep' as const, ...here(addPath), ...more },
    [C]: 65003,
    [D]: 65004,
  })
  const a = speaker(net, A, 65001, peers(atA))
  const b = speaker(net, B, 65001, { [A]: { remoteAs: 65001, ...here(atB) } })
  const [c, d] = [C, D].map((address, i) => speaker(net, address, 65003 + i, { [A]: 65001 }))
  for (const one of [c, d]) one.originate(P)
  b.originate('10.5.0.0/24')
  t.ok(net.runUntil(() => established([a, B], [a, C], [a, D], [b, A]) && paths(a).length === 2, 30))
  net.run(2)
  return { net, a, b, c, reconfigure: (addPath: AddPath | undefined) => a.configure(config(A, 65001, peers(addPath))) }
}

for (const [name, atA, atB, directions, count] of [
  ['neither wants it', undefined, undefined, undefined, 1],
  ['only we', { receive: true, send: 'all' }, undefined, undefined, 1],
  ['only they', undefined, { receive: true, send: 'all' }, undefined, 1],
  ['both would send', { send: 'all' }, { send: 'all' }, undefined, 1],
  ['both would receive', { receive: true }, { receive: true }, undefined, 1],
  ['from us to them', { send: 'all' }, { receive: true }, { receive: [], send: [four] }, 2],
  ['from them to us', { receive: true }, { send: 'all' }, { receive: [four], send: [] }, 1],
  ['both ways', { receive: true, send: 'ecmp' }, { receive: true, send: 'all' }, { receive: [four], send: [four] }, 2],
  ['one of two', { send: { best: 1 } }, { receive: true }, { receive: [], send: [four] }, 1],
] as const satisfies [string, AddPath | undefined, AddPath | undefined, object | undefined, number][]) {
  t.test(`negotiated by direction: ${name}`, t => {
    const { a, b } = stage(atA, atB)
    t.same(a.peer(B).addPath, directions)
    const received = paths(b)
    t.equal(received.length, count)
    t.equal(b.peer(A).prefixesReceived, count)
    t.equal(a.peer(B).prefixesSent, count)
    const ids = received.map(view => view.pathId)
    if (directions?.send.length) t.equal(new Set(ids.filter(id => id !== undefined)).size, count, 'each has its own')
    else t.same(ids, [undefined])
    t.same(idsOf(a, 'out'), sorted(ids))
    t.equal(b.best().length, 2, 'there is still one best path of each prefix')
    t.match(paths(a, '10.5.0.0/24'), [{ peer: B, best: true }], 'and the other way goes on as before')
    t.equal(paths(a, '10.5.0.0/24')[0].pathId !== undefined, directions?.receive.length === 1)
    t.end()
  })
}

t.test('a path goes, changes, and comes back; its peer goes down', t => {
  const { net, a, b, c } = stage({ send: 'all' }, { receive: true })
  const before = new Map(paths(b).map(view => [view.nextHop, view.pathId]))
  c.originate()
  net.run(1)
  t.same(
    paths(b).map(view => [view.nextHop, view.pathId]),
    [[D, before.get(D)]],
    'the path that is left keeps its identifier',
  )
  c.originate(P)
  net.run(1)
  t.equal(paths(b).length, 2)
  t.equal(paths(b).find(view => view.nextHop === D)?.pathId, before.get(D))
  c.kill()
  net.run(1)
  t.match(paths(b), [{ nextHop: D, pathId: before.get(D) }])
  a.kill()
  net.run(1)
  t.same(paths(b), [])
  t.end()
})

t.test('a change of addPath renews that session alone; another choice of paths renews none', t => {
  const { net, a, b, reconfigure } = stage({ send: 'all' }, { receive: true })
  const flaps = () => [B, C, D].map(peer => a.peer(peer).flaps)
  reconfigure({ send: { best: 1 } })
  net.run(1)
  t.equal(paths(b).length, 1)
  reconfigure({ send: { best: 2 } })
  net.run(1)
  t.equal(paths(b).length, 2)
  reconfigure({ send: 'ecmp' })
  net.run(1)
  t.same(flaps(), [0, 0, 0])
  reconfigure(undefined)
  t.ok(net.runUntil(() => flaps()[0] === 1 && established([a, B]), 30))
  net.run(1)
  t.same(flaps(), [1, 0, 0])
  t.equal(a.peer(B).addPath, undefined)
  t.match(paths(b), [{ pathId: undefined }])
  t.equal(b.reports.filter(report => report.type === 'sessionError' && report.code !== 6).length, 0)
  t.end()
})

t.test('what cannot be configured is refused', t => {
  const { a } = stage(undefined, undefined)
  for (const [addPath, field, fix] of [
    [{ 'ipv6-unicast': { receive: true } }, 'addPath.ipv6-unicast', /use ipv4-unicast, or add it to families/],
    [{ ipv5: { receive: true } }, 'addPath.ipv5', /use ipv4-unicast/],
    [{ [four]: { send: 'some' } }, 'addPath.ipv4-unicast.send', /all, ecmp, or/],
    [{ [four]: { send: { best: 0 } } }, 'addPath.ipv4-unicast.send', /1 to 255/],
    [{ [four]: { send: { best: 1.5 } } }, 'addPath.ipv4-unicast.send', /1 to 255/],
  ] as const) {
    const bad = config(A, 65001, { [B]: { remoteAs: 65002, addPath: addPath as PeerConfig['addPath'] } })
    t.match(a.engine.configure(bad), [{ peer: B, field, fix }], field)
  }
  t.end()
})

// ---- a peer that says what it likes ----------------------------------------------------------------------------------

const as = { kind: 'fourOctetAs', asn: 65002 } as const
const families = [4, 6].map(n => ({ kind: 'multiprotocol', afi: n === 4 ? 1 : 2, safi: 1 }) as const)
const sends = (afi: number): Capability => ({
  kind: 'addPath',
  families: [{ afi, safi: 1, receive: true, send: true }],
})

const hop = (last: number) => raw(3, [10, 0, 0, last])
const route = (last: number, ...announced: string[]) =>
  update({
    attributes: [attribute(origin, 'igp'), attribute(asPath, [{ type: 'sequence', asns: [65002] }]), hop(last)],
    announced,
  })

function withPuppet(capabilities: readonly Capability[], more: Partial<PeerConfig> = {}) {
  const net = new Simulation(1)
  const both = { receive: true, send: 'all' } as const
  const addPath = { [four]: both, 'ipv6-unicast': both }
  const nextHopSelf = { 'ipv6-unicast': 'fd00::1' }
  const a = speaker(net, A, 65001, { [B]: { remoteAs: 65002, connectRetry: 1, addPath, nextHopSelf, ...more } })
  const puppet = new Puppet(net, B, { open: { capabilities: [as, ...families, ...capabilities] } }).listen()
  net.runUntil(() => established([a, B]), 30)
  return { net, a, puppet }
}

t.test('several paths of one peer: all are there, with identifiers and the reason why they lost', t => {
  const { net, a, puppet } = withPuppet([sends(1)])
  puppet.send(route(2, `5 ${P}`, `4 ${P}`), route(3, `6 ${P}`))
  net.run(1)
  const byId = paths(a).toSorted((one, other) => (one.pathId ?? 0) - (other.pathId ?? 0))
  t.match(byId, [
    { pathId: 4, nextHop: B, best: true, reason: undefined },
    { pathId: 5, nextHop: B, multipath: true, reason: 'path identifier 5 is higher than 4' },
    { pathId: 6, nextHop: C, multipath: true, reason: 'path identifier 6 is higher than 4' },
  ])
  t.same(idsOf(a, 'in'), [4, 5, 6])
  t.match(a.peer(B), { prefixesReceived: 3, prefixesAccepted: 3 })
  const feed = a.engine.rib(four).changes('test')
  const change = { prefix: '', nextHops: [], peer: '', med: undefined, localPref: undefined }
  t.ok(feed.next(change))
  t.match(change, { prefix: P, nextHops: [B, C], peer: B }, 'one change, each next hop once')
  t.notOk(feed.next(change))
  puppet.send(route(9, `4 ${P}`))
  net.run(1)
  t.equal(paths(a).find(view => view.pathId === 4)?.nextHop, '10.0.0.9', 'replaced by its identifier')
  puppet.send(update({ withdrawn: [`4 ${P}`, `99 ${P}`] }))
  net.run(1)
  t.same(sorted(paths(a).map(view => view.pathId)), [5, 6], 'and so withdrawn; one that is unknown is no error')
  t.end()
})

t.test('one family with path identifiers, the other without', t => {
  const { net, a, puppet } = withPuppet([sends(2)])
  const [igp, path] = [attribute(origin, 'igp'), attribute(asPath, [{ type: 'sequence', asns: [65002] }])]
  const fd2 = [0xfd, ...Array.from({ length: 14 }, () => 0), 2]
  puppet.send(route(2, P))
  puppet.send(update({ attributes: [mpReachOctets('ipv6-unicast', fd2, ['1 fd02::/64', '2 fd02::/64']), igp, path] }))
  net.run(1)
  t.match(a.table(four, 'in', B), [{ prefix: P, pathId: undefined }])
  t.same(idsOf(a, 'in', 'ipv6-unicast'), [1, 2])
  t.end()
})

t.test('agreed anew at each session (reference bug 19): with it, without it, with it', t => {
  const { net, a, puppet } = withPuppet([sends(1)])
  for (const [capability, route_, ids] of [
    [[sends(1)], route(2, `1 ${P}`, `2 ${P}`), [1, 2]],
    [[], route(2, P), [undefined]],
    [[sends(1)], route(2, `3 ${P}`), [3]],
  ] as const) {
    puppet.close()
    net.run(0.1)
    puppet.open({ capabilities: [as, ...families, ...capability] })
    t.ok(net.runUntil(() => a.peer(B).state === 'Established', 60))
    puppet.send(route_)
    net.run(1)
    t.equal(a.peer(B).state, 'Established')
    t.same(idsOf(a, 'in'), ids)
  }
  t.end()
})

t.test('a capability that is wrong is as none; NLRI that are wrong end the session', t => {
  for (const [name, value] of [
    ['no direction', [0, 1, 1, 0]],
    ['a direction too many', [0, 1, 1, 3, 0, 2, 1, 4]],
    ['cut off', [0, 1, 1]],
    ['empty', []],
  ] as const) {
    const { net, a, puppet } = withPuppet([{ kind: 'unknown', code: 69, value: Uint8Array.from(value) }])
    puppet.send(route(2, P))
    net.run(1)
    t.match(a.table(four, 'in', B), [{ prefix: P, pathId: undefined }], name)
  }
  const { net, a, puppet } = withPuppet([sends(1)])
  puppet.send(route(2, P))
  net.run(0.5)
  t.match(puppet.notification, /Invalid Network Field|UPDATE/, 'a prefix without its identifier')
  t.equal(a.best().length, 0)
  t.end()
})

t.test('RFC 7606: what counts as withdrawn is that path, not the prefix', t => {
  const { net, a, puppet } = withPuppet([sends(1)])
  puppet.send(route(2, `1 ${P}`, `2 ${P}`))
  const path = attribute(asPath, [{ type: 'sequence', asns: [65002] }])
  puppet.send(update({ attributes: [raw(1, [9]), path, hop(2)], announced: [`1 ${P}`, `7 ${P}`] }))
  net.run(1)
  t.match(paths(a), [{ pathId: 2 }])
  t.match(a.peer(B), { state: 'Established', prefixesReceived: 1 })
  t.end()
})

t.test('limits count paths', t => {
  const maxPrefixes = { [four]: { limit: 3, action: 'reject' } } as const
  const { net, a, puppet } = withPuppet([sends(1)], { maxPrefixes })
  puppet.send(route(2, `1 ${P}`, `2 ${P}`, `1 10.8.0.0/24`, `3 ${P}`))
  net.run(1)
  t.match(a.peer(B), { prefixesReceived: 3, atLimit: [four], state: 'Established' })
  puppet.send(update({ withdrawn: [`1 ${P}`] }), route(3, `2 ${P}`), route(2, `4 ${P}`))
  net.run(1)
  t.same(
    paths(a)
      .map(view => `${view.pathId} ${view.nextHop}`)
      .toSorted(),
    ['2 10.0.0.3', '4 10.0.0.2'],
  )
  t.end()
})

t.test('more paths for one prefix than any peer may have: the session ends, and rests', t => {
  const { net, a, puppet } = withPuppet([sends(1)])
  for (let at = 0; at < 5000; at += 250) {
    puppet.send(route(2, ...Array.from({ length: 250 }, (_, i) => `${at + i + 1} ${P}`)))
  }
  net.run(2)
  t.match(puppet.notification, /Cease.*Out of Resources/)
  t.match(a.peer(B).lastError, /more than 4096 paths for one ipv4-unicast prefix/)
  t.equal(paths(a).length, 0)
  net.run(100)
  t.equal(puppet.connections, 1)
  t.end()
})

t.test('a peer that restarts without ADD-PATH: what it had with it goes at its End-of-RIB (RFC 4724)', t => {
  const graceful: Capability = {
    kind: 'gracefulRestart',
    restarting: true,
    notification: false,
    restartTime: 60,
    families: [{ afi: 1, safi: 1, forwarding: true }],
  }
  const net = new Simulation(1)
  const a = speaker(
    net,
    A,
    65001,
    { [B]: { remoteAs: 65002, connectRetry: 1, addPath: { [four]: { receive: true } } } },
    { gracefulRestart: { restartTime: 60 } },
  )
  const puppet = new Puppet(net, B, { open: { capabilities: [as, sends(1), graceful] } }).listen()
  net.runUntil(() => established([a, B]), 30)
  puppet.send(route(2, `1 ${P}`, `2 ${P}`))
  net.run(1)
  puppet.close()
  net.run(0.1)
  t.match(paths(a), [{ stale: 'restart' }, { stale: 'restart' }])
  puppet.open({ capabilities: [as, graceful] })
  t.ok(net.runUntil(() => a.peer(B).state === 'Established', 30))
  puppet.send(route(3, P))
  net.run(0.5)
  t.equal(a.peer(B).prefixesStale, 2)
  puppet.send(update({}))
  net.run(1)
  t.match(paths(a), [{ nextHop: C, stale: false, pathId: undefined }])
  t.equal(a.peer(B).prefixesStale, 0)
  t.end()
})
