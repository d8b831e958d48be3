// Address families as numbers (RFC 4760 §3, IANA): the only place that knows them.

import type { Family } from '../types.ts'

interface FamilyNumbers {
  readonly family: Family
  readonly afi: number
  readonly safi: number
  /** Bits in an address. */
  readonly bits: 32 | 128
}

export const families: readonly FamilyNumbers[] = [
  { family: 'ipv4-unicast', afi: 1, safi: 1, bits: 32 },
  { family: 'ipv6-unicast', afi: 2, safi: 1, bits: 128 },
]

/** The family of these numbers; undefined if we do not carry it. */
export function familyOf(afi: number, safi: number): Family | undefined {
  for (const row of families) if (row.afi === afi && row.safi === safi) return row.family
  return undefined
}

export function numbersOf(family: Family): FamilyNumbers {
  return family === 'ipv4-unicast' ? families[0] : families[1]
}
