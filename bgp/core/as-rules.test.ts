// What a peer's configuration makes of AS paths and communities on the way, between whole speakers.

import t from 'tap'
import { Simulation } from '../transport/simulation.ts'
import { acceptAll, type ChangeView, type DecisionOptions, type PeerConfig, type SpeakerConfig } from '../types.ts'
import { attribute, raw, update } from '../wire/test-messages.ts'
import { asPath, localPref, origin } from '../wire/attributes.ts'
import { Engine } from './engine.ts'
import { Puppet } from './test-puppet.ts'
import { config, established, type Peers, speaker } from './test-speakers.ts'

const [A, B, C, D, E] = ['10.0.0.1', '10.0.0.2', '10.0.0.3', '10.0.0.4', '10.0.0.5']
const P = '10.1.0.0/24'

/** A puppet of AS 65002 announces paths to a speaker of AS 65001, which passes them on to one of AS 65003. */
function row(
  ours: Partial<PeerConfig> = {},
  theirs: Partial<PeerConfig> = {},
  options: { cAsn?: number; allow?: number } = {},
) {
  const { cAsn = 65003, allow } = options
  const net = new Simulation(1)
  const puppet = new Puppet(net, B).listen()
  const peers = (more = {}): Peers => ({
    [B]: { remoteAs: 65002, ...ours, ...more },
    [C]: { remoteAs: cAsn, ...theirs },
  })
  const a = speaker(net, A, 65001, peers())
  const c = speaker(net, C, cAsn, { [A]: { remoteAs: theirs.localAs ?? 65001, allowAsIn: allow } })
  net.runUntil(() => established([a, B], [a, C], [c, A]), 20)
  net.run(1)
  const send = (...asns: readonly number[]) => {
    const path = attribute(asPath, asns.length > 0 ? [{ type: 'sequence', asns }] : [])
    puppet.send(update({ attributes: [attribute(origin, 'igp'), path, raw(3, [10, 0, 0, 2])], announced: [P] }))
    net.run(1)
  }
  const at = (one: typeof a) => one.table('ipv4-unicast')[0]?.asPath
  return { net, puppet, a, c, send, path: () => at(a), passed: () => at(c), peers }
}

t.test('local-as: what the peer and the rest of the network see', async t => {
  for (const [mode, inside, outside] of [
    [undefined, '65002 7', '65100 65002 7'],
    ['replace', '65002 7', '65100 65002 7'],
    ['no-prepend', '65002 7', '65100 65001 65002 7'],
    ['prepend', '65002 7', '65100 65001 65002 7'],
  ] as const) {
    const { send, path, passed } = row({}, { localAs: 65100, localAsMode: mode })
    send(65002, 7)
    t.same([path(), passed()], [inside, outside], `towards the peer, ${mode}`)
  }
  for (const [mode, inside] of [
    ['replace', '65002 7'],
    ['no-prepend', '65002 7'],
    ['prepend', '65100 65002 7'],
  ] as const) {
    const { send, path, passed } = row({ localAs: 65100, localAsMode: mode })
    send(65002, 7)
    t.same([path(), passed()], [inside, `65001 ${inside}`], `from the peer, ${mode}`)
    send(65002, 65100)
    t.equal(path(), undefined, 'both numbers are ours when it comes to loops')
  }
})

