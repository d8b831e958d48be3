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
    pools: ['10.42.0.0/16', '10.43.0.0/16', '172.16.0.0/12', 'fd00:42::/48'],
    nodes: ['10.0.0.9/32', '10.0.0.10/32', 'fd00::10/128'],
    tunnels: [],
  })
  t.same(planFilters(pools.toReversed(), nodes.toReversed(), []), rules, 'whatever their order')
  t.equal(planFilters([], nodes, []), undefined, 'no pods, no filters')
})

t.test('wrapped packets are expected where a pool is tunnelled', async t => {
  const pools = [pool('a', '10.42.0.0/16', { vxlanMode: 'Always' }), pool('b', '10.43.0.0/16', { ipipMode: 'Always' })]
  t.same(plan({ ...fullMesh, pools }, 'n1').filters?.tunnels, [
    { kind: 'vxlan', family: 4 },
    { kind: 'ipip', family: 4 },
  ])
})
