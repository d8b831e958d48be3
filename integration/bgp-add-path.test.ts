// ADD-PATH (RFC 7911) between our speaker and a real BIRD 2, each way and both.

import t, { type Test } from 'tap'
import { BgpPair, BIRDS, OURS, within } from './kit/bgp-pair.ts'
import type { AddPath } from '../bgp/types.ts'

const P = '10.3.0.0/24'
const P6 = 'fd03::/64'
/** Two more ends of BIRD: routers that each announce P and P6. BIRD has one session with an address, so we have more, too. */
const SOURCES = [
  { name: 'one', ipv4: '10.99.0.3', ours: '10.99.0.13', asn: 65003 },
  { name: 'two', ipv4: '10.99.0.4', ours: '10.99.0.14', asn: 65004 },
] as const

/** A BIRD of many parts: the sources, each with a table of its own, and the node that takes or sends many paths. */
function bird(addPaths: 'on' | 'tx' | 'rx' | 'off'): string {
  const sources = SOURCES.map(
    ({ name, ipv4, ours, asn }) => `
ipv4 table ${name}4; ipv6 table ${name}6;
protocol static ${name}_s4 { ipv4 { table ${name}4; }; route ${P} blackhole; }
protocol static ${name}_s6 { ipv6 { table ${name}6; }; route ${P6} blackhole; }
protocol bgp ${name} {
  router id ${ipv4};
  local ${ipv4} as ${asn}; neighbor ${ours} as 65001;
  connect delay time 1; error wait time 1, 2;
  ipv4 { table ${name}4; import none; export where source = RTS_STATIC; next hop self; };
  ipv6 { table ${name}6; import none; export where source = RTS_STATIC; next hop address fd99::${ipv4.slice(-1)}; };
}
`,
  )
  // Two static protocols make two routes for one prefix in one table.
  const own = [1, 2].map(
    n => `
protocol static own${n} { ipv4 { preference ${100 + n}; }; route 10.2.0.0/24 blackhole { bgp_community.add((65001,${n})); }; }
protocol static own6${n} { ipv6 { preference ${100 + n}; }; route fd02::/64 blackhole { bgp_community.add((65001,${n})); }; }
`,
  )
  return `${sources.join('')}${own.join('')}
protocol bgp node {
  local ${BIRDS.ipv4} as 65001; neighbor ${OURS.ipv4} as 65001;
  connect delay time 1; error wait time 1, 2;
  ipv4 { add paths ${addPaths}; import all; export where source = RTS_STATIC; next hop self; };
  ipv6 { add paths ${addPaths}; import all; export where source = RTS_STATIC; next hop address ${BIRDS.ipv6}; };
}
`
}

function pairWith(t: Test, protocols: string): BgpPair {
  const pair = BgpPair.make(t)
  for (const { ipv4, ours } of SOURCES) {
    pair.addAddress('birds', ipv4)
    pair.addAddress('ours', ours)
  }
  pair.startBird(protocols)
  return pair
}

const both = (addPath: AddPath) => ({ 'ipv4-unicast': addPath, 'ipv6-unicast': addPath })

function ourConfig(addPath: AddPath | undefined) {
  const families = ['ipv4-unicast', 'ipv6-unicast'] as const
  const shared = { families, nextHopSelf: { 'ipv6-unicast': OURS.ipv6 }, connectRetry: 1, passive: true }
  const node = {
    address: BIRDS.ipv4,
    remoteAs: 65001,
    reflectorClient: true,
    ...(addPath && { addPath: both(addPath) }),
    ...shared,
  }
  const sources = SOURCES.map(({ name, ipv4, asn }) => [name, { address: ipv4, remoteAs: asn, ...shared }])
  return { asn: 65001, routerId: OURS.ipv4, peers: { node, ...Object.fromEntries(sources) } }
}

