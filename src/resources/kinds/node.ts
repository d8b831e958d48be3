// Node: a machine that runs pods, how the others reach it, and its part in BGP.

import * as v from 'valibot'
import { asNumber, choice, dottedQuad, interfaceAddress, wireguardKey } from '../fields.ts'
import { defineKind, type Resource } from '../kind.ts'
import { described } from '../schema.ts'

const bgp = v.strictObject({
  asNumber: v.optional(described(asNumber(), "The node's AS. Absent: `asNumber` of the BGPConfiguration.")),
  ipv4Address: v.optional(
    described(
      interfaceAddress(4),
      'Where the other nodes and routers reach this node: source and next hop of its sessions. The node may [find it itself](node-address.md).',
    ),
  ),
  ipv6Address: v.optional(described(interfaceAddress(6), 'The same for IPv6.')),
  routeReflectorClusterID: v.optional(
    described(
      dottedQuad('cluster id'),
      'Makes the node a route reflector (RFC 4456) of that cluster; it leaves the node-to-node mesh.',
    ),
  ),
})

const wireguard = v.strictObject({
  publicKey: described(
    wireguardKey(),
    'Of its private key, which never leaves the node. The daemon writes it; a file that is applied may leave it out.',
  ),
})

const spec = v.strictObject({
  bgp: v.optional(described(bgp, 'Absent: the node takes no part in BGP.')),
  wireguard: v.optional(
    described(wireguard, 'Written by the daemon of a node with pools that have a `wireguardMode`.'),
  ),
  drain: v.optional(
    described(
      choice('WaitForPods', 'Now'),
      'The node takes no new pods, and peers are told to take other ways (RFC 8326). Its blocks are withdrawn when their last pod has ended, or (`Now`) soon. `margayctl node drain` sets it.',
    ),
  ),
})

export type NodeSpec = v.InferOutput<typeof spec>
export type NodeResource = Resource<'Node', NodeSpec>

const tunnels = { why: 'The daemon takes the address of a tunnel from its own blocks; margayctl ipam show has it.' }

export const node = defineKind({
  kind: 'Node',
  plural: 'nodes',
  short: ['no'],
  summary: 'A machine that runs pods: how the other nodes reach it, and its part in BGP.',
  spec,
  foreign: {
    'bgp.ipv4IPIPTunnelAddr': tunnels,
    ipv4VXLANTunnelAddr: tunnels,
    ipv6VXLANTunnelAddr: tunnels,
    vxlanTunnelMACAddr: tunnels,
    vxlanTunnelMACAddrV6: tunnels,
    'wireguard.interfaceIPv4Address': tunnels,
    'wireguard.interfaceIPv6Address': tunnels,
    addresses: { why: 'Margay reads the addresses of a node from its kernel.' },
    orchRefs: { why: 'Margay finds a node by its name, which must be the one that the orchestrator uses.' },
  },
  example: `apiVersion: margay.io/v1
kind: Node
metadata:
  name: rack1-n1
  labels: { rack: r1 }
spec:
  bgp:
    asNumber: 65001
    ipv4Address: 10.0.1.11/24
    ipv6Address: fd00:0:1::11/64
`,
})
