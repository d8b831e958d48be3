// What follows from a peer's configuration: which families it is offered, and which next hops are ours.

import { parseAddress } from '../../inet/index.ts'
import { isLinkLocal } from '../tables/next-hops.ts'
import type { PeerPolicies, PeerTraits } from '../rib/port.ts'
import type { Family, PeerConfig } from '../types.ts'
import { AS_CONFED_SEQUENCE, AS_SEQUENCE } from '../wire/attributes.ts'
import { families, numbersOf } from '../wire/family.ts'
import type { Connection } from './connection.ts'
import type { Identity, ResolvedPeer } from './host.ts'
import type { Negotiated, PathDirections } from './negotiate.ts'
import { placeOf } from './place.ts'
import { outsideAs } from './kind.ts'
import { leakRules } from './roles.ts'
import type { InboundRules } from './routes.ts'

/**
 * The families to offer: those configured; by default those for which we have a next hop, which are the family of the
 * session's own addresses, each one in `nextHopSelf`, and IPv4 with the next hops of IPv6.
 */
export function offered(config: PeerConfig): readonly Family[] {
  const wanted = config.families
  if (wanted) return families.map(row => row.family).filter(family => wanted.includes(family))
  const extended = wantsExtendedNextHop(config)
  const has = (family: Family) => family === ownFamily(config) || config.nextHopSelf?.[family] !== undefined
  return families.map(row => row.family).filter(family => has(family) || (family === 'ipv4-unicast' && extended))
}

/** Whether IPv4 routes may have IPv6 next hops (RFC 8950), if the peer agrees. */
export function wantsExtendedNextHop(config: PeerConfig): boolean {
  return config.extendedNextHop ?? /^(%|fe[89ab])/i.test(placeOf(config))
}

/** Families for which we have a next hop only if it may be of another family. */
export function hoplessFamilies(config: PeerConfig): readonly Family[] {
  const own = config.nextHopSelf?.['ipv4-unicast']
  return own?.includes(':') || (own === undefined && ownFamily(config) !== 'ipv4-unicast') ? ['ipv4-unicast'] : []
}

/** The family whose next hops are the session's own addresses. */
export function ownFamily(config: PeerConfig): Family {
  return /[:%]/.test(placeOf(config)) ? 'ipv6-unicast' : 'ipv4-unicast'
}

/** What OPEN says of ADD-PATH (RFC 7911 §4). */
export function offeredPaths(config: PeerConfig): PathDirections[] {
  return offered(config)
    .map(family => {
      const { receive = false, send } = config.addPath?.[family] ?? {}
      return { family, receive, send: send !== undefined }
    })
    .filter(({ receive, send }) => receive || send)
}

export function traits(
  name: string,
  config: ResolvedPeer,
  us: Identity,
  negotiated: Negotiated,
  connection: Connection,
  family: Family,
): PeerTraits {
  const { localAs } = config
  const outside = outsideAs(us)
  return {
    name,
    range: config.range,
    kind: negotiated.kind,
    localAs,
    asBehind: localAs === outside || (config.localAsMode ?? 'replace') === 'replace' ? 0 : outside,
    remoteAs: negotiated.asn,
    role: negotiated.role,
    routerId: negotiated.routerId,
    address: octets(connection.remote) ?? octets(config.address) ?? new Uint8Array(4),
    localAddress: octets(connection.local) ?? new Uint8Array(4),
    reflectorClient: config.reflectorClient ?? false,
    nextHop: config.nextHop ?? 'auto',
    nextHopSelf: nextHopSelf(config, connection.local, family, negotiated.extendedNextHop),
    extendedNextHop: negotiated.extendedNextHop,
    fourOctetAs: negotiated.fourOctetAs,
    extendedMessages: negotiated.extendedMessages,
    enhancedRefresh: negotiated.enhancedRefresh,
    longLived: negotiated.longLived !== undefined,
    pathIds: negotiated.pathIds?.[family] ?? false,
    pathIdsSent: negotiated.pathIdsSent?.[family] ?? false,
    ...policies(config, family),
  }
}

/** What of the traits may change while the session is up. */
export function policies(config: ResolvedPeer, family: Family): PeerPolicies {
  const out = config.maxPrefixesOut?.[family]
  return {
    import: config.import,
    export: config.export,
    gracefulShutdown: config.gracefulShutdown,
    sendBlackhole: config.sendBlackhole ?? false,
    clientToClient: config.clientToClient,
    sendLongLived: config.sendLongLived ?? false,
    asOverride: config.asOverride ?? false,
    privateAs: config.removePrivateAs ?? 'keep',
    paths: config.addPath?.[family]?.send,
    maxAsPathLength: config.maxAsPathLength,
    maxCommunities: config.maxCommunities,
    mostOut: out?.action === 'reject' ? out.limit : undefined,
  }
}

/** What paths from the peer are judged by, before policy. */
export function inboundRules(config: ResolvedPeer, us: Identity, negotiated: Negotiated): InboundRules {
  const { localAs } = config
  const { kind, asn: peerAs, role } = negotiated
  const outside = outsideAs(us)
  const isOther = localAs !== outside && localAs !== us.asn
  return {
    ownAsns: isOther ? [outside, localAs] : [outside],
    member: us.confederation ? us.asn : 0,
    allowAsIn: config.allowAsIn ?? 0,
    firstAs: kind !== 'ibgp' && config.enforceFirstAs !== false ? peerAs : 0,
    firstIn: kind === 'confed-ebgp' ? AS_CONFED_SEQUENCE : AS_SEQUENCE,
    prepend: isOther && config.localAsMode === 'prepend' ? localAs : 0,
    ...leakRules(role, peerAs),
  }
}

/** Every address of ours that a peer could name as a next hop, each of 4 or 16 octets. */
export function ownAddresses({ nextHopSelf }: PeerConfig, local: string): Uint8Array[] {
  const texts = [local, ...Object.values(nextHopSelf ?? {})]
  return [...texts.map(octets), mapped(octets(local))].filter(own => own !== undefined)
}

/**
 * Configured, or our address on the session; where that is of the other family its IPv4-mapped form, or, with extended next
 * hops, itself. A link-local address goes with the global one (RFC 2545 §3), or, if there is none, in its place too, as FRR
 * has it.
 */
function nextHopSelf(config: PeerConfig, local: string, family: Family, extended: boolean): Uint8Array {
  const size = numbersOf(family).bits / 8
  const given = octets(config.nextHopSelf?.[family] ?? '')
  const own = octets(local)
  const usable = (address: Uint8Array | undefined) => address?.length === size || (extended && address?.length === 16)
  const hop = usable(given) ? given : usable(own) ? own : (size === 16 && mapped(own)) || undefined
  if (!hop) return new Uint8Array(size)
  if (hop.length === 4 || !own || !isLinkLocal(own)) return hop
  return Uint8Array.of(...hop, ...own)
}

function mapped(own: Uint8Array | undefined): Uint8Array | undefined {
  return own?.length === 4 ? Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, ...own) : undefined
}

/** Without the zone of a link-local address. */
function octets(address: string): Uint8Array | undefined {
  return parseAddress(address.replace(/%.*$/, ''))?.octets
}
