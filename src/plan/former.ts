// Addresses that nodes had until lately. While a node moves from one to another, the others know of it sooner or later, so everybody
// takes packets from both, and sends to either, until the change is everywhere.

import { familyOf, formatAddress, parseInterfaceAddress } from '../../inet/index.ts'
import type { NodeResource } from '../resources/index.ts'
import { perObject } from './memo.ts'

export interface FormerAddress {
  /** Name of the node. */
  readonly node: string
  readonly address: string
  /** The node itself goes on sending from it: others may not have heard of the new one. */
  readonly inUse?: boolean
}

/** What nodes had before and have no more. A node that is gone has moved nowhere. */
export function movedAddresses(
  before: readonly NodeResource[],
  after: readonly NodeResource[],
): readonly FormerAddress[] {
  const changed = new Set(before).difference(new Set(after))
  if (changed.size === 0) return []
  const taken = new Set(after.flatMap(addressesOf))
  const byName = new Map(after.map(node => [node.metadata.name, node]))
  return [...changed].flatMap(node => {
    const now = byName.get(node.metadata.name)
    if (!now) return []
    const families = new Set(addressesOf(now).map(familyOf))
    return addressesOf(node)
      .filter(address => !taken.has(address) && families.has(familyOf(address)))
      .map(address => ({ node: node.metadata.name, address }))
  })
}

export const addressesOf = perObject(({ spec }: NodeResource): readonly string[] =>
  [spec.bgp?.ipv4Address, spec.bgp?.ipv6Address].flatMap(text => {
    const own = text === undefined ? undefined : parseInterfaceAddress(text)
    return own ? [formatAddress(own.address)] : []
  }),
)
