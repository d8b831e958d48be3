// The matrix's rows: each encapsulation in each of its modes, for each family, within a subnet and across.

import type { Family, Wrapping } from './kinds.ts'

export interface Case {
  /** Undefined: packets go as they are. */
  readonly wrapping: Wrapping | undefined
  readonly mode: 'Never' | Mode
}

/** When packets are wrapped. */
export type Mode = 'CrossSubnet' | 'Always'

/** Octets of a packet that the lab's cables carry. */
export const wire = 1500

export const families: readonly Family[] = ['ipv4', 'ipv6']
export const places = ['same subnet', 'across'] as const
export type Place = (typeof places)[number]

export const never: Case = { wrapping: undefined, mode: 'Never' }

/**
 * The first is how the lab starts: its pods get the whole MTU of the wire, so that each path's own limit can be met. What encrypts
 * comes next, at once for all packets: the one change from bare packets that may not go back to them.
 */
export const casesOf = (which: readonly Wrapping[]): readonly Case[] => [
  never,
  ...encryptingFirst(which).flatMap(wrapping => modesOf(wrapping).map(mode => ({ wrapping, mode }))),
]

const encryptingFirst = (which: readonly Wrapping[]): readonly Wrapping[] =>
  which.toSorted((a, b) => Number(b.encrypted === true) - Number(a.encrypted === true))

const modesOf = ({ encrypted }: Wrapping): readonly Mode[] =>
  encrypted === true ? ['Always', 'CrossSubnet'] : ['CrossSubnet', 'Always']

/** Whether the case concerns packets of the family. */
export const carries = ({ wrapping }: Case, family: Family): boolean =>
  wrapping === undefined || wrapping.overhead[family] !== undefined

/** What wraps the packets from one node to another; undefined = nothing. */
export const wrappingOf = ({ wrapping, mode }: Case, place: Place): Wrapping | undefined =>
  mode === 'Always' || (mode === 'CrossSubnet' && place === 'across') ? wrapping : undefined
