// A node that leaves: everything of ours goes from the real kernel, and what others made beside it is as it was before we came.

import t from 'tap'
import { fibClasses } from '../model/fib.ts'
import { Dataplane } from './dataplane.ts'
import { linuxKernel } from './linux.ts'
import { findObjects, removeObjects } from './reset.ts'
import { skipWithoutRoot, TestNamespaces } from './test-namespaces.ts'

const skip = skipWithoutRoot()

/** What others have on the node: of every kind of object that we make, some that resemble ours. */
const foreign = [
  'ip link add eth0 type veth peer name tor0',
  'ip address add 10.0.1.7/24 dev eth0',
  'ip -6 address add fd00:1::7/64 dev eth0 nodad',
  'ip link set tor0 up',
  'ip link set eth0 up',
  // The same prefixes and metrics as ours by another protocol, our protocol by another metric and in another table.
  'ip route add 10.42.9.0/26 via 10.0.1.1 metric 1024 proto 80',
  'ip route add 10.42.1.0/26 via 10.0.1.1 metric 77 proto 80',
  'ip route add 10.42.2.0/26 via 10.0.1.1 metric 77 proto 81',
  'ip route add 10.42.2.0/26 via 10.0.1.1 metric 1024 proto 81 table 100',
  'ip -6 route add fd00:42:9::/64 via fd00:1::1 metric 1024 proto 80',
  'ip -6 route add fd00:42:1::/64 via fd00:1::1 metric 77 proto 81',
  // Names that begin as ours do, and our name on another kind of device.
  'ip link add mgy00000000000 type veth peer name foreign-end',
  'ip link add mgy-foreign type veth peer name foreign-end2',
  'ip link add margay-ipip type bridge',
  'ip link add margay-gre type vxlan id 4098 dstport 4791 local 10.0.1.7',
  'ip link add calico.vxlan type vxlan id 4097 dstport 4790 local 10.0.1.7',
  'ip neighbour add 10.0.1.99 lladdr 02:00:00:00:00:99 dev eth0',
  'bridge fdb append 02:00:00:00:00:98 dev calico.vxlan dst 10.0.1.98',
  'nft add table inet other',
  'nft add chain inet other forward { type filter hook forward priority 0; policy accept; }',
  'nft add rule inet other forward counter accept',
  'nft add table ip margay',
]

/** Until no IPv6 address is being checked for doubles: with the end of that the kernel adds a route. */
async function quiet(namespaces: TestNamespaces, path: string): Promise<void> {
  for (let i = 0; i < 300; i++) {
    if ((await namespaces.run(path, 'ip', '-6', '-o', 'address', 'show', 'tentative')) === '') return
    await new Promise(resolve => setTimeout(resolve, 100))
  }
}

async function waitFor(holds: () => boolean): Promise<void> {
  for (let i = 0; i < 300 && !holds(); i++) await new Promise(resolve => setTimeout(resolve, 100))
}

/** All that the kernel shows of the node but for counters. */
async function dump(namespaces: TestNamespaces, path: string): Promise<Record<string, string>> {
  await quiet(namespaces, path)
  const settings = ['net.ipv4.ip_forward', 'net.ipv6.conf.all.forwarding', 'net.ipv4.fib_multipath_hash_policy']
  const perDevice = ['net.ipv4.conf.eth0.ignore_routes_with_linkdown', 'net.ipv6.conf.eth0.accept_ra']
  const words = {
    routes: 'ip route show table all',
    routes6: 'ip -6 route show table all',
    links: 'ip -d -o link',
    addresses: 'ip -o address',
    neighbours: 'ip neighbour show nud permanent',
    fdb: 'bridge fdb',
    nftables: 'nft -s list ruleset',
    sysctls: `sysctl ${[...settings, ...perDevice].join(' ')}`,
  }
  const texts = Object.entries(words).map(async ([name, text]): Promise<[string, string]> => {
    const [command, ...args] = text.split(' ')
    const output = await namespaces.run(path, command, ...args)
    return [name, output.split('\n').toSorted().join('\n')]
  })
  return Object.fromEntries(await Promise.all(texts))
}

