// WireGuard: packets encrypted in UDP, to port 51820 over IPv4 and 51821 over IPv6.
//
// The gateway of a route means nothing to it: a packet goes to the node whose blocks hold its destination, and is taken only from
// the node whose blocks hold its source. Key, port and nodes come after the device (wireguard-devices.ts). A device a family, so that
// each has the MTU that its outer header leaves.

import type { Encapsulation } from './encapsulation.ts'

export const wireguard: Encapsulation = {
  kind: 'wireguard',
  /** WireGuard's header 16 and its authenticator 16, UDP 8, and the outer IP header. */
  overhead: family => 16 + 16 + 8 + (family === 4 ? 20 : 40),
  device: {
    linkKind: 'wireguard',
    link: ({ device }) => ({ kind: 'wireguard', name: device, up: true }),
    matches: () => true,
    ends: () => [],
    inKernel: { name: 'WireGuard', option: 'CONFIG_WIREGUARD', module: 'wireguard', field: 'wireguardMode' },
  },
}
