// The control socket: HTTP on a unix socket. What is asked goes by GET and what is done by POST, with parameters in the query
// or as one JSON object; answers are JSON, and lists that may be long are JSON lines.
//
//     curl --unix-socket bgp.sock http://x/peers
//     curl --unix-socket bgp.sock http://x/reset -d '{ "peer": "tor", "words": "maintenance" }'

import { once } from 'node:events'
import { chmodSync, rmSync } from 'node:fs'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { connect } from 'node:net'
import { setImmediate as turn } from 'node:timers/promises'
import type { ConfigIssue, Family, Origination, Table } from '../types.ts'
import { issueText } from '../speaker.ts'
import { type Events, plain } from './events.ts'
import { origination } from './fields.ts'
import { createServer } from './http.ts'
import { nearest } from './nearest.ts'
import type { Router } from './router.ts'
import { collect, either, list, text } from './shape.ts'

/** Octets of a request's body. */
const MOST_BODY = 16 * 1024 * 1024

export interface ControlOptions {
  readonly router: Router
  readonly events: Events
  readonly stop: (mode: 'cease' | 'restart', words?: string) => void
}

type Params = Readonly<Record<string, unknown>>

/** A refusal that the caller is told. */
class Refusal extends Error {
  readonly status: number

  constructor(status: number, message: string) {
    super(message)
    this.status = status
  }
}

type Answer = (options: ControlOptions, params: Params, response: ServerResponse) => unknown

const gets: Readonly<Record<string, Answer>> = {
  '/peers': ({ router }, params) => ofPeer(router.speaker.status(), params),
  '/counters': ({ router }, params) => ofPeer(router.speaker.counters(), params),
  '/routes': routes,
  '/announced': ({ router }) => router.announced,
  '/explain': ({ router }, params) => {
    const prefix = needed(params, 'prefix')
    const found = router.speaker.explain(prefix)
    if (found.paths.length > 0) return found
    throw new Refusal(404, `there is no route to ${JSON.stringify(prefix)}: give a prefix as the tables show it`)
  },
  '/events': ({ events }, _, response) => {
    response.writeHead(200, { 'content-type': 'application/x-ndjson' })
    response.flushHeaders()
    events.follow(response)
    return streamed
  },
}

const posts: Readonly<Record<string, Answer>> = {
  '/announce': ({ router }, params) => {
    const issue = router.announce(originations(params))
    if (issue !== undefined) throw new Refusal(400, issue)
    return {}
  },
  '/withdraw': ({ router }, params) => {
    const prefixes = originations(params).map(({ prefix }) => prefix)
    const unknown = router.withdraw(prefixes)
    if (unknown.length > 0) throw new Refusal(404, `not announced here: ${unknown.join(', ')}; nothing was withdrawn`)
    return {}
  },
  '/refresh': ({ router }, params) => {
    const direction = word(params, 'direction', ['in', 'out'], 'in')
    return ask(params, peer => router.speaker.refreshPeer(peer, direction), router)
  },
  '/reset': ({ router }, params) =>
    ask(params, peer => router.speaker.resetPeer(peer, optional(params, 'words')), router),
  '/disable': ({ router }, params) =>
    ask(params, peer => router.speaker.disablePeer(peer, optional(params, 'words')), router),
  '/enable': ({ router }, params) => ask(params, peer => router.speaker.enablePeer(peer), router),
  '/reload': ({ router }) => {
    try {
      router.reload()
    } catch (error) {
      throw new Refusal(400, error instanceof Error ? error.message : String(error))
    }
    return {}
  },
  '/dump': async ({ router }, params) => {
    try {
      return await router.mrt.dump(needed(params, 'file'))
    } catch (error) {
      throw error instanceof Refusal ? error : new Refusal(400, `it cannot be written: ${String(error)}`)
    }
  },
  '/stop': ({ stop }, params) => {
    const mode = word(params, 'mode', ['cease', 'restart'], 'cease')
    const words = optional(params, 'words')
    setImmediate(() => stop(mode, words))
    return {}
  },
}

const tables: ReadonlyMap<string, Readonly<Record<string, Answer>>> = new Map([
  ['GET', gets],
  ['POST', posts],
])

/** The answer goes out by itself. */
const streamed = Symbol('streamed')

/** Listens on the path; a socket that nobody listens on any more is replaced. Throws if somebody does. */
export async function listenControl(path: string, options: ControlOptions): Promise<Server> {
  if (await answers(path))
    throw new Error(`${path} is the control socket of a router that runs: stop it, or give another path`)
  rmSync(path, { force: true })
  const server = createServer((request, response) => void serve(request, response, options))
  const mask = process.umask(0o177)
  try {
    server.listen(path)
    await once(server, 'listening')
  } finally {
    process.umask(mask)
  }
  chmodSync(path, 0o600)
  return server
}

function answers(path: string): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connect(path)
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}

