// IPIP (RFC 2003): IPv4 in IPv4, protocol 4.
//
// One device without a far end: the gateway of a route is the node that the packet goes to. It is bound to the node's address,
// unlike the kernel's own `tunl0`, which takes every packet that no other device wants, and which is left alone.

import { type Encapsulation, hasPlainHeaders } from './encapsulation.ts'

/** Of the outer header: how far the other node may be, whatever the packet within has left. */
const ttl = 64

export const ipip: Encapsulation = {
  kind: 'ipip',
  overhead: () => 20,
  device: {
    linkKind: 'ipip',
    link: ({ device, local }) => ({ kind: 'ipip', name: device, local, ttl, up: true }),
    matches: ({ tunnel }, { local }) =>
      tunnel?.local === local &&
      tunnel.remote === undefined &&
      tunnel.ttl === ttl &&
      hasPlainHeaders(tunnel) &&
      tunnel.encap === undefined,
    ends: () => [],
    inKernel: { name: 'IPIP', option: 'CONFIG_NET_IPIP', module: 'ipip', field: 'ipipMode' },
  },
}
