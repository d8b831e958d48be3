// Whether a sound object fits the others of the cluster.
//
// Each rule looks at the object to be written and at those that are there, and says what would go wrong. One list a kind. A cluster has
// thousands of nodes and peers, so they are found by what the rules ask for: names, addresses, sessions.

import {
  type Address,
  contains,
  formatAddress,
  overlaps,
  parseInterfaceAddress,
  parsePrefix,
  type Prefix,
} from '../../inet/index.ts'
import { splitAddressAndPort } from './fields.ts'
import type { BGPPeerResource } from './kinds/bgp-peer.ts'
import { type AnyResource, type Kind, kinds, type ResourceOf } from './kinds/index.ts'
import type { IPPoolResource } from './kinds/ip-pool.ts'
import type { NodeResource } from './kinds/node.ts'
import { nameOf, type Problem } from './problem.ts'
import { selects } from './selector.ts'

/** What is wrong with writing `resource` beside `existing`; an object of its own name among them is the one to be replaced. */
export function validateAgainst(existing: readonly AnyResource[], resource: AnyResource): Problem[] {
  return validateAll(existing, [resource]).map(({ problem }) => problem)
}

/** The same for several that are written together: each has to fit the others too, in whatever order they come. */
export function validateAll(
  existing: readonly AnyResource[],
  written: readonly AnyResource[],
): { readonly resource: AnyResource; readonly problem: Problem }[] {
  const { before, untouched } = beside(existing, written)
  const after = new Cluster([...untouched, ...written])
  return written.flatMap(resource =>
    problemsOf(resource, after, before.get(keyOf(resource))).map(problem => ({ resource, problem })),
  )
}

/**
 * For each of several that are to be written together what keeps it out, undefined if nothing: it has to fit those that are there and
 * those that are taken before it. Nodes are taken first, then pools, then peers.
 */
export function whatFits(
  existing: readonly AnyResource[],
  wanted: readonly AnyResource[],
): ReadonlyMap<AnyResource, Problem | undefined> {
  const { before, untouched } = beside(existing, wanted)
  const taken = new Cluster(untouched)
  const rank = ({ kind }: AnyResource): number => ['Node', 'IPPool', 'BGPPeer'].indexOf(kind)
  const ordered = wanted.toSorted((a, b) => rank(a) - rank(b))
  return new Map(
    ordered.map(resource => {
      const old = before.get(keyOf(resource))
      const problem = problemsOf(resource, taken, old).at(0)
      const stays = problem ? old : resource
      if (stays) taken.add(stays)
      return [resource, problem]
    }),
  )
}

/** What is there, by `keyOf`, and what of it no object to be written has the name of. */
function beside(existing: readonly AnyResource[], written: readonly AnyResource[]) {
  const names = new Set(written.map(keyOf))
  const before = new Map(existing.map(old => [keyOf(old), old]))
  return { before, untouched: existing.filter(old => !names.has(keyOf(old))) }
}

function problemsOf(resource: AnyResource, cluster: Cluster, before: AnyResource | undefined): Problem[] {
  const object = keyOf(resource)
  const findings = (rules[resource.kind] as Rule<AnyResource>)(resource, cluster, before)
  return findings.map(finding => ({ object, ...finding }))
}

/** `ippool "default"` */
export function keyOf({ kind, metadata }: AnyResource): string {
  return nameOf(kind, metadata.name)
}

/** The cluster as it will be. */
class Cluster {
  readonly pools: IPPoolResource[] = []
  readonly nodes: NodeResource[] = []
  /** BGPConfiguration's. */
  asNumber: number = defaultAs
  readonly #named = new Map<string, NodeResource[]>()
  readonly #at = new Map<string, NodeResource[]>()
  readonly #peers = new Map<string, BGPPeerResource[]>()

  constructor(resources: readonly AnyResource[]) {
    for (const resource of resources) this.add(resource)
  }

