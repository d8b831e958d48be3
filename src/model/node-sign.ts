// What a node says of itself in the datastore with each sign of life: for people, and for another machine of the same name.

/** How long one sign holds, seconds. */
export const signHolds = 15

export interface NodeSign {
  /** Of margayd. */
  readonly version: string
  /** Name of the machine. */
  readonly host: string
  /** Start of margayd, ISO 8601, by the node's clock. */
  readonly since: string
  /** Of the node's own store, made with it. Absent: an earlier Margay. */
  readonly store?: string
  /** Of the process, random. Absent: an earlier Margay. */
  readonly run?: string
  /** Linux's boot id: of the machine, from one start of it to the next. Absent: an earlier Margay. */
  readonly boot?: string
}
