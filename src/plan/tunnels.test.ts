import t from 'tap'
import { plan } from './planner.ts'
import { fullMesh, node, pool, twoRacks } from './testing.ts'

const racks = (spec: Parameters<typeof pool>[2], cidr = '10.42.0.0/16') => ({
  ...twoRacks,
  pools: [pool('pods', cidr, spec), ...(cidr.includes(':') ? [] : [pool('six', 'fd00:42::/64')])],
})
const ends = (...addresses: string[]) => addresses.map(address => ({ nextHop: address, gateway: address }))

t.test('who is at the far end of a tunnel', async t => {
  for (const c of [
    {
      name: 'CrossSubnet',
      spec: { vxlanMode: 'CrossSubnet' },
      device: 'margay-vxlan4',
      remotes: ['10.0.2.11', '10.0.2.12'],
    },
    {
      name: 'Always',
      spec: { vxlanMode: 'Always' },
      device: 'margay-vxlan4',
      remotes: ['10.0.1.12', '10.0.2.11', '10.0.2.12'],
    },
    { name: 'GRE', spec: { greMode: 'CrossSubnet' }, device: 'margay-gre', remotes: ['10.0.2.11', '10.0.2.12'] },
    { name: 'FoU', spec: { fouMode: 'CrossSubnet' }, device: 'margay-fou', remotes: ['10.0.2.11', '10.0.2.12'] },
    { name: 'GUE', spec: { gueMode: 'CrossSubnet' }, device: 'margay-gue', remotes: ['10.0.2.11', '10.0.2.12'] },
    { name: 'IPIP', spec: { ipipMode: 'CrossSubnet' }, device: 'margay-ipip', remotes: ['10.0.2.11', '10.0.2.12'] },
  ] as const) {
    const { tunnels, routes, problems } = plan(racks(c.spec), 'r1-n1')
    const all = ['10.0.1.12', '10.0.2.11', '10.0.2.12']
    t.match(tunnels, [{ device: c.device, local: '10.0.1.11', remotes: all, pools: ['pods'] }], c.name)
    const always = c.name === 'Always'
    t.same(routes.tunnels, [{ pool: '10.42.0.0/16', device: c.device, remotes: ends(...c.remotes), always }], c.name)
    t.same(problems, [], c.name)
  }
})

t.test('IPv6 is tunnelled over IPv6, to gateways made of the MACs', async t => {
  const { tunnels, routes } = plan(racks({ vxlanMode: 'CrossSubnet' }, 'fd00:42::/112'), 'r1-n1')
  t.match(tunnels, [
    {
      device: 'margay-vxlan6',
      family: 6,
      local: 'fd00:0:1::11',
      remotes: ['fd00:0:1::12', 'fd00:0:2::11', 'fd00:0:2::12'],
    },
  ])
  t.match(routes.tunnels?.[0].remotes[0], { nextHop: 'fd00:0:2::11', gateway: /^fe80::4/ })
})

t.test('a device serves every pool of its kind, and gives addresses of those that are for the node', async t => {
  const pools = [
    pool('a', '10.42.0.0/16', { vxlanMode: 'CrossSubnet' }),
    pool('b', '10.43.0.0/16', { vxlanMode: 'Always', nodeSelector: "rack == 'r2'" }),
    pool('c', '10.44.0.0/16', { vxlanMode: 'Always', disabled: true }),
    pool('d', '10.45.0.0/16'),
  ]
  const { tunnels, routes } = plan({ ...twoRacks, pools }, 'r1-n1')
  t.match(tunnels, [{ device: 'margay-vxlan4', remotes: ['10.0.1.12', '10.0.2.11', '10.0.2.12'], pools: ['a'] }])
  t.equal(tunnels.length, 1)
  t.same(
    routes.tunnels?.map(rule => [rule.pool, rule.remotes.length, rule.always]),
    [
      ['10.42.0.0/16', 2, false],
      ['10.43.0.0/16', 3, true],
      ['10.44.0.0/16', 3, true],
    ],
  )
})

