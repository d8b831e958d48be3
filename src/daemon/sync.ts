// When a restarted node may delete what it finds in the kernel and no longer hears of (design, promise 3): the datastore is in sync,
// and every peer that came up has told its last route. A peer that is down delays this only for as long as coming up takes.

import type { PeerStatus } from '../../bgp/types.ts'

/** Milliseconds after start within which a peer is expected to come up: three attempts to connect. */
const comingUp = 15_000
/** The same for a peer that has already refused or failed: it is down, or about to be tried again. */
const tryingAgain = 5_000
/** Milliseconds after start at which nobody is waited for any more. */
const deadline = 60_000

/** Names of peers still waited for; empty: the RIB is as complete as it gets. */
export function waitedFor(peers: readonly PeerStatus[], sinceStart: number): readonly string[] {
  if (sinceStart >= deadline) return []
  return peers.flatMap(peer => {
    if (peer.state !== 'Established') {
      const patience = peer.lastError === undefined ? comingUp : tryingAgain
      return sinceStart < patience ? [`${peer.name} to come up`] : []
    }
    const missing = peer.families.filter(family => !peer.endOfRib.includes(family))
    return missing.length > 0 ? [`End-of-RIB of ${peer.name}`] : []
  })
}
