// TCP with socket options: keys (RFC 2385, RFC 5925), GTSM (RFC 5082), TTL. The sockets come from a maker, the rest is that of tcp.ts.
//
// Options hang on the remote address, not on who dials: they are set on what we dial before it connects, on listeners before
// they listen, and on connections as they come in. A change reaches open connections, so a key changes without a flap.

import { Socket } from 'node:net'
import { bareAddress, plainAddress as plain } from '../core/addresses.ts'
import { keepConnection } from '../core/tcp-ao.ts'
import { formatPrefix, parsePrefix, PrefixTable } from '../../inet/index.ts'
import { accepted, readInto, serve, type TcpConn, whenConnected } from './tcp.ts'
import { changeConnection, changePlaces, type KeyPlaces, removePlaces } from './tcp-ao.ts'
import type { Conn, Protection, SocketMaker, Transport } from './transport.ts'

/** Listeners answer with it: a peer that uses GTSM takes no SYN with less from its neighbour. Connections have their own. */
const LISTEN_TTL = 255

interface Open {
  readonly fd: number
  readonly remote: string
}

/** Protections by address, and by prefix for what has none of its own. */
class Protections {
  /** What is said of them by `failed`, by address or prefix in one notation. */
  readonly keys: ReadonlyMap<string, string>
  readonly tcpAo: KeyPlaces
  readonly #all: ReadonlyMap<string, Protection>
  readonly #prefixes = new PrefixTable<Protection>()

  constructor(list: readonly Protection[]) {
    const named = list.map(one => {
      const prefix = one.address.includes('/') ? parsePrefix(one.address) : undefined
      if (prefix) this.#prefixes.set(prefix, one)
      return [prefix ? formatPrefix(prefix) : plain(one.address), one] as const
    })
    this.#all = new Map(named)
    this.keys = new Map(named.map(([key, one]) => [key, one.address]))
    this.tcpAo = new Map(named.flatMap(([key, { tcpAo }]) => (tcpAo ? [[placeOf(key), tcpAo] as const] : [])))
  }

  get(key: string): Protection | undefined {
    return this.#all.get(key)
  }

  /** What counts for an address. */
  find(remote: string): Protection | undefined {
    const bare = bareAddress(remote)
    return this.#all.get(remote) ?? (bare && this.#prefixes.match(bare)?.value)
  }
}

