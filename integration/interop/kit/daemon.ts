// What a daemon of the matrix is asked for, in words that all of them share. An adapter in `daemons/` turns it into the daemon's
// own configuration and commands, and what the daemon shows back into these words.

import type { Family } from '../../../bgp/types.ts'
import type { FeatureName } from '../features/index.ts'
import type { Cell } from './cell.ts'
import type { Host } from './lan.ts'

/** A route that the daemon originates. Without a RIB it may have several to one prefix, for ADD-PATH. */
export interface Route {
  readonly prefix: string
  /** `65002:20`. */
  readonly communities?: readonly string[]
  /** `65002:1:4000000000`. */
  readonly largeCommunities?: readonly string[]
  readonly med?: number
  /** ASes behind its own: its own once more, or the neighbour's. */
  readonly path?: readonly number[]
}

/** How the daemon shall see one neighbour. What is absent is off. */
export interface Neighbour {
  readonly address: string
  readonly asn: number
  /** The daemon's end of the session. */
  readonly local: string
  readonly families: readonly Family[]
  /** It accepts only. */
  readonly passive?: boolean
  /** Any neighbour in this range, instead of `address`; it accepts only. */
  readonly range?: string
  readonly secret?: string
  /** GTSM, one link away. */
  readonly ttlSecurity?: boolean
  /** It does not announce 4-octet AS numbers. */
  readonly twoOctetAs?: boolean
  readonly reflectorClient?: boolean
  /** It is sent what the daemon has learned, too. */
  readonly transit?: boolean
  /** Prefixes that it takes of each family; one more ends the session. */
  readonly prefixLimit?: number
  readonly extendedMessages?: boolean
  readonly extendedNextHop?: boolean
  readonly addPath?: 'send' | 'receive'
  /** What the daemon is to the neighbour (RFC 9234). */
  readonly role?: 'provider' | 'customer' | 'peer' | 'rs-server' | 'rs-client'
}

export interface Plan {
  readonly asn: number
  readonly routerId: string
  readonly routes: readonly Route[]
  readonly neighbours: readonly Neighbour[]
  /** Graceful restart, with seconds that its neighbours keep routes; `longLived`: and seconds of long-lived staleness. */
  readonly gracefulRestart?: { readonly restartTime: number; readonly longLived?: number }
}

/** A route that the daemon has learned, as it shows it. What it does not show is absent. */
export interface SeenRoute {
  readonly prefix: string
  readonly nextHop: string
  /** `65001 65002`. */
  readonly asPath: string
  readonly origin?: 'igp' | 'egp' | 'incomplete'
  readonly localPref?: number
  readonly med?: number
  /** `65001:20`, well-known ones too. */
  readonly communities: readonly string[]
  readonly largeCommunities: readonly string[]
  readonly originatorId?: string
  readonly clusterList?: readonly string[]
  /** AS number of OTC (RFC 9234). */
  readonly otc?: number
}

export interface Session {
  readonly established: boolean
  /** Everything that it says about the session: for words, such as of the last NOTIFICATION. */
  readonly text: string
}

export interface RunningDaemon {
  session(neighbour: Neighbour): Promise<Session>
  /** Routes learned from neighbours, those of both families; with ADD-PATH each path. */
  routes(): Promise<readonly SeenRoute[]>
  /** The whole list of its own routes, in the place of the one before. */
  originate(routes: readonly Route[]): Promise<void>
  /** Asks the neighbour for all of its routes again (RFC 2918). */
  refresh(neighbour: Neighbour): Promise<void>
  /** Ends the session for good, with words for the neighbour (RFC 9003). */
  shutdown(neighbour: Neighbour, words: string): Promise<void>
  /** It dies at once. */
  kill(): Promise<void>
  /** It comes back after `kill`, as one that restarts and has kept its forwarding state. */
  restart(routes?: readonly Route[]): Promise<void>
}

/** Why a daemon has no test of a feature, and how that is known. What can be proved is proved again by each run. */
export interface Lack {
  readonly reason: string
  /** The code of a capability that its OPEN does not have. */
  readonly capability?: number
  /** True if it still lacks it. */
  readonly proof?: (cell: Cell) => Promise<boolean>
}

export interface Daemon {
  /** Names its column and its files. */
  readonly name: string
  readonly title: string
  /** As it says itself, `2.0.12`. */
  version(): string
  /** It keeps routes and passes them on. Default true. */
  readonly hasRib?: boolean
  readonly lacks: { readonly [F in FeatureName]?: Lack }
  /** Seconds that it may take to come up, dial and exchange routes. Default 30. */
  readonly patience?: number
  start(host: Host, plan: Plan): Promise<RunningDaemon>
}
