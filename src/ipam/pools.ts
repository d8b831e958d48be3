// Which pools a node may take addresses from.

import { type IpFamily, parseAddress, parsePrefix, type Prefix, prefixOf } from '../../inet/index.ts'
import { type IPPoolResource, type Labels, selects } from '../resources/index.ts'

/** Enabled, of the family, and for a node with these labels; by name. */
export function poolsFor(
  family: IpFamily,
  pools: readonly IPPoolResource[],
  labels: Labels,
): readonly IPPoolResource[] {
  return pools
    .filter(pool => !pool.spec.disabled && rangeOf(pool).family === family && selects(pool.spec.nodeSelector, labels))
    .toSorted((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1))
}

export function rangeOf(pool: IPPoolResource): Prefix {
  const range = parsePrefix(pool.spec.cidr)
  if (!range) throw new Error(`pool ${pool.metadata.name} has the CIDR ${pool.spec.cidr}, which is none`)
  return range
}

/** The block of the pool that holds an address of its range. */
export function blockAround(text: string, pool: IPPoolResource): Prefix {
  const address = parseAddress(text)
  if (!address) throw new Error(`${text} is no address`)
  return prefixOf(address, pool.spec.blockSize)
}