/** The transport for a speaker whose peers have keys or GTSM: `tcpWith(sockets())`, with `sockets` of netlink-ts/socket. */
export function tcpWith(maker: SocketMaker): Transport {
  const ao = maker.tcpAo
  let protections = new Protections([])
  /** Who is told of addresses that cannot be protected. */
  let complain: (address: string, reason: string) => void = () => {}
  const listeners = new Set<number>()
  /** Connections, open or being made. */
  const open = new Map<Socket, Open>()

  const keep = (socket: Socket, fd: number, remote: string): void => {
    open.set(socket, { fd, remote })
    socket.once('close', () => open.delete(socket))
  }

  const attempt = (address: string, act: () => void) => {
    try {
      act()
    } catch (error) {
      complain(address, reasonOf(error))
    }
  }

  /** The same, at a listener's place: whoever is there has no protection. */
  const attemptAt = (place: string, act: () => void) =>
    attempt(Array.from(protections.keys).find(([key]) => placeOf(key) === place)?.[1] ?? place, act)

  return {
    ...(ao && { tcpAoLacks: key => ao.lacks(key) }),

    protect: (list, failed) => {
      const before = protections
      protections = new Protections(list)
      complain = failed
      // An address has keys of one kind only, so what goes comes first.
      if (ao) for (const fd of listeners) removePlaces(ao, fd, before.tcpAo, protections.tcpAo, attemptAt)
      for (const [key, address] of new Map([...before.keys, ...protections.keys])) {
        const [old, now] = [before.get(key)?.secret, protections.get(key)?.secret]
        if (old !== now) for (const fd of listeners) attempt(address, () => maker.setKey(fd, key, now))
      }
      if (ao) for (const fd of listeners) changePlaces(ao, fd, before.tcpAo, protections.tcpAo, attemptAt)
      for (const [socket, { fd, remote }] of open) {
        const [old, now] = [before.find(remote), protections.find(remote)]
        // The descriptor of a socket that ends just now may be another's already.
        if (!now || socket.destroyed) continue
        // The engine ends it: it cannot be brought over.
        if (!keepConnection(old?.tcpAo, now.tcpAo)) continue
        const { tcpAo } = now
        if (ao && tcpAo && tcpAo !== old?.tcpAo) attempt(now.address, () => changeConnection(ao, fd, remote, tcpAo))
        if (old?.secret !== now.secret) attempt(now.address, () => maker.setKey(fd, remote, now.secret))
        if (old?.ttl !== now.ttl || old.leastTtl !== now.leastTtl) attempt(now.address, () => maker.setHops(fd, now))
      }
    },

    connect: (to, connected, failed) => {
      const { secret, tcpAo, ttl, leastTtl } = protections.find(plain(to.address)) ?? {}
      let fd: number
      try {
        fd = maker.dial({ address: to.address, localAddress: to.localAddress, secret, tcpAo, ttl, leastTtl })
      } catch (error) {
        const timer = setImmediate(() => failed(reasonOf(error)))
        return () => clearImmediate(timer)
      }
      let received: TcpConn['received'] | undefined
      const socket = make(fd, octets => received?.(octets))
      keep(socket, fd, plain(to.address))
      const cancel = whenConnected(
        socket,
        conn => {
          received = octets => conn.received(octets)
          connected(conn)
        },
        failed,
      )
      socket.connect({ host: to.address, port: to.port })
      return cancel
    },

    listen: ({ address, port }, events) => {
      let fd: number
      try {
        fd = maker.listen({ address, port, ttl: LISTEN_TTL })
        for (const key of protections.keys.keys()) {
          const secret = protections.get(key)?.secret
          if (secret !== undefined) maker.setKey(fd, key, secret)
        }
      } catch (error) {
        const timer = setImmediate(() => events.failed(reasonOf(error)))
        return () => clearImmediate(timer)
      }
      if (ao) changePlaces(ao, fd, new Map(), protections.tcpAo, attemptAt)
      listeners.add(fd)
      const forgetful = {
        ...events,
        failed: (code: string) => {
          listeners.delete(fd)
          events.failed(code)
        },
      }
      const stop = serve({ fd }, forgetful, socket => {
        const conn: Conn = accepted(socket)
        const own = fdOf(socket)
        const wanted = protections.find(plain(conn.remote))
        if (own !== undefined && wanted) {
          keep(socket, own, plain(conn.remote))
          try {
            maker.setHops(own, wanted)
            // It may have been made in the moment before its listener had the key.
            if (wanted.secret !== undefined) maker.setKey(own, plain(conn.remote), wanted.secret)
            if (ao && wanted.tcpAo) changeConnection(ao, own, plain(conn.remote), wanted.tcpAo)
          } catch {
            // It has ended already; if not, letting it in without the protection would be wrong.
            return conn.close(false)
          }
        }
        events.accepted(conn)
      })
      return () => {
        listeners.delete(fd)
        stop()
      }
    },
  }
}

/** A link-local address on two links is one to a listener. */
function placeOf(key: string): string {
  return key.replace(/%.*$/, '')
}

/** A socket of Node's on a descriptor that is not connected. */
function make(fd: number, received: (octets: Uint8Array) => void): Socket {
  // `manualStart`: reading starts with the connection. Node has the option, its types do not.
  const options = { fd, readable: true, writable: true, manualStart: true, onread: readInto(received) }
  return new Socket(options).setNoDelay(true)
}

/** The descriptor of a socket that Node accepted; Node has no public name for it. */
function fdOf(socket: Socket): number | undefined {
  const { _handle: handle } = socket as Socket & { readonly _handle?: { readonly fd?: number } | null }
  return typeof handle?.fd === 'number' && handle.fd >= 0 ? handle.fd : undefined
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return 'code' in error && typeof error.code === 'string' ? error.code : error.message
}
