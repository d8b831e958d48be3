// MTU: what the network between the nodes carries, and what is left of it for the pods of each pool.
//
// The parent is the link that carries the node's own address of the pool's family, or less where the daemon's file says that the
// network carries less; of an address on the loopback all links to the fabric are parents, and the least
// counts. A pool that is wrapped has the parent's MTU less what its tunnel takes; one that is not has all of it.
// Packets from a pool with more room into one with less are answered at the node with "too big" (ICMP), as on any path.

import { contains, formatAddress, parseAddress, parseInterfaceAddress, parsePrefix } from '../../inet/index.ts'
import type { Endpoint } from '../model/endpoint.ts'
import type { Facts } from '../model/facts.ts'
import type { Intent } from '../model/intent.ts'
import type { Tunnel } from '../model/tunnel.ts'
import { fabricLinks, narrowest } from './fabric.ts'
import { devicesOf, loopback } from './links.ts'

/** Of a node whose address is on no link yet: Ethernet's. */
const usualMtu = 1500
/** IPV6_MIN_MTU */
const leastSix = 1280
/** So many pods are named in one sentence. */
const named = 5

export interface Parent {
  readonly family: 4 | 6
  /** Absent: the node has no such address, or it is on no link. */
  readonly link?: string
  /** Octets of a packet between nodes. */
  readonly mtu: number
}

export interface PoolMtu {
  readonly pool: string
  /** Tunnel that its packets may take. */
  readonly device?: string
  /** Octets of a pod's packet. */
  readonly mtu: number
}

export interface MtuPlan {
  readonly parents: { readonly 4: Parent; readonly 6: Parent }
  /** By CIDR, as the plan has them. */
  readonly pools: readonly PoolMtu[]
  readonly problems: readonly string[]
}

/** What a tunnel leaves of its parent's MTU. */
export type Within = (parent: number, tunnel?: Tunnel) => number

type Planned = Pick<Intent, 'tunnels' | 'speaker'> & {
  readonly routes: Pick<Intent['routes'], 'pools' | 'tunnels' | 'source4' | 'source6'>
}

/** `limit`: what the network carries by the daemon's file, in octets. */
export function planMtu(intent: Planned, facts: Facts, within: Within, limit?: number): MtuPlan {
  const { source4, source6, pools = [], tunnels: rules = [] } = intent.routes
  const parentOf = (family: 4 | 6, own: string | undefined): Parent => {
    const name = facts.addresses.find(({ cidr }) => own !== undefined && hostOf(cidr) === own)?.link
    const link =
      name === loopback
        ? narrowest(facts, intent.speaker?.peers.values() ?? [])
        : facts.links.find(each => each.name === name)
    return { family, ...(link && { link: link.name }), mtu: Math.min(link?.mtu ?? usualMtu, limit ?? Infinity) }
  }
  const parents = { 4: parentOf(4, source4), 6: parentOf(6, source6) }
  const rooms = pools.map(pool => {
    const { mtu } = parents[pool.includes(':') ? 6 : 4]
    const device = rules.find(rule => rule.pool === pool)?.device
    const tunnel = intent.tunnels.find(each => each.device === device)
    return { pool, ...(tunnel && { device: tunnel.device }), mtu: within(mtu, tunnel) }
  })
  return {
    parents,
    pools: rooms,
    problems: [
      ...new Set(([4, 6] as const).flatMap(family => tooGreat(parents[family], facts, limit))),
      ...tooNarrow(intent, facts),
      ...rooms.flatMap(room => withoutSix(room, parents[6])),
    ],
  }
}

/** Links to the fabric that the kernel takes IPv6 from, addresses and all, where this node needs it. */
function tooNarrow({ routes: { source4, source6 }, speaker }: Planned, facts: Facts): readonly string[] {
  const peers = [...(speaker?.peers.values() ?? [])]
  const isSixLost = source6 !== undefined && !facts.addresses.some(({ cidr }) => hostOf(cidr) === source6)
  const names = new Set([
    ...(source6 !== undefined ? fabricLinks(facts, [source4, source6], peers) : []),
    ...peers.flatMap(peer => peer.interface ?? []),
    ...(isSixLost ? devicesOf(facts.links) : []),
  ])
  return facts.links
    .filter(({ name, mtu }) => names.has(name) && mtu < leastSix)
    .map(
      ({ name, mtu }) =>
        `link ${name}: its MTU ${mtu} is less than the ${leastSix} that IPv6 needs (RFC 8200 §5), so the kernel keeps no IPv6 address on it; raise it (ip link set ${name} mtu ${leastSix}, or more) and give it its IPv6 addresses again`,
    )
}

/** Of a parent that has room for IPv6 itself, a tunnel may leave too little. */
function withoutSix({ pool, device, mtu }: PoolMtu, parent: Parent): readonly string[] {
  if (!pool.includes(':') || mtu >= leastSix || parent.mtu < leastSix) return []
  return [
    `ippool ${pool}: ${device ?? 'its way'} leaves ${mtu} octets to its packets, and IPv6 needs ${leastSix} (RFC 8200 §5); raise the MTU of ${parent.link ?? 'the link with the node address'} from ${parent.mtu} to ${parent.mtu + leastSix - mtu} or more, all along the way`,
  ]
}

function tooGreat({ link: name }: Parent, { links }: Facts, limit: number | undefined): readonly string[] {
  const link = links.find(each => each.name === name)
  if (!link || limit === undefined || limit <= link.mtu) return []
  return [
    `dataplane.mtu ${limit}: link ${link.name}, which carries the node's address, has ${link.mtu}, so that holds; raise the link's, or take the setting out`,
  ]
}

/** Of a pod with these addresses: what fits everywhere that its packets may go. Of an address in no pool, the least of all. */
export function podMtu(plan: MtuPlan, addresses: readonly string[]): number {
  const least = Math.min(plan.parents[4].mtu, plan.parents[6].mtu, ...plan.pools.map(({ mtu }) => mtu))
  return Math.min(
    ...addresses.map(address => poolOf(plan, address)?.mtu ?? least),
    addresses.length > 0 ? Infinity : least,
  )
}

/** One sentence for the running pods whose interface lets greater packets out than their pools have room for. */
export function outgrown(plan: MtuPlan, pods: readonly Endpoint[]): readonly string[] {
  const found = pods.filter(({ mtu, addresses }) => mtu > podMtu(plan, addresses))
  if (found.length === 0) return []
  const names = found
    .slice(0, named)
    .map(pod => `${pod.label ?? pod.containerId} (${pod.mtu}, has room for ${podMtu(plan, pod.addresses)})`)
  const rest = found.length > named ? `, and ${found.length - named} more` : ''
  return [
    `${found.length === 1 ? 'a running pod has' : `${found.length} running pods have`} a greater MTU than the network carries now: ${names.join(', ')}${rest}; what is too big is answered by ICMP, which not every program heeds; delete and start such pods again`,
  ]
}

function poolOf(plan: MtuPlan, text: string): PoolMtu | undefined {
  const address = parseAddress(text)
  return plan.pools.find(({ pool }) => {
    const range = parsePrefix(pool)
    return address && range && range.family === address.family && contains(range, address)
  })
}

function hostOf(cidr: string): string | undefined {
  const parsed = parseInterfaceAddress(cidr)
  return parsed && formatAddress(parsed.address)
}
