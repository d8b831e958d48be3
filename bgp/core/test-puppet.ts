// A peer that says what a test wants it to say: it listens or dials on the in-memory network and sends raw messages.

import type { Simulation } from '../transport/simulation.ts'
import type { Conn } from '../transport/transport.ts'
import { HEADER_LENGTH, keepalive, KEEPALIVE, messageLength, NOTIFICATION, OPEN } from '../wire/header.ts'
import { decodeNotification, notificationText } from '../wire/notification.ts'
import { encodeOpen, type Open } from '../wire/open.ts'

export interface PuppetOptions {
  readonly open?: Partial<Open>
  /** Answers OPEN and sends keepalives by itself. Default true. */
  readonly polite?: boolean
}

export class Puppet {
  /** Messages that came, whole. */
  readonly received: Uint8Array[] = []
  /** Whether the other end has closed, and why. */
  closed: string | undefined
  connections = 0
  readonly #simulation: Simulation
  readonly #address: string
  #options: PuppetOptions
  #conn: Conn | undefined
  #buffer = new Uint8Array(0)

  constructor(simulation: Simulation, address: string, options: PuppetOptions = {}) {
    this.#simulation = simulation
    this.#address = address
    this.#options = options
  }

  listen(): this {
    const transport = this.#simulation.network.host(this.#address)
    transport.listen({ port: 179 }, { accepted: conn => this.#take(conn), listening: () => {}, failed: () => {} })
    return this
  }

  dial(address: string): this {
    const transport = this.#simulation.network.host(this.#address)
    transport.connect(
      { address, port: 179 },
      conn => this.#take(conn),
      reason => (this.closed = reason),
    )
    return this
  }

  send(...messages: readonly Uint8Array[]): void {
    this.#conn?.write(messages, () => {})
  }

  sendOpen(open: Partial<Open> = {}): void {
    const asn = open.asn ?? this.#options.open?.asn ?? 65002
    const whole = {
      holdTime: 90,
      routerId: 2,
      capabilities: [{ kind: 'fourOctetAs', asn }],
      ...this.#options.open,
      ...open,
    }
    this.send(encodeOpen({ ...whole, asn } as Open))
  }

  /** What it says in its next OPEN. */
  open(open: Partial<Open>): void {
    this.#options = { ...this.#options, open }
  }

  pause(): void {
    this.#conn?.pause(true)
  }

  resume(): void {
    this.#conn?.pause(false)
  }

  close(): void {
    this.#conn?.close(false)
  }

  /** Messages of a type that came. */
  of(type: number): Uint8Array[] {
    return this.received.filter(message => message[18] === type)
  }

  /** The last NOTIFICATION in words. */
  get notification(): string | undefined {
    const last = this.of(NOTIFICATION).at(-1)
    return last && notificationText(decodeNotification(last, HEADER_LENGTH, last.length))
  }

  #take(conn: Conn): void {
    this.connections++
    this.#conn = conn
    this.#buffer = new Uint8Array(0)
    this.closed = undefined
    conn.onClose(reason => (this.closed = reason))
    conn.onData(octets => this.#read(octets))
    if (this.#options.polite !== false) this.sendOpen()
  }

  #read(octets: Uint8Array): void {
    this.#buffer = Uint8Array.from([...this.#buffer, ...octets])
    while (this.#buffer.length >= HEADER_LENGTH && this.#buffer.length >= messageLength(this.#buffer, 0)) {
      const message = this.#buffer.slice(0, messageLength(this.#buffer, 0))
      this.#buffer = this.#buffer.slice(message.length)
      this.received.push(message)
      const answered = message[18] === OPEN || message[18] === KEEPALIVE
      if (answered && this.#options.polite !== false) this.send(keepalive)
    }
  }
}
