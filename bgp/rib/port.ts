// What a session and an update group see of the RIB of one family. One instance per family (design §6).
//
// The RIB knows no message, no socket and no clock. Octets handed in are copied before the call returns.
// Nothing throws on input. Bulk work is deferred to `work` and counted in units (one prefix = one unit).

import type { Policies } from '../policy/compile.ts'
import type {
  ExportExplanation,
  BgpRole,
  ChangeCursor,
  DecisionOptions,
  Family,
  NextHopState,
  Origination,
  PathSelection,
  PathView,
  PeerId,
  PrefixId,
  SessionKind,
  SetId,
  Table,
} from '../types.ts'

/** What may change while a peer is established. */
export interface PeerPolicies {
  readonly import: Policies
  readonly export: Policies
  /** Of routes from the peer: see `PeerConfig`. */
  readonly maxAsPathLength?: number
  readonly maxCommunities?: number
  /** Rows that the peer may be told of in this family; the rest waits for room. */
  readonly mostOut?: number
  /** The session is about to end (RFC 8326): routes to it are marked so. */
  readonly gracefulShutdown: boolean
  /** Routes of others with BLACKHOLE (RFC 7999) go to this eBGP peer too. */
  readonly sendBlackhole: boolean
  /** A client of ours hears of what other clients sent (RFC 4456 §6). */
  readonly clientToClient: boolean
  /** Routes with LLGR_STALE go to a peer inside the AS that does not know it, too (RFC 9494 §4.6). */
  readonly sendLongLived: boolean
  /** An AS path that is sent to an eBGP peer shows ours in place of the peer's own AS. */
  readonly asOverride: boolean
  readonly privateAs: 'keep' | 'remove' | 'replace'
  /** Which paths go to a peer with `pathIdsSent`; to any other the best one does. */
  readonly paths: PathSelection | undefined
}

/** What the decision process and the update groups must know of an established peer. */
export interface PeerTraits extends PeerPolicies {
  readonly name: string
  /** The listen range that made the peer. */
  readonly range?: string
  readonly kind: SessionKind
  readonly localAs: number
  /** Our AS to be shown behind `localAs`; 0 = none. */
  readonly asBehind: number
  readonly remoteAs: number
  /** What we are to the peer (RFC 9234), of an eBGP peer. */
  readonly role?: BgpRole
  /** 4 octets as an unsigned number. */
  readonly routerId: number
  /** Peer address and our address on the session, 4 or 16 octets. */
  readonly address: Uint8Array
  readonly localAddress: Uint8Array
  readonly reflectorClient: boolean
  readonly nextHop: 'auto' | 'self' | 'keep'
  /** Next hop to use for this family when it is "self": 4, 16 or 32 octets. */
  readonly nextHopSelf: Uint8Array
  /** IPv4 routes may have IPv6 next hops (RFC 8950), and go by MP_REACH_NLRI. */
  readonly extendedNextHop?: boolean
  /** Whether AS numbers take 4 octets on this session (RFC 6793). */
  readonly fourOctetAs: boolean
  /** Whether the peer takes messages of more than 4,096 octets (RFC 8654). */
  readonly extendedMessages: boolean
  /** Whether routes that are sent again go between a beginning and an end (RFC 7313). */
  readonly enhancedRefresh: boolean
  /** Whether the peer knows what LLGR_STALE means (RFC 9494). */
  readonly longLived: boolean
  /** The peer's NLRI carry path identifiers (RFC 7911): it may have several paths for a prefix. */
  readonly pathIds: boolean
  /** Ours do, to this peer. */
  readonly pathIdsSent: boolean
}

/** A route as octets: what modules that record or mirror tables read. The object and its arrays are used again. */
export interface RouteOctets {
  /** RFC 4271 §4.3: a length octet, and the octets it needs. */
  nlri: Uint8Array
  /** Who sent it; null: ourselves. Of a route that was withdrawn it may be null, too. */
  peer: PeerId | null
  /** The identifier of the path, where its session has them in this direction (RFC 7911). */
  pathId: number | undefined
  /** As `Rib.intern` takes them; undefined: withdrawn. */
  attributes: Uint8Array | undefined
  /** 4, 16 or 32 octets; none for a route of our own that names none. */
  nextHop: Uint8Array
}

/** Is told what import policy makes of each route, as it makes it; in the midst of the work, so it must not throw. */
export type PolicyWatcher = (route: RouteOctets) => void

/** A reader's place in the Loc-RIB feed, as octets of the best route. */
export interface OctetCursor {
  /** Fills `into` with the next change; false if there is none now. */
  next(into: RouteOctets): boolean
  /** Prefixes that were told of and not withdrawn since. */
  readonly size: number
  close(): void
}

/** Why a path is kept but may not be used, before policy is asked. */
export type Ineligible = 'as-loop' | 'originator-loop' | 'cluster-loop' | 'route-leak'

/** What a session may hold of one family. A route beyond it is refused before anything is stored. */
export interface Ceiling {
  /** Paths in its Adj-RIB-In: prefixes, if it has one for each. */
  readonly paths: number
  /** The same with withdrawn ones that wait for the decision process. */
  readonly rows: number
  /** Octets of attribute sets that nobody sent before. */
  readonly octets: number
}

export interface Rib {
  readonly family: Family