t.test('allowas-in: how often our AS may come back, changed while it runs', async t => {
  for (const [allowAsIn, accepted] of [
    [0, [true, false, false]],
    [1, [true, true, false]],
    [2, [true, true, true]],
  ] as const) {
    const { send, path } = row({ allowAsIn })
    const came = [[65002], [65002, 65001, 7], [65002, 65001, 7, 65001]].map(asns => {
      send(...asns)
      return path() !== undefined
    })
    t.same(came, accepted, `allowAsIn ${allowAsIn}`)
  }

  const net = new Simulation(2)
  const b = speaker(net, B, 65002, { [A]: 65001, [D]: 65001 })
  const d = speaker(net, D, 65001, { [B]: 65002 })
  const a = speaker(net, A, 65001, { [B]: 65002 })
  d.originate(P)
  t.ok(net.runUntil(() => established([a, B], [d, B]) && a.table('ipv4-unicast', 'in', B).length === 1, 30))
  t.match(a.table('ipv4-unicast', 'in', B)[0].reason, /our own AS/)
  a.configure(config(A, 65001, { [B]: { remoteAs: 65002, allowAsIn: 1 } }))
  net.run(2)
  t.same(a.best(), [`${P} via ${B} [65002 65001]`], 'asked for anew by a route refresh')
  a.configure(config(A, 65001, { [B]: 65002 }))
  net.run(2)
  t.same(a.best(), [])
  t.same([a.peer(B).flaps, b.peer(A).flaps], [0, 0], 'and no session was reset')
})

t.test('as-override: two sites of one AS reach each other', async t => {
  const { send, passed, a, net, peers } = row({}, { asOverride: true })
  send(65002, 65003, 7, 65003)
  t.equal(passed(), '65001 65002 65001 7 65001')
  a.configure(config(A, 65001, { ...peers(), [C]: 65003 }))
  net.run(2)
  t.equal(passed(), undefined, 'without it, it sees its own AS')
  t.equal(a.peer(C).flaps, 0, 'changed without a new session')
})

t.test('remove-private-as', async t => {
  for (const [removePrivateAs, passed] of [
    [undefined, '65001 65002 3356 64600 4200000005'],
    ['remove', '65001 3356'],
    ['replace', '65001 65001 3356 65001 65001'],
  ] as const) {
    const setup = row({}, { removePrivateAs }, { cAsn: 3 })
    setup.send(65002, 3356, 64600, 4200000005)
    t.equal(setup.passed(), passed, String(removePrivateAs))
  }
  const { send, c } = row({}, { removePrivateAs: 'remove' })
  send(65002, 65003, 64512)
  t.match(c.table('ipv4-unicast', 'in', A), [{ asPath: '65001 65003', reason: /our own AS/ }], "the peer's own stays")
  const all = row({}, { removePrivateAs: 'remove' }, { cAsn: 3 })
  all.send(65002)
  t.equal(all.passed(), '65001', 'an empty segment goes')
})

