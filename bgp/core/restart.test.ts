// Peers that restart (RFC 4724, RFC 8538): whose routes are kept, until when, and what is told to the others meanwhile.

import t from 'tap'
import * as fc from 'fast-check'
import { Simulation } from '../transport/simulation.ts'
import type { Capability } from '../wire/capabilities.ts'
import { asPath, origin } from '../wire/attributes.ts'
import { message, NOTIFICATION } from '../wire/header.ts'
import { attribute, mpReachOctets, mpUnreachOctets, raw, update } from '../wire/test-messages.ts'
import type { PeerConfig } from '../types.ts'
import { Puppet } from './test-puppet.ts'
import { config, established, speaker } from './test-speakers.ts'

const [A, B, C, D] = ['10.0.0.1', '10.0.0.2', '10.0.0.3', '10.0.0.4']
const families = ['ipv4-unicast', 'ipv6-unicast'] as const
const nextHopSelf = { 'ipv6-unicast': 'fd00::1' }
const v6Hop = [0xfd, ...Array.from({ length: 14 }, () => 0), 2]

const four = ['10.1.0.0/24', '10.2.0.0/24']
const six = ['fd01::/64', 'fd02::/64']

type Restart = Partial<Extract<Capability, { kind: 'gracefulRestart' }>> & { readonly forwarding?: boolean }

/** The capabilities of the puppet's OPEN. */
function says(restart: Restart | undefined, afis: readonly number[] = [1, 2]): Capability[] {
  const list: Capability[] = [
    { kind: 'fourOctetAs', asn: 65002 },
    ...afis.map(afi => ({ kind: 'multiprotocol', afi, safi: 1 }) as const),
  ]
  if (!restart) return list
  const { forwarding = false, ...rest } = restart
  const kept = [1, 2].map(afi => ({ afi, safi: 1, forwarding }))
  const whole = { restarting: false, notification: false, restartTime: 30, families: kept, ...rest }
  return [...list, { kind: 'gracefulRestart', ...whole }]
}

const announce = (v4: readonly string[], v6: readonly string[]) => {
  const path = attribute(asPath, [{ type: 'sequence', asns: [65002] }])
  const common = [attribute(origin, 'igp'), path]
  return [
    update({ attributes: [...common, raw(3, [10, 0, 0, 2])], announced: v4 }),
    update({ attributes: [...common, mpReachOctets('ipv6-unicast', v6Hop, v6)] }),
  ]
}
const endOfRib = [update({}), update({ attributes: [mpUnreachOctets('ipv6-unicast', [])] })]

/** A speaker A with C behind it, and a puppet B that has announced four routes; `restart` is what B says of restarts. */
function stage(restart: Restart | undefined, peer: Partial<PeerConfig> = {}, gracefulRestart: object | null = {}) {
  const net = new Simulation(3)
  const options = { open: { capabilities: says(restart) }, polite: true }
  const puppet = new Puppet(net, B, options).listen()
  const ofB = { remoteAs: 65002, families, nextHopSelf, holdTime: 9, connectRetry: 1, ...peer }
  const more = gracefulRestart ? { gracefulRestart: { restartTime: 60, ...gracefulRestart } } : {}
  const a = speaker(net, A, 65001, { [B]: ofB, [C]: { remoteAs: 65003, families, nextHopSelf } }, more)
  const hopOfC = { 'ipv6-unicast': 'fd00::3' }
  const c = speaker(net, C, 65003, { [A]: { remoteAs: 65001, families, nextHopSelf: hopOfC } })
  net.runUntil(() => established([a, B], [a, C], [c, A]), 20)
  puppet.send(...announce(four, six), ...endOfRib)
  net.run(1)
  /** Prefixes that C has from A. */
  const atC = () => [...c.best(), ...c.best('ipv6-unicast')].map(text => text.split(' ')[0])
  /** How the puppet speaks from now on; undefined: not at all. */
  const becomes = (capabilities: Capability[] | undefined) => {
    options.polite = capabilities !== undefined
    options.open.capabilities = capabilities ?? []
  }
  return { net, puppet, a, c, atC, becomes }
}
const all = [...four, ...six]

