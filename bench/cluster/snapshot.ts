// The resources of a cluster of so many nodes, one block each.

import { type Snapshot } from '../../src/plan/snapshot.ts'
import { configuration, node, peer, pool, reflectors } from '../../src/plan/testing.ts'

export type Topology = 'mesh' | 'reflectors'

/** Names in the order of their numbers, which is that of the alphabet, too. */
export const nodeName = (n: number): string => `n${String(n).padStart(5, '0')}`
const address = (n: number): string => `10.${128 + (n >> 16)}.${(n >> 8) & 255}.${n & 255}`
export const blockOf = (n: number): string => `10.${n >> 10}.${(n >> 2) & 255}.${(n & 3) * 64}/26`

/** With `reflecting` of the nodes as reflectors of one cluster, the first ones. */
export function snapshotOf(topology: Topology, nodes: number, reflecting: number): Snapshot {
  const all = Array.from({ length: nodes }, (_, n) => n)
  const isMesh = topology === 'mesh'
  return {
    ...reflectors,
    nodes: all.map(n => {
      const isReflector = !isMesh && n < reflecting
      const bgp = { ipv4Address: `${address(n + 1)}/9` }
      return node(
        nodeName(n),
        isReflector ? { ...bgp, routeReflectorClusterID: '224.0.0.1' } : bgp,
        isReflector ? { role: 'rr' } : {},
      )
    }),
    pools: [pool('v4', '10.0.0.0/10')],
    bgpConfigurations: [configuration({ nodeToNodeMeshEnabled: isMesh })],
    bgpPeers: isMesh ? [] : [peer('reflectors', { nodeSelector: 'all()', peerSelector: "role == 'rr'" })],
    blocks: all.map(n => ({ cidr: blockOf(n), node: nodeName(n) })),
  }
}