/** Everything that a node with a pod makes. */
async function work(path: string, pod: string) {
  await using plane = await Dataplane.open({ kernel: linuxKernel(path) })
  const setup = await plane.setUpNode({ all: ['eth0'] })
  await plane.endpoints.adopt([])
  for (const owner of fibClasses) plane.routes.inSync(owner)
  const request = { network: 'pods', containerId: 'c2', ifName: 'eth0', netns: pod, mtu: 1400 }
  const added = await plane.endpoints.add({ ...request, addresses: ['10.42.0.2', 'fd00:42::2'] })
  const kind = { kind: 'vxlan', family: 4, device: 'margay-vxlan4' } as const
  const tunnel = { ...kind, local: '10.0.1.7', remotes: ['10.0.2.8'], pools: ['default'] }
  const faults = await plane.tunnels.apply([{ tunnel, mtu: 1450, address: '10.42.0.1' }], true)
  plane.routes.set('block', [
    { prefix: '10.42.0.0/26', kind: 'unreachable', nextHops: [] },
    { prefix: 'fd00:42::/122', kind: 'unreachable', nextHops: [] },
  ])
  plane.routes.set('bgp', [
    { prefix: '10.42.3.0/26', kind: 'unicast', nextHops: [{ device: 'eth0', gateway: '10.0.1.1' }] },
    { prefix: 'fd00:42:3::/64', kind: 'unicast', nextHops: [{ device: 'eth0', gateway: 'fd00:1::1' }] },
    {
      prefix: '10.42.4.0/26',
      kind: 'unicast',
      nextHops: [{ device: 'margay-vxlan4', gateway: '10.0.2.8', onlink: true }],
    },
  ])
  const pools = ['10.42.0.0/16']
  plane.filters.set({
    masquerade: pools,
    exclusions: [],
    pools,
    nodes: ['10.0.1.7/32'],
    tunnels: [{ kind: 'vxlan', family: 4 }],
  })
  await plane.filters.settle()
  await plane.routes.idle()
  return { added: added.ok, faults: [...faults.values()], previous: setup.previous }
}

t.test('reset removes what is ours and nothing else', { skip }, async t => {
  await using namespaces = new TestNamespaces()
  const [path, pod] = [await namespaces.add('node'), await namespaces.add('pod')]
  for (const line of foreign) {
    const [command, ...args] = line.split(' ')
    await namespaces.run(path, command, ...args)
  }
  const before = await dump(namespaces, path)

  const { added, faults, previous } = await work(path, pod)
  t.ok(added, 'a pod was attached')
  t.same(faults, [], 'the tunnel is there')
  t.ok(previous.length > 0, 'settings were changed')
  const during = await dump(namespaces, path)
  for (const what of Object.keys(before))
    if (what !== 'fdb') t.not(during[what], before[what], `${what} differ meanwhile`)

  const kernel = linuxKernel(path)
  const found = await findObjects(kernel, previous)
  t.same(
    found.routes.map(({ dst }) => dst).toSorted(),
    [
      '10.42.0.0/26',
      '10.42.0.2/32',
      '10.42.3.0/26',
      '10.42.4.0/26',
      'fd00:42:3::/64',
      'fd00:42::/122',
      'fd00:42::2/128',
    ],
    'routes are listed',
  )
  t.match(found.pods, [{ name: /^mgy/ }])
  t.equal(found.pods.length, 1, 'a device that only has such a name is not listed')
  t.same(
    found.tunnels.map(({ name }) => name),
    ['margay-vxlan4'],
  )
  t.ok(found.filters)
  t.same(await dump(namespaces, path), during, 'listing changes nothing')

  t.same(await removeObjects(kernel, found), [], 'nothing stays')
  t.same(await dump(namespaces, path), before, 'the node is as it was')
  const nothing = await findObjects(kernel, previous)
  t.match(nothing, { routes: [], pods: [], tunnels: [], filters: false, sysctls: [] })
  t.equal(nothing.sysctls.length + nothing.routes.length, 0)
})

