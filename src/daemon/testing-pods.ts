// For tests: IPAM and pods of node n1 as a daemon joins them, over a data plane and stores that the test brings.

import { defaultSysctls } from '../api/sysctls.ts'
import type { Dataplane } from '../dataplane/index.ts'
import type { Datastore, NodeStore } from '../datastore/index.ts'
import { Ipam } from '../ipam/index.ts'
import type { IPPoolResource } from '../resources/index.ts'
import { detailsOf } from '../model/endpoint.ts'
import { createLog } from './log.ts'
import { Pods } from './pods.ts'

export const log = createLog({ level: 'error', format: 'text', write: () => {} })

export interface PodsRoom {
  readonly plane: Dataplane
  readonly datastore: Datastore
  readonly nodeStore: NodeStore
  readonly pools: readonly IPPoolResource[]
  readonly mtu?: number
}

/** IPAM is not loaded, and nothing recovered yet. */
export function podsRoom({ plane, datastore, nodeStore, pools, mtu = 1500 }: PodsRoom) {
  const ipam = new Ipam({
    node: 'n1',
    datastore,
    nodeStore,
    pools: () => pools,
    labels: () => ({}),
    details: owner => detailsOf(plane.endpoints.get(owner)),
  })
  const pods = new Pods({
    ipam,
    endpoints: plane.endpoints,
    nodeStore,
    log,
    families: () => ipam.families(),
    mtu: () => mtu,
    looked: async () => {},
    obstacle: () => undefined,
    pools: () => pools,
    sysctls: () => defaultSysctls,
    peers: () => ({ configured: 0, established: 0 }),
  })
  return { ipam, pods }
}
