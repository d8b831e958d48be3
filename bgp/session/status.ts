// A peer as `bgp summary` shows it, read out of its parts.

import { formatAddress, octetsOf4 } from '../../inet/index.ts'
import type { Rib } from '../rib/port.ts'
import type { Family, PeerId, PeerStatus } from '../types.ts'
import { UPDATE } from '../wire/header.ts'
import type { Counters } from './counters.ts'
import type { ResolvedPeer } from './host.ts'
import type { Journal } from './journal.ts'
import type { Negotiated } from './negotiate.ts'

export interface StatusParts {
  readonly id: PeerId
  readonly name: string
  readonly config: ResolvedPeer
  readonly localAs: number
  readonly remoteAs: number | undefined
  readonly journal: Journal
  readonly counters: Counters
  /** While Established. */
  readonly negotiated: Negotiated | undefined
  /** Families whose routes are kept over a restart of the peer. */
  readonly staleFamilies: readonly Family[]
  /** Capabilities that our last OPEN did without. */
  readonly leftOut: readonly string[]
  /** The operator has stopped it. */
  readonly isDisabled: boolean
  readonly atLimit: readonly Family[]
  readonly awaited: readonly Family[]
  readonly rib: (family: Family) => Rib
}

export function statusOf(parts: StatusParts): PeerStatus {
  const { id, name, config, localAs, remoteAs, journal, counters, negotiated, staleFamilies, atLimit, awaited, rib } =
    parts
  const families = negotiated?.families ?? []
  const sum = (over: readonly Family[], count: (rib: Rib) => number): number =>
    over.reduce((total, family) => total + count(rib(family)), 0)
  return {
    name,
    range: config.range,
    address: config.address,
    remoteAs,
    localAs,
    state: journal.state,
    since: journal.since,
    routerId: negotiated && formatAddress(octetsOf4(negotiated.routerId)),
    holdTime: negotiated?.holdTime,
    role: config.role,
    peerRole: negotiated?.peerRole,
    hostname: negotiated?.names.hostname,
    domainName: negotiated?.names.domainName,
    softwareVersion: negotiated?.names.softwareVersion,
    extendedMessages: negotiated?.extendedMessages ?? false,
    leftOut: parts.leftOut,
    families,
    extendedNextHop: negotiated?.extendedNextHop ?? false,
    prefixesReceived: sum(families, table => table.received(id).all),
    prefixesAccepted: sum(families, table => table.received(id).accepted),
    prefixesStale: sum(staleFamilies, table => table.stale(id)),
    prefixesSent: sum(families, table => table.sent(id)),
    atLimit,
    atLimitOut: families.filter(family => rib(family).isFullOut(id)),
    messagesIn: counters.in.all,
    messagesOut: counters.out.all,
    updatesIn: counters.in.of(UPDATE),
    updatesOut: counters.out.of(UPDATE),
    flaps: counters.flaps,
    endOfRib: [...counters.endOfRib],
    addPath: negotiated && addPathOf(negotiated),
    gracefulRestart: negotiated?.gracefulRestart !== undefined,
    awaited,
    lastError: journal.lastError,
    disabled: parts.isDisabled,
    description: config.description,
  }
}

function addPathOf({ families, pathIds, pathIdsSent }: Negotiated): PeerStatus['addPath'] {
  const named = (ids: Negotiated['pathIds']) => families.filter(family => ids?.[family])
  return pathIds || pathIdsSent ? { receive: named(pathIds), send: named(pathIdsSent) } : undefined
}

/** Families whose End-of-RIB a speaker that has restarted waits for (RFC 4724 §4.1). */
export function awaitedFamilies(negotiated: Negotiated | undefined, told: ReadonlySet<Family>): readonly Family[] {
  const { families, gracefulRestart } = negotiated ?? {}
  if (!families || !gracefulRestart || gracefulRestart.restarting) return []
  // A peer that lists no family asks for nothing to be kept, yet sends End-of-RIB for every one (RFC 4724 §3).
  const listed = gracefulRestart.families.length > 0 ? gracefulRestart.families : families
  return families.filter(family => listed.includes(family) && !told.has(family))
}
