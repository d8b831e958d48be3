// What people read when the packet filter is not as it should be: object, reason, next step.

import type { Result } from '../../../netlink/types.ts'
import type { NetfilterFamily, NetfilterTable } from '../../../netlink/netfilter/types.ts'
import { hostDevicePrefix } from '../endpoints/names.ts'
import type { Obstacle } from './forward.ts'
import { type Ours, ourRuleComment } from './our-rules.ts'
import { ourTable } from './table.ts'

const table = `${ourTable.family} ${ourTable.name}`
const effect = "natOutgoing and the check of pods' source addresses are not in force"

export const foreignText = `packet filter: another program has an nftables table ${table}, so ${effect}; rename or remove it: nft delete table ${table}`

export const fightText = `packet filter: another program keeps changing the nftables table ${table}, so it is put back more and more slowly; find that program (nft monitor) and make it leave the table alone`

/** How a kernel answers that has no nf_tables: to the socket, to a question, to a transaction. */
const missing: readonly string[] = ['EPROTONOSUPPORT', 'EINVAL', 'EOPNOTSUPP']

export function refusedText({ errno, text }: Extract<Result, { ok: false }>): string {
  if (errno === 'EPERM')
    return `packet filter: margayd may not change nftables, so ${effect}; run it with CAP_NET_ADMIN`
  if (missing.includes(errno))
    return `packet filter: this kernel has no nf_tables, or not all of it (${text}), so ${effect}; load it (modprobe -a nf_tables nft_masq nft_fib_inet), or boot a kernel that has it`
  if (errno === 'ENOENT')
    return `packet filter: the kernel lacks a part of nftables (${text}), so ${effect}; load it: modprobe -a nft_masq nft_fib_inet`
  return `packet filter: the kernel refused the nftables table ${table} (${errno}: ${text}), so ${effect} as they should be; it is tried again`
}

/** What a table does to pods, and how to let them through. */
export function refusedForwardText(
  { backend, table: { family, name }, chain, pools }: Obstacle,
  commands: string,
): string {
  const where =
    backend === 'legacy' ? `table ${name} of ${iptablesOf(family)}-legacy` : `nftables table ${family} ${name}`
  const isShared = backend === 'legacy' || isIptables(family, name, chain.name)
  const setting = isShared ? 'have margayd add rules (dataplane.forwardAccept in margayd.yaml), or ' : ''
  return `packet filter: the chain ${chain.name} of the ${where} drops packets from or to pods of ${pools.join(', ')}; ${setting}let them through: ${commands}`
}

function isIptables(family: NetfilterFamily, table: string, chain: string): boolean {
  return (family === 'ip' || family === 'ip6') && table === 'filter' && chain === 'FORWARD'
}

function iptablesOf(family: NetfilterFamily): string {
  return family === 'ip6' ? 'ip6tables' : 'iptables'
}

/** `ours`: where the rule goes in iptables; undefined: the table is one of nftables. */
export function commandFor(
  direction: 'from' | 'to',
  { family, name }: NetfilterTable,
  chain: string,
  ours: Ours | undefined,
): string {
  if (ours)
    return `${iptablesOf(family)}${ours.backend === 'legacy' ? '-legacy' : ''} -I ${ours.chain} ${direction === 'from' ? '-i' : '-o'} ${hostDevicePrefix}+ -m comment --comment margay -j ACCEPT`
  return `nft insert rule ${family} ${name} ${chain} ${direction === 'from' ? 'iifname' : 'oifname'} '"${hostDevicePrefix}*"' accept comment margay`
}

export function unreadableText(family: 4 | 6, reason: string): string {
  const program = family === 4 ? 'iptables' : 'ip6tables'
  return `packet filter: there are rules of ${program}-legacy, which cannot be read (${reason.split('\n')[0]}), so they may drop packets of pods unseen; install iptables, or look yourself: ${program}-legacy -S FORWARD`
}

export function fightingText(where: string, count: number): string {
  const [backend, family, chain] = where.split(' ')
  return `packet filter: somebody removes our rules from the chain ${chain} of ${family === '6' ? 'ip6tables' : 'iptables'} (${backend}) again and again (${count} times in a short while), so they are put back ever more slowly; find that program and make it keep rules with the comment "${ourRuleComment}"`
}
