// FoU and GUE: IPv4 in GRE in UDP, for networks that pass only UDP.
//
// As GRE, with a key of our own: the kernel would take two devices with the same ends for one, and by the key a device for each kind
// stands beside the others while a pool changes from one to the next. A UDP port, which is an object of its own, unwraps what comes;
// it is bound to the node's address, and by that, its number and its type known again. The source port follows from the flow
// within, so that routers with several ways spread them.

import type { FouPort } from '../../../netlink/generic/fou-types.ts'
import { type Encapsulation, hasPlainHeaders } from './encapsulation.ts'
import { greEnds } from './gre.ts'

interface Row {
  readonly kind: 'fou' | 'gue'
  readonly name: string
  readonly port: number
  readonly key: number
  /** Between UDP and GRE. Octets. */
  readonly header: number
}

/** FoU has no port of its own at IANA; GUE has 6080. */
const rows = {
  fou: { kind: 'fou', name: 'FoU', port: 5556, key: 0x4d47_0001, header: 0 },
  gue: { kind: 'gue', name: 'GUE', port: 6080, key: 0x4d47_0002, header: 4 },
} as const satisfies Readonly<Record<string, Row>>

/** UDP port and GRE key of each, for the packet filter. */
export const overUdp: readonly Pick<Row, 'kind' | 'port' | 'key'>[] = Object.values(rows)

/** Of the outer header: how far the other node may be, whatever the packet within has left. */
const ttl = 64
/** IPPROTO_GRE */
const greProtocol = 47

export const fou = encapsulationOf(rows.fou)
export const gue = encapsulationOf(rows.gue)

function encapsulationOf({ kind, name, port, key, header }: Row): Encapsulation {
  return {
    kind,
    /** GRE with a key 8, UDP 8, and the outer IP header. */
    overhead: () => 8 + header + 8 + 20,
    device: {
      linkKind: 'gre',
      link: ({ device, local }) => ({
        kind: 'gre',
        name: device,
        local,
        ttl,
        key,
        encap: { type: kind, port },
        up: true,
      }),
      matches: ({ tunnel }, { local }) =>
        tunnel?.local === local &&
        tunnel.remote === undefined &&
        tunnel.key === key &&
        tunnel.ttl === ttl &&
        hasPlainHeaders(tunnel) &&
        tunnel.encap?.type === kind &&
        tunnel.encap.port === port,
      ends: greEnds,
      receives: ({ local }) =>
        kind === 'gue' ? { port, type: 'gue', local } : { port, type: 'direct', protocol: greProtocol, local },
      inKernel: {
        name,
        option: 'CONFIG_NET_FOU, CONFIG_NET_FOU_IP_TUNNELS, CONFIG_NET_IPGRE',
        module: '-a fou ip_gre',
        field: `${kind}Mode`,
      },
    },
  }
}

/** Whether a receiving port is one that we make. */
export function isReceivePort({ port, type, protocol, local }: FouPort): boolean {
  if (local === undefined) return false
  if (type === 'gue') return port === rows.gue.port
  return port === rows.fou.port && protocol === greProtocol
}
