// Why IPAM refuses. The message names object, reason and next step.

export type IpamErrorCode =
  /** No pool of that family is for this node. */
  | 'no-pool'
  /** Every block of the pools for this node is taken, and its own are full. */
  | 'exhausted'
  /** The same, and a node that has room is asked to leave some of it: try again soon. */
  | 'asked'
  /** The datastore is needed, for a new block, and cannot be used: it is away, locked, or refuses this node. Trying again may succeed. */
  | 'unreachable'
  /** The address that was asked for cannot be given. */
  | 'not-available'
  /** The node's own store cannot be read or written. */
  | 'store-failed'
  /** The node's store belongs to another node. */
  | 'wrong-store'

export class IpamError extends Error {
  readonly code: IpamErrorCode
  constructor(code: IpamErrorCode, message: string) {
    super(message)
    this.name = 'IpamError'
    this.code = code
  }
}
