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
  /** Pools by name whose packets may leave without encryption: to all nodes, because the mode says so, or still to these, by name. */
  readonly open: { readonly [pool: string]: 'all' | readonly string[] }
}

/** Kind of the records; the name is the node's. */
export const tunnelUseKind = 'TunnelUse'

/** Undefined: it is none. */
export function readTunnelUse(node: string, value: unknown): TunnelUse | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  // Of a version without `open`: nothing may.
  const { accepts, leaving, sends, bare, open = {} } = value as Partial<TunnelUse>
  if (![accepts, leaving, sends].every(isNames) || !isMap(bare) || !isMap(open)) return undefined
  if (!Object.values(open).every(nodes => nodes === 'all' || isNames(nodes))) return undefined
  return { node, accepts: accepts ?? [], leaving: leaving ?? [], sends: sends ?? [], bare, open }
}

function isMap<T>(value: T | null | undefined): value is T & object {
  return typeof value === 'object' && value !== null
}

function isNames(value: unknown): boolean {
  return Array.isArray(value) && value.every(each => typeof each === 'string')
}
