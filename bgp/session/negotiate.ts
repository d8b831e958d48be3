// What two OPEN messages make of a session (RFC 4271 §4.2, RFC 5065 §4, RFC 5492, RFC 4760 §8, RFC 6793, RFC 4724 §3,
// RFC 8538 §2, RFC 7911 §4). Pure.

import type { BgpRole, Family, RemoteAs, SessionKind } from '../types.ts'
import type { PathIds } from '../wire/mp.ts'
import { type Capability, type CapabilityKind, type NextHopFamily, offeredFamilies } from '../wire/capabilities.ts'
import type { Identity, ResolvedPeer } from './host.ts'
import { isOtherMember } from './kind.ts'
import { allowsAs, remoteAsText } from './remote-as.ts'
import { agreeOnRoles, roleCapability, type Roles } from './roles.ts'
import { hoplessFamilies, offered, offeredPaths, wantsExtendedNextHop } from './traits.ts'
import { without } from './withheld.ts'
import { familyOf, numbersOf } from '../wire/family.ts'
import type { Open } from '../wire/open.ts'
import { type Fault, fault } from '../wire/verdict.ts'

/** Our side of a session, before anything was heard. */
export interface LocalSide {
  /** The AS that the peer knows us by. */
  readonly asn: number
  readonly kind: SessionKind
  readonly us: Identity
  /** Seconds. */
  readonly holdTime: number
  readonly families: readonly Family[]
  readonly extendedMessages: boolean
  readonly restart?: RestartSide
  readonly names: SpeakerNames
  /** Capabilities that this OPEN does without. */
  readonly leftOut: readonly CapabilityKind[]
  /** Towards an eBGP peer (RFC 9234). */
  readonly role?: BgpRole
  readonly strictRole?: boolean
  /** IPv4 routes may have IPv6 next hops (RFC 8950). */
  readonly extendedNextHop: boolean
  /** Families that need it, as there is no other next hop of ours for them. */
  readonly hopless: readonly Family[]
  /** Families in which the peer may send several paths of a prefix, and in which it is sent several. */
  readonly addPath?: readonly PathDirections[]
}

/** ADD-PATH (RFC 7911) as an end offers it. */
export interface PathDirections {
  readonly family: Family
  readonly receive: boolean
  readonly send: boolean
}

/** What a speaker calls itself, for display. */
export interface SpeakerNames {
  readonly hostname?: string
  readonly domainName?: string
  readonly softwareVersion?: string
}

/** What we say of our own restarts. */
export interface RestartSide {
  /** Seconds. */
  readonly time: number
  /** R bit. */
  readonly restarting: boolean
  /** F bit, of every family. */
  readonly forwarding: boolean
  /** Seconds for which a family is to be kept afterwards (RFC 9494), by family; undefined: that is not spoken. */
  readonly longLived?: (family: Family) => number
}

/** What a peer says of a family that is to be kept for long (RFC 9494 §3.1). */
export interface LongLived {
  readonly family: Family
  readonly seconds: number
  /** F bit. */
  readonly forwarding: boolean
}

/** What a peer says of its own restarts. */
export interface PeerRestart {
  /** R bit: it has just restarted, and waits for our End-of-RIB. */
  readonly restarting: boolean
  /** Seconds within which it means to be back. */
  readonly time: number
  /** Families whose routes it wants kept meanwhile. */
  readonly families: readonly Family[]
  /** Those of them whose forwarding went on while it was away (F bit). */
  readonly forwarding: readonly Family[]
  /** Both ends have set the N bit: a session that a NOTIFICATION ended may be resumed, too. */
  readonly notification: boolean
}

export interface Negotiated extends Roles {
  readonly kind: SessionKind
  /** Both ends are in one confederation (RFC 5065). */
  readonly confederation: boolean
  /** Seconds; 0 = no keepalives. */
  readonly holdTime: number
  readonly families: readonly Family[]
  readonly fourOctetAs: boolean
  readonly routeRefresh: boolean
  readonly extendedNextHop: boolean
  /** What is sent again is marked with a beginning and an end (RFC 7313). */
  readonly enhancedRefresh: boolean
  /** Messages of up to 65,535 octets may be sent both ways (RFC 8654 §4). */
  readonly extendedMessages: boolean
  /** Families whose NLRI carry path identifiers: those that the peer sends, and those that we send. */
  readonly pathIds: PathIds
  readonly pathIdsSent: PathIds
  /** What the peer says of its own restarts, if it has announced graceful restart. */
  readonly gracefulRestart?: PeerRestart
  /** Families that it wants kept for long, if it has announced that (RFC 9494); good only beside graceful restart. */
  readonly longLived?: readonly LongLived[]
  /** What the peer calls itself. */
  readonly names: SpeakerNames
  /** The peer's AS and router id. */
  readonly asn: number
  readonly routerId: number
}

