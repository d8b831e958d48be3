// A node with two uplinks, whose own address stands on its loopback.

import t from 'tap'
import type { Match, Policy } from '../../bgp/types.ts'
import type { Facts } from '../model/facts.ts'
import { planMtu } from './mtu.ts'
import { plan } from './planner.ts'
import { emptySnapshot, type Snapshot } from './snapshot.ts'
import { configuration, node, peer, pool } from './testing.ts'

const link = (index: number, name: string, mtu = 1500) => ({ index, name, up: true, carrier: true, mtu })

const facts: Facts = {
  links: [
    link(1, 'lo', 65536),
    link(2, 'eth0', 9000),
    link(3, 'eth1', 1500),
    link(4, 'margay-ipip', 1480),
    link(5, 'spare', 576),
  ],
  addresses: [
    { link: 'eth0', cidr: '10.4.11.1/31' },
    { link: 'eth0', cidr: 'fd00:4:111::2/64' },
    { link: 'eth0', cidr: 'fe80::1/64' },
    { link: 'eth1', cidr: '10.4.12.1/31' },
    { link: 'eth1', cidr: 'fd00:4:121::2/64' },
    { link: 'lo', cidr: '10.4.1.1/32' },
    { link: 'lo', cidr: 'fd00:4:1::1/128' },
    { link: 'margay-ipip', cidr: '10.46.0.0/32' },
  ],
  foreignRoutes: [],
}

const dualTor: Snapshot = {
  ...emptySnapshot,
  nodes: [
    node('n1', { asNumber: 65001, ipv4Address: '10.4.1.1', ipv6Address: 'fd00:4:1::1' }),
    node('n2', { asNumber: 65002, ipv4Address: '10.4.1.2', ipv6Address: 'fd00:4:1::2' }),
  ],
  pools: [pool('v4', '10.46.0.0/16')],
  bgpConfigurations: [configuration({ nodeToNodeMeshEnabled: true })],
  bgpPeers: [
    peer('a', { node: 'n1', peerIP: '10.4.11.0', asNumber: 64601, sourceAddress: 'None' }),
    peer('b', { node: 'n1', peerIP: '10.4.12.0', asNumber: 64601, sourceAddress: 'None' }),
    peer('far', { node: 'n1', peerIP: '192.0.2.9', asNumber: 64700 }),
  ],
  blocks: [{ cidr: '10.46.0.0/26', node: 'n1' }],
}

const peersOf = (snapshot: Snapshot, given?: Facts) => plan(snapshot, 'n1', { facts: given }).speaker?.peers

t.test('a session is spoken on the link of its peer', async t => {
  const peers = peersOf(dualTor, facts)
  t.match(peers?.get('a'), {
    localAddress: undefined,
    multihop: false,
    nextHopSelf: { 'ipv6-unicast': 'fd00:4:111::2' },
  })
  t.match(peers?.get('b'), { multihop: false, nextHopSelf: { 'ipv6-unicast': 'fd00:4:121::2' } })
  t.match(peers?.get('far'), {
    localAddress: '10.4.1.1',
    multihop: true,
    nextHopSelf: { 'ipv6-unicast': 'fd00:4:1::1' },
  })
  t.same(plan(dualTor, 'n1', { facts }).problems, [])
})

t.test('a session that needs the route which it brings is told', async t => {
  const bgpPeers = [peer('a', { node: 'n1', peerIP: '10.4.11.0', asNumber: 64601 })]
  t.match(plan({ ...dualTor, bgpPeers }, 'n1', { facts }).problems, [
    /^bgppeer "a": its session would come from 10\.4\.1\.1, .*10\.4\.11\.0 learns only by this session; set sourceAddress: None/,
  ])
})

const exported = (policy: Policy | readonly Policy[] | undefined, prefix: string): string | undefined => {
  if (!policy || !('rules' in policy)) return undefined
  const holds = ({ prefixes, source }: Match) =>
    (prefixes?.some(range => range.prefix === prefix) ?? true) && (source?.includes('local') ?? true)
  return policy.rules.find(rule => holds(rule.when ?? {}))?.then ?? policy.otherwise
}

