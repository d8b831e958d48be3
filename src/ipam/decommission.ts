// The blocks of a node that is gone for good go back to the pools, and the node is left word of it.
//
// The word is a record of its own, written before any block is freed. Without it a node that comes back could not tell that from a
// datastore that lost its records, in which case blocks with pods are claimed again (own-blocks.ts). It stays until the node holds
// none of those blocks any more and is a Node of the cluster again.

import type { Datastore } from '../datastore/contract.ts'
import { StoreError } from '../datastore/contract.ts'
import { allEntries, deleteOf } from './claims.ts'
import { isMap } from './address-row.ts'
import { type Noted, notedIn } from './misassigned.ts'
import { blockKind, blockName, copyKind, nodeOfCopy, readBlock, readCopy } from './records.ts'

/** Name of the record: that of the node. Nobody watches it. */
export const decommissionKind = 'Decommission'

export interface DecommissionRecord {
  readonly node: string
  /** ISO 8601. */
  readonly at: string
  /** CIDRs of the blocks that it lost. */
  readonly blocks: readonly string[]
}

export interface HeldBlock {
  readonly cidr: string
  /** Addresses in use, by the copies in the datastore. */
  readonly used: number
  /** Who else notes addresses of its pods in it. */
  readonly others: readonly Noted[]
}

/** What a node holds by the datastore's records. Fails with a StoreError. */
export async function blocksOfNode(datastore: Datastore, node: string): Promise<readonly HeldBlock[]> {
  const copies = await allEntries(datastore, copyKind)
  const used = new Map(copies.map(({ name, value }) => [name, readCopy(value, node).length]))
  const own = await blocksOf(datastore, node)
  return own.map(({ cidr, prefix }) => ({
    cidr,
    used: used.get(blockName(prefix)) ?? 0,
    others: notedIn(copies, prefix, node),
  }))
}

export interface HeldCopy {
  /** Of the record. */
  readonly name: string
  /** Addresses in use by it. */
  readonly used: number
}

/** Copies that name a node beside those of its blocks: of addresses outside them, and what is left over. Fails with a StoreError. */
export async function copiesBesideBlocks(datastore: Datastore, node: string): Promise<readonly HeldCopy[]> {
  const own = new Set((await blocksOf(datastore, node)).map(({ prefix }) => blockName(prefix)))
  const copies = await allEntries(datastore, copyKind)
  return copies
    .filter(({ name, value }) => nodeOfCopy(value) === node && !own.has(name))
    .map(({ name, value }) => ({ name, used: readCopy(value, node).length }))
}

/** Leaves word, then frees every block of the node and deletes its copies. May be repeated after a failure. Answers their CIDRs. */
export async function freeBlocks(datastore: Datastore, node: string, at: string): Promise<readonly string[]> {
  const own = await blocksOf(datastore, node)
  const cidrs = own.map(({ cidr }) => cidr)
  const found = await datastore.get(decommissionKind, node)
  const earlier = readDecommission(found?.value)?.blocks ?? []
  const record: DecommissionRecord = { node, at, blocks: [...new Set([...earlier, ...cidrs])].toSorted() }
  if (found) await datastore.update(decommissionKind, node, record, found.version)
  else await datastore.create(decommissionKind, node, record)
  for (const { name, value } of await allEntries(datastore, copyKind))
    if (nodeOfCopy(value) === node) await deleteIfThere(datastore, copyKind, name)
  for (const { name } of own) await deleteOf(datastore, name, node)
  return cidrs
}

/** Also those whose records have other blocks' names. */
async function blocksOf(datastore: Datastore, node: string) {
  return (await allEntries(datastore, blockKind)).flatMap(({ name, value }) => {
    const block = readBlock(value)
    return block?.node === node ? [{ ...block, name }] : []
  })
}

/** The word left for a node; undefined: none. */
export async function decommissioned(datastore: Datastore, node: string): Promise<DecommissionRecord | undefined> {
  return readDecommission((await datastore.get(decommissionKind, node))?.value)
}

/** The node has taken note and is back: the word goes. */
export async function forgetDecommission(datastore: Datastore, node: string): Promise<void> {
  await deleteIfThere(datastore, decommissionKind, node)
}

/** Undefined: somebody else wrote it. */
export function readDecommission(value: unknown): DecommissionRecord | undefined {
  if (!isMap(value)) return undefined
  const { node, at, blocks } = value
  if (typeof node !== 'string' || typeof at !== 'string' || !Array.isArray(blocks)) return undefined
  return { node, at, blocks: blocks.filter(block => typeof block === 'string') }
}

async function deleteIfThere(datastore: Datastore, kind: string, name: string): Promise<void> {
  try {
    await datastore.delete(kind, name)
  } catch (error) {
    if (!(error instanceof StoreError) || error.code !== 'not-found') throw error
  }
}
