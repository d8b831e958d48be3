// One address family, whole: its RIB and its update groups, tied together.

import { STEP } from '../tables/columns.ts'
import { LocRib } from '../rib/loc-rib.ts'
import type { Rib } from '../rib/port.ts'
import { FamilyRib } from '../rib/rib.ts'
import type { Family } from '../types.ts'
import type { Limits } from './group.ts'
import { GroupTables } from './outbound.ts'
import type { Outbound } from './port.ts'

export interface FamilyOptions {
  readonly family: Family
  /** Seeds the hashes, so that a peer cannot choose prefixes or attributes that collide (any 32-bit number). */
  readonly seed: number
  readonly asn: number
  /** 4 octets as an unsigned number; breaks ties between our own routes and is the ORIGINATOR_ID of none. */
  readonly routerId: number
  /** Goes in front of CLUSTER_LIST on reflection (RFC 4456). */
  readonly clusterId: number
  /** Address space is reserved for this many prefixes; more still fit, by copying. Default 16 M. */
  readonly maxPrefixes?: number
  /** For tests: see `Limits`. */
  readonly limits?: Partial<Limits>
}

const DEFAULT_LIMITS: Limits = { lead: 1 << 20, ring: 8 << 20, slice: 4096, flushes: 0xfffffff0 }

/** How full the tables are. */
export interface Usage {
  readonly prefixes: number
  readonly paths: number
  readonly attributeSets: number
  /** Octets that attribute sets take, freed ones that are not won back yet included. */
  readonly attributeOctets: number
}

/** Makes the tables of a family: empty, with no peer. */
export function createFamily(options: FamilyOptions): { rib: Rib; out: Outbound; usage: () => Usage } {
  const { family, seed, clusterId, maxPrefixes = 16 << 20, limits } = options
  const reserve = Math.ceil(maxPrefixes / STEP) * STEP
  const tables = new LocRib(family === 'ipv4-unicast' ? 32 : 128, seed, reserve)
  const groups = new GroupTables(tables, family, clusterId, { ...DEFAULT_LIMITS, ...limits }, reserve)
  const usage = (): Usage => ({
    prefixes: tables.prefixes.size,
    paths: tables.paths.size,
    attributeSets: tables.sets.size,
    attributeOctets: tables.sets.arenaUsed,
  })
  return { rib: new FamilyRib(family, tables, groups, reserve), out: groups, usage }
}
