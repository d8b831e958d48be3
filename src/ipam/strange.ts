// Entries of copies that nobody can read. They stay in the record as they are and are told, the others count; what is in use by an address
// that such an entry names is known by the kernel of its node alone.

import { show } from '../resources/problem.ts'
import { faultOfEntry } from './address-row.ts'
import { copyKind, entriesOfCopy } from './records.ts'

/** An entry of which at least a part cannot be read. */
export interface StrangeEntry {
  readonly address: string
  readonly value: unknown
  /** A sentence without its subject. */
  readonly fault: string
}

/** A copy that has some. */
export interface StrangeCopy {
  readonly name: string
  readonly entries: readonly StrangeEntry[]
}

/** Of a copy of this node. */
export function strangeEntries(value: unknown, node: string): readonly StrangeEntry[] {
  return entriesOfCopy(value, node).flatMap(([address, entry]) => {
    const fault = faultOfEntry(address, entry)
    return fault === undefined ? [] : [{ address, value: entry, fault }]
  })
}

/** What is wrong with it, and the next step, without the object and a full stop. */
export function whyStrange({ entries: [first, ...more] }: StrangeCopy, node: string): string {
  const others = more.length > 0 ? ` (and ${more.length} more)` : ''
  return `its entry "${show(first?.address)}" ${first?.fault ?? 'cannot be read'}${others}. Such entries stay as they are, and the rest counts. Find out what wrote that; to have the record written anew without it: margayctl ipam check --fix on node "${node}"`
}

/** The same as a sentence of its node. */
export function strangeText(copy: StrangeCopy, node: string): string {
  return `${copyKind} "${show(copy.name)}" in the datastore: ${whyStrange(copy, node)}`
}
