// Blocks in the datastore: one record says whose a block is, and whoever creates it first has it. There is no second key, no
// pending state and no expiry.

import { contains, formatPrefix, overlaps, parsePrefix, type Prefix, subnetAt, subnetCount } from '../../inet/index.ts'
import type { Datastore, Entry } from '../datastore/contract.ts'
import { StoreError } from '../datastore/contract.ts'
import type { IPPoolResource } from '../resources/index.ts'
import { blockKind, blockName, type BlockRecord, readBlock } from './records.ts'

export type ClaimedBlock = NonNullable<ReturnType<typeof readBlock>>

/** Every block record of the cluster. Fails with a StoreError. */
export async function allBlocks(datastore: Datastore): Promise<readonly ClaimedBlock[]> {
  return (await allEntries(datastore, blockKind)).flatMap(entry => readBlock(entry.value) ?? [])
}

export async function allEntries(datastore: Datastore, kind: string): Promise<readonly Entry[]> {
  const entries: Entry[] = []
  let next: string | undefined
  do {
    const page = await datastore.list(kind, { next })
    entries.push(...page.entries)
    next = page.next
  } while (next !== undefined)
  return entries
}

export interface ClaimRequest {
  readonly pool: IPPoolResource
  /** Every block of the cluster. */
  readonly taken: readonly ClaimedBlock[]
  /** A block that lies within one of these has no address to give. */
  readonly unusable: readonly Prefix[]
  readonly node: string
  /** ISO 8601. */
  readonly claimedAt: string
}

/**
 * Claims the first block of the pool that overlaps none of `taken`, from a start that depends on the node, so that nodes that
 * start at once do not run after the same ones. Undefined: the pool has none left.
 */
export async function claimNext(
  datastore: Datastore,
  { pool, taken, unusable, node, claimedAt }: ClaimRequest,
): Promise<ClaimedBlock | undefined> {
  const range = parsePrefix(pool.spec.cidr)
  if (!range) return undefined
  const length = pool.spec.blockSize
  const same = new Set(taken.map(block => block.cidr))
  /** Left over from a pool of the same range that had blocks of another size. */
  const others = taken.filter(block => block.prefix.length !== length && overlaps(range, block.prefix))
  const count = subnetCount(range, length)
  const start = fnv32(node) % count
  for (let i = 0; i < count; i++) {
    const block = subnetAt(range, length, (start + i) % count)
    if (same.has(formatPrefix(block)) || others.some(other => overlaps(other.prefix, block))) continue
    if (unusable.some(reserved => contains(reserved, block))) continue
    const claimed = await claim(datastore, block, pool.metadata.name, node, claimedAt)
    if (claimed.node === node) return claimed
  }
  return undefined
}

/** Claims one block, and says who has it: this node, or whoever was first. */
export async function claim(
  datastore: Datastore,
  prefix: Prefix,
  pool: string,
  node: string,
  claimedAt: string,
): Promise<ClaimedBlock> {
  const record: BlockRecord = { cidr: formatPrefix(prefix), node, pool, claimedAt }
  for (;;) {
    try {
      await datastore.create(blockKind, blockName(prefix), record)
      return { ...record, prefix }
    } catch (error) {
      if (!(error instanceof StoreError) || error.code !== 'exists') throw error
    }
    const found = await datastore.get(blockKind, blockName(prefix))
    const owner = readBlock(found?.value)
    if (owner) return owner
    if (found) return { ...record, node: '', prefix } // a record that is none of ours: nobody's to give
  }
}

/** Gives a block back. Nothing happens if it is not this node's. */
export async function unclaim(datastore: Datastore, prefix: Prefix, node: string): Promise<void> {
  const found = await datastore.get(blockKind, blockName(prefix))
  if (!found || readBlock(found.value)?.node !== node) return
  try {
    await datastore.delete(blockKind, blockName(prefix), found.version)
  } catch (error) {
    const moved = error instanceof StoreError && (error.code === 'conflict' || error.code === 'not-found')
    if (!moved) throw error // else: it was taken from this node meanwhile
  }
}

/** FNV-1a, 32 bits, over UTF-8. */
export function fnv32(text: string): number {
  let hash = 0x811c9dc5
  for (const octet of new TextEncoder().encode(text)) hash = Math.imul(hash ^ octet, 0x01000193) >>> 0
  return hash
}
