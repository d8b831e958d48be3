// What people read when the packet filter is not as it should be: object, reason, next step.

import type { Result } from '../../../netlink/types.ts'
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
