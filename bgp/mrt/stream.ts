// What passes on the sessions, as it passes: BGP4MP_ET messages and changes of state (RFC 6396 §4.4).
//
// Records wait for the sink in memory, up to a bound; beyond it they are left out and counted, since a session does not wait
// for a disk.

import { OctetWriter } from '../octet-writer.ts'
import { systemClock } from '../transport/tcp.ts'
import type { Clock } from '../transport/transport.ts'
import type { Dumped, MrtSink } from './dump.ts'
import { messageRecord, stateRecord } from './records.ts'

export interface StreamOptions {
  /** Which messages: those that came, or all. Default `received`. */
  readonly messages?: 'received' | 'all'
  /** Octets that may wait for the sink. Default 16 MiB. */
  readonly mostWaiting?: number
  /** The sink has failed: nothing is recorded any more. */
  readonly failed?: (error: unknown) => void
  readonly clock?: Clock
}

export class MrtStream {
  readonly #sink: MrtSink
  readonly #clock: Clock
  readonly #out = new OctetWriter()
  readonly #mostWaiting: number
  readonly #failed: (error: unknown) => void
  readonly #end: () => void
  #writing: Promise<void> | undefined
  #written = 0
  #dropped = 0

  /** Records from now on, until `stop`. */
  constructor({ engine }: Dumped, sink: MrtSink, options: StreamOptions = {}) {
    const { messages = 'received', mostWaiting = 16 * 1024 * 1024, failed = () => {}, clock = systemClock } = options
    this.#sink = sink
    this.#clock = clock
    this.#mostWaiting = mostWaiting
    this.#failed = failed
    const now = () => clock.now()
    this.#end = engine.tap({
      state: (connection, from, to) => this.#add(out => stateRecord(out, now(), connection, from, to)),
      received: (connection, octets, from, to) =>
        this.#add(out => messageRecord(out, now(), connection, 'received', octets.subarray(from, to))),
      sent:
        messages === 'received'
          ? undefined
          : (connection, octets) => {
              for (const message of messagesIn(octets)) {
                this.#add(out => messageRecord(out, now(), connection, 'sent', message))
              }
            },
    })
  }

  /** Records that were left out because the sink was too slow. */
  get dropped(): number {
    return this.#dropped
  }

  get written(): number {
    return this.#written
  }

  /** Records no more; resolves when the sink has everything. */
  async stop(): Promise<void> {
    this.#end()
    while (this.#writing) await this.#writing
  }

  #add(write: (out: OctetWriter) => void): void {
    if (this.#out.length >= this.#mostWaiting) {
      this.#dropped++
      return
    }
    write(this.#out)
    this.#written++
    this.#writing ??= new Promise(resolve => this.#clock.soon(() => resolve(this.#drain())))
  }

  async #drain(): Promise<void> {
    try {
      while (this.#out.length > 0) await this.#sink(this.#out.take())
    } catch (error) {
      this.#end()
      this.#failed(error)
    }
    this.#writing = undefined
  }
}

/** The messages of a run, one by one (RFC 4271 §4.1). */
function* messagesIn(octets: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < octets.length;) {
    const length = (octets[at + 16] << 8) | octets[at + 17]
    yield octets.subarray(at, at + length)
    at += length
  }
}
