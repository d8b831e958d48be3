// What a pod's attachment consists of, as data: settings and netlink messages for either end.
//
// The pod's gateway is 169.254.1.1, an address that no device has: a permanent neighbour entry in the pod maps it to the
// host end's fixed MAC, so the pod never asks. Measured on Linux 6.18, a new pod's first echo to its node, median / worst:
//
//   permanent neighbour in the pod                       0.012 /   0.015 ms   works without a default route
//   169.254.1.1/32 on the host end                       0.024 /   0.030 ms   works, but see below
//   proxy_arp, node has a default route, proxy_delay 0   0.022 /   0.030 ms
//   the same with the kernel's proxy_delay             359     / 783     ms
//   proxy_arp, node without a default route              no answer
//
// An address on the host end becomes the source of what the node itself sends to the pod, and when it is removed the
// kernel flushes the pod's route; hence the neighbour entry.
// For IPv6 the gateway is the host end's own link-local address, which follows from the MAC and needs no duplicate check.

import { familyOf } from '../../../inet/index.ts'
import type { InterfaceAddress, Operation } from '../../../netlink/types.ts'
import { type Endpoint, type PodRoute, hostMac } from '../../model/endpoint.ts'
import type { FibEntry } from '../../model/fib.ts'
import type { Sysctl } from '../kernel.ts'
import { askedOf } from './asked-sysctls.ts'
import type { ReversePathFilter } from './source-check.ts'
import type { PodSources } from './sources.ts'

export const gateway4 = '169.254.1.1'
export const gateway6 = 'fe80::ecee:eeff:feee:eeee'

export interface Families {
  readonly v4: boolean
  readonly v6: boolean
}

export function familiesOf(addresses: readonly string[]): Families {
  return { v4: addresses.some(one => !one.includes(':')), v6: addresses.some(one => one.includes(':')) }
}

/** `10.42.0.5/32`, `fd00::5/128`: a pod shares its subnet with nobody. */
export function hostCidr(address: string): string {
  return address.includes(':') ? `${address}/128` : `${address}/32`
}

/** The node's routes to the pod. */
export function endpointRoutes(
  endpoint: { readonly addresses: readonly string[]; readonly hostDevice: string },
  sources: PodSources = {},
): FibEntry[] {
  return endpoint.addresses.map(address => {
    const source = address.includes(':') ? sources.v6 : sources.v4
    return {
      prefix: hostCidr(address),
      kind: 'unicast',
      nextHops: [{ device: endpoint.hostDevice }],
      ...(source !== undefined && { source }),
    }
  })
}

/** Of the host end. rp_filter: whether a pod may send from its own addresses only. accept_ra: no pod is a router for the node. */
export function hostSettings(device: string, { v4, v6 }: Families, rpFilter: ReversePathFilter = '1'): Sysctl[] {
  return [
    ...(v4
      ? ([
          { name: `net/ipv4/conf/${device}/forwarding`, value: '1' },
          { name: `net/ipv4/conf/${device}/rp_filter`, value: rpFilter },
          { name: `net/ipv4/conf/${device}/send_redirects`, value: '0' },
        ] as const)
      : []),
    ...(v6
      ? ([
          { name: `net/ipv6/conf/${device}/disable_ipv6`, value: '0' },
          { name: `net/ipv6/conf/${device}/accept_dad`, value: '0' },
          { name: `net/ipv6/conf/${device}/forwarding`, value: '1' },
        ] as const)
      : []),
    { name: `net/ipv6/conf/${device}/accept_ra`, value: '0', optional: true },
  ]
}

/** The same for a host end that was just made: what netlink can set, and what is left to be written. */
export function hostStart(device: string, families: Families, rpFilter: ReversePathFilter) {
  const ipv4 = { forwarding: true, reversePathFilter: Number(rpFilter), sendRedirects: false }
  const files = hostSettings(device, { ...families, v4: false })
  return { ...(families.v4 && { change: { ipv4 } }), files }
}

/** What of an endpoint its pod's end is made from. */
export type PodEnd = Pick<Endpoint, 'addresses' | 'ifName' | 'routes' | 'sysctls' | 'withoutDefault'>

/**
 * Of the pod's namespace, before its end goes up: no forwarding (a new namespace inherits the node's), no address checks, and what was
 * asked for. A second interface leaves forwarding as it finds it.
 */
