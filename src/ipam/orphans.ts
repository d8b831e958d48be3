// Copies that name a node for blocks that are not its own: it was killed between giving a block back, or splitting it, and deleting the
// copy. A copy is for the node that loses its store, so one may go as soon as the node's store is whole and what of it is in use is in a
// copy that the node keeps.

import type { Entry } from '../datastore/contract.ts'
import { nodeOfCopy, readCopy } from './records.ts'

export interface CopiesOfNode {
  /** Those that it keeps no more. */
  readonly orphans: readonly Entry[]
  /** Its addresses that are in none of those that it keeps. */
  readonly lacking: ReadonlySet<string>
}

/** What of all copies is a node's. `isKept`: by the name of a copy; `inUse`: its addresses. */
export function copiesOfNode(
  copies: readonly Entry[],
  node: string,
  isKept: (name: string) => boolean,
  inUse: Iterable<string>,
): CopiesOfNode {
  const mine = copies.filter(({ value }) => nodeOfCopy(value) === node)
  const noted = new Set(mine.filter(({ name }) => isKept(name)).flatMap(copy => addressesIn(copy, node)))
  return {
    orphans: mine.filter(({ name }) => !isKept(name)),
    lacking: new Set([...inUse].filter(address => !noted.has(address))),
  }
}

/** Those that hold nothing that would be forgotten with them. */
export function dispensable({ orphans, lacking }: CopiesOfNode, node: string): readonly Entry[] {
  return orphans.filter(copy => addressesIn(copy, node).every(address => !lacking.has(address)))
}

function addressesIn({ value }: Entry, node: string): readonly string[] {
  return readCopy(value, node).map(([address]) => address)
}
