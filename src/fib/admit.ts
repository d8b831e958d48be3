// Which learned prefixes may enter the kernel's table (design §2).
//
// A peer's routes are hostile until checked: they never reach into what this node holds itself, into a subnet that it is
// connected to, or into ranges with a meaning of their own. This file looks at the prefix only; next hops are next-hop.ts. Whether
// somebody else's route holds the very prefix is the route table's judgement (dataplane/routes/decide.ts), and a conflict there.

import { formatPrefix, parsePrefix, Ranges, specialRange } from '../../inet/index.ts'
import type { Prefix, PrefixKey } from '../../inet/index.ts'
import { type ReadTunnelRule, readTunnelRule } from './tunnel-rules.ts'
import type { RouteRules } from '../model/intent.ts'
import type { FactsIndex } from './facts-index.ts'

/** Route rules with their prefixes read once. */
export interface ReadRules {
  readonly rules: RouteRules
  readonly own: Ranges<{ readonly prefix: Prefix }>
  readonly pools: Ranges<{ readonly prefix: Prefix }>
  /** By the pools of tunnels. */
  readonly tunnels: Ranges<{ readonly prefix: Prefix; readonly rule: ReadTunnelRule }>
  /** Next hops that some tunnel leads to. */
  readonly tunnelled: ReadonlySet<string>
  /** Of what leaves by tunnels. */
  readonly tunnelSources: readonly string[]
}

export function readRules(rules: RouteRules): ReadRules {
  const tunnels = (rules.tunnels ?? []).flatMap(readTunnelRule)
  return {
    rules,
    own: new Ranges(rules.own.flatMap(readPrefix)),
    pools: new Ranges((rules.pools ?? []).flatMap(readPrefix)),
    tunnels: new Ranges(tunnels.map(rule => ({ prefix: rule.pool, rule }))),
    tunnelled: new Set(tunnels.flatMap(({ gateways }) => [...gateways.keys()])),
    tunnelSources: [...new Set(tunnels.flatMap(sourcesOf))],
  }
}

function sourcesOf({ source, gateways }: ReadTunnelRule): readonly string[] {
  return [source, ...[...gateways.values()].map(({ instead }) => instead?.source)].flatMap(each => each ?? [])
}

function readPrefix(text: string): readonly { readonly prefix: Prefix }[] {
  const prefix = parsePrefix(text)
  return prefix ? [{ prefix }] : []
}

/** Why a learned prefix may not be installed; undefined: it may. One of IPv6 is given as a `Prefix`. */
export function refusal(
  of: PrefixKey | Prefix,
  { rules, own, pools }: ReadRules,
  facts: FactsIndex,
): string | undefined {
  if (of.length === 0) return rules.acceptDefault ? undefined : 'default routes learned by BGP are not accepted here'
  const range = specialRange(of)
  if (range) return `it lies in ${formatPrefix(range.prefix)} (${range.meaning}), which is never routed`
  const ours = own.around(of)
  if (ours) return `it lies in ${formatPrefix(ours.prefix)}, which is this node's own`
  const subnet = facts.subnets.around(of)
  return subnet && !pools.around(of)
    ? `it lies in ${subnet.route.prefix}, which is connected on ${subnet.route.device}`
    : undefined
}
