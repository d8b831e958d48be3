// What a policy must be before it comes into force.

import { bitsOf, parseAddress, parsePrefix } from '../../inet/index.ts'
import { AsPathPattern } from '../policy/as-path-pattern.ts'
import { communityFix, parseAnyCommunity, parseCommunityPattern } from '../policy/communities.ts'
import { listOf, type Policies } from '../policy/compile.ts'
import { parseHop } from '../policy/set-match.ts'
import type { ConfigIssue, Match, NumberRange, Policy, PrefixRange, Rule, Transform } from '../types.ts'
import { origins } from '../wire/attributes.ts'
import { hopFix, uselessHop } from './check-origination.ts'

type Add = (field: string, value: unknown, reason: string, fix: string) => void

/** One policy, or several that are asked one after the other. */
export function checkPolicy(policies: Policies): ConfigIssue[] {
  const list = listOf(policies)
  if (list.length > 0) return list.flatMap((policy, i) => checkOne(policy, i === list.length - 1))
  const fix = 'name a policy, or leave it out'
  return [{ field: 'policies', value: [], reason: 'an empty list decides nothing', fix }]
}

/** A policy where it is written: issues name that place, and rules by number. */
export function checkPolicyAt(policy: Policy, at: string, isLast: boolean): ConfigIssue[] {
  return checkOne(policy, isLast, at, (_, i) => `rules[${i}]`)
}

function checkOne(
  policy: Policy,
  isLast: boolean,
  at = policy.name,
  ruleAt: (rule: Rule, i: number) => string = ({ name }) => name,
): ConfigIssue[] {
  const issues: ConfigIssue[] = []
  const complainOfLast = (field: string) => {
    const [reason, fix] = ['there is no policy behind this one', 'decide here, or add another policy to the list']
    issues.push({ field: `${at}.${field}`, value: 'nextPolicy', reason, fix })
  }
  for (const [i, rule] of policy.rules.entries()) {
    const add: Add = (field, value, reason, fix) =>
      issues.push({ field: `${at}.${ruleAt(rule, i)}.${field}`, value, reason, fix })
    if (!['accept', 'reject', 'next', 'nextPolicy'].includes(rule.then)) {
      const fix = 'use accept, reject, next to go on with the next rule, or nextPolicy'
      add('then', rule.then, 'it is no decision', fix)
    } else if (isLast && rule.then === 'nextPolicy') complainOfLast(`${ruleAt(rule, i)}.then`)
    if (rule.when) checkMatch(rule.when, add)
    if (rule.set) checkTransform(rule.set, add)
  }
  if (isLast && policy.otherwise === 'nextPolicy') complainOfLast('otherwise')
  if (!['accept', 'reject', 'nextPolicy'].includes(policy.otherwise)) {
    const [value, fix] = [policy.otherwise as unknown, 'use accept, reject or nextPolicy']
    issues.push({ field: `${at}.otherwise`, value, reason: 'it is no decision', fix })
  }
  return issues
}

function checkMatch(when: Match, add: Add): void {
  for (const range of when.prefixes ?? []) checkPrefixRange(range, add)
  if (when.family !== undefined && when.family !== 'ipv4-unicast' && when.family !== 'ipv6-unicast') {
    add('when.family', when.family, 'it is no address family that is known', 'use ipv4-unicast or ipv6-unicast')
  }
  for (const text of when.communities ?? []) {
    if (!parseCommunityPattern(text)) add('when.communities', text, 'it is no community', communityFix)
  }
  const pattern = when.asPath === undefined ? undefined : AsPathPattern.parse(when.asPath)
  if (pattern && 'error' in pattern) {
    const fix = 'write it like "65001 .*", ".* 65001", "(64512..65534 | 65001)+", or "" for an empty path'
    add('when.asPath', when.asPath, pattern.error, fix)
  }
  for (const asn of when.asPathContains ?? []) {
    if (!isUint32(asn)) add('when.asPathContains', asn, 'it is no AS number', 'give a number from 1 to 4294967295')
  }
  for (const text of when.nextHops ?? []) {
    if (!parseHop(text))
      add('when.nextHops', text, 'it is no address and no prefix', 'write it like 10.0.0.1 or 10.0.0.0/24')
  }
  for (const text of when.origin ?? []) checkOrigin('when.origin', text, add)
  for (const field of ['localPref', 'med'] as const) checkRange(`when.${field}`, when[field], add)
  for (const source of when.source ?? []) {
    if (['local', 'ibgp', 'ebgp', 'confed-ebgp'].includes(source)) continue
    add('when.source', source, 'no route comes from there', 'use local, ibgp, ebgp or confed-ebgp')
  }
}

