// Where the kernel looks before it looks into a table: `ip rule`, judged for packets of every kind.
//
// Rules are the operator's. With a table of our own (`dataplane.routeTable`) they decide whether packets meet our routes at all, and
// which routes of main go before them.

import type { Rule } from '../../../netlink/types.ts'
import { mainTable } from './route.ts'

export interface Way {
  /** `some`: rules lead there for some packets only, which is what somebody wanted. */
  readonly reached: 'never' | 'some' | 'always'
  /** Main is asked before: its routes with longer prefixes than this go before ours; -1: all of them. Absent: it is not asked before. */
  readonly mainAbove?: number
  /** Priority of the rule by which main is asked for all but its default route. */
  readonly mainAt?: number
  /** Priority of the rule that leads to the table. */
  readonly at?: number
}

/** `rules`: of one family. */
export function wayTo(table: number, rules: readonly Rule[]): Way {
  let above: number | undefined
  let mainAt: number | undefined
  const end = (reached: Way['reached'], at?: number): Way => ({
    reached,
    ...(above !== undefined && { mainAbove: above }),
    ...(mainAt !== undefined && { mainAt }),
    ...(at !== undefined && { at }),
  })
  for (const rule of rules.toSorted((a, b) => a.priority - b.priority)) {
    const { action, priority, conditional, suppressPrefixLength: suppress } = rule
    if (action === 'lookup' && rule.table === table) return end(conditional ? 'some' : 'always', priority)
    if (conditional || action === 'nop') continue
    if (action === 'goto') return end('some')
    if (action !== 'lookup') break
    if (rule.table !== mainTable) continue
    above = Math.min(above ?? Infinity, suppress ?? -1)
    if (suppress === 0) mainAt ??= priority
  }
  return end('never')
}
