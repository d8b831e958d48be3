// Records that one node alone writes, each under that node's name.

import type { Datastore } from '../datastore/contract.ts'

/** Makes the record, or puts another value into it. Rejects as the datastore does. */
export async function writeOwn(
  datastore: Pick<Datastore, 'get' | 'create' | 'update'>,
  kind: string,
  node: string,
  value: unknown,
): Promise<void> {
  const entry = await datastore.get(kind, node)
  if (entry) await datastore.update(kind, node, value, entry.version)
  else await datastore.create(kind, node, value)
}
