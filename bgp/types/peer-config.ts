// The configuration of a peer.

import type { Family } from './ids.ts'
import type { Policy } from './policy.ts'

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
  /**
   * iBGP, or a member of our confederation: routes kept for long go to the peer though it does not know LLGR_STALE, with
   * LOCAL_PREF 0 and NO_EXPORT (RFC 9494 §4.6, partial deployment). Default false: they are withdrawn from it. Takes effect
   * without a new session.
   */
  readonly sendLongLived?: boolean
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
   * Keys of TCP-AO (RFC 5925), in the place of `secret`. They may come and go while the session is up, as long as one stays
   * or both ends have the new one; a connection is made with TCP-AO or without, so the first one and the last one renew it.
   * Needs a transport with socket options, and Linux 6.7 or newer that was built with CONFIG_TCP_AO.
   */
  readonly tcpAo?: readonly TcpAoKey[]
  /**
   * Seconds that the peer may leave what we send unread (RFC 9687): 10 to 65535, and more than `holdTime`. Default: 480, or
   * twice the hold time if that is more; also with hold time 0.
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

/** What a key of TCP-AO is known by in segments (RFC 5925 §3.1). */
export interface TcpAoIds {
  /** SendID, 0–255: says in what we send that this key was used. The peer's `receiveId`. */
  readonly sendId: number
  /** RecvID, 0–255: says the same in what the peer sends. The peer's `sendId`. */
  readonly receiveId: number
}

/**
 * A master key tuple of TCP-AO (RFC 5925 §3.1). What belongs to a pair of ids never changes while a connection uses it: another
 * secret has other ids, or renews the session.
 */
export interface TcpAoKey extends TcpAoIds {
  /** 1 to 80 octets. */
  readonly secret: string
  /** HMAC-SHA-1-96 and AES-128-CMAC-96 (RFC 5926), or HMAC-SHA-256. The same at both ends. */
  readonly algorithm: 'hmac-sha1' | 'aes-128-cmac' | 'hmac-sha256'
  /** Octets of the code in each segment, 4 to 16. The same at both ends. Default 12. */
  readonly maclen?: number
  /** New connections begin with it, and the peer is asked to send with it (RNextKeyID). Default: the first of the list. */
  readonly preferred?: boolean
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