async function serve(request: IncomingMessage, response: ServerResponse, options: ControlOptions): Promise<void> {
  try {
    const url = new URL(request.url ?? '/', 'http://control')
    const table = tables.get(request.method ?? '')
    if (!table || !Object.hasOwn(table, url.pathname)) throw unknownPath(url.pathname)
    const params = { ...Object.fromEntries(url.searchParams), ...(await body(request)) }
    const answer = await table[url.pathname](options, params, response)
    if (answer !== streamed) send(response, 200, answer)
  } catch (error) {
    const words = error instanceof Error ? error.message : String(error)
    if (response.headersSent) response.destroy()
    else send(response, error instanceof Refusal ? error.status : 500, { error: words })
  }
}

function send(response: ServerResponse, status: number, answer: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' })
  response.end(`${JSON.stringify(answer, plain)}\n`)
}

function unknownPath(path: string): Refusal {
  for (const [method, table] of tables) {
    if (Object.hasOwn(table, path)) return new Refusal(405, `${path} is asked for by ${method}`)
  }
  const near = nearest(path, [...Object.keys(gets), ...Object.keys(posts)])
  const next =
    near === undefined
      ? `there are ${[...Object.keys(gets), ...Object.keys(posts)].join(' ')}`
      : `did you mean ${near}?`
  return new Refusal(404, `there is no ${path}: ${next}`)
}

/** The body, if any: an object of parameters, or a list. */
async function body(request: IncomingMessage): Promise<Params> {
  const parts: Buffer[] = []
  let size = 0
  for await (const part of request as AsyncIterable<Buffer>) {
    size += part.length
    if (size > MOST_BODY) throw new Refusal(413, `the request is longer than ${MOST_BODY} octets: send less at once`)
    parts.push(part)
  }
  if (size === 0) return {}
  let value: unknown
  try {
    value = JSON.parse(Buffer.concat(parts).toString())
  } catch (error) {
    throw new Refusal(400, `the request is no JSON: ${String(error)}`)
  }
  if (Array.isArray(value)) return { routes: value }
  if (typeof value === 'object' && value !== null) return { ...value }
  throw new Refusal(400, 'the request is no object and no list: send { } or [ ]')
}

// ---- parameters --------------------------------------------------------------------------------------------------

function optional(params: Params, name: string): string | undefined {
  const value = params[name]
  if (value === undefined || typeof value === 'string') return value
  throw new Refusal(400, `${name} is ${JSON.stringify(value)}: it is not a text`)
}

function needed(params: Params, name: string): string {
  const value = optional(params, name)
  if (value !== undefined) return value
  throw new Refusal(400, `${name} is missing`)
}

function word<const T extends string>(params: Params, name: string, words: readonly T[], otherwise: T): T {
  const given = optional(params, name) ?? otherwise
  const found = words.find(one => one === given)
  if (found !== undefined) return found
  throw new Refusal(400, `${name} is ${JSON.stringify(given)}: use ${words.join(', ')}`)
}

/** One route, or a list of them, each with its attributes or just a prefix. */
function originations(params: Params): readonly Origination[] {
  const issues: ConfigIssue[] = []
  const whole = list(either(text, origination))
  const given = whole.read(params.routes ?? [params], '', collect(issues)) ?? []
  if (issues.length > 0) throw new Refusal(400, issues.map(issueText).join('\n'))
  return given.map(one => (typeof one === 'string' ? { prefix: one } : one))
}

function ofPeer<T extends { readonly name: string }>(all: readonly T[], params: Params): readonly T[] {
  const peer = optional(params, 'peer')
  const found = peer === undefined ? all : all.filter(({ name }) => name === peer)
  if (peer !== undefined && found.length === 0) throw noPeer(peer, all)
  return found
}

function ask(params: Params, act: (peer: string) => boolean, { speaker }: Router): object {
  const peer = needed(params, 'peer')
  if (!act(peer)) throw noPeer(peer, speaker.status())
  return {}
}

function noPeer(peer: string, all: readonly { readonly name: string }[]): Refusal {
  const names = all.map(({ name }) => name)
  const near = nearest(peer, names)
  const next = near === undefined ? `there are ${names.join(', ')}` : `did you mean ${near}?`
  return new Refusal(404, `there is no peer ${JSON.stringify(peer)}: ${next}`)
}

async function routes(
  { router: { speaker } }: ControlOptions,
  params: Params,
  response: ServerResponse,
): Promise<symbol> {
  const tables: readonly Table[] = ['loc', 'in', 'accepted', 'out']
  const table = word(params, 'table', tables, 'loc')
  const all: readonly Family[] = ['ipv4-unicast', 'ipv6-unicast']
  const families = params.family === undefined ? all : [word(params, 'family', all, 'ipv4-unicast')]
  const peer = optional(params, 'peer')
  if (peer !== undefined) ofPeer(speaker.status(), params)
  else if (table !== 'loc') throw new Refusal(400, `whose table? Add peer=NAME to table=${table}`)
  response.writeHead(200, { 'content-type': 'application/x-ndjson' })
  for (const family of families) {
    for (const page of speaker.routes(table, { family, peer })) {
      const flows = response.write(page.map(row => `${JSON.stringify({ family, ...row })}\n`).join(''))
      if (response.destroyed) return streamed
      if (flows) await turn()
      else await Promise.race([once(response, 'drain'), once(response, 'close')])
    }
  }
  response.end()
  return streamed
}
