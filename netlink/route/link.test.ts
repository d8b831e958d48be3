import { readdirSync } from 'node:fs'
import t from 'tap'
import { open, readSysctl } from '../index.ts'
import { namespace } from '../test-namespace.ts'
import type { Operation } from '../types.ts'

const good = { ok: true }

t.test('a veth pair is made with its peer in another namespace', async t => {
  const here = namespace(t)
  const there = namespace(t)
  const netlink = await open({ netns: here.path })
  t.teardown(() => netlink.close())
  const peer = { name: 'eth0', netns: there.path, mtu: 1380, mac: '02:00:00:00:00:07' }
  t.same(
    await netlink.apply([
      { do: 'link.add', link: { kind: 'veth', name: 'pod1', mtu: 1400, mac: 'ee:ee:ee:ee:ee:ee', up: true, peer } },
    ]),
    [good],
  )
  const link = await netlink.link('pod1')
  t.match(link, { name: 'pod1', kind: 'veth', up: true, carrier: false, loopback: false, mtu: 1400 })
  t.equal(link?.mac, 'ee:ee:ee:ee:ee:ee')
  t.match(here.json('link show pod1'), [{ ifindex: link?.index, mtu: 1400, address: 'ee:ee:ee:ee:ee:ee' }])
  const [inside] = there.json('link show eth0')
  t.match(inside, { mtu: 1380, address: '02:00:00:00:00:07', operstate: 'DOWN' })
  t.equal(link?.peerIndex, inside['ifindex'])

  const other = await open({ netns: there.path })
  t.teardown(() => other.close())
  t.same(await other.apply([{ do: 'link.set', link: Number(inside['ifindex']), change: { up: true } }]), [good])
  t.ok((await netlink.link('pod1'))?.carrier)

  t.same(await netlink.apply([{ do: 'link.delete', link: link!.index }]), [good])
  t.equal(await netlink.link('pod1'), undefined)
  t.equal(await other.link('eth0'), undefined, 'the peer went with it')
})

t.test('settings of a link by netlink, and several links gone at once', async t => {
  const ns = namespace(t)
  const netlink = await open({ netns: ns.path })
  t.teardown(() => netlink.close())
  const names = ['a0', 'b0', 'c0']
  await netlink.apply(names.map(name => ({ do: 'link.add', link: { kind: 'veth', name, peer: { name: `${name}p` } } })))
  const [a, b, c] = await Promise.all(names.map(async name => (await netlink.link(name))!.index))
  t.same(await readSysctl(ns.path, 'net/ipv4/conf/a0/send_redirects'), '1')
  const ipv4 = { forwarding: true, sendRedirects: false, reversePathFilter: 1 }
  t.same(
    await netlink.apply([
      { do: 'link.set', link: a, change: { ipv4, ipv6Addresses: 'none', up: true } },
      { do: 'link.set', link: a, change: { ipv4: { reversePathFilter: 7 } } },
    ]),
    [good, { ok: false, errno: 'EINVAL', text: 'reversePathFilter 7 is not a whole number from 0 to 2' }],
  )
  for (const [name, value] of [
    ['ipv4/conf/a0/forwarding', '1'],
    ['ipv4/conf/a0/send_redirects', '0'],
    ['ipv4/conf/a0/rp_filter', '1'],
    ['ipv6/conf/a0/addr_gen_mode', '1'],
    ['ipv4/conf/b0/send_redirects', '1'],
  ])
    t.equal(await readSysctl(ns.path, `net/${name}`), value, name)
  t.match(await netlink.netconf(4, a), { family: 4, link: a, forwarding: true, reversePathFilter: 1 })
  t.match(await netlink.netconf(4, 'all'), { family: 4, link: 'all', forwarding: false })
  t.match(await netlink.netconf(6, 'default'), { family: 6, link: 'default', forwarding: false })
  t.equal(await netlink.netconf(4, 4711), undefined)

  t.match(await netlink.apply([{ do: 'links.delete', group: 0 }]), [{ ok: false, errno: 'EINVAL' }])
  t.match(
    await netlink.apply([
      { do: 'link.set', link: a, change: { group: 77 } },
      { do: 'link.set', link: c, change: { group: 77 } },
      { do: 'links.delete', group: 77 },
      { do: 'links.delete', group: 77 },
    ]),
    [good, good, good, { ok: false, errno: 'ENODEV' }],
  )
  const left = (await netlink.links()).map(({ name }) => name)
  t.same(left.toSorted(), ['b0', 'b0p', 'lo'])
  t.ok(b)
})

