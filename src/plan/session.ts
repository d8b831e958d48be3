// One session of this node, before its policies are known.

import { compareAddresses, contains, formatAddress, prefixOf } from '../../inet/index.ts'
import type { Address, InterfaceAddress } from '../../inet/index.ts'
import type { Family, PeerConfig, PrefixLimit, RemoteAs } from '../../bgp/types.ts'
import type { SecretReference } from '../model/intent.ts'
import { addressOn, facing, isOn } from './links.ts'
import type { BgpSettings } from './settings.ts'
import type { LocalSpeaker, NodeSpeaker } from './speakers.ts'

export interface Session {
  /** Stable key: `mesh/NODE`, `BGPPEER`, `BGPPEER/NODE`, `BGPPEER/LINK`. */
  readonly name: string
  readonly kind: 'ebgp' | 'ibgp'
  /** Absent: whoever is found on `interface`. */
  readonly address?: string
  readonly interface?: string
  /** The far end is a node of the cluster. */
  readonly withNode: boolean
  readonly port: number
  readonly localAddress?: string
  readonly remoteAs: RemoteAs
  readonly passive: boolean
  readonly holdTime: number
  readonly connectRetry: number
  readonly families: readonly Family[]
  readonly nextHop: 'auto' | 'self' | 'keep'
  /** Our next hop for the family that is not the session's own. */
  readonly nextHopSelf: { readonly [F in Family]?: string }
  readonly reflectorClient: boolean
  readonly multihop: boolean
  readonly ttlSecurity?: number
  readonly maxPrefixes?: PeerConfig['maxPrefixes']
  /** Where the key of TCP-MD5 is to be read. */
  readonly password?: SecretReference
  readonly acceptDefault: boolean
  readonly description?: string
}

/** What a BGPPeer may say about a session; the rest follows from the two ends. */
export interface SessionOptions {
  readonly holdTime?: number
  readonly connectRetry?: number
  readonly nextHop?: Session['nextHop']
  /** Default: true. */
  readonly fromNodeAddress?: boolean
  readonly passive?: boolean
  readonly acceptDefault?: boolean
  readonly ttlSecurity?: number
  readonly maxPrefixes?: PrefixLimit
  readonly password?: SecretReference
  readonly description?: string
}

/** The far end. */
export interface Remote {
  readonly address: Address
  readonly port: number
  readonly asn: number
  /** The node, if it is one of the cluster. */
  readonly node?: NodeSpeaker
}

export function session(
  name: string,
  local: LocalSpeaker,
  remote: Remote,
  settings: BgpSettings,
  options: SessionOptions = {},
): Session {
  const kind = remote.asn === local.asn ? 'ibgp' : 'ebgp'
  const own = remote.address.family === 4 ? local.address4 : local.address6
  return {
    ...asAsked(settings, options),
    name,
    kind,
    address: formatAddress(remote.address),
    withNode: remote.node !== undefined,
    port: remote.port,
    localAddress: own && (options.fromNodeAddress ?? true) ? formatAddress(own.address) : undefined,
    remoteAs: remote.asn,
    families: sharedFamilies(local, remote.node),
    nextHopSelf: otherFamilyNextHop(local, remote.address),
    reflectorClient: kind === 'ibgp' && isClient(local, remote.node),
    multihop: !onSubnet(own, remote.address) && !facing(local.links, remote.address),
    description: options.description ?? (remote.node && `node ${remote.node.name}`),
  }
}

/**
 * With the router at the other end of a link, whatever its address: both speak from their link-local ones, which are the next hops of
 * both families (RFC 8950).
 */
export function linkSession(
  name: string,
  local: LocalSpeaker,
  link: string,
  remoteAs: RemoteAs,
  settings: BgpSettings,
  options: SessionOptions,
): Session {
  const kind = remoteAs === 'internal' || remoteAs === local.asn ? 'ibgp' : 'ebgp'
  return {
    ...asAsked(settings, options),
    name,
    kind,
    interface: link,
    withNode: false,
    port: 179,
    remoteAs,
    families: sharedFamilies(local, undefined),
    nextHopSelf: {},
    reflectorClient: kind === 'ibgp' && isClient(local, undefined),
    multihop: false,
    description: options.description,
  }
}

/** What the far end has no part in. */
function asAsked(settings: BgpSettings, options: SessionOptions) {
  return {
    passive: options.passive ?? false,
    holdTime: options.holdTime ?? settings.holdTime,
    connectRetry: options.connectRetry ?? settings.connectRetry,
    nextHop: options.nextHop ?? 'auto',
    ttlSecurity: options.ttlSecurity,
    maxPrefixes: options.maxPrefixes && {
      'ipv4-unicast': options.maxPrefixes,
      'ipv6-unicast': options.maxPrefixes,
    },
    password: options.password,
    acceptDefault: options.acceptDefault ?? false,
  }
}

/**
 * Where two nodes meet: IPv4 if both have it, else IPv6. Undefined: they share no family. The one with the numerically
 * greater address waits for the other, so that only one dials; should both dial, RFC 4271 §6.8 settles it.
 */
export function meeting(
  local: NodeSpeaker,
  remote: NodeSpeaker,
): { readonly address: Address; readonly passive: boolean } | undefined {
  const [own, far] =
    local.address4 && remote.address4 ? [local.address4, remote.address4] : [local.address6, remote.address6]
  if (!own || !far) return undefined
  return { address: far.address, passive: compareAddresses(own.address, far.address) > 0 }
}

/** RFC 4456 with Calico's rule: I reflect, and the peer does not, or for another cluster. */
function isClient(local: NodeSpeaker, remote: NodeSpeaker | undefined): boolean {
  return local.clusterId !== undefined && remote?.clusterId !== local.clusterId
}

/** A router outside the cluster settles families by its capabilities; of a node we know them. */
function sharedFamilies(local: NodeSpeaker, remote: NodeSpeaker | undefined): readonly Family[] {
  const families: Family[] = []
  if (local.address4 && (!remote || remote.address4)) families.push('ipv4-unicast')
  if (local.address6 && (!remote || remote.address6)) families.push('ipv6-unicast')
  return families
}

/** The peer reaches what is on its own link; the node's address may be on another, or on the loopback. */
function otherFamilyNextHop({ links, address4, address6 }: LocalSpeaker, remote: Address): Session['nextHopSelf'] {
  const other = remote.family === 4 ? 6 : 4
  const ofNode = (other === 4 ? address4 : address6)?.address
  if (!ofNode) return {}
  const link = facing(links, remote)?.link
  const own = link === undefined || isOn(links, link, ofNode) ? ofNode : (addressOn(links, link, other) ?? ofNode)
  return { [other === 4 ? 'ipv4-unicast' : 'ipv6-unicast']: formatAddress(own) }
}

function onSubnet(own: InterfaceAddress | undefined, address: Address): boolean {
  return own !== undefined && contains(prefixOf(own.address, own.length), address)
}
