// The words of WireGuard's own protocol (linux/wireguard.h). Types only. Keys are texts of base64, as `wg` prints them.

import type { Result } from '../types.ts'

/** Where a peer's outer packets go: UDP. */
export interface WireguardEndpoint {
  readonly address: string
  readonly port: number
}

export interface WireguardPeer {
  readonly publicKey: string
  /** Absent: not known until the peer sends. It follows a peer that sends from elsewhere. */
  readonly endpoint?: WireguardEndpoint
  /** Seconds between packets that keep the way open; 0: none. */
  readonly keepalive: number
  /** Prefixes: what goes there is for this peer, and only from there it may send. */
  readonly allowedIps: readonly string[]
  /** Milliseconds since 1970; absent: never. */
  readonly lastHandshake?: number
  /** Octets of outer packets. */
  readonly received: number
  readonly sent: number
}

/** The private key is not read. */
export interface WireguardDevice {
  readonly name: string
  /** Of the device's private key; absent: it has none yet. */
  readonly publicKey?: string
  /** UDP port that it listens on. */
  readonly port: number
  readonly peers: readonly WireguardPeer[]
}

/** What is absent stays. A peer that is not there is made. */
export interface WireguardPeerChange {
  readonly publicKey: string
  readonly remove?: boolean
  readonly endpoint?: WireguardEndpoint
  readonly keepalive?: number
  /** Added to what the peer has, and in the same moment taken from the peer that had it. */
  readonly allowedIps?: readonly string[]
}

/** In the order of the fields; peers one after the other. What is absent stays. */
export interface WireguardChange {
  /** Name of the link, which exists. */
  readonly device: string
  /** 32 octets. */
  readonly privateKey?: Uint8Array
  readonly port?: number
  readonly peers?: readonly WireguardPeerChange[]
}

/** WireGuard in one namespace. There are no events. */
export interface Wireguard extends AsyncDisposable {
  /** Undefined: no link of that name, or one of another kind. */
  device(name: string): Promise<WireguardDevice | undefined>
  /** Ends at the first part that the kernel refuses; what came before it is in force. */
  set(change: WireguardChange): Promise<Result>
  close(): Promise<void>
}
