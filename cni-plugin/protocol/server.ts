// The daemon's unix socket for CNI calls.

import { rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { dirname } from 'node:path'
import { makeFolder } from '../../src/datastore/folder.ts'
import type { CniBackend } from './backend.ts'
import { callerGuard } from './caller.ts'
import { serveConnection } from './connection.ts'
import type { CallReport } from './connection.ts'
import { KeyedQueue } from './queue.ts'
import { listenForRoot, somebodyListens } from './socket.ts'
import { replaySpool } from './spool.ts'

const longestPath = 107

export interface CniServerOptions {
  readonly socket: string
  readonly spoolDir: string
  readonly backend: CniBackend
  readonly onCall?: (report: CallReport) => void
  /** A sentence about the spool, or about a process that may not use the socket. */
  readonly onProblem?: (text: string) => void
}

export interface CniServer {
  /** Takes no more calls, ends those that are running, removes the socket. */
  close(): Promise<void>
}

/**
 * Listens, replays the spool, then serves. Listening comes first: a stub that finds nobody listening spools its DEL and then
 * looks once more, so that none is written after the replay and forgotten. Throws if another daemon listens there.
 */
export async function listenCni({
  socket: path,
  spoolDir,
  backend,
  onCall,
  onProblem,
}: CniServerOptions): Promise<CniServer> {
  if (Buffer.byteLength(path) > longestPath) {
    throw new Error(
      `cni socket ${path}: the path is longer than the ${longestPath} octets of unix(7); set a shorter one.`,
    )
  }
  makeFolder(dirname(path))
  if (await somebodyListens(path)) {
    throw new Error(`cni socket ${path}: another daemon listens there; stop it, or set another path.`)
  }
  await rm(path, { force: true })

  const replayed = Promise.withResolvers<void>()
  const closing = new AbortController()
  const context = { backend, queue: new KeyedQueue(), ready: replayed.promise, closing: closing.signal, report: onCall }
  const running = new Set<Promise<void>>()
  const mayCall = callerGuard(path, text => onProblem?.(text))
  const server = createServer(socket => {
    if (!mayCall(socket)) return
    const served = serveConnection(socket, context).finally(() => running.delete(served))
    running.add(served)
  })
  await listenForRoot(server, path)

  try {
    const { problems } = await replaySpool(spoolDir, backend)
    for (const problem of problems) onProblem?.(problem)
  } catch (error) {
    onProblem?.(`spool ${spoolDir} cannot be read: ${error instanceof Error ? error.message : String(error)}`)
  }
  replayed.resolve()

  return {
    async close() {
      const closed = new Promise<void>(resolve => server.close(() => resolve()))
      closing.abort()
      await Promise.all(running)
      await closed
      await rm(path, { force: true })
    },
  }
}
