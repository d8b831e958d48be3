// The dataplane on the real kernel: packets flow, and what is deleted comes back.

import { readFileSync } from 'node:fs'
import t from 'tap'
import type { Facts } from '../model/facts.ts'
import { fibClasses } from '../model/fib.ts'
import { vxlanMac } from '../model/tunnel.ts'
import { Dataplane } from './dataplane.ts'
import { hostDeviceName } from './endpoints/names.ts'
import { podSources } from './endpoints/sources.ts'
import { linuxKernel } from './linux.ts'
import type { NodeSetup } from './node-setup.ts'
import { findObjects } from './reset.ts'
import type { Mark } from './routes/route.ts'
import { skipWithoutRoot, TestNamespaces } from './test-namespaces.ts'

const skip = skipWithoutRoot()

/** A node without default route, its uplink `eth0` 10.0.1.7/24 and fd00:1::7/64 in a fabric that has 10.0.1.1. */
async function node(
  namespaces: TestNamespaces,
  mark: Partial<Mark> = {},
): Promise<{ path: string; fabric: string; plane: Dataplane; setup: NodeSetup }> {
  const [path, fabric] = [await namespaces.add('node'), await namespaces.add('fabric')]
  const ip = (...args: string[]) => namespaces.run(path, 'ip', ...args)
  await ip('link', 'add', 'eth0', 'type', 'veth', 'peer', 'name', 'tor', 'netns', fabric.slice('/run/netns/'.length))
  await ip('address', 'add', '10.0.1.7/24', 'dev', 'eth0')
  await ip('-6', 'address', 'add', 'fd00:1::7/64', 'dev', 'eth0', 'nodad')
  await ip('link', 'set', 'eth0', 'up')
  await namespaces.run(fabric, 'ip', 'address', 'add', '10.0.1.1/24', 'dev', 'tor')
  await namespaces.run(fabric, 'ip', 'link', 'set', 'tor', 'up')
  await namespaces.run(fabric, 'ip', 'route', 'add', '10.42.0.0/26', 'via', '10.0.1.7')
  const plane = await Dataplane.open({ kernel: linuxKernel(path), mark })
  const setup = await plane.setUpNode({ all: ['eth0'] })
  await plane.endpoints.adopt([])
  for (const owner of fibClasses) plane.routes.inSync(owner)
  plane.routes.set('block', [
    { prefix: '10.42.0.0/26', kind: 'unreachable', nextHops: [] },
    { prefix: 'fd00:42::/122', kind: 'unreachable', nextHops: [] },
  ])
  return { path, fabric, plane, setup }
}

t.test('pods, node and fabric reach each other, without bridge and default route', { skip }, async t => {
  await using namespaces = new TestNamespaces()
  const { path, fabric, plane } = await node(namespaces)
  await using _ = plane
  const [a, b] = [await namespaces.add('a'), await namespaces.add('b')]
  for (const [netns, n] of [
    [a, 2],
    [b, 3],
  ] as const)
    t.ok(
      (
        await plane.endpoints.add({
          network: 'pods',
          containerId: `c${n}`,
          ifName: 'eth0',
          netns,
          addresses: [`10.42.0.${n}`, `fd00:42::${n}`],
          mtu: 1400,
        })
      ).ok,
    )
  for (const [from, to] of [
    [a, '10.42.0.3'],
    [a, 'fd00:42::3'],
    [b, '10.42.0.2'],
    [b, 'fd00:42::2'],
    [a, '10.0.1.7'],
    [a, 'fd00:1::7'],
    [path, '10.42.0.2'],
    [path, 'fd00:42::2'],
    [a, '10.0.1.1'],
    [fabric, '10.42.0.3'],
  ] as const)
    t.ok(await namespaces.succeeds(from, 'ping', '-c1', '-W2', to), `${from} -> ${to}`)
  t.match(await namespaces.run(path, 'ip', 'route', 'get', '10.42.0.2'), 'src 10.0.1.7', 'the node speaks as itself')
  await namespaces.run(path, 'ip', 'address', 'add', '10.9.9.9/32', 'dev', 'lo')
  t.match(await namespaces.run(path, 'ip', 'route', 'get', '10.42.0.2'), 'src 10.9.9.9', 'the kernel takes the first')
  await waitFor(async () => plane.facts.current.addresses.some(({ cidr }) => cidr === '10.9.9.9/32'))
  plane.endpoints.setSources(podSources(plane.facts.current, { v4: '10.0.1.7', v6: 'fd00:1::7' }))
  await plane.routes.idle()
  t.match(await namespaces.run(path, 'ip', 'route', 'get', '10.42.0.2'), 'src 10.0.1.7', 'and is told otherwise')
  t.notMatch(await namespaces.run(path, 'ip', '-d', 'link'), /bridge/)
  t.notMatch(await namespaces.run(path, 'ip', 'route'), /default/)
})

