// Asks a daemon on its unix socket.

import { type Api, type Failure, methodOf, type Path } from './contract.ts'
import { request } from './http.ts'

/** The daemon could not be asked, or refused; `message` says why and what to do. `status` 0 = not reached. */
export class ApiError extends Error {
  readonly status: number
  constructor(status: number, message: string) {
    super(message)
    this.status = status
  }
}

/** Milliseconds without an octet after which a daemon counts as hanging. */
const answersWithin = 10_000

/** One call; rejects with `ApiError`. */
export function call<P extends Path>(socket: string, path: P, query: Api[P]['query']): Promise<Api[P]['answer']> {
  const given = Object.entries(query as Readonly<Record<string, string | undefined>>).flatMap(([key, value]) =>
    value === undefined ? [] : [[key, value]],
  )
  return new Promise((resolve, reject) => {
    const asked = request(
      // A connection of its own: one that was kept can be closed by the daemon just as the next call is written to it.
      {
        socketPath: socket,
        method: methodOf(path),
        path: `${path}?${new URLSearchParams(given).toString()}`,
        agent: false,
      },
      response => {
        const parts: Buffer[] = []
        response.on('data', (part: Buffer) => parts.push(part))
        response.on('error', error =>
          reject(new ApiError(0, `margayd broke off its answer on ${socket}: ${error.message}`)),
        )
        response.on('end', () => {
          const body: unknown = JSON.parse(Buffer.concat(parts).toString())
          if (response.statusCode === 200) resolve(body as Api[P]['answer'])
          else reject(new ApiError(response.statusCode ?? 0, (body as Failure).error))
        })
      },
    )
    asked.setTimeout(answersWithin, () =>
      asked.destroy(
        new Error(
          `no answer within ${answersWithin / 1000} s: the process hangs or is stopped; look at its log, and restart it`,
        ),
      ),
    )
    asked.on('error', (error: NodeJS.ErrnoException) => reject(new ApiError(0, unreachable(socket, error))))
    asked.end()
  })
}

function unreachable(socket: string, error: NodeJS.ErrnoException): string {
  if (error.code === 'EACCES') return `${socket} is root's: run margayctl as root`
  if (error.code === 'ENOENT' || error.code === 'ECONNREFUSED')
    return `margayd does not answer on ${socket}: is it running? Start it with margayd --config FILE, or name its file by margayctl --config FILE`
  if (error.code === 'ECONNRESET' || error.code === 'EPIPE')
    return `margayd closed the connection on ${socket}: it answers only root in the node's own network namespace, and its log says whom it refused. If it was stopped just now, start it`
  return `margayd does not answer on ${socket}: ${error.message}`
}