/** B closes and connects anew; false if that did not work. */
function comesBack({ net, puppet, a }: Pick<ReturnType<typeof stage>, 'net' | 'puppet' | 'a'>): boolean {
  puppet.close()
  net.run(0.2)
  return a.peer(B).state !== 'Established' && net.runUntil(() => a.peer(B).state === 'Established', 10)
}

const notification = (...octets: number[]) => message(NOTIFICATION, Uint8Array.from(octets))
const hold = (stage: { net: Simulation; becomes: (to: undefined) => void }) => {
  stage.becomes(undefined) // it says nothing any more
  stage.net.run(12)
}

t.test('which endings keep the routes', t => {
  const close = ({ puppet }: ReturnType<typeof stage>) => puppet.close()
  const send =
    (...octets: number[]) =>
    ({ puppet }: ReturnType<typeof stage>) =>
      puppet.send(notification(...octets))
  const garbage = ({ puppet }: ReturnType<typeof stage>) => puppet.send(message(9, new Uint8Array(0)))
  const N = { notification: true }
  for (const [name, restart, end, kept, peer, ours] of [
    ['the connection is lost', {}, close, true],
    ['lost, but graceful restart was not announced', undefined, close, false],
    ['lost, but the peer only helps others', { families: [], restartTime: 0 }, close, false],
    ['lost, but its restart time is 0', { restartTime: 0 }, close, false],
    ['a NOTIFICATION', {}, send(6, 4), false],
    ['a NOTIFICATION, and both have the N bit', N, send(6, 4), true],
    ['UPDATE message error, N bit', N, send(3, 1), true],
    ['Hard Reset, N bit', N, send(6, 9, 6, 2), false],
    ['the hold timer', {}, hold, false],
    ['the hold timer, N bit', N, hold, true],
    ['a fault of the peer, told by us', {}, garbage, false],
    ['a fault of the peer, told by us, N bit', N, garbage, true],
    ['helping is switched off', N, close, false, { gracefulRestartHelper: false }],
    ['this speaker does not announce it', N, close, false, {}, null],
  ] as const) {
    const on = stage(restart, peer, ours)
    t.same(on.atC(), all, `${name}: all is there`)
    const before = on.c.peer(A).updatesIn
    end(on)
    on.becomes(undefined)
    on.net.run(0.5)
    t.not(on.a.peer(B).state, 'Established')
    t.same(on.atC(), kept ? all : [], `${name}: ${kept ? 'kept' : 'gone'}`)
    t.equal(on.c.peer(A).updatesIn === before, kept, 'others hear of it only if they are gone')
    t.equal(on.a.peer(B).prefixesStale, kept ? 4 : 0)
    const rows = on.a.table('ipv4-unicast', 'loc')
    t.ok(rows.every(row => row.stale))
  }
  t.end()
})

