// Two racks with two top-of-rack routers each, BIRD in one and FRR in the other: every way is used, and none is missed when it goes.

import { readFileSync } from 'node:fs'
import t from 'tap'
import { blocksOf, everyPairReaches } from './kit/expect.ts'
import { localPrefOf, losesNothing, reaches, sharesLoad } from './kit/fabric.ts'
import { eventually, TestLab } from './kit/lab.ts'

const lab = await TestLab.up(t, { lab: 'dual-tor' }, 'dual')

/** A node, its neighbour in the rack, its routers and what speaks BGP on these, a pod elsewhere. */
const racks = [
  { node: 'r1n1', beside: 'r1n2', a: 'tor1a', b: 'tor1b', daemon: 'bird', far: 'r2n2' },
  { node: 'r2n1', beside: 'r2n2', a: 'tor2a', b: 'tor2b', daemon: 'bgpd', far: 'r1n2' },
] as const

/** How a host sees a router or node, `via … dev …`. */
function hop(host: string, other: string, family: 'ipv4' | 'ipv6'): string {
  const linksOf = (name: string) => lab.topology.hosts.find(each => each.name === name)!.links
  for (const link of linksOf(host))
    for (const theirs of linksOf(other))
      if (theirs.subnet === link.subnet) return `via ${theirs[family]?.split('/')[0]} dev ${link.device}`
  throw new Error(`${host} and ${other} share no subnet`)
}

const by =
  (host: string, ...others: readonly string[]) =>
  (family: 'ipv4' | 'ipv6') =>
    others.map(other => hop(host, other, family))

/** FRR takes BIRD's IPv6 link-local address where it has been told both. */
const fromSpine = (tor: string) => (family: 'ipv4' | 'ipv6') =>
  family === 'ipv4' ? [hop(tor, 'spine', family)] : undefined

/** Everything by both. */
async function isWhole(): Promise<void> {
  for (const { node, beside, a, b, far } of racks) {
    await reaches(lab, node, { [beside]: by(node, a, b), [far]: by(node, a, b) })
    await reaches(lab, beside, { [node]: by(beside, a, b) })
    await reaches(lab, 'spine', { [node]: by('spine', a, b) })
    for (const tor of [a, b]) await reaches(lab, tor, { [node]: by(tor, node), [far]: fromSpine(tor) })
  }
}

const pairs = racks.flatMap(({ node, beside, far }) => [
  [`${node}-p1`, `${beside}-p1`] as const,
  [`${node}-p1`, `${far}-p1`] as const,
  [`${far}-p2`, `${node}-p2`] as const,
])

t.test('each node has both routers as next hops of every block, and uses both', async t => {
  await isWhole()
  for (const { node, far } of racks)
    for (const address of Object.values(lab.addresses(`${far}-p1`)))
      t.ok(await sharesLoad(lab, node, address as string, ['eth0', 'eth1']), `${node} to ${address}`)
})

t.test('routers that tell their bandwidths get their shares of the load, as long as they do', async t => {
  const [, { node, a, b, far }] = racks
  const blocks = (await blocksOf(lab)).get(far)?.filter(block => !block.includes(':')) ?? []
  t.ok(blocks.length > 0)
  const weights = async () =>
    (await lab.routes(node))
      .filter(({ dst }) => blocks.includes(dst))
      .map(({ nexthops = [] }) => nexthops.map(next => `${next.gateway} ${next.weight}`).toSorted())
  const via = (tor: string) => hop(node, tor, 'ipv4').split(' ')[1]
  const tell = (tor: string, ...lines: readonly string[]) =>
    lab.exec(tor, 'vtysh', ...['configure terminal', ...lines].flatMap(line => ['-c', line]))
  const towards = (tor: string, no: '' | 'no ') => [
    'router bgp',
    'address-family ipv4 unicast',
    `${no}neighbor ${hop(tor, node, 'ipv4').split(' ')[1]} route-map shares out`,
  ]
  const become = (wanted: readonly string[]) =>
    eventually(
      `${blocks.join()} by ${wanted.join(', ')}`,
      async () => (await weights()).every(each => each.join() === wanted.toSorted().join()),
      90,
    )
  for (const [tor, mbps] of [
    [a, 100],
    [b, 300],
  ] as const)
    await tell(tor, 'route-map shares permit 10', `set extcommunity bandwidth ${mbps}`, 'exit', ...towards(tor, ''))
  await become([`${via(a)} 1`, `${via(b)} 3`])
  t.pass('one to three')
  for (const tor of [a, b]) await tell(tor, ...towards(tor, 'no '), 'exit', 'exit', 'no route-map shares')
  await become([`${via(a)} 1`, `${via(b)} 1`])
  t.pass('and alike again')
})

