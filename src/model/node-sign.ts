// What a node says of itself in the datastore with each sign of life. For people: nothing is decided by it.

/** How long one sign holds, seconds. */
export const signHolds = 15

export interface NodeSign {
  /** Of margayd. */
  readonly version: string
  /** Name of the machine. */
  readonly host: string
  /** Start of margayd, ISO 8601, by the node's clock. */
  readonly since: string
}
