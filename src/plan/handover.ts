// Make before break for sessions between nodes: a mesh gives way to reflectors, or reflectors to a mesh, and no route is lost.
//
// A session that the resources ask for no more stays until every node has all that it has now from the new ones. The resources that
// say who speaks with whom have a digest. Each node says in its record (Handover) by which digest its sessions are in sync, and, when
// all have said that, by which one nobody's block comes by sessions of before alone. Then all let go. It may be meant that blocks are
// not heard of any more, as by a reflector that is none any more: they are waited for only so long. So is a node that is off.

import { createHash } from 'node:crypto'
import type { PeerConfig, PeerStatus } from '../../bgp/types.ts'
import type { Handover } from '../model/handover.ts'
import { type BGPPeerResource, firstOf } from '../resources/index.ts'
import type { BgpSettings } from './settings.ts'
import type { NodeSpeaker } from './speakers.ts'

type Peers = ReadonlyMap<string, PeerConfig>

/** For blocks that nobody tells of by the new sessions, after all are in sync. Milliseconds. */
export const blocksAwaited = 10_000
/** For all of it. Milliseconds. */
export const handoverDeadline = 60_000
/** Names that are told one by one. */
const SHOWN = 5

export interface HandoverView {
  readonly digest: string
  /** Peers in force. */
  readonly before: Peers
  readonly wanted: Peers
  /** Addresses of the cluster's nodes. */
  readonly nodes: ReadonlySet<string>
  readonly statuses: readonly Pick<PeerStatus, 'name' | 'state' | 'families' | 'endOfRib' | 'gracefulRestart'>[]
  /** What the other nodes of the cluster say. */
  readonly others: readonly Handover[]
  /** A block that comes by none but these peers. */
  readonly loneBlock: (peers: ReadonlySet<string>) => string | undefined
  /** Milliseconds since the digest is this one, and since all are in sync by it; the latter undefined: they are not. */
  readonly since: number
  readonly allInSync: number | undefined
}

export interface HandoverPlan {
  /** Names of the peers that stay though nobody asks for them. */
  readonly kept: readonly string[]
  readonly isInSync: boolean
  readonly isDone: boolean
  /** All nodes are in sync by this digest. */
  readonly areAllInSync: boolean
  readonly waits: readonly string[]
}

export function planHandover(view: HandoverView): HandoverPlan {
  const { digest, before, wanted, nodes, others } = view
  const addresses = new Set([...wanted.values()].map(({ address }) => address))
  const going = [...before]
    .filter(([name, { address = '' }]) => !wanted.has(name) && nodes.has(address) && !addresses.has(address))
    .map(([name]) => name)
  const isInSync = wanted.size > 0 && unready(view).length === 0
  const late = others.filter(({ inSync }) => inSync !== digest).map(({ node }) => node)
  const areAllInSync = isInSync && late.length === 0
  const lone = going.length > 0 && areAllInSync ? view.loneBlock(new Set(going)) : undefined
  const isDone = areAllInSync && (lone === undefined || (view.allInSync ?? 0) >= blocksAwaited)
  const undone = others.filter(({ done }) => done !== digest).map(({ node }) => node)
  const isOver = (isDone && undone.length === 0) || view.since >= handoverDeadline
  const kept = isOver ? [] : going
  const reason = !isInSync
    ? `${firstOf(unready(view), SHOWN) || 'those that take their place'} have told all routes`
    : lone === undefined || isDone
      ? `nodes ${firstOf([...new Set([...late, ...undone])], SHOWN)} have changed as well`
      : `another way to ${lone} is known`
  const waits = kept.length === 0 ? [] : [`sessions ${firstOf(kept, SHOWN)} stay until ${reason}`]
  return { kept, isInSync, isDone, areAllInSync, waits }
}

/** Names of the peers that are asked for and have not told all yet. */
function unready({ wanted, statuses }: HandoverView): readonly string[] {
  const ready = new Set(
    statuses
      .filter(({ state, families, endOfRib, gracefulRestart }) => {
        return state === 'Established' && (!gracefulRestart || families.every(family => endOfRib.includes(family)))
      })
      .map(({ name }) => name),
  )
  return [...wanted.keys()].filter(name => !ready.has(name))
}

/** Of what says who speaks with whom; nodes that come and go do not change it. */
export function sessionsDigest(
  { mesh }: BgpSettings,
  peers: readonly BGPPeerResource[],
  speakers: readonly NodeSpeaker[],
): string {
  const reflectors = speakers.filter(({ clusterId }) => clusterId !== undefined).map(({ name }) => name)
  const asked = peers.map(({ metadata, spec }) => [metadata.name, spec])
  return createHash('sha256')
    .update(JSON.stringify([mesh, asked, reflectors]))
    .digest('hex')
    .slice(0, 16)
}
