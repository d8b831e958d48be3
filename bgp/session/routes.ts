// Where UPDATE messages become routes: the only file that joins the codec to the RIB.

import { type Edit, prependAs, Rewriter } from '../policy/rewrite.ts'
import type { Ineligible, Rib } from '../rib/port.ts'
import { withZone } from '../tables/next-hops.ts'
import type { Family, PeerId, SetId } from '../types.ts'
import {
  asPath,
  asPathCount,
  asPathHead,
  AttributeWalker,
  clusterList,
  clusterListContains,
  onlyToCustomer,
  originatorId,
  putUint32,
  uint32,
} from '../wire/attributes.ts'
import type { UpdateDecoder } from '../wire/update.ts'
import type { Fault } from '../wire/verdict.ts'
import type { FamilyRib, Identity } from './host.ts'
import type { Negotiated } from './negotiate.ts'
import type { LeakRules } from './roles.ts'

/** What the routes of one session are judged by. */
export interface Inbound {
  readonly peer: PeerId
  readonly negotiated: Negotiated
  readonly identity: Identity
  rules: InboundRules
  /** Addresses of ours: a route that points at one of them is of no use. */
  readonly ownAddresses: readonly Uint8Array[]
  /** The link that the session is on, as far as it is known: the zone of its link-local addresses. */
  readonly zone: string
  family(family: Family): FamilyRib
}

/** What the configuration of a peer demands of the AS paths that it sends. */
export interface InboundRules extends LeakRules {
  /** AS numbers of ours, as the outside knows us. */
  readonly ownAsns: readonly number[]
  /** Our AS among the members of a confederation (RFC 5065); 0 = we are in none. */
  readonly member: number
  /** How often they may be in a path. */
  readonly allowAsIn: number
  /** The AS that every path has to begin with, in a segment of type `firstIn`; 0 = any. */
  readonly firstAs: number
  readonly firstIn: number
  /** An AS of ours to put in front of every path; 0 = none. */
  readonly prepend: number
}

/** What came of one UPDATE. */
export interface UpdateResult {
  fault: Fault | undefined
  /** RFC 7606 treatment worth telling the operator. */
  incident: { readonly treatment: 'discard' | 'withdraw' | 'reset'; readonly why: string } | undefined
  endOfRib: Family | undefined
  /** Family in which the peer's ceiling has refused a route, for want of room for prefixes or for attributes. */
  refused: { readonly family: Family; readonly of: Refusal } | undefined
  /** Prefixes of the message that are applied, if there are more; else 0. */
  applied: number
}

/** `paths`: of one prefix. */
export type Refusal = 'prefixes' | 'paths' | 'octets'

/** Prefixes that are applied at a time; a message of 4,096 octets rarely has more. */
const SLICE = 1024

/** The slice of the prefixes of one message that is applied now. */
const slice = {
  passed: 0,
  left: 0,
  from: 0,
  to: 0,
  /** Clips the NLRI in `octets[from, to)`, the next of the message, to what lies in the slice; `id`: octets of an identifier. */
  take(octets: Uint8Array, from: number, to: number, id: 0 | 4): void {
    for (; this.passed > 0 && from < to; this.passed--) from += id + 1 + ((octets[from + id] + 7) >> 3)
    this.from = this.to = from
    for (; this.left > 0 && this.to < to; this.left--) this.to += id + 1 + ((octets[this.to + id] + 7) >> 3)
  },
}

const result: UpdateResult = {
  fault: undefined,
  incident: undefined,
  endOfRib: undefined,
  refused: undefined,
  applied: 0,
}
/** Whether the message at hand has more prefixes than a slice. */
let sliced = false
const walker = new AttributeWalker()
const rewriter = new Rewriter()
const edits: Edit[] = []
const longerPath: Edit = { code: asPath.code, flags: asPath.flags, value: new Uint8Array(1 << 16), length: 0 }
const mark: Edit = { code: onlyToCustomer.code, flags: onlyToCustomer.flags, value: new Uint8Array(4), length: 4 }
const hops: { readonly [octets: number]: Uint8Array } = {
  4: new Uint8Array(4),
  16: new Uint8Array(16),
  32: new Uint8Array(32),
}