t.test('what became of a device is part of the rules', async t => {
  const states = (state: object) => ({ tunnels: new Map([['margay-vxlan4', state]]) })
  const snapshot = racks({ vxlanMode: 'Always' })
  t.match(plan(snapshot, 'r1-n1', states({ address: '10.42.0.0' })).routes.tunnels, [{ source: '10.42.0.0' }])
  t.match(plan(snapshot, 'r1-n1', states({ fault: 'no VXLAN' })).routes.tunnels, [{ fault: 'no VXLAN' }])
})

t.test('addresses that cannot work are told', async t => {
  const mesh = (spec: Parameters<typeof pool>[2]) => ({ ...fullMesh, pools: [pool('pods', '10.42.0.0/16', spec)] })
  const nodes = [node('lone', { ipv4Address: '10.0.1.11/32' }), node('other', { ipv4Address: '10.0.1.12/32' })]
  const trap = plan({ ...mesh({ ipipMode: 'CrossSubnet' }), nodes }, 'lone')
  t.match(trap.problems, [
    /node "lone": its address 10\.0\.1\.11\/32 has no subnet, so ippool "pods" \(ipipMode CrossSubnet\)/,
  ])
  t.match(trap.tunnels, [{ remotes: ['10.0.1.12'] }])
  t.same(plan({ ...mesh({ ipipMode: 'Always' }), nodes }, 'lone').problems, [])
  const six = [node('lone', { ipv6Address: 'fd00::1/64' }), node('other', { ipv6Address: 'fd00::2/64' })]
  const without = plan({ ...mesh({ ipipMode: 'Always' }), nodes: six, blocks: [] }, 'lone')
  t.match(without.problems, [/node "lone": it has no IPv4 address, so it has no tunnel for ippool "pods" \(ipipMode\)/])
  t.same(without.tunnels, [])
})

t.test('a node moves to another address: routes to either lead to it, and its own packets follow later', async t => {
  const snapshot = racks({ vxlanMode: 'CrossSubnet' })
  const moved = { node: 'r2-n1', address: '10.0.2.99' }
  const { tunnels, routes, filters } = plan(snapshot, 'r1-n1', { former: [moved] })
  const [tunnel] = tunnels
  t.same(tunnel.remotes, ['10.0.1.12', '10.0.2.11', '10.0.2.12'])
  t.match(tunnel.names, { '10.0.1.11': 'r1-n1', '10.0.2.11': 'r2-n1', '10.0.2.99': 'r2-n1', '10.0.2.12': 'r2-n2' })
  const to = (nextHop: string, gateway: string) => ({ nextHop, gateway })
  const remotes = [...ends('10.0.2.11'), to('10.0.2.99', '10.0.2.11'), ...ends('10.0.2.12')]
  t.same(routes.tunnels?.[0].remotes, remotes, 'the new address is the gateway of either')
  t.ok(filters?.nodes.includes('10.0.2.99/32'), 'and the filter takes from both')
  const own = { node: 'r1-n1', address: '10.0.1.99' }
  t.match(plan(snapshot, 'r1-n1', { former: [{ ...own, inUse: true }] }).tunnels, [{ local: '10.0.1.99' }])
  t.match(plan(snapshot, 'r1-n1', { former: [own] }).tunnels, [{ local: '10.0.1.11' }])
  const bound = plan(racks({ ipipMode: 'CrossSubnet' }), 'r1-n1', { former: [{ ...own, inUse: true }] })
  t.match(bound.tunnels, [{ local: '10.0.1.11' }], 'a device that hears one address only moves at once')
  t.match(plan(snapshot, 'r1-n1', { former: [{ ...own, inUse: true }] }).tunnels[0].names, { '10.0.1.99': 'r1-n1' })
})

t.test('a running speaker keeps its router id, unless another node has that address now', async t => {
  t.equal(plan(twoRacks, 'r1-n1').speaker?.routerId, '10.0.1.11')
  t.equal(plan(twoRacks, 'r1-n1', { routerId: '10.0.1.99' }).speaker?.routerId, '10.0.1.99')
  t.equal(plan(twoRacks, 'r1-n1', { routerId: '10.0.2.11' }).speaker?.routerId, '10.0.1.11')
})
