// What a session sees of the update groups: a byte pump with back-pressure by not pulling.

import type { PeerId } from '../types.ts'

/** Takes whole BGP messages. */
export interface ChunkSink {
  /**
   * A run of whole messages. The octets stay unchanged until `done` is called (shared by all members of a group),
   * so the shell may hand them to the socket without a copy and must call `done` when the socket has taken them.
   */
  chunk(octets: Uint8Array, messages: number, done: () => void): void
}

/** The sending half of one family: encodes once per group (design §2.3). */
export interface Outbound {
  /** Hands at most about 64 KiB for this peer to the sink; true if more is ready now. Sends End-of-RIB after the first full dump. */
  pull(peer: PeerId, sink: ChunkSink): boolean
  /** Peers that have something to pull since the last call. */
  takeReady(): readonly PeerId[]
  /** End-of-RIB is withheld while false: our own routes are not complete yet (RFC 4724 §4.1). */
  setComplete(complete: boolean): void
}
