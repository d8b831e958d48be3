// What the speaker is told of routes: its own, and next hops.

/** A route of our own. */
export interface Origination {
  readonly prefix: string
  /** Default: our own address on each session (next hop self). One that packets can be sent to, of the family of the prefix. */
  readonly nextHop?: string
  /** Of all kinds, written as in `Match`. */
  readonly communities?: readonly string[]
  /** 0 to 4294967295, as `localPref`. */
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