t.test(
  'a peer that is to be found elsewhere: its routes stay until it has told all again, and it hears no NOTIFICATION',
  t => {
    for (const [name, restart, kept] of [
      ['with graceful restart', {}, true],
      ['without', undefined, false],
    ] as const) {
      const on = stage(restart)
      const there = new Puppet(on.net, D, { open: { capabilities: says({ forwarding: true }) } }).listen()
      const before = config(
        A,
        65001,
        {
          [B]: { remoteAs: 65002, families, nextHopSelf, holdTime: 9, connectRetry: 1 },
          [C]: { remoteAs: 65003, families, nextHopSelf },
        },
        { gracefulRestart: { restartTime: 60 } },
      )
      const peers = new Map([...before.peers].map(([key, peer]) => [key, key === B ? { ...peer, address: D } : peer]))
      const heard = on.c.peer(A).updatesIn
      on.a.configure({ ...before, peers })
      t.ok(
        on.net.runUntil(() => on.a.peer(B).state === 'Established', 20),
        name,
      )
      t.ok(on.puppet.closed, 'the session at the old place has ended')
      t.same(on.puppet.of(NOTIFICATION), [])
      on.net.run(1)
      t.same(on.atC(), kept ? all : [], `${name}: ${kept ? 'all is there' : 'gone'}`)
      t.equal(on.c.peer(A).updatesIn === heard, kept)
      there.send(...announce(four.slice(0, 1), six), ...endOfRib)
      on.net.run(1)
      t.same(on.atC().toSorted(), [four[0], ...six].toSorted(), 'what it did not announce again goes')
    }
    t.end()
  },
)

t.test('what the operator ends, no helper keeps: Cease / Hard Reset', t => {
  for (const [name, act] of [
    ['stop', on => on.a.stop('cease')],
    ['reset', on => on.a.driver.with(engine => engine.resetPeer(B))],
    ['removal', on => on.a.configure(config(A, 65001, { [C]: 65003 }, { gracefulRestart: { restartTime: 60 } }))],
  ] as readonly [string, (on: ReturnType<typeof stage>) => void][]) {
    const on = stage({ notification: true })
    act(on)
    on.net.run(0.1)
    t.match(on.puppet.notification, /^Cease \/ Hard Reset: Cease \/ (Admin|Peer De-configured)/, name)
    if (name !== 'stop') t.same(on.atC(), [])
    const plain = stage({})
    act(plain)
    plain.net.run(0.1)
    t.match(plain.puppet.notification, /^Cease \/ (Admin|Peer De-configured)/, `${name}, the peer has no N bit`)
  }
  const quiet = stage({ notification: true })
  quiet.a.stop('restart')
  quiet.net.run(0.1)
  t.equal(quiet.puppet.notification, undefined, 'a restart goes without a word')
  t.not(quiet.puppet.closed, undefined)
  t.end()
})

t.test('a Hard Reset says what it was sent for', t => {
  const net = new Simulation(5)
  const gracefulRestart = { restartTime: 60 }
  const a = speaker(net, A, 65001, { [B]: 65002 }, { gracefulRestart })
  const b = speaker(net, B, 65002, { [A]: 65001 }, { gracefulRestart })
  a.originate(four[0])
  t.ok(net.runUntil(() => b.best().length === 1, 20))
  a.stop('cease')
  net.run(0.5)
  t.match(
    b.peer(A).lastError,
    /Cease \/ Hard Reset: Cease \/ Administrative Shutdown: "the speaker stops": the session is disabled there/,
  )
  t.match(
    b.reports.findLast(report => report.type === 'sessionError'),
    { code: 6, subcode: 9 },
  )
  t.same(b.best(), [])
  t.end()
})

t.test('a peer that does not come back: its routes go when its restart time is over', t => {
  const { net, puppet, a, atC, becomes } = stage({ restartTime: 30 })
  becomes(undefined)
  puppet.close()
  net.run(29)
  t.same(atC(), all)
  net.run(2)
  t.same(atC(), [])
  t.match(
    a.reports.filter(report => report.type === 'stale').map(report => report.text),
    [/its ipv4-unicast and ipv6-unicast routes are kept for up to 30 s/, /dropped: it did not come back within 30 s/],
  )
  t.equal(a.peer(B).prefixesStale, 0)
  t.end()
})

