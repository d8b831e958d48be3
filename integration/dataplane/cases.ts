// The matrix's rows: each encapsulation in each of its modes, for each family, within a subnet and across.

export type Family = 'ipv4' | 'ipv6'

/** What wraps packets, as the packets' outer headers show it. */
export interface Wrapping {
  /** As the table names it. */
  readonly title: string
  /** The pool's field that turns it on. */
  readonly field: string
  /** Octets that the outer headers take, by the family of the packets inside; absent = it does not carry them. */
  readonly overhead: Readonly<Partial<Record<Family, number>>>
  readonly device: (family: Family) => string
  /** Outer packets, as tcpdump filters them and as it prints them. */
  readonly filter: (family: Family) => string
  readonly outer: RegExp
  /** The type of its device, for `ip link add`; the kernel is asked whether it has it. */
  readonly linkType: string
}

export interface Case {
  /** Undefined: packets go as they are. */
  readonly wrapping: Wrapping | undefined
  readonly mode: 'Never' | 'CrossSubnet' | 'Always'
}

export const vxlan: Wrapping = {
  title: 'VXLAN',
  field: 'vxlanMode',
  overhead: { ipv4: 50, ipv6: 70 },
  device: family => `margay-vxlan${family === 'ipv4' ? 4 : 6}`,
  filter: family => `${family === 'ipv4' ? 'ip' : 'ip6'} and udp port 4789`,
  outer: /VXLAN, flags \[I\]/,
  linkType: 'vxlan',
}

export const wrappings: readonly Wrapping[] = [vxlan]

export const families: readonly Family[] = ['ipv4', 'ipv6']
export const places = ['same subnet', 'across'] as const
export type Place = (typeof places)[number]

export const never: Case = { wrapping: undefined, mode: 'Never' }

/** The first is how the lab starts: its pods get the whole MTU of the wire, so that each path's own limit can be met. */
export const casesOf = (which: readonly Wrapping[]): readonly Case[] => [
  never,
  ...which.flatMap(wrapping => [{ wrapping, mode: 'CrossSubnet' } as const, { wrapping, mode: 'Always' } as const]),
]

/** Whether the case concerns packets of the family. */
export const carries = ({ wrapping }: Case, family: Family): boolean =>
  wrapping === undefined || wrapping.overhead[family] !== undefined

/** What wraps the packets from one node to another; undefined = nothing. */
export const wrappingOf = ({ wrapping, mode }: Case, place: Place): Wrapping | undefined =>
  mode === 'Always' || (mode === 'CrossSubnet' && place === 'across') ? wrapping : undefined
