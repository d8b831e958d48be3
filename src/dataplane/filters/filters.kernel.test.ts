// The packet filter on the real kernel: what packets meet, what the kernel says of the table, and what happens when others change it.

import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { openNetfilter } from '../../../netlink/index.ts'
import type { FilterRules } from '../../model/intent.ts'
import { fibClasses } from '../../model/fib.ts'
import { Dataplane } from '../dataplane.ts'
import { linuxKernel } from '../linux.ts'
import { findObjects, removeObjects } from '../reset.ts'
import { skipWithoutRoot, TestNamespaces } from '../test-namespaces.ts'
import { ourTable, tableOf } from './table.ts'

const skip = skipWithoutRoot()
const rules: FilterRules = {
  masquerade: ['10.42.0.0/16', 'fd00:42::/48'],
  exclusions: [],
  pools: ['10.42.0.0/16', 'fd00:42::/48'],
  nodes: ['10.0.1.7/32', 'fd00:1::7/128'],
  tunnels: [],
}

/** A node with a pod 10.42.0.2 and fd00:42::2, and an outside host 10.0.1.1 and fd00:1::1 that has no route to pods. */
async function world(t: Test, options: { readonly clampMss?: boolean; readonly forwardAccept?: boolean } = {}) {
  const namespaces = new TestNamespaces()
  t.teardown(() => namespaces[Symbol.asyncDispose]())
  const [path, outside, pod] = [
    await namespaces.add('node'),
    await namespaces.add('outside'),
    await namespaces.add('pod'),
  ]
  const ip = (where: string, words: string): Promise<string> => namespaces.run(where, 'ip', ...words.split(' '))
  await ip(path, `link add eth0 type veth peer name eth0 netns ${outside.slice('/run/netns/'.length)}`)
  for (const [where, host] of [
    [path, 7],
    [outside, 1],
  ] as const) {
    await ip(where, `address add 10.0.1.${host}/24 dev eth0`)
    await ip(where, `address add fd00:1::${host}/64 dev eth0 nodad`)
    await ip(where, 'link set eth0 up')
  }
  const plane = await Dataplane.open({ kernel: linuxKernel(path), ...options })
  t.teardown(() => plane.close())
  await plane.setUpNode({ all: ['eth0'] })
  await plane.endpoints.adopt([])
  for (const owner of fibClasses) plane.routes.inSync(owner)
  const added = await plane.endpoints.add({
    network: 'pods',
    containerId: 'c2',
    ifName: 'eth0',
    netns: pod,
    addresses: ['10.42.0.2', 'fd00:42::2'],
    mtu: 1400,
  })
  t.ok(added.ok)
  const pings = (from: string, to: string, ...more: string[]): Promise<boolean> =>
    namespaces.succeeds(from, 'ping', '-n', '-c1', '-W1', ...more, to)
  /** Also while addresses are being checked, and on a machine with other things to do. */
  const reaches = async (from: string, to: string, ...more: string[]): Promise<boolean> => {
    for (let i = 0; i < 30; i++) if (await pings(from, to, ...more)) return true
    return false
  }
  return { namespaces, plane, path, outside, pod, ip, pings, reaches }
}

/** Polls; the file's time limit is the deadline. */
async function until(condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition())) await sleep(20)
}

t.test('a pod reaches the outside under its node, and the kernel holds what was meant', { skip }, async t => {
  const { plane, path, outside, pod, ip, pings, reaches } = await world(t)
  for (const to of ['10.0.1.1', 'fd00:1::1']) t.notOk(await pings(pod, to), `${to} has no way back`)
  plane.filters.set(rules)
  await plane.filters.settle()
  t.same(plane.filters.problems, [])
  for (const to of ['10.0.1.1', 'fd00:1::1']) t.ok(await reaches(pod, to), `${to} answers the node`)
  await ip(outside, 'route add 10.42.0.0/16 via 10.0.1.7')
  await ip(outside, 'route add fd00:42::/48 via fd00:1::7')
  for (const to of ['10.42.0.2', 'fd00:42::2']) t.ok(await reaches(outside, to), `${to} is reached from outside`)
  await using netfilter = await openNetfilter({ netns: path })
  t.strictSame(await netfilter.table(ourTable), tableOf(rules))
})