/**
 * Applies the UPDATE whose body is `octets[from, to)`: a slice of its prefixes, of which the first `done` are applied
 * already. The result object is reused.
 */
export function applyUpdate(
  decoder: UpdateDecoder,
  inbound: Inbound,
  octets: Uint8Array,
  from: number,
  to: number,
  done: number,
): UpdateResult {
  result.applied = 0
  result.fault = result.incident = result.endOfRib = result.refused = undefined
  const verdict = decoder.decode(octets, from, to, inbound.negotiated)
  if (verdict.do === 'reset') {
    result.fault = verdict
    result.incident = { treatment: 'reset', why: verdict.why }
    return result
  }
  if (decoder.endOfRib) {
    if (inbound.negotiated.families.includes(decoder.endOfRib)) result.endOfRib = decoder.endOfRib
    return result
  }
  if (decoder.prefixes > done + SLICE) result.applied = done + SLICE
  sliced = decoder.prefixes > SLICE
  slice.passed = done
  slice.left = SLICE
  if (verdict.do !== 'accept') result.incident = { treatment: verdict.do, why: verdict.why }

  const { reach, unreach, withdrawnFrom, withdrawnTo, announcedFrom, announcedTo } = decoder
  const withdrawn = verdict.do === 'withdraw'
  remove(inbound, 'ipv4-unicast', octets, withdrawnFrom, withdrawnTo)
  if (unreach.family) remove(inbound, unreach.family, octets, unreach.from, unreach.to)
  if (withdrawn) {
    remove(inbound, 'ipv4-unicast', octets, announcedFrom, announcedTo)
    if (reach.family) remove(inbound, reach.family, octets, reach.from, reach.to)
    return result
  }
  if (announcedTo > announcedFrom) {
    add(decoder, inbound, 'ipv4-unicast', octets, decoder.nextHopFrom, decoder.nextHopTo, announcedFrom, announcedTo)
  }
  if (reach.family && reach.prefixes > 0) {
    add(decoder, inbound, reach.family, octets, reach.nextHopFrom, reach.nextHopTo, reach.from, reach.to)
  }
  return result
}

function remove(inbound: Inbound, family: Family, octets: Uint8Array, from: number, to: number): void {
  if (sliced) {
    slice.take(octets, from, to, inbound.negotiated.pathIds?.[family] ? 4 : 0)
    from = slice.from
    to = slice.to
  }
  if (to > from && inbound.negotiated.families.includes(family)) {
    inbound.family(family).rib.withdraw(inbound.peer, octets, from, to)
  }
}

function add(
  decoder: UpdateDecoder,
  inbound: Inbound,
  family: Family,
  octets: Uint8Array,
  hopFrom: number,
  hopTo: number,
  from: number,
  to: number,
): void {
  if (sliced) {
    slice.take(octets, from, to, inbound.negotiated.pathIds?.[family] ? 4 : 0)
    from = slice.from
    to = slice.to
  }
  if (from === to || !inbound.negotiated.families.includes(family)) return
  const { rib } = inbound.family(family)
  const hop = hops[hopTo - hopFrom]
  for (let i = hopFrom; i < hopTo; i++) hop[i - hopFrom] = octets[i]
  const broken = isOwn(hop, inbound.ownAddresses)
    ? 'the next hop is an address of this speaker' // RFC 4271 §6.3
    : wrongFirstAs(decoder, inbound.rules)
  if (broken) {
    result.incident = { treatment: 'withdraw', why: broken }
    rib.withdraw(inbound.peer, octets, from, to)
    return
  }
  withZone(hop, hop.length > 4 ? rib.zone(inbound.zone) : 0)
  if (!rib.affords(inbound.peer, decoder.attributesTo)) {
    result.refused = { family, of: 'octets' }
    return
  }
  const ineligible = loop(decoder.attributes, decoder.attributesTo, inbound)
  const set = arrived(decoder, inbound, rib, hop)
  const refused = rib.announce(inbound.peer, octets, from, to, set, ineligible)
  if (refused) result.refused = { family, of: refused }
  rib.release(set)
}

