// Confederations (RFC 5065) between whole speakers: AS 100 is 65001 and 65002 (and 65003), outside are 300 and 400.

import t from 'tap'
import { Simulation } from '../transport/simulation.ts'
import type { Confederation, PeerConfig } from '../types.ts'
import { type AsPathSegment, asPath, asPathText, AttributeWalker, clusterList, localPref } from '../wire/attributes.ts'
import { med, origin, originatorId } from '../wire/attributes.ts'
import { OPEN, UPDATE } from '../wire/header.ts'
import { attribute, raw, update } from '../wire/test-messages.ts'
import { UpdateDecoder } from '../wire/update.ts'
import { Engine } from './engine.ts'
import { Puppet, type PuppetOptions } from './test-puppet.ts'
import { config, established, type Peers, speaker } from './test-speakers.ts'

const [A, A2, B, C, D] = ['10.0.0.1', '10.0.0.11', '10.0.0.2', '10.0.0.3', '10.0.0.4']
const P = '10.1.0.0/24'
const confederation: Confederation = { identifier: 100, members: [65001, 65002, 65003] }

function world(aToC: Partial<PeerConfig> = {}, bToD: Partial<PeerConfig> = {}) {
  const net = new Simulation(1)
  const prefer = {
    name: 'prefer',
    rules: [{ name: 'all', then: 'accept', set: { localPref: 200 } }],
    otherwise: 'reject',
  } as const
  const aPeers: Peers = { [A2]: 65001, [B]: 65002, [C]: { remoteAs: 300, import: prefer, ...aToC } }
  const a = speaker(net, A, 65001, aPeers, { confederation })
  const a2 = speaker(net, A2, 65001, { [A]: 65001 }, { confederation })
  const b = speaker(net, B, 65002, { [A]: 65001, [D]: { remoteAs: 400, ...bToD } }, { confederation })
  const c = speaker(net, C, 300, { [A]: aToC.localAs ?? 100 })
  const d = speaker(net, D, 400, { [B]: bToD.localAs ?? 100 })
  const isUp = net.runUntil(() => established([a, A2], [a, B], [a, C], [b, D]), 20)
  if (!isUp) throw new Error('the sessions do not come up')
  return { net, a, a2, b, c, d, aPeers }
}

t.test('what members, and what the outside sees (§4.1, §5.2)', async t => {
  const { net, a, a2, b, c, d } = world()
  c.driver.with(engine =>
    engine.originate([{ prefix: P, med: 7, communities: ['no-export'] }, { prefix: '10.2.0.0/24' }]),
  )
  a.originate('10.3.0.0/24')
  d.originate('10.4.0.0/24')
  net.run(3)
  const at = (one: typeof a, prefix: string) => one.table('ipv4-unicast').find(row => row.prefix === prefix)
  t.match(at(a2, P), { asPath: '300', localPref: 200, med: 7, nextHop: C }, 'as ever by iBGP')
  t.match(at(b, P), { asPath: '(65001) 300', localPref: 200, med: 7, nextHop: C }, 'LOCAL_PREF, MED, next hop are kept')
  t.equal(at(d, P), undefined, 'NO_EXPORT goes as far as the confederation')
  t.match(at(d, '10.2.0.0/24'), { asPath: '100 300', med: undefined, nextHop: B })
  t.match(at(b, '10.3.0.0/24'), { asPath: '(65001)', nextHop: A })
  t.match(at(d, '10.3.0.0/24'), { asPath: '100' })
  t.match(at(c, '10.4.0.0/24'), { asPath: '100 400' })
  t.match(at(a2, '10.4.0.0/24'), { asPath: '(65002) 400', nextHop: D }, 'from another member to our own')
  t.same(b.table('ipv4-unicast', 'in', D).length, 1, 'nothing comes back')
  t.same([a.peer(C).localAs, a.peer(B).localAs, a.peer(A2).localAs], [100, 65001, 65001])
})

t.test('without policies members exchange all, the outside nothing (RFC 8212)', async t => {
  const net = new Simulation(1)
  const bare = (address: string, asn: number, peers: Readonly<Record<string, number>>) => ({
    asn,
    routerId: address,
    confederation,
    peers: new Map(Object.entries(peers).map(([remote, remoteAs]) => [remote, { address: remote, remoteAs }])),
  })
  const a = net.add(bare(A, 65001, { [B]: 65002, [C]: 300 }), A)
  const b = net.add(bare(B, 65002, { [A]: 65001 }), B)
  const c = speaker(net, C, 300, { [A]: 100 })
  a.originate(P)
  t.ok(net.runUntil(() => established([a, B], [a, C]) && b.best().length === 1, 20))
  net.run(1)
  t.same(c.best(), [])
})

