// The daemon's HTTP on a unix socket. It knows paths and JSON; what to answer is handed in.

import { rmSync } from 'node:fs'
import type { Server, ServerResponse } from 'node:http'
import { dirname } from 'node:path'
import { callerGuard } from '../../cni-plugin/protocol/caller.ts'
import { listenForRoot, somebodyListens } from '../../cni-plugin/protocol/socket.ts'
import { makeFolder } from '../datastore/folder.ts'
import { type Api, type Failure, methodOf, type Path } from './contract.ts'
import { createServer } from './http.ts'

/** One function a path. A `RequestError` becomes its status and sentence, anything else 500. */
export type Handlers = {
  readonly [P in Path]: (query: Api[P]['query']) => Promise<Api[P]['answer']> | Api[P]['answer']
}

/** A refusal the caller can act on: 400 or 404 with one sentence. */
export class RequestError extends Error {
  readonly status: 400 | 404
  constructor(status: 400 | 404, message: string) {
    super(message)
    this.status = status
  }
}

/**
 * Listens on the socket (mode 0600, root's). A socket file that nobody answers on is replaced. A process that may not use it
 * (`callerGuard`) is turned away, of which `onRefused` gets a sentence.
 */
export async function serve(
  socket: string,
  handlers: Handlers,
  onRefused: (sentence: string) => void = () => {},
): Promise<Server> {
  makeFolder(dirname(socket))
  if (await somebodyListens(socket)) {
    throw new Error(
      `api socket ${socket} is in use by a running margayd: stop that one first, or set api.socket to another path`,
    )
  }
  rmSync(socket, { force: true })
  const server = createServer((request, response) => {
    const url = URL.parse(request.url ?? '/', 'http://margayd')
    if (!url) return reply(response, 400, { error: `${request.url} is no path` })
    const handler = (handlers as Readonly<Record<string, ((query: never) => unknown) | undefined>>)[url.pathname]
    if (request.method !== methodOf(url.pathname) || !handler) {
      reply(response, 404, {
        error: `${request.method} ${url.pathname} is not served here; margayctl and margayd may differ in version`,
      })
      return
    }
    answer(handler, Object.fromEntries(url.searchParams)).then(
      body => reply(response, 200, body),
      (error: unknown) => {
        const text = error instanceof Error ? error.message : String(error)
        reply(response, error instanceof RequestError ? error.status : 500, { error: text } satisfies Failure)
      },
    )
  })
  // Before Node's own listener, which begins to read.
  server.prependListener('connection', callerGuard(socket, onRefused))
  await listenForRoot(server, socket)
  return server
}

/** Asynchronous, so that a handler that throws and one that rejects end alike. */
async function answer(handler: (query: never) => unknown, query: Readonly<Record<string, string>>): Promise<unknown> {
  return handler(query as never)
}

function reply(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
}
