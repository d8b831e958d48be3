// What a peer needs of the engine around it.

import type { Random } from '../fsm/random.ts'
import type { TimerWheel } from '../fsm/timers.ts'
import type { Outbound } from '../groups/port.ts'
import type { Rib } from '../rib/port.ts'
import type { Action, ConnId, Family, PeerConfig, SessionKind } from '../types.ts'
import type { UpdateDecoder } from '../wire/update.ts'
import type { Connection, ConnectionTimer } from './connection.ts'
import type { RestartSide, SpeakerNames } from './negotiate.ts'
import type { Us } from './kind.ts'
import type { Peer } from './peer.ts'
import type { SessionTap } from './tap.ts'

export interface FamilyRib {
  readonly rib: Rib
  readonly out: Outbound
}

/** A peer's configuration with all that it takes from the speaker's. */
export type ResolvedPeer = PeerConfig & {
  /** `%eth0`: it has an interface, and was not found there yet. */
  readonly address: string
} & Required<Pick<PeerConfig, 'import' | 'export' | 'gracefulShutdown'>> & {
    /** The listen range that made it. */
    readonly range?: string
    readonly kind: SessionKind
    /** The speaker's. */
    readonly clientToClient: boolean
    readonly localAs: number
    /** The identifier of the confederation that we are in (RFC 5065). */
    readonly confederation?: number
  }

/** Who this speaker is. */
export interface Identity extends Us {
  /** As unsigned numbers. */
  readonly routerId: number
  readonly clusterId: number
}

export interface Host {
  readonly now: number
  readonly identity: Identity
  readonly random: Random
  readonly wheel: TimerWheel
  /** Readers of what passes on the sessions. */
  readonly taps: readonly SessionTap[]
  /** Shared: messages are read one at a time. */
  readonly decoder: UpdateDecoder
  family(family: Family): FamilyRib
  /** What OPEN says of us, for display. */
  readonly names: SpeakerNames
  /** What OPEN says of restarts; `first`: the peer has not been Established since this speaker started. */
  restart(first: boolean): RestartSide | undefined
  emit(action: Action): void
  /** A new connection id that belongs to this connection of the peer from now on. */
  dial(peer: Peer, connection: Connection): ConnId
  /** An accepted connection belongs to this connection of the peer from now on. */
  adopt(conn: ConnId, peer: Peer, connection: Connection): void
  /** The connection id means nothing to the peer any more; `last`: messages to send before it is closed. */
  release(conn: ConnId, last: readonly Uint8Array[]): void
  /** Something can be pulled for the connection. */
  writable(conn: ConnId): void
  /** Arms a timer of a connection at an absolute time. */
  arm(peer: Peer, connection: Connection, timer: ConnectionTimer, at: number): void
}
