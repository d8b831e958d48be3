// Settings of the node as a whole: it forwards, takes what comes by whatever link, and spreads flows over the links that carry.
//
// Forwarding makes a node deaf to router advertisements unless accept_ra is 2 (Documentation/networking/ip-sysctl), and
// one whose default route comes that way would lose it; so that is seen to first.

import { tunnelDevices } from '../model/tunnel.ts'
import { ensureSysctls, type Kernel, type Sysctl } from './kernel.ts'
import { reversePathOfNode } from './reverse-path.ts'

export interface NodeSetup {
  /** What has to stay so. */
  readonly settings: readonly Sysctl[]
  /** What was changed, with the values before, in the order in which to write them back. */
  readonly previous: readonly Sysctl[]
  /** Sentences for what the kernel refused. */
  readonly problems: readonly string[]
}

/** The devices that lead to the fabric, by name. */
export interface FabricDevices {
  readonly all: readonly string[]
  /** Those of them without an IPv4 address of their own. */
  readonly unaddressed?: readonly string[]
}

/** What the node needs. `isStrict`: the whole node has a strict reverse-path filter. */
export function nodeSettings(fabric: FabricDevices, isStrict: boolean): readonly Sysctl[] {
  return [...wholeNode(fabric.all), ...onWay(fabric.all, isStrict, fabric.unaddressed), ...onTunnels(isStrict)]
}

function wholeNode(fabric: readonly string[]): readonly Sysctl[] {
  return [
    ...fabric.map(
      device => ({ name: `net/ipv6/conf/${device}/accept_ra`, value: '2', only: '1', optional: true }) as const,
    ),
    { name: 'net/ipv4/ip_forward', value: '1' },
    { name: 'net/ipv6/conf/all/forwarding', value: '1', optional: true },
    { name: 'net/ipv4/fib_multipath_hash_policy', value: '1' },
    { name: 'net/ipv6/fib_multipath_hash_policy', value: '1', optional: true },
    // Of several next hops, those that do not answer ARP are passed over. IPv6 has no such thing on a node that forwards.
    { name: 'net/ipv4/fib_multipath_use_neigh', value: '1', optional: true },
    ...fabric.flatMap(
      device =>
        [
          { name: `net/ipv4/conf/${device}/ignore_routes_with_linkdown`, value: '1' },
          { name: `net/ipv6/conf/${device}/ignore_routes_with_linkdown`, value: '1', optional: true },
        ] as const,
    ),
  ]
}

/**
 * Of devices that packets of pods come by. Network managers turn forwarding off link by link; IPv6 forwards as the whole node does. A
 * strict reverse-path filter drops what comes by another way than the one back, as it does while an encapsulation is switched and
 * where paths differ by direction: loose then (RFC 3704 §2.4; the greater of the node's and the device's counts). On a device without
 * an IPv4 address the kernel takes loose for strict (net/ipv4/fib_frontend.c), so it has to be off.
 */
function onWay(devices: readonly string[], isStrict: boolean, unaddressed: readonly string[] = []): readonly Sysctl[] {
  return devices.flatMap(device => {
    const filter = unaddressed.includes(device)
      ? { value: '0' }
      : { value: '2', ...(!isStrict && ({ only: '1' } as const)) }
    return [
      { name: `net/ipv4/conf/${device}/forwarding`, value: '1', optional: true },
      { name: `net/ipv4/conf/${device}/rp_filter`, optional: true, ...filter },
    ] as const
  })
}

/** Ours alone, and so without a way back. IPv6 that is switched off on a device takes its address and its routes along. */
function onTunnels(isStrict: boolean): readonly Sysctl[] {
  const carriesIpv6 = tunnelDevices.filter(device => device.endsWith('6'))
  return [
    ...onWay(tunnelDevices, isStrict),
    ...carriesIpv6.map(
      device => ({ name: `net/ipv6/conf/${device}/disable_ipv6`, value: '0', optional: true }) as const,
    ),
  ]
}

/** Prepares the node; may be repeated. */
export async function setUpNode(kernel: Kernel, fabric: FabricDevices): Promise<NodeSetup> {
  const isStrict = (await kernel.readSysctls([reversePathOfNode]))[0] === '1'
  const node = await ensureSysctls(kernel, wholeNode(fabric.all))
  // The kernel sets links as it sets the node: what differs now was meant so, and is as it was again after a reset.
  const links = await ensureSysctls(kernel, onWay(fabric.all, isStrict, fabric.unaddressed))
  const own = await ensureSysctls(kernel, onTunnels(isStrict))
  return {
    settings: nodeSettings(fabric, isStrict),
    previous: [...node.previous, ...links.previous].toReversed(),
    problems: [...node.failed, ...links.failed, ...own.failed],
  }
}

/** Writes back what `setUpNode` changed. Returns sentences for what could not be. */
export function restoreNode(kernel: Kernel, previous: readonly Sysctl[]): Promise<readonly string[]> {
  return kernel.writeSysctls(previous)
}
