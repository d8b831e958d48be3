// How long the AS path of a route may be, and how many communities it may carry. What is beyond counts as rejected; it is
// kept in the Adj-RIB-In, so another limit takes effect without asking the peer.

import { SetMemo } from '../policy/memo.ts'
import type { AttributeSets } from '../tables/attribute-sets.ts'
import {
  asPath,
  AttributeWalker,
  communities,
  extendedCommunities,
  LARGE_COMMUNITY,
  largeCommunities,
} from '../wire/attributes.ts'
import type { PeerPolicies } from './port.ts'

type Limits = Pick<PeerPolicies, 'maxAsPathLength' | 'maxCommunities'>

export class RouteLimits {
  readonly #sets: AttributeSets
  readonly #limits: Limits
  readonly #memo: SetMemo
  readonly #walker = new AttributeWalker()

  private constructor(sets: AttributeSets, limits: Limits) {
    this.#sets = sets
    this.#limits = limits
    this.#memo = new SetMemo(sets)
  }

  /** Undefined if there are none. */
  static of(sets: AttributeSets, limits: Limits): RouteLimits | undefined {
    const { maxAsPathLength, maxCommunities } = limits
    return (maxAsPathLength ?? maxCommunities) === undefined ? undefined : new RouteLimits(sets, limits)
  }

  allows(set: number): boolean {
    const known = this.#memo.get(set)
    if (known >= 0) return known !== 0
    const isWithin = this.excess(set) === undefined
    this.#memo.put(set, isWithin ? set : 0)
    return isWithin
  }

  /** What is too much, in words; undefined if nothing is. */
  excess(set: number): string | undefined {
    const { maxAsPathLength = Infinity, maxCommunities = Infinity } = this.#limits
    const { octets } = this.#sets
    let [asns, marks] = [0, 0]
    const walker = this.#walker.reset(octets, this.#sets.from(set), this.#sets.to(set))
    while (walker.next()) {
      const { code, from, to } = walker
      if (code === asPath.code) for (let at = from; at < to; at += 2 + octets[at + 1] * 4) asns += octets[at + 1]
      else if (code === communities.code) marks += (to - from) / 4
      else if (code === extendedCommunities.code) marks += (to - from) / 8
      else if (code === largeCommunities.code) marks += (to - from) / LARGE_COMMUNITY
    }
    if (asns > maxAsPathLength) return `its AS path has ${asns} AS numbers, and maxAsPathLength is ${maxAsPathLength}`
    return marks > maxCommunities ? `it has ${marks} communities, and maxCommunities is ${maxCommunities}` : undefined
  }
}
