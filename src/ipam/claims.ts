// Blocks in the datastore: one record says whose a block is, and whoever creates it first has it. There is no second key, no
// pending state and no expiry.
//
// Two things make that hold where requests arrive late and pools had blocks of several sizes (docs/ipam.md has the argument):
// - After it has written a record, a node lists all records, and takes its own back if another overlaps it. Of two nodes that
//   claim overlapping blocks at once at least one sees the other's.
// - A record that names a node and that this node does not know (it may have sent its deletion, and heard no answer) is written
//   again before it is used: after that no deletion of the older version is done any more.
//
// Own records do not count as rivals: a node that splits a block has records of the parts beside that of the block for a while.

import { contains, formatPrefix, overlaps, parsePrefix, type Prefix, subnetAt, subnetCount } from '../../inet/index.ts'
import type { Datastore, Entry } from '../datastore/contract.ts'
import { StoreError } from '../datastore/contract.ts'
import type { IPPoolResource } from '../resources/index.ts'
import { gaps } from './parts.ts'
import { blockKind, blockName, blockOfEntry, type BlockRecord, prefixOfName, readBlock } from './records.ts'

export type ClaimedBlock = NonNullable<ReturnType<typeof readBlock>>

/** Every block record of the cluster. Fails with a StoreError. */
export async function allBlocks(datastore: Pick<Datastore, 'list'>): Promise<readonly ClaimedBlock[]> {
  return (await allEntries(datastore, blockKind)).flatMap(entry => blockOfEntry(entry) ?? [])
}

export async function allEntries(datastore: Pick<Datastore, 'list'>, kind: string): Promise<readonly Entry[]> {
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
  /** Every block of the cluster, and of the node's store. */
  readonly taken: readonly ClaimedBlock[]
  /** A block that lies within one of these has no address to give. */
  readonly unusable: readonly Prefix[]
  readonly node: string
  /** ISO 8601. */
  readonly claimedAt: string
  /** Is told of blocks that nobody can have: their records cannot be read. */
  readonly onSpoiled?: (block: ClaimedBlock) => void
}

/**
 * Claims the first block of the pool that overlaps none of `taken`, from a start that depends on the node, so that nodes that
 * start at once do not run after the same ones. Once there is none, a part of a block that others have parts of. Undefined: the
 * pool has nothing left.
 */
export async function claimNext(
  datastore: Datastore,
  { pool, taken, unusable, node, claimedAt, onSpoiled }: ClaimRequest,
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
    if (claimed.node === '') onSpoiled?.(claimed)
  }
  const prefixes = taken.map(({ prefix }) => prefix)
  for (const part of gaps(range, length, prefixes)) {
    if (unusable.some(reserved => contains(reserved, part))) continue
    const claimed = await claim(datastore, part, pool.metadata.name, node, claimedAt)
    if (claimed.node === node) return claimed
    if (claimed.node === '') onSpoiled?.(claimed)
  }
  return undefined
}

/** Claims one block, and says who has it: this node, or whoever was first (empty: nobody can have it). */
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
      return await withoutRival(datastore, { ...record, prefix })
    } catch (error) {
      if (!(error instanceof StoreError) || error.code !== 'exists') throw error
    }
    const found = await datastore.get(blockKind, blockName(prefix))
    const owner = found && blockOfEntry(found)
    if (owner?.node === node) return (await affirm(datastore, prefix, node)) ?? { ...record, node: '', prefix }
    if (owner) return owner
    if (found) return { ...record, node: '', prefix } // a record that is none of ours: nobody's to give
  }
}

/** Whether the block has a record that this Margay cannot read, as a newer one's. */
export async function isUnreadable(datastore: Datastore, prefix: Prefix): Promise<boolean> {
  const found = await datastore.get(blockKind, blockName(prefix))
  return found !== undefined && blockOfEntry(found) === undefined
}

/**
 * Takes over a record that names this node and that its own store does not know: it is written anew first. Undefined: it does
 * not name this node any more, or another node's record overlaps it; unless `isInUse`, this node's goes then.
 */
export async function affirm(
  datastore: Datastore,
  prefix: Prefix,
  node: string,
  isInUse = false,
): Promise<ClaimedBlock | undefined> {
  for (;;) {
    const found = await datastore.get(blockKind, blockName(prefix))
    const block = found && blockOfEntry(found)
    if (!found || block?.node !== node) return undefined
    try {
      await datastore.update(blockKind, blockName(prefix), found.value, found.version)
    } catch (error) {
      if (!isMoved(error)) throw error
      continue
    }
    // With pods in it, it was this node's before its store was lost: then it is the other that lets go.
    if (isInUse) return (await rivalOf(datastore, block)) ? undefined : block
    const affirmed = await withoutRival(datastore, block)
    return affirmed.node === node ? affirmed : undefined
  }
}

/** A block whose record this node has just written: it stays, or goes again because another node's overlaps it. */
async function withoutRival(datastore: Datastore, mine: ClaimedBlock): Promise<ClaimedBlock> {
  const rival = await rivalOf(datastore, mine)
  if (!rival) return mine
  await unclaim(datastore, mine.prefix, mine.node)
  return rival
}

async function rivalOf(datastore: Datastore, mine: ClaimedBlock): Promise<ClaimedBlock | undefined> {
  const all = (await allEntries(datastore, blockKind)).flatMap(entry => blockOfEntry(entry) ?? unread(entry) ?? [])
  return all.find(other => other.node !== mine.node && overlaps(other.prefix, mine.prefix))
}

/** A record that cannot be read, as a newer Margay's: somebody's, and its name says which block it is. */
function unread({ name }: Entry): ClaimedBlock | undefined {
  const prefix = prefixOfName(name)
  return prefix && { cidr: formatPrefix(prefix), node: '', pool: '', claimedAt: '', prefix }
}

/** Gives a block back. Nothing happens if it is not this node's. */
export async function unclaim(datastore: Datastore, prefix: Prefix, node: string): Promise<void> {
  await deleteOf(datastore, blockName(prefix), node)
}

/** Deletes a record that names the node, whichever block it tells of. */
export async function deleteOf(datastore: Datastore, name: string, node: string): Promise<void> {
  const found = await datastore.get(blockKind, name)
  if (!found || readBlock(found.value)?.node !== node) return
  try {
    await datastore.delete(blockKind, name, found.version)
  } catch (error) {
    if (!isMoved(error)) throw error // else: it was taken from this node meanwhile
  }
}

function isMoved(error: unknown): boolean {
  return error instanceof StoreError && (error.code === 'conflict' || error.code === 'not-found')
}

/** FNV-1a, 32 bits, over UTF-8. */
export function fnv32(text: string): number {
  let hash = 0x811c9dc5
  for (const octet of new TextEncoder().encode(text)) hash = Math.imul(hash ^ octet, 0x01000193) >>> 0
  return hash
}
