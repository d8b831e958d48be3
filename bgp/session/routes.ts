// Where UPDATE messages become routes: the only file that joins the codec to the RIB.

import type { Ineligible } from '../rib/port.ts'
import type { Family, PeerId } from '../types.ts'
import {
  asPath,
  asPathContains,
  AttributeWalker,
  clusterList,
  clusterListContains,
  originatorId,
  uint32,
} from '../wire/attributes.ts'
import type { UpdateDecoder } from '../wire/update.ts'
import type { Fault } from '../wire/verdict.ts'
import type { FamilyRib, Identity } from './host.ts'
import type { Negotiated } from './negotiate.ts'

/** What the routes of one session are judged by. */
export interface Inbound {
  readonly peer: PeerId
  readonly negotiated: Negotiated
  readonly identity: Identity
  /** Our AS on the session. */
  readonly localAs: number
  /** Addresses of ours: a route that points at one of them is of no use. */
  readonly ownAddresses: readonly Uint8Array[]
  family(family: Family): FamilyRib
}

/** What came of one UPDATE. */
export interface UpdateResult {
  fault: Fault | undefined
  /** RFC 7606 treatment worth telling the operator. */
  incident: { readonly treatment: 'discard' | 'withdraw'; readonly why: string } | undefined
  endOfRib: Family | undefined
  /** Family in which the peer's ceiling has refused a route, for want of room for prefixes or for attributes. */
  refused: { readonly family: Family; readonly of: 'prefixes' | 'octets' } | undefined
}

const result: UpdateResult = { fault: undefined, incident: undefined, endOfRib: undefined, refused: undefined }
const walker = new AttributeWalker()
const hops: { readonly [octets: number]: Uint8Array } = {
  4: new Uint8Array(4),
  16: new Uint8Array(16),
  32: new Uint8Array(32),
}

/** Applies the UPDATE whose body is `octets[from, to)`. The result object is reused. */
export function applyUpdate(
  decoder: UpdateDecoder,
  inbound: Inbound,
  octets: Uint8Array,
  from: number,
  to: number,
): UpdateResult {
  result.fault = result.incident = result.endOfRib = result.refused = undefined
  const verdict = decoder.decode(octets, from, to, inbound.negotiated)
  if (verdict.do === 'reset') {
    result.fault = verdict
    return result
  }
  if (decoder.endOfRib) {
    if (inbound.negotiated.families.includes(decoder.endOfRib)) result.endOfRib = decoder.endOfRib
    return result
  }
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
  if (!inbound.negotiated.families.includes(family)) return
  const { rib } = inbound.family(family)
  const hop = hops[hopTo - hopFrom]
  hop.set(octets.subarray(hopFrom, hopTo))
  const ineligible = loop(decoder.attributes, decoder.attributesTo, inbound)
  if (!ineligible && isOwn(hop, inbound.ownAddresses)) {
    result.incident = { treatment: 'withdraw', why: 'the next hop is an address of this speaker' } // RFC 4271 §6.3
    rib.withdraw(inbound.peer, octets, from, to)
    return
  }
  if (!rib.affords(inbound.peer, decoder.attributesTo)) {
    result.refused = { family, of: 'octets' }
    return
  }
  const set = rib.intern(decoder.attributes, 0, decoder.attributesTo, hop, inbound.peer)
  if (rib.announce(inbound.peer, octets, from, to, set, ineligible) > 0) result.refused = { family, of: 'prefixes' }
  rib.release(set)
}

/** RFC 4271 §9.1.2 for both kinds of peers; RFC 4456 §8 (eBGP peers' attributes of that kind are gone already). */
function loop(attributes: Uint8Array, end: number, inbound: Inbound): Ineligible | undefined {
  const { identity, localAs } = inbound
  for (walker.reset(attributes, 0, end); walker.next();) {
    const { code, from, to } = walker
    if (code === asPath.code) {
      if (asPathContains(attributes, from, to, localAs)) return 'as-loop'
      if (identity.asn !== localAs && asPathContains(attributes, from, to, identity.asn)) return 'as-loop'
    } else if (code === originatorId.code) {
      if (uint32(attributes, from) === identity.routerId) return 'originator-loop'
    } else if (code === clusterList.code) {
      if (clusterListContains(attributes, from, to, identity.clusterId)) return 'cluster-loop'
    }
  }
  return undefined
}

function isOwn(hop: Uint8Array, own: readonly Uint8Array[]): boolean {
  return own.some(address => {
    if (address.length > hop.length || address.length < Math.min(hop.length, 16)) return false
    for (let i = 0; i < address.length; i++) if (address[i] !== hop[i]) return false
    return true
  })
}
