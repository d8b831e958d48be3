// What `margayctl get` shows of each kind in a table.

import type { AnyResource, Kind, ResourceOf } from '../resources/index.ts'
import type { Column } from './output.ts'

type Columns<K extends Kind> = readonly Column<ResourceOf<K>>[]

const columns: { readonly [K in Kind]: Columns<K> } = {
  Node: [
    { head: 'AS', cell: node => node.spec.bgp?.asNumber, align: 'right' },
    { head: 'IPV4', cell: node => node.spec.bgp?.ipv4Address },
    { head: 'IPV6', cell: node => node.spec.bgp?.ipv6Address },
    { head: 'CLUSTER ID', cell: node => node.spec.bgp?.routeReflectorClusterID },
    { head: 'DRAIN', cell: node => node.spec.drain },
  ],
  IPPool: [
    { head: 'CIDR', cell: pool => pool.spec.cidr },
    { head: 'BLOCK SIZE', cell: pool => pool.spec.blockSize, align: 'right' },
    { head: 'NODES', cell: pool => pool.spec.nodeSelector },
    { head: 'DISABLED', cell: pool => String(pool.spec.disabled) },
  ],
  IPReservation: [{ head: 'CIDRS', cell: ({ spec }) => spec.reservedCIDRs.join(', ') }],
  IPAMConfiguration: [
    { head: 'MAX BLOCKS', cell: ({ spec }) => spec.maxBlocksPerHost || 'no limit', align: 'right' },
    { head: 'COOLDOWN', cell: ({ spec }) => `${spec.ipCooldownSeconds}s`, align: 'right' },
    { head: 'FREED AFTER', cell: ({ spec }) => `${spec.freeEmptyBlocksAfter}s`, align: 'right' },
    { head: 'KEPT', cell: ({ spec }) => spec.keepBlocks, align: 'right' },
  ],
  BGPConfiguration: [
    { head: 'AS', cell: ({ spec }) => spec.asNumber, align: 'right' },
    { head: 'MESH', cell: ({ spec }) => String(spec.nodeToNodeMeshEnabled) },
    { head: 'PORT', cell: ({ spec }) => spec.listenPort, align: 'right' },
    { head: 'HOLD TIME', cell: ({ spec }) => `${spec.holdTime}s`, align: 'right' },
  ],
  BGPPeer: [
    { head: 'ON', cell: ({ spec }) => spec.node ?? spec.nodeSelector },
    { head: 'PEER', cell: ({ spec }) => spec.peerIP ?? spec.interface ?? spec.peerSelector },
    { head: 'AS', cell: ({ spec }) => spec.asNumber ?? spec.remoteAs, align: 'right' },
    { head: 'NEXT HOP', cell: ({ spec }) => spec.nextHopMode },
  ],
}

export function columnsOf(kind: Kind): readonly Column<AnyResource>[] {
  const name: Column<AnyResource> = { head: 'NAME', cell: ({ metadata }) => metadata.name }
  return [name, ...(columns[kind] as readonly Column<AnyResource>[])]
}