export function ourOpen(side: LocalSide): Open {
  const { asn, us, holdTime, families, extendedMessages, restart, role, names, extendedNextHop, addPath = [] } = side
  const { routerId } = us
  const list = families.map(numbersOf)
  const capabilities: Capability[] = [
    ...list.map(({ afi, safi }) => ({ kind: 'multiprotocol', afi, safi }) as const),
    { kind: 'routeRefresh' },
    // FRR takes no request of one that has this before its own End-of-RIB, which it sends only where graceful restart is.
    ...(restart ? [{ kind: 'enhancedRefresh' } as const] : []),
    { kind: 'fourOctetAs', asn },
  ]
  if (extendedMessages) capabilities.push({ kind: 'extendedMessages' })
  if (role) capabilities.push(roleCapability(role))
  if (extendedNextHop) capabilities.push({ kind: 'extendedNextHop', families: [FOUR_BY_SIX] })
  if (restart) {
    capabilities.push({
      kind: 'gracefulRestart',
      restarting: restart.restarting,
      notification: true,
      restartTime: restart.time,
      families: list.map(({ afi, safi }) => ({ afi, safi, forwarding: restart.forwarding })),
    })
  }
  const { longLived, forwarding = false } = restart ?? {}
  if (longLived) {
    const rows = families.map(family => ({ ...numbersOf(family), forwarding, seconds: longLived(family) }))
    capabilities.push({ kind: 'longLived', families: rows })
  }
  if (addPath.length > 0) {
    const rows = addPath.map(({ family, receive, send }) => {
      const { afi, safi } = numbersOf(family)
      return { afi, safi, receive, send }
    })
    capabilities.push({ kind: 'addPath', families: rows })
  }
  const { hostname, domainName = '', softwareVersion } = names
  if (hostname !== undefined) capabilities.push({ kind: 'hostname', hostname, domainName })
  if (softwareVersion !== undefined) capabilities.push({ kind: 'softwareVersion', version: softwareVersion })
  return { asn, holdTime, routerId, capabilities: without(capabilities, side.leftOut) }
}

/** Judges the peer's OPEN by ours and by the AS configured for it. */
export function negotiate(side: LocalSide, remoteAs: RemoteAs, open: Open): Negotiated | { readonly fault: Fault } {
  if (!allowsAs(remoteAs, open.asn, side.asn)) {
    return { fault: fault(2, 2, `it says that its AS is ${open.asn}, but ${remoteAsText(remoteAs)} is configured`) }
  }
  const { kind, us } = side
  if (kind === 'ebgp' && us.confederation && (open.asn === us.asn || isOtherMember(us, open.asn))) {
    const why = `it says that it is in AS ${open.asn}, a member of our confederation ${us.confederation.identifier}`
    return { fault: fault(2, 2, `${why}, and as such it is not configured`) }
  }
  // RFC 6286 §2.2: unique within an AS only.
  if (kind === 'ibgp' && open.routerId === us.routerId) {
    return { fault: fault(2, 3, 'it has the same router id as this speaker, in the same AS') }
  }
  const offered = offeredFamilies(open.capabilities)
  const extendedNextHop =
    side.extendedNextHop && !side.leftOut.includes('extendedNextHop') && open.capabilities.some(takesSix)
  const useless = extendedNextHop ? [] : side.hopless
  // Without the capability there is IPv4 unicast only (RFC 4760 §8).
  const own = side.leftOut.includes('multiprotocol') ? ipv4Only : side.families
  const families = own.filter(family => offered.includes(family) && !useless.includes(family))
  if (families.length === 0) {
    const ours = side.families.map(numbersOf).flatMap(({ afi, safi }) => [1, 4, afi >> 8, afi & 255, 0, safi])
    const needs = useless.length > 0 ? ', with next hops of IPv6 (RFC 8950) for IPv4' : ''
    const why = `it offers ${list(offered)}, but ${list(side.families)} is configured${needs}`
    return { fault: fault(2, 7, why, Uint8Array.from(ours)) }
  }
  const roles = kind !== 'ebgp' ? {} : agreeOnRoles(side.role, side.strictRole ?? false, open.capabilities)
  if ('fault' in roles) return roles
  const both = (kind: CapabilityKind) =>
    !side.leftOut.includes(kind) && open.capabilities.some(item => item.kind === kind)
  return {
    kind,
    confederation: kind !== 'ebgp' && us.confederation !== undefined,
    holdTime: Math.min(side.holdTime, open.holdTime),
    families,
    extendedNextHop,
    fourOctetAs: both('fourOctetAs'),
    routeRefresh: open.capabilities.some(item => item.kind === 'routeRefresh'),
    enhancedRefresh: both('enhancedRefresh'),
    extendedMessages: side.extendedMessages && both('extendedMessages'),
    gracefulRestart: both('gracefulRestart') || !side.restart ? peerRestart(side, open) : undefined,
    longLived: longLivedOf(open),
    names: namesOf(open),
    ...pathIds(side, families, open),
    asn: open.asn,
    routerId: open.routerId,
    ...roles,
  }
}

