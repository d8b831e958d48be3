// Who takes part in a reachability matrix: pods with the addresses that CNI gave them, nodes, outside hosts.

import { CniRunner } from './cni-runner.ts'
import type { Party } from './reach.ts'
import type { LabDir } from './state.ts'
import { bare, ownAddresses, type Addresses, type Topology } from './topology.ts'

export interface Parties {
  /** Pods and outside hosts. */
  readonly sources: readonly Party[]
  /** Pods, outside hosts and nodes. */
  readonly targets: readonly Party[]
}

export function partiesOf(lab: LabDir, topology: Topology): Parties {
  const pods = topology.pods.map((pod): Party => ({
    name: pod.name,
    role: 'pod',
    netns: pod.netns,
    ...podAddresses(lab, pod.node, pod.name),
  }))
  const hosts = topology.hosts.flatMap((host): Party[] =>
    host.role === 'router'
      ? []
      : [{ name: host.name, role: host.role, netns: host.netns, ...bare(ownAddresses(host)) }],
  )
  const outside = hosts.filter(host => host.role === 'outside')
  return {
    sources: [...pods, ...outside],
    targets: [...pods, ...outside, ...hosts.filter(host => host.role === 'node')],
  }
}

/** From the cached CNI result; empty if the pod is not attached. */
export function podAddresses(lab: LabDir, node: string, pod: string): Addresses {
  const ips = CniRunner.recorded(lab.cniOf(node), pod)?.result?.ips ?? []
  const all = ips.map(ip => ip.address.split('/')[0])
  return { ipv4: all.find(address => !address.includes(':')), ipv6: all.find(address => address.includes(':')) }
}