t.test('of a pod that is detached neither end is there, and it may be attached again at once', { skip }, async t => {
  await using namespaces = new TestNamespaces()
  const { path, plane } = await node(namespaces)
  await using _ = plane
  const pods = await Promise.all(
    Array.from({ length: 20 }, async (_, i) => ({
      network: 'pods',
      containerId: `c${i}`,
      ifName: 'eth0',
      netns: await namespaces.add(`p${i}`),
      addresses: [`10.42.0.${i + 2}`],
      mtu: 1400,
    })),
  )
  for (let round = 0; round < 3; round++) {
    for (const { ok } of await Promise.all(pods.map(pod => plane.endpoints.add(pod)))) t.ok(ok)
    await Promise.all(
      pods.map(async (pod, i) => {
        t.match(await plane.endpoints.remove(pod), { ok: true, removed: true })
        if (i % 5 !== 0) return
        t.notOk(await namespaces.succeeds(pod.netns, 'ip', 'link', 'show', 'eth0'))
        t.notOk(await namespaces.succeeds(path, 'ip', 'link', 'show', hostDeviceName(pod)))
        t.notMatch(await namespaces.run(path, 'ip', 'route'), `${pod.addresses[0]} `)
      }),
    )
  }
  t.notMatch(await namespaces.run(path, 'ip', '-o', 'link'), /mgy/)
})