t.test('what a peer brings back decides', t => {
  const v4Only = [
    { afi: 1, safi: 1, forwarding: true },
    { afi: 2, safi: 1, forwarding: false },
  ]
  for (const [name, open, expected] of [
    ['forwarding state preserved', says({ forwarding: true }), all],
    ['that of one family', says({ families: v4Only }), four],
    ['none', says({}), []],
    ['its families are not listed', says({ families: [] }), []],
    ['no graceful restart any more', says(undefined), []],
    ['one family less', says({ forwarding: true }, [1]), four],
  ] as const) {
    const { net, puppet, a, c, atC, becomes } = stage({})
    const before = c.peer(A).updatesIn
    becomes([...open])
    t.ok(comesBack({ net, puppet, a }))
    net.run(0.5)
    t.same(atC(), expected, name)
    if (expected === all) t.equal(c.peer(A).updatesIn, before, 'nobody has heard of it')
    if (open.some(item => item.kind === 'multiprotocol' && item.afi === 2)) puppet.send(...announce(four, six))
    else puppet.send(announce(four, [])[0])
    puppet.send(...endOfRib)
    net.run(1)
    t.same(atC(), name === 'one family less' ? four : all, `${name}: told again`)
    net.run(60)
    t.same(atC(), name === 'one family less' ? four : all, 'and no old timer takes it')
    t.equal(a.peer(B).prefixesStale, 0)
  }
  t.end()
})

t.test('End-of-RIB takes what was not announced again, per family', t => {
  const { net, puppet, a, c, atC, becomes } = stage({})
  becomes(says({ forwarding: true, restarting: true }))
  t.ok(comesBack({ net, puppet, a }))
  const before = c.peer(A).updatesIn
  puppet.send(...announce([four[0]], [six[0]]))
  net.run(1)
  t.same(atC(), all, 'not yet')
  t.equal(c.peer(A).updatesIn, before, 'what is announced as it was is no news')
  t.same(
    a.table('ipv4-unicast').map(row => [row.prefix, row.stale]),
    [
      [four[0], false],
      [four[1], 'restart'],
    ],
  )
  const prefix = a.engine.rib('ipv4-unicast').lookup(four[1])
  t.match(prefix && a.engine.rib('ipv4-unicast').paths(prefix), [{ best: true, stale: 'restart' }])
  puppet.send(endOfRib[0])
  net.run(1)
  t.same(atC(), [four[0], ...six])
  puppet.send(endOfRib[1])
  net.run(1)
  t.same(atC(), [four[0], six[0]])
  t.end()
})

t.test('a peer that comes back and never says that it is through', t => {
  const { net, puppet, a, atC, becomes } = stage({ restartTime: 30 })
  becomes(says({ forwarding: true }))
  t.ok(comesBack({ net, puppet, a }))
  puppet.send(...announce([four[0]], []))
  net.run(25)
  t.same(atC(), all)
  net.run(10)
  t.same(atC(), [four[0]])
  t.equal(a.peer(B).state, 'Established')
  t.match(a.reports.findLast(report => report.type === 'stale')?.text, /did not announce them again within 30 s/)
  t.end()
})

t.test('bug 19: a second restart while routes are stale drops those, and keeps what was told in between', t => {
  const { net, puppet, a, atC, becomes } = stage({})
  becomes(says({ forwarding: true }))
  t.ok(comesBack({ net, puppet, a }))
  puppet.send(...announce([four[0]], [six[0]]))
  net.run(1)
  puppet.close()
  net.run(0.2)
  t.same(atC(), [four[0], six[0]])
  t.ok(net.runUntil(() => a.peer(B).state === 'Established', 10))
  puppet.send(...announce(four, six), ...endOfRib)
  net.run(1)
  t.same(atC(), all)
  // And once more, to a peer that comes back without the capability.
  becomes(says(undefined))
  puppet.close()
  net.run(0.1)
  t.same(atC(), all)
  t.ok(net.runUntil(() => a.peer(B).state === 'Established', 10))
  t.same(atC(), [])
  t.end()
})

