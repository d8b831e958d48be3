// What the packet filter of a node shall do, out of the pools and the nodes: the same on every node
// but for the tunnels it has.
//
// A packet is masqueraded if its source is in a pool with natOutgoing and its destination is neither in any pool nor a node, nor in
// what that pool excludes. Calico's users name such a network by a disabled pool: that works, too, for all pools at once.

import { comparePrefixes, formatPrefix, hostPrefix, parseInterfaceAddress, parsePrefix } from '../../inet/index.ts'
import type { Prefix } from '../../inet/index.ts'
import type { FilterRules } from '../model/intent.ts'
import type { Tunnel } from '../model/tunnel.ts'
import type { IPPoolResource, NodeResource } from '../resources/index.ts'
import type { FormerAddress } from './former.ts'
import { perElement, perObject, perPair } from './memo.ts'

export function planFilters(
  pools: readonly IPPoolResource[],
  nodes: readonly NodeResource[],
  tunnels: readonly Tunnel[],
  former: readonly FormerAddress[] = [],
): FilterRules | undefined {
  if (pools.length === 0) return undefined
  const ranges = (chosen: readonly IPPoolResource[]): readonly string[] =>
    prefixesOf(chosen.map(pool => pool.spec.cidr))
  return {
    masquerade: ranges(pools.filter(pool => pool.spec.natOutgoing)),
    exclusions: exclusionsOf(pools.filter(pool => pool.spec.natOutgoing)),
    pools: ranges(pools),
    nodes: hostsOf(addressesOf(nodes), former),
    tunnels: tunnels.map(({ kind, family }) => ({ kind, family })),
  }
}

function exclusionsOf(pools: readonly IPPoolResource[]): FilterRules['exclusions'] {
  const found = pools.flatMap(({ spec }) => {
    const destinations = prefixesOf(spec.natOutgoingExclusions ?? [])
    return destinations.length > 0 ? [{ cidr: spec.cidr, destinations }] : []
  })
  return [...Map.groupBy(found, ({ destinations }) => destinations.join()).values()]
    .map(group => ({ pools: prefixesOf(group.map(({ cidr }) => cidr)), destinations: group[0].destinations }))
    .toSorted((a, b) => (a.pools[0] < b.pools[0] ? -1 : 1))
}

function prefixesOf(texts: readonly string[]): readonly string[] {
  return sorted(texts.flatMap(text => parsePrefix(text) ?? []))
}

/** Of the nodes and what they had until lately, each once. */
const hostsOf = perPair(
  (nodes: readonly (readonly Prefix[])[], former: readonly FormerAddress[]): readonly string[] => [
    ...new Set(sorted([...nodes.flat(), ...former.flatMap(({ address }) => parsePrefix(address) ?? [])])),
  ],
)

const addressesOf = perElement(({ spec }: NodeResource): readonly Prefix[] =>
  [spec.bgp?.ipv4Address, spec.bgp?.ipv6Address].flatMap(text => {
    const own = text === undefined ? undefined : parseInterfaceAddress(text)
    return own ? [hostPrefix(own.address)] : []
  }),
)

function sorted(prefixes: readonly Prefix[]): readonly string[] {
  return prefixes.toSorted(comparePrefixes).map(textOf)
}

const textOf = perObject(formatPrefix)
