// Tunnels between nodes: what plan asks for, what the data plane makes, what the FIB routes through. Types, names, equality.

import { createHash } from 'node:crypto'
import { formatAddress } from '../../inet/index.ts'
import type { WireguardNode } from './wireguard.ts'

export type TunnelKind = 'ipip' | 'vxlan' | 'gre' | 'fou' | 'gue' | 'wireguard'

/** One device of this node, shared by every pool that uses its kind. */
export interface Tunnel {
  readonly kind: TunnelKind
  readonly family: 4 | 6
  /** Its name marks it as ours. */
  readonly device: string
  /** This node's own address, the source of outer packets. */
  readonly local: string
  /** Addresses of the nodes at the far ends, sorted. */
  readonly remotes: readonly string[]
  /** Who is at which address, this node too: MACs are made of the names, which stay when an address changes. Default: the addresses. */
  readonly names?: Readonly<Record<string, string>>
  /** Names of the pools that are for this node, may give it an address for the device, and are tunnelled by it. */
  readonly pools: readonly string[]
  /** WireGuard: those of the far ends that have published a key. */
  readonly nodes?: readonly WireguardNode[]
}

/** What became of a device. */
export interface TunnelState {
  /** This node's own address on it, from one of its blocks. */
  readonly address?: string
  /** Why there is no such device: one sentence with the next step. */
  readonly fault?: string
  /** WireGuard: names of the nodes with which it has session keys. */
  readonly met?: readonly string[]
}

/** Which learned routes go through a device. */
export interface TunnelRule {
  /** CIDR of the pool. */
  readonly pool: string
  readonly device: string
  /** Next hops that are reached through it: nodes, by address. */
  readonly remotes: readonly TunnelEnd[]
  /** Every route into the pool has to go through it (mode Always). */
  readonly always: boolean
  /** Next hops, nodes too, that get packets as they are for now, though the rule wants them wrapped: they do not unwrap yet. */
  readonly bare?: readonly string[]
  /** Preferred source of what the node itself sends. */
  readonly source?: string
  /** The device is not there, and why: no route may use it. */
  readonly fault?: string
}

export interface TunnelEnd {
  readonly nextHop: string
  /** Gateway on the device. */
  readonly gateway: string
  /** Another device than the rule's for now, because that node does not take packets by the rule's yet. */
  readonly instead?: { readonly device: string; readonly source?: string }
}

/** No other program names a device so; in 15 characters, as the kernel wants it. */
export function tunnelDevice(kind: TunnelKind, family: 4 | 6): string {
  if (kind === 'wireguard') return `margay-wg${family}`
  return kind === 'vxlan' ? `margay-vxlan${family}` : `margay-${kind}`
}

/** Whether what leaves by a device is encrypted. */
export function isEncrypting(device: string): boolean {
  return device.startsWith('margay-wg')
}

/** All names that there are. */
export const tunnelDevices: readonly string[] = [
  'margay-ipip',
  'margay-vxlan4',
  'margay-vxlan6',
  'margay-gre',
  'margay-fou',
  'margay-gue',
  'margay-wg4',
  'margay-wg6',
]

/** Whether its device takes outer packets for any address of the node, also another one than those that it sends are from. */
export function hearsEveryAddress(kind: TunnelKind): boolean {
  return kind === 'vxlan'
}

export function isTunnelDevice(name: string): boolean {
  return tunnelDevices.includes(name)
}

/**
 * The MAC of the VXLAN device of the node with that name: every node works it out alike, so no one has to be told, and it stays
 * when the node's address changes. A hash, 40 bits of it; locally administered.
 */
export function vxlanMac(name: string): string {
  const octets = createHash('sha256').update(name).digest().subarray(0, 5)
  return [0x06, ...octets].map(octet => octet.toString(16).padStart(2, '0')).join(':')
}

/** Whom `names` says to be at an address. */
export function nameAt({ names }: Pick<Tunnel, 'names'>, address: string): string {
  return names?.[address] ?? address
}

/**
 * The gateway by which a node is addressed on a tunnel device. IPv4: its own address. IPv6: the link-local address that follows
 * from its MAC (EUI-64), because the kernel takes no global gateway that another device leads to.
 */
export function tunnelGateway(remote: string, name: string = remote): string {
  if (!remote.includes(':')) return remote
  const [a, b, c, d, e, f] = vxlanMac(name)
    .split(':')
    .map(part => Number.parseInt(part, 16))
  const octets = new Uint8Array(16)
  octets.set([0xfe, 0x80], 0)
  octets.set([a ^ 2, b, c, 0xff, 0xfe, d, e, f], 8)
  return formatAddress(octets)
}