for (const [name, ours, theirs, sent, received] of [
  ['both ways', { receive: true, send: 'all' }, 'on', 2, 2],
  ['from BIRD only', { receive: true }, 'tx', 1, 2],
  ['to BIRD only', { send: 'all' }, 'rx', 2, 1],
  ['to BIRD, the best one', { send: { best: 1 } }, 'rx', 1, 1],
  ['BIRD would receive, and so would we', { receive: true }, 'rx', 1, 1],
  ['BIRD will not', { receive: true, send: 'all' }, 'off', 1, 1],
] as const satisfies [string, AddPath, 'on' | 'tx' | 'rx' | 'off', number, number][]) {
  t.test(`add paths ${theirs}: ${name}`, async t => {
    const pair = pairWith(t, bird(theirs))
    const speaker = await pair.startSpeaker(ourConfig(ours))
    const atBird = async (prefix: string) =>
      (await pair.birdc('show', 'route', 'protocol', 'node', 'all', 'for', prefix)).match(/BGP.next_hop/g)?.length ?? 0
    const here = async (family: 'ipv4-unicast' | 'ipv6-unicast', prefix: string) =>
      (await speaker.paths(family, prefix)).length
    const settled = async () => {
      const [four, six] = [await here('ipv4-unicast', P), await here('ipv6-unicast', P6)]
      const [own, own6] = [await here('ipv4-unicast', '10.2.0.0/24'), await here('ipv6-unicast', 'fd02::/64')]
      if (four !== 2 || six !== 2 || own !== received || own6 !== received) return false
      return (await atBird(P)) === sent && (await atBird(P6)) === sent
    }
    t.ok(await within(30, settled), 'both ends have as many paths as were agreed')
    const text = await pair.birdc('show', 'route', 'protocol', 'node', 'all')
    const hops = (text.match(/BGP.next_hop: (10\.99\.0\.[34])/g) ?? []).toSorted()
    t.equal(new Set(hops).size, sent, 'BIRD has those of different routers')
    const inbound = await speaker.paths('ipv4-unicast', '10.2.0.0/24')
    t.equal(new Set(inbound.map(view => view.pathId)).size, received)
    t.same(
      inbound.flatMap(view => view.communities).toSorted(),
      received === 2 ? ['65001:1', '65001:2'] : ['65001:2'],
      'and we have those of BIRD, each with its own attributes',
    )
    await pair.birdc('disable', 'two')
    t.ok(await within(10, async () => (await atBird(P)) === 1 && (await atBird(P6)) === 1), 'one goes')
    t.match(await pair.birdc('show', 'route', 'protocol', 'node', 'all', 'for', P), /BGP.next_hop: 10\.99\.0\.3/)
    await pair.birdc('enable', 'two')
    t.ok(await within(20, async () => (await atBird(P)) === sent), 'and comes back')
    await pair.birdc('disable', 'own2')
    const left = async () => (await speaker.paths('ipv4-unicast', '10.2.0.0/24')).flatMap(view => view.communities)
    t.ok(await within(10, async () => (await left()).join() === '65001:1'), 'BIRD withdraws one of two')
    await pair.birdc('reload', 'in', 'node')
    t.ok(await within(10, async () => (await atBird(P)) === sent), 'a refresh brings the same')
    const { peers, reports } = await speaker.state()
    t.match(
      peers.find(peer => peer.name === 'node'),
      { flaps: 0, state: 'Established' },
    )
    t.same(
      reports.filter(text => /UPDATE/.test(text)),
      [],
      'nothing was complained of',
    )
  })
}

t.test('addPath changes while the session is up: agreed anew, and routes are right after it', async t => {
  const pair = pairWith(t, bird('on'))
  const speaker = await pair.startSpeaker(ourConfig({ receive: true, send: 'all' }))
  const counts = async () => {
    const text = await pair.birdc('show', 'route', 'protocol', 'node', 'all', 'for', P)
    return `${text.match(/BGP.next_hop/g)?.length ?? 0} ${(await speaker.paths('ipv4-unicast', '10.2.0.0/24')).length}`
  }
  t.ok(await within(30, async () => (await counts()) === '2 2'))
  await speaker.call({ call: 'configure', config: ourConfig({ receive: true, send: { best: 1 } }) })
  t.ok(await within(10, async () => (await counts()) === '1 2'))
  t.equal((await speaker.state()).peers.find(peer => peer.name === 'node')?.flaps, 0, 'without a new session')
  await speaker.call({ call: 'configure', config: ourConfig(undefined) })
  t.ok(await within(30, async () => (await counts()) === '1 1'))
  t.equal((await speaker.state()).peers.find(peer => peer.name === 'node')?.flaps, 1)
  await speaker.call({ call: 'configure', config: ourConfig({ receive: true, send: 'ecmp' }) })
  t.ok(await within(30, async () => (await counts()) === '2 2'))
  const { peers } = await speaker.state()
  t.same(
    peers.filter(peer => peer.name !== 'node').map(peer => peer.flaps),
    [0, 0],
    'the other sessions noticed nothing',
  )
})
