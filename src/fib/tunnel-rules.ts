// Tunnel or fabric: which way a learned route into a pool of tunnels takes.
//
// The gateway on the tunnel's device is the node at the far end, and that node is the route's next hop. A next hop that is no
// node of the cluster is a router of the fabric: it carries pods' packets as they are (CrossSubnet), or the route is of no use
// (Always), because nobody behind it is known to unwrap.

import { parsePrefix } from '../../inet/index.ts'
import type { Prefix } from '../../inet/index.ts'
import type { NextHop } from '../model/fib.ts'
import type { TunnelRule } from '../model/tunnel.ts'
import type { Resolution } from './next-hop.ts'

/** A rule with its addresses read once. */
export interface ReadTunnelRule {
  readonly pool: Prefix
  readonly device: string
  /** Next hop -> gateway on the device. */
  readonly gateways: ReadonlyMap<string, string>
  readonly always: boolean
  readonly source?: string
  readonly fault?: string
}

export function readTunnelRule({ remotes, pool: text, ...rule }: TunnelRule): readonly ReadTunnelRule[] {
  const pool = parsePrefix(text)
  if (!pool) return []
  return [{ ...rule, pool, gateways: new Map(remotes.map(({ nextHop, gateway }) => [nextHop, gateway])) }]
}

export type Ways =
  | { readonly ok: true; readonly hops: readonly NextHop[]; readonly tunnelled: boolean }
  | { readonly ok: false; readonly reason: string }

/** The next hops of a route under a rule. `resolve` says whether outer packets, or bare ones, get to a next hop. */
export function throughTunnel(
  rule: ReadTunnelRule,
  nextHops: readonly string[],
  resolve: (nextHop: string) => Resolution | undefined,
): Ways {
  const hops: NextHop[] = []
  const reasons: string[] = []
  let tunnelled = false
  for (const nextHop of nextHops) {
    const resolution = resolve(nextHop)
    const gateway = rule.gateways.get(nextHop)
    if (!resolution?.usable) {
      if (resolution) reasons.push(resolution.reason)
    } else if (gateway !== undefined) {
      if (rule.fault !== undefined) reasons.push(rule.fault)
      else {
        tunnelled = true
        const { weight } = resolution.hop
        hops.push({ gateway, device: rule.device, onlink: true, ...(weight !== undefined && { weight }) })
      }
    } else if (rule.always) {
      reasons.push(
        `next hop ${nextHop} is no node of the cluster, so no tunnel leads there, and its pool is tunnelled always; use CrossSubnet, or let routers keep the nodes' next hops`,
      )
    } else if (resolution.byDefault) {
      reasons.push(`next hop ${nextHop} is reached only by the default route, which BGP routes do not use`)
    } else {
      hops.push(resolution.hop)
    }
  }
  return hops.length > 0 ? { ok: true, hops, tunnelled } : { ok: false, reason: reasons.join('; ') }
}