t.test('a pod keeps its address to networks that its pool excludes', { skip }, async t => {
  const { plane, path, outside, pod, ip, pings, reaches } = await world(t)
  const excluded = ['172.20.0.1', 'fd00:20::1']
  const translated = ['172.21.0.1', 'fd00:21::1']
  for (const to of [...excluded, ...translated]) await ip(outside, `address add ${to} dev lo`)
  await ip(path, 'route add 172.20.0.0/15 via 10.0.1.1')
  await ip(path, 'route add fd00:20::/31 via fd00:1::1')
  const excepting: FilterRules = {
    ...rules,
    exclusions: [
      { pools: ['10.42.0.0/16'], destinations: ['172.20.0.0/16', '172.31.0.0/16'] },
      { pools: ['fd00:42::/48'], destinations: ['fd00:20::/32'] },
    ],
  }
  plane.filters.set(excepting)
  await plane.filters.settle()
  t.same(plane.filters.problems, [])
  for (const to of translated) t.ok(await reaches(pod, to), `${to} answers the node`)
  for (const to of excluded) t.notOk(await pings(pod, to), `${to} hears the pod, to which it has no route`)
  await ip(outside, 'route add 10.42.0.0/16 via 10.0.1.7')
  await ip(outside, 'route add fd00:42::/48 via fd00:1::7')
  for (const to of excluded) t.ok(await reaches(pod, to), `${to} answers the pod`)
  await using netfilter = await openNetfilter({ netns: path })
  t.strictSame(await netfilter.table(ourTable), tableOf(excepting))
})

t.test('a packet with another source than the pod has does not leave the pod', { skip }, async t => {
  const { namespaces, plane, path, pod, ip, pings, reaches } = await world(t)
  await ip(pod, 'address add 10.42.0.99/32 dev eth0')
  await ip(pod, 'address add fd00:42::99/128 dev eth0 nodad')
  const received = async (): Promise<number> => {
    const text = await namespaces.run(path, 'cat', '/proc/net/snmp', '/proc/net/snmp6')
    const [, icmp4] = /^Icmp: (?:\d+ ){8}(\d+)/m.exec(text) ?? []
    const [, icmp6] = /^Icmp6InEchos\s+(\d+)/m.exec(text) ?? []
    return Number(icmp4) + Number(icmp6)
  }
  const before = await received()
  await pings(pod, '10.0.1.7', '-I', '10.42.0.99')
  await pings(pod, 'fd00:1::7', '-I', 'fd00:42::99')
  t.equal((await received()) - before, 1, 'without the filter the node hears IPv6; for IPv4 there is rp_filter, too')
  plane.filters.set(rules)
  await plane.filters.settle()
  await pings(pod, '10.0.1.7', '-I', '10.42.0.99')
  await pings(pod, 'fd00:1::7', '-I', 'fd00:42::99')
  t.equal((await received()) - before, 1, 'with it, neither')
  // The filter comes before rp_filter, so it counts both.
  t.match(await namespaces.run(path, 'nft', 'list', 'table', 'inet', 'margay'), /counter packets 2 bytes \d+ drop/)
  for (const to of ['10.0.1.7', 'fd00:1::7', '10.0.1.1', 'fd00:1::1'])
    t.ok(await reaches(pod, to, '-I', to.includes(':') ? 'fd00:42::2' : '10.42.0.2'), `${to} as itself`)
})

