// The thread of a store: everything that waits for a disk happens here (design §3). One file serves both stores.

import { parentPort, workerData } from 'node:worker_threads'
import { clusterCalls } from './embedded/calls.ts'
import { nodeCalls } from './node/calls.ts'
import type { StoreSettings } from './worker/protocol.ts'
import { serve } from './worker/server.ts'
import { plain } from './worker/sqlite.ts'

const settings = workerData as StoreSettings
if (!parentPort) throw new Error('store-worker runs as a worker thread only')
const calls = settings.store === 'cluster' ? clusterCalls(settings.path, settings.create) : nodeCalls(settings.path)
serve(parentPort, calls, error =>
  plain(error, settings.store === 'cluster' ? 'datastore' : 'node store', settings.path),
)
