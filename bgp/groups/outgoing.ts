// What the kind of session makes of an attribute set on its way out, after policy (RFC 4271 §5.1, RFC 4456 §8,
// RFC 5065 §4.1, RFC 6793 §4.2.2): prepend, strip, next hop, reflection, 2-octet AS numbers. Done once per bucket, when it is encoded.

import { addressOf, isLinkLocal } from '../tables/next-hops.ts'
import {
  type AttributeSets,
  DEFAULT_LOCAL_PREF,
  HAS_LOCAL_PREF,
  HAS_MEMBERS,
  HAS_NON_TRANSITIVE,
  HAS_ORIGINATOR,
  ONLY_TO_CUSTOMER,
} from '../tables/attribute-sets.ts'
import { LOCAL, type Session, type Sessions } from '../rib/sessions.ts'
import { type Edit, prependAs, Rewriter } from '../policy/rewrite.ts'
import { rewriteAsPath } from './own-path.ts'
import {
  aggregator,
  AS_CONFED_SEQUENCE,
  AS_SEQUENCE,
  aigp,
  as4Aggregator,
  as4Path,
  asPath,
  AttributeWalker,
  clusterList,
  copyTransitive,
  extendedCommunities,
  localPref,
  med,
  nextHop,
  onlyToCustomer,
  originatorId,
  putUint32,
} from '../wire/attributes.ts'
import { AS_TRANS } from '../wire/open.ts'
import type { SessionKind } from '../types.ts'

/** Everything about a group that shapes its octets. */
export interface Shape {
  readonly kind: SessionKind
  readonly localAs: number
  /** Another AS of ours to be shown behind that one; 0 = none. */
  readonly asBehind: number
  /** The peer's AS, where that matters; else 0. */
  readonly peerAs: number
  /** Where the path has `peerAs`, ours is shown. */
  readonly asOverride: boolean
  readonly privateAs: 'keep' | 'remove' | 'replace'
  /** ONLY_TO_CUSTOMER to put on routes without one (RFC 9234 §5); 0 = none. */
  readonly onlyToCustomer: number
  readonly clusterId: number
  readonly nextHop: 'auto' | 'self' | 'keep'
  /** Our own next hop, 4, 16 or 32 octets. */
  readonly self: Uint8Array
  readonly fourOctetAs: boolean
  /** MED of learned routes has been taken care of before policy, so what a set has is meant. */
  readonly keepsMed: boolean
  /** The same of next hops. */
  readonly keepsNextHop: boolean
  readonly classic: boolean
  /** Messages may be longer than 4,096 octets (RFC 8654). */
  readonly extendedMessages: boolean
}

/** No attribute's value is longer. */
const LONGEST = 1 << 16

/** What values are written to on the way into a result: all of this thread, as none is looked at when the result is there. */
const shared = {
  asPath: new Uint8Array(LONGEST),
  clusterList: new Uint8Array(LONGEST),
  extended: new Uint8Array(LONGEST),
  wide: new Uint8Array(LONGEST),
  scratch: new Uint8Array(LONGEST),
  behind: new Uint8Array(LONGEST),
}

/** Holds one result at a time, so that all groups of a family can share its buffers. */
export class Outgoing {
  /** The attributes are `octets[0, length)`, with NEXT_HOP among them where NLRI are classic. */
  get octets(): Uint8Array {
    return this.#rewriter.octets
  }
  get length(): number {
    return this.#rewriter.length
  }
  nextHop: Uint8Array = new Uint8Array(0)

  #shape: Shape = NO_SHAPE
  readonly #sets: AttributeSets
  readonly #sessions: Sessions
  readonly #rewriter = new Rewriter()
  readonly #walker = new AttributeWalker()
  /** The first `#count` of them count: a list that is made empty gives its memory back, and takes it anew. */
  readonly #edits: Edit[] = []
  #count = 0

  readonly #asPath = edit(asPath, shared.asPath)
  readonly #as4Path = edit(as4Path, shared.behind)
  readonly #nextHop = edit(nextHop, 4)
  readonly #noMed = edit(med, 0)
  readonly #noLocalPref = edit(localPref, 0)
  readonly #defaultLocalPref = edit(localPref, 4)
  readonly #originator = edit(originatorId, 4)
  readonly #clusterList = edit(clusterList, shared.clusterList)
  readonly #noOriginator = edit(originatorId, 0)
  readonly #noClusterList = edit(clusterList, 0)
  readonly #aggregator = edit(aggregator, 6)
  readonly #as4Aggregator = edit(as4Aggregator, 8)
  readonly #extended = edit(extendedCommunities, shared.extended)
  readonly #noAigp = edit(aigp, 0)
  readonly #onlyToCustomer = edit(onlyToCustomer, 4)