t.test('a pod that may send from any address does; usual ones come and go without a write', { skip }, async t => {
  const { namespaces, plane, path, outside, pod, ip, pings, reaches } = await world(t)
  const gateway = await namespaces.add('gateway')
  plane.filters.set(rules)
  await plane.filters.settle()
  const request = { network: 'pods', ifName: 'eth0', mtu: 1400 }
  const { addresses, ...key } = {
    ...request,
    containerId: 'c3',
    netns: gateway,
    addresses: ['10.42.0.3', 'fd00:42::3'],
  }
  t.ok((await plane.endpoints.add({ ...key, addresses, sourceCheck: false })).ok)
  t.same(plane.filters.problems, [])
  const others = ['192.0.2.3', 'fd00:99::3']
  const nodes = ['10.0.1.7', 'fd00:1::7']
  for (const [i, own] of others.entries()) {
    for (const each of [pod, gateway]) await ip(each, `address add ${own} dev eth0${i === 1 ? ' nodad' : ''}`)
    await ip(path, `route add ${own} dev ${plane.endpoints.get(key)!.hostDevice}`)
  }
  for (const [i, own] of others.entries()) {
    t.ok(await reaches(gateway, nodes[i], '-I', own), `${own} is heard, and answered where the node knows the way`)
    t.notOk(await pings(pod, nodes[i], '-I', own), 'another pod may not')
  }
  const listed = (): Promise<string> => namespaces.run(path, 'nft', '-a', 'list', 'table', 'inet', 'margay')
  const handles = async (): Promise<string> => (await listed()).replace(/counter packets \d+ bytes \d+/g, '')
  const before = await handles()
  t.match(before, new RegExp(`elements = { "${plane.endpoints.get(key)!.hostDevice}" }`), 'nft knows the names')
  const usual = await namespaces.add('usual')
  const third = { ...request, containerId: 'c4', netns: usual, addresses: ['10.42.0.4'] }
  t.ok((await plane.endpoints.add(third)).ok)
  t.ok((await plane.endpoints.remove(third)).ok)
  t.equal(await handles(), before, 'the same handles')

  const records = plane.endpoints.all
  await plane.close()
  const again = await Dataplane.open({ kernel: linuxKernel(path) })
  t.teardown(() => again.close())
  await again.endpoints.adopt(records)
  again.filters.set(structuredClone(rules))
  await again.filters.settle()
  t.equal(await handles(), before, 'nor does a restart write')
  t.ok(await reaches(gateway, '10.0.1.7', '-I', '192.0.2.3'))
  t.ok((await again.endpoints.remove(key)).ok)
  t.notMatch(await listed(), 'unchecked')
  t.ok(await reaches(outside, '10.0.1.7'))
})

t.test('a flushed ruleset comes back; nothing is written where nothing differs', { skip }, async t => {
  const { namespaces, plane, path } = await world(t)
  plane.filters.set(rules)
  await plane.filters.settle()
  const nft = (...words: string[]): Promise<string> => namespaces.run(path, 'nft', ...words)
  await nft('add', 'table', 'ip', 'theirs')
  const listed = (): Promise<string> => nft('-a', 'list', 'ruleset')
  const before = await listed()
  const again = await Dataplane.open({ kernel: linuxKernel(path) })
  again.filters.set(structuredClone(rules))
  await again.filters.settle()
  await again.close()
  t.equal(await listed(), before, 'another process: the same handles')
  await nft('flush', 'ruleset')
  await until(async () => (await listed()).includes('masquerade'))
  t.notMatch(await listed(), 'theirs', 'what was not ours is not ours to bring back')
  await nft('add', 'rule', 'inet', 'margay', 'anti_spoofing', 'drop')
  await until(async () => !/^\s*drop/m.test(await listed()))
  await nft('add', 'table', 'inet', 'margay', '{ flags dormant; }')
  await until(async () => !(await listed()).includes('dormant'))
  t.match(await listed(), 'masquerade', 'put to sleep, and awake again')
  plane.filters.set(undefined)
  await plane.filters.settle()
  t.equal((await listed()).trim(), '', 'removed when nothing needs it')
})

