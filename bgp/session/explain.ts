// The sentences that tell an operator why a session is down and what to do next. All words are here.

import type { PeerConfig } from '../types.ts'
import type { Notification } from '../wire/notification.ts'
import {
  CEASE,
  cease,
  ceaseFault,
  HOLD_TIMER_EXPIRED,
  meant,
  notificationText,
  SEND_HOLD_TIMER_EXPIRED,
} from '../wire/notification.ts'
import type { Fault } from '../wire/verdict.ts'
import type { ResolvedPeer } from './host.ts'
import { placeOf, placeText } from './place.ts'
import { remoteAsText } from './remote-as.ts'

/** Who talks to whom, as far as it is known. */
export interface Ends {
  readonly name: string
  /** The peer's address and port. */
  readonly address: string
  readonly port: number
  /** Our address on the connection, or the configured one. */
  readonly local?: string
  readonly localAs: number
}

/** What to do about a connection that could not be made, by the operating system's code. */
const connectHints: Readonly<Record<string, (e: Ends) => string>> = {
  ECONNREFUSED: e => `connection refused by ${where(e)}: is BGP enabled there for ${us(e)}?`,
  ECONNRESET: e => `connection reset by ${where(e)}: is ${us(e)} a configured neighbour there, with AS ${e.localAs}?`,
  ETIMEDOUT: e => `no answer from ${where(e)}: is that address right, and does a firewall let TCP port ${e.port} pass?`,
  EHOSTUNREACH: e => `host ${e.address} cannot be reached: is it up, and on the link that the route to it names?`,
  ENETUNREACH: e => `there is no route to ${e.address}: give this machine an address in its subnet, or a route to it`,
  EADDRNOTAVAIL: e => `${us(e)} is no address of this machine: correct localAddress, or add the address`,
  EACCES: e => `the system forbids connecting to ${where(e)}: check the firewall and the rights of this process`,
}

/** A connection could not be made; `reason` is an error code such as ECONNREFUSED, or a text. */
export function connectFailure(ends: Ends, reason: string): string {
  return (
    connectHints[reason]?.(ends) ?? `cannot connect to ${where(ends)} (${reason}): check the address and the network`
  )
}

/** The connection ended without a NOTIFICATION. */
export function connectionLost(ends: Ends, reason: string, state: string): string {
  if (state === 'OpenSent') {
    return (
      `${where(ends)} closed the connection before its OPEN${because(reason)}: ` +
      `is ${us(ends)} a configured neighbour there, with AS ${ends.localAs}?`
    )
  }
  const code = reason === 'ETIMEDOUT' ? 'TCP timed out' : 'the peer closed the connection without a NOTIFICATION'
  return `${code}${reason === 'ETIMEDOUT' ? '' : because(reason)}: look at the log of ${ends.address} and at the link to it`
}

/** A NOTIFICATION came from the peer. */
export function received(ends: Ends, notification: Notification): string {
  return `the peer sent ${notificationText(notification)}${receivedHint(ends, meant(notification))}`
}

function receivedHint(ends: Ends, { code, subcode }: Notification): string {
  if (code === 2 && subcode === 2) {
    return `: it does not expect AS ${ends.localAs} from ${us(ends)}; correct the AS number here or there`
  }
  if (code === 2 && subcode === 7) return ': enable an address family there that is enabled here'
  if (code === 2 && subcode === 11) return ': its role does not go with ours (RFC 9234); correct role here or there'
  if (code === HOLD_TIMER_EXPIRED) return ': it heard nothing from here in time; look at load and at packet loss'
  if (code !== CEASE) return ''
  switch (subcode) {
    case cease.shutdown:
      return ': the session is disabled there; enable it when the peer is ready'
    case cease.deconfigured:
    case cease.rejected:
      return `: configure ${us(ends)} with AS ${ends.localAs} as a neighbour there`
    case 1:
      return ': announce fewer prefixes, or raise the limit there'
    default:
      return ''
  }
}

