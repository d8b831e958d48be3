// What IPAM takes and gives. Types only.

import type { IpFamily } from '../../inet/index.ts'
import type { Datastore } from '../datastore/contract.ts'
import type { NodeStore } from '../datastore/node-store.ts'
import type { EndpointDetails } from '../model/endpoint.ts'
import type { IPPoolResource, Labels, PoolUse } from '../resources/index.ts'
import type { AddressRow, Owner } from './records.ts'
import type { IpamSettings } from './settings.ts'

export interface IpamOptions {
  readonly node: string
  readonly datastore: Datastore
  readonly nodeStore: NodeStore
  /** The cluster's pools as they are now. */
  readonly pools: () => readonly IPPoolResource[]
  /** This node's labels as they are now. */
  readonly labels: () => Labels
  /** As they are now. Default: no limits, no reservations. */
  readonly settings?: () => IpamSettings
  /** What of an owner's attachment is noted in the copies; undefined: nothing is known. Default: nothing is. */
  readonly details?: (owner: Owner) => EndpointDetails | undefined
  readonly now?: () => Date
  /** Default: the real one. */
  readonly timer?: Timer
  /** Milliseconds that `assign` waits for what other nodes are asked for; 0: it asks and fails. Default: none is asked. */
  readonly patience?: number
  /** Is told, once, what an operator should know: sentences with the next step. */
  readonly warn?: (text: string) => void
  /**
   * The blocks of the cluster as they were last heard of; undefined: no block is claimed before it is needed, now. Default: none ever is
   * (ahead.ts).
   */
  readonly ahead?: () => readonly { readonly cidr: string }[] | undefined
}

/** Calls `look` in so many milliseconds, unless it is cancelled by what comes back. */
export type Timer = (ms: number, look: () => void) => () => void

export interface AssignRequest extends Owner {
  /** One address of each, or none at all. */
  readonly families: readonly IpFamily[]
  /** Addresses asked for by name, at most one a family. */
  readonly requested?: readonly string[]
  readonly label?: string
  /** What it is for; default: Workload. */
  readonly use?: PoolUse
  /** Name of the pod's namespace, for pools with a namespaceSelector. */
  readonly namespace?: string
  /** Only from these pools, by name or CIDR, in this order. Default: any that is for the node. */
  readonly pools?: readonly string[]
}

export interface AssignedAddress {
  readonly family: IpFamily
  /** Without length; a pod has it as /32 or /128. */
  readonly address: string
  /** The block it is from, `10.42.0.64/26`. */
  readonly block: string
  readonly pool: string
}

export interface Assigned {
  readonly addresses: readonly AssignedAddress[]
  /** The owner had them before: it asked again. */
  readonly repeated: boolean
}

/** An address that was found in use: a pod's route, an address in a live namespace. */
export interface AddressInUse {
  readonly address: string
  readonly owner?: Owner
  /** Whether what was found may be this owner's. Absent: anybody's. */
  readonly mayBeOf?: (owner: Owner) => boolean
}

export interface OwnBlock {
  readonly cidr: string
  readonly pool: string
  /** Addresses. */
  readonly size: number
  readonly used: number
}

export interface IpamSnapshot {
  readonly node: string
  readonly blocks: readonly OwnBlock[]
  /** `block` is empty for an address outside the own blocks. */
  readonly addresses: readonly (AddressRow & { readonly address: string; readonly block: string })[]
  /** Sentences: what is wrong, and the next step. */
  readonly problems: readonly string[]
}
