// What the stub and the daemon say to each other on the unix socket. stub/wire.c is the other end.
//
//     request    version 1 · octets of environment 4 · octets of stdin 4 · environment · stdin
//     response   version 1 · exit code 1 · octets of stdout 4 · octets of stderr 4 · stdout · stderr
//     receipt    one octet, 6, from the stub once the response is on its stdout
//
// Lengths are big-endian. The environment is `KEY=VALUE`, each ended by a zero octet. One request a connection. A connection
// that closes before the receipt says that the runtime got no answer. A spooled DEL is a file that holds its request.

import type { CniRequest, CniResponse } from './handle.ts'

export const wireVersion = 1
export const receipt = 6
export const limits = { environment: 64 * 1024, stdin: 4 * 1024 * 1024 } as const

const requestHead = 9
const responseHead = 10

export type Reading =
  | { readonly state: 'more' }
  | { readonly state: 'request'; readonly request: CniRequest; readonly octets: number }
  /** Not a request of this version; what to tell the far end. */
  | { readonly state: 'refused'; readonly reason: string }

/** Reads the request at the start of `octets`. */
export function readRequest(octets: Buffer): Reading {
  if (octets.length > 0 && octets[0] !== wireVersion) {
    return {
      state: 'refused',
      reason: `it speaks version ${octets[0]} of their protocol, and margayd version ${wireVersion}`,
    }
  }
  if (octets.length < requestHead) return { state: 'more' }
  const [environment, stdin] = [octets.readUInt32BE(1), octets.readUInt32BE(5)]
  if (environment > limits.environment || stdin > limits.stdin) {
    return { state: 'refused', reason: `its request of ${environment + stdin} octets is too long` }
  }
  const end = requestHead + environment + stdin
  if (octets.length < end) return { state: 'more' }
  const split = requestHead + environment
  const request = {
    env: readEnvironment(octets.toString('utf8', requestHead, split)),
    stdin: octets.toString('utf8', split, end),
  }
  return { state: 'request', request, octets: end }
}

function readEnvironment(text: string): Record<string, string> {
  const env: Record<string, string> = Object.create(null)
  for (const pair of text.split('\0')) {
    const equals = pair.indexOf('=')
    if (equals > 0) env[pair.slice(0, equals)] = pair.slice(equals + 1)
  }
  return env
}

/** The stub's half, for tests and for tools that stand in for it. */
export function writeRequest({ env, stdin }: CniRequest): Buffer {
  const pairs = Object.entries(env).filter(([, value]) => value !== undefined)
  const environment = Buffer.from(pairs.map(([key, value]) => `${key}=${value}\0`).join(''))
  const body = Buffer.from(stdin)
  const head = Buffer.alloc(requestHead)
  head[0] = wireVersion
  head.writeUInt32BE(environment.length, 1)
  head.writeUInt32BE(body.length, 5)
  return Buffer.concat([head, environment, body])
}

export function writeResponse({ exitCode, stdout, stderr }: CniResponse): Buffer {
  const [out, err] = [Buffer.from(stdout), Buffer.from(stderr)]
  const head = Buffer.alloc(responseHead)
  head[0] = wireVersion
  head[1] = exitCode
  head.writeUInt32BE(out.length, 2)
  head.writeUInt32BE(err.length, 6)
  return Buffer.concat([head, out, err])
}
