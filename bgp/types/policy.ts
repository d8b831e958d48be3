// Policy: data, never closures.

import type { Family, SessionKind } from './ids.ts'

/**
 * Rules are tried in order; the first whose match holds decides, or `otherwise`. `nextPolicy` leaves it to the next policy
 * of the list, with what was set so far. `name` appears in explanations.
 */
export interface Policy {
  readonly name: string
  readonly rules: readonly Rule[]
  readonly otherwise: 'accept' | 'reject' | 'nextPolicy'
}

export interface Rule {
  readonly name: string
  /** Absent: always. All given conditions must hold. */
  readonly when?: Match
  readonly then: 'accept' | 'reject' | 'next' | 'nextPolicy'
  /** Applied unless the rule rejects. */
  readonly set?: Transform
}

export interface Match {
  /** Any of them. */
  readonly prefixes?: readonly PrefixRange[]
  readonly family?: Family
  /**
   * Any of these communities, of any kind: `65001:20`, large `65001:1:2`, extended `rt:65001:20`, `ro:10.0.0.1:5` or
   * `0x4004fde900000001`, well known `no-export`, `no-advertise`, `no-export-subconfed`, `graceful-shutdown`, `blackhole`,
   * `llgr-stale`, `no-llgr`.
   * `*` stands for any number: `65001:*`, `65001:1:*`, `rt:65001:*`.
   */
  readonly communities?: readonly string[]
  /** Where the route came from. */
  readonly source?: readonly ('local' | SessionKind)[]
  /** Names of peers that sent it; that of a listen range stands for all of its peers. */
  readonly peers?: readonly string[]
  /** The AS path contains one of these ASes. */
  readonly asPathContains?: readonly number[]
  /**
   * The whole AS path is as this says: AS numbers, ranges `64512..65534`, `.` for any AS, groups `( … | … )`, and `*`, `+`,
   * `?`, `{2}`, `{1,3}` behind what is repeated. `65001 .*` is learned from AS 65001, `.* 65001` originated there; the
   * empty text is an empty path. An AS_SET counts as one AS, which is any of its members; the segments of our own
   * confederation are passed over.
   */
  readonly asPath?: string
  /** The next hop is inside one of these prefixes, or one of these addresses. */
  readonly nextHops?: readonly string[]
  readonly origin?: readonly ('igp' | 'egp' | 'incomplete')[]
  /** LOCAL_PREF in this range; a route without one has 100. */
  readonly localPref?: NumberRange
  /** MED in this range; a route without one does not match. */
  readonly med?: NumberRange
}

/** Both ends belong to it; default 0 and 4294967295. */
export interface NumberRange {
  readonly min?: number
  readonly max?: number
}

/**
 * Prefixes inside `prefix` with a length from `min` to `max`. Default of `min`: the prefix's own length; of `max`: the
 * longest there is if `min` is given, else the prefix's own length.
 */
export interface PrefixRange {
  readonly prefix: string
  readonly min?: number
  readonly max?: number
}

/** What a rule changes. Communities of all kinds are written as in `Match`. */
export interface Transform {
  readonly localPref?: number
  readonly med?: number | 'remove'
  readonly origin?: 'igp' | 'egp' | 'incomplete'
  readonly prepend?: { readonly asn: number; readonly count: number }
  /** All communities of the route, of every kind, are replaced by these. Goes before add and remove. */
  readonly setCommunities?: readonly string[]
  /** `*` stands for any number. Goes before add. */
  readonly removeCommunities?: readonly string[]
  readonly addCommunities?: readonly string[]
  /** Our own address, or one that is given; that one is set on routes of its family. */
  readonly nextHop?: string
}

export const acceptAll: Policy = { name: 'accept-all', rules: [], otherwise: 'accept' }
export const rejectAll: Policy = { name: 'reject-all', rules: [], otherwise: 'reject' }