t.test('a device of ours on which another stands stays until that one is gone', { skip }, async t => {
  await using namespaces = new TestNamespaces()
  const path = await namespaces.add('node')
  for (const line of [
    'ip link add margay-vxlan4 type vxlan id 4096 dstport 4789 local 10.0.1.7',
    'ip link add margay-vxlan6 type vxlan id 4097 dstport 4789 local fd00:1::7',
    'ip link set margay-vxlan6 up',
    'ip -6 route add fd00:99::/64 dev margay-vxlan6 proto static table 100',
    'ip link add link margay-vxlan4 name theirs type macvlan',
  ]) {
    const [command, ...args] = line.split(' ')
    await namespaces.run(path, command, ...args)
  }
  const names = async (): Promise<readonly string[]> => {
    const shown = await namespaces.run(path, 'ip', '-o', 'link')
    return ['margay-vxlan4', 'margay-vxlan6', 'theirs'].filter(name => shown.includes(` ${name}`))
  }
  const kernel = linuxKernel(path)
  const found = await findObjects(kernel, [])
  t.match(found.stacked, [{ name: 'theirs', kind: 'macvlan', on: { name: 'margay-vxlan4' } }])
  t.match(found.lost, [{ dst: 'fd00:99::/64', table: 100 }])
  t.equal(found.lost.length, 1, 'the routes of others that go with a device are listed')
  t.match(await removeObjects(kernel, found), [/^device margay-vxlan4 stays: theirs, .* stands on it/])
  t.same(await names(), ['margay-vxlan4', 'theirs'])
  await namespaces.run(path, 'ip', 'link', 'delete', 'theirs')
  t.same(await removeObjects(kernel, await findObjects(kernel, [])), [])
  t.same(await names(), [])
})

t.test('a tunnel device that no pool needs any more stays while another device stands on it', { skip }, async t => {
  await using namespaces = new TestNamespaces()
  const path = await namespaces.add('node')
  const ip = (line: string) => namespaces.run(path, 'ip', ...line.split(' '))
  await ip('link set lo up')
  await ip('address add 10.0.1.7/24 dev lo')
  const kernel = linuxKernel(path)
  await using plane = await Dataplane.open({ kernel })
  const on = { kind: 'vxlan', family: 4, device: 'margay-vxlan4', local: '10.0.1.7', pools: [] } as const
  const mtu = 1450
  t.same(
    await plane.tunnels.apply([{ tunnel: { ...on, remotes: ['10.0.2.8'] }, mtu, address: '10.42.0.1' }], true),
    new Map(),
  )
  await ip('link add link margay-vxlan4 name theirs type macvlan')
  await ip('address add 10.250.0.1/24 dev theirs')
  await plane.tunnels.apply([], true)
  await waitFor(() => plane.tunnels.problems.length > 0)
  t.match(plane.tunnels.problems, [/^device margay-vxlan4: .* theirs, .* so it stays; .*: ip link delete theirs$/])
  t.match(await ip('-o address'), '10.250.0.1/24')
  await ip('link delete theirs')
  await waitFor(() => plane.tunnels.devices.length === 0)
  t.same(plane.tunnels.devices, [])
  t.same(plane.tunnels.problems, [])
})

t.test('a setting that somebody has changed since is theirs', { skip }, async t => {
  await using namespaces = new TestNamespaces()
  const path = await namespaces.add('node')
  const kernel = linuxKernel(path)
  const name = 'net/ipv4/fib_multipath_hash_policy'
  const remembered = [{ name, value: '0' }] as const
  await kernel.writeSysctls([{ name, value: '2' }])
  t.same((await findObjects(kernel, remembered)).sysctls, [])
  await kernel.writeSysctls([{ name, value: '1' }])
  t.same((await findObjects(kernel, remembered)).sysctls, remembered)
})
