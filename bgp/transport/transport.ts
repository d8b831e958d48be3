// What a shell needs of the world: connections and a clock. TCP is one transport, an in-memory network another. Socket options
// that Node has no name for (TCP-MD5, TCP-AO, GTSM) are set by a `SocketMaker` that the caller brings.

import type { TcpAoIds, TcpAoKey } from '../types.ts'

/** One end of an open connection. Callbacks come from the event loop, never from inside a call. */
export interface Conn {
  /** Addresses without port; IPv4 as such, also on a dual-stack socket. */
  readonly local: string
  readonly remote: string
  /** Ports, where the transport knows them. */
  readonly localPort?: number
  readonly remotePort?: number
  /** The octets are the receiver's only until the callback returns. */
  onData(callback: (octets: Uint8Array) => void): void
  /** The connection has ended, and all data came before. `reason`: an error code, or empty for an orderly end. */
  onClose(callback: (reason: string) => void): void
  /** Sends in one go. `done`: the octets are no longer needed. Returns false if the sender should wait for drain. */
  write(chunks: readonly Uint8Array[], done: () => void): boolean
  onDrain(callback: () => void): void
  /** Back-pressure on input. */
  pause(on: boolean): void
  /** Ends it: with `flush` after what was written has gone out, else at once. No callback comes afterwards. */
  close(flush: boolean): void
}

export interface DialOptions {
  readonly address: string
  readonly port: number
  readonly localAddress?: string
}

export interface ListenOptions {
  /** Default: every address. */
  readonly address?: string
  readonly port: number
}

/** What comes of a listener. `code` is an error code such as EADDRINUSE. */
export interface ListenEvents {
  accepted(conn: Conn): void
  listening(): void
  failed(code: string): void
}

/** How connections with a remote address are protected, whoever makes them. */
export interface Protection {
  /** Or a prefix, for all addresses in it that have no entry of their own or of a longer prefix. */
  readonly address: string
  /** Key of TCP-MD5 (RFC 2385). */
  readonly secret?: string
  /** Keys of TCP-AO (RFC 5925). */
  readonly tcpAo?: readonly TcpAoKey[]
  /** TTL of what is sent; 0 = the system's. */
  readonly ttl: number
  /** What arrives with less is dropped (RFC 5082); 0 = nothing is. */
  readonly leastTtl: number
}

export interface Transport {
  /**
   * The whole list, in the place of the one before: it counts for connections to come, for listeners and for connections that
   * are open. Calls back for each address whose connections cannot be protected so. Absent: this transport cannot.
   */
  protect?(list: readonly Protection[], failed: (address: string, reason: string) => void): void
  /** Why connections cannot have such a key of TCP-AO, in words; undefined if they can. Absent: this transport has none of it. */
  tcpAoLacks?(key: TcpAoKey): string | undefined
  /** Exactly one of the callbacks is called, unless the returned function was called first: it gives up. */
  connect(to: DialOptions, connected: (conn: Conn) => void, failed: (reason: string) => void): () => void
  /** Returns a function that stops listening; accepted connections live on. */
  listen(on: ListenOptions, events: ListenEvents): () => void
}

/** Makes TCP sockets with options, by file descriptor; calls throw an Error with a `code`. `sockets()` of netlink-ts/socket is one. */
export interface SocketMaker {
  /** A socket that is not connected yet. */
  dial(options: {
    readonly address: string
    readonly localAddress?: string
    readonly secret?: string
    /** It begins with the preferred one, or the first. */
    readonly tcpAo?: readonly TcpAoKey[]
    readonly ttl?: number
    readonly leastTtl?: number
  }): number
  /** A socket bound to the address (default: all), which does not listen yet. */
  listen(options: { readonly address?: string; readonly port: number; readonly ttl?: number }): number
  setHops(fd: number, hops: { readonly ttl?: number; readonly leastTtl?: number }): void
  /** `remote`: an address, or for a listener a prefix. */
  setKey(fd: number, remote: string, secret: string | undefined): void
  /** Absent: it makes no sockets with TCP-AO. */
  readonly tcpAo?: TcpAoMaker
}

/** Keys of TCP-AO (RFC 5925) on sockets; calls but `lacks` throw an Error with a `code`. `remote`: an address, or for a listener a prefix. */
export interface TcpAoMaker {
  /** Why the kernel would not take such a key, in words; undefined if it would. */
  lacks(key: TcpAoKey): string | undefined
  /** The peer is not asked to use it. */
  add(fd: number, remote: string, key: TcpAoKey): void
  /** Of an open connection; undefined if it was made without TCP-AO. */
  keys(fd: number): readonly TcpAoInUse[] | undefined
  /** Asks the peer to send with the key that has this RecvID (RNextKeyID). */
  request(fd: number, receiveId: number): void
  /** With EBUSY if a connection uses the key; not with `instead`, which is used in its place then. */
  delete(fd: number, remote: string, key: TcpAoIds, instead?: TcpAoIds): void
}

/** A key that a connection has. */
export interface TcpAoInUse extends TcpAoIds {
  /** Whom it is for, as it was added. */
  readonly remote: string
  /** The peer is asked to send with it. */
  readonly requested: boolean
}

/** Finds the neighbours of peers that are configured by interface. `discovery()` of netlink-ts/discovery is one. */
export interface Discovery {
  /**
   * Looks on these links, and on no others any more. `found` is called with the link-local address (without zone) of the one
   * neighbour on a link, again when it is another, and with undefined when there is none, or nobody can say which; `failed`
   * when a link cannot be watched, in words.
   */
  watch(
    links: readonly string[],
    found: (link: string, address: string | undefined) => void,
    failed: (link: string, reason: string) => void,
  ): void
}

export interface Clock {
  /** Milliseconds, never going back. */
  now(): number
  /** Calls back at that time or soon after; returns a function that cancels. */
  at(time: number, callback: () => void): () => void
  /** Calls back in the next turn of the event loop, after pending input was seen. */
  soon(callback: () => void): void
}
