// Taps: readers of what passes on the sessions, message by message, for modules that record or mirror it (BMP, MRT).
//
// A tap is called in the midst of the work, so it takes what it needs and returns; it must not throw. Octets are its own
// until it returns. Without taps nothing of this is done but to see that there are none.

import type { ChunkSink } from '../groups/port.ts'
import type { FsmEvent } from '../fsm/machine.ts'
import type { Family, PeerId, State } from '../types.ts'
import type { UpdateDecoder } from '../wire/update.ts'
import type { Connection } from './connection.ts'

/** A connection with a peer, as far as it has come. */
export interface TappedConnection {
  readonly peer: PeerId
  readonly name: string
  readonly localAs: number
  readonly remoteAs: number
  /** Addresses as the transport tells them; ports are 0 where it does not. */
  readonly local: string
  readonly remote: string
  readonly localPort: number
  readonly remotePort: number
  /** AS paths on it have 4-octet numbers (RFC 6793): known from the peer's OPEN on. */
  readonly fourOctetAs: boolean
  /** NLRI that come, and that go, may have path identifiers (RFC 7911), in one family at least. */
  readonly pathIdsReceived: boolean
  readonly pathIdsSent: boolean
  /** The whole OPEN messages, as soon as there are. */
  readonly openSent: Uint8Array | undefined
  readonly openReceived: Uint8Array | undefined
  /** While Established: families in use, the peer's router id as an unsigned number, and since when (the shell's clock). */
  readonly families: readonly Family[]
  readonly routerId: number
  readonly since: number
}

/** A connection of that peer, which was dialed at, or expected from, `address`. */
export function tapped(
  connection: Connection,
  who: Pick<TappedConnection, 'peer' | 'name' | 'localAs' | 'remoteAs'>,
  address: string,
): TappedConnection {
  const { local, remote, localPort, remotePort, openSent, openReceived, negotiated, since } = connection
  const { families = [], fourOctetAs = true, pathIds, pathIdsSent, routerId = 0 } = negotiated ?? {}
  return {
    ...who,
    local,
    remote: remote || address,
    localPort,
    remotePort,
    fourOctetAs,
    pathIdsReceived: families.some(family => pathIds?.[family]),
    pathIdsSent: families.some(family => pathIdsSent?.[family]),
    openSent,
    openReceived,
    families,
    routerId,
    since,
  }
}

/** How a session ended (RFC 7854 §4.9). `message`: the whole NOTIFICATION. */
export type Ending =
  | { readonly by: 'us' | 'peer'; readonly message: Uint8Array }
  /** `event`: the number of the state machine's event that did it (RFC 4271 §8.1). */
  | { readonly by: 'us'; readonly event: number }
  | { readonly by: 'peer' }

export interface SessionTap {
  /** A connection goes from one state to another. */
  state?(connection: TappedConnection, from: State, to: State): void
  /** The session is Established: before any of its routes. */
  up?(connection: TappedConnection): void
  down?(connection: TappedConnection, ending: Ending): void
  /** A whole message `octets[from, to)` came, of any type; it is handled afterwards. */
  received?(connection: TappedConnection, octets: Uint8Array, from: number, to: number): void
  /** An UPDATE has been applied: how (RFC 7606 §2), and as the decoder has read it. Not of one that ends the session. */
  updated?(
    connection: TappedConnection,
    octets: Uint8Array,
    from: number,
    to: number,
    treatment: 'accept' | 'discard' | 'withdraw',
    decoder: UpdateDecoder,
  ): void
  /** One or more whole messages go out. */
  sent?(connection: TappedConnection, octets: Uint8Array): void
}

/** Passes on what it is given, and lets the taps see it. */
export class TapSink implements ChunkSink {
  readonly #taps: readonly SessionTap[]
  readonly #connection: TappedConnection
  readonly #inner: ChunkSink

  constructor(taps: readonly SessionTap[], connection: TappedConnection, inner: ChunkSink) {
    this.#taps = taps
    this.#connection = connection
    this.#inner = inner
  }

  chunk(octets: Uint8Array, messages: number, done: () => void): void {
    for (const tap of this.#taps) tap.sent?.(this.#connection, octets)
    this.#inner.chunk(octets, messages, done)
  }
}

/** How the session ended, by the event that did it and the NOTIFICATION that went one way or the other. */
export function endingBy(event: FsmEvent, received: Uint8Array | undefined, sent: Uint8Array | undefined): Ending {
  if (sent) return { by: 'us', message: sent }
  if (received) return { by: 'peer', message: received }
  return event.kind === 'closed' ? { by: 'peer' } : { by: 'us', event: MANUAL_STOP }
}

/** RFC 4271 §8.1.2: what ends a session without a NOTIFICATION is the operator, or another session of the peer. */
const MANUAL_STOP = 2
