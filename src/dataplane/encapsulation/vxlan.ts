// VXLAN (RFC 7348): frames in UDP to port 4789, network 4096 over IPv4 and 4097 over IPv6.
//
// Nothing is learned and nothing is flooded: every node works out every other node's MAC from its address, so neighbour and
// forwarding entries come from the same Node resources as the routes. A device has one `local`, hence one device a family.

import { tunnelGateway, vxlanMac } from '../../model/tunnel.ts'
import type { Encapsulation } from './encapsulation.ts'

/** Of the IPv4 device; the IPv6 one has the next. */
const id = 4096
export const vxlanPort = 4789

export const vxlan: Encapsulation = {
  kind: 'vxlan',

  /** Ethernet 14, VXLAN 8, UDP 8, and the outer IP header. */
  overhead: family => 14 + 8 + 8 + (family === 4 ? 20 : 40),

  device: {
    link: ({ device, local, family }) => ({
      kind: 'vxlan',
      name: device,
      id: vxlanId(family),
      port: vxlanPort,
      local,
      learning: false,
      mac: vxlanMac(local),
      up: true,
    }),

    matches: ({ tunnel, mac }, { local, family }) =>
      tunnel?.id === vxlanId(family) &&
      tunnel.port === vxlanPort &&
      tunnel.local === local &&
      tunnel.learning === false &&
      tunnel.remote === undefined &&
      mac === vxlanMac(local),

    ends: ({ remotes }) => remotes.map(dst => ({ gateway: tunnelGateway(dst), mac: vxlanMac(dst), dst })),

    inKernel: { name: 'VXLAN', option: 'CONFIG_VXLAN', module: 'vxlan', field: 'vxlanMode' },
  },
}

/** VXLAN network identifier, 24 bits. */
export function vxlanId(family: 4 | 6): number {
  return family === 4 ? id : id + 1
}
