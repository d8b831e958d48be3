// Keeps the listeners that a configuration asks for: opens, closes, and tries again what is busy.

import type { Report } from '../types.ts'
import type { Clock, Conn, Transport } from './transport.ts'

/** Milliseconds between attempts to listen. */
const RETRY = 5000

interface Listener {
  stop: () => void
  told: boolean
}

export class Listeners {
  readonly #transport: Transport
  readonly #clock: Clock
  readonly #accept: (conn: Conn) => void
  readonly #report: (report: Report) => void
  readonly #open = new Map<string, Listener>()

  constructor(transport: Transport, clock: Clock, accept: (conn: Conn) => void, report: (report: Report) => void) {
    this.#transport = transport
    this.#clock = clock
    this.#accept = accept
    this.#report = report
  }

  /** Listens on these addresses (undefined = all of them) and on no others; port 0 = not at all. */
  set(port: number, addresses: readonly string[] | undefined): void {
    const wanted = new Map<string, string | undefined>()
    if (port !== 0) for (const address of addresses ?? [undefined]) wanted.set(`${address ?? ''} ${port}`, address)
    for (const [key, { stop }] of this.#open) {
      if (wanted.has(key)) continue
      stop()
      this.#open.delete(key)
    }
    for (const [key, address] of wanted) {
      if (this.#open.has(key)) continue
      const listener: Listener = { stop: () => {}, told: false }
      this.#open.set(key, listener)
      this.#listen(listener, address, port)
    }
  }

  #listen(listener: Listener, address: string | undefined, port: number): void {
    listener.stop = this.#transport.listen(
      { address, port },
      {
        accepted: this.#accept,
        listening: () => {
          if (!listener.told) return
          listener.told = false
          this.#report({ type: 'listen', listening: true, text: `listening on ${place(address, port)} now` })
        },
        failed: code => {
          if (!listener.told) this.#report({ type: 'listen', listening: false, text: failure(code, address, port) })
          listener.told = true
          listener.stop = this.#clock.at(this.#clock.now() + RETRY, () => this.#listen(listener, address, port))
        },
      },
    )
  }
}

function failure(code: string, address: string | undefined, port: number): string {
  const where = place(address, port)
  const rest = 'sessions that this speaker dials are not affected, and it tries again every 5 s'
  switch (code) {
    case 'EADDRINUSE':
      return (
        `cannot listen on ${where}: another process has it, perhaps bird, bgpd or a second speaker; ` +
        `find it with "ss -ltnp sport = :${port}" and stop it, or set another listenPort; ${rest}`
      )
    case 'EACCES':
      return (
        `cannot listen on ${where}: this process may not open ports below 1024; ` +
        `give it CAP_NET_BIND_SERVICE or set another listenPort; ${rest}`
      )
    case 'EADDRNOTAVAIL':
      return `cannot listen on ${where}: no interface has that address; add it, or correct listenAddresses; ${rest}`
    default:
      return `cannot listen on ${where}: ${code}; ${rest}`
  }
}

function place(address: string | undefined, port: number): string {
  return address === undefined ? `port ${port}` : `${address} port ${port}`
}
