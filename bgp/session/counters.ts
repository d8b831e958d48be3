// What a peer counts.

import type { ChunkSink } from '../groups/port.ts'
import type { Family } from '../types.ts'

export class Counters {
  messagesIn = 0
  messagesOut = 0
  updatesIn = 0
  updatesOut = 0
  /** How often it left Established. */
  flaps = 0
  /** Families whose End-of-RIB came in this session. */
  readonly endOfRib = new Set<Family>()
  /** Seconds that the session which ended just now was Established. */
  lastLife = 0
  readonly #sink = new CountingSink(this)

  takeLastLife(): number {
    const { lastLife } = this
    this.lastLife = 0
    return lastLife
  }

  /** The sink, with what goes through it counted. Valid until the next call. */
  counting(sink: ChunkSink, updates: boolean): ChunkSink {
    return this.#sink.around(sink, updates)
  }
}

class CountingSink implements ChunkSink {
  readonly #counters: Counters
  #inner: ChunkSink | undefined
  #updates = false

  constructor(counters: Counters) {
    this.#counters = counters
  }

  around(inner: ChunkSink, updates: boolean): this {
    this.#inner = inner
    this.#updates = updates
    return this
  }

  chunk(octets: Uint8Array, messages: number, done: () => void): void {
    this.#counters.messagesOut += messages
    if (this.#updates) this.#counters.updatesOut += messages
    this.#inner?.chunk(octets, messages, done)
  }
}