t.test('a host that forwards nothing: reported, and the command that is told helps', { skip }, async t => {
  const { namespaces, plane, path, outside, pod, ip, pings, reaches } = await world(t)
  await ip(outside, 'route add 10.42.0.0/16 via 10.0.1.7')
  await namespaces.run(path, 'iptables', '-P', 'FORWARD', 'DROP')
  plane.filters.set(rules)
  await plane.filters.settle()
  t.notOk(await pings(pod, '10.0.1.1'))
  t.equal(plane.filters.problems.length, 1)
  const [, command] = /let them through: (.*)/.exec(plane.filters.problems[0]) ?? []
  await namespaces.run(path, 'sh', '-c', command)
  await until(async () => plane.filters.problems.length === 0)
  t.ok(await reaches(pod, '10.0.1.1'))
  t.ok(await reaches(outside, '10.42.0.2'))
  t.match(await namespaces.run(path, 'iptables', '-S', 'FORWARD'), /-P FORWARD DROP/, 'their chain is theirs')
})

/** What Docker makes of the table `filter`; `iptables` is the executable. */
const docker = (iptables: string): readonly string[] => [
  `${iptables} -N DOCKER-USER`,
  `${iptables} -A DOCKER-USER -j RETURN`,
  `${iptables} -P FORWARD DROP`,
  `${iptables} -A FORWARD -j DOCKER-USER`,
  `${iptables} -A FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT`,
  `${iptables} -A FORWARD -i docker0 ! -o docker0 -j ACCEPT`,
]

for (const iptables of ['iptables-nft', 'iptables-legacy'])
  t.test(
    `pods are let through ${iptables} where that is asked for, and all is as before after a reset`,
    { skip },
    async t => {
      const { namespaces, plane, path, outside, pod, ip, pings, reaches } = await world(t, { forwardAccept: true })
      const run = (text: string): Promise<string> => namespaces.run(path, 'sh', '-c', text)
      await ip(outside, 'route add 10.42.0.0/16 via 10.0.1.7')
      await ip(outside, 'route add fd00:42::/48 via fd00:1::7')
      const ip6tables = iptables.replace('ip', 'ip6')
      for (const line of docker(iptables)) await run(line)
      await run(`${ip6tables} -P FORWARD DROP`)
      const chains = async (): Promise<string> => (await run(`${iptables} -S`)) + (await run(`${ip6tables} -S`))
      const before = await chains()
      t.notOk(await pings(pod, '10.0.1.1'))
      const { pools, ...others } = rules
      plane.filters.set({ ...others, masquerade: [], pools })
      await plane.filters.settle()
      t.same(plane.filters.problems, [])
      for (const to of ['10.0.1.1', 'fd00:1::1']) t.ok(await reaches(pod, to), `the pod reaches ${to}`)
      for (const to of ['10.42.0.2', 'fd00:42::2']) t.ok(await reaches(outside, to), `${to} is reached`)
      const during = await chains()
      t.match(during, /-A DOCKER-USER -o mgy\+ -m comment --comment "added by margayd" -j ACCEPT/)
      t.equal(during.match(/added by margayd/g)?.length, 4)
      t.same(
        during.split('\n').filter(line => !line.includes('margayd')),
        before.split('\n'),
        'the rest is theirs',
      )
      // As others do when they start again: the chains anew. (What is done to iptables-legacy is not announced, so that waits for an audit.)
      if (iptables === 'iptables-nft') {
        await run(`${iptables} -D FORWARD -j DOCKER-USER`)
        await until(async () => (await run(`${iptables} -S`)).match(/FORWARD .*added by margayd/g)?.length === 2)
        await run(`${iptables} -I FORWARD -j DOCKER-USER`)
        await until(async () => !/FORWARD .*added by margayd/.test(await run(`${iptables} -S`)))
        t.match(await run(`${iptables} -S`), /DOCKER-USER .*added by margayd/, 'what became superfluous is gone, alone')
        for (const line of [`${iptables} -F`, `${iptables} -X`, ...docker(iptables)]) await run(line)
        await until(async () => (await run(`${iptables} -S`)).match(/added by margayd/g)?.length === 2)
        t.ok(await reaches(outside, '10.42.0.2'))
      }
      const now = await chains()
      const kernel = linuxKernel(path)
      const again = await Dataplane.open({ kernel, forwardAccept: true })
      again.filters.set({ ...others, masquerade: [], pools })
      await again.filters.settle()
      t.equal(await chains(), now, 'a restart adds nothing')
      await again.close()
      await plane.close()
      const found = await findObjects(kernel, [])
      t.match(found.iptables, [{ family: 4 }, { chain: 'FORWARD', family: 6 }])
      t.same(await removeObjects(kernel, found), [])
      t.equal(await chains(), before, 'a reset leaves what was there')
    },
  )

