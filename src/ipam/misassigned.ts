// A block whose record names a node that is not there, while pods of another one have addresses in it: somebody changed the record by hand.
// Nobody has taken the block over, so its record can be put back, which saves those pods (docs/ipam.md has the argument).

import { formatPrefix, overlaps, type Prefix } from '../../inet/index.ts'
import type { ClusterStore, Entry } from '../datastore/contract.ts'
import { allBlocks, allEntries } from './claims.ts'
import { outsideName } from './outside.ts'
import { holds } from './pools.ts'
import { blockKind, blockName, blockOfEntry, copyKind, nodeOfCopy, readCopy } from './records.ts'

/** A node that notes addresses of its pods in a block that another one's record tells of. */
export interface Noted {
  readonly node: string
  readonly addresses: readonly string[]
}

/** Of the nodes but this one, by all copies of the cluster: first that of which the copy of the block is, then who notes most. */
export function notedIn(copies: readonly Entry[], block: Prefix, but: string): readonly Noted[] {
  const found = new Map<string, Set<string>>()
  let first: string | undefined
  for (const { name, value } of copies) {
    const node = nodeOfCopy(value)
    const isOfBlock = name === blockName(block)
    if (node === undefined || node === but || (!isOfBlock && name !== outsideName(node))) continue
    const addresses = readCopy(value, node).flatMap(([address]) => (holds(block, address) ? [address] : []))
    if (addresses.length === 0) continue
    if (isOfBlock) first = node
    found.set(node, new Set([...(found.get(node) ?? []), ...addresses]))
  }
  return [...found]
    .map(([node, addresses]) => ({ node, addresses: [...addresses] }))
    .toSorted((a, b) => Number(b.node === first) - Number(a.node === first) || b.addresses.length - a.addresses.length)
}

/** `2 addresses of pods of node "n1"`, of all of them. */
export function notedText(noted: readonly Noted[]): string {
  const each = noted.map(
    ({ node, addresses: { length } }) =>
      `${length} ${length === 1 ? 'address' : 'addresses'} of pods of node "${node}"`,
  )
  return each.join(' and ')
}

/** The command that puts the record back. */
export function putBack(cidr: string, node: string): string {
  return `margayctl ipam reassign ${cidr} ${node}`
}

/** What comes before the deletion of a pod whose address lies in such a block. */
export function firstPutBack(cidr: string, node: string): string {
  return `There is no such Node. If somebody changed the block's record by hand, put it back, and the pod keeps its address: ${putBack(cidr, node)}. Else:`
}

/**
 * Writes a node into the record of a block in the place of one that is not there. Answers why it does not, with the next step, as a sentence
 * without a full stop; undefined: it is done. Fails with a StoreError.
 */
export async function reassign(
  store: Pick<ClusterStore, 'get' | 'list' | 'update' | 'sign'>,
  block: Prefix,
  node: string,
): Promise<string | undefined> {
  const object = `block ${formatPrefix(block)}`
  const entry = await store.get(blockKind, blockName(block))
  if (!entry) return `${object} has no record of its own: margayctl ipam check says what there is`
  const from = blockOfEntry(entry)?.node
  if (from === undefined) return `the record of ${object} cannot be read: margayctl ipam check says what to do`
  if (from === node) return `${object} is node "${node}"'s already`
  if (!(await store.get('Node', node))) return `there is no Node "${node}": margayctl get nodes lists them`
  const who = `${object} is node "${from}"'s`
  if (await store.get('Node', from))
    return `${who}, which is a Node of the cluster and may have given addresses of it: delete the pods of node "${node}" that have some, which margayctl ipam check names`
  if (await store.sign(from))
    return `${who}, whose margayd was here, so it may have given addresses of it: margayctl node list shows when; if it is off for good: margayctl node decommission ${from}`
  const copies = await allEntries(store, copyKind)
  if (copies.some(({ value }) => nodeOfCopy(value) === from))
    return `${who}, which notes addresses of its pods: if it is off for good: margayctl node decommission ${from}`
  const noted = notedIn(copies, block, from)
  if (!noted.some(each => each.node === node))
    return `node "${node}" notes no address of its pods in ${object}, so nothing says that it was its own${noted.length > 0 ? `; there are ${notedText(noted)}` : ''}`
  const rival = (await allBlocks(store)).find(
    each => each.node !== from && each.node !== node && overlaps(each.prefix, block),
  )
  if (rival) return `${object} overlaps ${rival.cidr}, which is node "${rival.node}"'s: margayctl ipam check`
  await store.update(blockKind, entry.name, { ...(entry.value as object), node }, entry.version)
  return undefined
}