t.test('routers are told of the address, nodes are not, and nobody else may tell of it', async t => {
  const { originate, routes, speaker } = plan(dualTor, 'n1', { facts })
  t.same(
    originate.map(({ prefix }) => prefix),
    ['10.46.0.0/26', '10.4.1.1/32', 'fd00:4:1::1/128'],
  )
  t.same(routes.own, ['10.46.0.0/26', '10.4.1.1/32', 'fd00:4:1::1/128'])
  for (const [name, prefix, want] of [
    ['a', '10.4.1.1/32', 'accept'],
    ['a', '10.46.0.0/26', 'accept'],
    ['mesh/n2', '10.4.1.1/32', 'reject'],
    ['mesh/n2', 'fd00:4:1::1/128', 'reject'],
    ['mesh/n2', '10.46.0.0/26', 'accept'],
  ] as const)
    t.equal(exported(speaker?.peers.get(name)?.export, prefix), want, `${prefix} to ${name}`)
  t.equal(exported(speaker?.peers.get('a')?.import, '10.4.1.1/32'), 'reject', 'not taken from a router')
})

t.test('an address on a link is announced by that link and not by us', async t => {
  const addresses = facts.addresses.map(each => (each.cidr === '10.4.1.1/32' ? { ...each, link: 'eth0' } : each))
  const { originate } = plan(dualTor, 'n1', { facts: { ...facts, addresses } })
  t.same(
    originate.map(({ prefix }) => prefix),
    ['10.46.0.0/26', 'fd00:4:1::1/128'],
  )
})

t.test(
  'of an address on the loopback the MTU is the least of the links to the fabric: no bridge of others counts',
  async t => {
    const bridged: Facts = {
      ...facts,
      links: [...facts.links, link(6, 'docker0', 1300)],
      addresses: [...facts.addresses, { link: 'docker0', cidr: '172.17.0.1/16' }],
    }
    const mtu = (snapshot: Snapshot) =>
      planMtu(plan(snapshot, 'n1', { facts: bridged }), bridged, parent => parent).parents
    t.match(mtu(dualTor), { 4: { link: 'eth1', mtu: 1500 }, 6: { link: 'eth1', mtu: 1500 } })
    const byOne = dualTor.bgpPeers.filter(({ metadata }) => metadata.name !== 'b')
    t.match(mtu({ ...dualTor, bgpPeers: byOne }), { 4: { link: 'eth0', mtu: 9000 } })
    t.match(mtu({ ...dualTor, bgpPeers: [] }), { 4: { link: undefined, mtu: 1500 } })
  },
)

t.test('a peer on a link has no address of its own, and leaves the choice of next hops to the session', async t => {
  const asked = (spec: Parameters<typeof peer>[1]): Snapshot => ({ ...dualTor, bgpPeers: [peer('tors', spec)] })
  const found = (spec: Parameters<typeof peer>[1]) =>
    [...(peersOf(asked(spec), facts)?.values() ?? [])].filter(each => each.interface !== undefined)
  for (const [pattern, links] of [
    ['eth*', ['eth0', 'eth1']],
    ['eth?', ['eth0', 'eth1']],
    ['*', ['eth0', 'eth1', 'spare']],
    ['eth1', ['eth1']],
    ['swp9', ['swp9']], // it may come later
    ['e', ['e']],
    ['e*2', []],
  ] as const)
    t.same(
      found({ interface: pattern, remoteAs: 'External' }).map(each => each.interface),
      links,
      pattern,
    )
  t.match(found({ interface: 'eth0', remoteAs: 'External' }), [
    { address: undefined, remoteAs: 'external', multihop: false, nextHopSelf: {}, localAddress: undefined },
  ])
  t.match(found({ interface: 'eth0', asNumber: 64601 }), [{ remoteAs: 64601 }])
  t.match(found({ interface: 'eth0', remoteAs: 'Internal' }), [{ remoteAs: 'internal' }])
  t.match(plan(asked({ interface: 'swp*', remoteAs: 'External' }), 'n1', { facts }).problems, [
    /^bgppeer "tors": interface swp\* is no link of node "n1", so it has no session there; it has eth0, eth1, spare\.$/,
  ])
})

t.test('of two peers on one link the first by name has the session', async t => {
  const bgpPeers = [
    peer('b', { interface: 'eth*', remoteAs: 'External' }),
    peer('a', { interface: 'eth0', asNumber: 64601 }),
  ]
  const peers = peersOf({ ...dualTor, bgpPeers }, facts)
  t.same(
    [...(peers?.keys() ?? [])].filter(name => !name.startsWith('mesh')),
    ['a/eth0', 'b/eth1'],
  )
  t.match(plan({ ...dualTor, bgpPeers }, 'n1', { facts }).problems, [
    /"a\/eth0" and "b\/eth0" name different ASes \(64601, external\) for eth0; 64601 is used/,
  ])
})
