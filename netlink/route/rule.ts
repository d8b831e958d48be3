// Routing policy rules (linux/fib_rules.h): struct fib_rule_hdr and its attributes. They are read and watched, never written.

import { littleEndian } from '../core/protocol.ts'
import { Attributes, type Message } from '../core/reader.ts'
import type { MessageWriter } from '../core/writer.ts'
import type { IpFamily, Rule } from '../types.ts'
import { AF_INET, AF_INET6, afOf } from './values.ts'

/** FRA_…: what says where a rule leads, and what is no condition. */
const attribute = {
  goto: 4,
  priority: 6,
  flow: 11,
  suppressGroup: 13,
  suppressLength: 14,
  table: 15,
  pad: 18,
  protocol: 21,
} as const
const noConditions = new Set<number>(Object.values(attribute))
const L3MDEV = 19
/** FIB_RULE_INVERT */
const INVERT = 2
/** Of FRA_SUPPRESS_PREFIXLEN and FRA_SUPPRESS_IFGROUP: nothing is suppressed. */
const none = 0xffffffff

/** FR_ACT_… */
const actions = new Map<number, Rule['action']>([
  [1, 'lookup'],
  [2, 'goto'],
  [3, 'nop'],
  [6, 'blackhole'],
  [7, 'unreachable'],
  [8, 'prohibit'],
])

const bodyLength = 12

/** RTM_GETRULE. struct fib_rule_hdr: family, dst length, src length, tos, table, two reserved, action u8; flags u32. */
export function writeRuleQuery(writer: MessageWriter, family: IpFamily): void {
  writer.u8(afOf(family))
  for (let i = 1; i < 8; i++) writer.u8(0)
  writer.u32(0)
}

/** RTM_NEWRULE, RTM_DELRULE; undefined for families other than IP. */
export function readRule(message: Message): Rule | undefined {
  const { view, from, to } = message
  if (to - from < bodyLength) return undefined
  const family = view.getUint8(from)
  if (family !== AF_INET && family !== AF_INET6) return undefined
  const action = actions.get(view.getUint8(from + 7)) ?? 'other'
  let table = view.getUint8(from + 4)
  let priority = 0
  let suppress = none
  // Lengths of destination and source, tos, and what turns all of it round.
  let conditional = [1, 2, 3].some(at => view.getUint8(from + at) !== 0)
  conditional ||= (view.getUint32(from + 8, littleEndian) & INVERT) !== 0
  const a = new Attributes(message, from + bodyLength, to)
  while (a.next()) {
    if (a.type === attribute.priority) priority = a.u32()
    else if (a.type === attribute.table) table = a.u32()
    else if (a.type === attribute.suppressLength) suppress = a.u32()
    else if (a.type === attribute.suppressGroup) conditional ||= a.u32() !== none
    else if (a.type === L3MDEV) conditional ||= a.octets()[0] !== 0
    else if (!noConditions.has(a.type)) conditional = true
  }
  return {
    family: family === AF_INET ? 4 : 6,
    priority,
    action,
    ...(action === 'lookup' && { table }),
    ...(suppress !== none && { suppressPrefixLength: suppress }),
    ...(conditional && { conditional }),
  }
}
