// TCP by node:net, and the system's clock.

import { createServer, connect, type ListenOptions, type OnReadOpts, type Socket } from 'node:net'
import type { Clock, Conn, ListenEvents, Transport } from './transport.ts'

/** Milliseconds that a closing connection has to get its last octets out. */
const LINGER = 2000

/** Dialed sockets read into one buffer: whoever is called back copies before the next is read. */
const shared = Buffer.allocUnsafeSlow(64 * 1024)

export const tcp: Transport = {
  connect: (to, connected, failed) => {
    let received: TcpConn['received'] | undefined
    const onread = readInto(octets => received?.(octets))
    const { address: host, port, localAddress } = to
    const socket = connect({ host, port, localAddress, noDelay: true, onread })
    return whenConnected(
      socket,
      conn => {
        received = octets => conn.received(octets)
        connected(conn)
      },
      failed,
    )
  },

  listen: ({ address, port }, events) => {
    return serve({ port, host: address }, events, socket => events.accepted(accepted(socket)))
  },
}

/** The `onread` of a socket; the octets are the receiver's until it returns. */
export function readInto(received: (octets: Uint8Array) => void): OnReadOpts {
  return {
    buffer: shared,
    callback: size => {
      received(shared.subarray(0, size))
      return true
    },
  }
}

/** Calls back once when a socket that dials has a connection or none; the function returned gives up. */
export function whenConnected(
  socket: Socket,
  connected: (conn: TcpConn) => void,
  failed: (reason: string) => void,
): () => void {
  const fail = (error: NodeJS.ErrnoException) => failed(error.code ?? error.message)
  socket.once('error', fail)
  socket.once('connect', () => {
    socket.off('error', fail)
    connected(new TcpConn(socket))
  })
  return () => {
    socket.off('error', fail)
    socket.removeAllListeners('connect')
    socket.on('error', ignore)
    socket.destroy()
  }
}

export function accepted(socket: Socket): TcpConn {
  const conn = new TcpConn(socket)
  socket.on('data', (octets: Buffer) => conn.received(octets))
  return conn
}

/** Listens, and tells what comes of it; the function returned stops it. */
export function serve(
  on: ListenOptions | { readonly fd: number },
  events: ListenEvents,
  accept: (socket: Socket) => void,
): () => void {
  const server = createServer({ noDelay: true }, accept)
  server.once('error', (error: NodeJS.ErrnoException) => {
    server.close()
    events.failed(error.code ?? error.message)
  })
  server.listen(on as ListenOptions, () => events.listening())
  return () => {
    server.removeAllListeners('error')
    server.on('error', ignore)
    server.close()
  }
}

export class TcpConn implements Conn {
  readonly local: string
  readonly remote: string
  readonly localPort: number | undefined
  readonly remotePort: number | undefined
  readonly #socket: Socket
  #data: ((octets: Uint8Array) => void) | undefined
  #closed: ((reason: string) => void) | undefined
  #drained: (() => void) | undefined
  #reason = ''

  constructor(socket: Socket) {
    this.#socket = socket
    this.local = plain(socket.localAddress)
    this.remote = plain(socket.remoteAddress)
    this.localPort = socket.localPort
    this.remotePort = socket.remotePort
    socket.on('error', (error: NodeJS.ErrnoException) => {
      this.#reason = error.code ?? error.message
    })
    socket.on('close', () => this.#closed?.(this.#reason))
    socket.on('drain', () => this.#drained?.())
  }

  received(octets: Uint8Array): void {
    this.#data?.(octets)
  }

  onData(callback: (octets: Uint8Array) => void): void {
    this.#data = callback
  }

  onClose(callback: (reason: string) => void): void {
    this.#closed = callback
  }

  onDrain(callback: () => void): void {
    this.#drained = callback
  }

  write(chunks: readonly Uint8Array[], done: () => void): boolean {
    const socket = this.#socket
    if (chunks.length === 1) return socket.write(chunks[0], done)
    const last = chunks.length - 1
    let flowing = true
    socket.cork()
    chunks.forEach((chunk, i) => {
      flowing = i === last ? socket.write(chunk, done) : socket.write(chunk)
    })
    socket.uncork()
    return flowing
  }

  pause(on: boolean): void {
    if (on) this.#socket.pause()
    else this.#socket.resume()
  }

  close(flush: boolean): void {
    const socket = this.#socket
    this.#data = this.#closed = this.#drained = undefined
    if (!flush) {
      socket.destroy()
      return
    }
    // Unread input would turn the end into a reset, which overtakes what was sent: read on, and let go.
    socket.resume()
    socket.end()
    const timer = setTimeout(() => socket.destroy(), LINGER)
    timer.unref()
    socket.on('close', () => clearTimeout(timer))
  }
}

/** IPv4 addresses of a dual-stack socket in their own notation. */
function plain(address: string | undefined): string {
  return (address ?? '').replace(/^::ffff:(?=\d+\.)/, '')
}

function ignore(): void {}

/** Milliseconds since 1970 that never go back. */
export const systemClock: Clock = {
  now: () => performance.timeOrigin + performance.now(),
  at: (time, callback) => {
    let timer: NodeJS.Timeout
    const arm = () => {
      timer = setTimeout(
        () => {
          if (systemClock.now() < time)
            arm() // Node's timers may be a moment early
          else callback()
        },
        Math.max(0, Math.ceil(time - systemClock.now())),
      )
    }
    arm()
    return () => clearTimeout(timer)
  },
  soon: callback => {
    setImmediate(callback)
  },
}
