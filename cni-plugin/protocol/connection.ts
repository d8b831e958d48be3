// The daemon's end of one connection: read the request, do it, answer, and take an ADD back whose answer nobody got.

import type { Socket } from 'node:net'
import type { CniBackend } from './backend.ts'
import { CniError, code, errorObject } from './errors.ts'
import { handle } from './handle.ts'
import type { CniRequest, CniResponse, Owed } from './handle.ts'
import type { KeyedQueue } from './queue.ts'
import { keyOf } from './spool.ts'
import { newestVersion } from './versions.ts'
import { readRequest, writeResponse } from './wire.ts'

/** A call that has ended, for the log; without what the configuration holds, which may be secret. */
export interface CallReport {
  readonly command: string
  readonly containerId: string
  readonly ifName: string
  readonly exitCode: number
  /** The error object, if there was one. */
  readonly error?: string
  /** The runtime was gone before it had the answer; an ADD was undone. */
  readonly abandoned: boolean
}

export interface ConnectionContext {
  readonly backend: CniBackend
  /** Calls for one interface run one after another, undoing included. */
  readonly queue: KeyedQueue
  readonly owed: Owed
  /** Resolves when spooled DELs have been replayed; no call runs before. */
  readonly ready: Promise<void>
  /** Aborted when the daemon stops: connections whose request has not arrived are closed. */
  readonly closing: AbortSignal
  readonly report?: (report: CallReport) => void
}

/** Serves one connection to its end; never rejects. */
export async function serveConnection(socket: Socket, context: ConnectionContext): Promise<void> {
  const peer = new Peer(socket, context.closing)
  const asked = await peer.request()
  if (asked === undefined) return
  if ('refused' in asked) {
    const error = new CniError(
      code.stubMismatch,
      `margay-cni does not fit this margayd: ${asked.refused}.`,
      'Install the margay-cni that came with it.',
    )
    await peer.answer({ exitCode: 1, stdout: errorObject(newestVersion, error), stderr: '' })
    socket.destroy()
    return
  }
  await context.ready
  const { CNI_COMMAND: command = '', CNI_CONTAINERID: containerId = '', CNI_IFNAME: ifName = '' } = asked.env
  await context.queue.run(keyOf(containerId, ifName), async () => {
    if (peer.gone.aborted && command === 'ADD') return
    const response = await handle(asked, context.backend, peer.gone, context.owed)
    const received = await peer.answer(response)
    const undone = received ? undefined : await undo(response)
    const error = undone ?? (response.exitCode === 0 ? undefined : response.stdout.trim())
    context.report?.({ command, containerId, ifName, exitCode: response.exitCode, error, abandoned: !received })
  })
  socket.destroy()
}

async function undo(response: CniResponse): Promise<string | undefined> {
  try {
    await response.undo?.()
    return undefined
  } catch (error) {
    return `The abandoned ADD could not be undone: ${error instanceof Error ? error.message : String(error)}`
  }
}

type Asked = CniRequest | { readonly refused: string }

/** Milliseconds that a stub has for its answer when the daemon stops. */
const confirmWithin = 2_000

/** The stub at the other end. */
class Peer {
  readonly #socket: Socket
  readonly #closing: AbortSignal
  readonly #gone = new AbortController()
  #octets = Buffer.alloc(0)
  #asked = Promise.withResolvers<Asked | undefined>()
  #received = Promise.withResolvers<boolean>()
  #answering = false
  #hasAsked = false
  #isServed = false

  constructor(socket: Socket, closing: AbortSignal) {
    this.#socket = socket
    this.#closing = closing
    closing.addEventListener('abort', this.#giveUpAsking)
    socket.on('data', (octets: Buffer) => this.#read(octets))
    for (const event of ['end', 'close', 'error']) socket.on(event, () => this.#leave())
  }

  /** Aborted when the stub has gone. */
  get gone(): AbortSignal {
    return this.#gone.signal
  }

  /** Undefined: the stub went away, or said nothing that could be answered. */
  request(): Promise<Asked | undefined> {
    return this.#asked.promise
  }

  /** True once the stub has said that it passed the answer on. */
  answer(response: CniResponse): Promise<boolean> {
    if (this.gone.aborted) return Promise.resolve(false)
    this.#answering = true
    this.#socket.write(writeResponse(response))
    return this.#received.promise
  }

  #read(octets: Buffer): void {
    if (this.#hasAsked) {
      if (!this.#answering) return
      this.#isServed = true
      this.#received.resolve(true)
      return
    }
    this.#octets = Buffer.concat([this.#octets, octets])
    const reading = readRequest(this.#octets)
    if (reading.state === 'more') return
    this.#hasAsked = true
    if (reading.state === 'request') this.#asked.resolve(reading.request)
    else this.#asked.resolve({ refused: reading.reason })
  }

  /** The daemon stops: a stub that has not asked is sent away, one that does not confirm its answer soon counts as gone. */
  readonly #giveUpAsking = (): void => {
    if (!this.#hasAsked) this.#socket.destroy()
    else setTimeout(() => this.#socket.destroy(), confirmWithin).unref()
  }

  #leave(): void {
    this.#closing.removeEventListener('abort', this.#giveUpAsking)
    // Who has the answer may go; that is no news.
    if (!this.#isServed) this.#gone.abort()
    this.#asked.resolve(undefined)
    this.#received.resolve(false)
  }
}
