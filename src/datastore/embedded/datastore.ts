// The cluster's store in one SQLite file, shared by the processes of one machine: the main side.

import type { ClusterStore, Version, WatchEvent } from '../contract.ts'
import { WorkerClient } from '../worker/client.ts'
import type { ClusterCalls } from './calls.ts'

/**
 * The file is opened by the first call; what cannot be opened is tried again with the next. A missing file is made only with
 * `create`: whoever knows that there was a cluster, or only wants to read, must not begin another one.
 */
export function openEmbeddedDatastore(path: string, { create }: { readonly create: boolean }): ClusterStore {
  const client = new WorkerClient<ClusterCalls>({ store: 'cluster', path, create })
  return {
    get: (kind, name) => client.call('get', kind, name),
    list: (kind, page) => client.call('list', kind, page?.next, page?.limit),
    create: (kind, name, value) => client.call('create', kind, name, value),
    update: (kind, name, value, version: Version) => client.call('update', kind, name, value, version),
    delete: (kind, name, version) => client.call('delete', kind, name, version),
    tryWrite: () => client.call('tryWrite'),
    kinds: () => client.call('kinds'),
    keepAlive: (name, about, seconds) => client.call('keepAlive', name, about, seconds),
    sign: name => client.call('sign', name),
    signs: () => client.call('signs'),
    forget: name => client.call('forget', name),
    watch: (kinds, signal) => watch(client, kinds, signal),
    close: () => client.close(),
  }
}

async function* watch(
  client: WorkerClient<ClusterCalls>,
  kinds: readonly string[],
  signal: AbortSignal,
): AsyncGenerator<WatchEvent, void> {
  if (signal.aborted) return
  const id = await client.call('watchOpen', kinds)
  const close = (): void => void client.call('watchClose', id).catch(() => undefined) // a store that is gone has no watch left
  signal.addEventListener('abort', close)
  try {
    while (!signal.aborted) {
      const events = await client.call('watchNext', id).catch((error: unknown) => {
        if (client.closed) return [] // by us: the watch has ended
        throw error
      })
      if (events.length === 0) return
      for (const event of events) {
        if (signal.aborted) return
        yield event
      }
    }
  } finally {
    signal.removeEventListener('abort', close)
    close()
  }
}