/** IPv4 unicast by IPv6 (RFC 8950 §4). */
const FOUR_BY_SIX: NextHopFamily = { afi: 1, safi: 1, hopAfi: 2 }

function takesSix(item: Capability): boolean {
  if (item.kind !== 'extendedNextHop') return false
  return item.families.some(({ afi, safi, hopAfi }) => afi === 1 && safi === 1 && hopAfi === 2)
}

const ipv4Only: readonly Family[] = ['ipv4-unicast']

/** RFC 9494 §3.1: ignored without graceful restart. */
function longLivedOf({ capabilities }: Open): readonly LongLived[] | undefined {
  const said = capabilities.find(item => item.kind === 'longLived')
  if (!said || !capabilities.some(item => item.kind === 'gracefulRestart')) return undefined
  return said.families.flatMap(({ afi, safi, seconds, forwarding }) => {
    const family = familyOf(afi, safi)
    return family ? [{ family, seconds, forwarding }] : []
  })
}

function namesOf({ capabilities }: Open): SpeakerNames {
  const host = capabilities.find(item => item.kind === 'hostname')
  const software = capabilities.find(item => item.kind === 'softwareVersion')
  return { hostname: host?.hostname, domainName: host?.domainName || undefined, softwareVersion: software?.version }
}

/** A direction has path identifiers where one end offers to send them and the other to receive them (RFC 7911 §4). */
function pathIds(
  { addPath = [], leftOut }: LocalSide,
  families: readonly Family[],
  { capabilities }: Open,
): Pick<Negotiated, 'pathIds' | 'pathIdsSent'> {
  if (leftOut.includes('addPath')) return { pathIds: undefined, pathIdsSent: undefined }
  const theirs = capabilities.flatMap(item => (item.kind === 'addPath' ? item.families : []))
  const agreed = addPath.filter(({ family }) => families.includes(family))
  const both = (own: 'receive' | 'send', other: 'receive' | 'send'): PathIds => {
    const rows = agreed.filter(ours => {
      // Named twice, the last counts.
      const said = theirs.findLast(({ afi, safi }) => familyOf(afi, safi) === ours.family)
      return ours[own] && said?.[other] === true
    })
    return rows.length > 0 ? Object.fromEntries(rows.map(({ family }) => [family, true])) : undefined
  }
  return { pathIds: both('receive', 'send'), pathIdsSent: both('send', 'receive') }
}

function peerRestart({ restart }: LocalSide, { capabilities }: Open): PeerRestart | undefined {
  const said = capabilities.find(item => item.kind === 'gracefulRestart')
  if (!said) return undefined
  const known = (list: typeof said.families) => list.flatMap(({ afi, safi }) => familyOf(afi, safi) ?? [])
  return {
    restarting: said.restarting,
    time: said.restartTime,
    families: known(said.families),
    forwarding: known(said.families.filter(({ forwarding }) => forwarding)),
    notification: said.notification && restart !== undefined,
  }
}

function list(families: readonly Family[]): string {
  return families.length === 0 ? 'no address family that is known here' : families.join(' and ')
}

/** What we say of ourselves in an OPEN to this peer. */
export function localSide(
  config: ResolvedPeer,
  us: Identity,
  restart: RestartSide | undefined,
  names: SpeakerNames,
  leftOut: readonly CapabilityKind[],
): LocalSide {
  const { localAs: asn, kind, holdTime = 90, extendedMessages = true, role, strictRole } = config
  const optional = { restart, role, strictRole, addPath: offeredPaths(config), names, leftOut }
  const hops = { extendedNextHop: wantsExtendedNextHop(config), hopless: hoplessFamilies(config) }
  return { asn, kind, us, holdTime, families: offered(config), extendedMessages, ...hops, ...optional }
}
