// ADD: what it says is true in the kernel, and what fails leaves nothing. Items 4 to 9, 20, 22, 23.

import type { Test } from 'tap'
import { addressesOf, atLeast, type CniWorld, type Container, type Version } from '../world.ts'

interface KernelLink {
  readonly ifname: string
  readonly address: string
  readonly mtu: number
  readonly addr_info: readonly { readonly local: string; readonly prefixlen: number; readonly scope: string }[]
}

export async function linkOf(world: CniWorld, { containerId }: Container, ifName = 'eth0'): Promise<KernelLink> {
  const text = await world.lab.exec(containerId.split('-')[0], 'ip', '-json', 'address', 'show', 'dev', ifName)
  return (JSON.parse(text) as KernelLink[])[0]
}

export function attach(t: Test, world: CniWorld, version: Version): void {
  const dns = { nameservers: ['10.96.0.10'], search: ['cluster.local'], options: ['ndots:5'] }

  t.test('ADD: two families, and every word of the result is true', async t => {
    const container = await world.container()
    const network = world.network(version, { more: { dns, mtu: 1400 } })
    const result = await network.add(container)
    t.equal(result.cniVersion, version)
    t.same(result.dns, dns, 'dns is passed on')
    const link = await linkOf(world, container)
    const inKernel = link.addr_info
      .filter(each => each.scope === 'global')
      .map(each => `${each.local}/${each.prefixlen}`)
    t.same(addressesOf(result), inKernel)
    t.equal(inKernel.length, 2)
    t.equal(link.mtu, 1400)
    if (atLeast(version, '0.3.0')) {
      const { interfaces = [], ips = [], routes = [] } = result
      for (const ip of ips) {
        t.match(interfaces[ip.interface!], { name: 'eth0', sandbox: container.netns, mac: link.address })
        if (atLeast(version, '1.0.0')) t.notOk('version' in ip)
        else t.equal(ip.version, ip.address.includes(':') ? '6' : '4')
      }
      const host = interfaces.find(each => !each.sandbox)!
      t.match(await world.lab.exec(world.node, 'ip', 'link', 'show', host.name), `link/ether ${host.mac}`)
      t.equal(interfaces.find(each => each.sandbox)?.mtu, atLeast(version, '1.1.0') ? 1400 : undefined)
      t.same(routes.map(each => each.dst).toSorted(), ['0.0.0.0/0', '::/0'])
    } else {
      t.match(result, { ip4: { routes: [{ dst: '0.0.0.0/0' }] }, ip6: { routes: [{ dst: '::/0' }] } })
      t.notOk('interfaces' in result || 'ips' in result)
    }

    // pod → host, pod → pod of this node, pod → remote pod, and back again
    const other = await world.container()
    const [pod, neighbour] = [container, other].map(each => each.containerId.split('-')[0])
    const peer = addressesOf(await network.add(other)).map(each => each.split('/')[0])
    const own = addressesOf(result).map(each => each.split('/')[0])
    const far = Object.values(world.lab.addresses(world.remote.pod))
    for (const address of ['10.8.0.11', 'fd00:8::11', ...peer, ...far, ...own])
      t.ok(await world.reaches(pod, address), `pod → ${address}`)
    for (const address of own) {
      t.ok(await world.reaches(world.node, address), `node → ${address}`)
      t.ok(await world.reaches(neighbour, address), `neighbour → ${address}`)
      t.ok(await world.reaches(world.remote.pod, address), `remote pod → ${address}`)
    }
    for (const each of [container, other]) await network.del(each)
    t.same(await world.leftOnNode(), [])
  })

  t.test('ADD again, or where the interface exists, is refused and changes nothing', async t => {
    const container = await world.container()
    const network = world.network(version)
    await network.add(container)
    const [before, left] = [await linkOf(world, container), await world.leftOnNode()]
    for (const each of [/^mgy/, /^10\.48\..*\/32$/, /^fd00:48:.*\/128$/, /^10\.48\.[^/]*$/, /^fd00:48:[^/]*$/])
      t.ok(
        left.some(one => each.test(one)),
        `${each} is among what a pod has on the node`,
      )
    await t.rejects(network.add(container), { code: 101, message: /already/ })
    await t.rejects(network.add({ ...container, containerId: `${container.containerId}x` }), {
      code: 101,
      message: /eth0/,
    })
    t.same(await linkOf(world, container), before)
    t.same(await world.leftOnNode(), left)
    await network.del(container)
    t.same(await world.leftOnNode(), [])
  })

  t.test('ADD that fails keeps no address and no device', async t => {
    const container = await world.container()
    const network = world.network(version)
    await t.rejects(network.add({ ...container, netns: '/run/netns/gone' }), { code: 4, message: /CNI_NETNS/ })
    await t.rejects(network.add({ ...container, netns: '/etc/hostname' }), { code: 4, message: /no network namespace/ })
    // refused by the kernel only once addresses are given
    await world.lab.exec(container.containerId.split('-')[0], 'ip', 'link', 'add', 'eth0', 'type', 'veth', 'peer', 'x')
    await t.rejects(network.add(container), { code: 101 })
    t.same(await world.leftOnNode(), [])
  })
}

/** Items 22 and 23: for one version, for what is tried is the allocator. */
export function exhaustion(t: Test, world: CniWorld): void {
  t.test('a pool that is full: none of either family, the pool is named, and STATUS says so', async t => {
    const { lab, node } = world
    const pool = (name: string, spec: string) =>
      `{ apiVersion: margay.io/v1, kind: IPPool, metadata: { name: ${name} }, spec: { ${spec} } }\n---\n`
    const wide = pool('pods-v4', 'cidr: 10.48.0.0/16')
    await lab.apply(
      node,
      `${pool('pods-v4', 'cidr: 10.48.0.0/16, disabled: true')}${pool('narrow', 'cidr: 10.49.0.0/30, blockSize: 30')}`,
    )
    const network = world.network('1.1.0')
    const attached: Container[] = []
    const refusals: unknown[] = []
    // More than the narrow pool has, fewer than a lab can bear.
    while (refusals.length === 0 && attached.length < 16) {
      const container = await world.container()
      await network.add(container).then(
        () => attached.push(container),
        (error: unknown) => refusals.push(error),
      )
    }
    t.match(refusals, [{ code: 100, message: /narrow/ }])
    const six = (await world.addressesInUse()).filter(each => each.includes(':')).length
    t.equal(six, attached.length, 'no IPv6 address without its IPv4')
    await t.rejects(network.status(), { code: 50, message: /narrow/ })
    for (const container of attached) await network.del(container)
    await network.status()
    await lab.apply(node, wide)
    const refused = { code: 1, stderr: /ippool "narrow" has blocks on .*Set disabled: true/ }
    t.match(await lab.margayctl(node, 'delete', 'ippool', 'narrow'), refused)
    t.match(await lab.margayctl(node, 'delete', 'ippool', 'narrow', '--force'), { code: 0 })
    t.same(await world.leftOnNode(), [])
  })
}