function checkPrefixRange(range: PrefixRange, add: Add): void {
  const prefix = parsePrefix(range.prefix)
  if (!prefix) {
    add('when.prefixes', range.prefix, 'it is no prefix', 'write it like 10.42.0.0/16, with all host bits zero')
    return
  }
  const longest = bitsOf(prefix.family)
  const { min = prefix.length, max = range.min === undefined ? prefix.length : longest } = range
  if (Number.isInteger(min) && Number.isInteger(max) && min >= prefix.length && max <= longest && min <= max) return
  const reason = `no prefix inside ${range.prefix} has a length from ${min} to ${max}`
  add('when.prefixes', range, reason, `give lengths from ${prefix.length} to ${longest}`)
}

function checkRange(field: string, range: NumberRange | undefined, add: Add): void {
  if (!range) return
  const { min = 0, max = 4294967295 } = range
  if (isUint32(min) && isUint32(max) && min <= max) return
  add(field, range, `no value is from ${min} to ${max}`, 'give min and max from 0 to 4294967295, min first')
}

function checkTransform(set: Transform, add: Add): void {
  for (const field of ['localPref', 'med'] as const) {
    const value = set[field]
    if (value === undefined || (field === 'med' && value === 'remove')) continue
    if (typeof value !== 'number' || !isUint32(value)) {
      add(`set.${field}`, value, 'it does not fit into 4 octets', 'give a number from 0 to 4294967295')
    }
  }
  if (set.origin !== undefined) checkOrigin('set.origin', set.origin, add)
  for (const field of ['setCommunities', 'addCommunities'] as const) {
    for (const text of set[field] ?? []) {
      if (!parseAnyCommunity(text)) add(`set.${field}`, text, 'it is no single community', communityFix)
    }
  }
  for (const text of set.removeCommunities ?? []) {
    if (!parseCommunityPattern(text)) add('set.removeCommunities', text, 'it is no community', communityFix)
  }
  const { prepend, nextHop } = set
  if (prepend && !(isUint32(prepend.asn) && prepend.asn > 0)) {
    add('set.prepend.asn', prepend.asn, 'it is no AS number', 'give a number from 1 to 4294967295')
  }
  if (prepend && !(Number.isInteger(prepend.count) && prepend.count >= 0 && prepend.count <= 32)) {
    add('set.prepend.count', prepend.count, 'it is no sensible number of times', 'give 0 to 32')
  }
  if (nextHop === undefined || nextHop === 'self') return
  if (!parseAddress(nextHop)) {
    add('set.nextHop', nextHop, 'it is no address', 'write self for our own, or an address like 10.0.0.1 or fd00::1')
  } else {
    const reason = uselessHop(nextHop)
    if (reason !== undefined) add('set.nextHop', nextHop, reason, `write self for our own, or ${hopFix}`)
  }
}

function checkOrigin(field: string, text: string, add: Add): void {
  if (!(origins as readonly string[]).includes(text)) add(field, text, 'it is no origin', 'use igp, egp or incomplete')
}

function isUint32(value: number): boolean {
  return Number.isInteger(value) && value >= 0 && value <= 4294967295
}