/** The attributes of the message as they are kept: as they came, but for what the rules put there. */
function arrived({ attributes, attributesTo: end }: UpdateDecoder, inbound: Inbound, rib: Rib, hop: Uint8Array): SetId {
  const { rules, peer } = inbound
  if (rules.prepend === 0 && rules.mark === 0) return rib.intern(attributes, 0, end, hop, peer)
  edits.length = 0
  if (rules.prepend !== 0) {
    const [from, to] = walker.reset(attributes, 0, end).find(asPath.code) ? [walker.from, walker.to] : [0, 0]
    longerPath.length = prependAs(attributes, from, to, rules.prepend, 1, longerPath.value)
    edits.push(longerPath)
  }
  if (rules.mark !== 0 && !walker.reset(attributes, 0, end).find(onlyToCustomer.code)) {
    putUint32(mark.value, 0, rules.mark) // RFC 9234 §5, ingress 3
    edits.push(mark)
  }
  rewriter.run(attributes, 0, end, edits)
  return rib.intern(rewriter.octets, 0, rewriter.length, hop, peer)
}

/** RFC 4271 §6.3, treated as RFC 7606 §7.2 does an AS_PATH in error. */
function wrongFirstAs(
  { attributes, attributesTo }: UpdateDecoder,
  { firstAs, firstIn }: InboundRules,
): string | undefined {
  if (firstAs === 0 || !walker.reset(attributes, 0, attributesTo).find(asPath.code)) return undefined
  const first = asPathHead(attributes, walker.from, walker.to, firstIn)
  if (first === firstAs) return undefined
  const found = first === 0 ? 'with no AS of its own' : `with AS ${first}`
  return `the AS path begins ${found}, not with the peer's AS ${firstAs} (set enforceFirstAs to false for a route server)`
}

/** Why the routes may not be used: RFC 4271 §9.1.2 for both kinds of peers; RFC 4456 §8 (eBGP peers' attributes of that kind are gone already). */
function loop(attributes: Uint8Array, end: number, { identity, rules }: Inbound): Ineligible | undefined {
  for (walker.reset(attributes, 0, end); walker.next();) {
    const { code, from, to } = walker
    if (code === asPath.code) {
      let ours = 0
      for (const asn of rules.ownAsns) ours += asPathCount(attributes, from, to, asn, 'outside')
      if (rules.member !== 0) ours += asPathCount(attributes, from, to, rules.member, 'members')
      if (ours > rules.allowAsIn) return 'as-loop'
    } else if (code === originatorId.code) {
      if (uint32(attributes, from) === identity.routerId) return 'originator-loop'
    } else if (code === clusterList.code) {
      if (clusterListContains(attributes, from, to, identity.clusterId)) return 'cluster-loop'
    } else if (code === onlyToCustomer.code && rules.leaks !== 'never') {
      if (rules.leaks === 'marked' || uint32(attributes, from) !== rules.mark) return 'route-leak' // RFC 9234 §5
    }
  }
  return undefined
}

function isOwn(hop: Uint8Array, own: readonly Uint8Array[]): boolean {
  for (let at = 0; at < hop.length; at += 16) {
    const end = Math.min(at + 16, hop.length)
    for (const address of own) if (isAt(address, hop, at, end)) return true
  }
  return false
}

function isAt(address: Uint8Array, hop: Uint8Array, from: number, to: number): boolean {
  if (address.length !== to - from) return false
  for (let i = from; i < to; i++) if (address[i - from] !== hop[i]) return false
  return true
}
