// What a scenario is: who has sessions with the device, what they have, and what then happens.

import type { Family } from '../../bgp/types.ts'

/** How large a scenario is. */
export interface Size {
  /** Names it in tables: `100,000`. */
  readonly label: string
  /** What the exponent of growth is worked out of. */
  readonly units: number
}

/** How large, for the generator. */
export interface TrafficSize extends Size {
  readonly shape: Shape
}

export interface Shape {
  readonly family: Family
  /** `ebgp`: each peer is an AS of its own. `reflector`: all are clients in the device's AS. */
  readonly kind: 'ebgp' | 'reflector'
  readonly peers: readonly Peer[]
  readonly phases: readonly Phase[]
  /**
   * The device puts what it learns into its kernel, and a phase is over when the kernel has it. Nobody receives; peers have graceful
   * restart and say End-of-RIB.
   */
  readonly kernel?: boolean
  /** All that send have the same prefixes, in as many sets of their own; else each has its own. */
  readonly hasSameTables?: boolean
  /** The device sends every path of a prefix, and the receivers take them (RFC 7911). */
  readonly hasPaths?: boolean
  /** The device has long filters, on the way in and out, that let everything pass. */
  readonly hasFilters?: boolean
  /** Each peer is at a cable of its own. */
  readonly legs?: boolean
  /** Seconds that the peers offer. Default 240. */
  readonly holdTime?: number
}

export interface Peer {
  /** Prefixes that it has, in that many attribute sets; 0: it only receives. */
  readonly prefixes: number
  readonly sets: number
  /** Whether what it is sent is looked at. */
  readonly receives: boolean
  /** The device tells it of nothing; when keepalives come is looked at. */
  readonly isQuiet?: boolean
}

/** Changes that are sent at once; the clock runs until every receiver has what follows. */
export interface Phase {
  /** Names its row; undefined: nobody looks at its time. Several of the same name: a median. */
  readonly row: string | undefined
  readonly changes: readonly Change[]
  /** Before, the device is restarted: what the kernel has stays, the peers dial anew and tell `changes`. Counts kernel writes. */
  readonly restart?: boolean
  /**
   * It lasts that long at least, and its time is that by which the latest keepalive was late; counted is the longest turn of the
   * device's event loop, where the device tells.
   */
  readonly seconds?: number
}

/** A peer announces or withdraws those of its prefixes: `[from, to)` of them. */
export interface Change {
  readonly peer: number
  readonly kind: 'announce' | 'withdraw'
  readonly from: number
  readonly to: number
}

interface Described {
  readonly name: string
  /** One sentence. */
  readonly words: string
  /** By row, of the standard size. */
  readonly targets: Readonly<Record<string, Target>>
  /** What is wanted at other sizes, by their place in `sizes`. */
  readonly targetsAt?: Readonly<Record<number, Readonly<Record<string, Target>>>>
  /** The size that the short set and `targets` are about, by its place in `sizes`. */
  readonly standard: 0 | 1 | 2
  /** Who is measured, by name; default: all devices. */
  readonly contenders?: readonly string[]
  /** What the short set leaves out, which has ten minutes for all. */
  readonly short?: {
    /** The others beside Margay: who was the fastest whenever all were measured. Default: all but the slow ones. */
    readonly others?: readonly string[]
    /** No smaller sizes where all scenarios share the ten minutes: they last as long. */
    readonly isOneSize?: true
  }
  /** By row: the power of the size with which it should grow, where that is known beforehand. */
  readonly theory?: Readonly<Record<string, Growth>>
}

/** Powers of the size: of processor time, of memory and of what is counted. */
export interface Growth {
  readonly cpu: number
  readonly memory: number
  readonly count: number
}

/** Messages of BGP through a device, by the generator. */
export interface TrafficScenario extends Described {
  /** From small to large. */
  readonly sizes: readonly [TrafficSize, TrafficSize, TrafficSize]
}

/** Something else, which measures itself. */
export interface OwnScenario extends Described {
  readonly sizes: readonly [Size, Size, Size]
  readonly rows: readonly string[]
  readonly contenders: readonly string[]
  /** Throws an Error in words if something is not as it has to be. */
  run(size: number, contender: string, options: RunOptions): Promise<readonly Measured[]>
}

export interface RunOptions {
  /** Seconds a phase. */
  readonly limit: number
  /** Everything is measured, however long it takes. */
  readonly full: boolean
}

export type Scenario = TrafficScenario | OwnScenario

export interface Measured {
  readonly row: string
  /** Seconds. */
  readonly wall: number
  /** Seconds of processor time of what is measured. */
  readonly cpu: number
  /** MB at the peak so far, of all its processes. */
  readonly memory: number
  /** Seconds of the generator's process, and octets that it received. */
  readonly generator?: number
  readonly octets?: number
  /** What the row counts, if it counts something; and what that has to be at least. */
  readonly count?: number
  readonly theory?: number
}

/** At most. */
export interface Target {
  /** So many times what the fastest other needs, of time and of processor time. */
  readonly wall?: number
  readonly cpu?: number
  /** MB. */
  readonly memory?: number
  /** MB more than BIRD takes. */
  readonly overBird?: number
  readonly seconds?: number
  readonly count?: number
  /** What is counted, behind the number: `ms`. */
  readonly counts?: string
  /** The share by which what is counted is more than it has to be. */
  readonly overTheory?: number
}

/** The rows of a scenario, in their order. */
export function rowsOf(scenario: Scenario): readonly string[] {
  if ('rows' in scenario) return scenario.rows
  return [...new Set(scenario.sizes.flatMap(({ shape }) => shape.phases.flatMap(({ row }) => row ?? [])))]
}

/** One peer has a table, in that many attribute sets, and others receive it. */
export function oneToMany(prefixes: number, receivers: number, sets = prefixes * 0.15): readonly Peer[] {
  const receiver = { prefixes: 0, sets: 0, receives: true }
  return [{ prefixes, sets, receives: false }, ...Array.from({ length: receivers }, () => receiver)]
}

/** A table of so many prefixes, by IPv4 and eBGP unless said otherwise. */
export function tableOf(
  prefixes: number,
  shape: Omit<Shape, 'family' | 'kind'> & Partial<Pick<Shape, 'family' | 'kind'>>,
): TrafficSize {
  return { label: thousands(prefixes), units: prefixes, shape: { family: 'ipv4-unicast', kind: 'ebgp', ...shape } }
}

/** The whole of what a peer has. */
export function all(peers: readonly Peer[], kind: Change['kind']): Change[] {
  return peers.flatMap(({ prefixes }, peer) => (prefixes > 0 ? [{ peer, kind, from: 0, to: prefixes }] : []))
}

export const thousands = (value: number): string => value.toLocaleString('en-US')