/** A puppet that is B, C or iBGP neighbour of A; what it announces, and what D, another puppet of AS 400, is told. */
function puppets(asn: number, ours: Partial<PeerConfig> = {}, open: PuppetOptions['open'] = {}) {
  const net = new Simulation(1)
  const puppet = new Puppet(net, B, { open: { asn, ...open } }).listen()
  const outside = new Puppet(net, D, { open: { asn: 400 } }).listen()
  const member = new Puppet(net, C, { open: { asn: 65003, routerId: 9 } }).listen()
  const peers: Peers = { [B]: { remoteAs: asn, ...ours }, [C]: 65003, [D]: 400 }
  const a = speaker(net, A, 65001, peers, { confederation })
  net.runUntil(() => established([a, B], [a, C], [a, D]), 20)
  const send = (path: readonly AsPathSegment[], ...more: readonly (readonly number[])[]) => {
    const head = [attribute(origin, 'igp'), attribute(asPath, path), raw(3, [10, 0, 0, 2]), attribute(localPref, 111)]
    puppet.send(update({ attributes: [...head, ...more], announced: [P] }))
    net.run(1)
    const [row] = a.table('ipv4-unicast', 'in', B)
    return row ? (row.reason ?? row.asPath) : 'withdrawn'
  }
  return { net, puppet, outside, member, a, send }
}

const members = (...asns: readonly number[]): AsPathSegment => ({ type: 'confed-sequence', asns })
const memberSet = (...asns: readonly number[]): AsPathSegment => ({ type: 'confed-set', asns })
const sequence = (...asns: readonly number[]): AsPathSegment => ({ type: 'sequence', asns })

t.test('which paths are malformed, and which loop (§4, §5)', async t => {
  const loop = 'our own AS is in the AS path'
  for (const [asn, path, expected] of [
    [65002, [members(65002), sequence(300)], '(65002) 300'],
    [65002, [members(65002)], '(65002)'],
    [65002, [members(65002), memberSet(65003, 65004), sequence(300)], '(65002) [65003 65004] 300'],
    [65002, [members(65002), sequence(300, 65001)], '(65002) 300 65001'],
    [65002, [sequence(300)], 'withdrawn'],
    [65002, [memberSet(65002), sequence(300)], 'withdrawn'],
    [65002, [], 'withdrawn'],
    [65002, [members(65003), sequence(300)], 'withdrawn'],
    [65002, [members(65002, 65001), sequence(300)], loop],
    [65002, [members(65002), memberSet(65001)], loop],
    [65002, [members(65002), sequence(300, 100)], loop],
    [65002, [members(65002, 100)], '(65002 100)'],
    [65001, [members(65002), sequence(300)], '(65002) 300'],
    [65001, [sequence(300)], '300'],
    [65001, [members(65002, 65001)], loop],
    [300, [sequence(300)], '300'],
    [300, [members(65002), sequence(300)], 'withdrawn'],
    [300, [sequence(300), memberSet(65002)], 'withdrawn'],
    [300, [sequence(300, 100)], loop],
    [300, [sequence(300, 65001)], '300 65001'],
  ] as const) {
    const { send, a } = puppets(asn)
    t.equal(send(path), expected, `AS ${asn} sends ${JSON.stringify(path)}`)
    t.equal(a.peer(B).state, 'Established')
  }
  const alone = new Simulation(1)
  const puppet = new Puppet(alone, B, { open: { asn: 65001 } }).listen()
  const a = speaker(alone, A, 65001, { [B]: 65001 })
  alone.runUntil(() => established([a, B]), 20)
  const path = attribute(asPath, [members(65002), sequence(300)])
  puppet.send(
    update({
      attributes: [attribute(origin, 'igp'), path, raw(3, [10, 0, 0, 2]), attribute(localPref, 1)],
      announced: [P],
    }),
  )
  alone.run(1)
  t.equal(a.table('ipv4-unicast', 'in', B).length, 0, 'in no confederation, not even from our own AS')
  const told = a.reports.find(report => report.type === 'update')
  t.match(told?.text, /AS_PATH: segment type 3 is not known/)
})

