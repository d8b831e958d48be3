// Forwarding that the host's own filter refuses to pods. Docker, for one, sets the policy of FORWARD to DROP.
//
// A packet must be accepted by every base chain of a hook: no chain of ours can take back what another drops, and theirs are not ours
// to change. So what stands in the way is reported, with the command that lets pods through; a rule that carries our name in its
// comment says that somebody has typed it. What iptables-legacy does is no part of nftables, and is not seen.

import type { Netfilter, NetfilterChain, NetfilterFamily, NetfilterTable } from '../../../netlink/netfilter/types.ts'
import { ourTable } from './table.ts'

const comment = 'margay'

export async function forwardProblems(netfilter: Netfilter, pools: readonly string[]): Promise<readonly string[]> {
  const dropping = (await netfilter.chains()).filter(
    ({ family, name, chain }) =>
      chain.hook?.at === 'forward' &&
      chain.hook.policy === 'drop' &&
      poolsOf(family, pools).length > 0 &&
      !(family === ourTable.family && name === ourTable.name),
  )
  const found = await Promise.all(
    dropping.map(async row => {
      const table = await netfilter.table(row)
      return table && !isLetThrough(table) ? problem(table, row.chain, poolsOf(table.family, pools)) : []
    }),
  )
  return found.flat()
}

function poolsOf(family: NetfilterFamily, pools: readonly string[]): readonly string[] {
  if (family === 'inet') return pools
  return pools.filter(pool => family === (pool.includes(':') ? 'ip6' : 'ip'))
}

/** iptables keeps a comment in a match of its own, nft beside the rule. */
function isLetThrough(table: NetfilterTable): boolean {
  return table.chains
    .flatMap(chain => chain.rules)
    .some(
      rule =>
        rule.comment?.includes(comment) ||
        rule.expressions.some(
          expression => expression.do === 'unknown' && Buffer.from(expression.octets).includes(comment),
        ),
    )
}

function problem(table: NetfilterTable, chain: Omit<NetfilterChain, 'rules'>, pools: readonly string[]): string {
  const { family, name } = table
  const commands = pools.flatMap(pool => ['s', 'd'].map(side => command(table, chain.name, side, pool)))
  return `packet filter: the chain ${chain.name} of the nftables table ${family} ${name} drops what it does not know, packets from and to pods too; let them through: ${commands.join(' && ')}`
}

/** Docker's users have a chain of their own, which Docker does not rewrite. */
function command({ family, name, chains }: NetfilterTable, chain: string, side: string, pool: string): string {
  if (name === 'filter' && chain === 'FORWARD') {
    const where = chains.some(each => each.name === 'DOCKER-USER') ? 'DOCKER-USER' : chain
    return `${family === 'ip6' ? 'ip6tables' : 'iptables'} -I ${where} -${side} ${pool} -m comment --comment ${comment} -j ACCEPT`
  }
  const header = `${pool.includes(':') ? 'ip6' : 'ip'} ${side === 's' ? 'saddr' : 'daddr'}`
  return `nft insert rule ${family} ${name} ${chain} ${header} ${pool} accept comment ${comment}`
}
