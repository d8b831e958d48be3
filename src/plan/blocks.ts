// This node's own blocks: what it announces, and what it answers for.

import { bitsOf, comparePrefixes, contains, formatPrefix, parsePrefix } from '../../inet/index.ts'
import type { Prefix } from '../../inet/index.ts'
import type { Origination } from '../../bgp/types.ts'
import type { IPPoolResource } from '../resources/index.ts'
import type { TunnelUse } from '../model/tunnel-use.ts'
import type { OwnedBlock } from './snapshot.ts'

export interface BlockPlan {
  /** Sorted. */
  readonly own: readonly string[]
  readonly originate: readonly Origination[]
  readonly unreachable: readonly string[]
}

/**
 * Every block that a record says is ours is announced, also when its pool is gone (its pods are not), unless the pool says
 * disableBGPExport, and unless it is `withdrawn`. All are unreachable but for their pods, so that packets for an address nobody has never loop and their
 * sender hears of it; a block of one address would stand in the way of its pod's route.
 */
export function planBlocks(
  node: string,
  blocks: readonly OwnedBlock[],
  pools: readonly IPPoolResource[],
  withdrawn: readonly string[],
): BlockPlan {
  const own = blocks
    .filter(block => block.node === node)
    .flatMap(block => parsePrefix(block.cidr) ?? [])
    .toSorted(comparePrefixes)
  const silent = pools.filter(pool => pool.spec.disableBGPExport).flatMap(pool => parsePrefix(pool.spec.cidr) ?? [])
  const announced = own.filter(
    block => !withdrawn.includes(formatPrefix(block)) && !silent.some(pool => contains(pool, block)),
  )
  return {
    own: own.map(formatPrefix),
    originate: announced.map(block => ({ prefix: formatPrefix(block) })),
    unreachable: own.filter(block => !isSingleAddress(block)).map(formatPrefix),
  }
}

/**
 * What is refused, unless a more specific route leads there, because nothing of it may leave in the open (WireGuard's Always): a route
 * that a peer takes back, or that may not enter the kernel, must not leave its packets to the node's default route. While the mode
 * changes, nodes that the pool still reaches without encryption (`open`) go on as before; then it is the blocks of the others only.
 */
export function sealed(
  node: string,
  pools: readonly IPPoolResource[],
  blocks: readonly OwnedBlock[],
  open: TunnelUse['open'],
): readonly string[] {
  const ranges = pools.flatMap(({ metadata, spec }) => {
    const range = parsePrefix(spec.cidr)
    if (spec.wireguardMode !== 'Always' || !range) return []
    const nodes = open[metadata.name] ?? []
    if (nodes === 'all') return []
    if (nodes.length === 0) return range
    const shut = blocks.filter(block => block.node !== node && !nodes.includes(block.node))
    return shut.flatMap(block => parsePrefix(block.cidr) ?? []).filter(block => contains(range, block))
  })
  return ranges.filter(range => !isSingleAddress(range)).map(formatPrefix)
}

function isSingleAddress(block: Prefix): boolean {
  return block.length === bitsOf(block.family)
}
