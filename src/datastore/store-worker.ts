// The thread of a store: everything that waits for a disk happens here (design §3). One file serves both stores.

import { parentPort, workerData } from 'node:worker_threads'
import { clusterCalls } from './embedded/calls.ts'
import { nodeCalls } from './node/calls.ts'
import type { StoreSettings } from './worker/protocol.ts'
import { serve } from './worker/server.ts'
import { plain } from './worker/sqlite.ts'

const { store, path } = workerData as StoreSettings
if (!parentPort) throw new Error('store-worker runs as a worker thread only')
const calls = store === 'cluster' ? clusterCalls(path) : nodeCalls(path)
serve(parentPort, calls, error => plain(error, store === 'cluster' ? 'datastore' : 'node store', path))
