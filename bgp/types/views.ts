// The RIB as a user reads it.

import type { PrefixKey } from '../../inet/index.ts'

/** One path of one prefix, read out of the columns. */
export interface PathView {
  prefix: string
  /** Peer name; `local` for our own originations. */
  peer: string
  /**
   * The path identifier (RFC 7911) that its peer gave it; in an Adj-RIB-Out the one that we gave it. Undefined where the
   * session has none.
   */
  pathId: number | undefined
  nextHop: string
  /** AS path as text: `65001 65002 {65003 65004}`; of a confederation `(65001 65002)` and `[65001 65002]`. */
  asPath: string
  origin: 'igp' | 'egp' | 'incomplete'
  localPref: number | undefined
  med: number | undefined
  /** Standard ones, `65001:20`. */
  communities: readonly string[]
  /** `65001:1:2`. */
  largeCommunities: readonly string[]
  /** `rt:65001:20`, `ro:65001:20`, others as `0x` and 16 hex digits. */
  extendedCommunities: readonly string[]
  originatorId: string | undefined
  clusterList: readonly string[]
  /** Only to Customer (RFC 9234): the AS after which the route goes to customers only. */
  onlyToCustomer: number | undefined
  best: boolean
  /** Equal to the best path in every step up to the IGP metric, so used for ECMP beside it. */
  multipath: boolean
  /**
   * The peer has not announced it again yet: `restart`: it is kept while the peer restarts (RFC 4724), `long-lived`: and that
   * lasts long, so every other path is preferred (RFC 9494); `refresh`: the peer sends its routes again (RFC 7313).
   */
  stale: false | 'restart' | 'long-lived' | 'refresh'
  /** Why it is not best: the step that lost, or the policy rule or check that rejected it. */
  reason: string | undefined
}

/** Why the routes to a prefix are as they are. */
export interface PrefixExplanation {
  readonly prefix: string
  /** Every path, best first, each with its reason. */
  readonly paths: readonly PathView[]
  /** Whether the best path goes to each peer that is up, with ADD-PATH each usable path, and why or why not. */
  readonly exports: readonly ({ readonly peer: string } & ExportExplanation)[]
}

/** Whether a path goes to a peer, and why or why not. */
export interface ExportExplanation {
  /** Peer that it came from; `local` for our own. */
  readonly from: string
  /** The path identifier (RFC 7911) under which the peer has it, or would; undefined where the session has none. */
  readonly pathId: number | undefined
  readonly accepted: boolean
  readonly text: string
}

/**
 * A table of routes: `in` what a peer sent, before import policy; `accepted` what import policy made of it; `loc` the best
 * paths; `out` what a peer was sent.
 */
export type Table = 'in' | 'accepted' | 'loc' | 'out'

/** A Loc-RIB change: the chosen paths of one prefix, or none. The object is reused: copy what you keep. */
export interface ChangeView {
  prefix: string
  /** The same for maps by prefix, which need not read the text then. */
  key?: PrefixKey
  /** Empty: withdrawn. Next hops of the best path and of its ECMP set, in order, without doubles. */
  nextHops: readonly string[]
  /**
   * Octets per second towards each of several next hops, in the same order, where the paths of all of them say so by the
   * link-bandwidth community (draft-ietf-idr-link-bandwidth): shares of the load. Otherwise absent: equal shares.
   */
  bandwidths?: readonly number[]
  /** Peer name of the best path; `local` for our own. */
  peer: string
  med: number | undefined
  localPref: number | undefined
  /** The best path carries BLACKHOLE (RFC 7999): its sender asks that traffic to the prefix be dropped. */
  blackhole?: boolean
}

/** A reader's place in the Loc-RIB feed. A slow reader sees the last state of a prefix only. */
export interface ChangeCursor {
  /** Fills `into` with the next change; false if there is none now. */
  next(into: ChangeView): boolean
  close(): void
}
