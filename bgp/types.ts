// The words of the speaker: what its rooms and its users hand each other. Types only.

export type Family = 'ipv4-unicast' | 'ipv6-unicast'

/** A configured neighbour, dense from 0; reused only after every cursor has passed its routes. */
export type PeerId = number & { readonly _: 'PeerId' }
/** One TCP connection. A peer may own two for a moment (RFC 4271 §6.8). */
export type ConnId = number & { readonly _: 'ConnId' }
/** A prefix known to one family's RIB, dense from 1; 0 = none. */
export type PrefixId = number & { readonly _: 'PrefixId' }
/** An interned attribute set of one family, next hop included, dense from 1; 0 = none. */
export type SetId = number & { readonly _: 'SetId' }

/**
 * What a peer is to us: of another AS, of our own, or of another member AS of our confederation (RFC 5065), which counts as
 * internal but for loops and for who tells whom.
 */
export type SessionKind = 'ebgp' | 'ibgp' | 'confed-ebgp'

// ---- configuration ---------------------------------------------------------------------------------------------

/** The whole configuration, declarative: the engine diffs it against the one in force. */
export interface SpeakerConfig {
  readonly asn: number
  /** Dotted quad, not 0.0.0.0 (RFC 6286). */
  readonly routerId: string
  /** Dotted quad; set on a route reflector (RFC 4456). Default: the router id. */
  readonly clusterId?: string
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
  /** Peers at a time. Default 100. A lower one ends no session. */
  readonly limit?: number
  /** What its peers have in common. `secret` holds for the whole prefix. */
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

/**
 * What we are to a peer (RFC 9234): its `provider`, its `customer`, a lateral `peer`, the route server that it is a client
 * of (`rs-server`), or a client of the route server that it is (`rs-client`).
 */
export type BgpRole = 'provider' | 'customer' | 'peer' | 'rs-server' | 'rs-client'

/**
 * Which AS a peer may be in: that number; `internal`: the one that it knows us by; `external`: any other; a list: one of
 * these. What its OPEN says counts for the session.
 */
export type RemoteAs = number | readonly number[] | 'internal' | 'external'

export interface PeerConfig {
  /** With its link if it is link-local: `fe80::1%eth0`. Absent: whoever is found on `interface`. */
  readonly address?: string
  /**
   * In the place of `address`: the link on which the peer is, alone. Its link-local address is found by neighbour discovery
   * (a `Discovery` in the speaker's options), or it connects from there.
   */
  readonly interface?: string
  /** Default 179. */
  readonly port?: number
  /** Source address of our connections. */
  readonly localAddress?: string
  readonly remoteAs: RemoteAs
  /** The AS that the peer knows us by. Default: the speaker's `asn`, outside of a confederation its identifier. */
  readonly localAs?: number
  /**
   * What becomes of AS paths where `localAs` is not our `asn`. `replace` (default): the peer sees `localAs` only.
   * `no-prepend`: it sees our `asn` behind `localAs`. `prepend`: as `no-prepend`, and `localAs` is put in front of the
   * paths that the peer sends, so that the AS that moved behind us still shows.
   */
  readonly localAsMode?: 'replace' | 'no-prepend' | 'prepend'
  /** How often our own AS may be in a path that the peer sends, 0–255. Default 0: such a route is not used. */
  readonly allowAsIn?: number
  /** eBGP: show our AS wherever the path has the peer's, so that it takes routes of its other sites. Default false. */
  readonly asOverride?: boolean
  /**
   * eBGP: private AS numbers (RFC 6996) in the paths that the peer is sent: `remove` leaves them out, `replace` puts ours in
   * their place. The peer's own stays, so that it can see its loops. Default: all stay.
   */
  readonly removePrivateAs?: 'remove' | 'replace'
  /** eBGP: a path has to begin with the peer's AS, or counts as withdrawn. Default true; false for a route server. */
  readonly enforceFirstAs?: boolean
  /**
   * eBGP: what **we** are to the peer (RFC 9234). It is announced, a peer whose role does not go with it is refused, and
   * routes that would leak are neither used nor sent. Default: none, and none of this.
   */
  readonly role?: BgpRole
  /** With `role`: a peer that announces no role is refused, too (RFC 9234 §4.2). Default false. */
  readonly strictRole?: boolean
  /**
   * The session is about to end: an eBGP peer is sent every route with GRACEFUL_SHUTDOWN (RFC 8326), an iBGP peer with
   * LOCAL_PREF 0, so that traffic leaves before the routes do. Default false. Takes effect without a new session.
   */
  readonly gracefulShutdown?: boolean
  /** eBGP: routes of others with BLACKHOLE (RFC 7999) are passed on; else they stay in the AS. Default false. */
  readonly sendBlackhole?: boolean
  /** Never dial, only accept. */
  readonly passive?: boolean
  /** Seconds: 0, or 3 and more. Default 90. */
  readonly holdTime?: number
  /** Seconds between attempts to connect. Default 5. */
  readonly connectRetry?: number
  /** Messages of more than 4,096 octets, where the peer takes them too (RFC 8654). Default true. */
  readonly extendedMessages?: boolean
  /** Default: those for which we have a next hop: the family of `address`, each one in `nextHopSelf`, and by `extendedNextHop`. */
  readonly families?: readonly Family[]
  /**
   * A policy, or several: `nextPolicy` goes on with the one behind. Default: an eBGP peer's routes are all rejected (RFC
   * 8212), those of others all accepted.
   */
  readonly import?: Policy | readonly Policy[]
  /** The same of routes to the peer. Default: an eBGP peer is told of none (RFC 8212), others of all. */
  readonly export?: Policy | readonly Policy[]
  /**
   * auto: RFC 4271 §5.1.3 (eBGP: own address unless third party on one subnet is not tried; iBGP and members of our
   * confederation: unchanged, own for own routes).
   */
  readonly nextHop?: 'auto' | 'self' | 'keep'
  /** Our next hop per family where it is not the session's local address; IPv4 may have an IPv6 one with `extendedNextHop`. */
  readonly nextHopSelf?: { readonly [F in Family]?: string }
  /**
   * IPv4 routes may have IPv6 next hops, both ways, if the peer wants that too (RFC 8950); IPv4 then goes over a session of
   * IPv6 addresses without an IPv4 next hop of ours. Default: true for a peer with a link-local address, else false.
   */
  readonly extendedNextHop?: boolean
  /** The peer is a client of ours (RFC 4456). */
  readonly reflectorClient?: boolean
  /**
   * How far the peer may be, 1 to 255 links: the TTL of what is sent to it, as FRR's `ebgp-multihop` and BIRD's `multihop`.
   * True, the default: the TTL of the system, mostly 64. False: 1 to an eBGP peer. A number needs a transport with socket
   * options; without one false changes nothing. Takes effect without a new session.
   */
  readonly multihop?: number | boolean
  /** Keep the peer's routes while it restarts, if it asks for that. Default true where `gracefulRestart` is configured. */
  readonly gracefulRestartHelper?: boolean
  /**
   * Keep the peer's routes long, if it asks for that (RFC 9494), or for so many seconds at most. Default: as long as it
   * asks, where `gracefulRestart.longLived` is configured.
   */
  readonly longLivedHelper?: boolean | number
  /**
   * GTSM (RFC 5082): what comes from farther away than so many links is dropped (1: the peer is on our link). Both ends
   * must use it. Needs a transport with socket options.
   */
  readonly ttlSecurity?: number
  /** Key of TCP-MD5 (RFC 2385), 1 to 80 octets. It may change while the session is up. Needs a transport with socket options. */
  readonly secret?: string
  /**
   * Seconds that the peer may leave what we send unread (RFC 9687). Default: 480, or twice the hold time if that is more;
   * also with hold time 0.
   */
  readonly sendHoldTime?: number
  /** How many prefixes the peer may announce, by family; a ceiling of its own keeps each peer from filling the memory. */
  readonly maxPrefixes?: { readonly [F in Family]?: PrefixLimit }
  /**
   * How many prefixes (with ADD-PATH: paths) the peer is told of, by family, so that a leak does not reach it. `reject`: the
   * rest is not sent, and follows when there is room. `restart`: the session ends before more is sent (Cease / Maximum
   * Number of Prefixes Reached). Default: no limit. A change takes effect at once.
   */
  readonly maxPrefixesOut?: { readonly [F in Family]?: PrefixLimit }
  /**
   * AS numbers that the path of a route from the peer may have, every member of a set and of a confederation counted, 1 to
   * 4095. A longer one counts as rejected. Default: no limit. A change takes effect at once.
   */
  readonly maxAsPathLength?: number
  /** Communities of all kinds together that a route from the peer may have, 0 to 4095; else it counts as rejected. The same. */
  readonly maxCommunities?: number
  /**
   * Several paths of a prefix on the session (RFC 7911), by family. Needs the peer to agree, direction by direction. Default:
   * one path each way.
   */
  readonly addPath?: { readonly [F in Family]?: AddPath }
  readonly description?: string
}

/** RFC 7911, one family of one peer. */
export interface AddPath {
  /** Take several paths of a prefix from the peer. A prefix limit counts each of them. Default false. */
  readonly receive?: boolean
  /** Send several paths of a prefix to the peer. Default: the best one, without ADD-PATH. What is sent may change without a new session. */
  readonly send?: PathSelection
}

/**
 * Of the paths that may go to a peer by BGP's rules and export policy: `all`; `ecmp`: those of them that share the load here (see
 * `DecisionOptions.multipath`); `best`: so many (1–255), in the order of the decision process. A path of the peer's own is
 * not sent back, and no other one takes its place.
 */
export type PathSelection = 'all' | 'ecmp' | { readonly best: number }

/** What a peer may announce of a family, counted before anything is stored; or what it may be told of. */
export interface PrefixLimit {
  readonly limit: number
  /** Prefixes at which a report warns. Default: three quarters of `limit`, with action `warn` the limit itself. */
  readonly warnAt?: number
  /**
   * Beyond the limit: `warn` reports; `reject` reports and leaves the rest out, with what is there unharmed; `restart`
   * ends the session (RFC 4486, Cease / Maximum Number of Prefixes Reached). A limit that changes takes effect at once.
   */
  readonly action: 'warn' | 'reject' | 'restart'
  /** Seconds that `restart` rests; 0: until the limit changes or the operator resets the peer. Default 300. */
  readonly restartAfter?: number
}

// ---- policy: data, never closures ------------------------------------------------------------------------------

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

/** What is wrong with a configuration. None of it is in force if there is one. */
export interface ConfigIssue {
  readonly peer?: string
  readonly field: string
  readonly value: unknown
  readonly reason: string
  readonly fix: string
}

// ---- origination and next hops ---------------------------------------------------------------------------------

/** A route of our own. */
export interface Origination {
  readonly prefix: string
  /** Default: our own address on each session (next hop self). */
  readonly nextHop?: string
  /** Of all kinds, written as in `Match`. */
  readonly communities?: readonly string[]
  readonly med?: number
  readonly localPref?: number
  readonly origin?: 'igp' | 'egp' | 'incomplete'
}

/** Reachability of a BGP next hop, told from outside. An address never told of counts as reachable with metric 0. */
export interface NextHopState {
  readonly address: string
  readonly reachable: boolean
  /** IGP metric. */
  readonly metric: number
}

// ---- events, actions, reports ----------------------------------------------------------------------------------

/** The two ends of a TCP connection: addresses, and ports where the transport tells them. */
export interface ConnEnds {
  readonly local: string
  readonly remote: string
  readonly localPort?: number
  readonly remotePort?: number
}

/** What the shell tells the engine; few per message, never one per route. Times are milliseconds of the shell's clock. */
export type Event =
  | ({ readonly kind: 'connected'; readonly peer: PeerId; readonly conn: ConnId } & ConnEnds)
  | ({ readonly kind: 'accepted'; readonly conn: ConnId } & ConnEnds)
  | { readonly kind: 'connectFailed'; readonly conn: ConnId; readonly reason: string }
  | { readonly kind: 'closed'; readonly conn: ConnId; readonly reason: string }
  | { readonly kind: 'tick'; readonly now: number }

/** What the engine asks of the shell. */
export type Action =
  | { readonly do: 'connect'; readonly peer: PeerId; readonly conn: ConnId; readonly to: Endpoint }
  | { readonly do: 'close'; readonly conn: ConnId; readonly afterFlush: boolean }
  /** "Call pull for this connection." */
  | { readonly do: 'writable'; readonly conn: ConnId }
  /** The only timer that the shell keeps; absolute, replaces the one before. */
  | { readonly do: 'wakeAt'; readonly at: number }
  /** "Call work soon": bulk work is waiting. */
  | { readonly do: 'work' }
  | { readonly do: 'report'; readonly report: Report }

export interface Endpoint {
  readonly address: string
  readonly port: number
  readonly localAddress?: string
}

export type State = 'Idle' | 'Connect' | 'Active' | 'OpenSent' | 'OpenConfirm' | 'Established'

/** Something an operator may want to know. `text` is one sentence, ready to print. */
export type Report =
  | { readonly type: 'state'; readonly peer: string; readonly from: State; readonly to: State; readonly text: string }
  | {
      readonly type: 'sessionError'
      readonly peer: string
      readonly code: number
      readonly subcode: number
      readonly sent: boolean
      readonly text: string
    }
  | { readonly type: 'connectFailed'; readonly peer: string; readonly text: string }
  | { readonly type: 'refused'; readonly remote: string; readonly text: string }
  | {
      readonly type: 'update'
      readonly peer: string
      /** RFC 7606 §2: an attribute is ignored, the routes count as withdrawn, the session ends. */
      readonly treatment: 'discard' | 'withdraw' | 'reset'
      /** The whole message as it came. */
      readonly octets: Uint8Array
      readonly text: string
    }
  /** Routes of a peer that went away are kept, or dropped because it did not come back in time or not as it should. */
  | {
      readonly type: 'stale'
      readonly peer: string
      readonly families: readonly Family[]
      readonly kept: boolean
      readonly text: string
    }
  | {
      readonly type: 'prefixLimit'
      readonly peer: string
      /** Prefixes that it announces, or is told of. */
      readonly direction: 'in' | 'out'
      readonly family: Family
      readonly limit: number
      readonly text: string
    }
  /** A message about a route refresh was ignored, or an end of one did not come (RFC 7313). */
  | { readonly type: 'refresh'; readonly peer: string; readonly text: string }
  | { readonly type: 'endOfRib'; readonly peer: string; readonly family: Family; readonly text: string }
  | { readonly type: 'listen'; readonly listening: boolean; readonly text: string }

/** A peer as `bgp summary` shows it. */
export interface PeerStatus {
  readonly name: string
  /** The listen range that made it. */
  readonly range?: string
  /** `%eth0` while nobody was found on the interface. */
  readonly address: string
  /** As configured, or as the peer's last OPEN said; absent while neither names a single one. */
  readonly remoteAs?: number
  readonly localAs: number
  readonly state: State
  /** When the state was entered, milliseconds of the shell's clock. */
  readonly since: number
  /** The peer's router id, once Established. */
  readonly routerId?: string
  readonly holdTime?: number
  /** What we are to the peer (RFC 9234), as configured. */
  readonly role?: BgpRole
  /** What the peer says that it is to us, once Established. */
  readonly peerRole?: BgpRole
  /** What the peer calls itself, once Established. */
  readonly hostname?: string
  readonly domainName?: string
  readonly softwareVersion?: string
  /** Messages of up to 65,535 octets pass, both ways (RFC 8654). */
  readonly extendedMessages: boolean
  /** Capabilities that our last OPEN did without, because the peer refuses them (RFC 5492), or to find out whether it does. */
  readonly leftOut: readonly string[]
  /** Families in use, once Established. */
  readonly families: readonly Family[]
  /** IPv4 routes may have IPv6 next hops in this session (RFC 8950). */
  readonly extendedNextHop: boolean
  readonly prefixesReceived: number
  readonly prefixesAccepted: number
  /** Kept over a restart or a refresh of the peer and not announced again yet; counted while it is away, too. */
  readonly prefixesStale: number
  readonly prefixesSent: number
  /** Families in which the peer is at its limit, and routes of it are left out. */
  readonly atLimit: readonly Family[]
  /** The same of `maxPrefixesOut`: the peer is not told of all. */
  readonly atLimitOut: readonly Family[]
  readonly messagesIn: number
  readonly messagesOut: number
  readonly updatesIn: number
  readonly updatesOut: number
  /** How often it left Established. */
  readonly flaps: number
  /** Families whose End-of-RIB the peer has sent in this session. */
  readonly endOfRib: readonly Family[]
  /** Families with ADD-PATH (RFC 7911) in this session, by direction as seen from here. */
  readonly addPath?: { readonly receive: readonly Family[]; readonly send: readonly Family[] }
  /** The peer has announced graceful restart in this session, so it sends End-of-RIB. */
  readonly gracefulRestart: boolean
  /**
   * Families whose End-of-RIB a speaker that has restarted waits for (RFC 4724 §4.1): the session is up, the peer has
   * announced graceful restart, does not restart itself, and has not sent it yet.
   */
  readonly awaited: readonly Family[]
  /** Why it is down or was last: cause and next step in one sentence. */
  readonly lastError?: string
  /** The operator has stopped it (`disablePeer`). */
  readonly disabled: boolean
  readonly description?: string
}

/** Messages by type. */
export interface MessageCounts {
  readonly open: number
  /** End-of-RIB among them. */
  readonly update: number
  readonly notification: number
  readonly keepalive: number
  readonly routeRefresh: number
}

export interface NotificationCount {
  readonly code: number
  readonly subcode: number
  readonly count: number
  /** `Cease / Administrative Shutdown`. */
  readonly text: string
}

/** What a peer has counted since the speaker started, over all its sessions. */
export interface PeerCounters {
  readonly name: string
  readonly in: MessageCounts
  readonly out: MessageCounts
  readonly notificationsIn: readonly NotificationCount[]
  readonly notificationsOut: readonly NotificationCount[]
  /** UPDATE messages in error, by what was done about them (RFC 7606 §2). */
  readonly incidents: { readonly discard: number; readonly withdraw: number; readonly reset: number }
  /** How often it became Established, and left it. */
  readonly established: number
  readonly flaps: number
}

// ---- reading the RIB -------------------------------------------------------------------------------------------

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
  /** Empty: withdrawn. Next hops of the best path and of its ECMP set, in order, without doubles. */
  nextHops: readonly string[]
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
