// Resources for tests, in few words, and the topologies of the ready labs.

import { apiVersion } from '../resources/index.ts'
import type {
  BGPConfigurationResource,
  BGPConfigurationSpec,
  BGPPeerResource,
  BGPPeerSpec,
  IPPoolResource,
  IPPoolSpec,
  Labels,
  NodeResource,
  NodeSpec,
} from '../resources/index.ts'
import { emptySnapshot } from './snapshot.ts'
import type { Snapshot } from './snapshot.ts'

const metadata = (name: string, labels: Labels = {}) => ({ name, labels, annotations: {} })

export function node(name: string, bgp: NodeSpec['bgp'], labels: Labels = {}): NodeResource {
  return { apiVersion, kind: 'Node', metadata: metadata(name, labels), spec: { bgp } }
}

export function pool(name: string, cidr: string, spec: Partial<IPPoolSpec> = {}): IPPoolResource {
  return {
    apiVersion,
    kind: 'IPPool',
    metadata: metadata(name),
    spec: {
      cidr,
      blockSize: cidr.includes(':') ? 122 : 26,
      nodeSelector: 'all()',
      namespaceSelector: 'all()',
      allowedUses: ['Workload', 'Tunnel'],
      assignmentMode: 'Automatic',
      disabled: false,
      disableBGPExport: false,
      ipipMode: 'Never',
      vxlanMode: 'Never',
      greMode: 'Never',
      fouMode: 'Never',
      gueMode: 'Never',
      wireguardMode: 'Never',
      natOutgoing: false,
      ...spec,
    },
  }
}

export function peer(name: string, spec: Partial<BGPPeerSpec>): BGPPeerResource {
  return {
    apiVersion,
    kind: 'BGPPeer',
    metadata: metadata(name),
    spec: { nextHopMode: 'Auto', sourceAddress: 'UseNodeIP', passive: false, acceptDefaultRoute: false, ...spec },
  }
}

export function configuration(spec: Partial<BGPConfigurationSpec>): BGPConfigurationResource {
  return {
    apiVersion,
    kind: 'BGPConfiguration',
    metadata: metadata('default'),
    spec: {
      asNumber: 64512,
      nodeToNodeMeshEnabled: true,
      listenPort: 179,
      holdTime: 90,
      connectRetryTime: 5,
      ...spec,
    },
  }
}

/** Two racks in two subnets: in r1 every node has its own AS, in r2 the nodes share the rack's with the ToR. */
export const twoRacks: Snapshot = {
  ...emptySnapshot,
  nodes: [
    node('r1-n1', { asNumber: 65011, ipv4Address: '10.0.1.11/24', ipv6Address: 'fd00:0:1::11/64' }, { rack: 'r1' }),
    node('r1-n2', { asNumber: 65012, ipv4Address: '10.0.1.12/24', ipv6Address: 'fd00:0:1::12/64' }, { rack: 'r1' }),
    node('r2-n1', { asNumber: 65002, ipv4Address: '10.0.2.11/24', ipv6Address: 'fd00:0:2::11/64' }, { rack: 'r2' }),
    node('r2-n2', { asNumber: 65002, ipv4Address: '10.0.2.12/24', ipv6Address: 'fd00:0:2::12/64' }, { rack: 'r2' }),
  ],
  pools: [pool('v4', '10.42.0.0/16'), pool('v6', 'fd00:42::/112')],
  bgpConfigurations: [configuration({ nodeToNodeMeshEnabled: false })],
  bgpPeers: [
    peer('tor-r1', { nodeSelector: "rack == 'r1'", peerIP: '10.0.1.1', asNumber: 65001 }),
    peer('tor-r2', { nodeSelector: "rack == 'r2'", peerIP: '10.0.2.1', asNumber: 65002 }),
  ],
  blocks: [
    { cidr: '10.42.0.64/26', node: 'r1-n2' },
    { cidr: '10.42.0.0/26', node: 'r1-n1' },
    { cidr: 'fd00:42::/122', node: 'r1-n1' },
  ],
}

/** One subnet, no router. */
export const fullMesh: Snapshot = {
  ...emptySnapshot,
  nodes: [
    node('n1', { ipv4Address: '10.0.0.9/24' }),
    node('n2', { ipv4Address: '10.0.0.10/24' }),
    node('n3', { ipv4Address: '10.0.0.11/24' }),
  ],
  pools: [pool('v4', '10.42.0.0/16')],
  blocks: [{ cidr: '10.42.0.0/26', node: 'n1' }],
}

/** Two reflectors of one cluster, their clients, and a router that speaks iBGP with the reflectors. */
export const reflectors: Snapshot = {
  ...emptySnapshot,
  nodes: [
    node('rr1', { ipv4Address: '10.0.0.2/24', routeReflectorClusterID: '224.0.0.1' }, { role: 'rr' }),
    node('rr2', { ipv4Address: '10.0.0.3/24', routeReflectorClusterID: '224.0.0.1' }, { role: 'rr' }),
    node('n1', { ipv4Address: '10.0.0.11/24' }),
    node('n2', { ipv4Address: '10.0.0.12/24' }),
  ],
  pools: [pool('v4', '10.42.0.0/16')],
  bgpConfigurations: [configuration({ nodeToNodeMeshEnabled: false })],
  bgpPeers: [
    peer('reflectors', { nodeSelector: 'all()', peerSelector: "role == 'rr'" }),
    peer('frr', { nodeSelector: "role == 'rr'", peerIP: '10.0.0.1', asNumber: 64512 }),
  ],
}
