// Whether a pod may send from its own addresses only. It may, unless its network says `sourceCheck: false`: a router, a gateway, a pod
// with an address that it shares with others.
//
// Two look at it: the node's packet filter (docs/packet-filter.md) and, for IPv4, the kernel by rp_filter of the host end.

import type { Endpoint } from '../../model/endpoint.ts'
import type { Kernel } from '../kernel.ts'

/** Off, strict, loose: Documentation/networking/ip-sysctl. */
export type ReversePathFilter = '0' | '1' | '2'

/** Host ends of the pods that may send from any address, sorted. */
export function uncheckedDevices(endpoints: Iterable<Endpoint>): readonly string[] {
  return [...endpoints]
    .filter(endpoint => endpoint.sourceCheck === false)
    .map(endpoint => endpoint.hostDevice)
    .toSorted()
}

/** What the host end tells of a pod whose record was lost: a setting of it that only margayd writes. Undefined: it has the check, or none is told. */
export async function sourceCheckOf(
  kernel: Kernel,
  { hostDevice, addresses }: Pick<Endpoint, 'hostDevice' | 'addresses'>,
): Promise<false | undefined> {
  if (addresses.every(address => address.includes(':'))) return undefined
  const names = [`net/ipv4/conf/${hostDevice}/rp_filter`, 'net/ipv4/conf/all/rp_filter'] as const
  const [own, all] = await kernel.readSysctls(names)
  return own === (all === '1' ? '2' : '0') ? false : undefined
}

/** The kernel takes the greater of a device's value and that of `all`: where that is strict, loose is the least that can be had. */
export async function reversePathFilter(kernel: Kernel, { sourceCheck }: Endpoint): Promise<ReversePathFilter> {
  if (sourceCheck !== false) return '1'
  const [all] = await kernel.readSysctls(['net/ipv4/conf/all/rp_filter'])
  return all === '1' ? '2' : '0'
}
