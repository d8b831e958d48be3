// Policy: data compiled to "prefix predicate × set transform", remembered per set for all rules in a row that look at it alone.

import type { AttributeSets } from '../tables/attribute-sets.ts'
import type { PrefixTable } from '../tables/prefix-table.ts'
import type { Policy, Rule } from '../types.ts'
import type { RouteSource } from './match.ts'
import { type RuleRun, runsOf } from './rule-run.ts'
import { CompiledRule } from './rule.ts'

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
  /** The same rules. */
  readonly runs: readonly RuleRun[]
}

export class CompiledPolicy {
  readonly #sets: AttributeSets
  readonly #policies: readonly Compiled[]

  /** `self`: the octets that next hop `self` stands for where the policy is used. */
  constructor(policies: Policies, sets: AttributeSets, prefixes: PrefixTable, self: Uint8Array) {
    this.#sets = sets
    this.#policies = listOf(policies).map(({ name, rules: written, otherwise }) => {
      const rules = written.map(rule => new CompiledRule(rule, sets, prefixes, self))
      return { name, otherwise, rules, runs: runsOf(sets, rules) }
    })
  }

  /** What the policies make of a route: a set with a reference, or 0 if they reject the route. */
  apply(prefix: number, set: number, from: RouteSource): number {
    const sets = this.#sets
    let current = sets.acquire(set)
    for (const { runs, otherwise } of this.#policies) {
      let verdict: Rule['then'] = otherwise
      for (const run of runs) {
        if (run.route && !run.route.matches(prefix, from)) continue
        const result = run.apply(current)
        sets.release(current)
        if (result === 0) return 0
        current = result
        if (run.verdict === 'next') continue
        verdict = run.verdict
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
