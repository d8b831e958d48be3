// TCP with socket options: keys (RFC 2385), GTSM (RFC 5082), TTL. The sockets come from a maker, the rest is that of tcp.ts.
//
// Options hang on the remote address, not on who dials: they are set on what we dial before it connects, on listeners before
// they listen, and on connections as they come in. A change reaches open connections, so a key changes without a flap.

import { Socket } from 'node:net'
import { formatAddress, parseAddress } from '../../inet/index.ts'
import { accepted, readInto, serve, type TcpConn, whenConnected } from './tcp.ts'
import type { Conn, Protection, SocketMaker, Transport } from './transport.ts'

/** Listeners answer with it: a peer that uses GTSM takes no SYN with less from its neighbour. Connections have their own. */
const LISTEN_TTL = 255

interface Open {
  readonly fd: number
  readonly remote: string
}

/** The transport for a speaker whose peers have keys or GTSM: `tcpWith(sockets())`, with `sockets` of netlink-ts/socket. */
export function tcpWith(maker: SocketMaker): Transport {
  const protections = new Map<string, Protection>()
  const listeners = new Set<number>()
  /** Connections, open or being made. */
  const open = new Map<Socket, Open>()

  const keep = (socket: Socket, fd: number, remote: string): void => {
    open.set(socket, { fd, remote })
    socket.once('close', () => open.delete(socket))
  }

  return {
    protect: (list, failed) => {
      const before = new Map(protections)
      protections.clear()
      for (const one of list) protections.set(plain(one.address), one)
      for (const address of new Set([...before.keys(), ...protections.keys()])) {
        const [old, now] = [before.get(address), protections.get(address)]
        const attempt = (act: () => void) => {
          try {
            act()
          } catch (error) {
            failed(now?.address ?? address, reasonOf(error))
          }
        }
        if (old?.secret !== now?.secret) {
          for (const fd of listeners) attempt(() => maker.setKey(fd, address, now?.secret))
        }
        for (const [socket, { fd, remote }] of open) {
          // The descriptor of a socket that ends just now may be another's already.
          if (remote !== address || !now || socket.destroyed) continue
          if (old?.secret !== now.secret) attempt(() => maker.setKey(fd, address, now.secret))
          if (old?.ttl !== now.ttl || old.leastTtl !== now.leastTtl) attempt(() => maker.setHops(fd, now))
        }
      }
    },

    connect: (to, connected, failed) => {
      const { secret, ttl, leastTtl } = protections.get(plain(to.address)) ?? {}
      let fd: number
      try {
        fd = maker.dial({ address: to.address, localAddress: to.localAddress, secret, ttl, leastTtl })
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
        for (const one of protections.values()) if (one.secret !== undefined) maker.setKey(fd, one.address, one.secret)
      } catch (error) {
        const timer = setImmediate(() => events.failed(reasonOf(error)))
        return () => clearImmediate(timer)
      }
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
        const wanted = protections.get(plain(conn.remote))
        if (own !== undefined && wanted) {
          keep(socket, own, plain(conn.remote))
          try {
            maker.setHops(own, wanted)
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

/** One notation for each address. */
function plain(address: string): string {
  const [text, ...zone] = address.split('%')
  const parsed = parseAddress(text)
  return [parsed ? formatAddress(parsed) : text, ...zone].join('%')
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return 'code' in error && typeof error.code === 'string' ? error.code : error.message
}
