// What a policy must be before it comes into force.

import { bitsOf, parsePrefix } from '../../inet/index.ts'
import type { ConfigIssue, Match, Policy, Transform } from '../types.ts'
import { parseCommunity } from '../wire/attributes.ts'

const communityFix = 'write it like 65001:20, both numbers up to 65535'

type Add = (field: string, value: unknown, reason: string, fix: string) => void

export function checkPolicy(policy: Policy): ConfigIssue[] {
  const issues: ConfigIssue[] = []
  for (const rule of policy.rules) {
    const add: Add = (field, value, reason, fix) =>
      issues.push({ field: `${policy.name}.${rule.name}.${field}`, value, reason, fix })
    if (rule.when) checkMatch(rule.when, add)
    if (rule.set) checkTransform(rule.set, add)
  }
  return issues
}

function checkMatch(when: Match, add: Add): void {
  for (const range of when.prefixes ?? []) {
    const prefix = parsePrefix(range.prefix)
    if (!prefix) {
      add('when.prefixes', range.prefix, 'it is no prefix', 'write it like 10.42.0.0/16, with all host bits zero')
      continue
    }
    const { min = prefix.length, max = range.min === undefined ? prefix.length : bitsOf(prefix.family) } = range
    if (min < prefix.length || max > bitsOf(prefix.family) || min > max) {
      const reason = `no prefix inside ${range.prefix} has a length from ${min} to ${max}`
      add('when.prefixes', range, reason, `give lengths from ${prefix.length} to ${bitsOf(prefix.family)}`)
    }
  }
  for (const text of when.communities ?? []) community('when.communities', text, add)
}

function checkTransform(set: Transform, add: Add): void {
  for (const field of ['localPref', 'med'] as const) {
    const value = set[field]
    if (value !== undefined && value !== 'remove' && !isUint32(value)) {
      add(`set.${field}`, value, 'it does not fit into 4 octets', 'give a number from 0 to 4294967295')
    }
  }
  for (const text of [...(set.addCommunities ?? []), ...(set.removeCommunities ?? [])]) {
    community('set.communities', text, add)
  }
  const { prepend } = set
  if (prepend && !(isUint32(prepend.asn) && prepend.asn > 0)) {
    add('set.prepend.asn', prepend.asn, 'it is no AS number', 'give a number from 1 to 4294967295')
  }
  if (prepend && !(Number.isInteger(prepend.count) && prepend.count >= 0 && prepend.count <= 32)) {
    add('set.prepend.count', prepend.count, 'it is no sensible number of times', 'give 0 to 32')
  }
}

function community(field: string, text: string, add: Add): void {
  if (parseCommunity(text) === undefined) add(field, text, 'it is no community', communityFix)
}

function isUint32(value: number): boolean {
  return Number.isInteger(value) && value >= 0 && value <= 4294967295
}
