// Makes and removes a lab's namespaces, bridges, links and addresses: named namespaces by iproute2 (they are mounts), all the
// rest by netlink-ts.

import { existsSync, readdirSync } from 'node:fs'
import { type Operation, open, type Rtnetlink, type Sysctl, writeSysctls } from '../../netlink/index.ts'
import { netnsPath } from './processes.ts'
import { run } from './run.ts'
import { bare, type Addresses, type Host, type HostLink, namespacesOf, type Topology } from './topology.ts'

/** Makes all namespaces, then the subnets, then what is in each host. Rejects with what the kernel refused. */
export async function makeNetwork(topology: Topology): Promise<void> {
  await ipBatch(namespacesOf(topology).map(netns => `netns add ${netns}`))
  await within(topology.switch.netns, netlink => makeSubnets(netlink, topology))
  await Promise.all([
    ...topology.hosts.map(host => makeHost(host)),
    ...topology.pods.map(pod => within(pod.netns, netlink => raiseLoopback(netlink))),
  ])
}

/** A namespace for a pod, with its loopback up, as a runtime hands it to CNI. */
export async function makePodNamespace(netns: string): Promise<void> {
  await ipBatch([`netns add ${netns}`])
  await within(netns, netlink => raiseLoopback(netlink))
}

/** Removes namespaces that exist; the links in them go along. */
export async function removeNamespaces(namespaces: readonly string[]): Promise<void> {
  const there = namespaces.filter(netns => existsSync(netnsPath(netns)))
  if (there.length > 0) await ipBatch(there.map(netns => `netns del ${netns}`))
}

/** Names of the namespaces that exist, whoever made them. */
export function namespacesThere(): readonly string[] {
  return existsSync('/run/netns') ? readdirSync('/run/netns') : []
}

/** A bridge per subnet, and a veth pair per interface with its other end in the host's namespace. */
async function makeSubnets(netlink: Rtnetlink, topology: Topology): Promise<void> {
  const links = topology.hosts.flatMap(host => host.links.map(link => ({ ...link, netns: netnsPath(host.netns) })))
  await apply(netlink, [
    ...topology.switch.bridges.map((name): Operation => ({ do: 'link.add', link: { kind: 'bridge', name, up: true } })),
    ...links.map(({ port, device, netns }): Operation => ({
      do: 'link.add',
      link: { kind: 'veth', name: port, up: true, peer: { name: device, netns } },
    })),
  ])
  const indices = new Map((await netlink.links()).map(link => [link.name, link.index]))
  const index = (name: string): number => indices.get(name) ?? 0
  await apply(
    netlink,
    links.map(({ port, bridge }): Operation => ({
      do: 'link.set',
      link: index(port),
      change: { master: index(bridge) },
    })),
  )
}

async function makeHost(host: Host): Promise<void> {
  const refused = await writeSysctls(netnsPath(host.netns), sysctlsOf(host))
  if (refused.length > 0) throw refused[0]
  await within(host.netns, async netlink => {
    await raiseLoopback(netlink, host.loopback)
    for (const link of host.links) await configure(netlink, link)
    const gateways = Object.values(bare(host.gateway)).filter(gateway => gateway !== undefined)
    await apply(
      netlink,
      gateways.map(gateway => ({
        do: 'route.add',
        route: { dst: gateway.includes(':') ? '::/0' : '0.0.0.0/0', nextHops: [{ gateway }] },
      })),
    )
  })
}

async function configure(netlink: Rtnetlink, { device, ipv4, ipv6 }: HostLink): Promise<void> {
  const index = (await netlink.link(device))?.index ?? 0
  await apply(netlink, [...addressesOf(index, { ipv4, ipv6 }), { do: 'link.set', link: index, change: { up: true } }])
}

const addressesOf = (link: number, { ipv4, ipv6 }: Addresses): Operation[] =>
  [ipv4, ipv6].flatMap((cidr): Operation[] =>
    cidr ? [{ do: 'address.add', address: { link, cidr, scope: 'universe', noDad: true } }] : [],
  )

async function raiseLoopback(netlink: Rtnetlink, addresses: Addresses = {}): Promise<void> {
  const index = (await netlink.link('lo'))?.index ?? 1
  await apply(netlink, [{ do: 'link.set', link: index, change: { up: true } }, ...addressesOf(index, addresses)])
}

/** Duplicate address detection is off: it would hold every IPv6 address for a second. */
function sysctlsOf(host: Host): readonly Sysctl[] {
  const settings: readonly (readonly [string, number])[] = [
    ['ipv6/conf/all/disable_ipv6', 0],
    ['ipv6/conf/default/disable_ipv6', 0],
    ['ipv6/conf/default/accept_dad', 0],
    ['ipv6/conf/default/accept_ra', 0],
    ...host.links.flatMap(({ device }): [string, number][] => [
      [`ipv6/conf/${device}/accept_dad`, 0],
      [`ipv6/conf/${device}/accept_ra`, 0],
    ]),
    ...(host.role === 'router' ? routerSysctls : []),
  ]
  return settings.map(([name, value]) => ({ name: `net/${name}`, value }))
}

const routerSysctls: readonly (readonly [string, number])[] = [
  ['ipv4/ip_forward', 1],
  ['ipv6/conf/all/forwarding', 1],
  ['ipv4/conf/all/rp_filter', 0],
  ['ipv4/conf/default/rp_filter', 0],
  ['ipv4/fib_multipath_hash_policy', 1],
  ['ipv6/fib_multipath_hash_policy', 1],
]

async function within(netns: string, work: (netlink: Rtnetlink) => Promise<void>): Promise<void> {
  const netlink = await open({ netns: netnsPath(netns) })
  try {
    await work(netlink)
  } finally {
    await netlink.close()
  }
}

/** All or an error that says which. */
async function apply(netlink: Rtnetlink, operations: readonly Operation[]): Promise<void> {
  const results = await netlink.apply(operations)
  for (const [i, result] of results.entries())
    if (!result.ok)
      throw new Error(`the kernel refused ${JSON.stringify(operations[i])}: ${result.text} (${result.errno})`)
}

const ipBatch = (commands: readonly string[]): Promise<string> =>
  run(['ip', '-batch', '-'], { input: `${commands.join('\n')}\n` })
