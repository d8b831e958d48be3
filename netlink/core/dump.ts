// Reading tables. A dump that the kernel marks as interrupted (NLM_F_DUMP_INTR: the table changed under it, so that something may
// be missing or there twice) is thrown away and made anew.

import { extendedText, failureOf } from './batch.ts'
import { errnoName, errnoText, NetlinkError } from './errno.ts'
import { flag, littleEndian, message as messageType } from './protocol.ts'
import { type Message, readMessages } from './reader.ts'
import type { Requests } from './socket.ts'
import { MessageWriter } from './writer.ts'

const attempts = 20

/** Writes one GET request with these flags and this sequence number. */
export type Query = (writer: MessageWriter, flags: number, sequence: number) => void

/**
 * All entries that `query` asks for, each turned into a T or left out (undefined).
 * @throws NetlinkError with the kernel's code; EINTR if the table changed during each of twenty dumps
 */
export async function dump<T>(
  socket: Requests,
  query: Query,
  decode: (message: Message) => T | undefined,
): Promise<T[]> {
  for (let attempt = 0; attempt < attempts; attempt++) {
    const { entries, interrupted } = await ask(socket, 'dump', query, decode)
    if (!interrupted) return entries
  }
  throw new NetlinkError('EINTR', `the table changed during each of ${attempts} dumps; try again`)
}

/** The one entry that `query` asks for; undefined if there is none (`absent` lists the codes that say so). */
export async function get<T>(
  socket: Requests,
  query: Query,
  decode: (message: Message) => T | undefined,
  absent: readonly string[],
): Promise<T | undefined> {
  try {
    return (await ask(socket, 'batch', query, decode)).entries[0]
  } catch (error) {
    if (error instanceof NetlinkError && absent.includes(error.code)) return undefined
    throw error
  }
}

async function ask<T>(
  socket: Requests,
  kind: 'batch' | 'dump',
  query: Query,
  decode: (message: Message) => T | undefined,
): Promise<{ entries: T[]; interrupted: boolean }> {
  const entries: T[] = []
  let interrupted = false
  let failed: NetlinkError | undefined
  const { promise } = await socket.inOrder(async () => {
    const writer = new MessageWriter(256)
    query(writer, flag.request | (kind === 'dump' ? flag.dump : 0), socket.sequences(1))
    const promise = socket.submit(kind, writer.bytes, bytes =>
      readMessages(bytes, message => {
        if (message.flags & flag.dumpInterrupted) interrupted = true
        if (message.type === messageType.done) {
          const error = message.to - message.from >= 4 ? message.view.getInt32(message.from, littleEndian) : 0
          if (error < 0) failed = kernelError(errnoName(error), extendedText(message))
        } else if (message.type === messageType.error) {
          const failure = failureOf(message)
          if (failure) failed = kernelError(failure.errno, failure.text)
        } else {
          const entry = decode(message)
          if (entry !== undefined) entries.push(entry)
        }
      }),
    )
    promise.catch(() => {}) // it is awaited below
    return { promise } // wrapped, so that the next call need not wait for this answer
  })
  const end = await promise
  if (end.code !== 0) throw kernelError(errnoName(end.code))
  if (failed) throw failed
  return { entries, interrupted }
}

function kernelError(code: string, text = errnoText(code)): NetlinkError {
  return new NetlinkError(code, `netlink: ${text} (${code})`)
}