t.test('a stale path stays in the decision on equal footing, filters included', t => {
  const { net, puppet, a, becomes } = stage({})
  const d = speaker(net, D, 65004, { [A]: 65001 })
  d.originate(four[0])
  const ofB = { remoteAs: 65002, families, nextHopSelf, holdTime: 9, connectRetry: 1 }
  const peers = { [B]: ofB, [C]: { remoteAs: 65003, families, nextHopSelf }, [D]: 65004 }
  a.configure(config(A, 65001, peers, { gracefulRestart: { restartTime: 60 } }))
  t.ok(net.runUntil(() => established([d, A], [a, D]), 10))
  net.run(1)
  becomes(undefined)
  puppet.close()
  net.run(1)
  const prefix = a.engine.rib('ipv4-unicast').lookup(four[0])
  t.match(prefix && a.engine.rib('ipv4-unicast').paths(prefix), [
    { peer: B, best: true, stale: 'restart' },
    { peer: D, best: false, multipath: true, stale: false, reason: /router id|AS path/ },
  ])
  // Filters go on while it is away.
  const none = { name: 'none', rules: [], otherwise: 'reject' as const }
  a.configure(config(A, 65001, { ...peers, [B]: { ...ofB, import: none } }, { gracefulRestart: { restartTime: 60 } }))
  net.run(1)
  t.match(prefix && a.engine.rib('ipv4-unicast').paths(prefix), [
    { peer: D, best: true },
    { peer: B, stale: 'restart' },
  ])
  t.equal(a.peer(B).prefixesStale, 4)
  a.configure(
    config(
      A,
      65001,
      { ...peers, [B]: { ...ofB, gracefulRestartHelper: false } },
      { gracefulRestart: { restartTime: 60 } },
    ),
  )
  net.run(1)
  t.equal(a.peer(B).prefixesStale, 0, 'helping can be switched off at any time')
  t.end()
})

t.test('a peer that is removed while it is away takes its routes and its timer along', t => {
  const { net, puppet, a, atC, becomes } = stage({ restartTime: 30 })
  becomes(undefined)
  puppet.close()
  net.run(1)
  const gracefulRestart = { restartTime: 60 }
  const ofC = { remoteAs: 65003, families, nextHopSelf }
  a.configure(config(A, 65001, { [C]: ofC }, { gracefulRestart }))
  net.run(1)
  t.same(atC(), [])
  const d = speaker(net, D, 65004, { [A]: 65001 })
  d.originate('10.4.0.0/24')
  a.configure(config(A, 65001, { [C]: ofC, [D]: 65004 }, { gracefulRestart }))
  t.ok(net.runUntil(() => atC().length === 1, 20))
  net.run(60)
  t.same(atC(), ['10.4.0.0/24'])
  t.equal(a.peer(D).flaps, 0)
  t.end()
})

t.test('two whole speakers: one is killed and comes back, a third hears nothing', t => {
  const net = new Simulation(11)
  const gracefulRestart = { restartTime: 60 }
  const a = speaker(net, A, 65001, { [B]: 65002, [C]: 65003 }, { gracefulRestart })
  const c = speaker(net, C, 65003, { [A]: 65001 }, { gracefulRestart })
  const make = (more = {}) => {
    const b = speaker(net, B, 65002, { [A]: 65001 }, { gracefulRestart: { ...gracefulRestart, ...more } })
    b.originate(...four)
    return b
  }
  const b = make()
  t.ok(net.runUntil(() => c.best().length === 2, 20))
  for (const end of ['kill', 'restart'] as const) {
    const before = c.peer(A).updatesIn
    if (end === 'kill') b.kill()
    else b.stop('restart')
    net.run(3)
    const again = make({ restarting: true, forwarding: true })
    t.ok(net.runUntil(() => a.peer(B).state === 'Established' && a.peer(B).prefixesStale === 0, 20))
    t.same(a.peer(B).endOfRib, [], 'its End-of-RIB waits until it says that it is complete')
    again.driver.with(engine => engine.setComplete(true))
    net.run(2)
    t.same(a.peer(B).endOfRib, ['ipv4-unicast'])
    t.equal(c.peer(A).updatesIn, before)
    again.kill()
    net.run(1)
    if (end === 'kill') {
      const back = make({ restarting: true, forwarding: true })
      back.driver.with(engine => engine.setComplete(true))
      t.ok(net.runUntil(() => a.peer(B).state === 'Established', 20))
      back.stop('restart')
      net.run(1)
    }
  }
  t.equal(c.best().length, 2)
  t.end()
})

