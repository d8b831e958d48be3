// What a peer is to us, and which AS we are to it (RFC 4271, RFC 5065 §4).
//
// The members of a confederation know each other by their own AS numbers; everyone else knows all of them by the
// confederation's identifier.

import type { Confederation, PeerConfig, SessionKind } from '../types.ts'
import { isInternal } from './remote-as.ts'

/** Who we are. */
export interface Us {
  readonly asn: number
  readonly confederation?: Confederation
}

type Peer = Pick<PeerConfig, 'remoteAs' | 'localAs'>

export function kindOf(us: Us, { remoteAs, localAs = us.asn }: Peer): SessionKind {
  if (isInternal(remoteAs, localAs)) return 'ibgp'
  const list = typeof remoteAs === 'object' ? remoteAs : [remoteAs]
  return list.some(asn => typeof asn === 'number' && isOtherMember(us, asn)) ? 'confed-ebgp' : 'ebgp'
}

export function isOtherMember({ asn: own, confederation }: Us, asn: number): boolean {
  return asn !== own && (confederation?.members.includes(asn) ?? false)
}

/** The AS that we are to the outside. */
export function outsideAs({ asn, confederation }: Us): number {
  return confederation?.identifier ?? asn
}

/** The AS that the peer knows us by. */
export function localAsOf(us: Us, peer: Peer): number {
  return peer.localAs ?? (kindOf(us, peer) === 'ebgp' ? outsideAs(us) : us.asn)
}
