// What the cluster wants of IPAM, read from its IPAMConfiguration and its IPReservations.

import { parsePrefix, type Prefix } from '../../inet/index.ts'
import type { IPAMConfigurationResource, IPReservationResource } from '../resources/index.ts'
import { kinds } from '../resources/index.ts'

export interface IpamSettings {
  /** Of each family; 0: no limit. */
  readonly maxBlocks: number
  /** Milliseconds that an address rests after its release. */
  readonly cooldown: number
  /** Milliseconds after which an empty block goes back. */
  readonly freeEmptyAfter: number
  /** Blocks with a free address that a node keeps of each pool. */
  readonly keepBlocks: number
  /** Given only by name. */
  readonly reserved: readonly Prefix[]
}

const { entries } = kinds.IPAMConfiguration.spec

/** Without an IPAMConfiguration the defaults hold. */
export function ipamSettings(
  configurations: readonly IPAMConfigurationResource[],
  reservations: readonly IPReservationResource[],
): IpamSettings {
  const spec = configurations[0]?.spec
  return {
    maxBlocks: spec?.maxBlocksPerHost ?? entries.maxBlocksPerHost.default,
    cooldown: 1_000 * (spec?.ipCooldownSeconds ?? entries.ipCooldownSeconds.default),
    freeEmptyAfter: 1_000 * (spec?.freeEmptyBlocksAfter ?? entries.freeEmptyBlocksAfter.default),
    keepBlocks: spec?.keepBlocks ?? entries.keepBlocks.default,
    reserved: reservations.flatMap(({ spec: { reservedCIDRs } }) =>
      reservedCIDRs.flatMap(text => parsePrefix(text) ?? []),
    ),
  }
}