t.test('bug 18: whom a speaker that has restarted waits for', t => {
  const net = new Simulation(4)
  const [E, F, G] = ['10.0.0.5', '10.0.0.6', '10.0.0.7']
  const restarting = { restartTime: 60, restarting: true, forwarding: true }
  const peers = { [B]: 65002, [C]: 65003, [D]: 65004, [E]: 65005, [F]: 65006, [G]: 65007 }
  const a = speaker(net, A, 65001, peers, { gracefulRestart: restarting })
  a.originate('10.9.0.0/24')
  // B restarts, too; C has not got graceful restart; D has it, but is not through; E has it for IPv6 only; F helps, and
  // asks for no help; G is down.
  const b = speaker(net, B, 65002, { [A]: 65001 }, { gracefulRestart: restarting })
  const c = speaker(net, C, 65003, { [A]: 65001 })
  const puppetOf = (address: string, asn: number, families: { afi: number; safi: number; forwarding: boolean }[]) => {
    const capability = { kind: 'gracefulRestart', restarting: false, notification: true, restartTime: 9 } as const
    const capabilities: Capability[] = [
      { kind: 'fourOctetAs', asn },
      { ...capability, families },
    ]
    return new Puppet(net, address, { open: { asn, routerId: asn, capabilities } }).listen()
  }
  const d = puppetOf(D, 65004, [{ afi: 1, safi: 1, forwarding: true }])
  puppetOf(E, 65005, [{ afi: 2, safi: 1, forwarding: true }])
  const f = puppetOf(F, 65006, [])
  t.ok(net.runUntil(() => [B, C, D, E, F].every(name => a.peer(name).state === 'Established'), 20))
  net.run(1)
  const awaited = () => a.engine.status().flatMap(({ name, awaited }) => (awaited.length > 0 ? [name] : []))
  t.same(awaited(), [D, F])
  a.originate('10.9.0.0/24', '10.9.1.0/24')
  net.run(1)
  t.same([b.best().length, c.best().length], [1, 1], 'chosen before anybody was up; the next is when those are through')
  t.same(b.peer(A).endOfRib, [])
  d.send(update({}))
  net.run(1)
  t.same(awaited(), [F])
  f.send(update({}))
  net.run(1)
  t.same(awaited(), [])
  t.same([b.best().length, c.best().length], [2, 2], 'whoever is not waited for holds nothing up')
  t.same(b.peer(A).endOfRib, [], 'End-of-RIB waits for the word of the caller')
  a.driver.with(engine => engine.setComplete(true))
  net.run(1)
  t.same(b.peer(A).endOfRib, ['ipv4-unicast'])
  t.end()
})

t.test('a peer that never sends End-of-RIB holds the choice of routes up for the restart time, or until told', t => {
  for (const told of [false, true]) {
    const { net, puppet, a, c, atC } = stage({}, {}, { restartTime: 40, restarting: true })
    // The stage has sent End-of-RIB; a new session without one, while the speaker is not complete yet.
    t.ok(comesBack({ net, puppet, a }))
    puppet.send(...announce(['10.7.0.0/24'], []))
    net.run(5)
    t.notOk(atC().includes('10.7.0.0/24'))
    t.equal(c.peer(A).state, 'Established')
    t.match(a.table('ipv4-unicast', 'in', B), [{ prefix: '10.7.0.0/24' }], 'it is taken in meanwhile')
    if (told) a.driver.with(engine => engine.setComplete(true))
    else net.run(40)
    net.run(1)
    t.ok(atC().includes('10.7.0.0/24'))
  }
  t.end()
})

