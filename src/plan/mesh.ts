// The node-to-node mesh: every node that is not a reflector has a session with every other.

import { perElement, perPair } from './memo.ts'
import { session, meeting } from './session.ts'
import type { Session } from './session.ts'
import type { BgpSettings } from './settings.ts'
import type { LocalSpeaker, NodeSpeaker } from './speakers.ts'

export interface Found {
  readonly sessions: readonly Session[]
  readonly problems: readonly string[]
}

export function meshSessions(local: LocalSpeaker, speakers: readonly NodeSpeaker[], settings: BgpSettings): Found {
  const sessions: Session[] = []
  const problems: string[] = []
  if (!settings.mesh || local.clusterId !== undefined) return { sessions, problems }
  for (const made of meshSessionsOf(local, settings)(speakers)) {
    if (typeof made === 'string') problems.push(made)
    else if (made) sessions.push(made)
  }
  return { sessions, problems }
}

/** A session each, a problem, or nothing. The same object as before where both nodes and the settings are. */
const meshSessionsOf = perPair((local: LocalSpeaker, settings: BgpSettings) =>
  perElement((remote: NodeSpeaker): Session | string | undefined => {
    if (remote.name === local.name || remote.clusterId !== undefined) return undefined
    const place = meeting(local, remote)
    if (!place) return noCommonFamily(local, remote)
    const far = { address: place.address, port: settings.listenPort, asn: remote.asn, node: remote }
    return session(`mesh/${remote.name}`, local, far, settings, { passive: place.passive })
  }),
)

export function noCommonFamily(local: NodeSpeaker, remote: NodeSpeaker): string {
  return `node "${local.name}": it shares no address family with node "${remote.name}", so they have no session; give both an IPv4 or both an IPv6 address.`
}