  constructor(sets: AttributeSets, sessions: Sessions) {
    this.#sets = sets
    this.#sessions = sessions
    for (const gone of [this.#noMed, this.#noLocalPref, this.#noOriginator, this.#noClusterList, this.#noAigp])
      gone.length = -1
    putUint32(this.#defaultLocalPref.value, 0, DEFAULT_LOCAL_PREF)
    this.#defaultLocalPref.length = 4
  }

  /** Makes the attributes of `set`, which came from the session in `slot`, ready for the wire. */
  make(shape: Shape, set: number, slot: number): void {
    this.#shape = shape
    this.#edit(set, slot, shape.fourOctetAs)
  }

  /** The same with 4-octet AS numbers and without NEXT_HOP, for showing. */
  show(shape: Shape, set: number, slot: number): void {
    this.#shape = shape
    this.#edit(set, slot, true)
  }

  #edit(set: number, slot: number, fourOctetAs: boolean): void {
    const { kind, classic } = this.#shape
    const sets = this.#sets
    const from = this.#sessions.at(slot)
    this.nextHop = this.#chooseNextHop(set, from)
    this.#count = 0
    if (kind !== 'ibgp' || !fourOctetAs) this.#add(this.#path(set, fourOctetAs))
    if (classic) this.#add(this.#nextHopEdit())
    if (kind === 'ebgp') {
      if (slot !== LOCAL && !this.#shape.keepsMed) this.#add(this.#noMed)
      this.#add(this.#noLocalPref)
    } else if (!(sets.flags[set] & HAS_LOCAL_PREF)) this.#add(this.#defaultLocalPref)
    if (!fourOctetAs) this.#narrowAggregator(set)
    if (kind !== 'ibgp') {
      this.#add(this.#noOriginator)
      this.#add(this.#noClusterList)
    } else if (from.kind === 'ibgp') this.#reflect(set, from)
    if (kind === 'ebgp' && sets.flags[set] & HAS_NON_TRANSITIVE) this.#add(this.#transitive(set))
    if (!fourOctetAs && this.#as4Path.length >= 0) this.#add(this.#as4Path)
    if (!fourOctetAs && this.#as4Aggregator.length >= 0) this.#add(this.#as4Aggregator)
    if (kind === 'ebgp' || this.nextHop === this.#shape.self) this.#add(this.#noAigp) // RFC 7311 §3.2, §3.4.3
    if (this.#shape.onlyToCustomer !== 0 && !(sets.flags[set] & ONLY_TO_CUSTOMER)) {
      this.#onlyToCustomer.length = putUint32(this.#onlyToCustomer.value, 0, this.#shape.onlyToCustomer)
      this.#add(this.#onlyToCustomer)
    }
    this.#rewriter.run(sets.octets, sets.from(set), sets.to(set), this.#edits, this.#count)
  }

  #add(edit: Edit): void {
    this.#edits[this.#count++] = edit
  }

  #chooseNextHop(set: number, from: Session): Uint8Array {
    const { kind, nextHop: mode, self } = this.#shape
    const ours = mode === 'self' || (mode === 'auto' && kind === 'ebgp' && from.kind !== 'local')
    if (ours && !this.#shape.keepsNextHop) return self
    const given = this.#sets.nextHops.octets(this.#sets.nextHop[set])
    if (given.length === 0) return self
    // RFC 2545 §3: a link-local next hop says nothing beyond the link that it came from.
    const address = addressOf(given)
    return isLinkLocal(address) ? self : address
  }

  #nextHopEdit(): Edit {
    this.#nextHop.value = this.nextHop
    this.#nextHop.length = this.nextHop.length
    return this.#nextHop
  }

  /** AS_PATH with our AS in front where the peer is in another, in the width that the peer reads. */
  #path(set: number, fourOctetAs: boolean): Edit {
    const sets = this.#sets
    const walker = this.#walker.reset(sets.octets, sets.from(set), sets.to(set))
    const isThere = walker.find(asPath.code)
    const from = isThere ? walker.from : 0
    const to = isThere ? walker.to : 0
    const path = this.#asPath
    const out = fourOctetAs ? path.value : shared.wide
    const length = this.#ownPath(sets.octets, from, to, (sets.flags[set] & HAS_MEMBERS) !== 0, out)
    path.length = length
    if (fourOctetAs) return path
    const narrowed = narrowPath(out, length, path.value)
    path.length = narrowed.length
    this.#as4Path.length = -1
    if (!narrowed.lossy) return path
    this.#as4Path.length = rewriteAsPath(WITHOUT_MEMBERS, out, 0, length, this.#as4Path.value) // RFC 6793 §3
    return path
  }

  /** The path as this peer is to see it, in 4-octet form; returns its length. */
  #ownPath(octets: Uint8Array, from: number, to: number, hasMembers: boolean, out: Uint8Array): number {
    const shape = this.#shape
    if (shape.kind === 'ibgp') return prependAs(octets, from, to, 0, 0, out)
    if (shape.kind === 'confed-ebgp') return prependAs(octets, from, to, shape.localAs, 1, out, AS_CONFED_SEQUENCE)
    if (shape.peerAs !== 0 || hasMembers) {
      to = rewriteAsPath(shape, octets, from, to, shared.scratch)
      from = 0
      octets = shared.scratch
    }
    if (shape.asBehind !== 0) {
      to = prependAs(octets, from, to, shape.asBehind, 1, shared.behind)
      from = 0
      octets = shared.behind
    }
    return prependAs(octets, from, to, shape.localAs, 1, out)
  }

  /** Extended communities that may leave the AS (RFC 4360 §6). */
  #transitive(set: number): Edit {
    const sets = this.#sets
    const walker = this.#walker.reset(sets.octets, sets.from(set), sets.to(set))
    const { value } = this.#extended
    const length = walker.find(extendedCommunities.code)
      ? copyTransitive(sets.octets, walker.from, walker.to, value)
      : 0
    this.#extended.length = length > 0 ? length : -1
    return this.#extended
  }

  #narrowAggregator(set: number): void {
    const sets = this.#sets
    this.#as4Aggregator.length = -1
    const walker = this.#walker.reset(sets.octets, sets.from(set), sets.to(set))
    if (!walker.find(aggregator.code)) return
    const { octets } = sets
    const wide = octets[walker.from] !== 0 || octets[walker.from + 1] !== 0
    const narrow = this.#aggregator
    narrow.value[0] = wide ? AS_TRANS >> 8 : octets[walker.from + 2]
    narrow.value[1] = wide ? AS_TRANS & 255 : octets[walker.from + 3]
    for (let i = 0; i < 4; i++) narrow.value[2 + i] = octets[walker.from + 4 + i]
    narrow.length = 6
    this.#add(narrow)
    if (!wide) return
    for (let i = 0; i < 8; i++) this.#as4Aggregator.value[i] = octets[walker.from + i]
    this.#as4Aggregator.length = 8
  }

