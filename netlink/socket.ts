// netlink-ts/socket: TCP sockets with the options that a routing daemon needs and Node has no name for.
//
// Keys of TCP-MD5 (RFC 2385) and TCP-AO (RFC 5925), the least TTL of what is let in (GTSM, RFC 5082), TTL, source address and device are set before
// connect or listen, so the socket is made here and then handed to Node by its file descriptor. `sockets()` is what
// bgp-speaker's `tcpWith` takes; the functions below it are for everybody.

import { familyOf } from '../inet/index.ts'
import { addon } from './core/addon.ts'
import { errnoName, errnoText, NetlinkError } from './core/errno.ts'
import { type Namespace, openNamespace } from './core/namespace.ts'
import type { TcpAoKey } from './core/tcp-ao.ts'
import { type TcpAo, tcpAo } from './core/tcp-ao-socket.ts'

export { NetlinkError } from './core/errno.ts'
export type { Namespace } from './core/namespace.ts'
export { type PeerCredentials, peerCredentials, peerIsAlive } from './core/peer.ts'
export type { TcpAoAlgorithm, TcpAoIds, TcpAoInUse, TcpAoKey } from './core/tcp-ao.ts'
export type { TcpAo } from './core/tcp-ao-socket.ts'

export interface SocketOptions {
  /** Where the socket lives. Default: the namespace of the process. */
  readonly netns?: Namespace
  /** The local address need not be there yet (IP_FREEBIND). */
  readonly freebind?: boolean
  /** Only through this link (SO_BINDTODEVICE); a VRF's name works too. */
  readonly device?: string
}

/** TTL, or hop limit. Both are 0 where the system's own rule is to hold. */
export interface Hops {
  /** Of what is sent, 1–255. */
  readonly ttl?: number
  /** What arrives with less is dropped, 1–255: 255 lets in only what no router has passed on. */
  readonly leastTtl?: number
}

export interface DialSocket extends Hops {
  /** The remote address, with a zone if it is link-local. */
  readonly address: string
  readonly localAddress?: string
  /** Key of TCP-MD5, 1 to 80 octets. */
  readonly secret?: string
  /** Keys of TCP-AO; what is sent begins with the preferred one, or the first. Not with `secret`. */
  readonly tcpAo?: readonly (TcpAoKey & { readonly preferred?: boolean })[]
}

export interface ListenSocket extends Hops {
  /** Default: every address, of IPv6 and IPv4. */
  readonly address?: string
  readonly port: number
}

/** Makes and changes TCP sockets; each call throws a NetlinkError whose `code` is that of the system, such as EADDRNOTAVAIL. */
export interface Sockets {
  /** A socket that is not connected yet: `new net.Socket({ fd, manualStart: true }).connect(…)`. */
  dial(options: DialSocket): number
  /** A bound socket: `server.listen({ fd })`. */
  listen(options: ListenSocket): number
  /** Also of an open connection. */
  setHops(fd: number, hops: Hops): void
  /**
   * The key for a remote address, or on a listener for a prefix (the longest one counts); undefined takes it away. On a listener it counts for connections to come, on a connection from
   * the next segment on: if both ends change it within TCP's retransmissions, nothing is lost.
   */
  setKey(fd: number, remote: string, secret: string | undefined): void
  /** Keys of TCP-AO (RFC 5925), where the kernel has it. */
  readonly tcpAo: TcpAo
  /** Closes what no socket of Node's has taken over. */
  close(fd: number): void
}

export function sockets(options: SocketOptions = {}): Sockets {
  const { freebind = false, device } = options
  const open = (what: string, family: 4 | 6, local: string | undefined, port: number, listens: boolean, hops: Hops) => {
    const netns = openNamespace(options.netns)
    try {
      const { ttl = 0, leastTtl = 0 } = hops
      const sixOnly = local !== undefined
      const bound = listens ? (local ?? (family === 6 ? '::' : '0.0.0.0')) : local
      const args = [netns.fd, family, bound, port, listens, sixOnly, freebind, device, ttl, leastTtl] as const
      return checked(addon().tcpOpen(...args), what)
    } finally {
      netns.close()
    }
  }
  return {
    dial: ({ address, localAddress, secret, tcpAo: keys = [], ...hops }) => {
      const fd = open(`a socket towards ${address}`, familyOf(address), localAddress, 0, false, hops)
      try {
        if (secret !== undefined) setKey(fd, address, secret)
        const first = keys.find(key => key.preferred) ?? keys[0]
        for (const key of keys) tcpAo.add(fd, address, key, key === first)
        return fd
      } catch (error) {
        addon().tcpClose(fd)
        throw error
      }
    },
    listen: ({ address, port, ...hops }) => {
      if (address !== undefined) return open(`${address} port ${port}`, familyOf(address), address, port, true, hops)
      try {
        return open(`port ${port}`, 6, undefined, port, true, hops)
      } catch (error) {
        if (!(error instanceof NetlinkError && error.code === 'EAFNOSUPPORT')) throw error
        return open(`port ${port}`, 4, undefined, port, true, hops)
      }
    },
    setHops: (fd, { ttl = 0, leastTtl = 0 }) => void checked(addon().tcpHops(fd, ttl, leastTtl), 'its TTL'),
    setKey,
    tcpAo,
    close: fd => addon().tcpClose(fd),
  }
}

function setKey(fd: number, remote: string, secret: string | undefined): void {
  const key = new TextEncoder().encode(secret ?? '')
  const [address, bits] = remote.split('/')
  checked(addon().tcpKey(fd, address, bits === undefined ? -1 : Number(bits), key), `the key for ${remote}`)
}

/** The result, unless it is an errno. */
function checked(result: number, what: string): number {
  if (result >= 0) return result
  const code = errnoName(result)
  throw new NetlinkError(code, `${what}: ${errnoText(code)}`)
}
