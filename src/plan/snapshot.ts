// What plan looks at: the cluster's resources at one moment.

import type { Handover } from '../model/handover.ts'
import type { TunnelUse } from '../model/tunnel-use.ts'
import type {
  BGPConfigurationResource,
  BGPPeerResource,
  IPAMConfigurationResource,
  IPPoolResource,
  IPReservationResource,
  NodeResource,
} from '../resources/index.ts'

/**
 * Never written to after it was made. Whoever changes one kind makes a new snapshot with a new array for that kind and the
 * same arrays for the others: the planner tells by them which sections to work out again.
 */
export interface Snapshot {
  readonly nodes: readonly NodeResource[]
  readonly pools: readonly IPPoolResource[]
  readonly reservations: readonly IPReservationResource[]
  /** One, called `default`, or none. */
  readonly ipamConfigurations: readonly IPAMConfigurationResource[]
  /** One, called `default`, or none. */
  readonly bgpConfigurations: readonly BGPConfigurationResource[]
  readonly bgpPeers: readonly BGPPeerResource[]
  /** Every block of the cluster and its owner. */
  readonly blocks: readonly OwnedBlock[]
  /** What the nodes say of their tunnels. */
  readonly tunnelUses: readonly TunnelUse[]
  /** What they say of their sessions. */
  readonly handovers: readonly Handover[]
}

export interface OwnedBlock {
  readonly cidr: string
  /** Name of the node. */
  readonly node: string
}

export const emptySnapshot: Snapshot = {
  nodes: [],
  pools: [],
  reservations: [],
  ipamConfigurations: [],
  bgpConfigurations: [],
  bgpPeers: [],
  blocks: [],
  tunnelUses: [],
  handovers: [],
}
