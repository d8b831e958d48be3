// Makes and removes a lab's namespaces, bridges, links and addresses.

import { bare, type Host, namespacesOf, type Topology } from './topology.ts'
import { inNamespace, netnsPath } from './processes.ts'
import { run } from './run.ts'
import { readdirSync, existsSync } from 'node:fs'

/** Makes all namespaces, then the subnets, then each host's addresses. Rejects with `RunError`. */
export async function makeNetwork(topology: Topology): Promise<void> {
  await ipBatch(namespacesOf(topology).map(netns => `netns add ${netns}`))
  await ipBatch(switchCommands(topology), topology.switch.netns)
  await Promise.all([
    ...topology.hosts.map(host => shell(host.netns, hostScript(host))),
    ...topology.pods.map(pod => ipBatch(['link set lo up'], pod.netns)),
  ])
}

/** A namespace for a pod, with its loopback up, as a runtime hands it to CNI. */
export async function makePodNamespace(netns: string): Promise<void> {
  await ipBatch([`netns add ${netns}`])
  await ipBatch(['link set lo up'], netns)
}

/** Removes namespaces that exist; the links in them go along. */
export async function removeNamespaces(namespaces: readonly string[]): Promise<void> {
  const there = namespaces.filter(netns => existsSync(netnsPath(netns)))
  if (there.length > 0) await ipBatch(there.map(netns => `netns del ${netns}`))
}

export function namespacesThere(): readonly string[] {
  return existsSync('/run/netns') ? readdirSync('/run/netns') : []
}

function switchCommands(topology: Topology): string[] {
  return [
    ...topology.switch.bridges.flatMap(bridge => [
      `link add ${bridge} type bridge mcast_snooping 0`,
      `link set ${bridge} up`,
    ]),
    ...topology.hosts.flatMap(host =>
      host.links.flatMap(link => [
        `link add ${link.port} type veth peer name ${link.device} netns ${host.netns}`,
        `link set ${link.port} master ${link.bridge} up`,
      ]),
    ),
  ]
}

/** Loopback, sysctls, links and addresses. Duplicate address detection is off: it would hold every IPv6 address for a second. */
function hostScript(host: Host): string {
  const sysctls = [
    ['ipv6/conf/all/disable_ipv6', 0],
    ['ipv6/conf/default/disable_ipv6', 0],
    ['ipv6/conf/default/accept_dad', 0],
    ['ipv6/conf/all/accept_ra', 0],
    ['ipv6/conf/default/accept_ra', 0],
    ...host.links.map(link => [`ipv6/conf/${link.device}/accept_dad`, 0]),
    ...(host.role === 'router' ? routerSysctls : []),
  ]
  const commands = [
    'link set lo up',
    ...host.links.flatMap(link => [
      ...(link.ipv4 ? [`address add ${link.ipv4} brd + dev ${link.device}`] : []),
      ...(link.ipv6 ? [`address add ${link.ipv6} dev ${link.device} nodad`] : []),
      `link set ${link.device} up`,
    ]),
    ...Object.values(bare(host.gateway)).flatMap(gateway => (gateway ? [`route add default via ${gateway}`] : [])),
  ]
  return [
    ...sysctls.map(([key, value]) => `echo ${value} > /proc/sys/net/${key}`),
    `ip -batch - <<'END'`,
    ...commands,
    'END',
  ].join('\n')
}

const routerSysctls: readonly (readonly [string, number])[] = [
  ['ipv4/ip_forward', 1],
  ['ipv6/conf/all/forwarding', 1],
  ['ipv4/conf/all/rp_filter', 0],
  ['ipv4/conf/default/rp_filter', 0],
  ['ipv4/fib_multipath_hash_policy', 1],
  ['ipv6/fib_multipath_hash_policy', 1],
]

const ipBatch = (commands: readonly string[], netns?: string): Promise<string> =>
  run(['ip', ...(netns ? ['-netns', netns] : []), '-batch', '-'], { input: `${commands.join('\n')}\n` })

const shell = (netns: string, script: string): Promise<string> =>
  run([...inNamespace(netns, ['sh', '-e', '-c', script])])
