// What a path becomes on its way from the Adj-RIB-In to the decision process: limits, import policy, then what BGP itself
// demands.

import { CompiledPolicy, type Explanation } from '../policy/compile.ts'
import type { RouteSource } from '../policy/match.ts'
import { RememberedTransform } from '../policy/transform.ts'
import { type AttributeSets, HAS_LOCAL_PREF, LEAVES_SOON } from '../tables/attribute-sets.ts'
import type { PrefixTable } from '../tables/prefix-table.ts'
import type { PeerPolicies, PeerTraits } from './port.ts'
import { RouteLimits } from './route-limits.ts'

type Traits = Pick<PeerTraits, 'kind' | 'nextHopSelf' | ImportPart>
type ImportPart = 'import' | 'maxAsPathLength' | 'maxCommunities'

/** Whether these two make the same of every route. */
export function importsAlike(a: Pick<PeerPolicies, ImportPart>, b: Pick<PeerPolicies, ImportPart>): boolean {
  const part = (one: typeof a) => JSON.stringify([one.import, one.maxAsPathLength, one.maxCommunities])
  return part(a) === part(b)
}

export class ImportRules {
  readonly #sets: AttributeSets
  readonly #limits: RouteLimits | undefined
  readonly #policy: CompiledPolicy
  /** RFC 8326 §4.2: from an eBGP peer GRACEFUL_SHUTDOWN means LOCAL_PREF 0, unless policy takes the community off. */
  readonly #leaving: RememberedTransform | undefined
  /** RFC 9494 §4.2: a path that is kept for long is marked. */
  readonly #longStale: RememberedTransform

  constructor(sets: AttributeSets, prefixes: PrefixTable, traits: Traits) {
    this.#sets = sets
    this.#limits = RouteLimits.of(sets, traits)
    this.#policy = new CompiledPolicy(traits.import, sets, prefixes, traits.nextHopSelf)
    const { kind, nextHopSelf } = traits
    this.#longStale = new RememberedTransform(sets, { addCommunities: ['llgr-stale'] }, nextHopSelf)
    this.#leaving = kind === 'ebgp' ? new RememberedTransform(sets, { localPref: 0 }, nextHopSelf) : undefined
  }

  /** The set to decide with, with a reference; 0 if policy rejects the route. `longStale`: its peer went long ago. */
  apply(prefix: number, set: number, from: RouteSource, longStale: boolean): number {
    if (this.#limits && !this.#limits.allows(set)) return 0
    const sets = this.#sets
    const fresh = this.#policy.apply(prefix, set, from)
    if (!longStale || fresh === 0) return this.#demoted(fresh)
    const accepted = this.#demoted(fresh)
    const marked = this.#longStale.apply(accepted)
    sets.release(accepted)
    return marked
  }

  #demoted(accepted: number): number {
    const sets = this.#sets
    if (accepted === 0 || !this.#leaving || !(sets.flags[accepted] & LEAVES_SOON)) return accepted
    if (sets.flags[accepted] & HAS_LOCAL_PREF && sets.localPref[accepted] === 0) return accepted
    const result = this.#leaving.apply(accepted)
    sets.release(accepted)
    return result
  }

  explain(prefix: number, set: number, from: RouteSource): Explanation {
    const excess = this.#limits?.excess(set)
    if (excess !== undefined) return { accepted: false, text: `rejected: ${excess}` }
    return this.#policy.explain(prefix, set, from, 'import')
  }
}
