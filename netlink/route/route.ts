// Routes (linux/rtnetlink.h): struct rtmsg and its attributes.

import { formatAddress, keyOf, octetsOf4, type PrefixKey, prefixText4, wordOf4 } from '../../inet/index.ts'
import { InvalidRequest } from '../core/batch.ts'
import { littleEndian } from '../core/protocol.ts'
import { Attributes, type Message } from '../core/reader.ts'
import type { MessageWriter } from '../core/writer.ts'
import type { IpFamily, Route, RouteNextHop, RouteType, Scope } from '../types.ts'
import {
  addressOf,
  addressText,
  AF_INET,
  AF_INET6,
  AF_UNSPEC,
  afOf,
  linkIndex,
  prefixOf,
  scopeName,
  scopeNumber,
  whole,
} from './values.ts'

/** RTA_… */
const attribute = {
  dst: 1,
  src: 2,
  link: 4,
  gateway: 5,
  priority: 6,
  source: 7,
  metrics: 8,
  multipath: 9,
  flow: 11,
  cacheInfo: 12,
  table: 15,
  via: 18,
  preference: 20,
  encapsulation: 22,
  nextHopId: 30,
} as const

const RTAX_MTU = 2
const RTNH_F_DEAD = 1
const RTNH_F_ONLINK = 4
const RTNH_F_LINKDOWN = 16
const RTM_F_CLONED = 0x200
const MAIN = 254
/** In every namespace. IPv6 keeps routes that lead nowhere on it. */
const LOOPBACK = 1
const STATIC = 4

const bodyLength = 12

/** RTN_… */
const types: Readonly<Record<RouteType, number>> = {
  unicast: 1,
  local: 2,
  broadcast: 3,
  anycast: 4,
  multicast: 5,
  blackhole: 6,
  unreachable: 7,
  prohibit: 8,
  throw: 9,
}
const typeNames = new Map(Object.entries(types).map(([name, value]) => [value, name as RouteType]))

/** These send no packet anywhere; what the kernel says of a next hop (IPv6: dev lo) means nothing. */
const pathless: ReadonlySet<RouteType> = new Set<RouteType>(['blackhole', 'unreachable', 'prohibit', 'throw'])

/** RTM_NEWROUTE. */
export function writeRoute(writer: MessageWriter, route: Route, key = keyOf(route.dst)): void {
  const type = route.type ?? 'unicast'
  if (pathless.has(type) && route.nextHops.length > 0)
    throw new InvalidRequest(`route "${route.dst}": a ${type} route has no next hop`)
  write(writer, route, key, {
    type: typeNumber(route),
    protocol: route.protocol ?? STATIC,
    scope: route.scope ?? defaultScope(type, route.nextHops),
  })
}

/**
 * RTM_DELROUTE: what is given must match. The kernel takes protocol 0 and metric 0 for any, and deletes the route of least metric
 * that matches; for IPv6 it looks at destination, table, metric, protocol and next hops only, hence the loopback of a blackhole.
 */
export function writeRouteDelete(writer: MessageWriter, route: Route, key = keyOf(route.dst)): void {
  write(writer, route, key, {
    type: route.type === undefined ? 0 : typeNumber(route),
    protocol: route.protocol ?? 0,
    scope: route.scope ?? 'nowhere',
    pathless: route.type !== undefined && pathless.has(route.type),
  })
}