t.test('every kind of link is made as `ip` sees it, and dumped', async t => {
  const ns = namespace(t)
  const netlink = await open({ netns: ns.path })
  t.teardown(() => netlink.close())
  const operations: Operation[] = [
    { do: 'link.add', link: { kind: 'bridge', name: 'br0', mac: '02:00:00:00:00:01' } },
    { do: 'link.add', link: { kind: 'veth', name: 'a0', peer: { name: 'a1' } } },
    { do: 'link.add', link: { kind: 'vxlan', name: 'vx4', id: 4096, local: '10.0.0.1', learning: false } },
    { do: 'link.add', link: { kind: 'vxlan', name: 'vx6', id: 9, port: 8472, local: 'fd00::1', up: true } },
  ]
  t.same(
    await netlink.apply(operations),
    operations.map(() => good),
  )
  t.match(ns.json('link show br0'), [{ linkinfo: { info_kind: 'bridge' }, address: '02:00:00:00:00:01' }])
  t.match(ns.json('link show vx4'), [
    { linkinfo: { info_kind: 'vxlan', info_data: { id: 4096, port: 4789, local: '10.0.0.1', learning: false } } },
  ])
  t.match(ns.json('link show vx6'), [
    { linkinfo: { info_data: { id: 9, port: 8472, local6: 'fd00::1', learning: true } } },
  ])
  t.same(
    (await netlink.links()).map(link => [link.index, link.name, link.kind, link.up, link.loopback, link.mtu]),
    ns
      .json('link show')
      .map(link => [
        link['ifindex'],
        link['ifname'],
        (link['linkinfo'] as Record<string, unknown> | undefined)?.['info_kind'],
        (link['flags'] as string[]).includes('UP'),
        (link['flags'] as string[]).includes('LOOPBACK'),
        link['mtu'],
      ]),
  )
})

t.test('a tunnel gets another local end in place: it keeps its index, its routes and what it forwards', async t => {
  const ns = namespace(t)
  const netlink = await open({ netns: ns.path })
  t.teardown(() => netlink.close())
  const tunnel = { kind: 'vxlan', name: 'vx4', id: 4096, port: 4789, learning: false, up: true } as const
  await netlink.apply([{ do: 'link.add', link: { ...tunnel, local: '10.0.0.1' } }])
  const link = (await netlink.link('vx4'))!.index
  const rest: Operation[] = [
    { do: 'address.add', address: { link, cidr: '10.42.0.0/32', scope: 'universe' } },
    { do: 'route.add', route: { dst: '10.9.0.0/24', nextHops: [{ gateway: '10.0.3.3', link, onlink: true }] } },
    { do: 'fdb.replace', entry: { link, mac: '06:00:00:00:00:01', dst: '10.0.3.3' } },
  ]
  t.same(
    await netlink.apply(rest),
    rest.map(() => good),
  )
  t.same(await netlink.apply([{ do: 'link.move', link, to: { ...tunnel, local: '10.0.0.2' } }]), [good])
  t.match(await netlink.link('vx4'), {
    index: link,
    up: true,
    tunnel: { id: 4096, local: '10.0.0.2', learning: false },
  })
  t.ok((await netlink.routes()).some(({ dst }) => dst === '10.9.0.0/24'))
  t.match(await netlink.fdb(), [{ mac: '06:00:00:00:00:01', dst: '10.0.3.3' }])
  t.match(await netlink.apply([{ do: 'link.move', link: 4711, to: { ...tunnel, local: '10.0.0.2' } }]), [{ ok: false }])
})