t.test('enforceFirstAs and allowAsIn mean members, too', async t => {
  t.equal(puppets(65002, { enforceFirstAs: false }).send([members(65003), sequence(300)]), '(65003) 300')
  t.equal(puppets(65002, { allowAsIn: 1 }).send([members(65002, 65001)]), '(65002 65001)')
})

/** The attributes of the last UPDATE that came, as they are in the message. */
function last(puppet: Puppet, kind: 'ebgp' | 'confed-ebgp', fourOctetAs = true) {
  const octets =
    puppet
      .of(UPDATE)
      .filter(message => message.length > 23)
      .at(-1) ?? new Uint8Array()
  const decoder = new UpdateDecoder()
  const verdict = decoder.decode(octets, 19, octets.length, { kind, fourOctetAs, confederation: kind !== 'ebgp' })
  const walker = new AttributeWalker().reset(decoder.attributes, 0, decoder.attributesTo)
  const codes: number[] = []
  let path = ''
  while (walker.next()) {
    codes.push(walker.code)
    if (walker.code === asPath.code) path = asPathText(decoder.attributes, walker.from, walker.to)
  }
  return { verdict: verdict.do, path, codes }
}

t.test('what leaves: members stay behind, reflection stays in the member, LOCAL_PREF goes to members only', async t => {
  const { send, outside, member } = puppets(65001)
  const reflected = [attribute(originatorId, '9.9.9.9'), attribute(clusterList, ['8.8.8.8'])]
  send([members(65002), sequence(300), memberSet(65004)], attribute(med, 5), ...reflected)
  t.same(last(outside, 'ebgp'), { verdict: 'accept', path: '100 300', codes: [1, 2] })
  t.same(last(member, 'confed-ebgp'), { verdict: 'accept', path: '(65001 65002) 300 [65004]', codes: [1, 2, 4, 5] })
  const full = puppets(65002)
  full.send([members(...Array.from({ length: 255 }, () => 65002)), sequence(300)])
  t.match(last(full.member, 'confed-ebgp').path, /^\(65001\) \(65002 /, 'a full segment gets another in front')
})

t.test('to and from a peer with 2-octet AS numbers: AS4_PATH has no members (RFC 6793 §3, §4.2.3)', async t => {
  const net = new Simulation(1)
  const open = { asn: 65003, routerId: 9, capabilities: [] }
  const narrow = new Puppet(net, C, { open }).listen()
  const puppet = new Puppet(net, B, { open: { asn: 65002 } }).listen()
  const a = speaker(net, A, 65001, { [B]: 65002, [C]: 65003 }, { confederation })
  net.runUntil(() => established([a, B], [a, C]), 20)
  const head = (path: readonly number[]) => [attribute(origin, 'igp'), path, raw(3, [10, 0, 0, 2])]
  puppet.send(
    update({ attributes: head(attribute(asPath, [members(65002), sequence(4200000001, 300)])), announced: [P] }),
  )
  net.run(1)
  const octets = Buffer.from(narrow.of(UPDATE).at(-1) ?? []).toString('hex')
  t.ok(
    octets.includes('03 02 fde9 fdea 02 02 5ba0 012c'.replaceAll(' ', '')),
    'AS_PATH: members, then AS_TRANS and 300',
  )
  t.ok(octets.includes('11 0a 02 02 fa56ea01 0000012c'.replaceAll(' ', '')), 'AS4_PATH: no members')
  t.equal(last(narrow, 'confed-ebgp', false).path, '(65001 65002) 4200000001 300', 'and so it is put together again')

  const as2 = (...segments: readonly (readonly [number, ...number[]])[]) =>
    raw(
      2,
      segments.flatMap(([type, ...asns]) => [type, asns.length, ...asns.flatMap(asn => [asn >> 8, asn & 255])]),
    )
  const as4 = (...segments: readonly AsPathSegment[]) => raw(17, asPath.encode(segments))
  for (const [path, newer, expected] of [
    [as2([3, 65003], [2, 23456, 300]), as4(sequence(4200000009, 300)), '(65003) 4200000009 300'],
    [as2([3, 65003], [2, 7, 23456, 300]), as4(sequence(4200000009, 300)), '(65003) 7 4200000009 300'],
    [as2([3, 65003], [2, 7], [4, 65004], [2, 23456]), as4(sequence(4200000009)), '(65003) 7 [65004] 4200000009'],
    [as2([3, 65003], [2, 7, 23456], [4, 65004]), as4(sequence(4200000009)), '(65003) 7 4200000009'],
    [as2([3, 65003], [2, 23456]), as4(members(65009), sequence(4200000009)), '(65003) 4200000009'],
    [as2([3, 65003], [2, 23456]), as4(sequence(4200000009, 300)), '(65003) 23456'],
    [as2([3, 65003, 65004]), as4(), '(65003 65004)'],
  ] as const) {
    narrow.send(update({ attributes: [...head([...path]), newer, attribute(localPref, 9)], announced: [P] }))
    net.run(1)
    t.equal(a.table('ipv4-unicast', 'in', C)[0]?.asPath, expected)
  }
})

t.test('how far NO_EXPORT and NO_EXPORT_SUBCONFED let a route go (RFC 1997)', async t => {
  for (const [community, inside, member, outside] of [
    [0xff01, true, true, false],
    [0xff02, false, false, false],
    [0xff03, true, false, false],
  ] as const) {
    const net = new Simulation(1)
    const puppet = new Puppet(net, B, { open: { asn: 300 } }).listen()
    const a = speaker(net, A, 65001, { [A2]: 65001, [B]: 300, [C]: 65003, [D]: 400 }, { confederation })
    const others = [
      speaker(net, A2, 65001, { [A]: 65001 }, { confederation }),
      speaker(net, C, 65003, { [A]: 65001 }, { confederation }),
      speaker(net, D, 400, { [A]: 100 }),
    ]
    net.runUntil(() => established([a, A2], [a, B], [a, C], [a, D]), 20)
    const path = attribute(asPath, [sequence(300)])
    const value = raw(8, [255, 255, community >> 8, community & 255])
    puppet.send(update({ attributes: [attribute(origin, 'igp'), path, raw(3, [10, 0, 0, 2]), value], announced: [P] }))
    net.run(1)
    t.same(
      others.map(one => one.best().length > 0),
      [inside, member, outside],
      community.toString(16),
    )
    const rib = a.engine.rib('ipv4-unicast')
    const why = rib.explainExport(a.engine.peerId(C)!, rib.lookup(P)!)
    if (community === 0xff03) t.equal(why?.text, 'not sent: it carries NO_EXPORT_SUBCONFED (RFC 1997)')
  }
})

t.test('OPEN: our AS is the identifier outside, the member inside; a member is not taken for an outsider', async t => {
  const asnIn = (puppet: Puppet) => {
    const [open] = puppet.of(OPEN)
    return ((open?.[20] ?? 0) << 8) | (open?.[21] ?? 0)
  }
  const { puppet, outside, member } = puppets(65002)
  t.same([puppet, outside, member].map(asnIn), [65001, 100, 65001])

  const net = new Simulation(1)
  const stranger = new Puppet(net, B, { open: { asn: 65003 } }).listen()
  const a = speaker(net, A, 65001, { [B]: { remoteAs: 'external' } }, { confederation })
  net.run(2)
  t.equal(stranger.notification, 'OPEN Message Error / Bad Peer AS')
  t.match(a.peer(B).lastError, /AS 65003, a member of our confederation 100, and as such it is not configured/)
})

t.test('together with local-as, as-override, remove-private-as', async t => {
  for (const [more, passed] of [
    [{}, '100 300'],
    [{ localAs: 555 }, '555 300'],
    [{ localAs: 555, localAsMode: 'no-prepend' }, '555 100 300'],
    [{ localAs: 555, localAsMode: 'prepend' }, '555 100 300'],
    [{ removePrivateAs: 'replace' }, '100 300'],
    [{ asOverride: true }, '100 300'],
  ] as const) {
    const { net, c, d } = world({}, more)
    c.originate(P)
    net.run(2)
    t.equal(d.table('ipv4-unicast')[0]?.asPath, passed, JSON.stringify(more))
  }
  const { net, b, d } = world({}, { localAs: 555, localAsMode: 'prepend' })
  d.originate(P)
  net.run(2)
  t.equal(b.table('ipv4-unicast')[0]?.asPath, '555 400', 'the AS of before is shown inside')
  const private_ = puppets(65002)
  private_.send([members(65002), sequence(300, 64600, 400)])
  t.equal(last(private_.outside, 'ebgp').path, '100 300 64600 400')
})

t.test('what policy sees of members', async t => {
  const own = (asPathText: string) =>
    ({ name: 'p', rules: [{ name: 'r', when: { asPath: asPathText }, then: 'accept' }], otherwise: 'reject' }) as const
  const path = [members(65002, 65003), sequence(300, 400)]
  t.equal(puppets(65002, { import: own('300 400') }).send(path), '(65002 65003) 300 400', 'a pattern passes them over')
  t.match(puppets(65002, { import: own('65002 .*') }).send(path), /^rejected/)
  const source = {
    name: 'p',
    rules: [{ name: 'r', when: { source: ['confed-ebgp'] }, then: 'accept' }],
    otherwise: 'reject',
  } as const
  t.equal(puppets(65002, { import: source }).send(path), '(65002 65003) 300 400')
  const prepend = { prepend: { asn: 65001, count: 2 }, addCommunities: ['1:1'] } as const
  const longer = { name: 'p', rules: [{ name: 'r', then: 'accept', set: prepend }], otherwise: 'reject' } as const
  const { send, outside } = puppets(65002, { import: longer })
  send(path)
  t.equal(last(outside, 'ebgp').path, '100 65001 65001 300 400', 'what is prepended stands behind the members')
})

t.test('a change renews the sessions that it concerns, and no other', async t => {
  const { net, a, aPeers } = world()
  const flaps = (wanted: Confederation | undefined, peers: Peers = aPeers) => {
    a.configure(config(A, 65001, peers, { confederation: wanted }))
    net.run(5)
    return [a.peer(A2).flaps, a.peer(B).flaps, a.peer(C).flaps]
  }
  t.same(flaps({ members: [65001, 65002, 65003], identifier: 100 }), [0, 0, 0], 'the same again')
  t.same(flaps({ ...confederation, members: [65002] }), [0, 0, 0], 'who has no session here is of no concern')
  t.same(flaps({ ...confederation, identifier: 101 }), [0, 0, 1], 'the outside knows us by another AS')
  t.same(flaps({ identifier: 101, members: [65003] })[1], 1, 'no member any more')
  t.equal(flaps(undefined)[0], 1, 'inside the AS, too, when paths may have members no longer')
})

t.test('what is wrong with a confederation is told', async t => {
  const check = (peer: Partial<PeerConfig>, wanted: Partial<Confederation> = {}) =>
    new Engine({ seed: 1, now: 0 })
      .configure(
        config(A, 65001, { [B]: { remoteAs: 65002, ...peer } }, { confederation: { ...confederation, ...wanted } }),
      )
      .map(({ field, reason, fix }) => `${field}: ${reason}; ${fix}`)
  for (const [peer, wanted, text] of [
    [{}, {}, undefined],
    [{ remoteAs: 65001, reflectorClient: true }, {}, undefined],
    [{ enforceFirstAs: false }, {}, undefined],
    [{}, { identifier: 0 }, /^confederation.identifier: it is no AS number/],
    [{}, { identifier: 65001 }, /^confederation.identifier: it is our own AS/],
    [{}, { members: [65002, 70000000000] }, /^confederation.members: it is no AS number/],
    [{}, { members: [65002, 100] }, /^confederation.members: it is the identifier of the whole/],
    [{ remoteAs: 100 }, {}, /^remoteAs: it is our own confederation.*give the AS of the peer's member/],
    [{ remoteAs: [65002, 300] }, {}, /^remoteAs: only 65002 belongs to our confederation.*make two peers/],
    [{ localAs: 555 }, {}, /^localAs: inside the confederation everyone is known by its own AS; remove it/],
    [{ remoteAs: 300, localAs: 65003 }, {}, /^localAs: it is a member.* the peer knows us by 100$/],
    [
      { remoteAs: 300, localAs: 100, localAsMode: 'prepend' },
      {},
      /^localAsMode: the peer knows us by AS 100, which is our own/,
    ],
    [{ reflectorClient: true }, {}, /^reflectorClient:/],
    [{ asOverride: true }, {}, /^asOverride: the peer is in our confederation as we are/],
    [{ removePrivateAs: 'remove' }, {}, /^removePrivateAs: the peer is in our confederation as we are/],
    [{ sendBlackhole: true }, {}, /^sendBlackhole: the peer is in our confederation as we are/],
    [{ role: 'peer' }, {}, /^role: the peer belongs to us/],
  ] as const) {
    if (text) t.match(check(peer, wanted), [text])
    else t.same(check(peer, wanted), [])
  }
})
