// Which routes a group hears of, and with which attribute set: what BGP itself demands, then export policy.

import { parseAddress } from '../../inet/index.ts'
import { CompiledPolicy, type Explanation, listOf } from '../policy/compile.ts'
import { RememberedTransform } from '../policy/transform.ts'
import type { LocRib } from '../rib/loc-rib.ts'
import type { PeerTraits } from '../rib/port.ts'
import type { Session } from '../rib/sessions.ts'
import {
  IS_BLACKHOLE,
  IS_LONG_STALE,
  ONLY_TO_CUSTOMER,
  STAYS_HERE,
  STAYS_IN_AS,
  STAYS_IN_MEMBER,
} from '../tables/attribute-sets.ts'
import type { BgpRole, PathSelection, Transform } from '../types.ts'
import type { Shape } from './outgoing.ts'

const tooLong = 'its attributes do not fit into a message of 65,535 octets'
const tooLongFor4096 =
  'its attributes do not fit into a message of 4,096 octets, and the session has no extended messages (RFC 8654)'
const unreadable = 'it has an IPv6 next hop, which the peer takes only with extendedNextHop (RFC 8950)'

/** Sets longer than this may outgrow a message on the way out, and are measured. */
const LONG_SET = 1500

export class ExportRules {
  readonly #rib: LocRib
  readonly #shape: Shape
  readonly #traits: PeerTraits
  readonly #policy: CompiledPolicy
  /** What is done before policy, so that what it sets is meant: to our own routes, and to those of others. */
  readonly #beforeOwn: RememberedTransform | undefined
  readonly #beforeOthers: RememberedTransform | undefined
  /** RFC 8326: the session is about to end. */
  readonly #leaving: RememberedTransform | undefined
  /** RFC 9494 §4.6: what was kept for long goes to a peer that does not know that. */
  readonly #partial: RememberedTransform | undefined
  readonly #fits: (set: number, slot: number) => boolean

  constructor(rib: LocRib, shape: Shape, traits: PeerTraits, fits: (set: number, slot: number) => boolean) {
    this.#rib = rib
    this.#shape = shape
    this.#traits = traits
    this.#policy = new CompiledPolicy(traits.export, rib.sets, rib.prefixes, shape.self)
    const remembered = (transform: Transform) =>
      Object.keys(transform).length > 0 ? new RememberedTransform(rib.sets, transform, shape.self) : undefined
    this.#beforeOwn = remembered(before(shape, 'local'))
    this.#beforeOthers = remembered(before(shape, 'learned'))
    const leaving: Transform = shape.kind === 'ebgp' ? { addCommunities: ['graceful-shutdown'] } : { localPref: 0 }
    this.#leaving = remembered(traits.gracefulShutdown ? leaving : {})
    const isPartial = shape.kind !== 'ebgp' && traits.sendLongLived && !traits.longLived
    this.#partial = remembered(isPartial ? { localPref: 0, addCommunities: ['no-export'] } : {})
    this.#fits = fits
  }