/** struct rtmsg: family, dst length, src length, tos, table, protocol, scope, type u8; flags u32. */
function write(
  writer: MessageWriter,
  route: Route,
  key: PrefixKey,
  head: { readonly type: number; readonly protocol: number; readonly scope: Scope; readonly pathless?: boolean },
): void {
  const of = route.dst
  const dst = key.length < 0 ? prefixOf(of, 'route') : undefined
  const family = dst?.family ?? 4
  const length = dst?.length ?? key.length
  const table = whole(route.table ?? MAIN, 1, 0xffffffff, 'table', of)
  const only = route.nextHops.length === 1 ? route.nextHops[0] : undefined
  const from = route.from === undefined ? undefined : prefixOf(route.from, 'from', of)
  if (from && (from.family !== 6 || family !== 6))
    throw new InvalidRequest(`route "${of}": from "${route.from}" is for IPv6 routes, and an IPv6 prefix`)
  const tos = whole(route.tos ?? 0, 0, 255, 'tos', of)
  const protocol = whole(head.protocol, 0, 255, 'protocol', of)
  writer.octets4(afOf(family), length, from?.length ?? 0, tos)
  writer.octets4(table < 256 ? table : 0, protocol, family === 4 ? scopeNumber(head.scope) : 0, head.type)
  writer.u32(only?.onlink ? RTNH_F_ONLINK : 0)

  if (dst && length > 0) writer.attribute(attribute.dst, dst.octets)
  else if (length > 0) writer.attributeU32be(attribute.dst, key.word)
  if (from && from.length > 0) writer.attribute(attribute.src, from.octets)
  if (table > 255) writer.attributeU32(attribute.table, table)
  if (route.metric !== undefined)
    writer.attributeU32(attribute.priority, whole(route.metric, 0, 0xffffffff, 'metric', of))
  if (route.source !== undefined) {
    writeSource(writer, family, route.source, of)
  }
  if (route.mtu !== undefined) {
    const metrics = writer.beginNest(attribute.metrics)
    writer.attributeU32(RTAX_MTU, whole(route.mtu, 0, 0xffffffff, 'MTU', of))
    writer.endNest(metrics)
  }
  if (only) {
    if (only.weight !== undefined) weight(only, of)
    writePath(writer, family, only, of)
    if (only.link !== undefined) writer.attributeU32(attribute.link, linkIndex(only.link))
  } else if (route.nextHops.length > 1) {
    const multipath = writer.beginNest(attribute.multipath, 0)
    for (const hop of route.nextHops) {
      const link = hop.link === undefined ? 0 : linkIndex(hop.link)
      const at = writer.beginNextHop(hop.onlink ? RTNH_F_ONLINK : 0, weight(hop, of) - 1, link)
      writePath(writer, family, hop, of)
      writer.endNextHop(at)
    }
    writer.endNest(multipath)
  } else if (head.pathless && family === 6) {
    writer.attributeU32(attribute.link, LOOPBACK)
  }
}

function writeSource(writer: MessageWriter, family: IpFamily, text: string, of: string): void {
  const word = family === 4 ? sourceWord(text) : -1
  if (word >= 0) return writer.attributeU32be(attribute.source, word)
  const source = addressOf(text, 'source', of)
  if (source.family !== family) throw new InvalidRequest(`route "${of}": source "${text}" is of another family`)
  writer.attribute(attribute.source, source.octets)
}

function weight(hop: RouteNextHop, of: string): number {
  return whole(hop.weight ?? 1, 1, 256, 'weight', of)
}

/** RTA_GATEWAY, or RTA_VIA (family u16, address) for an IPv6 gateway of an IPv4 route (RFC 5549). */
function writePath(writer: MessageWriter, family: IpFamily, hop: RouteNextHop, of: string): void {
  if (hop.gateway === undefined) {
    if (hop.link === undefined) throw new InvalidRequest(`route "${of}": a next hop has neither gateway nor link`)
    return
  }
  const word = family === 4 ? gatewayWord(hop.gateway) : -1
  if (word >= 0) return writer.attributeU32be(attribute.gateway, word)
  const gateway = addressOf(hop.gateway, 'gateway', of)
  if (gateway.family === family) {
    writer.attribute(attribute.gateway, gateway.octets)
  } else {
    if (family === 6) throw new InvalidRequest(`route "${of}": gateway "${hop.gateway}" is IPv4, the route IPv6`)
    const via = new Uint8Array(2 + gateway.octets.length)
    via[littleEndian ? 0 : 1] = AF_INET6
    via.set(gateway.octets, 2)
    writer.attribute(attribute.via, via)
  }
}

const gatewayWord = wordReader()
const sourceWord = wordReader()

/** Reads IPv4 addresses as numbers (-1: none): most routes have the gateway and the source of the one before. */
function wordReader(): (text: string) => number {
  let last = ''
  let word = -1
  return text => {
    if (text !== last) {
      word = wordOf4(text)
      last = text
    }
    return word
  }
}

