// The octets of TCP connections: whose they are, message by message what comes, and what goes out, a last word included.

import type { ChunkSink } from '../groups/port.ts'
import { type Connection, pump } from '../session/connection.ts'
import * as explain from '../session/explain.ts'
import type { Peer } from '../session/peer.ts'
import type { ConnId } from '../types.ts'
import { checkHeader, HEADER_LENGTH, messageLength } from '../wire/header.ts'

export interface Owner {
  readonly peer: Peer
  readonly connection: Connection
}

export class Streams {
  readonly #owners = new Map<ConnId, Owner>()
  /** Last messages of connections that are being closed. */
  readonly #farewells = new Map<ConnId, readonly Uint8Array[]>()
  /** Connections that the shell was told to pull from, and has not yet. */
  readonly #signalled = new Set<ConnId>()
  #next = 1
  #spent = 0

  /** An id for a TCP connection. */
  allocate(): ConnId {
    return this.#next++ as ConnId
  }

  ownerOf(conn: ConnId): Owner | undefined {
    return this.#owners.get(conn)
  }

  adopt(conn: ConnId, peer: Peer, connection: Connection): void {
    this.#owners.set(conn, { peer, connection })
  }

  /** It belongs to nobody any more; `last`: messages that still go out. */
  release(conn: ConnId, last: readonly Uint8Array[]): void {
    this.#owners.delete(conn)
    this.#signalled.delete(conn)
    if (last.length > 0) this.#farewells.set(conn, last)
  }

  /** It is closed: no last word goes out any more. */
  closed(conn: ConnId): void {
    this.#farewells.delete(conn)
  }

  /** Whether it is news that something can be pulled. */
  signal(conn: ConnId): boolean {
    if (this.#signalled.has(conn)) return false
    this.#signalled.add(conn)
    return true
  }

  /** Units that the last `receive` took. */
  get spent(): number {
    return this.#spent
  }

  /** Takes whole messages from `octets[from, to)` until about `units` are spent; returns the octets taken. */
  receive(conn: ConnId, octets: Uint8Array, from: number, to: number, units: number): number {
    const owner = this.#owners.get(conn)
    this.#spent = 0
    if (!owner) return to - from
    const { peer, connection } = owner
    let at = from
    let unread = false
    const budget = units
    while (to - at >= HEADER_LENGTH && connection.conn === conn) {
      const broken = checkHeader(octets, at, connection.longest)
      if (broken) {
        peer.fault(connection, broken)
        break
      }
      const length = messageLength(octets, at)
      if (to - at < length) break
      unread = units <= 0
      if (unread) break
      units -= this.#message(owner, octets, at, at + length)
      if (connection.applied === 0) at += length
    }
    this.#spent = budget - units
    if (connection.conn !== conn) return to - from
    connection.unread = unread
    return at - from
  }

  /** Hands what is to be sent to the sink; true if more is ready now. */
  pull(conn: ConnId, sink: ChunkSink): boolean {
    this.#signalled.delete(conn)
    const last = this.#farewells.get(conn)
    if (last) {
      this.#farewells.delete(conn)
      pump(last, sink)
      return false
    }
    const owner = this.#owners.get(conn)
    return owner ? owner.peer.pull(owner.connection, sink) : false
  }

  /** The last-resort guard of a session: a fault of our own ends it, and nothing else. */
  #message({ peer, connection }: Owner, octets: Uint8Array, from: number, to: number): number {
    try {
      return peer.message(connection, octets, from, to)
    } catch (error) {
      peer.fault(connection, explain.internalFault(error))
      return 1
    }
  }
}
