// The kinds of resources: schema, defaults, validation, selectors, YAML. No I/O.
//
// To add a field, go to its kind's file in kinds/. To add a kind, write such a file and add it to the table below.

import type { InferOutput } from 'valibot'
import type { Resource } from './kind.ts'
import { bgpConfiguration } from './kinds/bgp-configuration.ts'
import { bgpPeer } from './kinds/bgp-peer.ts'
import { ipPool } from './kinds/ip-pool.ts'
import { node } from './kinds/node.ts'

export const kinds = { Node: node, IPPool: ipPool, BGPConfiguration: bgpConfiguration, BGPPeer: bgpPeer } as const

export type Kind = keyof typeof kinds
export type ResourceOf<K extends Kind> = Resource<K, InferOutput<(typeof kinds)[K]['spec']>>
export type AnyResource = { [K in Kind]: ResourceOf<K> }[Kind]

export * from './kind.ts'
export type { BGPConfigurationResource, BGPConfigurationSpec } from './kinds/bgp-configuration.ts'
export type { BGPPeerResource, BGPPeerSpec } from './kinds/bgp-peer.ts'
export type { IPPoolResource, IPPoolSpec } from './kinds/ip-pool.ts'
export type { NodeResource, NodeSpec } from './kinds/node.ts'
export { splitAddressAndPort } from './fields.ts'
export { formatProblem, type Place, type Problem } from './problem.ts'
export { type Labels, matches, parseSelector, type ParsedSelector, type Selector, selects } from './selector.ts'
