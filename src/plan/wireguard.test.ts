import t from 'tap'
import { createPlanner, plan } from './planner.ts'
import type { NodeResource } from '../resources/index.ts'
import { pool, twoRacks } from './testing.ts'

const keys: Readonly<Record<string, string>> = {
  'r1-n1': 'key 1',
  'r1-n2': 'key 2',
  'r2-n1': 'key 3',
  'r2-n2': 'key 4',
}
const keyed = (node: NodeResource, publicKey = keys[node.metadata.name]): NodeResource => ({
  ...node,
  spec: { ...node.spec, ...(publicKey && { wireguard: { publicKey } }) },
})
const racks = {
  ...twoRacks,
  nodes: twoRacks.nodes.map(node => keyed(node)),
  pools: [pool('pods', '10.42.0.0/16', { wireguardMode: 'Always' }), pool('bare', '10.43.0.0/16')],
  blocks: [
    { cidr: '10.42.0.64/26', node: 'r1-n2' },
    { cidr: '10.43.0.0/26', node: 'r1-n2' },
    { cidr: 'fd00:42::40/122', node: 'r1-n2' },
    { cidr: '10.42.0.0/26', node: 'r1-n1' },
  ],
}

t.test('every other node with its key, its address and all of its blocks of the family', async t => {
  const { tunnels, routes, problems } = plan(racks, 'r1-n1')
  t.same(problems, [])
  t.match(tunnels, [{ kind: 'wireguard', device: 'margay-wg4', local: '10.0.1.11', pools: ['pods'] }])
  t.same(tunnels[0].nodes, [
    {
      node: 'r1-n2',
      publicKey: 'key 2',
      address: '10.0.1.12',
      allowedIps: ['10.0.1.12/32', '10.42.0.64/26', '10.43.0.0/26'],
    },
    { node: 'r2-n1', publicKey: 'key 3', address: '10.0.2.11', allowedIps: ['10.0.2.11/32'] },
    { node: 'r2-n2', publicKey: 'key 4', address: '10.0.2.12', allowedIps: ['10.0.2.12/32'] },
  ])
  t.match(routes.tunnels, [{ pool: '10.42.0.0/16', device: 'margay-wg4', always: true }])
})

t.test(
  'CrossSubnet: nodes of the own subnet are peers, too, for the day that the mode changes; IPv6 has a device of its own',
  async t => {
    const pools = [
      pool('v4', '10.42.0.0/16', { wireguardMode: 'CrossSubnet' }),
      pool('v6', 'fd00:42::/112', { wireguardMode: 'Always' }),
    ]
    const { tunnels } = plan({ ...racks, pools }, 'r1-n1')
    t.match(tunnels, [{ device: 'margay-wg4' }, { device: 'margay-wg6', local: 'fd00:0:1::11' }])
    t.same(
      tunnels[0].nodes?.map(({ node }) => node),
      ['r1-n2', 'r2-n1', 'r2-n2'],
    )
    t.match(tunnels[1].nodes?.[0], { node: 'r1-n2', allowedIps: ['fd00:0:1::12/128', 'fd00:42::40/122'] })
  },
)

t.test('a node without a key is no peer, and its packets have no other way', async t => {
  const nodes = twoRacks.nodes.map(node => (node.metadata.name === 'r2-n1' ? node : keyed(node)))
  const { tunnels, routes, problems } = plan({ ...racks, nodes }, 'r1-n1')
  t.same(
    tunnels[0].nodes?.map(({ node }) => node),
    ['r1-n2', 'r2-n2'],
  )
  t.match(routes.tunnels?.[0].remotes, [{}, { nextHop: '10.0.2.11' }, {}], 'nothing leaves in the open')
  t.match(problems, [/node "r2-n1" has published no WireGuard key.*margayctl status on that node/])
})

t.test('two nodes with one key: neither is a peer', async t => {
  const nodes = racks.nodes.map(node => (node.metadata.name === 'r2-n1' ? keyed(node, 'key 2') : node))
  const { tunnels, problems } = plan({ ...racks, nodes }, 'r1-n1')
  t.same(
    tunnels[0].nodes?.map(({ node }) => node),
    ['r2-n2'],
  )
  t.match(problems, [/nodes "r1-n2" and "r2-n1" have published the same WireGuard key.*rotate-key/])
})

t.test('blocks work the tunnels out anew only where there is WireGuard', async t => {
  for (const [snapshot, expected] of [
    [racks, true],
    [twoRacks, false],
  ] as const) {
    const planner = createPlanner('r1-n1')
    planner.plan(snapshot)
    planner.plan({ ...snapshot, blocks: [...snapshot.blocks] })
    t.equal(planner.recomputed.includes('tunnels'), expected)
  }
})
