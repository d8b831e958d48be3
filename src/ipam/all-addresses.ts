// Who has which address, in the whole cluster, as the datastore's copies say.

import type { Datastore } from '../datastore/contract.ts'
import { allEntries } from './claims.ts'
import { type AddressRow, copyKind, nodeOfCopy, readCopy } from './records.ts'

/** Every address in use by the datastore's copies, and whose it is. */
export async function allAddresses(
  datastore: Datastore,
): Promise<readonly (AddressRow & { readonly node: string; readonly address: string })[]> {
  return (await allEntries(datastore, copyKind)).flatMap(({ value }) => {
    const node = nodeOfCopy(value)
    return node !== undefined ? readCopy(value, node).map(([address, row]) => ({ ...row, node, address })) : []
  })
}
