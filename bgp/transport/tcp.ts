// TCP by node:net, and the system's clock.

import { createServer, connect, type Socket } from 'node:net'
import type { Clock, Conn, Transport } from './transport.ts'

/** Milliseconds that a closing connection has to get its last octets out. */
const LINGER = 2000

/** Dialed sockets read into one buffer: whoever is called back copies before the next is read. */
const shared = Buffer.allocUnsafeSlow(64 * 1024)

export const tcp: Transport = {
  connect: (to, connected, failed) => {
    let conn: TcpConn | undefined
    const socket = connect({
      host: to.address,
      port: to.port,
      localAddress: to.localAddress,
      noDelay: true,
      onread: {
        buffer: shared,
        callback: size => {
          conn?.received(shared.subarray(0, size))
          return true
        },
      },
    })
    const fail = (error: NodeJS.ErrnoException) => failed(error.code ?? error.message)
    socket.once('error', fail)
    socket.once('connect', () => {
      socket.off('error', fail)
      conn = new TcpConn(socket)
      connected(conn)
    })
    return () => {
      socket.off('error', fail)
      socket.removeAllListeners('connect')
      socket.on('error', ignore)
      socket.destroy()
    }
  },

  listen: ({ address, port }, events) => {
    const server = createServer({ noDelay: true }, socket => {
      const conn = new TcpConn(socket)
      socket.on('data', (octets: Buffer) => conn.received(octets))
      events.accepted(conn)
    })
    server.once('error', (error: NodeJS.ErrnoException) => {
      server.close()
      events.failed(error.code ?? error.message)
    })
    server.listen({ port, host: address }, () => events.listening())
    return () => {
      server.removeAllListeners('error')
      server.on('error', ignore)
      server.close()
    }
  },
}

class TcpConn implements Conn {
  readonly local: string
  readonly remote: string
  readonly #socket: Socket
  #data: ((octets: Uint8Array) => void) | undefined
  #reason = ''

  constructor(socket: Socket) {
    this.#socket = socket
    this.local = plain(socket.localAddress)
    this.remote = plain(socket.remoteAddress)
    socket.on('error', (error: NodeJS.ErrnoException) => {
      this.#reason = error.code ?? error.message
    })
  }

  received(octets: Uint8Array): void {
    this.#data?.(octets)
  }

  onData(callback: (octets: Uint8Array) => void): void {
    this.#data = callback
  }

  onClose(callback: (reason: string) => void): void {
    this.#socket.on('close', () => callback(this.#reason))
  }

  onDrain(callback: () => void): void {
    this.#socket.on('drain', callback)
  }

  write(chunks: readonly Uint8Array[], done: () => void): boolean {
    const socket = this.#socket
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
    this.#data = undefined
    socket.removeAllListeners('close')
    socket.removeAllListeners('drain')
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
