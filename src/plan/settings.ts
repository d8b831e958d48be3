// What the BGPConfiguration says, or its defaults where there is none.

import type { BGPConfigurationResource } from '../resources/index.ts'

export interface BgpSettings {
  readonly asNumber: number
  readonly mesh: boolean
  readonly listenPort: number
  /** Seconds. */
  readonly holdTime: number
  /** Seconds. */
  readonly connectRetry: number
  /** Share of the records of one sort that a complete list of the datastore may remove at once. */
  readonly guardPercent: number
  /** Seconds that learned routes stay when that share of them is withdrawn at once; 0: they go. */
  readonly holdWithdrawals: number
}

const defaults: BgpSettings = {
  asNumber: 64512,
  mesh: true,
  listenPort: 179,
  holdTime: 90,
  connectRetry: 5,
  guardPercent: 50,
  holdWithdrawals: 0,
}

export function bgpSettings(configurations: readonly BGPConfigurationResource[]): BgpSettings {
  const spec = configurations.find(each => each.metadata.name === 'default')?.spec
  if (!spec) return defaults
  return {
    asNumber: spec.asNumber,
    mesh: spec.nodeToNodeMeshEnabled,
    listenPort: spec.listenPort,
    holdTime: spec.holdTime,
    connectRetry: spec.connectRetryTime,
    guardPercent: spec.massWithdrawGuard?.percent ?? defaults.guardPercent,
    holdWithdrawals: spec.massWithdrawGuard?.holdWithdrawals ?? defaults.holdWithdrawals,
  }
}
