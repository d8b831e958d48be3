// Which cluster a store holds: one record says it, made by the first daemon.

import { randomUUID } from 'node:crypto'
import {
  clusterIdentity as identity,
  type Datastore,
  type Entry,
  StoreError,
  unfinishedImport,
} from '../datastore/contract.ts'
import { keyOf } from './checkpoint.ts'
import type { Log } from './log.ts'
import type { Records } from './resync-guard.ts'

/** Gives a new cluster its identity; another daemon may be faster. Never fails. */
export function nameCluster(datastore: Datastore, log: Log): void {
  datastore.create(identity.kind, identity.name, { clusterGUID: randomUUID() }).catch((error: unknown) => {
    if (error instanceof StoreError && error.code === 'exists') return
    log.warn('the cluster could not be given its identity; the next start tries again', { reason: String(error) })
  })
}

/** Of a store with another identity than the node's cluster has. */
export function strangeText(theirs: string | undefined): string {
  const what = theirs === undefined ? 'it is empty or new' : 'it holds another cluster'
  return `the datastore answers, but ${what}: what is known stays in force; put back the store of this cluster, or its records by margayctl import; to leave that cluster, stop margayd and remove its stateDir`
}

/** What stands in the way of taking the records for a cluster; undefined: nothing. */
export function unfinishedText(entries: Records): string | undefined {
  if (!unfinishedImport(entries.get(keyOf(identity)))) return undefined
  return 'an import into the datastore has begun and not ended, so its records are not all there: run the same margayctl import again'
}

export function guidOf(entries: Records): string | undefined {
  return guidIn(entries.get(keyOf(identity)))
}

export function guidIn(entry: Entry | undefined): string | undefined {
  const { clusterGUID } = (entry?.value ?? {}) as { readonly clusterGUID?: unknown }
  return typeof clusterGUID === 'string' ? clusterGUID : undefined
}
