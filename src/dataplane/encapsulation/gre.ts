// GRE (RFC 2784): IPv4 in IPv4, protocol 47, for networks whose routers pass GRE and not IPIP.
//
// One device without a far end, as for IPIP. But its link layer is IPv4: the kernel sends a packet to the link-layer address of
// the gateway, so each node is a permanent neighbour, under the same address on both layers.

import { parseAddress } from '../../../inet/index.ts'
import type { Tunnel } from '../../model/tunnel.ts'
import { type DeviceEnd, type Encapsulation, hasPlainHeaders } from './encapsulation.ts'

/** Of the outer header: how far the other node may be, whatever the packet within has left. */
const ttl = 64

export const gre: Encapsulation = {
  kind: 'gre',
  /** GRE 4 (no checksum, no key), and the outer IP header. */
  overhead: () => 4 + 20,
  device: {
    linkKind: 'gre',
    link: ({ device, local }) => ({ kind: 'gre', name: device, local, ttl, up: true }),
    matches: ({ tunnel }, { local }) =>
      tunnel?.local === local &&
      tunnel.remote === undefined &&
      tunnel.key === undefined &&
      tunnel.ttl === ttl &&
      hasPlainHeaders(tunnel) &&
      tunnel.encap === undefined,
    ends: greEnds,
    inKernel: { name: 'GRE', option: 'CONFIG_NET_IPGRE', module: 'ip_gre', field: 'greMode' },
  },
}

/** Each node under its own address. */
export function greEnds({ remotes }: Tunnel): readonly DeviceEnd[] {
  return remotes.map(gateway => ({ gateway, mac: linkLayer(gateway) }))
}

/** `10.0.2.11` as the kernel writes a link-layer address. */
function linkLayer(address: string): string {
  const octets = parseAddress(address)?.octets ?? []
  return Array.from(octets, octet => octet.toString(16).padStart(2, '0')).join(':')
}
