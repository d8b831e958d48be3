// How many blocks a node may hold, and which of them it can do without.

import { contains, type IpFamily } from '../../inet/index.ts'
import type { IPPoolResource } from '../resources/index.ts'
import type { Block } from './block.ts'
import { rangeOf } from './pools.ts'

/** Whether these are as many blocks of the family as `limit` allows (0: any number); parts of blocks count for what they are of one. */
export function isAtLimit(
  family: IpFamily,
  blocks: readonly Block[],
  pools: readonly IPPoolResource[],
  limit: number,
): boolean {
  const shares = blocks.map(block => (block.prefix.family === family ? shareOf(block, pools) : 0))
  return limit > 0 && shares.reduce((sum, share) => sum + share, 0) >= limit
}

/** Which share of a block of its pool it is. */
function shareOf({ prefix }: Block, pools: readonly IPPoolResource[]): number {
  const pool = pools.find(candidate => contains(rangeOf(candidate), prefix))
  return pool && prefix.length > pool.spec.blockSize ? 2 ** (pool.spec.blockSize - prefix.length) : 1
}

/**
 * Those that have been empty for `wait` milliseconds, as long as `keep` of their pool have room; of a pool that is none of `pools`, which
 * are those in use, all. Of these go no more than `isLacking` allows, which is asked of what stays.
 */
export function idleBlocks(
  all: readonly Block[],
  { now, wait, keep }: { readonly now: number; readonly wait: number; readonly keep: number },
  pools: readonly IPPoolResource[],
  isLacking: (pool: IPPoolResource, staying: readonly Block[]) => boolean = () => false,
): Block[] {
  const isIdle = (block: Block): boolean => block.used === 0 && (wait === 0 || now - block.emptySince() >= wait)
  return [...Map.groupBy(all, block => block.pool)].flatMap(([pool, blocks]) => {
    const inUse = pools.find(({ metadata }) => metadata.name === pool)
    const spare = blocks.filter(block => block.hasFree).length - (inUse ? keep : 0)
    const going = blocks.filter(isIdle).slice(0, Math.max(0, spare))
    if (!inUse) return going
    const without = (count: number): Block[] => blocks.filter(block => !going.slice(0, count).includes(block))
    return going.slice(0, going.findLastIndex((_, i) => !isLacking(inUse, without(i + 1))) + 1)
  })
}