t.test('enforce-first-as', async t => {
  const { send, path, a, net, peers, puppet } = row()
  send(7, 8)
  t.equal(path(), undefined)
  const incident = a.reports.find(report => report.type === 'update')
  t.match(incident?.text, /begins with AS 7, not with the peer's AS 65002 \(set enforceFirstAs to false/)
  send()
  t.equal(path(), undefined, 'an empty path from another AS')
  a.configure(config(A, 65001, peers({ enforceFirstAs: false })))
  net.run(2)
  t.same([a.peer(B).flaps, puppet.connections], [1, 2], 'this peer has no route refresh: a new session')
  send(7, 8)
  t.equal(path(), '7 8')
})

t.test('communities that say how far a route goes', async t => {
  const { puppet, net, a, c } = row()
  const send = (prefix: string, ...communities: readonly number[]) => {
    const path = attribute(asPath, [{ type: 'sequence', asns: [65002] }])
    const value = communities.flatMap(one => [255, 255, (one >> 8) & 255, one & 255])
    puppet.send(
      update({
        attributes: [attribute(origin, 'igp'), path, raw(3, [10, 0, 0, 2]), raw(8, value)],
        announced: [prefix],
      }),
    )
  }
  send('10.1.1.0/24', 0xff01)
  send('10.1.2.0/24', 0xff02)
  send('10.1.3.0/24', 0xff03)
  send('10.1.4.0/32', 0x029a)
  send('10.1.5.0/24', 0x0000)
  send('10.1.6.0/24', 0x1234)
  net.run(1)
  t.equal(a.best().length, 6, 'all are used here')
  const cursor = a.engine.rib('ipv4-unicast').changes('test')
  const view: ChangeView = { prefix: '', nextHops: [], peer: '', med: undefined, localPref: undefined }
  const dropped: string[] = []
  while (cursor.next(view)) if (view.blackhole) dropped.push(view.prefix)
  cursor.close()
  t.same(dropped, ['10.1.4.0/32'], 'who installs routes hears of it')
  t.same(
    c.table('ipv4-unicast').map(row => row.prefix),
    ['10.1.5.0/24', '10.1.6.0/24'],
  )
  const { engine } = a
  const rib = engine.rib('ipv4-unicast')
  const why = (prefix: string) => rib.explainExport(engine.peerId(C)!, rib.lookup(prefix)!)?.text
  t.equal(why('10.1.1.0/24'), 'not sent: it carries NO_EXPORT (RFC 1997)')
  t.equal(why('10.1.2.0/24'), 'not sent: it carries NO_ADVERTISE (RFC 1997)')
  t.equal(why('10.1.4.0/32'), 'not sent: it carries BLACKHOLE (RFC 7999)')
  t.equal(why('10.1.6.0/24'), 'accepted by export policy "accept-all": no rule decides')
  a.configure(config(A, 65001, { [B]: 65002, [C]: { remoteAs: 65003, sendBlackhole: true } }))
  net.run(1)
  t.same(
    c
      .table('ipv4-unicast')
      .map(row => row.prefix)
      .toSorted(),
    ['10.1.4.0/32', '10.1.5.0/24', '10.1.6.0/24'],
  )

  a.driver.with(engine => engine.originate([{ prefix: '10.9.0.0/32', communities: ['blackhole', 'no-export'] }]))
  net.run(1)
  t.match(
    c.table('ipv4-unicast').find(row => row.prefix === '10.9.0.0/32'),
    { communities: ['65535:666', '65535:65281'] },
    'our own route goes to the neighbour that is to honour them',
  )
})

t.test('inside the AS NO_EXPORT goes on, NO_ADVERTISE does not', async t => {
  const net = new Simulation(1)
  const a = speaker(net, A, 65001, { [C]: 65003, [B]: 65001 })
  const b = speaker(net, B, 65001, { [A]: 65001 })
  const c = speaker(net, C, 65003, { [A]: 65001 })
  c.driver.with(engine =>
    engine.originate([
      { prefix: '10.1.0.0/24', communities: ['no-export'] },
      { prefix: '10.2.0.0/24', communities: ['no-advertise'] },
    ]),
  )
  t.ok(net.runUntil(() => b.best().length > 0, 30))
  net.run(1)
  t.same([a.best().length, b.best()], [2, [`10.1.0.0/24 via ${C} [65003]`]])
})

t.test('graceful shutdown (RFC 8326): traffic leaves before the routes do', async t => {
  const net = new Simulation(1)
  const a = speaker(net, A, 65001, { [B]: 65002, [C]: 65003, [D]: 65001 })
  const bPeers = (more = {}): Peers => ({ [A]: { remoteAs: 65001, ...more } })
  const b = speaker(net, B, 65002, bPeers())
  const c = speaker(net, C, 65003, { [A]: 65001 })
  const d = speaker(net, D, 65001, { [A]: 65001 })
  b.originate(P)
  c.driver.with(engine => engine.originate([{ prefix: P, med: 5 }]))
  const used = () => a.best()[0]
  t.ok(net.runUntil(() => used() === `${P} via ${B} [65002]` && established([a, C], [a, D]), 30))
  b.configure(config(B, 65002, bPeers({ gracefulShutdown: true })))
  net.run(2)
  t.equal(used(), `${P} via ${C} [65003]`)
  const rib = a.engine.rib('ipv4-unicast')
  t.match(
    rib.paths(rib.lookup(P)!).find(path => path.peer === B),
    { localPref: 0, communities: ['65535:0'], reason: 'LOCAL_PREF 0 is lower than 100: GRACEFUL_SHUTDOWN' },
  )
  b.configure(config(B, 65002, bPeers()))
  net.run(2)
  t.equal(used(), `${P} via ${B} [65002]`, 'called off')
  a.configure({ ...config(A, 65001, { [B]: 65002, [C]: 65003, [D]: 65001 }), gracefulShutdown: true })
  net.run(2)
  t.match(d.table('ipv4-unicast'), [{ localPref: 0, communities: [] }], 'an iBGP peer sees LOCAL_PREF 0')
  t.match(c.table('ipv4-unicast', 'in', A), [{ communities: ['65535:0'] }], 'eBGP peers see the community')
  t.same(
    [a, b, c, d].flatMap(one => one.engine.status().map(peer => peer.flaps)),
    [0, 0, 0, 0, 0, 0],
    'no session was reset',
  )

  const strip = {
    name: 'strip',
    rules: [{ name: 'all', then: 'accept', set: { removeCommunities: ['graceful-shutdown'] } }],
    otherwise: 'reject',
  } as const
  a.configure(config(A, 65001, { [B]: { remoteAs: 65002, import: strip }, [C]: 65003, [D]: 65001 }))
  b.configure(config(B, 65002, bPeers({ gracefulShutdown: true })))
  net.run(2)
  t.equal(used(), `${P} via ${B} [65002]`, 'not honoured where policy takes the community off')
})

t.test('without a policy nothing passes an eBGP session (RFC 8212)', async t => {
  const net = new Simulation(1)
  const bare = (address: string, asn: number, remotes: Readonly<Record<string, number>>): SpeakerConfig => ({
    asn,
    routerId: address,
    peers: new Map(Object.entries(remotes).map(([remote, remoteAs]) => [remote, { address: remote, remoteAs }])),
  })
  const a = net.add(bare(A, 65001, { [B]: 65002, [D]: 65001 }), A)
  const b = speaker(net, B, 65002, { [A]: 65001 })
  const d = net.add(bare(D, 65001, { [A]: 65001 }), D)
  b.originate(P)
  a.originate('10.2.0.0/24')
  t.ok(net.runUntil(() => established([a, B], [a, D]) && d.best().length === 1, 30))
  t.same([a.best(), b.best().length], [['10.2.0.0/24 via 0.0.0.0 []'], 1], 'neither in nor out')
  t.match(a.table('ipv4-unicast', 'in', B), [
    { reason: 'rejected by import policy "none given (RFC 8212)": no rule decides' },
  ])
  t.same(d.best(), [`10.2.0.0/24 via ${A} []`], 'iBGP is not concerned')
  const peers = new Map(a.engine.config?.peers)
  peers.set(B, { address: B, remoteAs: 65002, import: acceptAll, export: acceptAll })
  a.configure({ ...bare(A, 65001, {}), peers })
  net.run(2)
  t.same([a.best().length, b.best().length, a.peer(B).flaps], [2, 2, 0], 'told otherwise, while it runs')
})

t.test('rules of decision change while it runs', async t => {
  const net = new Simulation(1)
  const peers: Peers = { [B]: 65002, [C]: 65003 }
  const a = speaker(net, A, 65001, peers)
  const [b, c] = [speaker(net, B, 65002, { [A]: 65001 }), speaker(net, C, 65003, { [A]: 65001 })]
  b.driver.with(engine => engine.originate([{ prefix: P, med: 9 }]))
  c.driver.with(engine => engine.originate([{ prefix: P, med: 5 }]))
  t.ok(
    net.runUntil(
      () => established([a, B], [a, C]) && a.peer(B).prefixesReceived + a.peer(C).prefixesReceived === 2,
      30,
    ),
  )
  net.run(1)
  const decide = (decision?: DecisionOptions) => {
    a.configure({ ...config(A, 65001, peers), decision })
    net.run(1)
    return a.best()[0]
  }
  t.equal(decide(), `${P} via ${B} [65002]`)
  t.equal(decide({ alwaysCompareMed: true }), `${P} via ${C} [65003]`)
  t.equal(decide(), `${P} via ${B} [65002]`)
})

t.test('what is wrong with the options is told', async t => {
  const check = (peer: Partial<PeerConfig>, decision: object = {}) =>
    new Engine({ seed: 1, now: 0 })
      .configure({ ...config(A, 65001, { [B]: { remoteAs: 65002, ...peer } }), decision })
      .map(({ field, reason, fix }) => `${field}: ${reason}; ${fix}`)
  for (const [peer, text] of [
    [{ localAsMode: 'prepend' }, /^localAsMode: the peer knows us by AS 65001, which is our own; set localAs/],
    [{ localAs: 65100, localAsMode: 'both' as 'prepend' }, /^localAsMode: .* use replace, no-prepend or prepend$/],
    [{ allowAsIn: -1 }, /^allowAsIn: .* give 0 to 255$/],
    [{ removePrivateAs: 'all' as 'remove' }, /^removePrivateAs: .* use remove or replace/],
    [{ remoteAs: 65001, asOverride: true }, /^asOverride: the peer is in AS 65001 as we are/],
    [{ remoteAs: 65001, sendBlackhole: true }, /^sendBlackhole: the peer is in AS 65001 as we are/],
  ] as const) {
    t.match(check(peer), [text])
  }
  t.match(check({}, { missingMed: 'worst' }), [/^decision.missingMed: .* use lowest or highest$/])
  t.match(check({}, { multipath: 'all' }), [/^decision.multipath: .* use relaxed, equal or off$/])
})

t.test(
  'what goes on by its flags: AIGP, extended communities that are not transitive, attributes that nobody knows',
  async t => {
    const net = new Simulation(1)
    const puppet = new Puppet(net, B, { open: { asn: 65001 } }).listen()
    const a = speaker(net, A, 65001, {
      [B]: { remoteAs: 65001, reflectorClient: true },
      [C]: { remoteAs: 65003, nextHop: 'keep' },
      [D]: 65001,
      [E]: { remoteAs: 65001, nextHop: 'self' },
    })
    const moved = new Puppet(net, E, { open: { asn: 65001, routerId: 8 } }).listen()
    const outside = new Puppet(net, C, { open: { asn: 65003 } }).listen()
    const inside = new Puppet(net, D, { open: { asn: 65001, routerId: 9 } }).listen()
    net.runUntil(() => established([a, B], [a, C], [a, D], [a, E]), 20)
    const aigp = raw(26, [1, 0, 11, 0, 0, 0, 0, 0, 0, 0, 7])
    const extended = raw(16, [0, 2, 0xfd, 0xe9, 0, 0, 0, 7, 0x40, 4, 0xfd, 0xe9, 0, 0, 0, 9])
    puppet.send(
      update({
        attributes: [
          attribute(origin, 'igp'),
          attribute(asPath, []),
          raw(3, [10, 0, 0, 2]),
          attribute(localPref, 100),
          extended,
          aigp,
          raw(200, [1, 2, 3], 0xc0),
          raw(201, [4, 5, 6], 0x80),
        ],
        announced: [P],
      }),
    )
    net.run(1)
    const octets = (one: Puppet) =>
      one
        .of(2)
        .map(message => Buffer.from(message).toString('hex'))
        .join()
    const hex = (attribute: readonly number[]) => Buffer.from(attribute).toString('hex')
    t.ok(octets(inside).includes(hex(aigp)) && octets(inside).includes(hex(extended)), 'as they came, inside')
    t.ok(
      octets(moved).includes(hex(extended)) && !octets(moved).includes('801a0b'),
      'no AIGP where the next hop is another',
    )
    t.notOk(octets(outside).includes('801a0b'), 'no AIGP outside')
    t.ok(octets(outside).includes('c010080002fde900000007'), 'the route target alone outside')
    for (const one of [inside, moved, outside]) {
      t.ok(octets(one).includes('e0c803010203'), 'unknown and transitive: passed on, marked partial')
      t.notOk(octets(one).includes('c903040506'), 'unknown and not transitive: dropped')
    }
  },
)
