// Who has which address, in the whole cluster, as the datastore's copies say.

import type { Datastore } from '../datastore/contract.ts'
import { allEntries } from './claims.ts'
import { type AddressRow, copyKind, readCopy } from './records.ts'

/** Every address in use by the datastore's copies, and whose it is. */
export async function allAddresses(
  datastore: Datastore,
): Promise<readonly (AddressRow & { readonly node: string; readonly address: string })[]> {
  return (await allEntries(datastore, copyKind)).flatMap(({ value }) => {
    const node = (value as { readonly node?: unknown } | null)?.node
    return typeof node === 'string' ? readCopy(value, node).map(([address, row]) => ({ ...row, node, address })) : []
  })
}
