// What has to be true of a lab, told as assertions.

import type { Test } from 'tap'
import { lossText } from '../../src/lab/screen.ts'
import type { KernelRoute } from '../../src/lab/routes.ts'
import type { TestLab } from './lab.ts'
import { eventually } from './lab.ts'

/** Every pod reaches every pod, node and outside host, and every outside host every pod and node, in both families. */
export async function everyPairReaches(t: Test, lab: TestLab): Promise<void> {
  const probes = await lab.probe()
  const pods = lab.topology.pods.length
  const families = Object.values(lab.addresses(lab.topology.pods[0].name)).filter(Boolean).length
  t.ok(probes.length >= families * pods * (pods - 1), `${probes.length} pings`)
  t.same(lossText(probes), [], 'every ping is answered')
}

/** The blocks of every node, as its daemon says. */
export async function blocksOf(lab: TestLab): Promise<ReadonlyMap<string, readonly string[]>> {
  const statuses = await Promise.all(lab.nodes.map(node => lab.ask(node, '/v1/status', {})))
  return new Map(statuses.map(status => [status.node, status.blocks]))
}

const ours = (routes: readonly KernelRoute[]): readonly KernelRoute[] => routes.filter(route => route.protocol === '81')

/**
 * A node's kernel holds the other nodes' blocks with the next hop that `via` tells, an unreachable route for each own block, a host route
 * for each address of a local pod, no other route of ours to a pod, and no bridge.
 */
export async function kernelIsRight(
  t: Test,
  lab: TestLab,
  node: string,
  via: (other: string, family: 'ipv4' | 'ipv6') => string | undefined,
): Promise<void> {
  const blocks = await blocksOf(lab)
  const routes = ours(await lab.routes(node))
  const find = (dst: string): KernelRoute | undefined => routes.find(route => route.dst === dst)

  for (const [other, list] of blocks)
    for (const block of list) {
      const family = block.includes(':') ? 'ipv6' : 'ipv4'
      if (other === node)
        t.equal(find(block)?.type, 'unreachable', `${node}: own block ${block} is unreachable but for its pods`)
      else t.equal(find(block)?.gateway, via(other, family), `${node}: ${block} of ${other} via ${via(other, family)}`)
    }
  for (const pod of lab.topology.pods.filter(pod => pod.node === node)) {
    const { ipv4, ipv6 } = lab.addresses(pod.name)
    t.match(find(`${ipv4}/32`), { dev: String }, `${node}: ${pod.name} has a /32`)
    t.match(find(`${ipv6}/128`), { dev: String }, `${node}: ${pod.name} has a /128`)
  }
  const hosts = routes.filter(route => /\/(32|128)$/.test(route.dst))
  t.equal(
    hosts.length,
    2 * lab.topology.pods.filter(pod => pod.node === node).length,
    `${node}: no host route but its pods'`,
  )
  t.same(await bridges(lab, node), [], `${node}: no bridge`)
}

async function bridges(lab: TestLab, host: string): Promise<unknown[]> {
  return JSON.parse((await lab.exec(host, 'ip', '-json', 'link', 'show', 'type', 'bridge')) || '[]') as unknown[]
}

/** Names of a host's veth devices, its uplinks left out. */
export async function podDevices(lab: TestLab, node: string): Promise<readonly string[]> {
  const links = JSON.parse((await lab.exec(node, 'ip', '-json', 'link', 'show', 'type', 'veth')) || '[]') as {
    ifname: string
  }[]
  return links.map(link => link.ifname).filter(name => !/^eth\d+$/.test(name))
}

/** Every block of every node stands in a router's own table. */
export async function routerHasBlocks(t: Test, lab: TestLab, router: string): Promise<void> {
  const { kind } = lab.topology.routers.find(each => each.host === router)!
  const show = async (): Promise<string> =>
    kind === 'bird'
      ? lab.exec(router, 'birdc', 'show', 'route')
      : (await lab.exec(router, 'vtysh', '-c', 'show ip route bgp')) +
        (await lab.exec(router, 'vtysh', '-c', 'show ipv6 route bgp'))
  const blocks = [...(await blocksOf(lab)).values()].flat()
  await eventually(`${router} has ${blocks.join(', ')}`, async () => {
    const table = await show()
    return blocks.every(block => table.includes(block))
  })
  t.pass(`${router} lists every block`)
}

/** A pod that is deleted takes its routes, its device and its addresses along; one that is added gets all of them. */
export async function podsComeAndGo(t: Test, lab: TestLab, node: string): Promise<void> {
  const [pod] = lab.topology.pods.filter(each => each.node === node)
  const { ipv4, ipv6 } = lab.addresses(pod.name)
  const devices = await podDevices(lab, node)
  await lab.removePod(pod.name)
  const after = (await lab.routes(node)).map(route => route.dst)
  t.notOk(after.includes(`${ipv4}/32`), 'the /32 is gone')
  t.notOk(after.includes(`${ipv6}/128`), 'the /128 is gone')
  t.equal((await podDevices(lab, node)).length, devices.length - 1, 'the device is gone')
  const given = (await lab.ask(node, '/v1/ipam', {})).addresses.map(({ address }) => address)
  t.notOk(given.includes(ipv4!), 'the IPv4 address is free')
  t.notOk(given.includes(ipv6!), 'the IPv6 address is free')

  await lab.addPod(node, 'late')
  const late = lab.addresses('late')
  t.ok(
    (await lab.routes(node)).some(route => route.dst === `${late.ipv4}/32`),
    'the new pod has a /32',
  )
  await everyPairReaches(t, lab)
}
