// VXLAN (RFC 7348): frames in UDP to port 4789, network 4096 over IPv4 and 4097 over IPv6.
//
// Nothing is learned and nothing is flooded: every node works out every other node's MAC from its name, so neighbour and
// forwarding entries come from the same Node resources as the routes. A node that moves to another address keeps its MAC, and hears
// what comes for either address as long as it has both. A device has one `local`, hence one device a family.

import { nameAt, tunnelGateway, vxlanMac } from '../../model/tunnel.ts'
import { type Encapsulation, hasPlainHeaders } from './encapsulation.ts'

/** Of the IPv4 device; the IPv6 one has the next. */
const id = 4096
export const vxlanPort = 4789

export const vxlan: Encapsulation = {
  kind: 'vxlan',

  /** Ethernet 14, VXLAN 8, UDP 8, and the outer IP header. */
  overhead: family => 14 + 8 + 8 + (family === 4 ? 20 : 40),

  device: {
    linkKind: 'vxlan',
    link: tunnel => ({
      kind: 'vxlan',
      name: tunnel.device,
      id: vxlanId(tunnel.family),
      port: vxlanPort,
      local: tunnel.local,
      learning: false,
      mac: vxlanMac(nameAt(tunnel, tunnel.local)),
      up: true,
    }),

    matches: ({ tunnel: found, mac }, tunnel) =>
      found?.id === vxlanId(tunnel.family) &&
      found.port === vxlanPort &&
      found.local === tunnel.local &&
      found.learning === false &&
      found.remote === undefined &&
      found.ttl === undefined &&
      hasPlainHeaders(found) &&
      mac === vxlanMac(nameAt(tunnel, tunnel.local)),

    ends: tunnel =>
      tunnel.remotes.map(dst => {
        const name = nameAt(tunnel, dst)
        return { gateway: tunnelGateway(dst, name), mac: vxlanMac(name), dst }
      }),

    inKernel: { name: 'VXLAN', option: 'CONFIG_VXLAN', module: 'vxlan', field: 'vxlanMode' },
  },
}

/** VXLAN network identifier, 24 bits. */
export function vxlanId(family: 4 | 6): number {
  return family === 4 ? id : id + 1
}
