// What the engine and its shell tell each other, and the operator.

import type { ConnId, Family, PeerId } from './ids.ts'

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
  | {
      readonly type: 'state'
      readonly peer: string
      readonly from: State
      readonly to: State
      /** It was Established, and nothing was heard of the peer within the hold time (RFC 4271 §6.5): it may well be dead. */
      readonly silent?: true
      readonly text: string
    }
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
