// BGPConfiguration: what holds for all nodes. There is one object, called default.

import * as v from 'valibot'
import { asNumber, connectRetryTime, flag, holdTime, integer } from '../fields.ts'
import { defineKind, type Resource } from '../kind.ts'
import { described } from '../schema.ts'

const massWithdrawGuard = v.strictObject({
  percent: v.optional(
    described(
      integer('percent', 1, 100, 'It is a share; 100 holds nothing back.'),
      'More than so many of the peers (Nodes and BGPPeers), pools or blocks are not removed by one list.',
    ),
    50,
  ),
  holdWithdrawals: v.optional(
    described(
      integer('seconds', 0, 3600, 'It is a time; 0 obeys every withdrawal at once.'),
      'Seconds that learned routes stay in force when more than `percent` of those in force are withdrawn within a second, unless their next hops become unreachable.',
    ),
    0,
  ),
})

const spec = v.strictObject({
  asNumber: v.optional(described(asNumber(), 'AS of the nodes that name none.'), 64512),
  nodeToNodeMeshEnabled: v.optional(
    described(flag(), 'Every node that is not a route reflector has a session with every other.'),
    true,
  ),
  listenPort: v.optional(
    described(
      integer('port', 1, 65535, 'It is a TCP port.'),
      'TCP port that the nodes listen on and dial each other at.',
    ),
    179,
  ),
  holdTime: v.optional(
    described(
      holdTime(),
      'A session is given up after this time without a message; keepalives go out every third of it.',
    ),
    90,
  ),
  massWithdrawGuard: v.optional(
    described(
      massWithdrawGuard,
      'When the datastore comes back with most of its records missing, they stay in force until they are back, `margayctl guard accept`, or a second equal list a minute later. Single edits are never held.',
    ),
  ),
  connectRetryTime: v.optional(described(connectRetryTime(), 'Time between attempts to connect.'), 5),
})

export type BGPConfigurationSpec = v.InferOutput<typeof spec>
export type BGPConfigurationResource = Resource<'BGPConfiguration', BGPConfigurationSpec>

const notInShared = {
  why: "It is a setting of one node's process.",
  fix: "Remove it here and set it in the node's margayd.yaml.",
}
const noServices = { why: 'Margay does not announce the addresses of services.' }

export const bgpConfiguration = defineKind({
  kind: 'BGPConfiguration',
  plural: 'bgpconfigurations',
  short: ['bgpconfig', 'bgpconfigs'],
  summary: 'What holds for the BGP of all nodes. There is one object, called `default`.',
  spec,
  onlyName: 'default',
  foreign: {
    keepaliveTime: {
      why: 'Keepalives go out every third of the hold time (RFC 4271 §4.4).',
      fix: 'Set holdTime instead.',
    },
    logSeverityScreen: notInShared,
    bindMode: notInShared,
    ignoredInterfaces: { why: 'Margay announces blocks, not the addresses of interfaces.' },
    serviceClusterIPs: noServices,
    serviceExternalIPs: noServices,
    serviceLoadBalancerIPs: noServices,
    serviceLoadBalancerAggregation: noServices,
    communities: { why: 'Margay does not tag routes with communities from here.' },
    prefixAdvertisements: { why: 'Margay does not tag routes with communities from here.' },
    nodeMeshPassword: { why: 'Margay has no passwords on sessions so far.' },
    nodeMeshMaxRestartTime: { why: 'Margay does not set the restart time by resource.' },
  },
  example: `apiVersion: margay.io/v1
kind: BGPConfiguration
metadata:
  name: default
spec:
  asNumber: 64512
  nodeToNodeMeshEnabled: false
`,
})
