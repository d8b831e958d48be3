// The configuration of a speaker, and what can be wrong with it.

import type { Family } from './ids.ts'
import type { PeerConfig } from './peer-config.ts'

/** The whole configuration, declarative: the engine diffs it against the one in force. */
export interface SpeakerConfig {
  readonly asn: number
  /** Dotted quad, not 0.0.0.0 (RFC 6286). */
  readonly routerId: string
  /** Dotted quad; set on a route reflector (RFC 4456). Default: the router id. */
  readonly clusterId?: string
  /**
   * A route reflector tells its clients of each other's routes (RFC 4456 §6). False where they tell each other, fully meshed:
   * a client's route then goes to non-clients and other ASes only. Default true. Takes effect without a new session.
   */
  readonly clientToClient?: boolean
  /** TCP port to listen on; 0 = do not listen. Default 179. */
  readonly listenPort?: number
  /** Addresses to listen on; default: all. */
  readonly listenAddresses?: readonly string[]
  /** We are a member AS, `asn`, of this confederation (RFC 5065). */
  readonly confederation?: Confederation
  readonly gracefulRestart?: GracefulRestart
  /** Told to every peer for display (FQDN capability), up to 64 octets of UTF-8. Default: not told. */
  readonly hostname?: string
  /** Goes with `hostname`. */
  readonly domainName?: string
  /** Told to every peer for display (software version capability), up to 64 octets of UTF-8. Default: not told. */
  readonly softwareVersion?: string
  readonly decision?: DecisionOptions
  /** The whole speaker is about to go: as if every peer had `gracefulShutdown`, except where it says `false`. */
  readonly gracefulShutdown?: boolean
  /** Key: a stable name, not the address. */
  readonly peers: ReadonlyMap<string, PeerConfig>
  /** Peers that need not be known beforehand: whoever connects from inside these prefixes. */
  readonly dynamic?: readonly ListenRange[]
}

/**
 * A confederation: several ASes that are one AS, `identifier`, to the outside. A peer in one of `members` is told paths as
 * inside an AS, LOCAL_PREF and MED included; every other peer that is not in `asn` knows us by `identifier`. A change
 * renews the sessions that it concerns, and no other.
 */
export interface Confederation {
  readonly identifier: number
  /** The AS numbers of the other members; ours may be among them. */
  readonly members: readonly number[]
}

/**
 * A connection from inside the prefix makes a peer, named `NAME/ADDRESS`, unless a peer of `peers` has that address; of
 * ranges that hold it the most specific one counts. The peer never dials. It is forgotten, with its status, a minute or so
 * after its last session has ended and its routes, if it restarts (RFC 4724), are kept no longer.
 */
export interface ListenRange {
  readonly name: string
  readonly prefix: string
  /** Peers at a time; beyond it the oldest without an OPEN gives way. Default 100. A lower one ends no session. */
  readonly limit?: number
  /** What its peers have in common. `secret` and `tcpAo` hold for the whole prefix. */
  readonly template: PeerTemplate
}

export type PeerTemplate = Omit<
  PeerConfig,
  'address' | 'interface' | 'port' | 'localAddress' | 'passive' | 'connectRetry'
>

/**
 * How the best path is chosen where RFC 4271 leaves a choice. MED is always compared among all paths of one neighbouring
 * AS, never in order of arrival ("deterministic MED"). A change takes effect at once, on every prefix.
 */
export interface DecisionOptions {
  /** Compare MED of paths from different neighbouring ASes too. Default false. */
  readonly alwaysCompareMed?: boolean
  /** What a path without MED counts as. Default `lowest` (RFC 4271 §9.1.2.2 c). */
  readonly missingMed?: 'lowest' | 'highest'
  /** Keep the best path, if an eBGP peer sent it, where only router ids would tell (RFC 5004). Default false. */
  readonly preferOldest?: boolean
  /**
   * Which paths share the load with the best one, all else up to the IGP metric being equal: `relaxed`: AS paths of equal
   * length; `equal`: the very same AS path; `off`: none. Default `relaxed`.
   */
  readonly multipath?: 'relaxed' | 'equal' | 'off'
}

/**
 * RFC 4724, RFC 8538. With it the capability is announced, N bit included, and routes of peers that restart are kept for
 * them; `restarting` and `forwarding` hold for the first OPEN after start.
 */
export interface GracefulRestart {
  /** Seconds, 0–4095. */
  readonly restartTime: number
  /** We come up after a restart: set the R bit. */
  readonly restarting?: boolean
  /** The kernel kept our routes: set the F bit of every family. */
  readonly forwarding?: boolean
  /**
   * Seconds, 0–16777215, for which peers shall keep our routes after `restartTime`, as a last resort (RFC 9494), of every
   * family or by family. With it the capability is announced, and routes of peers that ask for the same are kept for them.
   */
  readonly longLived?: number | { readonly [F in Family]?: number }
}

/** What is wrong with a configuration. None of it is in force if there is one. */
export interface ConfigIssue {
  readonly peer?: string
  readonly field: string
  readonly value: unknown
  readonly reason: string
  readonly fix: string
}
