// Policy: data compiled to "prefix predicate × set transform", a rule at a time, remembered per (rule, set).

import type { AttributeSets } from '../tables/attribute-sets.ts'
import type { PrefixTable } from '../tables/prefix-table.ts'
import type { Policy, Rule, SetId } from '../types.ts'
import { RouteMatch, type RouteSource } from './match.ts'
import { SetMemo } from './memo.ts'
import { setMatch } from './set-match.ts'
import { SetTransform } from './transform.ts'

/** A verdict in words, ready to print. */
export interface Explanation {
  readonly accepted: boolean
  readonly text: string
}

export class CompiledPolicy {
  readonly policy: Policy
  readonly #sets: AttributeSets
  readonly #rules: readonly CompiledRule[]

  /** `self`: the octets that next hop `self` stands for where the policy is used. */
  constructor(policy: Policy, sets: AttributeSets, prefixes: PrefixTable, self: Uint8Array) {
    this.policy = policy
    this.#sets = sets
    this.#rules = policy.rules.map(rule => new CompiledRule(rule, sets, prefixes, self))
  }

  /** What the policy makes of a route: a set with a reference, or 0 if it rejects the route. */
  apply(prefix: number, set: number, from: RouteSource): number {
    const sets = this.#sets
    let current = sets.acquire(set)
    for (const rule of this.#rules) {
      if (rule.route && !rule.route.matches(prefix, from)) continue
      const result = rule.transformed(current)
      if (result === 0) continue
      sets.release(current)
      current = result
      if (rule.then !== 'next') return this.#verdict(rule.then, current)
    }
    return this.#verdict(this.policy.otherwise, current)
  }

  /** What the policy says of a route, and which rules said so. */
  explain(prefix: number, set: number, from: RouteSource, direction: 'import' | 'export'): Explanation {
    const sets = this.#sets
    let current = sets.acquire(set)
    let [verdict, by] = [this.policy.otherwise as Rule['then'], 'no rule decides']
    const before: string[] = []
    for (const rule of this.#rules) {
      if (rule.route && !rule.route.matches(prefix, from)) continue
      const result = rule.transformed(current)
      if (result === 0) continue
      sets.release(current)
      current = result
      if (rule.then === 'next') {
        before.push(`"${rule.name}"`)
        continue
      }
      verdict = rule.then
      by = `rule "${rule.name}"`
      break
    }
    sets.release(current)
    const passed = before.length > 0 ? `, after ${before.join(', ')}` : ''
    const done = verdict === 'reject' ? 'rejected' : 'accepted'
    const text = `${done} by ${direction} policy "${this.policy.name}": ${by}${passed}`
    return { accepted: verdict === 'accept', text }
  }

  #verdict(verdict: 'accept' | 'reject', set: SetId): number {
    if (verdict === 'accept') return set
    this.#sets.release(set)
    return 0
  }
}

class CompiledRule {
  readonly name: string
  readonly then: Rule['then']
  /** Undefined: every prefix from everyone. */
  readonly route: RouteMatch | undefined
  readonly #sets: AttributeSets
  readonly #match: ((set: number) => boolean) | undefined
  readonly #transform: SetTransform | undefined
  readonly #memo: SetMemo | undefined

  constructor(rule: Rule, sets: AttributeSets, prefixes: PrefixTable, self: Uint8Array) {
    const { when, set } = rule
    this.name = rule.name
    this.then = rule.then
    this.route = when && RouteMatch.of(prefixes, when)
    this.#sets = sets
    this.#match = when && setMatch(sets, when, self)
    this.#transform = set && rule.then !== 'reject' ? new SetTransform(sets, set, self) : undefined
    this.#memo = this.#match || this.#transform ? new SetMemo(sets) : undefined
  }

  /** The set after this rule, with a reference; 0 if the set does not match. */
  transformed(set: number): SetId | 0 {
    const sets = this.#sets
    if (!this.#memo) return sets.acquire(set)
    const known = this.#memo.get(set)
    if (known >= 0) return known === 0 ? 0 : sets.acquire(known)
    const result =
      this.#match && !this.#match(set) ? 0 : this.#transform ? this.#transform.apply(set) : sets.acquire(set)
    this.#memo.put(set, result)
    return result
  }
}
