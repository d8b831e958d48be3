// What a node says of its tunnels to the other nodes, in a record of its own: by it the mode of a pool changes without loss.

export interface TunnelUse {
  /** Name of the node. */
  readonly node: string
  /** Devices that take packets from other nodes. */
  readonly accepts: readonly string[]
  /** Devices that still do, and that go when the others have heard of it: nobody shall use them any more. */
  readonly leaving: readonly string[]
  /** Devices that its own packets leave by, or are about to. */
  readonly sends: readonly string[]
  /** Pools by name whose packets it sends as they are: to all nodes, or only to those of its own subnet. */
  readonly bare: { readonly [pool: string]: 'all' | 'subnet' }
}

/** Kind of the records; the name is the node's. */
export const tunnelUseKind = 'TunnelUse'

/** Undefined: it is none. */
export function readTunnelUse(node: string, value: unknown): TunnelUse | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  const { accepts, leaving, sends, bare } = value as Partial<TunnelUse>
  if (![accepts, leaving, sends].every(isNames) || typeof bare !== 'object' || bare === null) return undefined
  return { node, accepts: accepts ?? [], leaving: leaving ?? [], sends: sends ?? [], bare }
}

function isNames(value: unknown): boolean {
  return Array.isArray(value) && value.every(each => typeof each === 'string')
}