  /** The set to announce for a prefix whose best path has `set`, with a reference; 0 = not for this group. */
  apply(prefix: number, set: number, from: Session): number {
    if (this.#refusal(set, from) !== undefined) return 0
    const { sets } = this.#rib
    const input = this.#prepared(set, from)
    let result = this.#policy.apply(prefix, input, from)
    sets.release(input)
    const last = this.#partial && this.#isLongStale(set, from) ? this.#partial : this.#leaving
    if (result !== 0 && last) {
      const accepted = result
      result = last.apply(accepted)
      sets.release(accepted)
    }
    const doubtful = sets.length(result) > LONG_SET || (this.#shape.classic && sets.nextHops.foreign > 0)
    if (result === 0 || !doubtful || this.#fits(result, from.slot)) return result
    sets.release(result)
    return 0
  }

  /** The same in words. */
  explain(prefix: number, set: number, from: Session): Explanation {
    const refusal = this.#refusal(set, from)
    if (refusal !== undefined) return { accepted: false, text: `not sent: ${refusal}` }
    const { sets } = this.#rib
    const input = this.#prepared(set, from)
    const said = this.#policy.explain(prefix, input, from, 'export')
    sets.release(input)
    if (!said.accepted) return said
    const sent = this.apply(prefix, set, from)
    if (sent === 0) return { accepted: false, text: `not sent: ${this.#whyUnsent(set)}` }
    sets.release(sent)
    return said
  }

  /** Why policy let pass what a message cannot say. */
  #whyUnsent(set: number): string {
    const { sets } = this.#rib
    if (this.#shape.classic && sets.nextHops.octets(sets.nextHop[set]).length > 4) return unreadable
    return this.#shape.extendedMessages ? tooLong : tooLongFor4096
  }

  /** What communities, roles, and RFC 4271 §9.2.1 / RFC 4456 §6 / RFC 5065 §4 forbid, before policy; the reason in words. */
  #refusal(set: number, from: Session): string | undefined {
    const flags = from.kind === 'local' ? 0 : this.#rib.sets.flags[set]
    const { kind } = this.#shape
    if (flags & STAYS_HERE) return 'it carries NO_ADVERTISE (RFC 1997)'
    // RFC 9494 §4.3
    if (flags & IS_LONG_STALE && !this.#traits.longLived && !this.#partial)
      return 'it carries LLGR_STALE, which the peer does not know'
    if (kind !== 'ibgp' && flags & STAYS_IN_MEMBER) return 'it carries NO_EXPORT_SUBCONFED (RFC 1997)'
    if (kind === 'confed-ebgp') return undefined
    if (kind === 'ebgp') {
      if (flags & STAYS_IN_AS) return 'it carries NO_EXPORT (RFC 1997)'
      if (flags & IS_BLACKHOLE && !this.#traits.sendBlackhole) return 'it carries BLACKHOLE (RFC 7999)'
      return flags & ONLY_TO_CUSTOMER ? leaks(this.#traits.role) : undefined
    }
    if (from.kind !== 'ibgp') return undefined
    if (this.#traits.reflectorClient && from.reflectorClient && !this.#traits.clientToClient) {
      return 'learned from a reflector client, and clients tell each other (clientToClient)'
    }
    if (this.#traits.reflectorClient || from.reflectorClient) return undefined
    return 'learned by iBGP from a peer that is no reflector client'
  }

  #isLongStale(set: number, from: Session): boolean {
    return from.kind !== 'local' && (this.#rib.sets.flags[set] & IS_LONG_STALE) !== 0
  }

  #prepared(set: number, from: Session): number {
    const transform = from.kind === 'local' ? this.#beforeOwn : this.#beforeOthers
    return transform ? transform.apply(set) : this.#rib.sets.acquire(set)
  }
}

/** RFC 9234 §5, egress 2: what came from a provider, a peer or a route server goes to customers only. */
function leaks(role: BgpRole | undefined): string | undefined {
  const peerIs = role && upstream[role]
  return peerIs && `it carries ONLY_TO_CUSTOMER, and the peer is ${peerIs} (RFC 9234)`
}

/** What the peer is, by our role, where it is no customer. */
const upstream: { readonly [R in BgpRole]?: string } = {
  customer: 'our provider',
  peer: 'a lateral peer',
  'rs-client': 'a route server',
}

/** RFC 9234 §5, egress 1: who gets routes with our AS in ONLY_TO_CUSTOMER, by our role. */
const marks: readonly (BgpRole | undefined)[] = ['provider', 'peer', 'rs-server']

/** RFC 4271 §5.1.3, §5.1.4 for what policy may set: MED of others does not leave the AS, and next hops are ours. */
function before({ keepsMed, keepsNextHop, kind, nextHop }: Shape, source: 'local' | 'learned'): Transform {
  const ours = nextHop === 'self' || (nextHop === 'auto' && kind === 'ebgp' && source === 'learned')
  return {
    ...(keepsMed && source === 'learned' && { med: 'remove' }),
    ...(keepsNextHop && ours && { nextHop: 'self' }),
  }
}

/** Octets that members of one group share, from one member's traits. */
export function shapeOf(traits: PeerTraits, clusterId: number, classic: boolean): Shape {
  const rules = listOf(traits.export).flatMap(policy => policy.rules)
  const rewritesPath = traits.kind === 'ebgp' && (traits.asOverride || traits.privateAs !== 'keep')
  return {
    kind: traits.kind,
    localAs: traits.localAs,
    asBehind: traits.asBehind,
    peerAs: rewritesPath ? traits.remoteAs : 0,
    asOverride: rewritesPath && traits.asOverride,
    privateAs: rewritesPath ? traits.privateAs : 'keep',
    onlyToCustomer: marks.includes(traits.role) ? traits.localAs : 0,
    clusterId,
    nextHop: traits.nextHop,
    self: traits.nextHopSelf.slice(),
    fourOctetAs: traits.fourOctetAs,
    keepsMed: traits.kind === 'ebgp' && rules.some(rule => rule.set?.med !== undefined),
    keepsNextHop: rules.some(({ set }) => set?.nextHop !== undefined && parseAddress(set.nextHop) !== undefined),
    classic,
    extendedMessages: traits.extendedMessages,
  }
}

/** Equal for peers that may share a group: everything that decides what they are told, and in which octets. */
export function groupKey(traits: PeerTraits, shape: Shape): string {
  const {
    reflectorClient,
    clientToClient,
    gracefulShutdown,
    sendBlackhole,
    longLived,
    sendLongLived,
    role = null,
  } = traits
  return JSON.stringify([
    { ...shape, self: [...shape.self] },
    reflectorClient,
    reflectorClient && clientToClient,
    gracefulShutdown,
    sendBlackhole,
    longLived,
    sendLongLived,
    role,
    traits.export,
    selectionOf(traits),
    // What goes to such a peer depends on what it sent itself, so it is alone in its group.
    traits.mostOut === undefined ? null : [traits.name, traits.mostOut],
  ])
}

/** Which paths go to the peer, if its session has path identifiers (RFC 7911); undefined: the best one. */
export function selectionOf({ pathIdsSent, paths }: PeerTraits): PathSelection | undefined {
  return pathIdsSent ? (paths ?? 'all') : undefined
}
