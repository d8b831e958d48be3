// What a route of our own must be. Routes come from programs, files and the control socket, so that types prove nothing here.

import { parseAddress, parsePrefix } from '../../inet/index.ts'
import { communityFix, parseAnyCommunity } from '../policy/communities.ts'
import type { ConfigIssue, Origination } from '../types.ts'
import { origins } from '../wire/attributes.ts'
import { badNextHop } from '../wire/next-hop.ts'

/** Large ones take 12 octets each, and attributes 61,440 in all (RFC 8654 leaves 65,535 for the whole message). */
const MOST_COMMUNITIES = 5000

export const addressFix = 'write it like 10.0.1.1 or fd00::1'
export const hopFix = 'give an address that a packet can be sent to, like 10.0.1.1 or fd00::1'

/** What is wrong with a route of our own; those are refused, the others are not. */
export function checkOrigination(route: Origination): ConfigIssue | undefined {
  const issue = wrongIn(route)
  if (!issue || !isObject(route)) return issue && { ...issue, field: 'originate' }
  return { ...issue, field: `originate ${route.prefix}${issue.field && ` ${issue.field}`}` }
}

/** The same; `field` is that of the route, empty for its prefix. */
export function wrongIn(route: Origination): ConfigIssue | undefined {
  if (!isObject(route)) {
    return { field: '', value: route, reason: 'it is no route', fix: 'write it like { "prefix": "10.42.0.0/26" }' }
  }
  const given: { readonly [F in keyof Origination]?: unknown } = route
  const prefix = typeof given.prefix === 'string' ? parsePrefix(given.prefix) : undefined
  if (!prefix) {
    const fix = 'write it like 10.42.0.0/26 or fd00:42::/64, with all host bits zero'
    return { field: '', value: given.prefix, reason: 'it is no prefix', fix }
  }
  return wrongHop(given.nextHop, prefix.family) ?? wrongNumber(given) ?? wrongCommunities(given.communities)
}

/** Why nothing can be sent to that address; undefined if something can, or if it is no address. */
export function uselessHop(text: string): string | undefined {
  const octets = parseAddress(text)?.octets
  return octets && badNextHop(octets, 0, octets.length)?.replace(/^.* is /, 'it is ')
}

function wrongHop(hop: unknown, family: 4 | 6): ConfigIssue | undefined {
  if (hop === undefined) return undefined
  if (typeof hop !== 'string' || parseAddress(hop)?.family !== family) {
    return { field: 'nextHop', value: hop, reason: `it is no IPv${family} address`, fix: addressFix }
  }
  const reason = uselessHop(hop)
  return reason === undefined ? undefined : { field: 'nextHop', value: hop, reason, fix: hopFix }
}

function wrongNumber(given: { readonly [F in keyof Origination]?: unknown }): ConfigIssue | undefined {
  for (const field of ['med', 'localPref'] as const) {
    const value = given[field]
    if (value === undefined || isUint32(value)) continue
    const fix = 'give a whole number from 0 to 4294967295, or leave it out'
    return { field, value, reason: 'it does not fit into 4 octets', fix }
  }
  const { origin } = given
  if (origin === undefined || (origins as readonly unknown[]).includes(origin)) return undefined
  return { field: 'origin', value: origin, reason: 'it is no origin', fix: 'use igp, egp or incomplete' }
}

function wrongCommunities(communities: unknown): ConfigIssue | undefined {
  const field = 'communities'
  if (communities === undefined) return undefined
  if (!Array.isArray(communities)) {
    return { field, value: communities, reason: 'it is no list', fix: 'write it like ["65001:20"]' }
  }
  const list: readonly unknown[] = communities
  if (list.length > MOST_COMMUNITIES) {
    const fix = `give ${MOST_COMMUNITIES} at most`
    return { field, value: `${list.length} communities`, reason: 'they do not fit into a message', fix }
  }
  const at = list.findIndex(text => typeof text !== 'string' || parseAnyCommunity(text) === undefined)
  return at < 0 ? undefined : { field, value: list[at], reason: 'it is no community', fix: communityFix }
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null
}

function isUint32(value: unknown): boolean {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= 4294967295
}
