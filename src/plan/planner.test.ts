import t from 'tap'
import type { Facts } from '../model/facts.ts'
import { createPlanner, plan } from './planner.ts'
import { fullMesh, node, pool, reflectors, twoRacks } from './testing.ts'

t.test('the intent of a node', async t => {
  const { speaker, ...rest } = plan(twoRacks, 'r1-n1', { restarting: true, forwarding: true })
  t.same(rest, {
    secrets: new Map(),
    originate: [{ prefix: '10.42.0.0/26' }, { prefix: 'fd00:42::/122' }],
    unreachable: ['10.42.0.0/26', 'fd00:42::/122'],
    sealed: [],
    routes: {
      acceptDefault: false,
      own: ['10.42.0.0/26', 'fd00:42::/122'],
      pools: ['10.42.0.0/16', 'fd00:42::/112'],
      source4: '10.0.1.11',
      source6: 'fd00:0:1::11',
    },
    tunnels: [],
    tunnelUse: {
      node: 'r1-n1',
      accepts: [],
      leaving: [],
      sends: [],
      bare: { v4: 'all', v6: 'all' },
      open: { v4: 'all', v6: 'all' },
    },
    waits: [],
    filters: {
      masquerade: [],
      exclusions: [],
      pools: ['10.42.0.0/16', 'fd00:42::/112'],
      tunnels: [],
      nodes: ['10.0.1.11', '10.0.1.12', '10.0.2.11', '10.0.2.12']
        .map(address => `${address}/32`)
        .concat(['fd00:0:1::11', 'fd00:0:1::12', 'fd00:0:2::11', 'fd00:0:2::12'].map(address => `${address}/128`)),
    },
    problems: [],
  })
  t.match(speaker, {
    asn: 65011,
    routerId: '10.0.1.11',
    clusterId: undefined,
    listenPort: 179,
    gracefulRestart: { restartTime: 120, restarting: true, forwarding: true },
  })
  t.match(plan(reflectors, 'rr1').speaker, {
    asn: 64512,
    clusterId: '224.0.0.1',
    gracefulRestart: { restarting: false, forwarding: false },
  })
})

t.test('a node without IPv4 has a router id all the same', async t => {
  const six = {
    ...fullMesh,
    nodes: [node('six', { ipv6Address: 'fd00::6/64' }), node('seven', { ipv6Address: 'fd00::7/64' })],
  }
  const [a, b] = ['six', 'seven'].map(name => plan(six, name).speaker?.routerId)
  t.match(a, /^\d+\.\d+\.\d+\.\d+$/)
  t.not(a, b)
  t.equal(a, plan(six, 'six').speaker?.routerId)
})

t.test('a drained node tells all its peers to take other ways, and withdraws what it is told to', async t => {
  const nodes = twoRacks.nodes.map(each =>
    each.metadata.name === 'r1-n1' ? { ...each, spec: { ...each.spec, drain: 'WaitForPods' as const } } : each,
  )
  const { speaker, originate, unreachable, routes } = plan({ ...twoRacks, nodes }, 'r1-n1', {
    withdrawn: ['10.42.0.0/26'],
  })
  t.equal(speaker?.gracefulShutdown, true)
  t.same(originate, [{ prefix: 'fd00:42::/122' }])
  t.same(unreachable, ['10.42.0.0/26', 'fd00:42::/122'], 'it answers for its blocks all the same')
  t.same(routes.own, unreachable)
  t.equal(plan({ ...twoRacks, nodes }, 'r1-n2').speaker?.gracefulShutdown, undefined, 'the others do not')
})

t.test('a node that cannot speak still answers for its blocks', async t => {
  const { speaker, unreachable, routes } = plan({ ...twoRacks, nodes: [] }, 'r1-n1')
  t.equal(speaker, undefined)
  t.same(unreachable, ['10.42.0.0/26', 'fd00:42::/122'])
  t.same(routes.own, unreachable)
})

t.test('a block of one address leaves room for the route of its pod', async t => {
  const { originate, unreachable } = plan({ ...fullMesh, blocks: [{ cidr: '10.42.0.1/32', node: 'n1' }] }, 'n1')
  t.same(originate, [{ prefix: '10.42.0.1/32' }])
  t.same(unreachable, [])
})

