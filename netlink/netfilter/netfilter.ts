// The Netfilter of ./types.ts on one NetlinkSocket.

import { dump, get as getOne, type Query } from '../core/dump.ts'
import { NetlinkError } from '../core/errno.ts'
import type { Message } from '../core/reader.ts'
import { NetlinkSocket } from '../core/socket.ts'
import type { MessageWriter } from '../core/writer.ts'
import type { OpenOptions } from '../route/rtnetlink.ts'
import type { Result } from '../types.ts'
import { compareElements, readElements, readSet, writeElementQuery } from './sets.ts'
import { type ChainRow, readChain, readRule, readTable, type TableRow, writeTableQuery } from './table.ts'
import { removeSteps, replaceSteps, sendTransaction } from './transaction.ts'
import type { Netfilter, NetfilterSet, NetfilterTable, TableId } from './types.ts'
import { get, group, NETLINK_NETFILTER, nft, typeOf } from './values.ts'

/**
 * Opens nftables in a network namespace; see `open` for the socket's life.
 * @throws NetlinkError if the namespace may not be entered, or EPROTONOSUPPORT if the kernel has no netfilter
 */
export async function openNetfilter(options: OpenOptions = {}): Promise<Netfilter> {
  return new NetfilterSocket(await NetlinkSocket.open({ ...options, protocol: NETLINK_NETFILTER }))
}

class NetfilterSocket implements Netfilter {
  readonly #socket: NetlinkSocket
  readonly #handlers = new Set<() => void>()
  #silence: (() => void) | undefined

  constructor(socket: NetlinkSocket) {
    this.#socket = socket
  }

  tables(): Promise<readonly TableRow[]> {
    return this.#dump(nft.table, writer => writeTableQuery(writer), readTable)
  }

  chains(): Promise<readonly ChainRow[]> {
    return this.#dump(nft.chain, writer => writeTableQuery(writer), readChain)
  }

  async table(id: TableId): Promise<NetfilterTable | undefined> {
    const found = await getOne(
      this.#socket,
      query(nft.table, writer => writeTableQuery(writer, id)),
      readTable,
      ['ENOENT'],
    )
    if (!found) return undefined
    const [sets, chains, rules] = await Promise.all([
      this.#sets(id),
      this.chains(),
      this.#dump(nft.rule, writer => writeTableQuery(writer, id), readRule),
    ])
    const within = (row: TableId): boolean => row.family === id.family && row.name === id.name
    return {
      ...found,
      sets,
      chains: chains.filter(within).map(({ chain }) => ({
        ...chain,
        rules: rules.filter(row => within(row) && row.chain === chain.name).map(({ rule }) => rule),
      })),
    }
  }

  async #sets(id: TableId): Promise<readonly NetfilterSet[]> {
    const sets = await this.#dump(nft.set, writer => writeTableQuery(writer, id), readSet)
    const full = sets.map(async set => {
      const elements = await this.#dump(nft.element, writer => writeElementQuery(writer, id, set.name), readElements)
      return { ...set, elements: elements.flat().toSorted(compareElements) }
    })
    return (await Promise.all(full)).toSorted((a, b) => (a.name < b.name ? -1 : 1))
  }

  replace(table: NetfilterTable): Promise<Result> {
    return sendTransaction(this.#socket, replaceSteps(table))
  }

  remove(id: TableId): Promise<Result> {
    return sendTransaction(this.#socket, removeSteps(id))
  }

  async watch(handler: () => void): Promise<() => Promise<void>> {
    const mine = (): void => handler() // the same handler may watch twice
    this.#handlers.add(mine)
    const tell = (): void => {
      for (const each of this.#handlers) each()
    }
    this.#silence ??= this.#socket.listen({ events: tell, overrun: tell })
    await this.#socket.setMembership(group, true)
    return async () => {
      if (!this.#handlers.delete(mine) || this.#handlers.size > 0) return
      this.#silence?.()
      this.#silence = undefined
      if (!this.#socket.closed) await this.#socket.setMembership(group, false)
    }
  }

  close(): Promise<void> {
    return this.#socket.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** What vanishes while it is read is not there. */
  async #dump<T>(
    number: number,
    body: (writer: MessageWriter) => void,
    read: (message: Message) => T | undefined,
  ): Promise<T[]> {
    try {
      return await dump(this.#socket, query(number, body), read)
    } catch (error) {
      if (error instanceof NetlinkError && error.code === 'ENOENT') return []
      throw error
    }
  }
}

function query(number: number, body: (writer: MessageWriter) => void): Query {
  return (writer, flags, sequence) => {
    writer.begin(typeOf(number + get), flags, sequence)
    body(writer)
    writer.end()
  }
}
