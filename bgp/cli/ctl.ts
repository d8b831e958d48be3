// `bgp-speaker ctl`: words to a request on the control socket, and its answer to text. With --json the answer goes out as it came.

import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { createInterface } from 'node:readline'
import { request } from './http.ts'
import { nearest } from './nearest.ts'
import { type Row, show } from './show.ts'

export interface CtlOptions {
  readonly peer?: string
  readonly family?: string
  readonly json?: boolean
}

interface Request {
  readonly method: 'GET' | 'POST'
  readonly path: string
  readonly params: Readonly<Record<string, unknown>>
  /** Names the text form of the answer. */
  readonly as?: string
}

type Verb = (words: readonly string[], options: CtlOptions) => Request

const get = (path: string, params: Request['params'], as?: string): Request => ({ method: 'GET', path, params, as })
const post = (path: string, params: Request['params']): Request => ({ method: 'POST', path, params })
const withWords =
  (path: string): Verb =>
  ([peer, ...words]) =>
    post(path, { peer: given(peer, 'the name of a peer'), words: words.length > 0 ? words.join(' ') : undefined })

const verbs: Readonly<Record<string, Verb>> = {
  peers: ([peer]) => get('/peers', { peer }, 'peers'),
  routes: ([table], { peer, family }) => get('/routes', { table, peer, family }, 'routes'),
  announced: () => get('/announced', {}),
  explain: ([prefix]) => get('/explain', { prefix: given(prefix, 'a prefix') }, 'explain'),
  counters: ([peer]) => get('/counters', { peer }, 'counters'),
  events: () => get('/events', {}),
  announce: routes => post('/announce', { routes: routes.map(parsed) }),
  withdraw: routes => post('/withdraw', { routes }),
  refresh: ([peer, direction]) => post('/refresh', { peer: given(peer, 'the name of a peer'), direction }),
  reset: withWords('/reset'),
  disable: withWords('/disable'),
  enable: withWords('/enable'),
  dump: ([file]) => post('/dump', { file: given(file, 'the name of a file') }),
  reload: () => post('/reload', {}),
  stop: ([mode, ...words]) => post('/stop', { mode, words: words.length > 0 ? words.join(' ') : undefined }),
}

/** Prints the answer on standard output. Throws an Error in words. */
export async function ctl(socketPath: string, words: readonly string[], options: CtlOptions): Promise<void> {
  const [verb = '', ...rest] = words[0] === 'show' ? words.slice(1) : words
  if (!Object.hasOwn(verbs, verb)) {
    const near = nearest(verb, Object.keys(verbs))
    const next = near === undefined ? `there are ${Object.keys(verbs).join(', ')}` : `did you mean ${near}?`
    throw new Error(`there is no ctl ${verb}: ${next}`)
  }
  const asked = verbs[verb](rest, options)
  const response = await call(socketPath, asked)
  if (response.statusCode !== 200) throw new Error(await refusal(response))
  const isList = response.headers['content-type'] === 'application/x-ndjson'
  if (isList && (options.json || asked.as === undefined)) {
    for await (const part of response as AsyncIterable<Buffer>)
      if (!process.stdout.write(part)) await once(process.stdout, 'drain')
    return
  }
  const answer: unknown = isList ? await lines(response) : JSON.parse(await whole(response))
  if (asked.method === 'POST') return
  if (options.json || asked.as === undefined) process.stdout.write(`${JSON.stringify(answer, null, 2)}\n`)
  else process.stdout.write(show(asked.as, answer as Row | readonly Row[]))
}

async function call(socketPath: string, { method, path, params }: Request): Promise<IncomingMessage> {
  const known = Object.entries(params).filter(([, value]) => value !== undefined)
  const query = method === 'GET' ? `?${new URLSearchParams(known as [string, string][]).toString()}` : ''
  const asking = request({ socketPath, method, path: path + query, agent: false })
  asking.end(method === 'POST' ? JSON.stringify(Object.fromEntries(known)) : undefined)
  try {
    const [response] = (await once(asking, 'response')) as [IncomingMessage]
    return response
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? String(error)
    const words = `no router answers at ${socketPath} (${code}): is one running with --control ${socketPath}?`
    throw new Error(words, { cause: error })
  }
}

async function refusal(response: IncomingMessage): Promise<string> {
  const { error } = JSON.parse(await whole(response)) as { readonly error: string }
  return error
}

async function whole(response: IncomingMessage): Promise<string> {
  const parts: Buffer[] = []
  for await (const part of response as AsyncIterable<Buffer>) parts.push(part)
  return Buffer.concat(parts).toString()
}

async function lines(response: IncomingMessage): Promise<unknown[]> {
  const rows: unknown[] = []
  for await (const text of createInterface(response)) rows.push(JSON.parse(text))
  return rows
}

function given(word: string | undefined, what: string): string {
  if (word !== undefined) return word
  throw new Error(`${what} is missing`)
}

/** A route is a prefix, or an object with its attributes. */
function parsed(word: string): unknown {
  if (!word.startsWith('{')) return word
  try {
    return JSON.parse(word)
  } catch (error) {
    throw new Error(`${word} is no JSON: write '{ "prefix": "10.0.0.0/24", "med": 10 }'`, { cause: error })
  }
}