  /** RFC 4456 §8: who brought the route into the AS, and through which clusters it came. */
  #reflect(set: number, from: Session): void {
    const sets = this.#sets
    if (!(sets.flags[set] & HAS_ORIGINATOR)) {
      putUint32(this.#originator.value, 0, from.routerId)
      this.#originator.length = 4
      this.#add(this.#originator)
    }
    const list = this.#clusterList
    putUint32(list.value, 0, this.#shape.clusterId)
    list.length = 4
    const walker = this.#walker.reset(sets.octets, sets.from(set), sets.to(set))
    if (walker.find(clusterList.code)) {
      for (let i = walker.from; i < walker.to; i++) list.value[list.length++] = sets.octets[i]
    }
    this.#add(list)
  }
}

const WITHOUT_MEMBERS = { localAs: 0, peerAs: 0, asOverride: false, privateAs: 'keep' } as const

const NO_SHAPE: Shape = {
  kind: 'ibgp',
  localAs: 0,
  asBehind: 0,
  peerAs: 0,
  asOverride: false,
  privateAs: 'keep',
  onlyToCustomer: 0,
  clusterId: 0,
  nextHop: 'auto',
  self: new Uint8Array(0),
  fourOctetAs: true,
  keepsMed: false,
  keepsNextHop: false,
  classic: true,
  extendedMessages: false,
}

function edit(type: { readonly code: number; readonly flags: number }, room: number | Uint8Array): Edit {
  return { ...type, value: typeof room === 'number' ? new Uint8Array(room) : room, length: 0 }
}

/**
 * Writes the 2-octet form of a path; `lossy`: a number did not fit and became AS_TRANS, so AS4_PATH is needed, which
 * members of a confederation are not in.
 */
function narrowPath(path: Uint8Array, length: number, out: Uint8Array): { length: number; lossy: boolean } {
  let at = 0
  let lossy = false
  for (let from = 0; from < length;) {
    const end = from + 2 + path[from + 1] * 4
    const isMember = path[from] > AS_SEQUENCE
    out[at++] = path[from]
    out[at++] = path[from + 1]
    for (from += 2; from < end; from += 4) {
      const wide = path[from] !== 0 || path[from + 1] !== 0
      lossy ||= wide && !isMember
      out[at++] = wide ? AS_TRANS >> 8 : path[from + 2]
      out[at++] = wide ? AS_TRANS & 255 : path[from + 3]
    }
  }
  return { length: at, lossy }
}
