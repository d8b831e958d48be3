// What the daemon answers on its API: each path's view of what the rooms hold.

import { systemClock } from '../../bgp/index.ts'
import type { Family, PathView, PrefixId } from '../../bgp/types.ts'
import { type Address, formatPrefix, parseAddress, parsePrefix } from '../../inet/index.ts'
import type { BgpRoutes, DaemonStatus, RoutesQuery } from '../api/contract.ts'
import { type Handlers, RequestError } from '../api/server.ts'
import { version } from '../api/version.ts'
import type { Datastore } from '../datastore/contract.ts'
import type { Dataplane } from '../dataplane/index.ts'
import { endpointName } from '../model/endpoint.ts'
import type { Intent } from '../model/intent.ts'
import type { Bgp } from './bgp.ts'
import type { Cluster } from './cluster.ts'
import { datastoreStatus } from './datastore-status.ts'
import { downSessions } from './down-sessions.ts'
import type { Drain } from './drain.ts'
import { explain, prefixesAround } from './explain.ts'
import { ipamAnswers, type IpamRooms } from './ipam-answers.ts'
import type { Mtu } from './mtu.ts'
import { wireguardAnswers } from './wireguard-answers.ts'
import type { WireguardKeys } from './wireguard.ts'

export interface Rooms extends IpamRooms {
  readonly datastore: Pick<Datastore, 'tryWrite'>
  readonly datastoreType: DaemonStatus['datastore']['type']
  readonly bgp: Bgp
  readonly cluster: Cluster
  readonly dataplane: Dataplane
  readonly drain: Drain
  readonly mtu: Mtu
  readonly wireguard: WireguardKeys
  readonly intent: () => Intent
  readonly waits: () => readonly string[]
  readonly waitingFor: () => readonly string[]
  readonly problems: () => readonly string[]
  /** Those of the problems that are records which cannot be read. */
  readonly unreadable: () => readonly string[]
}

/** Rows of a page. */
const pageSize = 1_000
/** Of a table that another program holds, the status shows so many routes. */
const shownConflicts = 50

export function createHandlers(rooms: Rooms): Handlers {
  const { node, bgp, cluster, dataplane, ipam } = rooms
  return {
    '/v1/status': async (): Promise<DaemonStatus> => {
      const datastore = await datastoreStatus(rooms.datastoreType, cluster, rooms.datastore)
      const peers = bgp.peers()
      const waitingFor = rooms.waitingFor()
      const { trouble } = dataplane
      const unreadable = rooms.unreadable()
      return {
        node,
        version,
        pid: process.pid,
        uptime: process.uptime(),
        datastore,
        inSync: waitingFor.length === 0,
        waitingFor,
        asn: bgp.config?.asn,
        routerId: bgp.config?.routerId,
        peers: bgp.counts(),
        blocks: ipam.owned().map(block => block.cidr),
        endpoints: dataplane.endpoints.all.length,
        unchecked: dataplane.endpoints.all.filter(({ sourceCheck }) => sourceCheck === false).map(endpointName),
        partial: dataplane.endpoints.all.filter(({ isPartial }) => isPartial).map(endpointName),
        ...(rooms.drain.status && { drain: rooms.drain.status }),
        routes: {
          installed: dataplane.routes.counts.installed,
          conflicts: trouble.slice(0, shownConflicts).map(({ prefix, text }) => ({
            prefix,
            text: text ?? 'the kernel refused it',
          })),
        },
        waits: rooms.waits(),
        problems: [
          ...rooms.problems(),
          ...(trouble.length > shownConflicts
            ? [
                `${trouble.length} prefixes have no route of ours in force, of which ${shownConflicts} are listed; margayctl route get ADDRESS says why for each`,
              ]
            : []),
          ...downSessions(peers),
        ],
        ...(unreadable.length > 0 && { unreadable }),
      }
    },

    '/v1/bgp/summary': () => ({
      node,
      asn: bgp.config?.asn,
      routerId: bgp.config?.routerId,
      clusterId: bgp.config?.clusterId,
      peers: bgp
        .peers()
        .map(({ since, ...peer }) => ({ ...peer, seconds: Math.max(0, (systemClock.now() - since) / 1000) })),
    }),

    '/v1/bgp/routes': query => routes(bgp, query),

    ...ipamAnswers(rooms),

    '/v1/mtu': () => rooms.mtu.view(node),

    '/v1/guard/accept': () => {
      const guard = bgp.routing?.guard
      const accepted = [cluster.held, guard?.held].flatMap(text => text ?? [])
      if (accepted.length === 0) throw new RequestError(404, 'nothing is held back: margayctl status shows what is')
      cluster.acceptHeld()
      guard?.accept()
      return { accepted }
    },

    ...wireguardAnswers(rooms),

    '/v1/route': ({ ip }) => {
      const address = parseAddress(ip)
      if (!address) throw new RequestError(400, `${ip} is no IP address`)
      return explain(address, {
        endpoints: dataplane.endpoints.all,
        blocks: rooms.intent().unreachable,
        sealed: rooms.intent().sealed,
        facts: dataplane.facts.current,
        learned: learnedFor(bgp, address),
        obstacle: prefix => dataplane.obstacle(prefix),
        paths: prefix => pathsOf(bgp, prefix),
      })
    },
  }
}

function routes(bgp: Bgp, query: RoutesQuery): BgpRoutes {
  if (query.prefix !== undefined) {
    if (!parsePrefix(query.prefix))
      throw new RequestError(400, `${query.prefix} is no prefix: write it like 10.42.0.0/26, host bits zero`)
    const rows = pathsOf(bgp, query.prefix)
    if (rows.length === 0)
      throw new RequestError(404, `${query.prefix} is not in the RIB: margayctl bgp routes lists what is`)
    return { rows }
  }
  const family: Family = query.family === '6' ? 'ipv6-unicast' : 'ipv4-unicast'
  const rib = bgp.rib(family)
  if (!rib) throw new RequestError(404, 'this node has no speaker: margayctl status says why')
  const named = bgp.peers().find(({ name, address }) => name === query.peer || address === query.peer)
  const peer = query.peer === undefined ? null : named && bgp.peerId(named.name)
  if (peer === undefined) {
    const known = bgp.peers().map(({ name }) => name)
    throw new RequestError(404, `there is no peer ${query.peer}: the peers are ${known.join(', ') || 'none'}`)
  }
  const table = peer === null ? 'loc' : query.table === 'advertised' ? 'out' : 'in'
  const { rows, next } = rib.walk(table, peer, Number(query.after ?? 0) as PrefixId, pageSize)
  return { rows, ...(next !== 0 && { next: String(next) }) }
}

function pathsOf(bgp: Bgp, text: string): PathView[] {
  const prefix = parsePrefix(text)
  if (!prefix) return []
  const rib = bgp.rib(prefix.family === 4 ? 'ipv4-unicast' : 'ipv6-unicast')
  const id = rib?.lookup(formatPrefix(prefix))
  return rib && id ? rib.paths(id) : []
}

/** The resolver's verdicts on every learned prefix that holds the address, longest first. */
function learnedFor(bgp: Bgp, address: Address) {
  const { routing } = bgp
  if (!routing) return []
  return prefixesAround(address).flatMap(prefix => {
    const verdict = routing.resolver.explain(prefix)
    if (!verdict) return []
    return [{ ...verdict, held: routing.guard.holds(prefix), unwrapped: routing.resolver.unwrapped.has(prefix) }]
  })
}
