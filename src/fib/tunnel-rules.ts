// Tunnel or fabric: which way a learned route into a pool of tunnels takes.
//
// The gateway on the tunnel's device is the node at the far end, and that node is the route's next hop. A next hop that is no
// node of the cluster is a router of the fabric: nobody behind it is known to unwrap, and it carries pods' packets as they are, for it
// announced the route. With mode Always that is told; what shall be encrypted never leaves so, but to a node that has not changed over yet.

import { parsePrefix } from '../../inet/index.ts'
import type { Prefix } from '../../inet/index.ts'
import type { NextHop } from '../model/fib.ts'
import { isEncrypting, type TunnelEnd, type TunnelRule } from '../model/tunnel.ts'
import type { Resolution } from './next-hop.ts'

/** A rule with its addresses read once. */
export interface ReadTunnelRule {
  readonly pool: Prefix
  readonly device: string
  /** By next hop. */
  readonly gateways: ReadonlyMap<string, TunnelEnd>
  readonly bare: ReadonlySet<string>
  readonly always: boolean
  readonly source?: string
  readonly fault?: string
}

export function readTunnelRule({ remotes, bare, pool: text, ...rule }: TunnelRule): readonly ReadTunnelRule[] {
  const pool = parsePrefix(text)
  if (!pool) return []
  return [{ ...rule, pool, gateways: new Map(remotes.map(end => [end.nextHop, end])), bare: new Set(bare) }]
}

export type Ways =
  | {
      readonly ok: true
      readonly hops: readonly NextHop[]
      readonly tunnelled: boolean
      readonly source?: string
      /** Some of it leaves as it is, though the mode is Always. */
      readonly unwrapped: boolean
    }
  | { readonly ok: false; readonly reason: string }

/** The next hops of a route under a rule, and the source of what leaves by a tunnel. `resolve` says whether outer packets, or bare ones, get to a next hop. */
export function throughTunnel(
  rule: ReadTunnelRule,
  nextHops: readonly string[],
  resolve: (nextHop: string) => Resolution | undefined,
): Ways {
  const hops: NextHop[] = []
  const reasons: string[] = []
  const sources: (string | undefined)[] = []
  let unwrapped = false
  for (const nextHop of nextHops) {
    const resolution = resolve(nextHop)
    const end = rule.gateways.get(nextHop)
    if (!resolution?.usable) {
      if (resolution) reasons.push(resolution.reason)
    } else if (end !== undefined) {
      if (rule.fault !== undefined && !end.instead) reasons.push(rule.fault)
      else {
        const { device, source } = end.instead ?? rule
        const { weight } = resolution.hop
        sources.push(source)
        hops.push({ gateway: end.gateway, device, onlink: true, ...(weight !== undefined && { weight }) })
      }
    } else if (rule.always && isEncrypting(rule.device) && !rule.bare.has(nextHop)) {
      reasons.push(
        `next hop ${nextHop} is no node of the cluster, so no tunnel leads there, and packets of its pool never leave without encryption; use CrossSubnet, or let routers keep the nodes' next hops`,
      )
    } else if (resolution.byDefault) {
      reasons.push(`next hop ${nextHop} is reached only by the default route, which BGP routes do not use`)
    } else {
      hops.push(resolution.hop)
      unwrapped ||= rule.always && !rule.bare.has(nextHop)
    }
  }
  if (hops.length === 0) return { ok: false, reason: reasons.join('; ') }
  const [source] = sources
  return { ok: true, hops, tunnelled: sources.length > 0, unwrapped, ...(source !== undefined && { source }) }
}
