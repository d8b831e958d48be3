// Addresses of pods that lie in no block of their node: its blocks went back to the pools while the pods ran on (decommission --force), or
// another node claimed them after the datastore had lost their records. Any node that has the block now may give them again.
//
// The node notes them in a copy of their own, so that every node can see who has them, and so that they are known if its store is lost.

import { contains, parseAddress } from '../../inet/index.ts'
import type { Datastore } from '../datastore/contract.ts'
import { allBlocks } from './claims.ts'
import { isAway } from './reach.ts'
import { type AddressCopy, type AddressRow, blockName, copyKind, readCopy } from './records.ts'

/** Whose an address is by the datastore's records. */
export interface Elsewhere {
  /** The block that holds it, and whether its node is a Node; absent: nobody's. */
  readonly block?: { readonly cidr: string; readonly node: string; readonly isMember: boolean }
  /** Whom that block's node has given it to. */
  readonly pod?: string
  /** Why the datastore could not be asked. */
  readonly unknown?: string
}

/** Name of the copy; no block's has a dot. */
export function outsideName(node: string): string {
  return `${node}.outside`
}

export function isOutsideName(name: string): boolean {
  return name.endsWith('.outside')
}

/** The copy of a node's addresses outside its blocks; undefined: there are none. */
export function outsideCopy(node: string, addresses: AddressCopy['addresses']): AddressCopy | undefined {
  return Object.keys(addresses).length > 0 ? { node, cidr: '', addresses } : undefined
}

/** Never fails: what cannot be asked is said. */
export async function elsewhere(
  datastore: Datastore,
  addresses: readonly string[],
): Promise<ReadonlyMap<string, Elsewhere>> {
  const found = new Map<string, Elsewhere>()
  if (addresses.length === 0) return found
  try {
    const blocks = await allBlocks(datastore)
    const isMember = async (node: string): Promise<boolean> => (await datastore.get('Node', node)) !== undefined
    for (const address of addresses) {
      const parsed = parseAddress(address)
      const block = blocks.find(({ prefix }) => parsed && contains(prefix, parsed))
      const copy = block && (await datastore.get(copyKind, blockName(block.prefix)))
      const row = block && readCopy(copy?.value, block.node).find(([each]) => each === address)?.[1]
      found.set(address, {
        ...(block && { block: { cidr: block.cidr, node: block.node, isMember: await isMember(block.node) } }),
        ...(row && { pod: podOf(row) }),
      })
    }
  } catch (error) {
    if (!isAway(error)) throw error
    for (const address of addresses) if (!found.has(address)) found.set(address, { unknown: error.message })
  }
  return found
}

/** Who has an address, as people call it. */
export function podOf({ label, containerId, ifName }: AddressRow): string {
  return label ?? (ifName === '' ? containerId || 'a pod that nobody knows' : `${containerId}/${ifName}`)
}
