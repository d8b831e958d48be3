// What a node says of its sessions to the other nodes, in a record of its own: by it a mesh gives way to reflectors, and the other way
// round, without a route lost.

export interface Handover {
  /** Name of the node. */
  readonly node: string
  /** Digest of the resources by which all its sessions are up and have told all that they know. */
  readonly inSync: string
  /** The same when it needs no session of before any more. */
  readonly done: string
}

/** Kind of the records; the name is the node's. */
export const handoverKind = 'Handover'

/** Undefined: it is none. */
export function readHandover(node: string, value: unknown): Handover | undefined {
  const { inSync, done } = (value ?? {}) as Partial<Handover>
  return typeof inSync === 'string' && typeof done === 'string' ? { node, inSync, done } : undefined
}
