// The blocks of a node's own store compared with the datastore's records, which decide (docs/ipam.md, rules 2, 3 and 6).

import { overlaps } from '../../inet/index.ts'
import type { Datastore, Entry } from '../datastore/contract.ts'
import { affirm, allEntries, claim, type ClaimedBlock, isUnreadable, unclaim } from './claims.ts'
import { decommissioned, forgetDecommission } from './decommission.ts'
import type { LocalRecords } from './local.ts'
import { putBack } from './misassigned.ts'
import { type Held, heldIn } from './others.ts'
import { holds } from './pools.ts'
import { copyKind } from './records.ts'

export interface Stranded {
  /** Whose the block is by the records; empty: it was freed. */
  readonly owner: string
  /** The record is of this very block, and there is no Node of that name. */
  readonly isNobodys: boolean
}

export interface Reconciled {
  /** Blocks of the own store, by CIDR, that another node's record names, or that were freed: never given from. */
  readonly stranded: ReadonlyMap<string, Stranded>
  /** Since when this node is no member of the cluster any more, ISO 8601; absent: it is one. */
  readonly decommissionedAt?: string
}

/**
 * Brings store and records in line: takes over records that the store does not know, lets go of blocks without a record, and claims those
 * again that pods depend on. `records`: every block of the cluster. Fails with a StoreError; what was done until then is sound.
 */
export async function reconcileBlocks(
  { datastore, node, local }: { readonly datastore: Datastore; readonly node: string; readonly local: LocalRecords },
  records: readonly ClaimedBlock[],
): Promise<Reconciled> {
  const known = new Set([...local.blocks].map(block => block.cidr))
  const unknown = records.filter(each => each.node === node && !known.has(each.cidr))
  let copies: readonly Entry[] | undefined
  const heldOf = async ({ prefix: block }: ClaimedBlock): Promise<Held> => {
    copies ??= await allEntries(datastore, copyKind)
    return heldIn(datastore, copies, { block, node })
  }
  // Of a block and parts of it the block prevails, unless the own store knows the parts: a split that broke off.
  for (const record of unknown.toSorted((a, b) => a.prefix.length - b.prefix.length)) {
    if ([...local.blocks].some(block => overlaps(block.prefix, record.prefix))) {
      await unclaim(datastore, record.prefix, node)
      continue
    }
    const isInUse = [...local.addresses.keys()].some(address => holds(record.prefix, address))
    const affirmed = await affirm(datastore, record.prefix, node, isInUse)
    if (affirmed) await local.putBlock(affirmed, await heldOf(affirmed))
  }
  const gone = await decommissioned(datastore, node)
  const stranded = new Map<string, Stranded>()
  const strand = async (cidr: string, by: ClaimedBlock | undefined): Promise<void> => {
    const isNobodys = by?.cidr === cidr && by.node !== '' && !(await datastore.get('Node', by.node))
    stranded.set(cidr, { owner: by?.node ?? '', isNobodys })
  }
  for (const block of [...local.blocks].filter(({ cidr }) => !isMine(records, cidr, node))) {
    const inUse = [...local.addresses.keys()].some(address => holds(block.prefix, address))
    if (!inUse) {
      await local.removeBlock(block.cidr, address => holds(block.prefix, address))
      continue
    }
    // Pods depend on it: a record that was lost is made again. Whoever creates it first has it.
    const rival = records.find(other => other.node !== node && overlaps(other.prefix, block.prefix))
    if (gone?.blocks.includes(block.cidr)) {
      await strand(block.cidr, rival)
      continue
    }
    const by = rival ?? (await claim(datastore, block.prefix, block.pool, node, block.claimedAt))
    // With a record that cannot be read it stays in force, as without a datastore: only its owner frees a block, or a decommission.
    if (by.node === '' && (await isUnreadable(datastore, block.prefix))) continue
    if (by.node !== node) await strand(block.cidr, by)
  }
  const isBack = gone !== undefined && (await datastore.get('Node', node)) !== undefined
  if (isBack && ![...stranded.keys()].some(cidr => gone.blocks.includes(cidr)))
    await forgetDecommission(datastore, node)
  const decommissionedAt = isBack ? undefined : gone?.at
  return { stranded, ...(decommissionedAt !== undefined && { decommissionedAt }) }
}

function isMine(records: readonly ClaimedBlock[], cidr: string, node: string): boolean {
  return records.some(record => record.cidr === cidr && record.node === node)
}

/** Of a node's own block, with the next step. */
export function strandedText(cidr: string, { owner, isNobodys }: Stranded, node: string): string {
  const freed = `block ${cidr}: it went back to its pool when this node was decommissioned`
  const taken = `block ${cidr}: the datastore says that it is node "${owner}"'s`
  if (!isNobodys)
    return `${owner === '' ? freed : taken}, so nothing more is given from it. Delete the pods of this node that have addresses in it.`
  return `${taken}, and there is no such Node; nothing more is given from it. If somebody changed its record by hand, put that back, and the pods of this node that have addresses in it keep them: ${putBack(cidr, node)}; else delete those pods.`
}
