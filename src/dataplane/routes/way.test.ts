import t from 'tap'
import type { Rule } from '../../../netlink/types.ts'
import { type Way, wayTo } from './way.ts'

const lookup = (priority: number, table: number, more: Partial<Rule> = {}): Rule => ({
  family: 4,
  priority,
  action: 'lookup',
  table,
  ...more,
})
const usual = [lookup(0, 255), lookup(32_766, 254), lookup(32_767, 253)]
const longer = lookup(32_000, 254, { suppressPrefixLength: 0 })

for (const { name, rules, expect } of [
  { name: 'none leads there', rules: [], expect: { reached: 'never', mainAbove: -1 } },
  {
    name: 'main is asked for longer prefixes, and none leads there',
    rules: [longer],
    expect: { reached: 'never', mainAbove: -1, mainAt: 32_000 },
  },
  {
    name: 'as the docs say',
    rules: [longer, lookup(32_001, 81)],
    expect: { reached: 'always', mainAbove: 0, mainAt: 32_000, at: 32_001 },
  },
  {
    name: 'in any order of listing',
    rules: [lookup(32_001, 81), longer],
    expect: { reached: 'always', mainAbove: 0, mainAt: 32_000, at: 32_001 },
  },
  { name: 'before main', rules: [lookup(100, 81)], expect: { reached: 'always', at: 100 } },
  { name: 'behind all of main', rules: [lookup(40_000, 81)], expect: { reached: 'always', mainAbove: -1, at: 40_000 } },
  { name: 'for some packets', rules: [lookup(100, 81, { conditional: true })], expect: { reached: 'some', at: 100 } },
  {
    name: 'main for some packets is no matter',
    rules: [lookup(50, 254, { conditional: true }), lookup(100, 81)],
    expect: { reached: 'always', at: 100 },
  },
  {
    name: 'another table is no matter',
    rules: [lookup(50, 100), lookup(100, 81)],
    expect: { reached: 'always', at: 100 },
  },
  {
    name: 'behind a rule that ends the search',
    rules: [{ family: 4, priority: 50, action: 'prohibit' }, lookup(100, 81)],
    expect: { reached: 'never' },
  },
  {
    name: 'who knows, behind a jump',
    rules: [{ family: 4, priority: 50, action: 'goto' }],
    expect: { reached: 'some' },
  },
] satisfies { name: string; rules: Rule[]; expect: Way }[])
  t.test(name, async t => t.strictSame(wayTo(81, [...rules, ...usual]), expect))
