// A FIB entry as a kernel route, and back to people: translation, equality, and what marks a route as ours.

import type { Link, Route, RouteNextHop } from '../../../netlink/types.ts'
import { ourMetric, type FibEntry, type NextHop } from '../../model/fib.ts'

/** A route is ours if it carries all three (design §4, promise 1); the key in the kernel is (table, prefix, tos, metric). */
export interface Mark {
  readonly table: number
  readonly protocol: number
  readonly metric: number
}

/** RT_TABLE_MAIN: whatever table ours are in, the connected and foreign routes there are the facts. */
export const mainTable = 254

export const defaultMark: Mark = { table: mainTable, protocol: 81, metric: ourMetric }

export function isMarked(route: Route, mark: Mark): boolean {
  return hasKeyOf(route, mark) && route.protocol === mark.protocol
}

/** True if the route sits where ours would sit, whoever made it. */
export function hasKeyOf(route: Route, mark: Mark): boolean {
  return (route.table ?? 254) === mark.table && metricOf(route) === mark.metric && (route.tos ?? 0) === 0
}

/** RTA_PRIORITY as the kernel keeps it: IPv6 makes 1024 of none (net/ipv6_route.h, IP6_RT_PRIO_USER). */
export function metricOf(route: Route): number {
  return route.metric ?? (route.dst.includes(':') ? 1024 : 0)
}

/** Entries share their next hops, and so do the routes made of them: what they became last. */
const translated = new WeakMap<readonly NextHop[], readonly RouteNextHop[]>()

/** The kernel's form of an entry, or the name of the device that does not exist (yet). */
export function toRoute(
  entry: FibEntry,
  mark: Mark,
  linkNamed: (name: string) => Link | undefined,
): Route | { readonly missing: string } {
  const nextHops = toNextHops(entry.nextHops, linkNamed)
  if ('missing' in nextHops) return nextHops
  const { prefix: dst, kind: type, source, mtu } = entry
  const { table, protocol, metric } = mark
  const scope = scopeOf(type, nextHops)
  if (mtu !== undefined)
    return { dst, type, table, protocol, metric, scope, nextHops, ...(source !== undefined && { source }), mtu }
  if (source !== undefined) return { dst, type, table, protocol, metric, scope, nextHops, source }
  return { dst, type, table, protocol, metric, scope, nextHops }
}

function toNextHops(
  hops: readonly NextHop[],
  linkNamed: (name: string) => Link | undefined,
): readonly RouteNextHop[] | { readonly missing: string } {
  const known = translated.get(hops)
  if (known?.every(({ link }, i) => link === linkNamed(hops[i].device)?.index)) return known
  const nextHops: RouteNextHop[] = []
  for (const { device, gateway, onlink, weight } of hops) {
    const link = linkNamed(device)
    if (!link) return { missing: device }
    nextHops.push({
      link: link.index,
      ...(gateway !== undefined && { gateway }),
      ...(onlink && { onlink: true }),
      // One alone has all of the traffic, and the kernel keeps no weight of it.
      ...(hops.length > 1 && weight !== undefined && weight !== 1 && { weight }),
    })
  }
  translated.set(hops, nextHops)
  return nextHops
}

/**
 * Our route for a prefix, as a delete wants it. IPv4: its key, for RT_SCOPE_NOWHERE and no next hop match any (fib_table_delete).
 * IPv6: its next hops as well; a delete without them takes another's away that the kernel has joined to ours
 * (__ip6_del_rt_siblings).
 */
export function deletionOf(route: Route): Route {
  if (isJoinable(route)) return { ...route, source: undefined, mtu: undefined }
  return {
    dst: route.dst,
    type: route.type ?? 'unicast',
    table: route.table,
    protocol: route.protocol,
    metric: route.metric,
    scope: 'nowhere',
    nextHops: [],
  }
}

/** Equal in all that we set. An unreachable route's device, flags of dead links and the order of next hops are the kernel's affair. */
export function sameRoute(a: Route, b: Route): boolean {
  if (a === b) return true
  return (
    a.dst === b.dst &&
    (a.type ?? 'unicast') === (b.type ?? 'unicast') &&
    (a.table ?? 254) === (b.table ?? 254) &&
    (a.protocol ?? 4) === (b.protocol ?? 4) &&
    metricOf(a) === metricOf(b) &&
    (a.tos ?? 0) === (b.tos ?? 0) &&
    a.source === b.source &&
    a.mtu === b.mtu &&
    (a.further ?? false) === (b.further ?? false) &&
    a.nextHopId === b.nextHopId &&
    (a.dst.includes(':') || a.scope === undefined || b.scope === undefined || a.scope === b.scope) &&
    ((a.type ?? 'unicast') !== 'unicast' || sameNextHops(a.nextHops, b.nextHops))
  )
}

/** Whether packets go the same way by both. */
export function sameWay(a: Route, b: Route): boolean {
  return (a.type ?? 'unicast') === (b.type ?? 'unicast') && sameNextHops(a.nextHops, b.nextHops)
}

/** IPv6 makes one multipath route of all that share a key and go by gateways, whoever made them (rt6_qualify_for_ecmp). */
export function isJoinable({ dst, type, nextHops }: Route): boolean {
  return (
    dst.includes(':') &&
    (type ?? 'unicast') === 'unicast' &&
    nextHops.length > 0 &&
    nextHops.every(hop => hop.gateway !== undefined)
  )
}

/** What is left of a joined route when the next hops of `part` are taken out; undefined: `part` is not joined to others in it. */
export function restOf(whole: Route, part: Route): Route | undefined {
  if (!isJoinable(whole) || !isJoinable(part) || part.nextHops.length >= whole.nextHops.length) return undefined
  const rest = whole.nextHops.filter(hop => !part.nextHops.some(other => sameHop(hop, other)))
  return rest.length === whole.nextHops.length - part.nextHops.length ? { ...whole, nextHops: rest } : undefined
}

function sameHop(a: RouteNextHop, b: RouteNextHop): boolean {
  return a.link === b.link && a.gateway === b.gateway
}

/** `10.42.1.0/26 via 10.0.1.1 dev eth0`, as `ip route` would say it. */
export function describe(entry: FibEntry): string {
  if (entry.kind === 'unreachable') return `unreachable ${entry.prefix}`
  const hops = entry.nextHops.map(hop => `${hop.gateway === undefined ? '' : `via ${hop.gateway} `}dev ${hop.device}`)
  return `${entry.prefix} ${hops.join(', ')}`
}

function scopeOf(kind: FibEntry['kind'], nextHops: readonly RouteNextHop[]): 'link' | 'universe' {
  return kind === 'unicast' && nextHops.every(hop => hop.gateway === undefined) ? 'link' : 'universe'
}

function sameNextHops(a: readonly RouteNextHop[], b: readonly RouteNextHop[]): boolean {
  if (a === b) return true
  if (a.length !== b.length) return false
  if (a.every((hop, i) => sameNextHop(hop, b[i]))) return true
  // IPv4 takes one next hop twice: each has to be there as often.
  const often = (hops: readonly RouteNextHop[], hop: RouteNextHop) => hops.filter(each => sameNextHop(each, hop)).length
  return a.every(hop => often(a, hop) === often(b, hop))
}

function sameNextHop(a: RouteNextHop, b: RouteNextHop): boolean {
  return (
    a.link === b.link &&
    a.gateway === b.gateway &&
    (a.onlink ?? false) === (b.onlink ?? false) &&
    (a.weight ?? 1) === (b.weight ?? 1)
  )
}
