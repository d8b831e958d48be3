// What the node's own routing table shall hold, one entry a prefix. Types and equality only.

/** Who wants the route. For one prefix the first of this order wins (design §2). */
export const fibClasses = ['endpoint', 'tunnel', 'bgp', 'block'] as const
export type FibClass = (typeof fibClasses)[number]

/** Kernel metric of our routes; with our protocol number it marks them ours. */
export const ourMetric = 1024

export interface NextHop {
  /** Absent: directly on the device. */
  readonly gateway?: string
  readonly device: string
  /** The gateway is on the link though no connected route says so. */
  readonly onlink?: boolean
  /** 1–256, default 1. */
  readonly weight?: number
}

export interface FibEntry {
  /** Canonical text, `10.42.0.0/26`. */
  readonly prefix: string
  readonly kind: 'unicast' | 'unreachable'
  /** Sorted; empty for an unreachable one. */
  readonly nextHops: readonly NextHop[]
  /** Preferred source address. */
  readonly source?: string
  readonly mtu?: number
}

export function equalFibEntries(a: FibEntry, b: FibEntry): boolean {
  return (
    a.prefix === b.prefix &&
    a.kind === b.kind &&
    a.source === b.source &&
    a.mtu === b.mtu &&
    (a.nextHops === b.nextHops ||
      (a.nextHops.length === b.nextHops.length && a.nextHops.every((hop, i) => equalNextHops(hop, b.nextHops[i]))))
  )
}

function equalNextHops(a: NextHop, b: NextHop): boolean {
  return (
    a.gateway === b.gateway &&
    a.device === b.device &&
    (a.onlink ?? false) === (b.onlink ?? false) &&
    (a.weight ?? 1) === (b.weight ?? 1)
  )
}

/** What became of one entry in the kernel. */
export interface FibResult {
  readonly prefix: string
  readonly state: 'installed' | 'removed' | 'conflict' | 'failed' | 'held'
  /** One sentence with the next step, for conflict and failed. */
  readonly text?: string
}
