// Settings of the node as a whole: it forwards, and it spreads flows over the links that carry.
//
// Forwarding makes a node deaf to router advertisements unless accept_ra is 2 (Documentation/networking/ip-sysctl), and
// one whose default route comes that way would lose it; so that is seen to first.

import { ensureSysctls, type Kernel, type Sysctl } from './kernel.ts'

export interface NodeSetup {
  /** What was changed, with the values before, in the order in which to write them back. */
  readonly previous: readonly Sysctl[]
  /** Sentences for what the kernel refused. */
  readonly problems: readonly string[]
}

/** What the node needs. `fabric`: names of the devices that lead to the fabric, for ECMP on carrier loss. */
export function nodeSettings(fabric: readonly string[]): readonly Sysctl[] {
  return [
    ...fabric.map(
      device => ({ name: `net/ipv6/conf/${device}/accept_ra`, value: '2', only: '1', optional: true }) as const,
    ),
    { name: 'net/ipv4/ip_forward', value: '1' },
    { name: 'net/ipv6/conf/all/forwarding', value: '1', optional: true },
    { name: 'net/ipv4/fib_multipath_hash_policy', value: '1' },
    { name: 'net/ipv6/fib_multipath_hash_policy', value: '1', optional: true },
    ...fabric.flatMap(
      device =>
        [
          { name: `net/ipv4/conf/${device}/ignore_routes_with_linkdown`, value: '1' },
          { name: `net/ipv6/conf/${device}/ignore_routes_with_linkdown`, value: '1', optional: true },
        ] as const,
    ),
  ]
}

/** Prepares the node; may be repeated. */
export async function setUpNode(kernel: Kernel, settings: readonly Sysctl[]): Promise<NodeSetup> {
  const done = await ensureSysctls(kernel, settings)
  return { previous: done.previous.toReversed(), problems: done.failed }
}

/** Writes back what `setUpNode` changed. Returns sentences for what could not be. */
export function restoreNode(kernel: Kernel, previous: readonly Sysctl[]): Promise<readonly string[]> {
  return kernel.writeSysctls(previous)
}
