// All sessions of this node: the mesh, and what BGPPeers ask for, one per address.

import { equalAddresses, formatAddress } from '../../inet/index.ts'
import type { BGPPeerResource } from '../resources/index.ts'
import { meshSessions } from './mesh.ts'
import type { Found } from './mesh.ts'
import { peerSessions } from './peers.ts'
import type { Session } from './session.ts'
import type { BgpSettings } from './settings.ts'
import type { LocalSpeaker, NodeSpeaker } from './speakers.ts'

/** Of several sessions with one address, or on one link, a BGPPeer's beats the mesh's, and the first BGPPeer by name the others. */
export function planSessions(
  local: LocalSpeaker,
  speakers: readonly NodeSpeaker[],
  peers: readonly BGPPeerResource[],
  settings: BgpSettings,
): Found {
  const asked = peerSessions(local, speakers, peers, settings)
  const mesh = meshSessions(local, speakers, settings)
  const problems = [...sharedAddresses(local, speakers), ...asked.problems, ...mesh.problems]
  const byPlace = new Map<string, Session>()
  for (const each of [...asked.sessions, ...mesh.sessions]) {
    const place = each.address ?? each.interface ?? ''
    const first = byPlace.get(place)
    if (!first) byPlace.set(place, each)
    else if (first.remoteAs !== each.remoteAs) {
      problems.push(
        `bgppeer "${first.name}" and "${each.name}" name different ASes (${asText(first.remoteAs)}, ${asText(each.remoteAs)}) for ${place}; ${asText(first.remoteAs)} is used; correct one of them.`,
      )
    }
  }
  if (byPlace.size === 0 && speakers.length > 1) {
    problems.push(
      `node "${local.name}": it has no BGP peer, so nobody learns its blocks; enable nodeToNodeMeshEnabled, or add a BGPPeer.`,
    )
  }
  return { sessions: [...byPlace.values()], problems }
}

const asText = (remoteAs: Session['remoteAs']): string => [remoteAs].flat().join(', ')

function sharedAddresses(local: NodeSpeaker, speakers: readonly NodeSpeaker[]): readonly string[] {
  const problems: string[] = []
  for (const each of speakers) {
    if (each.name === local.name) continue
    for (const family of ['address4', 'address6'] as const) {
      const [own, other] = [local[family]?.address, each[family]?.address]
      if (!own || !other || !equalAddresses(own, other)) continue
      problems.push(
        `node "${local.name}": node "${each.name}" has the same address ${formatAddress(own)}, so they cannot tell each other apart; correct one of the two Nodes.`,
      )
    }
  }
  return problems
}
