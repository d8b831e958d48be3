// Help for the tests of RIB and update groups: peers in a line, routes as text, and what a peer was sent, decoded.

import { formatAddress, parseAddress } from '../../inet/index.ts'
import type { PeerTraits } from '../rib/port.ts'
import { attributesView } from '../rib/views.ts'
import { addressOf } from '../tables/next-hops.ts'
import { acceptAll, type Family, type PathView, type PeerId, type SessionKind } from '../types.ts'
import {
  aigp,
  asPath,
  type AsPathSegment,
  clusterList,
  communities,
  extendedCommunities,
  largeCommunities,
  localPref,
  med,
  origin,
  originatorId,
  putAttribute,
} from '../wire/attributes.ts'
import { HEADER_LENGTH, messageLength } from '../wire/header.ts'
import { nlriOctets, nlriTexts } from '../wire/nlri.ts'
import { UpdateDecoder } from '../wire/update.ts'
import { createFamily, type FamilyOptions } from './family.ts'
import type { ChunkSink } from './port.ts'

export interface Attributes {
  readonly nextHop?: string
  readonly path?: readonly (number | readonly number[])[]
  /** Members of a confederation in front of the path. */
  readonly members?: readonly number[]
  readonly med?: number
  readonly localPref?: number
  readonly origin?: 'igp' | 'egp' | 'incomplete'
  readonly communities?: readonly string[]
  readonly extendedCommunities?: readonly string[]
  readonly largeCommunities?: readonly string[]
  readonly aigp?: Uint8Array
  readonly originatorId?: string
  readonly clusterList?: readonly string[]
}

/** Canonical attribute octets. */
export function attributeOctets(a: Attributes): Uint8Array {
  const out = new Uint8Array(20000)
  let at = putAttribute(out, 0, origin, origin.encode(a.origin ?? 'igp'))
  const segments: AsPathSegment[] = a.members ? [{ type: 'confed-sequence', asns: a.members }] : []
  let sequence: number[] = []
  for (const part of a.path ?? []) {
    if (typeof part === 'number') {
      if (sequence.push(part) === 1) segments.push({ type: 'sequence', asns: sequence })
    } else {
      segments.push({ type: 'set', asns: part })
      sequence = []
    }
  }
  at = putAttribute(out, at, asPath, asPath.encode(segments))
  if (a.med !== undefined) at = putAttribute(out, at, med, med.encode(a.med))
  if (a.localPref !== undefined) at = putAttribute(out, at, localPref, localPref.encode(a.localPref))
  if (a.communities) at = putAttribute(out, at, communities, communities.encode(a.communities))
  if (a.originatorId) at = putAttribute(out, at, originatorId, originatorId.encode(a.originatorId))
  if (a.clusterList) at = putAttribute(out, at, clusterList, clusterList.encode(a.clusterList))
  const { extendedCommunities: extended, largeCommunities: large } = a
  if (extended) at = putAttribute(out, at, extendedCommunities, extendedCommunities.encode(extended))
  if (a.aigp) at = putAttribute(out, at, aigp, a.aigp)
  if (large) at = putAttribute(out, at, largeCommunities, largeCommunities.encode(large))
  return out.slice(0, at)
}

export function octetsOfAddress(text: string): Uint8Array {
  const address = parseAddress(text)
  if (!address) throw new RangeError(`${text} is no address`)
  return address.octets
}

export const id = (peer: number): PeerId => peer as PeerId

/** Traits of peer `n` (eBGP with AS 65000 + n unless said otherwise). */
export function traits(family: Family, n: number, more: Partial<PeerTraits> = {}): PeerTraits {
  const text = (own: boolean) =>
    family === 'ipv4-unicast' ? `192.0.2.${own ? 200 : n + 1}` : `2001:db8::${own ? 'ff' : (n + 1).toString(16)}`
  return {
    name: `peer-${n}`,
    kind: 'ebgp',
    localAs: 64999,
    asBehind: 0,
    remoteAs: 65000 + n,
    routerId: 0x0a000000 + n + 1,
    address: octetsOfAddress(text(false)),
    localAddress: octetsOfAddress(text(true)),
    reflectorClient: false,
    nextHop: 'auto',
    nextHopSelf: octetsOfAddress(text(true)),
    fourOctetAs: true,
    extendedMessages: false,
    enhancedRefresh: false,
    longLived: false,
    pathIds: false,
    pathIdsSent: false,
    import: acceptAll,
    export: acceptAll,
    gracefulShutdown: false,
    sendBlackhole: false,
    clientToClient: true,
    sendLongLived: false,
    asOverride: false,
    privateAs: 'keep',
    paths: undefined,
    ...more,
  }
}

/** A family with a shorthand for what tests do all the time. */
export class Bench {
  readonly family: Family
  readonly rib
  readonly out
  readonly usage
  readonly #fourOctetAs = new Map<number, boolean>()
  readonly #kind = new Map<number, SessionKind>()
  readonly #pathIds = new Map<number, boolean>()

  constructor(options: Partial<FamilyOptions> = {}) {
    this.family = options.family ?? 'ipv4-unicast'
    const made = createFamily({
      family: this.family,
      seed: 7,
      asn: 64999,
      routerId: 0xc0000201,
      clusterId: 0xc0000201,
      maxPrefixes: 1 << 18,
      ...options,
    })
    this.rib = made.rib
    this.out = made.out
    this.usage = made.usage
  }

  get bits(): 32 | 128 {
    return this.family === 'ipv4-unicast' ? 32 : 128
  }

