// Our rules in iptables: two of them, at the head of a chain, that let through what comes from pods' devices and what goes to them. They
// name the devices by what all their names begin with, so they stay as they are when pods and pools come and go. They are known by
// their comment; a rule that somebody has typed has another.

import type { Netfilter, NetfilterRule, NetfilterTable } from '../../../netlink/netfilter/types.ts'
import { hostDevicePrefix } from '../endpoints/names.ts'
import { type Backend, type Iptables, tableOfSave } from './iptables.ts'
import { hasComment } from './passage.ts'

/** A chain with rules of ours. */
export interface Ours {
  readonly backend: Backend
  readonly family: 4 | 6
  readonly chain: string
}

export const ourRuleComment = 'added by margayd'

/** As iptables takes and prints them. */
const matches = ['-i', '-o'].map(side => [side, `${hostDevicePrefix}+`])
const marked = ['-m', 'comment', '--comment', ourRuleComment, '-j', 'ACCEPT']

/** Adds those that are missing. What the kernel refuses shows in the next look at the chain. */
export async function addOurs(iptables: Iptables, { backend, family, chain }: Ours): Promise<void> {
  for (const match of matches) {
    const rule = [chain, ...match, ...marked]
    if ((await iptables.run(backend, family, ['-C', ...rule])) !== undefined)
      await iptables.run(backend, family, ['-I', ...rule])
  }
}

/** Every chain that has some, with its table. */
export async function findOurs(
  netfilter: Netfilter,
  iptables: Iptables,
): Promise<readonly (Ours & { readonly table: NetfilterTable })[]> {
  const found: (Ours & { readonly table: NetfilterTable })[] = []
  for (const family of [4, 6] as const) {
    const id = { family: family === 4 ? 'ip' : 'ip6', name: 'filter' } as const
    const isThere = (await netfilter.tables()).some(each => each.family === id.family && each.name === id.name)
    const text = await iptables.legacyFilter(family).catch(() => undefined)
    for (const [backend, table] of [
      ['nft', isThere ? await netfilter.table(id) : undefined],
      ['legacy', text === undefined ? undefined : tableOfSave(text, family)],
    ] as const)
      for (const chain of table?.chains ?? [])
        if (table && chain.rules.some(rule => hasComment(rule, ourRuleComment)))
          found.push({ backend, family, chain: chain.name, table })
  }
  return found
}

/** The table as it were without our rules in one of its chains. */
export function withoutOurs(table: NetfilterTable, chain: string): NetfilterTable {
  const isOurs = (rule: NetfilterRule): boolean => hasComment(rule, ourRuleComment)
  return {
    ...table,
    chains: table.chains.map(each =>
      each.name === chain ? { ...each, rules: each.rules.filter(rule => !isOurs(rule)) } : each,
    ),
  }
}

/** Returns sentences for what stays. */
export async function removeOurs(iptables: Iptables, all: readonly Ours[]): Promise<readonly string[]> {
  const problems: string[] = []
  for (const { backend, family, chain } of all)
    for (const match of matches) {
      const rule = [chain, ...match, ...marked]
      while ((await iptables.run(backend, family, ['-C', ...rule])) === undefined) {
        const failed = await iptables.run(backend, family, ['-D', ...rule])
        if (failed === undefined) continue
        problems.push(`${describeOurs({ backend, family, chain })} stays: ${failed}`)
        break
      }
    }
  return problems
}

/** By the words with which one finds it. */
export function describeOurs({ backend, family, chain }: Ours): string {
  return `rules "${ourRuleComment}" of ${family === 4 ? 'iptables' : 'ip6tables'}${backend === 'legacy' ? '-legacy' : ''}, chain ${chain}`
}
