// A block is split: its owner keeps parts of it, and leaves one free part to whoever claims it.
//
// The order is that of docs/ipam.md: first the records of the parts that stay, then, in one commit of the own store, they take the
// place of the block, last the block's record goes. Wherever that breaks off, the own store says which of the two is in force, and
// `OwnBlocks.reconcile` takes the records of the other away.

import { contains, formatPrefix, parseAddress, type Prefix } from '../../inet/index.ts'
import type { Datastore } from '../datastore/contract.ts'
import type { Block } from './block.ts'
import { claim, type ClaimedBlock, unclaim } from './claims.ts'
import type { LocalRecords } from './local.ts'
import { remainder } from './parts.ts'

export interface Split {
  readonly datastore: Datastore
  readonly local: LocalRecords
  readonly node: string
  readonly block: Block
  /** Of the block, or all of it; nothing in it is in use. */
  readonly part: Prefix
  /** The own store has changed. */
  readonly onKept: () => void
}

/** False: somebody else has a record in the way, and the block stays as it is. */
export async function splitBlock({ datastore, local, node, block, part, onKept }: Split): Promise<boolean> {
  const kept: ClaimedBlock[] = []
  for (const prefix of remainder(block.prefix, part)) {
    const mine = await claim(datastore, prefix, block.pool, node, block.claimedAt)
    if (mine.node !== node || mine.cidr !== formatPrefix(prefix)) return false
    kept.push(mine)
  }
  const isGone = (text: string): boolean => {
    const address = parseAddress(text)
    return address !== undefined && contains(part, address)
  }
  await local.removeBlock(block.cidr, isGone, kept)
  onKept()
  await unclaim(datastore, block.prefix, node)
  return true
}
