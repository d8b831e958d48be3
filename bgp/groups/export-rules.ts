// Which routes a group hears of, and with which attribute set: what BGP itself demands, then export policy.

import { CompiledPolicy } from '../policy/compile.ts'
import { SetMemo } from '../policy/memo.ts'
import { SetTransform } from '../policy/transform.ts'
import { HAS_MED, STAYS_HERE, STAYS_IN_AS } from '../tables/attribute-sets.ts'
import type { LocRib } from '../rib/loc-rib.ts'
import type { PeerTraits } from '../rib/port.ts'
import type { Session } from '../rib/sessions.ts'
import type { Policy } from '../types.ts'
import type { Shape } from './outgoing.ts'

/** Sets longer than this may outgrow a message on the way out, and are measured. */
const LONG_SET = 1500

export class ExportRules {
  readonly #rib: LocRib
  readonly #shape: Shape
  readonly #toClient: boolean
  readonly #policy: CompiledPolicy
  /** RFC 4271 §5.1.4: MED of others does not leave the AS, but one that policy sets does. */
  readonly #withoutMed: SetTransform
  readonly #memo: SetMemo
  readonly #fits: (set: number, slot: number) => boolean

  constructor(
    rib: LocRib,
    shape: Shape,
    toClient: boolean,
    policy: Policy,
    fits: (set: number, slot: number) => boolean,
  ) {
    this.#rib = rib
    this.#shape = shape
    this.#toClient = toClient
    this.#policy = new CompiledPolicy(policy, rib.sets, rib.prefixes, shape.self)
    this.#withoutMed = new SetTransform(rib.sets, { med: 'remove' }, shape.self)
    this.#memo = new SetMemo(rib.sets)
    this.#fits = fits
  }

  /** The set to announce for a prefix whose best path has `set`, with a reference; 0 = not for this group. */
  apply(prefix: number, set: number, from: Session): number {
    if (this.#refusal(set, from) !== undefined) return 0
    const { sets } = this.#rib
    const input = this.#shape.keepsMed ? this.#stripMed(set, from) : sets.acquire(set)
    const result = this.#policy.apply(prefix, input, from)
    sets.release(input)
    if (result === 0 || sets.length(result) <= LONG_SET || this.#fits(result, from.slot)) return result
    sets.release(result)
    return 0
  }

  /** RFC 1997 and RFC 4271 §9.2.1 / RFC 4456 §6, before policy; the reason in words. */
  #refusal(set: number, from: Session): string | undefined {
    const flags = this.#rib.sets.flags[set]
    if (flags & STAYS_HERE) return 'community NO_ADVERTISE'
    if (this.#shape.kind === 'ebgp') return flags & STAYS_IN_AS ? 'community NO_EXPORT' : undefined
    if (from.kind !== 'ibgp' || this.#toClient || from.reflectorClient) return undefined
    return 'learned by iBGP from a peer that is no reflector client'
  }

  #stripMed(set: number, from: Session): number {
    const { sets } = this.#rib
    if (from.kind === 'local' || !(sets.flags[set] & HAS_MED)) return sets.acquire(set)
    const known = this.#memo.get(set)
    if (known > 0) return sets.acquire(known)
    const result = this.#withoutMed.apply(set)
    this.#memo.put(set, result)
    return result
  }
}

/** Octets and policy that members of one group share, from one member's traits. */
export function shapeOf(traits: PeerTraits, policy: Policy, clusterId: number, classic: boolean): Shape {
  return {
    kind: traits.kind,
    localAs: traits.localAs,
    clusterId,
    nextHop: traits.nextHop,
    self: traits.nextHopSelf.slice(),
    fourOctetAs: traits.fourOctetAs,
    keepsMed: traits.kind === 'ebgp' && policy.rules.some(rule => rule.set?.med !== undefined),
    classic,
  }
}

/** Equal for peers that may share a group: everything that decides what they are told, and in which octets. */
export function groupKey(traits: PeerTraits, policy: Policy): string {
  const { kind, localAs, nextHop, nextHopSelf, fourOctetAs, reflectorClient } = traits
  return JSON.stringify([kind, localAs, nextHop, [...nextHopSelf], fourOctetAs, reflectorClient, policy])
}