export function podSettings(endpoint: PodEnd, forwarding = !endpoint.withoutDefault?.includes(4)): Sysctl[] {
  const { addresses, ifName, sysctls = {} } = endpoint
  const { v4, v6 } = familiesOf(addresses)
  const own: readonly Sysctl[] = [
    ...(v4 && forwarding ? ([{ name: 'net/ipv4/ip_forward', value: '0' }] as const) : []),
    ...(v6
      ? ([
          { name: 'net/ipv6/conf/all/disable_ipv6', value: '0' },
          { name: 'net/ipv6/conf/default/disable_ipv6', value: '0' },
          { name: 'net/ipv6/conf/lo/disable_ipv6', value: '0' },
          { name: `net/ipv6/conf/${ifName}/disable_ipv6`, value: '0' },
          { name: `net/ipv6/conf/${ifName}/accept_dad`, value: '0' },
          { name: `net/ipv6/conf/${ifName}/accept_ra`, value: '0' },
        ] as const)
      : []),
  ]
  return [...own.filter(({ name }) => sysctls[name] === undefined), ...askedOf(endpoint)]
}

/** Brings the host end up. Its link-local address is set by hand: with stable-privacy addresses it would not follow the MAC. */
export function hostOperations(link: number, { v6 }: Families): Operation[] {
  return [{ do: 'link.set', link, change: { up: true } }, ...(v6 ? [gatewayOperation(link)] : [])]
}

export function gatewayOperation(link: number): Operation {
  const address: InterfaceAddress = { link, cidr: `${gateway6}/64`, scope: 'link', noDad: true }
  return { do: 'address.replace', address }
}

const everything = { 4: '0.0.0.0/0', 6: '::/0' } as const
const gateways = { 4: gateway4, 6: gateway6 } as const

/** The pod's routes by this interface, all of them by the gateway: the default routes, unless another interface has them, and more. */
export function podRoutes({ addresses, routes = [], withoutDefault = [] }: PodEnd): readonly PodRoute[] {
  const { v4, v6 } = familiesOf(addresses)
  const families = [...(v4 ? [4 as const] : []), ...(v6 ? [6 as const] : [])]
  const defaults = families
    .filter(family => !withoutDefault.includes(family))
    .map(family => everything[family])
    .filter(dst => !routes.some(route => route.dst === dst))
  return [...defaults.map(dst => ({ dst })), ...routes]
}

/** As CNI tells of them. */
export function shownRoutes(endpoint: PodEnd) {
  return podRoutes(endpoint).map(({ dst, mtu, metric }) => ({
    dst,
    gw: gatewayOf(dst),
    ...(mtu !== undefined && { mtu }),
    ...(metric !== undefined && { priority: metric }),
  }))
}

/** Whether the pod has a link route to its IPv4 gateway by this interface: two of them could not stand side by side. */
export function hasGatewayRoute({ addresses, withoutDefault }: PodEnd): boolean {
  return familiesOf(addresses).v4 && !withoutDefault?.includes(4)
}

/** Addresses, gateways and routes of the pod's end. */
export function podOperations(link: number, endpoint: PodEnd): Operation[] {
  const { v4, v6 } = familiesOf(endpoint.addresses)
  return [
    ...endpoint.addresses.map((address): Operation => ({
      do: 'address.add',
      address: { link, cidr: hostCidr(address), scope: 'universe', noDad: address.includes(':') },
    })),
    { do: 'link.set', link, change: { up: true } },
    ...(v4 ? [neighbourOperation(link, gateway4)] : []),
    ...(v6 ? [neighbourOperation(link, gateway6)] : []),
    ...(hasGatewayRoute(endpoint)
      ? ([{ do: 'route.add', route: { dst: `${gateway4}/32`, scope: 'link', nextHops: [{ link }] } }] as const)
      : []),
    ...podRoutes(endpoint).map(({ dst, mtu, metric }): Operation => {
      const onlink = familyOf(dst) === 4 && !hasGatewayRoute(endpoint)
      const nextHop = { link, gateway: gatewayOf(dst), ...(onlink && { onlink }) }
      const more = { ...(mtu !== undefined && { mtu }), ...(metric !== undefined && { metric }) }
      return { do: 'route.add', route: { dst, scope: 'universe', nextHops: [nextHop], ...more } }
    }),
  ]
}

function neighbourOperation(link: number, gateway: string): Operation {
  return { do: 'neighbour.replace', neighbour: { link, address: gateway, mac: hostMac, state: 'permanent' } }
}

/** A pod's next hop towards a prefix or address: its node. */
export const gatewayOf = (text: string): string => gateways[familyOf(text)]
