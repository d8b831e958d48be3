// What a restarted node waits for (design, promise 3; RFC 4724 §4.1). Before it deletes what it finds in the kernel and no longer hears
// of: every peer that came up has told its last route. Before a reflector says that it has told all: those peers that do not wait for
// it in turn; the others get the time that telling takes. A peer that is down delays either only for as long as coming up takes.

import type { PeerStatus } from '../../bgp/types.ts'

/** Milliseconds after the speaker began within which a peer is expected to come up: three attempts to connect. */
const comingUp = 15_000
/** The same for a peer that has already refused or failed: it is down, or rests after the loss, as FRR does for some seconds. */
const tryingAgain = 10_000
/**
 * Milliseconds in which a session that has come up is expected to bring its routes, also from a peer that never says End-of-RIB, or
 * that restarts and may wait for ours. FRR collects routes for a second before it sends the first, and says for minutes after its own
 * start that it restarts.
 */
const telling = 5_000
/** Milliseconds after the speaker began at which nobody is waited for any more. */
const deadline = 60_000

/** Names of peers still waited for before routes are deleted; empty: the RIB is as complete as it gets. */
export function waitedFor(peers: readonly PeerStatus[], sinceBegin: number): readonly string[] {
  return names(peers, sinceBegin, peer => {
    // Without graceful restart a peer may never say that it is through: it gets the time to come up.
    if (!peer.gracefulRestart && sinceBegin >= comingUp) return false
    return peer.families.some(family => !peer.endOfRib.includes(family))
  })
}

/** Names of peers whose routes a restarted reflector has yet to hear before its own End-of-RIB. `now`: by the clock of `since`. */
export function deferredFor(peers: readonly PeerStatus[], sinceBegin: number, now: number): readonly string[] {
  return names(peers, sinceBegin, ({ awaited, families, endOfRib, since }) => {
    if (awaited.length > 0) return true
    return now - since < telling && families.some(family => !endOfRib.includes(family))
  })
}

function names(
  peers: readonly PeerStatus[],
  sinceBegin: number,
  isLoading: (peer: PeerStatus) => boolean,
): readonly string[] {
  if (sinceBegin >= deadline) return []
  return peers.flatMap(peer => {
    if (isOpening(peer)) return [`${peer.name} to come up`]
    if (peer.state !== 'Established') {
      const patience = peer.lastError === undefined ? comingUp : tryingAgain
      return sinceBegin < patience ? [`${peer.name} to come up`] : []
    }
    return isLoading(peer) ? [`End-of-RIB of ${peer.name}`] : []
  })
}

/** Connected: on a slow machine the rest takes its time, too. */
function isOpening({ state }: PeerStatus): boolean {
  return state === 'OpenSent' || state === 'OpenConfirm'
}