  up(n: number, more: Partial<PeerTraits> = {}): PeerTraits {
    const made = traits(this.family, n, more)
    this.#fourOctetAs.set(n, made.fourOctetAs)
    this.#kind.set(n, made.kind)
    this.#pathIds.set(n, made.pathIdsSent)
    this.rib.peerUp(id(n), made)
    return made
  }

  announce(
    n: number,
    prefixes: readonly string[],
    a: Attributes = {},
    ineligible?: Parameters<typeof this.rib.announce>[5],
  ) {
    const octets = attributeOctets(a)
    const nextHop = a.nextHop ?? (this.bits === 32 ? `192.0.2.${n + 1}` : `2001:db8::${(n + 1).toString(16)}`)
    const set = this.rib.intern(octets, 0, octets.length, octetsOfAddress(nextHop))
    const nlri = Uint8Array.from(nlriOctets(prefixes, this.bits))
    const refused = this.rib.announce(id(n), nlri, 0, nlri.length, set, ineligible)
    this.rib.release(set)
    return refused
  }

  withdraw(n: number, prefixes: readonly string[]) {
    const nlri = Uint8Array.from(nlriOctets(prefixes, this.bits))
    this.rib.withdraw(id(n), nlri, 0, nlri.length)
  }

  work() {
    while (this.rib.work(8192));
  }

  /** The best and other paths of a prefix; empty if it is unknown. */
  paths(prefix: string): PathView[] {
    const found = this.rib.lookup(prefix)
    return found === undefined ? [] : this.rib.paths(found)
  }

  receiver(n: number): Receiver {
    const [fourOctetAs, kind] = [this.#fourOctetAs.get(n) ?? true, this.#kind.get(n) ?? 'ebgp']
    return new Receiver(this.family, fourOctetAs, kind, this.#pathIds.get(n))
  }

  /** Pulls all there is for a peer into `receiver`. */
  pull(n: number, receiver: ChunkSink): void {
    while (this.out.pull(id(n), receiver));
  }

  /** Lets everything settle and pulls for every receiver until nothing moves. */
  settle(receivers: ReadonlyMap<number, ChunkSink>): void {
    do {
      this.work()
      for (const [n, receiver] of receivers) this.pull(n, receiver)
    } while (this.rib.pending)
    for (const [n, receiver] of receivers) this.pull(n, receiver)
  }
}

/** A peer's view: applies UPDATEs to a table of prefix, with a path identifier `7 10.0.0.0/8`, → attributes as text. */
export class Receiver implements ChunkSink {
  readonly routes = new Map<string, PathView>()
  messages = 0
  announced = 0
  withdrawn = 0
  endOfRib = 0
  /** Octets, messages and withdrawals may be looked at as they came. */
  readonly log: string[] = []
  readonly chunks: Uint8Array[] = []
  /** Called for each chunk; default: it is sent at once. */
  hold: ((done: () => void) => void) | undefined
  readonly #family: Family
  readonly #fourOctetAs: boolean
  readonly #kind: SessionKind
  readonly #pathIds: boolean
  readonly #decoder = new UpdateDecoder()

  constructor(family: Family, fourOctetAs: boolean, kind: SessionKind, pathIds = false) {
    this.#family = family
    this.#fourOctetAs = fourOctetAs
    this.#kind = kind
    this.#pathIds = pathIds
  }

  chunk(octets: Uint8Array, messages: number, done: () => void): void {
    this.chunks.push(octets)
    let count = 0
    for (let at = 0; at < octets.length; at += messageLength(octets, at)) {
      this.#read(octets, at, at + messageLength(octets, at))
      count++
    }
    if (count !== messages) throw new Error(`${messages} messages were promised, ${count} came`)
    this.messages += count
    if (this.hold) this.hold(done)
    else done()
  }

  #read(octets: Uint8Array, from: number, to: number): void {
    if (to - from > 4096) throw new Error(`message of ${to - from} octets`)
    const d = this.#decoder
    const pathIds = { [this.#family]: this.#pathIds }
    const context = { kind: this.#kind, fourOctetAs: this.#fourOctetAs, confederation: this.#kind !== 'ebgp', pathIds }
    const verdict = d.decode(octets, from + HEADER_LENGTH, to, context)
    if (verdict.do !== 'accept') throw new Error(`bad UPDATE: ${JSON.stringify(verdict)}`)
    if (d.endOfRib) {
      this.endOfRib++
      this.log.push('eor')
      return
    }
    const classic = this.#family === 'ipv4-unicast'
    const bits = classic ? 32 : 128
    const gone = classic
      ? nlriTexts(octets, d.withdrawnFrom, d.withdrawnTo, bits, this.#pathIds)
      : nlriTexts(octets, d.unreach.from, d.unreach.to, bits, this.#pathIds)
    const come = classic
      ? nlriTexts(octets, d.announcedFrom, d.announcedTo, bits, this.#pathIds)
      : nlriTexts(octets, d.reach.from, d.reach.to, bits, this.#pathIds)
    const nextHop = classic
      ? octets.slice(d.nextHopFrom, d.nextHopTo)
      : octets.slice(d.reach.nextHopFrom, d.reach.nextHopTo)
    const hop = nextHop.length > 0 ? formatAddress(addressOf(nextHop)) : ''
    for (const prefix of gone) {
      this.routes.delete(prefix)
      this.log.push(`-${prefix}`)
    }
    for (const text of come) {
      const [prefix, pathId] = text.split(' ').toReversed()
      const about = { prefix, peer: '', pathId: pathId === undefined ? undefined : Number(pathId) }
      this.routes.set(text, attributesView(d.attributes, 0, d.attributesTo, hop, about))
      this.log.push(`+${text}`)
    }
    this.withdrawn += gone.length
    this.announced += come.length
  }
}
