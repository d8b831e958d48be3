// The datastore for what this node writes, and reads to write it: closed while what answers is not the store of this node's cluster.
// Blocks that were claimed in an empty or another store would be others' by the right one.

import { type ClusterStore, StoreError } from '../datastore/contract.ts'

/** `doubt`: why the store that answers is not believed; undefined: it is. Rejects as the datastore does. */
export function believed(datastore: ClusterStore, doubt: () => Promise<string | undefined>): ClusterStore {
  const certain = async (): Promise<void> => {
    const text = await doubt()
    if (text !== undefined) throw new StoreError('unreachable', `${text}.`)
  }
  const after =
    <A extends readonly unknown[], R>(call: (...args: A) => Promise<R>) =>
    async (...args: A): Promise<R> => {
      await certain()
      return call(...args)
    }
  return {
    get: after((kind, name) => datastore.get(kind, name)),
    list: after((kind, page) => datastore.list(kind, page)),
    create: after((kind, name, value) => datastore.create(kind, name, value)),
    update: after((kind, name, value, version) => datastore.update(kind, name, value, version)),
    delete: after((kind, name, version) => datastore.delete(kind, name, version)),
    tryWrite: after(() => datastore.tryWrite()),
    kinds: after(() => datastore.kinds()),
    keepAlive: after((name, about, seconds) => datastore.keepAlive(name, about, seconds)),
    sign: after(name => datastore.sign(name)),
    signs: after(() => datastore.signs()),
    forget: after(name => datastore.forget(name)),
    watch: (kinds, signal) => datastore.watch(kinds, signal),
    close: () => datastore.close(),
  }
}
