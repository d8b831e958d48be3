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
import { clearHalfWritten, Spool } from './spool.ts'

const longestPath = 107

export interface CniServerOptions {
  readonly socket: string
  readonly spoolDir: string
  readonly backend: CniBackend
  readonly onCall?: (report: CallReport) => void
  /** A sentence about the spool, or about a process that may not use the socket. */
  readonly onProblem?: (text: string) => void
  /** Milliseconds between two looks into the spool. Default 5,000. */
  readonly lookEvery?: number
}

export interface CniServer {
  /** Takes no more calls, ends those that are running, removes the socket. */
  close(): Promise<void>
}

/**
 * Listens, replays the spool, then serves. Listening comes first: a stub that finds nobody listening spools its DEL and then
 * looks once more, so that none is written after the replay and forgotten. The spool is looked into again and again: a stub that got no
 * answer of a daemon that runs has put its DEL there, too. Throws if another daemon listens there.
 */
export async function listenCni({
  socket: path,
  spoolDir,
  backend,
  onCall,
  onProblem,
  lookEvery = 5_000,
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
  const queue = new KeyedQueue()
  const spool = new Spool(spoolDir, backend, queue)
  const context = { backend, queue, owed: spool, ready: replayed.promise, closing: closing.signal, report: onCall }
  const running = new Set<Promise<void>>()
  const mayCall = callerGuard(path, text => onProblem?.(text))
  const server = createServer(socket => {
    if (!mayCall(socket)) return
    const served = serveConnection(socket, context).finally(() => running.delete(served))
    running.add(served)
  })
  const told = new Set<string>()
  const replaySpool = async (): Promise<void> => {
    const problems = await spool.replay().catch((error: unknown) => {
      return [`spool ${spoolDir} cannot be read: ${error instanceof Error ? error.message : String(error)}`]
    })
    for (const problem of problems) if (!told.has(problem)) onProblem?.(problem)
    told.clear()
    for (const problem of problems) told.add(problem)
  }
  await clearHalfWritten(spoolDir)
  await listenForRoot(server, path)

  await replaySpool()
  replayed.resolve()
  let looking: Promise<void> | undefined
  const look = (): void => {
    looking ??= replaySpool().finally(() => (looking = undefined))
  }
  const timer = setInterval(look, lookEvery).unref()

  return {
    async close() {
      const closed = new Promise<void>(resolve => server.close(() => resolve()))
      closing.abort()
      clearInterval(timer)
      await looking
      await Promise.all(running)
      await closed
      await rm(path, { force: true })
    },
  }
}
