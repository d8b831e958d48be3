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

/** One policy, or several of which each may leave it to the next. */
export type Policies = Policy | readonly Policy[]

export function listOf(policies: Policies): readonly Policy[] {
  return 'rules' in policies ? [policies] : policies
}

interface Compiled {
  readonly name: string
  readonly otherwise: Policy['otherwise']
  readonly rules: readonly CompiledRule[]
}

export class CompiledPolicy {
  readonly #sets: AttributeSets
  readonly #policies: readonly Compiled[]

  /** `self`: the octets that next hop `self` stands for where the policy is used. */
  constructor(policies: Policies, sets: AttributeSets, prefixes: PrefixTable, self: Uint8Array) {
    this.#sets = sets
    this.#policies = listOf(policies).map(({ name, rules, otherwise }) => ({
      name,
      otherwise,
      rules: rules.map(rule => new CompiledRule(rule, sets, prefixes, self)),
    }))
  }

  /** What the policies make of a route: a set with a reference, or 0 if they reject the route. */
  apply(prefix: number, set: number, from: RouteSource): number {
    const sets = this.#sets
    let current = sets.acquire(set)
    for (const { rules, otherwise } of this.#policies) {
      let verdict: Rule['then'] = otherwise
      for (const rule of rules) {
        if (rule.route && !rule.route.matches(prefix, from)) continue
        const result = rule.transformed(current)
        if (result === 0) continue
        sets.release(current)
        current = result
        if (rule.then === 'next') continue
        verdict = rule.then
        break
      }
      if (verdict === 'accept') return current
      if (verdict === 'reject') break
    }
    sets.release(current)
    return 0
  }

  /** What the policies say of a route: which one, and which rules, said so. */
  explain(prefix: number, set: number, from: RouteSource, direction: 'import' | 'export'): Explanation {
    const sets = this.#sets
    let current = sets.acquire(set)
    const before: string[] = []
    let said = { accepted: false, text: 'rejected: no policy decides' }
    for (const { name, rules, otherwise } of this.#policies) {
      let [verdict, by]: [Rule['then'], string] = [otherwise, 'no rule decides']
      const passed: string[] = []
      for (const rule of rules) {
        if (rule.route && !rule.route.matches(prefix, from)) continue
        const result = rule.transformed(current)
        if (result === 0) continue
        sets.release(current)
        current = result
        if (rule.then !== 'accept' && rule.then !== 'reject') passed.push(`"${rule.name}"`)
        if (rule.then === 'next') continue
        verdict = rule.then
        by = `rule "${rule.name}"`
        break
      }
      if (verdict === 'nextPolicy') {
        before.push(`policy "${name}"${passed.length > 0 ? ` (${passed.join(', ')})` : ''}`)
        continue
      }
      const accepted = verdict === 'accept'
      const after = [...before, ...passed]
      const trail = after.length > 0 ? `, after ${after.join(', ')}` : ''
      said = { accepted, text: `${accepted ? 'accepted' : 'rejected'} by ${direction} policy "${name}": ${by}${trail}` }
      break
    }
    sets.release(current)
    return said
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
