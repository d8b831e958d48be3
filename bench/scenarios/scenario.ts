// What a scenario is: who has sessions with the device, what they have, and what then happens.

import type { Family } from '../../bgp/types.ts'

/** How large a scenario is. */
export interface Size {
  /** Names it in tables: `100,000`. */
  readonly label: string
  /** What the exponent of growth is worked out of. */
  readonly units: number
  readonly shape: Shape
}

export interface Shape {
  readonly family: Family
  /** `ebgp`: each peer is an AS of its own. `reflector`: all are clients in the device's AS. */
  readonly kind: 'ebgp' | 'reflector'
  readonly peers: readonly Peer[]
  readonly phases: readonly Phase[]
}

export interface Peer {
  /** Prefixes that it has, in that many attribute sets; 0: it only receives. */
  readonly prefixes: number
  readonly sets: number
  /** Whether what it is sent is looked at. */
  readonly receives: boolean
}

/** Changes that are sent at once; the clock runs until every receiver has what follows. */
export interface Phase {
  /** Names its row; undefined: nobody looks at its time. Several of the same name: a median. */
  readonly row: string | undefined
  readonly changes: readonly Change[]
}

/** A peer announces or withdraws those of its prefixes: `[from, to)` of them. */
export interface Change {
  readonly peer: number
  readonly kind: 'announce' | 'withdraw'
  readonly from: number
  readonly to: number
}

export interface Scenario {
  readonly name: string
  /** One sentence. */
  readonly words: string
  /** At most so many times what the fastest other router needs, by row. */
  readonly targets: Readonly<Record<string, Target>>
  /** From small to large. */
  readonly sizes: readonly [Size, Size, Size]
  /** The size that the short set and the targets are about, by its place in `sizes`. */
  readonly standard: 0 | 1 | 2
  /** Rows that come from a device by name, and why it is not tried. */
  readonly without?: Readonly<Record<string, string>>
}

export interface Target {
  readonly wall: number
  readonly cpu?: number
  /** MB at most. */
  readonly memory?: number
}

/** One peer has a table, in that many attribute sets, and others receive it. */
export function oneToMany(prefixes: number, receivers: number, sets = prefixes * 0.15): readonly Peer[] {
  const receiver = { prefixes: 0, sets: 0, receives: true }
  return [{ prefixes, sets, receives: false }, ...Array.from({ length: receivers }, () => receiver)]
}

/** The whole of what a peer has. */
export function all(peers: readonly Peer[], kind: Change['kind']): Change[] {
  return peers.flatMap(({ prefixes }, peer) => (prefixes > 0 ? [{ peer, kind, from: 0, to: prefixes }] : []))
}

export const thousands = (value: number): string => value.toLocaleString('en-US')
