// Peers as an operator sees them: snapshots and counters.

import type { State } from './events.ts'
import type { Family } from './ids.ts'
import type { BgpRole } from './peer-config.ts'

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
