// Collision resolution (RFC 4271 §6.8, RFC 6286 §2.3, RFC 4724 §5).
//
// Both ends may dial at once, so a peer can own two connections for a moment. When an OPEN has come on one of them, this
// file decides which survives. It looks at identifiers, states and ages only; closing is the session's work.

import type { State } from '../types.ts'

/**
 * Milliseconds within which two connections belong to the same meeting: what the peer dialed before it knew of the session is
 * accepted here a little later. Longer than a busy machine takes to look at its sockets, shorter than a lost peer takes to come back.
 */
export const MEETING = 5_000

export interface Rival {
  readonly state: State
  /** Milliseconds since it came to that state. */
  readonly age: number
  /** The peer made the connection, not we. */
  readonly incoming: boolean
  /** The peer has announced graceful restart on it, with one family at least (RFC 4724 §5). */
  readonly gracefulRestart: boolean
}

export interface Identity {
  /** BGP identifier as an unsigned number. */
  readonly routerId: number
  readonly asn: number
}

/**
 * Which of two connections to one peer lives, after an acceptable OPEN came on `arrived`. `old`: the peer has restarted
 * without our noticing, and `existing` ends without a NOTIFICATION.
 */
export function resolveCollision(
  existing: Rival,
  arrived: Pick<Rival, 'incoming'>,
  local: Identity,
  remote: Identity,
): 'keep both' | 'keep existing' | 'keep arrived' | 'existing is old' {
  if (existing.state === 'Established') {
    // A peer with graceful restart that connects anew has lost the old session (RFC 4724 §5), if that is not new itself.
    const isRestart = existing.gracefulRestart && arrived.incoming && existing.age >= MEETING
    return isRestart ? 'existing is old' : 'keep existing'
  }
  // Before OpenConfirm the other connection has not identified itself: its own OPEN will bring it here.
  if (existing.state !== 'OpenConfirm') return 'keep both'
  // Two from the same side: the peer has given up the first.
  if (existing.incoming === arrived.incoming) return 'keep arrived'
  const peerWins = local.routerId === remote.routerId ? local.asn < remote.asn : local.routerId < remote.routerId
  return arrived.incoming === peerWins ? 'keep arrived' : 'keep existing'
}
