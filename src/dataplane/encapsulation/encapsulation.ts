// What sets one encapsulation apart from another. One file a kind; the table in kinds.ts is the only list.

import type { FouPort } from '../../../netlink/generic/fou-types.ts'
import type { Link, NewLink, TunnelInfo } from '../../../netlink/types.ts'
import type { Tunnel, TunnelKind } from '../../model/tunnel.ts'

export interface Encapsulation {
  readonly kind: 'none' | TunnelKind
  /** Octets that it takes from the MTU of the link that carries the outer packets, of that family. */
  overhead(family: 4 | 6): number
  /** Absent: packets leave as they are. */
  readonly device?: TunnelDevice
}

export interface TunnelDevice {
  /** As the kernel names the kind of link (IFLA_INFO_KIND). A device of our name and another kind is somebody's. */
  readonly linkKind: 'ipip' | 'gre' | 'vxlan' | 'wireguard'
  /** As it is made, but for its MTU. */
  link(tunnel: Tunnel): NewLink
  /** True if a link of that name and kind needs no more than an MTU to be what `link` makes. */
  matches(link: Link, tunnel: Tunnel): boolean
  /** Whom the device must be told of; none where the gateway of a route is enough. */
  ends(tunnel: Tunnel): readonly DeviceEnd[]
  /** The UDP port by which this node's kernel unwraps what comes, before the device has it. */
  receives?(tunnel: Tunnel): FouPort
  /** What to say of a kernel without it. */
  readonly inKernel: { readonly name: string; readonly option: string; readonly module: string; readonly field: string }
}

/** True if its outer headers are as the kernel makes them for one that was told nothing of them. */
export function hasPlainHeaders({ tos, df, link }: TunnelInfo): boolean {
  return tos === undefined && df === undefined && link === undefined
}

/** A far end: packets for `gateway` go to `mac`, its address on the device's link layer. */
export interface DeviceEnd {
  readonly gateway: string
  readonly mac: string
  /** The node that frames for `mac` go to, where the device has a forwarding table. */
  readonly dst?: string
}
