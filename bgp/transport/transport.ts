// What a shell needs of the world: connections and a clock. TCP is one transport, an in-memory network another; whoever
// needs socket options that Node has no name for (TCP-MD5, GTSM) brings a third.

/** One end of an open connection. Callbacks come from the event loop, never from inside a call. */
export interface Conn {
  /** Addresses without port; IPv4 as such, also on a dual-stack socket. */
  readonly local: string
  readonly remote: string
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
  readonly multihop?: boolean
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

export interface Transport {
  /** Exactly one of the callbacks is called, unless the returned function was called first: it gives up. */
  connect(to: DialOptions, connected: (conn: Conn) => void, failed: (reason: string) => void): () => void
  /** Returns a function that stops listening; accepted connections live on. */
  listen(on: ListenOptions, events: ListenEvents): () => void
}

export interface Clock {
  /** Milliseconds, never going back. */
  now(): number
  /** Calls back at that time or soon after; returns a function that cancels. */
  at(time: number, callback: () => void): () => void
  /** Calls back in the next turn of the event loop, after pending input was seen. */
  soon(callback: () => void): void
}