function typeNumber(route: Route): number {
  const type = route.type ?? 'unicast'
  const value = types[type]
  if (value === undefined)
    throw new InvalidRequest(`route "${route.dst}": type "${type}" is none of ${Object.keys(types).join(', ')}`)
  return value
}

/** As `ip route` has it. */
function defaultScope(type: RouteType, hops: readonly RouteNextHop[]): Scope {
  if (type === 'local') return 'host'
  if (type === 'broadcast' || type === 'anycast' || type === 'multicast') return 'link'
  return type === 'unicast' && hops.every(hop => hop.gateway === undefined) ? 'link' : 'universe'
}

export interface RouteFilter {
  readonly family?: IpFamily
  readonly table?: number
  readonly protocol?: number
}

/** RTM_GETROUTE; the kernel filters (NETLINK_GET_STRICT_CHK), older ones leave it to `matches`. */
export function writeRouteQuery(writer: MessageWriter, family: IpFamily | undefined, filter: RouteFilter): void {
  const table = filter.table ?? MAIN
  writer.u8(family === undefined ? AF_UNSPEC : afOf(family))
  writer.u8(0)
  writer.u8(0)
  writer.u8(0)
  writer.u8(table < 256 ? table : 0)
  writer.u8(filter.protocol ?? 0)
  writer.u8(0)
  writer.u8(0)
  writer.u32(0)
  if (table !== 0) writer.attributeU32(attribute.table, table)
}

export function matches(route: Route, filter: RouteFilter): boolean {
  const table = filter.table ?? MAIN
  return (table === 0 || route.table === table) && (!filter.protocol || route.protocol === filter.protocol)
}

/** RTM_NEWROUTE or RTM_DELROUTE; undefined for families other than IP and for the kernel's cached clones. */
export function readRoute(message: Message): Route | undefined {
  const { view, from, to } = message
  if (to - from < bodyLength) return undefined
  const family = view.getUint8(from)
  const flags = view.getUint32(from + 8, littleEndian)
  if ((family !== AF_INET && family !== AF_INET6) || flags & RTM_F_CLONED) return undefined
  const type = typeNames.get(view.getUint8(from + 7))
  if (type === undefined) return undefined

  let dst: Uint8Array | undefined
  let src: Uint8Array | undefined
  let gateway: string | undefined
  /** Of IPv4: the same, or the prefix, not as text yet. */
  let gatewayAt = -1
  let dstAt = -1
  let link: number | undefined
  let table = view.getUint8(from + 4)
  let hops: readonly RouteNextHop[] | undefined
  let metric: number | undefined
  let source: string | undefined
  let metrics: ReturnType<typeof readMetrics> | undefined
  let nextHopId: number | undefined
  let further = false
  const a = new Attributes(message, from + bodyLength, to)
  while (a.next()) {
    switch (a.type) {
      case attribute.dst:
        dstAt = a.word()
        if (dstAt < 0) dst = a.octets()
        break
      case attribute.src:
        src = a.octets()
        break
      case attribute.gateway:
        gatewayAt = a.word()
        if (gatewayAt < 0) gateway = addressText(a.octets())
        break
      case attribute.via:
        gateway = addressText(a.octets().subarray(2))
        break
      case attribute.link:
        link = a.u32()
        break
      case attribute.table:
        table = a.u32()
        break
      case attribute.priority:
        metric = a.u32()
        break
      case attribute.source:
        source = sourceText(a)
        break
      case attribute.metrics:
        metrics = readMetrics(a.nested())
        break
      case attribute.flow:
      case attribute.encapsulation:
        further = true
        break
      case attribute.preference:
        further ||= a.octets()[0] !== 0 // medium
        break
      case attribute.cacheInfo:
        further ||= expires(a.octets())
        break
      case attribute.multipath: {
        const several: RouteNextHop[] = []
        further = readHops(a, several) || further
        hops = several
        break
      }
      case attribute.nextHopId:
        nextHopId = a.u32()
        break
      default:
    }
  }
  if (pathless.has(type)) hops = []
  else if (!hops && gatewayAt >= 0) hops = hopsBy(gatewayAt, flags, link)
  else if (!hops) hops = gateway === undefined && link === undefined ? [] : [nextHop(flags, gateway, link)]
  const tos = view.getUint8(from + 3)
  const length = view.getUint8(from + 1)
  const prefix =
    dstAt >= 0
      ? prefixText4(dstAt, length)
      : `${formatAddress(dst ?? new Uint8Array(family === AF_INET ? 4 : 16))}/${length}`
  const protocol = view.getUint8(from + 5)
  const scope = family === AF_INET ? scopeName(view.getUint8(from + 6)) : undefined
  // Of tables of hundreds of thousands nearly all have this and no more: one object made at once, where spreads make several.
  const route: Mutable<Route> =
    scope !== undefined && metric !== undefined
      ? { dst: prefix, type, table, protocol, metric, scope, nextHops: hops }
      : { dst: prefix, type, table, protocol, nextHops: hops }
  if (scope !== undefined) route.scope = scope
  if (metric !== undefined) route.metric = metric
  if (tos !== 0) route.tos = tos
  if (src && view.getUint8(from + 2) > 0) route.from = `${formatAddress(src)}/${view.getUint8(from + 2)}`
  if (source !== undefined) route.source = source
  if (metrics?.mtu !== undefined) route.mtu = metrics.mtu
  if (nextHopId !== undefined) route.nextHopId = nextHopId
  if (further || metrics?.further) route.further = true
  return route
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] }

