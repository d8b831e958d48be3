// Many requests, a result for each. They are encoded a slice a turn of the event loop, and the thread sends the first slices while
// the later ones are still being encoded.

import { setImmediate as nextTurn } from 'node:timers/promises'
import { errnoName, errnoText, NetlinkError } from './errno.ts'
import { errorAttribute, headerLength, littleEndian, message as messageType } from './protocol.ts'
import { Attributes, type Message, readMessages } from './reader.ts'
import { ScatteredRun, type Scattering, type SendSlice } from './scattered.ts'
import type { Requests } from './socket.ts'
import type { MessageWriter } from './writer.ts'

export interface Failure {
  readonly ok: false
  readonly errno: string
  readonly text: string
}

export type Outcome = { readonly ok: true } | Failure

const done: Outcome = Object.freeze({ ok: true })

/** A request that cannot be written, because a value in it is wrong or names what is not there. */
export class InvalidRequest extends Error {
  override readonly name = 'InvalidRequest'
  readonly errno: string

  constructor(text: string, errno = 'EINVAL') {
    super(text)
    this.errno = errno
  }
}

/** Requests encoded in one turn of the event loop. */
const sliceRequests = 1024

/** Undefined for an acknowledgement of success. struct nlmsgerr: error i32, the request's header, attributes (NETLINK_EXT_ACK). */
export function failureOf(message: Message): Failure | undefined {
  const error = message.view.getInt32(message.from, littleEndian)
  return error === 0 ? undefined : failure(-error, extendedText(message))
}

export function failure(errno: number, text?: string): Failure {
  const name = errnoName(errno)
  return { ok: false, errno: name, text: text ?? errnoText(name) }
}

/** What the kernel says in words, if it does; also at the end of a dump. */
export function extendedText(message: Message): string | undefined {
  const skip = message.type === messageType.error ? 4 + headerLength : 4
  const attributes = new Attributes(message, message.from + skip, message.to)
  while (attributes.next()) if (attributes.type === errorAttribute.message) return attributes.text()
  return undefined
}

/**
 * Sends one request for each of `requests`, in order, but for whole slices of which `scattering` says that it makes no difference.
 * `encode` writes one message with the given sequence number, and throws InvalidRequest for a request that makes no sense, which
 * then is that request's outcome. One that fails stops no other.
 */
export async function sendBatch<T>(
  socket: Requests,
  requests: readonly T[],
  encode: (writer: MessageWriter, request: T, sequence: number) => void,
  scattering?: Scattering,
): Promise<Outcome[]> {
  const outcomes = requests.map(() => done)
  const slices: Promise<void>[] = []
  const send: SendSlice = (messages, sent, indexOf) => {
    const slice = sendSlice(socket, messages, sent, indexOf, outcomes)
    slice.catch(() => {}) // it is awaited below
    slices.push(slice)
  }
  await socket.inOrder(async () => {
    const { writer } = socket
    const run = scattering && requests.length > sliceRequests ? new ScatteredRun(scattering) : undefined
    const drain = () => run?.drain(sliceRequests, count => socket.sequences(count), send)
    for (let from = 0; from < requests.length; from += sliceRequests) {
      if (from > 0) await nextTurn()
      if (from > 0 && socket.closed) throw new NetlinkError('ECANCELED', 'the netlink socket was closed amid a batch')
      const to = Math.min(from + sliceRequests, requests.length)
      const first = socket.sequences(to - from)
      const sent = encodeSlice(writer, requests, from, to, first, encode, outcomes)
      const kind = run?.kindOf(writer.bytes) ?? 0
      if (run && run.kind !== 0 && run.kind !== kind) await drain()
      if (run && kind !== 0) run.add(kind, writer.bytes, sent)
      else if (sent.length > 0) send(writer.bytes, sent, sequence => from + ((sequence - first) >>> 0))
    }
    await drain()
  })
  await Promise.all(slices)
  return outcomes
}

/** Writes the requests from `from` to `to`; returns the indices of those that could be written. */
function encodeSlice<T>(
  writer: MessageWriter,
  requests: readonly T[],
  from: number,
  to: number,
  first: number,
  encode: (writer: MessageWriter, request: T, sequence: number) => void,
  outcomes: Outcome[],
): number[] {
  const sent: number[] = []
  writer.clear()
  for (let i = from; i < to; i++) {
    const before = writer.length
    try {
      encode(writer, requests[i], (first + i - from) >>> 0)
      sent.push(i)
    } catch (error) {
      writer.truncate(before)
      if (!(error instanceof InvalidRequest)) throw error
      outcomes[i] = { ok: false, errno: error.errno, text: error.message }
    }
  }
  return sent
}

async function sendSlice(
  socket: Requests,
  messages: Uint8Array,
  sent: readonly number[],
  indexOf: (sequence: number) => number,
  outcomes: Outcome[],
): Promise<void> {
  const end = await socket.submit('batch', messages, bytes =>
    readMessages(bytes, message => {
      const failed = message.type === messageType.error ? failureOf(message) : undefined
      if (failed) outcomes[indexOf(message.sequence)] = failed
    }),
  )
  if (end.code === 0) return
  for (const index of sent.slice(end.answered)) if (outcomes[index].ok) outcomes[index] = failure(end.code)
}
