// Which of the stores a configuration means.

import type { ClusterStore } from './contract.ts'
import { openEmbeddedDatastore } from './embedded/datastore.ts'
import type { EtcdSettings } from './etcd/settings.ts'

export type DatastoreSettings =
  { readonly type: 'embedded'; readonly path: string } | ({ readonly type: 'etcd' } & EtcdSettings)

/**
 * Nothing is dialled or opened before the first call. `create`: an embedded store that is missing is made; in an etcd, a cluster
 * begins with its first record.
 */
export async function openDatastore(
  settings: DatastoreSettings,
  options: { readonly create: boolean },
): Promise<ClusterStore> {
  if (settings.type === 'embedded') return openEmbeddedDatastore(settings.path, options)
  // gRPC is much code, and who has no etcd does not wait for it.
  const { openEtcdDatastore } = await import('./etcd/datastore.ts')
  return openEtcdDatastore(settings)
}

/** Where it is, for logs: no secrets. */
export function describeDatastore(settings: DatastoreSettings): string {
  return settings.type === 'embedded' ? settings.path : `etcd ${settings.endpoints.join(',')}${settings.prefix}`
}