t.test('namespaces opened for a batch are closed after it', async t => {
  const ns = namespace(t)
  const there = namespace(t)
  const netlink = await open({ netns: ns.path })
  t.teardown(() => netlink.close())
  const files = (): number => readdirSync('/proc/self/fd').length
  const before = files()
  const pair = { kind: 'veth', name: 'a0', peer: { name: 'a1', netns: there.path } } as const
  const results = await netlink.apply(Array.from({ length: 50 }, () => ({ do: 'link.add', link: pair })))
  t.equal(results.filter(result => result.ok).length, 1)
  t.equal(files(), before)
})

t.test('a link is changed: name, state, MTU, MAC, master, namespace', async t => {
  const ns = namespace(t)
  const elsewhere = namespace(t)
  const netlink = await open({ netns: ns.path })
  t.teardown(() => netlink.close())
  await netlink.apply([
    { do: 'link.add', link: { kind: 'bridge', name: 'br0' } },
    { do: 'link.add', link: { kind: 'veth', name: 'a0', peer: { name: 'a1' } } },
  ])
  const bridge = (await netlink.link('br0'))!.index
  const { index } = (await netlink.link('a0'))!
  t.same(
    await netlink.apply([
      { do: 'link.set', link: index, change: { name: 'b0', mtu: 1300, mac: '02:00:00:00:00:09', master: bridge } },
      { do: 'link.set', link: index, change: { up: true } },
    ]),
    [good, good],
  )
  t.match(ns.json('link show b0'), [{ mtu: 1300, address: '02:00:00:00:00:09', master: 'br0' }])
  t.match(await netlink.link('b0'), { up: true, master: bridge, mtu: 1300 })
  t.same(
    await netlink.apply([
      { do: 'link.set', link: index, change: { up: false, master: 0 } },
      { do: 'link.set', link: index, change: { netns: elsewhere.path, name: 'moved' } },
    ]),
    [good, good],
  )
  t.equal(await netlink.link('b0'), undefined)
  t.match(elsewhere.json('link show moved'), [{ mtu: 1300, address: '02:00:00:00:00:09' }])
})

t.test('wrong values are refused by name, and stop nothing else', async t => {
  const ns = namespace(t)
  const netlink = await open({ netns: ns.path })
  t.teardown(() => netlink.close())
  const results = await netlink.apply([
    { do: 'link.add', link: { kind: 'bridge', name: 'a-name-of-17-chars' } },
    { do: 'link.add', link: { kind: 'bridge', name: 'a/b' } },
    { do: 'link.add', link: { kind: 'bridge', name: 'br0', mac: '02:00' } },
    { do: 'link.add', link: { kind: 'vxlan', name: 'vx0', id: 2 ** 24 } },
    { do: 'link.add', link: { kind: 'geneve' as 'bridge', name: 'gnv1' } },
    { do: 'link.add', link: { kind: 'veth', name: 'v0', peer: { name: 'v1', netns: '/run/netns/mgn-nowhere' } } },
    { do: 'link.add', link: { kind: 'veth', name: 'v0', peer: { name: 'v1', netns: '/etc/passwd' } } },
    { do: 'link.set', link: 4711, change: { up: true } },
    { do: 'link.add', link: { kind: 'bridge', name: 'br0' } },
    { do: 'link.add', link: { kind: 'bridge', name: 'br0' } },
  ])
  t.match(results, [
    { errno: 'EINVAL', text: /link name "a-name-of-17-chars"/ },
    { errno: 'EINVAL', text: /link name "a\/b"/ },
    { errno: 'EINVAL', text: /MAC address "02:00"/ },
    { errno: 'EINVAL', text: /VXLAN id 16777216/ },
    { errno: 'EINVAL', text: /kind "geneve" is none of veth, bridge, / },
    { errno: 'ENOENT', text: /"\/run\/netns\/mgn-nowhere" does not exist/ },
    { errno: 'EINVAL', text: /"\/etc\/passwd" is not a network namespace/ },
    { errno: 'ENODEV' },
    { ok: true },
    { errno: 'EEXIST' },
  ])
  t.equal(await netlink.link('v0'), undefined)
})
