// From a BGP next hop to a gateway on a link (design §2, "Next-hop rules").
//
// A next hop is usable if it lies on a connected subnet, or behind a route of somebody else whose gateway is on a link.
// Never through a BGP route of ours, and through a default route only where that is allowed.

import { contains, formatAddress, isLinkLocal } from '../../inet/index.ts'
import type { Address } from '../../inet/index.ts'
import type { NextHop } from '../model/fib.ts'
import { parseScopedAddress } from './facts-index.ts'
import type { FactsIndex } from './facts-index.ts'

export type Resolution =
  | {
      readonly usable: true
      readonly hop: NextHop
      readonly metric: number
      /** Only a default route leads there: good enough for a tunnel's outer packets, not for packets of pods. */
      readonly byDefault?: true
    }
  | { readonly usable: false; readonly reason: string }

export interface ResolveOptions {
  /** A next hop that only the default route reaches counts as reachable. */
  readonly throughDefault: boolean
  /** Far ends of tunnels: the default route may lead to them. */
  readonly tunnelled?: ReadonlySet<string>
}

/** Where packets for `nextHop` (text, `fe80::1%eth0` for link-local ones) leave this node. The metric is 0 on a connected subnet. */
export function resolveNextHop(nextHop: string, facts: FactsIndex, options: ResolveOptions): Resolution {
  const scoped = parseScopedAddress(nextHop)
  if (!scoped) return unusable(`next hop ${nextHop} is no address`)
  const { address, zone } = scoped
  const text = formatAddress(address)
  if (!isForwardable(address)) return unusable(`next hop ${text} is no address that a router can have`)
  if (facts.isOwnAddress(address)) return unusable(`next hop ${text} is this node's own address`)
  if (isLinkLocal(address)) return onLink(text, zone, facts)

  const found = facts.routeTo(address)
  if (!found) return unusable(`no route to next hop ${text}`)
  const { prefix, route } = found
  const byDefault = prefix.length === 0 && !options.throughDefault
  if (byDefault && !options.tunnelled?.has(text)) {
    return unusable(`next hop ${text} is reached only by the default route, which BGP routes do not use`)
  }
  if (route.device === undefined) return unusable(`the route to next hop ${text} (${route.prefix}) leads to no device`)
  if (route.connected) return { usable: true, hop: { gateway: text, device: route.device }, metric: 0 }
  if (route.gateway === undefined) {
    return unusable(`the route to next hop ${text} (${route.prefix}) has neither gateway nor connected subnet`)
  }
  return {
    usable: true,
    hop: throughGateway(route.gateway, route.device, facts),
    metric: Math.max(1, route.metric),
    ...(byDefault && { byDefault }),
  }
}

function onLink(text: string, zone: string | undefined, facts: FactsIndex): Resolution {
  if (zone === undefined) return unusable(`next hop ${text} is link-local and the session names no device`)
  if (!facts.isUsable(zone)) return unusable(`device ${zone} of next hop ${text} is down or missing`)
  return { usable: true, hop: { gateway: text, device: zone }, metric: 0 }
}

/** The kernel wants `onlink` for a gateway that no connected subnet of the device holds. */
function throughGateway(gateway: string, device: string, facts: FactsIndex): NextHop {
  const address = parseScopedAddress(gateway)?.address
  if (!address || isLinkLocal(address)) return { gateway, device }
  const onSubnet = facts.connected.some(({ prefix, route }) => route.device === device && contains(prefix, address))
  return onSubnet
    ? { gateway: formatAddress(address), device }
    : { gateway: formatAddress(address), device, onlink: true }
}

/** Not unspecified, loopback, multicast or limited broadcast. */
function isForwardable({ family, octets }: Address): boolean {
  if (family === 4) return octets[0] !== 0 && octets[0] !== 127 && octets[0] < 224
  return octets[0] !== 0xff && octets.subarray(0, 15).some(octet => octet !== 0)
}

function unusable(reason: string): Resolution {
  return { usable: false, reason }
}