t.test('an address that no pod has is answered with an error, and nothing loops', { skip }, async t => {
  await using namespaces = new TestNamespaces()
  const { path, fabric, plane } = await node(namespaces)
  await using _ = plane
  const [pod, other, outside] = [await namespaces.add('a'), await namespaces.add('other'), await namespaces.add('out')]
  const ip = (netns: string, ...args: string[]) => namespaces.run(netns, 'ip', ...args)
  // The fabric leads all of the pool to the node, and the node's default route leads back: what is missing would loop.
  await ip(path, 'route', 'add', 'default', 'via', '10.0.1.1')
  await ip(path, '-6', 'route', 'add', 'default', 'via', 'fd00:1::1')
  await ip(fabric, '-6', 'address', 'add', 'fd00:1::1/64', 'dev', 'tor', 'nodad')
  await ip(fabric, '-6', 'route', 'add', 'fd00:42::/122', 'via', 'fd00:1::7')
  await namespaces.run(fabric, 'sysctl', '-qw', 'net.ipv4.ip_forward=1', 'net.ipv6.conf.all.forwarding=1')
  for (const [n, netns] of [other, outside].entries()) {
    const [four, six] = [`10.9.${n}`, `fd00:9:${n}:`]
    await ip(fabric, 'link', 'add', `to${n}`, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', netns.slice(11))
    for (const [where, device, last] of [
      [fabric, `to${n}`, 1],
      [netns, 'eth0', 2],
    ] as const) {
      await ip(where, 'address', 'add', `${four}.${last}/24`, 'dev', device)
      await ip(where, '-6', 'address', 'add', `${six}:${last}/64`, 'dev', device, 'nodad')
      await ip(where, 'link', 'set', device, 'up')
    }
    await ip(netns, 'route', 'add', 'default', 'via', `${four}.1`)
    await ip(netns, '-6', 'route', 'add', 'default', 'via', `${six}:1`)
  }
  const addresses = ['10.42.0.2', 'fd00:42::2']
  const request = { network: 'pods', containerId: 'c', ifName: 'eth0', netns: pod, addresses, mtu: 1400 }
  t.ok((await plane.endpoints.add(request)).ok)
  await plane.routes.idle()
  const refused = async (netns: string, address: string): Promise<string> => {
    for (let tries = 0; ; tries++) {
      const { output } = await namespaces.tries(netns, 'ping', '-c1', '-W2', address)
      if (tries === 15 || /unreachable|No route|exceeded/i.test(output)) return output
    }
  }
  await Promise.all(
    Object.entries({ pod, other, outside, fabric, node: path }).map(async ([who, netns]) => {
      for (const [dead, live] of [
        ['10.42.0.9', '10.42.0.2'],
        ['fd00:42::9', 'fd00:42::2'],
      ]) {
        t.ok(await namespaces.succeeds(netns, 'ping', '-c1', '-W5', live), `${who}: ${live} is there`)
        const answer = await refused(netns, dead)
        t.match(answer, /unreachable|No route/i, `${who}: ${dead} is refused`)
        t.notMatch(answer, /exceeded/, `${who}: ${dead} does not loop`)
      }
    }),
  )
})

t.test('routes in a table of their own serve packets by the rules that the documentation names', { skip }, async t => {
  await using namespaces = new TestNamespaces()
  const { path, fabric, plane } = await node(namespaces, { table: 81 })
  await using _ = plane
  const netns = await namespaces.add('a')
  const request = { network: 'pods', containerId: 'c', ifName: 'eth0', netns, mtu: 1400 }
  const outcome = await plane.endpoints.add({ ...request, addresses: ['10.42.0.2', 'fd00:42::2'] })
  if (!outcome.ok) throw new Error(outcome.error.text)
  t.same(await plane.endpoints.check(outcome.endpoint), [])
  await namespaces.run(path, 'ip', 'route', 'add', 'default', 'via', '10.0.1.1')
  t.notMatch(await namespaces.run(path, 'ip', 'route'), /proto 81/, 'main is as it was')
  t.notOk(await namespaces.succeeds(netns, 'ping', '-c1', '-W1', '10.0.1.1'), 'without rules nothing comes back')
  const documented = readFileSync(new URL('../../docs/reconciler.md', import.meta.url), 'utf8').match(
    /^ +ip .*rule add.*$/gm,
  )
  t.equal(documented?.length, 4)
  for (const rule of documented ?? []) await namespaces.run(path, ...(rule.trim().split(' ') as [string, ...string[]]))
  t.ok(await namespaces.succeeds(netns, 'ping', '-c1', '-W5', '10.0.1.1'), 'to the fabric')
  t.ok(await namespaces.succeeds(fabric, 'ping', '-c1', '-W5', '10.42.0.2'), 'and from there')
  t.ok(await namespaces.succeeds(path, 'ping', '-c1', '-W5', 'fd00:42::2'))
  t.match((await namespaces.tries(netns, 'ping', '-c1', '-W5', '10.42.0.9')).output, /unreachable/i)
})

t.test('our routes come back, others stay', { skip }, async t => {
  await using namespaces = new TestNamespaces()
  const { path, plane } = await node(namespaces)
  await using _ = plane
  const ip = (...args: string[]) => namespaces.run(path, 'ip', ...args)
  const hop = { gateway: '10.0.1.1', device: 'eth0' }
  plane.routes.set('bgp', [
    { prefix: '10.42.1.0/26', kind: 'unicast', nextHops: [hop], source: '10.0.1.7' },
    { prefix: '10.42.2.0/26', kind: 'unicast', nextHops: [hop, { gateway: '10.0.1.2', device: 'eth0', weight: 2 }] },
    {
      prefix: 'fd00:42:1::/64',
      kind: 'unicast',
      nextHops: [
        { gateway: 'fd00:1::1', device: 'eth0' },
        { gateway: 'fd00:1::2', device: 'eth0' },
      ],
    },
    { prefix: '10.42.9.0/26', kind: 'unicast', nextHops: [{ gateway: '192.0.2.1', device: 'eth0' }] },
  ])
  await plane.routes.idle()
  t.match(plane.routes.trouble, [{ prefix: '10.42.9.0/26', state: 'failed', text: /connected network/ }])
  const ours = async () =>
    (await ip('route'))
      .split('\n')
      .concat((await ip('-6', 'route')).split('\n'))
      .filter(line => line.includes('proto 81'))
      .map(line => line.trim())
  const whole = await ours()
  t.equal(whole.length, 5, whole.join('\n'))

  for (const [name, ...hurt] of [
    [
      'deleted',
      ['route', 'del', '10.42.1.0/26'],
      ['route', 'del', 'unreachable', '10.42.0.0/26'],
      ['-6', 'route', 'del', 'fd00:42:1::/64', 'via', 'fd00:1::1', 'dev', 'eth0'],
    ],
    ['changed', ['route', 'replace', '10.42.1.0/26', 'via', '10.0.1.9', 'proto', '81', 'metric', '1024']],
    ['link down and up', ['link', 'set', 'eth0', 'down'], ['link', 'set', 'eth0', 'up']],
    [
      'address gone and back',
      ['address', 'del', '10.0.1.7/24', 'dev', 'eth0'],
      ['address', 'add', '10.0.1.7/24', 'dev', 'eth0'],
    ],
  ] as const) {
    for (const args of hurt) await ip(...args)
    if (name === 'link down and up') await ip('-6', 'address', 'replace', 'fd00:1::7/64', 'dev', 'eth0', 'nodad') // a link that goes down loses it
    await waitFor(async () => (await ours()).toSorted().join() === whole.toSorted().join())
    t.same((await ours()).toSorted(), whole.toSorted(), name)
  }

  await ip('route', 'add', '10.42.3.0/26', 'via', '10.0.1.9', 'metric', '20')
  await ip('route', 'add', '10.42.4.0/26', 'via', '10.0.1.9', 'metric', '1024')
  plane.routes.set(
    'bgp',
    ['10.42.3.0/26', '10.42.4.0/26'].map(prefix => ({ prefix, kind: 'unicast', nextHops: [hop] })),
  )
  // The kernel itself refuses one; that the other is somebody's is known when its event has come.
  await waitFor(async () => plane.routes.counts.conflicts === 2)
  t.equal(plane.routes.counts.conflicts, 2)
  plane.routes.set('bgp', [])
  plane.routes.set('block', [])
  await plane.routes.audit()
  t.same(await ours(), [])
  t.match(
    await ip('route'),
    /10\.42\.3\.0\/26 via 10\.0\.1\.9 dev eth0 metric 20[^]*10\.42\.4\.0\/26 via 10\.0\.1\.9 dev eth0 metric 1024/,
  )
})

t.test('facts follow the kernel', { skip }, async t => {
  await using namespaces = new TestNamespaces()
  const { path, fabric, plane } = await node(namespaces)
  await using _ = plane
  const seen: Facts[] = []
  plane.facts.onChange(facts => seen.push(facts))
  t.match(
    plane.facts.current.links.find(link => link.name === 'eth0'),
    { up: true, mtu: 1500 },
  )
  t.match(plane.facts.current.foreignRoutes, [{ prefix: '10.0.1.0/24', device: 'eth0', protocol: 2, connected: true }])
  const eth0 = () => plane.facts.current.links.find(link => link.name === 'eth0')
  await namespaces.run(path, 'ip', 'route', 'add', 'default', 'via', '10.0.1.1')
  await waitFor(async () => plane.facts.current.foreignRoutes.some(route => route.prefix === '0.0.0.0/0'))
  t.match(plane.facts.current.foreignRoutes[0], {
    prefix: '0.0.0.0/0',
    gateway: '10.0.1.1',
    device: 'eth0',
    connected: false,
  })
  await namespaces.run(fabric, 'ip', 'link', 'set', 'tor', 'down')
  await waitFor(async () => eth0()?.carrier === false)
  t.match(eth0(), { up: true, carrier: false })
  await namespaces.run(path, 'ip', 'address', 'add', '10.0.5.7/24', 'dev', 'eth0')
  await waitFor(async () => plane.facts.current.addresses.some(address => address.cidr === '10.0.5.7/24'))
  await waitFor(async () => plane.facts.current.foreignRoutes.some(route => route.prefix === '10.0.5.0/24'))
  t.ok(plane.facts.current.addresses.some(address => address.cidr === '10.0.5.7/24' && address.link === 'eth0'))
  t.ok(seen.length >= 3)
  await plane.endpoints.add({
    network: 'pods',
    containerId: 'c',
    ifName: 'eth0',
    netns: await namespaces.add('a'),
    addresses: ['10.42.0.2'],
    mtu: 1500,
  })
  await plane.routes.audit()
  // The kernel's own, such as the end of an address check, may come at any time.
  t.notMatch(JSON.stringify([...seen, plane.facts.current]), /mgy|10\.42\.0\.2/, 'a pod is no fact')
})

t.test('the node forwards, whatever others do to its settings, and is put back as it was', { skip }, async t => {
  await using namespaces = new TestNamespaces()
  const { path, plane, setup } = await node(namespaces)
  await using _ = plane
  const read = async (name: string) =>
    (await namespaces.run(path, 'cat', `/proc/sys/${name.replaceAll('.', '/')}`)).trim()
  const names = [
    'net.ipv4.ip_forward',
    'net.ipv6.conf.all.forwarding',
    'net.ipv4.fib_multipath_hash_policy',
    'net.ipv4.fib_multipath_use_neigh',
    'net.ipv4.conf.eth0.ignore_routes_with_linkdown',
  ]
  for (const name of names) t.equal(await read(name), '1', name)
  t.equal(await read('net.ipv6.conf.eth0.accept_ra'), '2', 'router advertisements are still heard')
  const again = await plane.setUpNode({ all: ['eth0'] })
  t.match(again, { previous: [], problems: [] })
  for (const name of [...names, 'net.ipv6.fib_multipath_hash_policy']) {
    await namespaces.run(path, 'sysctl', '-qw', `${name}=0`)
    await waitFor(async () => (await read(name)) === '1')
    t.equal(await read(name), '1', `${name} is put right`)
  }
  await namespaces.run(path, 'sysctl', '-qw', 'net.ipv4.conf.eth0.forwarding=0')
  await waitFor(async () => (await read('net.ipv4.conf.eth0.forwarding')) === '1')
  t.equal(await read('net.ipv4.conf.eth0.forwarding'), '1', 'what a network manager does to one link is put right')
  await namespaces.run(path, 'sysctl', '-qw', 'net.ipv6.conf.eth0.accept_ra=0')
  t.same(setup.previous.map(one => one.name).toSorted(), [
    'net/ipv4/conf/eth0/ignore_routes_with_linkdown',
    'net/ipv4/fib_multipath_hash_policy',
    'net/ipv4/fib_multipath_use_neigh',
    'net/ipv4/ip_forward',
    'net/ipv6/conf/all/forwarding',
    'net/ipv6/conf/eth0/accept_ra',
    'net/ipv6/conf/eth0/ignore_routes_with_linkdown',
    'net/ipv6/fib_multipath_hash_policy',
  ])
  t.same(await plane.restoreNode(setup.previous), [])
  for (const name of names) t.equal(await read(name), '0', name)
  t.equal(await read('net.ipv6.conf.eth0.accept_ra'), '1')
  t.same(plane.problems, [])
})

async function waitFor(condition: () => Promise<boolean>): Promise<void> {
  for (let i = 0; i < 3_000 && !(await condition()); i++) await new Promise(resolve => setTimeout(resolve, 10))
}

t.test(
  'a tunnel device is as it was, whatever others set on it, and takes what comes by another way than the one back',
  { skip },
  async t => {
    await using namespaces = new TestNamespaces()
    const { path, plane } = await node(namespaces)
    await using _ = plane
    const device = 'margay-vxlan4'
    const run = (command: string, ...rest: readonly string[]) => namespaces.run(path, command, ...rest)
    const tunnel = { kind: 'vxlan', family: 4, device, local: '10.0.1.7', remotes: ['10.0.2.8'], pools: [] } as const
    t.same(await plane.tunnels.apply([{ tunnel, mtu: 1450, address: '10.42.1.0' }], true), new Map())
    const seen = async () => {
      // For a moment there may be none: what cannot be changed is made anew.
      const link = (await run('ip', '-d', 'link', 'show', device).catch(() => '')).replace(/^\d+: /, '')
      const forwards = await run('cat', `/proc/sys/net/ipv4/conf/${device}/forwarding`).catch(() => '')
      return `${link} forwarding ${forwards}`
    }
    const before = await seen()
    for (const deed of [
      ['ip', 'link', 'set', device, 'arp', 'off'],
      ['ip', 'link', 'set', device, 'type', 'vxlan', 'ttl', '1'],
      ['ip', 'link', 'set', device, 'type', 'vxlan', 'dev', 'eth0'],
      ['sysctl', '-qw', `net.ipv4.conf.${device}.forwarding=0`],
    ]) {
      const [command, ...rest] = deed
      await run(command, ...rest)
      await waitFor(async () => (await seen()) === before)
      t.equal(await seen(), before, deed.join(' '))
    }
    const filter = async (link: string) => (await run('cat', `/proc/sys/net/ipv4/conf/${link}/rp_filter`)).trim()
    await run('sysctl', '-qw', 'net.ipv4.conf.all.rp_filter=1')
    const { previous } = await plane.setUpNode({ all: ['eth0'] })
    t.same([await filter(device), await filter('eth0')], ['2', '2'])
    t.match((await findObjects(linuxKernel(path), previous)).sysctls, [{ name: /eth0\/rp_filter$/, value: '0' }])
    t.same(await plane.restoreNode(previous), [])
    t.equal(await filter('eth0'), '0')
  },
)

t.test('IPv6 that somebody switches off on a tunnel device comes back, with the address', { skip }, async t => {
  await using namespaces = new TestNamespaces()
  const { path, plane } = await node(namespaces)
  await using _ = plane
  const device = 'margay-vxlan6'
  const tunnel = { kind: 'vxlan', family: 6, device, local: 'fd00:1::7', remotes: ['fd00:2::8'], pools: [] } as const
  t.same(await plane.tunnels.apply([{ tunnel, mtu: 1430, address: 'fd00:42:1::' }], true), new Map())
  const addresses = () => namespaces.run(path, 'ip', '-6', '-o', 'address', 'show', 'dev', device)
  t.match(await addresses(), 'fd00:42:1::/128')
  await namespaces.run(path, 'sysctl', '-qw', `net.ipv6.conf.${device}.disable_ipv6=1`)
  await waitFor(async () => (await addresses()).includes('fd00:42:1::/128'))
  t.match(await addresses(), 'fd00:42:1::/128')
})

t.test('what somebody does to a VXLAN device and its entries is put right', { skip }, async t => {
  await using namespaces = new TestNamespaces()
  const { path, plane } = await node(namespaces)
  await using _ = plane
  const device = 'margay-vxlan4'
  const tunnel = { kind: 'vxlan', family: 4, device, local: '10.0.1.7', remotes: ['10.0.2.8'], pools: [] } as const
  t.same(await plane.tunnels.apply([{ tunnel, mtu: 1450 }], true), new Map())
  await namespaces.run(path, 'ip', 'link', 'add', 'br7', 'type', 'bridge')
  const entry = () => namespaces.run(path, 'bridge', 'fdb', 'show', 'dev', device)
  const link = ['ip', '-d', 'link', 'show', 'dev', device] as const
  const [before, mac] = [await entry(), vxlanMac('10.0.2.8')]
  t.match(before, `${mac} dst 10.0.2.8 self permanent`)
  for (const [what, how] of [
    ['another UDP port', `bridge fdb replace ${mac} dev ${device} dst 10.0.2.8 port 9999`],
    ['another network', `bridge fdb replace ${mac} dev ${device} dst 10.0.2.8 vni 77`],
    ['a copy to somebody else', `bridge fdb append ${mac} dev ${device} dst 10.0.2.9 port 9999`],
  ] as const) {
    await namespaces.run(path, ...(how.split(' ') as [string, ...string[]]))
    await waitFor(async () => (await entry()) === before)
    t.equal(await entry(), before, what)
  }
  for (const [trait, how] of [
    ['df set', `ip link set ${device} type vxlan df set`],
    ['tos 0x10', `ip link set ${device} type vxlan tos 0x10`],
    ['master br7', `ip link set ${device} master br7`],
  ] as const) {
    await namespaces.run(path, ...(how.split(' ') as [string, ...string[]]))
    // It may be made anew, and is not there for a moment.
    const isRight = async () =>
      namespaces.tries(path, ...link).then(({ output }) => /[<,]UP[,>]/.test(output) && !output.includes(trait))
    await waitFor(isRight)
    t.ok(await isRight(), trait)
  }
})

t.test('without an IPv4 address a loose filter is a strict one: it is off there, or it is told', { skip }, async t => {
  await using namespaces = new TestNamespaces()
  const { path, plane } = await node(namespaces)
  await using _ = plane
  const run = (command: string, ...rest: readonly string[]) => namespaces.run(path, command, ...rest)
  const filter = async () => (await run('cat', '/proc/sys/net/ipv4/conf/eth0/rp_filter')).trim()
  await plane.setUpNode({ all: ['eth0'], unaddressed: ['eth0'] })
  await run('sysctl', '-qw', 'net.ipv4.conf.eth0.rp_filter=2')
  await waitFor(async () => (await filter()) === '0')
  t.equal(await filter(), '0')
  t.same(plane.problems, [])
  await run('sysctl', '-qw', 'net.ipv4.conf.all.rp_filter=1')
  await waitFor(async () => plane.facts.current.reversePathFilter === 1)
  t.match(plane.problems, [
    /all\.rp_filter is 1, and eth0 without an IPv4 address.*sysctl -w net\.ipv4\.conf\.all\.rp_filter=0/,
  ])
  await run('sysctl', '-qw', 'net.ipv4.conf.all.rp_filter=0')
  await waitFor(async () => plane.facts.current.reversePathFilter === undefined)
  t.same(plane.problems, [])
})
