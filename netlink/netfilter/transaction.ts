// One transaction of nftables: all of it or nothing, in one datagram between NFNL_MSG_BATCH_BEGIN and NFNL_MSG_BATCH_END. Packets meet
// the rules of before or those of after (Documentation of nf_tables_api.c, "generations").

import { type Failure, failureOf, InvalidRequest } from '../core/batch.ts'
import { errnoText, errnoName } from '../core/errno.ts'
import { flag, message as messageType } from '../core/protocol.ts'
import { readMessages } from '../core/reader.ts'
import type { NetlinkSocket } from '../core/socket.ts'
import { MessageWriter } from '../core/writer.ts'
import type { Result } from '../types.ts'
import { elementsPerMessage, writeElements, writeSet } from './sets.ts'
import { writeChain, writeRule, writeTable } from './table.ts'
import type { NetfilterTable, TableId } from './types.ts'
import { batch, del, nft, subsystem, typeOf, writeBody } from './values.ts'

/** One message, and what to call it where the kernel refuses it. */
export interface Step {
  readonly type: number
  readonly flags: number
  readonly what: string
  readonly write: (writer: MessageWriter) => void
}

/** Makes the table if it is not there, so that it can be deleted, and makes it anew with all that is in it. */
export function replaceSteps(table: NetfilterTable): readonly Step[] {
  const name = `table ${table.family} ${table.name}`
  const make = (what: string, type: number, write: Step['write'], flags: number = flag.create): Step => ({
    type,
    flags,
    what,
    write,
  })
  const { sets, chains } = table
  return [
    make(name, nft.table, writer => writeTable(writer, table)),
    make(name, nft.table + del, writer => writeTable(writer, table), 0),
    make(name, nft.table, writer => writeTable(writer, table, table)),
    ...sets.map((set, i) => make(`${name}, set ${set.name}`, nft.set, writer => writeSet(writer, table, set, i + 1))),
    ...sets.flatMap(set =>
      chunksOf(set.elements, elementsPerMessage).map(elements =>
        make(`${name}, set ${set.name}`, nft.element, writer => writeElements(writer, table, set, elements)),
      ),
    ),
    // Chains first: rules may jump to any.
    ...chains.map(chain => make(`${name}, chain ${chain.name}`, nft.chain, writer => writeChain(writer, table, chain))),
    ...chains.flatMap(chain =>
      chain.rules.map((rule, i) =>
        make(
          `${name}, chain ${chain.name}, rule ${i + 1}`,
          nft.rule,
          writer => writeRule(writer, table, chain.name, rule),
          flag.create | flag.append,
        ),
      ),
    ),
  ]
}

export function removeSteps(id: TableId): readonly Step[] {
  const what = `table ${id.family} ${id.name}`
  return [{ type: nft.table + del, flags: 0, what, write: writer => writeTable(writer, id) }]
}

function chunksOf<T>(all: readonly T[], size: number): readonly (readonly T[])[] {
  return Array.from({ length: Math.ceil(all.length / size) }, (_, i) => all.slice(i * size, (i + 1) * size))
}

/** Sequence numbers count from `first`: begin, the steps; the end has that of the last step, whose answer ends the exchange. */
export function writeTransaction(writer: MessageWriter, steps: readonly Step[], first: number): void {
  writer.begin(batch.begin, flag.request, first)
  writeBody(writer, 0, subsystem)
  writer.end()
  for (const [i, step] of steps.entries()) {
    const isLast = i === steps.length - 1
    writer.begin(typeOf(step.type), flag.request | step.flags | (isLast ? flag.ack : 0), (first + 1 + i) >>> 0)
    step.write(writer)
    writer.end()
  }
  writer.begin(batch.end, flag.request, (first + steps.length) >>> 0)
  writeBody(writer, 0, subsystem)
  writer.end()
}

/** The first refusal is that of the whole. */
export async function sendTransaction(socket: NetlinkSocket, steps: readonly Step[]): Promise<Result> {
  return socket.inOrder(async () => {
    const writer = new MessageWriter(16 * 1024)
    const first = socket.sequences(steps.length + 1)
    try {
      writeTransaction(writer, steps, first)
    } catch (error) {
      if (!(error instanceof InvalidRequest)) throw error
      return { ok: false, errno: error.errno, text: error.message }
    }
    let refused: Failure | undefined
    const end = await socket.submit('transaction', writer.bytes, bytes =>
      readMessages(bytes, message => {
        const failed = message.type === messageType.error ? failureOf(message) : undefined
        if (!failed) return
        const step = ((message.sequence - first) >>> 0) - 1
        refused ??= { ...failed, text: step < 0 ? failed.text : `${steps[step]?.what}: ${failed.text}` }
      }),
    )
    if (refused) return refused
    if (end.code === 0) return { ok: true }
    const errno = errnoName(end.code)
    return { ok: false, errno, text: errnoText(errno) }
  })
}
