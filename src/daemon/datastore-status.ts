// What `status` says of the datastore: whether it is there, and whether it takes writes, which a lock, a spent quota or a missing right
// keep off while reading goes on. That is tried when somebody asks, so it is true for just as long as it lasts.

import type { DaemonStatus } from '../api/contract.ts'
import { type Datastore, StoreError } from '../datastore/contract.ts'
import type { Cluster } from './cluster.ts'

/** Milliseconds: who asks for the status waits no longer. */
const patience = 3_000

type DatastoreStatus = DaemonStatus['datastore']

/** Never rejects. */
export async function datastoreStatus(
  type: DatastoreStatus['type'],
  cluster: Pick<Cluster, 'state' | 'text' | 'held'>,
  datastore: Pick<Datastore, 'tryWrite'>,
  wait = patience,
): Promise<DatastoreStatus> {
  const refusal = cluster.state === 'in sync' ? await refusalOf(datastore, wait) : undefined
  const { state, text, held } = cluster
  return {
    type,
    state,
    ...(text !== undefined && { text }),
    ...(refusal && { refusal }),
    ...(held !== undefined && { held }),
  }
}

async function refusalOf(datastore: Pick<Datastore, 'tryWrite'>, wait: number): Promise<DatastoreStatus['refusal']> {
  const silent = Promise.withResolvers<DatastoreStatus['refusal']>()
  const text = `The datastore has not answered for ${wait / 1_000} s whether it takes writes: look at its load and its disks.`
  const timer = setTimeout(() => silent.resolve({ code: 'unreachable', text }), wait)
  const tried = datastore.tryWrite().then(
    () => undefined,
    (error: unknown) => ({
      code: error instanceof StoreError ? error.code : ('unreachable' as const),
      text: error instanceof Error ? error.message : String(error),
    }),
  )
  try {
    return await Promise.race([tried, silent.promise])
  } finally {
    clearTimeout(timer)
  }
}
