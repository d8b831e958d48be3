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
  readonly gracefulRestart?: GracefulRestart
  /** Key: a stable name, not the address. */
  readonly peers: ReadonlyMap<string, PeerConfig>
}

/** RFC 4724. With it the capability is announced; `restarting` and `forwarding` hold for the first OPEN after start. */
export interface GracefulRestart {
  /** Seconds, 0–4095. */
  readonly restartTime: number
  /** We come up after a restart: set the R bit. */
  readonly restarting?: boolean
  /** The kernel kept our routes: set the F bit of every family. */
  readonly forwarding?: boolean
}

export interface PeerConfig {
  readonly address: string
  /** Default 179. */
  readonly port?: number
  /** Source address of our connections. */
  readonly localAddress?: string
  readonly remoteAs: number
  /** Default: the speaker's `asn`. */
  readonly localAs?: number
  /** Never dial, only accept. */
  readonly passive?: boolean
  /** Seconds: 0, or 3 and more. Default 90. */
  readonly holdTime?: number
  /** Seconds between attempts to connect. Default 5. */
  readonly connectRetry?: number
  /** Default: those for which we have a next hop: the family of `address`, and each one in `nextHopSelf`. */
  readonly families?: readonly Family[]
  readonly import: Policy
  readonly export: Policy
  /** auto: RFC 4271 §5.1.3 (eBGP: own address unless third party on one subnet is not tried; iBGP: unchanged, own for own routes). */
  readonly nextHop?: 'auto' | 'self' | 'keep'
  /** Our next hop per family where it is not the session's local address (IPv6 routes over an IPv4 session). */
  readonly nextHopSelf?: { readonly [F in Family]?: string }
  /** The peer is a client of ours (RFC 4456). */
  readonly reflectorClient?: boolean
  /** False: an eBGP peer on one of our links; a transport with socket options sends with TTL 1. Default: the system's TTL. */
  readonly multihop?: boolean
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
  readonly description?: string
}

/** What a peer may announce of a family, counted before anything is stored. */
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

/** Rules are tried in order; the first whose match holds decides. `name` appears in explanations. */
export interface Policy {
  readonly name: string
  readonly rules: readonly Rule[]
  readonly otherwise: 'accept' | 'reject'
}

export interface Rule {
  readonly name: string
  /** Absent: always. All given conditions must hold. */
  readonly when?: Match
  readonly then: 'accept' | 'reject' | 'next'
  /** Applied when the rule accepts, or says `next` and goes on. */
  readonly set?: Transform
}

export interface Match {
  /** Any of them. */
  readonly prefixes?: readonly PrefixRange[]
  /** Any of these standard communities, `65001:20`. */
  readonly communities?: readonly string[]
  /** Where the route came from. */
  readonly source?: readonly ('local' | 'ibgp' | 'ebgp')[]
  /** Names of peers that sent it. */
  readonly peers?: readonly string[]
  /** The AS path contains this AS. */
  readonly asPathContains?: readonly number[]
}

/** Prefixes inside `prefix` with a length from `min` to `max`; both default to the prefix's own length. */
export interface PrefixRange {
  readonly prefix: string
  readonly min?: number
  readonly max?: number
}

export interface Transform {
  readonly localPref?: number
  readonly med?: number | 'remove'
  readonly prepend?: { readonly asn: number; readonly count: number }
  readonly addCommunities?: readonly string[]
  readonly removeCommunities?: readonly string[]
  readonly nextHop?: 'self'
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

/** What the shell tells the engine; few per message, never one per route. Times are milliseconds of the shell's clock. */
export type Event =
  | {
      readonly kind: 'connected'
      readonly peer: PeerId
      readonly conn: ConnId
      readonly local: string
      readonly remote: string
    }
  | { readonly kind: 'accepted'; readonly conn: ConnId; readonly local: string; readonly remote: string }
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
  readonly multihop?: boolean
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
      readonly treatment: 'discard' | 'withdraw'
      readonly octets: Uint8Array
      readonly text: string
    }
  | {
      readonly type: 'prefixLimit'
      readonly peer: string
      readonly family: Family
      readonly limit: number
      readonly text: string
    }
  | { readonly type: 'endOfRib'; readonly peer: string; readonly family: Family; readonly text: string }
  | { readonly type: 'listen'; readonly listening: boolean; readonly text: string }

/** A peer as `bgp summary` shows it. */
export interface PeerStatus {
  readonly name: string
  readonly address: string
  readonly remoteAs: number
  readonly localAs: number
  readonly state: State
  /** When the state was entered, milliseconds of the shell's clock. */
  readonly since: number
  /** The peer's router id, once Established. */
  readonly routerId?: string
  readonly holdTime?: number
  /** Families in use, once Established. */
  readonly families: readonly Family[]
  readonly prefixesReceived: number
  readonly prefixesAccepted: number
  readonly prefixesSent: number
  /** Families in which the peer is at its limit, and routes of it are left out. */
  readonly atLimit: readonly Family[]
  readonly messagesIn: number
  readonly messagesOut: number
  readonly updatesIn: number
  readonly updatesOut: number
  /** How often it left Established. */
  readonly flaps: number
  /** Families whose End-of-RIB the peer has sent in this session. */
  readonly endOfRib: readonly Family[]
  /** Why it is down or was last: cause and next step in one sentence. */
  readonly lastError?: string
  readonly description?: string
}

// ---- reading the RIB -------------------------------------------------------------------------------------------

/** One path of one prefix, read out of the columns. */
export interface PathView {
  prefix: string
  /** Peer name; `local` for our own originations. */
  peer: string
  nextHop: string
  /** AS path as text: `65001 65002 {65003 65004}`. */
  asPath: string
  origin: 'igp' | 'egp' | 'incomplete'
  localPref: number | undefined
  med: number | undefined
  communities: readonly string[]
  originatorId: string | undefined
  clusterList: readonly string[]
  best: boolean
  /** Equal to the best path in every step up to the IGP metric, so used for ECMP beside it. */
  multipath: boolean
  /** Why it is not best: the step that lost, or the policy rule or check that rejected it. */
  reason: string | undefined
}

/** A Loc-RIB change: the chosen paths of one prefix, or none. The object is reused: copy what you keep. */
export interface ChangeView {
  prefix: string
  /** Empty: withdrawn. Next hops of the best path and of its ECMP set, in order, without doubles. */
  nextHops: readonly string[]
  /** Peer name of the best path; `local` for our own. */
  peer: string
  med: number | undefined
  localPref: number | undefined
}

/** A reader's place in the Loc-RIB feed. A slow reader sees the last state of a prefix only. */
export interface ChangeCursor {
  /** Fills `into` with the next change; false if there is none now. */
  next(into: ChangeView): boolean
  close(): void
}