/** Most routes prefer the source of the one before, too. */
let lastSource = { word: -1, text: '' }

function sourceText(a: Attributes): string {
  const word = a.word()
  if (word < 0) return addressText(a.octets())
  if (word !== lastSource.word) lastSource = { word, text: addressText(a.octets()) }
  return lastSource.text
}

/** Most routes lead by the gateway of the one before, and have its next hop, too: of a table of thousands there are few lists. */
let lastBy = { gateway: -1, flags: 0, link: 0 as number | undefined, hops: [] as readonly RouteNextHop[] }

function hopsBy(gateway: number, flags: number, link: number | undefined): readonly RouteNextHop[] {
  if (gateway !== lastBy.gateway || flags !== lastBy.flags || link !== lastBy.link)
    lastBy = { gateway, flags, link, hops: [nextHop(flags, formatAddress(octetsOf4(gateway)), link)] }
  return lastBy.hops
}

function nextHop(flags: number, gateway?: string, link?: number, weight = 1): RouteNextHop {
  return {
    ...(gateway !== undefined && { gateway }),
    ...(link && { link }),
    ...(flags & RTNH_F_ONLINK && { onlink: true }),
    ...(weight !== 1 && { weight }),
    ...(flags & RTNH_F_DEAD && { dead: true }),
    ...(flags & RTNH_F_LINKDOWN && { linkDown: true }),
  }
}

/** Fills `hops`; tells whether one of them has more than is told. */
function readHops(multipath: Attributes, hops: RouteNextHop[]): boolean {
  let further = false
  multipath.nextHops((flags, extra, link, a) => {
    let gateway: string | undefined
    while (a.next())
      switch (a.type) {
        case attribute.gateway:
          gateway = addressText(a.octets())
          break
        case attribute.via:
          gateway = addressText(a.octets().subarray(2))
          break
        case attribute.flow:
        case attribute.encapsulation:
          further = true
          break
        default:
      }
    hops.push(nextHop(flags, gateway, link, extra + 1))
  })
  return further
}

function readMetrics(metrics: Attributes): { readonly mtu: number | undefined; readonly further: boolean } {
  let mtu: number | undefined
  let further = false
  while (metrics.next())
    if (metrics.type === RTAX_MTU) mtu = metrics.u32()
    else further = true
  return { mtu, further }
}

/** rta_expires of struct rta_cacheinfo. */
function expires(cacheInfo: Uint8Array): boolean {
  return cacheInfo.subarray(8, 12).some(octet => octet !== 0)
}