  /**
   * The session is Established with this family: traits for both directions; its update group starts the full dump. The
   * paths of a peer that was `peerAway` stay, stale until they are announced again or `sweepStale` takes them.
   */
  peerUp(peer: PeerId, traits: PeerTraits): void
  /** The session is gone: its paths are withdrawn in slices by `work`; it leaves its group at once. */
  peerDown(peer: PeerId): void
  /**
   * The session is gone, but the peer is expected back (RFC 4724 §4.2): it leaves its group, and its paths stay in the
   * decision, all stale from now on. Those that were stale already are withdrawn in slices by `work`, unless `keepsStale`.
   */
  peerAway(peer: PeerId, keepsStale?: boolean): void
  /** The stale paths of the peer are kept for long: marked, the last choice, and without those with NO_LLGR (RFC 9494 §4.2). */
  keepLong(peer: PeerId): void
  /**
   * The peer announces all its paths again: those that are there are stale until then (RFC 7313 §4). False if it has begun
   * too often without an end: then nothing changes.
   */
  beginRefresh(peer: PeerId): boolean
  /** What the peer has not announced since it was `peerAway`, or since `beginRefresh`, is withdrawn in slices by `work`. */
  sweepStale(peer: PeerId): void
  /** What the peer may hold, from now on; what it holds already stays. Without it there is no ceiling. */
  setCeiling(peer: PeerId, ceiling: Ceiling): void
  /** New policies of an established peer; re-run in slices from the kept Adj-RIB-In and to the Adj-RIB-Out. */
  setPolicies(peer: PeerId, policies: Partial<PeerPolicies>): void
  /** New rules of decision; every prefix is decided anew, in slices. */
  setDecision(options: DecisionOptions): void
  /** The peer is sent everything again (RFC 2918), between a beginning and an end where it knows those (RFC 7313). */
  refresh(peer: PeerId): void

  /**
   * Interns an attribute set and returns it with a reference that the caller must give back by `release`.
   * `attributes[from, to)` holds path attributes in ascending code, AS_PATH with 4-octet AS numbers, without NEXT_HOP, MP_REACH_NLRI
   * and MP_UNREACH_NLRI, each validated. `nextHop`: 4, 16 or 32 octets. `peer` is charged with a set
   * that is new.
   */
  intern(attributes: Uint8Array, from: number, to: number, nextHop: Uint8Array, peer?: PeerId): SetId
  /** Whether the peer's ceiling leaves room for a set of so many octets. */
  affords(peer: PeerId, octets: number): boolean
  release(set: SetId): void

  /**
   * Announces the NLRI in `octets[from, to)` (RFC 4271 §4.3: length octet, then the octets it needs; before it a path
   * identifier, if the session has `pathIds`; validated) with one set.
   * Host bits are cleared here. An earlier path of the peer for the prefix (and path identifier) is replaced, also at its
   * ceiling. Tells whether some were refused, and by which ceiling: that of all its paths, or that of one prefix.
   */
  announce(
    peer: PeerId,
    octets: Uint8Array,
    from: number,
    to: number,
    set: SetId,
    ineligible?: Ineligible,
  ): 'prefixes' | 'paths' | undefined
  withdraw(peer: PeerId, octets: Uint8Array, from: number, to: number): void

  /** The complete list of our own routes; differences are announced and withdrawn. Routes of another family are passed over. */
  originate(replace: Iterable<Origination>): void
  setNextHops(changes: Iterable<NextHopState>): void
  /** The number of a link, which a link-local next hop has in its third and fourth octet (see `withZone`). */
  zone(name: string): number

  /** Route selection waits while true (RFC 4724 §4.1): routes are taken in, and none is chosen. */
  defer(deferred: boolean): void
  /** Decision, policy re-runs, sweeps, group tables. True if work is left. A `pull` may make work: look at `pending` after it. */
  work(units: number): boolean
  readonly pending: boolean

  /** Paths in the peer's Adj-RIB-In: all, and those that import policy and checks let through. */
  received(peer: PeerId): { readonly all: number; readonly accepted: number }
  /** Paths in the peer's Adj-RIB-In that are stale. */
  stale(peer: PeerId): number
  /** Routes in the peer's Adj-RIB-Out. */
  sent(peer: PeerId): number
  /** Whether prefixes wait because the peer is told of `mostOut` already. */
  isFullOut(peer: PeerId): boolean

  /**
   * The Loc-RIB feed: all of it, then changes; a second cursor of that name closes the first. A withdrawn prefix has no
   * next hops and no peer; an own route without a next hop has no next hops and peer `local` (nothing to install).
   * A cursor that is never read keeps the ids of withdrawn prefixes from being used again: close it.
   */
  changes(reader: string): ChangeCursor
  /** The same feed as octets of the best route. */
  octetChanges(reader: string): OctetCursor
  /**
   * Calls back for the routes of a slice of a table, in ascending id of their prefixes, and returns where to go on;
   * 0 = end. `peer`: whose `in`, `accepted` or `out`; null: our own; `every`: everybody's `in` or `accepted`.
   */
  slice(table: Table, peer: PeerId | null | 'every', from: PrefixId, units: number, each: PolicyWatcher): PrefixId
  /** Prefixes whose ids a slice may go over, for those who want to know when it ends. */
  readonly size: number
  /** What import policy makes of routes is told from now on, until the function returned is called. */
  watchPolicy(watcher: PolicyWatcher): () => void
  lookup(prefix: string): PrefixId | undefined
  /** Every path of the prefix, best first, each with its reason. */
  paths(prefix: PrefixId): PathView[]
  /** Whether the best path of the prefix goes to the peer, and why or why not; undefined if there is none, or no such session. */
  explainExport(peer: PeerId, prefix: PrefixId): { readonly accepted: boolean; readonly text: string } | undefined
  /** The same, and for a peer that is sent several paths (RFC 7911) of each one that may be used; empty without a session. */
  explainExports(peer: PeerId, prefix: PrefixId): ExportExplanation[]
  /**
   * A page of a table in ascending id. `next` 0 = end.
   */
  walk(
    table: Table,
    peer: PeerId | null,
    from: PrefixId,
    units: number,
  ): { readonly rows: PathView[]; readonly next: PrefixId }
}