t.test('rules of an earlier run go when they are not asked for any more', { skip }, async t => {
  const { namespaces, plane, path } = await world(t)
  const run = (text: string): Promise<string> => namespaces.run(path, 'sh', '-c', text)
  for (const line of docker('iptables')) await run(line)
  const before = await run('iptables -S')
  await run('iptables -I DOCKER-USER -i mgy+ -m comment --comment "added by margayd" -j ACCEPT')
  plane.filters.set(rules)
  await plane.filters.settle()
  t.equal(await run('iptables -S'), before)
  t.match(plane.filters.problems, [/FORWARD .*iptables -I DOCKER-USER -i mgy/])
  await run('iptables -I DOCKER-USER -i mgy+ -j ACCEPT && iptables -I DOCKER-USER -d 10.42.0.0/15 -j ACCEPT')
  await until(async () => plane.filters.problems.length === 0)
})

t.test('wrapped packets are taken from nodes only', { skip }, async t => {
  const { namespaces, plane, path, outside, ip } = await world(t)
  const tunnels = [
    { kind: 'vxlan', family: 4 },
    { kind: 'vxlan', family: 6 },
    { kind: 'ipip', family: 4 },
    { kind: 'gre', family: 4 },
    { kind: 'fou', family: 4 },
    { kind: 'gue', family: 4 },
  ] as const
  /** Raw sockets, for any protocol. */
  const send = async (protocol: number, to: string, hex: string): Promise<void> => {
    const [domain, where] = to.includes(':')
      ? ['AF_INET6', `pack_sockaddr_in6(0, inet_pton(AF_INET6, "${to}"))`]
      : ['AF_INET', `pack_sockaddr_in(0, inet_aton("${to}"))`]
    const what = `socket(S, ${domain}, SOCK_RAW, ${protocol}) && send(S, pack("H*", "${hex}"), 0, ${where}) or die $!`
    await namespaces.run(outside, 'perl', '-MSocket=:all', '-e', what)
  }
  const vxlan = (id: string): string => `9c4012b5001e0000 08000000${id}00 ${'00'.repeat(14)}`.replaceAll(' ', '')
  const udp = (port: number): string => `9c40${port.toString(16)}000c000000000000`
  const inner = (source: string, destination: string): string => `450000140000000040010000${source}${destination}`
  const [pod, other] = ['0a2a0002', 'c0000201']
  const all = async (): Promise<void> => {
    await send(17, '10.0.1.7', vxlan('001000'))
    await send(17, 'fd00:1::7', vxlan('001001'))
    await send(4, '10.0.1.7', inner(other, pod))
    await send(4, '10.0.1.7', inner(pod, other))
    await send(47, '10.0.1.7', `00000800${inner(pod, other)}`)
    await send(47, '10.0.1.7', `00000800${inner(other, pod)}`)
    await send(47, '10.0.1.7', `1000080000000001${inner(other, pod)}`)
    await send(47, '10.0.1.7', `0000883e00000000${inner(other, pod)}`)
    await send(17, '10.0.1.7', udp(5556))
    await send(47, '10.0.1.7', `200008004d470001${inner(other, pod)}`)
    await send(17, '10.0.1.7', udp(6080))
    await send(47, '10.0.1.7', `300008004d47000200000001${inner(other, pod)}`)
  }
  const dropped = async (): Promise<readonly number[]> => {
    const text = await namespaces.run(path, 'nft', 'list', 'chain', 'inet', 'margay', 'tunnel_ends')
    return [...text.matchAll(/counter packets (\d+)/g)].map(([, packets]) => Number(packets))
  }
  plane.filters.set({ ...rules, tunnels })
  await plane.filters.settle()
  t.same(plane.filters.problems, [])
  await all()
  t.same(await dropped(), [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1], 'from one that is no node')
  await send(17, '10.0.1.7', vxlan('000007'))
  await send(4, '10.0.1.7', inner(other, other))
  await send(47, '10.0.1.7', `00000800${inner(other, other)}`)
  await send(47, '10.0.1.7', `2000080000000001${inner(other, pod)}`)
  await send(17, '10.0.1.7', udp(5555))
  t.same(await dropped(), [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1], "other programs' tunnels")
  plane.filters.set({ ...rules, tunnels, nodes: [...rules.nodes, '10.0.1.1/32', 'fd00:1::1/128'] })
  await plane.filters.settle()
  await all()
  t.same(await dropped(), [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], 'from a node')
  await ip(outside, 'address add 10.0.1.2/24 dev eth0')
  await ip(outside, 'route add 10.0.1.7/32 dev eth0 src 10.0.1.2')
  await all()
  t.same(await dropped(), [1, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1], 'from its address that is not that of a node')
})