/** We ended the session by a NOTIFICATION. */
export function sent(ends: Ends, { code, subcode, why }: Fault): string {
  const { address } = ends
  if (code === 2 && subcode === 2) return `the peer refused: ${why}; correct the AS number here or at ${ends.address}`
  if (code === 2 && subcode === 3) return `the peer refused: ${why}; give ${ends.address} a router id of its own`
  if (code === 2 && subcode === 7) return `the peer refused: ${why}; enable the same address families at both ends`
  if (code === 2 && subcode === 11) return `the peer refused: ${why}; correct role here or at ${ends.address}`
  if (code === 2) return `the OPEN of the peer is refused: ${why}`
  if (code === HOLD_TIMER_EXPIRED) {
    return `hold timer expired: nothing was heard from ${ends.address} in time; check that it runs, and the link to it`
  }
  if (code === 1) return `the octets from ${ends.address} are no BGP: ${why}; check what listens on port ${ends.port}`
  if (code === 3)
    return `an UPDATE of the peer cannot be read: ${why}; look for a fault in the software of ${ends.address}`
  if (code === CEASE && subcode === cease.prefixes && why.startsWith('it would be told')) {
    return `${why}; look what policy lets through to it, or raise maxPrefixesOut, which brings the session back at once`
  }
  if (code === CEASE && subcode === cease.prefixes) {
    return `${why}; announce fewer there, or raise maxPrefixes here, which brings the session back at once`
  }
  if (code === SEND_HOLD_TIMER_EXPIRED) return `${why}; check that ${address} is not overloaded, and the link to it`
  if (code === 5) return `the peer broke the protocol: ${why}`
  return why
}

/** The peer has announced so many prefixes of a family that its limit is near, or exceeded. */
export function limitNear(family: string, count: number, limit: number): string {
  const next = 'look whether it should, or raise maxPrefixes'
  return `announces ${count} ${family} prefixes, and its limit is ${limit}; ${next}`
}

/** Routes beyond the limit are left out. */
export function leftOut(family: string, limit: number): string {
  return `announces more than its limit of ${limit} ${family} prefixes: the rest is left out; raise maxPrefixes to have it`
}

/** So many prefixes go to the peer that its limit is near, or exceeded. */
export function limitNearOut(family: string, count: number, limit: number): string {
  return `is told of ${count} ${family} prefixes, and the limit is ${limit}; look whether it should, or raise maxPrefixesOut`
}

/** Routes beyond the limit are not sent. */
export function leftOutOut(family: string, limit: number): string {
  return `is told of ${limit} ${family} prefixes, which is the limit: the rest is not sent; raise maxPrefixesOut to send it`
}

/** A connection came from an address that no peer has. */
export function unknownRemote(remote: string, local: string): string {
  return `connection from ${remote} to ${local} refused: no peer with that address is configured; add one, or ignore this`
}

/** A connection came from a peer that may not have one now. */
export function refusedPeer(ends: Ends, why: string): string {
  return `connection from ${ends.address} refused: ${why}; it may try again`
}

function where({ address, port }: Ends): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`
}

function us({ local }: Ends): string {
  return local ?? 'this machine'
}

function because(reason: string): string {
  return reason === '' ? '' : ` (${reason})`
}

/** A peer as reports name it; `asn`: the AS that its last OPEN said. */
export function about(name: string, peer: PeerConfig, asn: number | undefined): string {
  return `peer ${name} (${placeText(placeOf(peer))}, ${remoteAsText(asn ?? peer.remoteAs)})`
}

/** `local`: our address on the connection, where there is one. */
export function endsOf(name: string, config: ResolvedPeer, localAs: number, local?: string): Ends {
  const { address, port = 179, localAddress } = config
  return { name, address, port, local: local || localAddress, localAs }
}

/** The NOTIFICATION for a fault of our own while a message was handled. */
export function internalFault(error: unknown): Fault {
  return ceaseFault(cease.reset, `internal error: ${error instanceof Error ? error.message : String(error)}`)
}
