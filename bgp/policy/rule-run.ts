// Rules one after the other that ask the attribute set only, as one: what they make of a set is worked out once, however many they
// are, and remembered.

import type { AttributeSets } from '../tables/attribute-sets.ts'
import { column, resized } from '../tables/columns.ts'
import type { Rule, SetId } from '../types.ts'
import type { RouteMatch } from './match.ts'
import { roomFor, SetMemo } from './memo.ts'
import type { CompiledRule } from './rule.ts'

/** As the column of verdicts has them. `reject` needs no number: there is no set then. */
const verdicts = ['next', 'accept', 'nextPolicy'] as const

export class RuleRun {
  /** What has to be asked of the prefix and its source beforehand. */
  readonly route: RouteMatch | undefined
  /** What was decided of the set applied last; `next`: nothing. */
  verdict: Rule['then'] = 'next'
  readonly #sets: AttributeSets
  readonly #rules: readonly CompiledRule[]
  /** Undefined where no rule looks at the set. */
  readonly #memo: SetMemo | undefined
  #verdicts = column(Uint8Array, 0, 0)

  /** Only the first of them, and then alone, may ask for more than the set. */
  constructor(sets: AttributeSets, rules: readonly CompiledRule[]) {
    this.route = rules[0].route
    this.#sets = sets
    this.#rules = rules
    this.#memo = rules.some(rule => rule.looksAtSets) ? new SetMemo(sets) : undefined
  }

  /** The set that the rules make of this one, with a reference; 0 if they reject it. `verdict` says what else they say. */
  apply(set: number): SetId | 0 {
    const memo = this.#memo
    if (!memo) return this.#work(set)
    const known = memo.get(set)
    if (known < 0) {
      const result = this.#work(set)
      memo.put(set, result)
      if (set >= this.#verdicts.length) this.#verdicts = resized(this.#verdicts, roomFor(this.#sets, set))
      this.#verdicts[set] = result === 0 ? 0 : verdicts.indexOf(this.verdict as (typeof verdicts)[number])
      return result
    }
    this.verdict = known === 0 ? 'reject' : verdicts[this.#verdicts[set]]
    return known === 0 ? 0 : this.#sets.acquire(known)
  }

  #work(set: number): SetId | 0 {
    const sets = this.#sets
    let current = sets.acquire(set)
    this.verdict = 'next'
    for (const rule of this.#rules) {
      const result = rule.transformed(current)
      if (result === 0) continue
      sets.release(current)
      current = result
      this.verdict = rule.then
      if (rule.then !== 'next') break
    }
    if (this.verdict !== 'reject') return current
    sets.release(current)
    return 0
  }
}

/** The rules as runs. */
export function runsOf(sets: AttributeSets, rules: readonly CompiledRule[]): readonly RuleRun[] {
  const runs: CompiledRule[][] = []
  for (const rule of rules) {
    const last = runs.at(-1)
    if (last && !rule.route && !last[0].route) last.push(rule)
    else runs.push([rule])
  }
  return runs.map(run => new RuleRun(sets, run))
}