t.test(
  'random lives: whatever restarts in between, all end in step, and what is always announced is never missed',
  t => {
    const steady = '10.0.0.0/24'
    const prefixes = Array.from({ length: 6 }, (_, i) => `10.${i + 1}.0.0/16`)
    const step = fc.record({
      do: fc.constantFrom('routes', 'kill', 'restart', 'cut'),
      own: fc.subarray(prefixes),
      wait: fc.nat(40),
      away: fc.nat(25),
    })
    // Five sessions that die young, then two cuts: a rest as long as that of a stranger would pass the restart time.
    const often = (
      [
        ['restart', 1, 0],
        ['restart', 1, 8],
        ['restart', 4, 0],
        ['kill', 7, 0],
        ['restart', 8, 26],
        ['cut', 23, 10],
        ['cut', 14, 1],
      ] as const
    ).map(([what, away, wait]) => ({ do: what, own: [], wait, away }))
    // Away for a little more than the restart time, in three pieces.
    const longAway = (
      [
        ['restart', 13],
        ['cut', 24],
        ['kill', 23],
      ] as const
    ).map(([what, away]) => ({ do: what, own: [], wait: 0, away }))
    fc.assert(
      fc.property(fc.nat(), fc.array(step, { minLength: 1, maxLength: 12 }), (seed, steps) => {
        const net = new Simulation(seed)
        net.network.setLink(A, B, { piece: 50, delay: 1 + (seed % 5) })
        const gracefulRestart = { restartTime: 60 }
        const quick = { connectRetry: 1, holdTime: 9 }
        const a = speaker(net, A, 65001, { [B]: { remoteAs: 65002, ...quick }, [C]: 65003 }, { gracefulRestart })
        const c = speaker(net, C, 65003, { [A]: 65001 })
        let own: readonly string[] = []
        const start = (restarting: boolean) => {
          const how = { restartTime: 60, restarting, forwarding: restarting }
          const b = speaker(net, B, 65002, { [A]: { remoteAs: 65001, ...quick } }, { gracefulRestart: how })
          b.originate(steady, ...own)
          if (restarting) b.driver.with(engine => engine.setComplete(true))
          return b
        }
        let b = start(false)
        net.runUntil(() => c.best().length === 1, 30)
        let missed = c.best().length !== 1
        // Who is away for longer than it has asked for is not waited for.
        let tenthsAway = 0
        let excused = false
        const pass = (seconds: number) => {
          for (let tenths = 0; tenths < seconds * 10; tenths++) {
            net.run(0.1)
            tenthsAway = a.peer(B).state === 'Established' ? 0 : tenthsAway + 1
            excused ||= tenthsAway > 550
            const isHere = c.best().join().includes(steady)
            missed ||= !isHere && !excused
            if (isHere && tenthsAway === 0) excused = false
          }
        }
        for (const one of steps) {
          if (one.do === 'routes') b.originate(steady, ...(own = one.own))
          else if (one.do === 'cut') {
            net.network.cut(A, B)
            pass(one.away)
            net.network.mend(A, B)
          } else {
            if (one.do === 'kill') b.kill()
            else {
              b.stop('restart')
              net.run(0.2)
              b.kill()
            }
            own = one.own
            pass(one.away)
            b = start(true)
          }
          pass(one.wait / 10)
        }
        const expected = [steady, ...own].toSorted().join()
        const inStep = () =>
          c
            .best()
            .map(text => text.split(' ')[0])
            .join() === expected && a.peer(B).prefixesStale === 0
        return net.runUntil(inStep, 60) && !missed
      }),
      {
        numRuns: 40,
        examples: [
          [0, often],
          [0, longAway],
        ],
      },
    )
    t.end()
  },
)