t.test('what WireGuard encrypts always has no way out but its own', async t => {
  const always = {
    ...fullMesh,
    pools: fullMesh.pools.map(each => ({ ...each, spec: { ...each.spec, wireguardMode: 'Always' as const } })),
  }
  t.same(
    plan(always, 'n1').sealed,
    fullMesh.pools.map(({ spec }) => spec.cidr),
  )
  t.same(plan(fullMesh, 'n1').sealed, [], 'other pools go by the routes there are')
  const [{ metadata, spec }] = always.pools
  const blocks = ['n1', 'n2', 'n3'].map((node, i) => ({ cidr: spec.cidr.replace(/\.0\.0\/.*/, `.${i}.0/26`), node }))
  const use = { node: 'n1', accepts: [], leaving: [], sends: [], bare: { [metadata.name]: 'all' as const } }
  const notMet = { tunnels: new Map([['margay-wg4', { met: [] }]]) }
  const changing = (nodes: 'all' | readonly string[]) => {
    const tunnelUses = [{ ...use, open: { [metadata.name]: nodes } }]
    return plan({ ...always, pools: [always.pools[0]], blocks, tunnelUses }, 'n1', notMet).sealed
  }
  t.same(changing('all'), [], 'while the mode changes, nodes that have not met go on as before')
  t.same(changing(['n2']), [blocks[2].cidr], 'and only they')
  t.same(changing([]), [spec.cidr])
})

t.test('problems of pools and addresses', async t => {
  const facts: Facts = { links: [], addresses: [{ link: 'eth0', cidr: '10.0.0.9/24' }], foreignRoutes: [] }
  t.match(plan({ ...fullMesh, pools: [pool('tiny', '10.42.0.0/25')] }, 'n1').problems, [
    /ippool "tiny": 10\.42\.0\.0\/25 has 2 blocks of \/26 for 3 nodes/,
  ])
  t.same(
    plan({ ...fullMesh, pools: [pool('tiny', '10.42.0.0/25', { nodeSelector: "rack == 'r1'" })] }, 'n1').problems,
    [],
  )
  const dual = [...fullMesh.pools, pool('six', 'fd00:42::/64')]
  t.match(plan({ ...fullMesh, pools: dual, blocks: [{ cidr: 'fd00:42::/122', node: 'n1' }] }, 'n1').problems, [
    /IPv6 blocks but no IPv6 address/,
  ])
  t.match(plan({ ...fullMesh, blocks: [{ cidr: '10.99.0.0/26', node: 'n1' }] }, 'n1').problems, [
    /blocks 10\.99\.0\.0\/26 of this node are in no ippool/,
  ])
  t.same(plan(fullMesh, 'n1', { facts }).problems, [])
  t.match(plan(fullMesh, 'n2', { facts }).problems, [
    /address 10\.0\.0\.10 is on no link.* sessions that speak from it/,
  ])
  const alone = { ...fullMesh, nodes: fullMesh.nodes.filter(({ metadata }) => metadata.name === 'n2') }
  t.match(plan(alone, 'n2', { facts }).problems, [/is on no link.* nobody is told the way to it/])
})

t.test('only what changed is worked out again', async t => {
  const planner = createPlanner('r1-n1')
  const first = planner.plan(twoRacks)
  t.equal(planner.recomputed.length, 17, 'the first time everything')

  const again = planner.plan({ ...twoRacks })
  t.same(planner.recomputed, [])
  t.same(again, first)

  const othersBlock = { ...twoRacks, blocks: [...twoRacks.blocks, { cidr: '10.42.9.0/26', node: 'r2-n1' }] }
  const second = planner.plan(othersBlock)
  t.same(planner.recomputed, ['blocks'], 'a block elsewhere')
  t.equal(second.speaker, first.speaker)
  t.equal(second.routes, first.routes)

  const ownBlock = planner.plan({ ...twoRacks, blocks: [...twoRacks.blocks, { cidr: '10.42.9.0/26', node: 'r1-n1' }] })
  t.notOk(planner.recomputed.includes('sessions'), 'a block here leaves the sessions alone')
  t.equal(ownBlock.originate.length, 3)

  planner.plan(twoRacks)
  const labelled = { ...twoRacks, nodes: twoRacks.nodes.map(each => ({ ...each })) }
  const third = planner.plan(labelled)
  t.same(planner.recomputed, ['speakers', 'filters', 'pools'], 'nodes written again, the same')
  t.ok(third.speaker)
})

t.test('where one node is another than before, what is said of the other nodes is the same object', async t => {
  const moved = (node: (typeof fullMesh.nodes)[number]) => ({
    ...node,
    spec: { ...node.spec, bgp: { ...node.spec.bgp, asNumber: 64_999 } },
  })
  for (const snapshot of [fullMesh, reflectors]) {
    const own = snapshot.nodes[0].metadata.name
    const planner = createPlanner(own)
    const before = planner.plan(snapshot).speaker!.peers
    const last = [...before.keys()].at(-1)!
    const name = last.split('/')[1]
    const nodes = snapshot.nodes.map(node => (node.metadata.name === name ? moved(node) : node))
    const after = planner.plan({ ...snapshot, nodes }).speaker!.peers
    t.equal(after.get(last)?.remoteAs, 64_999)
    for (const [peer, config] of before)
      if (peer !== last && peer.includes('/')) t.equal(after.get(peer), config, `${own}: ${peer}`)
    t.ok(before.size > 1)
  }
})
