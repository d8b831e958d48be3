// A rule, compiled: what it asks of the prefix and its source, what it asks of the attribute set, and what it makes of that.

import type { AttributeSets } from '../tables/attribute-sets.ts'
import type { PrefixTable } from '../tables/prefix-table.ts'
import type { Rule, SetId } from '../types.ts'
import { RouteMatch } from './match.ts'
import { setMatch } from './set-match.ts'
import { SetTransform } from './transform.ts'

export class CompiledRule {
  readonly name: string
  readonly then: Rule['then']
  /** Undefined: every prefix from everyone. */
  readonly route: RouteMatch | undefined
  readonly #sets: AttributeSets
  readonly #match: ((set: number) => boolean) | undefined
  readonly #transform: SetTransform | undefined

  constructor(rule: Rule, sets: AttributeSets, prefixes: PrefixTable, self: Uint8Array) {
    const { when, set } = rule
    this.name = rule.name
    this.then = rule.then
    this.route = when && RouteMatch.of(prefixes, when)
    this.#sets = sets
    this.#match = when && setMatch(sets, when, self)
    this.#transform = set && rule.then !== 'reject' ? new SetTransform(sets, set, self) : undefined
  }

  /** Whether not every set is treated the same, and stays as it is. */
  get looksAtSets(): boolean {
    return (this.#match ?? this.#transform) !== undefined
  }

  /** The set after this rule, with a reference; 0 if the set does not match. */
  transformed(set: number): SetId | 0 {
    if (this.#match && !this.#match(set)) return 0
    return this.#transform ? this.#transform.apply(set) : this.#sets.acquire(set)
  }
}
