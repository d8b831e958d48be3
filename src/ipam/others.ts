// Addresses of own blocks that pods of other nodes have: somebody changed the record of a block by hand, and its node's pods run on.
//
// Who takes such a block over finds them in the other node's copies, and gives them to nobody as long as that node notes them outside its
// blocks (outside.ts). It may not have done so yet, and the copy of the block is the new owner's from now on: so what that says is put among
// the other's addresses outside its blocks first. If it is wrong there, that node puts it right, as it does with all of its copies.

import { formatPrefix, overlaps, parsePrefix, type Prefix } from '../../inet/index.ts'
import { type Datastore, type Entry, StoreError } from '../datastore/contract.ts'
import { isObjectName } from '../resources/index.ts'
import { firstOf } from '../resources/problem.ts'
import { isMap } from './address-row.ts'
import { allEntries } from './claims.ts'
import { decommissionKind, readDecommission } from './decommission.ts'
import { outsideName, podOf } from './outside.ts'
import { holds } from './pools.ts'
import {
  type AddressCopy,
  type AddressRow,
  blockName,
  copyKind,
  entriesOfCopy,
  nodeOfCopy,
  readCopy,
} from './records.ts'

/** Who has an address of a block of this node. */
export interface HeldAddress {
  /** On which node. */
  readonly node: string
  /** As people call it. */
  readonly pod: string
}

export type Held = ReadonlyMap<string, HeldAddress>

/** What is kept of it in the node's store; undefined: it cannot be read. */
export function readHeld(value: unknown): HeldAddress | undefined {
  if (!isMap(value) || !isObjectName(value.node) || typeof value.pod !== 'string') return undefined
  return { node: value.node, pod: value.pod }
}

/** Of a block that the node is taking over, by all copies of the cluster. Fails with a StoreError. */
export async function heldIn(
  datastore: Datastore,
  copies: readonly Entry[],
  { block, node }: { readonly block: Prefix; readonly node: string },
): Promise<Held> {
  const held = new Map<string, HeldAddress>()
  for (const { name, value } of copies) {
    const other = nodeOfCopy(value)
    if (other === undefined || other === node) continue
    const isOfBlock = name === blockName(block)
    if (!isOfBlock && name !== outsideName(other)) continue
    const rows = readCopy(value, other).filter(([address]) => holds(block, address))
    if (isOfBlock && rows.length > 0) await noteOutside(datastore, other, rows)
    for (const [address, row] of rows) held.set(address, { node: other, pod: podOf(row) })
  }
  return held
}

/**
 * Of a block that the node has just claimed, for which not all copies are read: by the copy of that block, which nobody deleted, so that its
 * record was lost or deleted by hand; and by what those note whose decommission freed it while their pods ran on. Fails with a StoreError.
 */
export async function heldInClaimed(
  datastore: Datastore,
  { block, node }: { readonly block: Prefix; readonly node: string },
): Promise<Held> {
  const names = new Set([blockName(block)])
  for (const { name, value } of await allEntries(datastore, decommissionKind)) {
    const freed = readDecommission(value)?.blocks.flatMap(cidr => parsePrefix(cidr) ?? []) ?? []
    if (freed.some(each => overlaps(each, block))) names.add(outsideName(name))
  }
  const copies: Entry[] = []
  for (const name of names) {
    const copy = await datastore.get(copyKind, name)
    if (copy) copies.push(copy)
  }
  return heldIn(datastore, copies, { block, node })
}

/** What the nodes of those that are `held` note outside their blocks now. Of a note that cannot be read all stays. Fails with a StoreError. */
export async function heldStill(datastore: Datastore, held: Held): Promise<Held> {
  const now = new Map<string, HeldAddress>()
  for (const [node, before] of Map.groupBy(held, ([, by]) => by.node)) {
    const copy = await datastore.get(copyKind, outsideName(node))
    const isRead = !copy || nodeOfCopy(copy.value) === node
    if (!isRead) for (const [address, by] of before) now.set(address, by)
    for (const [address, row] of readCopy(copy?.value, node)) now.set(address, { node, pod: podOf(row) })
  }
  return now
}

/** Adds what is lacking to another node's addresses outside its blocks. */
async function noteOutside(datastore: Datastore, node: string, rows: Iterable<readonly [string, AddressRow]>) {
  const name = outsideName(node)
  for (;;) {
    const found = await datastore.get(copyKind, name)
    const known = entriesOfCopy(found?.value, node)
    const addresses = { ...Object.fromEntries(rows), ...Object.fromEntries(known) } as AddressCopy['addresses']
    const isForeign = found !== undefined && nodeOfCopy(found.value) !== node
    if (isForeign || Object.keys(addresses).length === known.length) return
    const copy: AddressCopy = { node, cidr: '', addresses }
    try {
      if (found) await datastore.update(copyKind, name, copy, found.version)
      else await datastore.create(copyKind, name, copy)
      return
    } catch (error) {
      if (!(error instanceof StoreError) || !['conflict', 'not-found', 'exists'].includes(error.code)) throw error
    }
  }
}

/** Addresses that are named one by one. */
const shown = 3

/** Of one block and one other node. */
export function heldText(block: Prefix, node: string, addresses: readonly (readonly [string, HeldAddress])[]): string {
  const named = addresses.map(([address, { pod }]) => `${address} (${pod})`)
  return `block ${formatPrefix(block)}: this node took it over, and pods of node "${node}" have addresses in it: ${firstOf(named, shown)}. They are given to nobody as long as AddressCopy "${outsideName(node)}" notes them. Delete those pods; if that machine is off for good: margayctl node decommission ${node}.`
}
