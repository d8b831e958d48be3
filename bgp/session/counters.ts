// What a peer counts, from the start of the speaker on.

import type { ChunkSink } from '../groups/port.ts'
import type { Family, MessageCounts, NotificationCount, PeerCounters } from '../types.ts'
import { KEEPALIVE, NOTIFICATION, OPEN, ROUTE_REFRESH, UPDATE } from '../wire/header.ts'
import { errorText } from '../wire/notification.ts'
import type { UpdateResult } from './routes.ts'

type Treatment = NonNullable<UpdateResult['incident']>['treatment']

/** By message type (RFC 4271 §4.1, RFC 2918 §3). */
class Messages {
  readonly #byType = new Float64Array(ROUTE_REFRESH + 1)

  count(type: number, messages = 1): void {
    this.#byType[type] += messages
  }

  of(type: number): number {
    return this.#byType[type]
  }

  get all(): number {
    return this.#byType.reduce((sum, count) => sum + count, 0)
  }

  view(): MessageCounts {
    return {
      open: this.of(OPEN),
      update: this.of(UPDATE),
      notification: this.of(NOTIFICATION),
      keepalive: this.of(KEEPALIVE),
      routeRefresh: this.of(ROUTE_REFRESH),
    }
  }
}

/** NOTIFICATIONs by code and subcode. */
class Notifications {
  readonly #counts = new Map<number, number>()

  count({ code, subcode }: { readonly code: number; readonly subcode: number }): void {
    const key = (code << 8) | subcode
    this.#counts.set(key, (this.#counts.get(key) ?? 0) + 1)
  }

  view(): NotificationCount[] {
    return [...this.#counts].map(([key, count]) => {
      const [code, subcode] = [key >> 8, key & 255]
      return { code, subcode, count, text: errorText(code, subcode) }
    })
  }
}

export class Counters {
  readonly in = new Messages()
  readonly out = new Messages()
  readonly notifiedIn = new Notifications()
  readonly notifiedOut = new Notifications()
  readonly incidents: Record<Treatment, number> = { discard: 0, withdraw: 0, reset: 0 }
  /** How often it became Established, and left it. */
  established = 0
  flaps = 0
  /** Families whose End-of-RIB came in this session. */
  readonly endOfRib = new Set<Family>()
  /** Seconds that the session which ended just now was Established. */
  lastLife = 0
  readonly #sink = new CountingSink(this.out)

  takeLastLife(): number {
    const { lastLife } = this
    this.lastLife = 0
    return lastLife
  }

  /** Messages that are about to go out. */
  sending(messages: readonly Uint8Array[]): readonly Uint8Array[] {
    for (const message of messages) this.out.count(message[18])
    return messages
  }

  /** The sink, with the messages that go through it counted. Valid until the next call. */
  counting(sink: ChunkSink): ChunkSink {
    return this.#sink.around(sink)
  }

  view(name: string): PeerCounters {
    return {
      name,
      in: this.in.view(),
      out: this.out.view(),
      notificationsIn: this.notifiedIn.view(),
      notificationsOut: this.notifiedOut.view(),
      incidents: { ...this.incidents },
      established: this.established,
      flaps: this.flaps,
    }
  }
}

class CountingSink implements ChunkSink {
  readonly #out: Messages
  #inner: ChunkSink | undefined

  constructor(out: Messages) {
    this.#out = out
  }

  around(inner: ChunkSink): this {
    this.#inner = inner
    return this
  }

  chunk(octets: Uint8Array, messages: number, done: () => void): void {
    this.#out.count(octets[18], messages) // a chunk has messages of one type
    this.#inner?.chunk(octets, messages, done)
  }
}
