// The path attributes that this speaker knows: the only list. One row here and one small file in attributes/ add one.
//
// Whatever walks attributes takes them from this table by code and knows none by name, except the UPDATE decoder, which
// needs the envelope. An attribute without a row is unknown: carried on if transitive, dropped if not (RFC 4271 §5).

import type { AttributeType } from './attribute.ts'
import { aggregator, atomicAggregate } from './attributes/aggregate.ts'
import { aigp } from './attributes/aigp.ts'
import { asPath } from './attributes/as-path.ts'
import { communities } from './attributes/communities.ts'
import { as4Aggregator, as4Path, mpReach, mpUnreach, nextHop } from './attributes/envelope.ts'
import { extendedCommunities } from './attributes/extended-communities.ts'
import { largeCommunities } from './attributes/large-communities.ts'
import { localPref, med } from './attributes/numbers.ts'
import { onlyToCustomer } from './attributes/only-to-customer.ts'
import { origin } from './attributes/origin.ts'
import { clusterList, originatorId } from './attributes/reflection.ts'

export const attributeTypes = [
  origin,
  asPath,
  nextHop,
  med,
  localPref,
  atomicAggregate,
  aggregator,
  communities,
  originatorId,
  clusterList,
  mpReach,
  mpUnreach,
  extendedCommunities,
  as4Path,
  as4Aggregator,
  aigp,
  largeCommunities,
  onlyToCustomer,
] as const

const byCode: (AttributeType | undefined)[] = Array.from({ length: 256 }, () => undefined)
for (const type of attributeTypes) byCode[type.code] = type

/** The row of an attribute code; undefined if it is unknown. */
export function attributeType(code: number): AttributeType | undefined {
  return byCode[code]
}

export * from './attribute.ts'
export * from './attributes/aggregate.ts'
export * from './attributes/aigp.ts'
export * from './attributes/as-path.ts'
export * from './attributes/communities.ts'
export * from './attributes/extended-communities.ts'
export * from './attributes/large-communities.ts'
export * from './attributes/numbers.ts'
export * from './attributes/only-to-customer.ts'
export * from './attributes/origin.ts'
export * from './attributes/reflection.ts'
export { as4Aggregator, as4Path, mpReach, mpUnreach, nextHop } from './attributes/envelope.ts'
