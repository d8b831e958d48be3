// Whether a sound object fits the others of the cluster.
//
// Each rule looks at the object to be written and at those that are there, and says what would go wrong. One list a kind.

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
  const after = [...existing.filter(old => !written.some(resource => isSame(old, resource))), ...written]
  return written.flatMap(resource => {
    const others = after.filter(other => !isSame(other, resource))
    const before = existing.find(old => isSame(old, resource))
    const findings = (rules[resource.kind] as Rule<AnyResource>)(resource, others, before)
    const object = nameOf(resource.kind, resource.metadata.name)
    return findings.map(finding => ({ resource, problem: { object, ...finding } }))
  })
}

function isSame(a: AnyResource, b: AnyResource): boolean {
  return a.kind === b.kind && a.metadata.name === b.metadata.name
}

type Finding = Omit<Problem, 'object' | 'place'>
type Rule<R> = (resource: R, others: readonly AnyResource[], before: R | undefined) => readonly Finding[]

const rules: { readonly [K in Kind]: Rule<ResourceOf<K>> } = {
  IPPool: (pool, others, before) => [
    ...unchanged(pool, before),
    ...ofKind(others, 'IPPool').flatMap(other => apart(pool, other)),
    ...ofKind(others, 'Node').flatMap(node => outsidePool(['spec', 'cidr'], `cidr ${pool.spec.cidr}`, node, pool)),
  ],
  Node: (node, others) => [
    ...ofKind(others, 'Node').flatMap(other => ownAddresses(node, other)),
    ...ofKind(others, 'IPPool').flatMap(pool => outsidePool(undefined, undefined, node, pool)),
  ],
  BGPPeer: (peer, others) => [
    ...ofKind(others, 'Node').flatMap(node => [...notItself(peer, node), ...rightAs(peer, node, others)]),
    ...ofKind(others, 'BGPPeer').flatMap(other => once(peer, other, ofKind(others, 'Node'))),
  ],
  BGPConfiguration: () => [],
  IPAMConfiguration: () => [],
  IPReservation: () => [],
}

function ofKind<K extends Kind>(resources: readonly AnyResource[], kind: K): ResourceOf<K>[] {
  return resources.filter((resource): resource is Extract<AnyResource, ResourceOf<K>> => resource.kind === kind)
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
    .map(({ field, text, address }) => ({
      path: path ?? ['spec', 'bgp', field],
      what: what
        ? `${what} holds the address of node "${node.metadata.name}" (${formatAddress(address)})`
        : `bgp.${field} ${text} lies in pool "${pool.metadata.name}" (${pool.spec.cidr})`,
      why: 'An address of a pool may be given to a pod at any time.',
      fix: path ? "Choose a range apart from the nodes' own subnets." : 'Choose an address outside the pools.',
    }))
}

// ---- nodes -------------------------------------------------------------------------------------------------------------------

const addressFields = ['ipv4Address', 'ipv6Address'] as const

interface NodeAddress {
  readonly field: (typeof addressFields)[number]
  readonly text: string
  readonly address: Address
}

function addressesOf(node: NodeResource): NodeAddress[] {
  return addressFields.flatMap(field => {
    const text = node.spec.bgp?.[field]
    return text === undefined ? [] : [{ field, text, address: parsed(parseInterfaceAddress(text), text).address }]
  })
}

function ownAddresses(node: NodeResource, other: NodeResource): Finding[] {
  const taken = addressesOf(other).map(({ address }) => formatAddress(address))
  return addressesOf(node)
    .filter(({ address }) => taken.includes(formatAddress(address)))
    .map(({ field, address }) => ({
      path: ['spec', 'bgp', field],
      what: `bgp.${field} ${formatAddress(address)} is the address of node "${other.metadata.name}"`,
      why: 'Sessions and next hops tell nodes apart by their addresses.',
      fix: `Write this node's own address, or delete node "${other.metadata.name}" if it is gone.`,
    }))
}

// ---- peers -------------------------------------------------------------------------------------------------------------------

function peersAt(peer: BGPPeerResource, node: NodeResource): boolean {
  const address = peer.spec.peerIP === undefined ? undefined : splitAddressAndPort(peer.spec.peerIP)?.address
  return addressesOf(node).some(own => formatAddress(own.address) === address)
}

function notItself(peer: BGPPeerResource, node: NodeResource): Finding[] {
  if (peer.spec.node !== node.metadata.name || !peersAt(peer, node)) return []
  return [
    {
      path: ['spec', 'peerIP'],
      what: `peerIP ${peer.spec.peerIP} is the address of node "${node.metadata.name}" itself`,
      why: 'A node has no session with itself.',
      fix: "Write the router's address, or another node.",
    },
  ]
}

function rightAs(peer: BGPPeerResource, node: NodeResource, others: readonly AnyResource[]): Finding[] {
  if (!peersAt(peer, node)) return []
  const common = ofKind(others, 'BGPConfiguration')[0]?.spec.asNumber ?? defaultAs
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
function once(peer: BGPPeerResource, other: BGPPeerResource, nodes: readonly NodeResource[]): Finding[] {
  const field = peer.spec.peerIP === undefined ? 'peerSelector' : 'peerIP'
  if (peer.spec[field] === undefined || peer.spec[field] !== other.spec[field]) return []
  const sameSide = peer.spec.node === other.spec.node && peer.spec.nodeSelector === other.spec.nodeSelector
  const shared = nodes.filter(node => isAt(peer, node) && isAt(other, node)).map(node => node.metadata.name)
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
