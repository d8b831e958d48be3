// What the configuration of a peer means with the speaker around it: the defaults that it takes from there.

import { acceptAll, type PeerConfig, type Policy, type SpeakerConfig } from '../types.ts'
import { kindOf, localAsOf } from '../session/kind.ts'
import { placeOf } from '../session/place.ts'
import type { ResolvedPeer } from '../session/host.ts'

/** `neighbours`: addresses found, by link. */
function addressOf(peer: PeerConfig, neighbours: ReadonlyMap<string, string>): string {
  const found = peer.interface === undefined ? undefined : neighbours.get(peer.interface)
  return found === undefined ? placeOf(peer) : `${found}%${peer.interface}`
}

/** RFC 8212: without a policy nothing passes an eBGP session, in or out. The name is what an explanation shows. */
export const noPolicy: Policy = { name: 'none given (RFC 8212)', rules: [], otherwise: 'reject' }

export function resolvePeer(
  peer: PeerConfig & Pick<ResolvedPeer, 'range'>,
  config: SpeakerConfig,
  neighbours: ReadonlyMap<string, string> = new Map(),
): ResolvedPeer {
  const kind = kindOf(config, peer)
  const missing = kind === 'ebgp' ? noPolicy : acceptAll
  return {
    ...peer,
    address: addressOf(peer, neighbours),
    kind,
    localAs: localAsOf(config, peer),
    confederation: config.confederation?.identifier,
    clientToClient: config.clientToClient ?? true,
    import: peer.import ?? missing,
    export: peer.export ?? missing,
    gracefulShutdown: peer.gracefulShutdown ?? config.gracefulShutdown ?? false,
  }
}
