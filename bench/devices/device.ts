// What every device under test can do.

import type { Family } from '../../bgp/types.ts'
import type { Host } from '../../integration/interop/kit/lan.ts'

export interface DevicePlan {
  readonly asn: number
  readonly routerId: string
  /** Its end of the sessions. */
  readonly local: string
  readonly family: Family
  /** `ebgp`: it is the next hop of all it passes on. `reflector`: all neighbours are its clients, and it leaves next hops alone. */
  readonly kind: 'ebgp' | 'reflector'
  /** What it learns goes into the kernel. */
  readonly kernel: boolean
  /** A folder for a profile of its processor time, of a device that can make one. */
  readonly profile?: string
  /** Sends every path of a prefix (RFC 7911). */
  readonly hasPaths?: boolean
  /** `filter` is gone through, on the way in and out. */
  readonly hasFilters?: boolean
  /** Seconds. Default 240. */
  readonly holdTime?: number
  /** `longestTurn` will be asked. */
  readonly turns?: boolean
  /** Each neighbour is at a cable of its own, and its own address is on its loopback. */
  readonly legs?: boolean
  /** They dial `local`. */
  readonly neighbours: readonly Neighbour[]
}

export interface Neighbour {
  readonly address: string
  readonly asn: number
  readonly local: string
  /** It is told of nothing. */
  readonly isQuiet?: boolean
}

export interface Device {
  readonly name: string
  readonly title: string
  /** As it says itself, `2.0.12`. */
  version(): string
  /** Starts it in a namespace of its own; whoever dials finds out when it is there. */
  start(host: Host, plan: DevicePlan): Promise<void> | void
  /** Milliseconds of its longest turn of the event loop since this was last asked. */
  longestTurn?(host: Host): Promise<number>
  /**
   * Whether it has taken in all that its neighbours have told, at least `routes` where its own word does not mean that, and the kernel has
   * what follows.
   */
  isSettled?(host: Host, routes: number): Promise<boolean>
  /** Ends it so that the kernel keeps its routes; resolves when it has ended. */
  stop?(host: Host): Promise<void>
  /** Starts it anew, with the files that are there. */
  restart?(host: Host): void
}
