// Which pools a node may take addresses from.

import {
  contains,
  type IpFamily,
  overlaps,
  parseAddress,
  parsePrefix,
  type Prefix,
  prefixOf,
} from '../../inet/index.ts'
import { type IPPoolResource, type Labels, type PoolUse, selects } from '../resources/index.ts'

/** Who wants addresses. */
export interface Wanting {
  /** Of the node. */
  readonly labels: Labels
  readonly use: PoolUse
  /** Name of the pod's namespace; undefined: none, or not known. */
  readonly namespace?: string
  /** Only these, by name or CIDR; then also those with assignmentMode Manual. */
  readonly among?: readonly string[]
}

/** Enabled, of the family, and for whoever wants an address; in the order of `among`, else by name. */
export function poolsFor(
  family: IpFamily,
  pools: readonly IPPoolResource[],
  { labels, use, namespace, among }: Wanting,
): readonly IPPoolResource[] {
  const fits = ({ spec }: IPPoolResource): boolean =>
    !spec.disabled &&
    spec.allowedUses.includes(use) &&
    selects(spec.nodeSelector, labels) &&
    (use === 'Tunnel' || selects(spec.namespaceSelector, namespaceLabels(namespace)))
  const candidates = pools.filter(pool => rangeOf(pool).family === family && fits(pool))
  if (among) return among.flatMap(wanted => candidates.filter(pool => isCalled(pool, wanted)))
  return candidates
    .filter(({ spec }) => spec.assignmentMode === 'Automatic')
    .toSorted((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1))
}

/** Those that would be among them if they were not disabled. */
export function disabledFor(
  family: IpFamily,
  pools: readonly IPPoolResource[],
  wanting: Wanting,
): readonly IPPoolResource[] {
  const disabled = pools.filter(({ spec }) => spec.disabled)
  return poolsFor(
    family,
    disabled.map(pool => ({ ...pool, spec: { ...pool.spec, disabled: false } })),
    wanting,
  )
}

/**
 * Families that it gets an address of, or none at all: those with a pool for it. One whose pools are all disabled is among them, for its
 * address cannot be given; one whose pools are all Manual is not.
 */
export function familiesFor(pools: readonly IPPoolResource[], wanting: Wanting): readonly IpFamily[] {
  return ([4, 6] as const).filter(
    family => poolsFor(family, pools, wanting).length > 0 || disabledFor(family, pools, wanting).length > 0,
  )
}

/** The pool that a runtime means by its name or its range. */
export function isCalled({ metadata, spec }: IPPoolResource, wanted: string): boolean {
  return metadata.name === wanted || spec.cidr === wanted
}

function namespaceLabels(name: string | undefined): Labels {
  return name === undefined ? {} : { 'kubernetes.io/metadata.name': name, 'projectcalico.org/name': name }
}

export function rangeOf(pool: IPPoolResource): Prefix {
  const range = parsePrefix(pool.spec.cidr)
  if (!range) throw new Error(`pool ${pool.metadata.name} has the CIDR ${pool.spec.cidr}, which is none`)
  return range
}

/** How much of the range is taken, from 0 to 1. */
export function shareTaken(range: Prefix, taken: readonly Prefix[]): number {
  const shares = taken.map(prefix => (overlaps(range, prefix) ? Math.min(1, 2 ** (range.length - prefix.length)) : 0))
  return shares.reduce((sum, share) => sum + share, 0)
}

/** The block of the pool that holds an address of its range. */
export function blockAround(text: string, pool: IPPoolResource): Prefix {
  const address = parseAddress(text)
  if (!address) throw new Error(`${text} is no address`)
  return prefixOf(address, pool.spec.blockSize)
}

/** Whether an address, as text, lies in the prefix. */
export function holds(prefix: Prefix, text: string): boolean {
  const address = parseAddress(text)
  return address !== undefined && contains(prefix, address)
}
