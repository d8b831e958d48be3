import t from 'tap'
import { planFilters } from './filters.ts'
import { plan } from './planner.ts'
import { fullMesh, node, pool } from './testing.ts'

t.test('what is masqueraded, and what is not', async t => {
  const nodes = [
    node('n2', { ipv4Address: '10.0.0.10/24', ipv6Address: 'fd00::10/64' }),
    node('n1', { ipv4Address: '10.0.0.9/24' }),
    node('bare', undefined),
  ]
  const pools = [
    pool('v6', 'fd00:42::/48'),
    pool('b', '10.43.0.0/16', { natOutgoing: true }),
    pool('a', '10.42.0.0/16'),
    pool('routed', '172.16.0.0/12', { disabled: true }),
  ]
  const rules = planFilters(pools, nodes, [])
  t.same(rules, {
    masquerade: ['10.43.0.0/16'],
    exclusions: [],
    pools: ['10.42.0.0/16', '10.43.0.0/16', '172.16.0.0/12', 'fd00:42::/48'],
    nodes: ['10.0.0.9/32', '10.0.0.10/32', 'fd00::10/128'],
    tunnels: [],
  })
  t.same(planFilters(pools.toReversed(), nodes.toReversed(), []), rules, 'whatever their order')
  t.equal(planFilters([], nodes, []), undefined, 'no pods, no filters')
})

t.test('what a pool excludes counts for its own pods, and only where it translates', async t => {
  const pools = [
    pool('a', '10.42.0.0/16', { natOutgoing: true, natOutgoingExclusions: ['192.168.0.0/16', '172.16.0.0/12'] }),
    pool('b', '10.43.0.0/16', { natOutgoing: true, natOutgoingExclusions: ['172.20.0.0/16'] }),
    pool('c', '10.41.0.0/16', { natOutgoing: true, natOutgoingExclusions: ['172.16.0.0/12', '192.168.0.0/16'] }),
    pool('d', '10.44.0.0/16', { natOutgoing: true }),
    pool('v6', 'fd00:42::/48', { natOutgoing: true, natOutgoingExclusions: ['fd00:99::/64'] }),
    pool('off', '10.45.0.0/16', { natOutgoingExclusions: ['172.30.0.0/16'] }),
  ]
  const expected = [
    { pools: ['10.41.0.0/16', '10.42.0.0/16'], destinations: ['172.16.0.0/12', '192.168.0.0/16'] },
    { pools: ['10.43.0.0/16'], destinations: ['172.20.0.0/16'] },
    { pools: ['fd00:42::/48'], destinations: ['fd00:99::/64'] },
  ]
  t.same(planFilters(pools, [], [])?.exclusions, expected)
  t.same(planFilters(pools.toReversed(), [], [])?.exclusions, expected, 'whatever their order')
})

t.test('wrapped packets are expected where a pool is tunnelled', async t => {
  const pools = [pool('a', '10.42.0.0/16', { vxlanMode: 'Always' }), pool('b', '10.43.0.0/16', { ipipMode: 'Always' })]
  t.same(plan({ ...fullMesh, pools }, 'n1').filters?.tunnels, [
    { kind: 'vxlan', family: 4 },
    { kind: 'ipip', family: 4 },
  ])
})