t.test('TCP of pods agrees on segments that fit the route out, where that is asked for', { skip }, async t => {
  const { namespaces, plane, path, outside, pod, ip } = await world(t, { clampMss: true })
  await ip(path, 'link set eth0 mtu 1300')
  await ip(outside, 'route add 10.42.0.0/16 via 10.0.1.7')
  await ip(outside, 'route add fd00:42::/48 via fd00:1::7')
  const watch = 'add table inet w; add chain inet w c { type filter hook prerouting priority 0; }; '
  const count = (mss: number): string =>
    `add rule inet w c tcp flags syn / syn,ack tcp option maxseg size ${mss} counter; `
  // Less an IPv4 or IPv6 header and that of TCP. The pod's own link has 1400, the other end of eth0 1500.
  for (const where of [outside, pod]) await namespaces.run(where, 'nft', watch + [1260, 1240].map(count).join(''))
  const counted = async (where: string): Promise<readonly number[]> => {
    const text = await namespaces.run(where, 'nft', 'list', 'table', 'inet', 'w')
    return [...text.matchAll(/counter packets (\d+)/g)].map(([, packets]) => Number(packets))
  }
  const connect = (from: string, to: string): Promise<boolean> =>
    namespaces.succeeds(from, 'bash', '-c', `exec 3<>/dev/tcp/${to}/7777`)
  const both = async (): Promise<void> => {
    for (const to of ['10.0.1.1', 'fd00:1::1']) await connect(pod, to)
    for (const to of ['10.42.0.2', 'fd00:42::2']) await connect(outside, to)
  }
  await both()
  t.same(
    [await counted(outside), await counted(pod)],
    [
      [0, 0],
      [0, 0],
    ],
    'without the filter',
  )
  plane.filters.set(rules)
  await plane.filters.settle()
  t.same(plane.filters.problems, [])
  await both()
  t.same(
    [await counted(outside), await counted(pod)],
    [
      [1, 1],
      [1, 1],
    ],
  )
  await using netfilter = await openNetfilter({ netns: path })
  t.strictSame(await netfilter.table(ourTable), tableOf(rules, { clampMss: true }))
})