  add(resource: AnyResource): void {
    if (resource.kind === 'IPPool') this.pools.push(resource)
    if (resource.kind === 'BGPConfiguration') this.asNumber = resource.spec.asNumber
    if (resource.kind === 'BGPPeer') collect(this.#peers, sessionOf(resource).key, resource)
    if (resource.kind !== 'Node') return
    this.nodes.push(resource)
    collect(this.#named, resource.metadata.name, resource)
    for (const { text } of addressesOf(resource)) collect(this.#at, text, resource)
  }

  named(name: string): readonly NodeResource[] {
    return this.#named.get(name) ?? []
  }

  /** Nodes that have the address, in its shortest form, as their own. */
  at(address: string | undefined): readonly NodeResource[] {
    return (address !== undefined && this.#at.get(address)) || []
  }

  /** Peers with the same `peerIP`, or `peerSelector`. */
  like(peer: BGPPeerResource): readonly BGPPeerResource[] {
    return this.#peers.get(sessionOf(peer).key) ?? []
  }
}

function collect<V>(map: Map<string, V[]>, key: string, value: V): void {
  const list = map.get(key)
  if (list) list.push(value)
  else map.set(key, [value])
}

type Finding = Omit<Problem, 'object' | 'place'>
/** Whatever of the cluster has the name of `resource` is `resource` itself. */
type Rule<R> = (resource: R, cluster: Cluster, before: R | undefined) => readonly Finding[]

const rules: { readonly [K in Kind]: Rule<ResourceOf<K>> } = {
  IPPool: (pool, { pools, nodes }, before) => [
    ...unchanged(pool, before),
    ...others(pools, pool).flatMap(other => apart(pool, other)),
    ...nodes.flatMap(node => outsidePool(['spec', 'cidr'], `cidr ${pool.spec.cidr}`, node, pool)),
  ],
  Node: (node, cluster) => [
    ...addressesOf(node).flatMap(own => others(cluster.at(own.text), node).map(other => ownAddress(own, other))),
    ...cluster.pools.flatMap(pool => outsidePool(undefined, undefined, node, pool)),
  ],
  BGPPeer: (peer, cluster) => [
    ...cluster
      .at(addressOf(peer))
      .flatMap(node => [...notItself(peer, node), ...rightAs(peer, node, cluster.asNumber)]),
    ...others(cluster.like(peer), peer).flatMap(other => once(peer, other, cluster)),
  ],
  BGPConfiguration: () => [],
  IPAMConfiguration: () => [],
  IPReservation: () => [],
}

function others<R extends AnyResource>(resources: readonly R[], resource: R): readonly R[] {
  return resources.filter(({ metadata }) => metadata.name !== resource.metadata.name)
}

// ---- pools -------------------------------------------------------------------------------------------------------------------

function unchanged(pool: IPPoolResource, before: IPPoolResource | undefined): Finding[] {
  return (['cidr', 'blockSize'] as const)
    .filter(field => before && before.spec[field] !== pool.spec[field])
    .map(field => ({
      path: ['spec', field],
      what: `${field} ${pool.spec[field]} is another than before (${before?.spec[field]})`,
      why: 'Nodes own blocks of the pool as it is.',
      fix: `Disable this pool (disabled: true) and make a second one, or write ${before?.spec[field]}.`,
    }))
}

function apart(pool: IPPoolResource, other: IPPoolResource): Finding[] {
  if (!overlaps(range(pool), range(other))) return []
  const name = other.metadata.name
  return [
    {
      path: ['spec', 'cidr'],
      what: `cidr ${pool.spec.cidr} overlaps pool "${name}" (${other.spec.cidr})`,
      why: 'Pools must not overlap, or one address could belong to two pods.',
      fix: `Choose another range, or delete "${name}" first: margayctl ipam show tells what is in use.`,
    },
  ]
}

function range(pool: IPPoolResource): Prefix {
  return parsed(parsePrefix(pool.spec.cidr), pool.spec.cidr)
}

/** A node's own address must not be one that a pod could get. */
function outsidePool(
  path: Finding['path'] | undefined,
  what: string | undefined,
  node: NodeResource,
  pool: IPPoolResource,
): Finding[] {
  return addressesOf(node)
    .filter(({ address }) => contains(range(pool), address))
    .map(({ field, written, text }) => ({
      path: path ?? ['spec', 'bgp', field],
      what: what
        ? `${what} holds the address of node "${node.metadata.name}" (${text})`
        : `bgp.${field} ${written} lies in pool "${pool.metadata.name}" (${pool.spec.cidr})`,
      why: 'An address of a pool may be given to a pod at any time.',
      fix: path ? "Choose a range apart from the nodes' own subnets." : 'Choose an address outside the pools.',
    }))
}

// ---- nodes -------------------------------------------------------------------------------------------------------------------

const addressFields = ['ipv4Address', 'ipv6Address'] as const

interface NodeAddress {
  readonly field: (typeof addressFields)[number]
  /** As it is written. */
  readonly written: string
  readonly address: Address
  /** In its shortest form, without a length. */
  readonly text: string
}

/** They are asked for once a pool. */
const knownAddresses = new WeakMap<NodeResource, readonly NodeAddress[]>()

function addressesOf(node: NodeResource): readonly NodeAddress[] {
  const known = knownAddresses.get(node)
  if (known) return known
  const found = addressFields.flatMap(field => {
    const written = node.spec.bgp?.[field]
    if (written === undefined) return []
    const { address } = parsed(parseInterfaceAddress(written), written)
    return [{ field, written, address, text: formatAddress(address) }]
  })
  knownAddresses.set(node, found)
  return found
}

function ownAddress({ field, text }: NodeAddress, other: NodeResource): Finding {
  return {
    path: ['spec', 'bgp', field],
    what: `bgp.${field} ${text} is the address of node "${other.metadata.name}"`,
    why: 'Sessions and next hops tell nodes apart by their addresses.',
    fix: `Write this node's own address, or delete node "${other.metadata.name}" if it is gone.`,
  }
}

// ---- peers -------------------------------------------------------------------------------------------------------------------

function addressOf({ spec: { peerIP } }: BGPPeerResource): string | undefined {
  return peerIP === undefined ? undefined : splitAddressAndPort(peerIP)?.address
}

/** What says who is at the other end, and how two peers are known to mean the same. */
function sessionOf({ spec }: BGPPeerResource) {
  const field = spec.peerIP === undefined ? 'peerSelector' : 'peerIP'
  return { field, key: `${field} ${spec[field]}` } as const
}

/** `node`: the one that has the peer's address. */
function notItself(peer: BGPPeerResource, node: NodeResource): Finding[] {
  if (peer.spec.node !== node.metadata.name) return []
  return [
    {
      path: ['spec', 'peerIP'],
      what: `peerIP ${peer.spec.peerIP} is the address of node "${node.metadata.name}" itself`,
      why: 'A node has no session with itself.',
      fix: "Write the router's address, or another node.",
    },
  ]
}

/** `node`: the one that has the peer's address. */
function rightAs(peer: BGPPeerResource, node: NodeResource, common: number): Finding[] {
  const asNumber = node.spec.bgp?.asNumber ?? common
  if (peer.spec.asNumber === asNumber) return []
  return [
    {
      path: ['spec', 'asNumber'],
      what: `asNumber ${peer.spec.asNumber} is not that of node "${node.metadata.name}" at ${peer.spec.peerIP} (${asNumber})`,
      why: 'A session opens only if both ends name the same numbers.',
      fix: `Write ${asNumber}, or change the AS of the node.`,
    },
  ]
}

const defaultAs = kinds.BGPConfiguration.spec.entries.asNumber.default

/** Two objects for one session would each want to set it up, and the loser's settings would silently mean nothing. */
function once(peer: BGPPeerResource, other: BGPPeerResource, cluster: Cluster): Finding[] {
  const { field } = sessionOf(peer)
  const sides = [peer.spec.node, other.spec.node]
  if (peer.spec[field] === undefined || (sides.every(side => side !== undefined) && sides[0] !== sides[1])) return []
  const sameSide = peer.spec.node === other.spec.node && peer.spec.nodeSelector === other.spec.nodeSelector
  const [side = other.spec.node] = sides
  const candidates = side === undefined ? cluster.nodes : cluster.named(side)
  const shared = candidates.filter(node => isAt(peer, node) && isAt(other, node)).map(node => node.metadata.name)
  if (!sameSide && shared.length === 0) return []
  const where = shared.length > 0 ? `node ${shared.map(name => `"${name}"`).join(', ')}` : 'the same nodes'
  return [
    {
      path: ['spec', field],
      what: `${field} ${peer.spec[field]} is already the peer of ${where} in bgppeer "${other.metadata.name}"`,
      why: 'A session is set up by one object.',
      fix: `Change "${other.metadata.name}" instead, or delete it first, or select other nodes.`,
    },
  ]
}

/** Whether the peering is for that node. */
function isAt({ spec }: BGPPeerResource, { metadata }: NodeResource): boolean {
  if (spec.node !== undefined) return spec.node === metadata.name
  return selects(spec.nodeSelector ?? 'all()', metadata.labels)
}

/** Text that a schema has accepted. */
function parsed<T>(value: T | undefined, text: string): T {
  if (value === undefined) throw new Error(`${text} has passed validation and cannot be read`)
  return value
}
