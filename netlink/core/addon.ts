// Finds and loads the native addon, and says what it offers (native/addon.c).

import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import { NetlinkError } from './errno.ts'

export type NativeSocket = { readonly _: 'NativeSocket' }

/** Kinds of job, as native/netlink.h numbers them. */
export const job = { batch: 0, dump: 1, join: 2, leave: 3, transaction: 4, files: 5 } as const

/** Kinds of item that `take` returns. */
export const item = { opened: 0, data: 1, end: 2, event: 3, overrun: 4, closed: 5 } as const

export interface Addon {
  /** A socket with its thread in the namespace (an fd; -1: the process's own), or a negative errno. `callback`: items wait. */
  open(
    namespace: number,
    protocol: number,
    receiveBuffer: number,
    mutesOwnRoutes: boolean,
    callback: () => void,
  ): NativeSocket | number
  /**
   * Hands a job to the thread; `bytes` are copied. With a `visit` that is not 0 it is done in that namespace (an fd); jobs in a row with the
   * same number are one visit. 0 or a negative errno.
   */
  submit(
    socket: NativeSocket,
    kind: number,
    id: number,
    group: number,
    bytes: Uint8Array | undefined,
    visit: number,
    namespace: number,
  ): number
  /** First whether there is more (1), else wait for the callback; then five values an item: kind, id, code (an errno), count, bytes. About `limit` octets at a time. */
  take(socket: NativeSocket, limit: number): readonly (number | Uint8Array | undefined)[]
  /** Whether the socket keeps the process alive. */
  hold(socket: NativeSocket, held: boolean): void
  /** Ends the thread; the item `closed` is its last. */
  close(socket: NativeSocket): void
  /** An fd, or a negative errno (EINVAL: not a network namespace). */
  openNamespace(path: string): number
  /** Closes what `openNamespace` gave. */
  closeNamespace(fd: number): void
  /** 0 or a negative errno. */
  checkNamespace(fd: number): number
  /** An fd of a TCP socket that is not connected and does not listen, or a negative errno; see `struct tcp_request`. */
  tcpOpen(
    namespace: number,
    family: number,
    local: string | undefined,
    port: number,
    listens: boolean,
    sixOnly: boolean,
    freebind: boolean,
    device: string | undefined,
    ttl: number,
    leastTtl: number,
  ): number
  /** TTL and least TTL; 0 = the system's, or none; -1 = leave it. 0 or a negative errno. */
  tcpHops(fd: number, ttl: number, leastTtl: number): number
  /** TCP-MD5 key towards an address, or with `bits` >= 0 towards the network around it; an empty one takes it away. 0 or a negative errno. */
  tcpKey(fd: number, remote: string, bits: number, key: Uint8Array): number
  /** setsockopt with these octets. 0 or a negative errno. */
  setOption(fd: number, level: number, name: number, value: Uint8Array): number
  /** getsockopt into these octets, of which the kernel is told `length`. 0 or a negative errno. */
  getOption(fd: number, level: number, name: number, value: Uint8Array, length: number): number
  /** Whether the process at the other end of a unix socket is there: 1, 0 or a negative errno (ENOPROTOOPT: before Linux 6.5). */
  peerAlive(fd: number): number
  tcpClose(fd: number): void
  /** Sends an ICMPv6 message out of a link, hop limit 255. 0 or a negative errno. */
  icmp6Send(namespace: number, device: string, to: string, message: Uint8Array): number
  /** Sends an echo that must not be fragmented, on a thread of libuv's pool: 0 = answered, positive = the MTU that somebody named, or a negative errno. */
  icmpEcho(to: string, octets: number, milliseconds: number): Promise<number>
  /** Sends echoes to all, again and again, from a thread of that namespace: whether each has answered, or a negative errno. */
  icmpEchoes(namespace: number, to: readonly string[], milliseconds: number): Promise<number | readonly boolean[]>
}

let loaded: Addon | undefined

/** The addon of this platform. It lies beside a bundle, or in `dist/` of the sources. */
export function addon(): Addon {
  return (loaded ??= load())
}

function load(): Addon {
  const name = `netlink-${process.platform}-${process.arch}.node`
  const candidates = [`./${name}`, `../${name}`, `../dist/${name}`].map(path =>
    fileURLToPath(new URL(path, import.meta.url)),
  )
  const path = candidates.find(candidate => existsSync(candidate))
  if (path === undefined)
    throw new NetlinkError(
      'ENOENT',
      `netlink-ts finds no addon for ${process.platform}-${process.arch}; it looked for ${candidates.join(', ')}. ` +
        'Build it: node netlink/native/build.ts',
    )
  try {
    return createRequire(import.meta.url)(path) as Addon
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new NetlinkError(
      'ENOEXEC',
      `netlink-ts could not load ${path}: ${reason}. Build it anew: node netlink/native/build.ts`,
    )
  }
}