t.test("a node's own address stands on its loopback, and its packets leave with it by either cable", async t => {
  const routes = await lab.routes('r1n1')
  const { host, addresses } = lab.topology.nodes[1]
  t.equal(host, 'r1n2')
  for (const address of [addresses.ipv4, addresses.ipv6])
    t.equal(routes.find(route => route.dst === address)?.nexthops?.length, 2, `${address} by both`)
  t.match(await lab.exec('r1n1', 'ip', 'route', 'get', '192.0.2.10'), / src 10\.4\.1\.1 /)
  t.match(await lab.exec('r1n1', 'ping', '-n', '-c', '1', '-w', '30', '192.0.2.10'), /1 received/)
  const mtu = JSON.parse(await lab.exec('r1n1-p1', 'ip', '-json', 'link', 'show', 'eth0')) as { mtu: number }[]
  t.equal(mtu[0].mtu, 1500, "a pod has the cables' MTU, not the loopback's")
})

t.test('a cable breaks: its next hop is gone at both ends, and all goes by the other', async t => {
  for (const { node, a } of racks) await lab.cable(node, a, 'down')
  for (const { node, beside, a, b, far } of racks) {
    await reaches(lab, node, { [beside]: by(node, b), [far]: by(node, b) })
    await reaches(lab, beside, { [node]: by(beside, b) })
    await reaches(lab, 'spine', { [node]: by('spine', b) })
    await reaches(lab, a, { [beside]: by(a, beside) })
  }
  await losesNothing(t, lab, pairs)
  for (const { node, a } of racks) await lab.cable(node, a, 'up')
  await lab.established()
  await isWhole()
})

t.test('a router dies: every node leaves it, and comes back with it', async t => {
  for (const { a, daemon } of racks) await lab.kill(a, daemon)
  for (const { node, beside, b, far } of racks) {
    await reaches(lab, node, { [beside]: by(node, b), [far]: by(node, b) })
    await reaches(lab, 'spine', { [node]: by('spine', b) })
  }
  await losesNothing(t, lab, pairs)
  for (const { a } of racks) await lab.startRouter(a)
  await lab.established()
  await isWhole()
})

t.test('a router falls silent behind cables that keep their carrier: nodes pass it over, until it answers', async t => {
  const said = (node: string) =>
    readFileSync(lab.dir.log(node, 'margayd'), 'utf8').split('pass a silent neighbour over').length
  const before = lab.nodes.map(said)
  for (const { a } of racks) {
    const devices = lab.topology.hosts.find(({ name }) => name === a)!.links.map(({ device }) => device)
    const chain = (hook: string) =>
      `chain ${hook} { type filter hook ${hook} devices = { ${devices.join(', ')} } priority 0; drop; };`
    await lab.exec(a, 'nft', `table netdev silent { ${chain('ingress')} ${chain('egress')} }`)
  }
  for (const [i, node] of lab.nodes.entries())
    await eventually(`${node} tells of it`, async () => said(node) > before[i], 60)
  for (const { node, beside, b, far } of racks) {
    await reaches(lab, node, { [beside]: by(node, b), [far]: by(node, b) })
    await reaches(lab, beside, { [node]: by(beside, b) })
    await reaches(lab, 'spine', { [node]: by('spine', b) })
  }
  await losesNothing(t, lab, pairs)
  for (const { a } of racks) await lab.exec(a, 'nft', 'delete table netdev silent')
  await lab.established()
  await isWhole()
  for (const { node, far } of racks)
    for (const address of Object.values(lab.addresses(`${far}-p1`)))
      t.ok(await sharesLoad(lab, node, address as string, ['eth0', 'eth1']), `${node} to ${address}`)
})

t.test('a node is drained: both routers hear of it and prefer any other way', async t => {
  const blocks = await blocksOf(lab)
  const heard = async (preferred: (localPref: number | undefined) => boolean) => {
    for (const { node, a, b } of racks)
      for (const tor of [a, b])
        for (const block of blocks.get(node) ?? [])
          await eventually(`${tor} on ${block}`, async () => preferred(await localPrefOf(lab, tor, block)), 90)
  }
  for (const { node } of racks) t.match(await lab.margayctl(node, 'node', 'drain'), { code: 0 })
  await heard(localPref => localPref === 0)
  await losesNothing(t, lab, pairs)
  for (const { node } of racks) t.match(await lab.margayctl(node, 'node', 'undrain'), { code: 0 })
  await heard(localPref => localPref === 100)
})

t.test('after all of that every pair of pods, nodes and the outside client', async t => everyPairReaches(t, lab))
