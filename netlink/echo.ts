// ICMP echoes of an exact size that no router may cut, for finding out what a path carries (RFC 1191, RFC 8201). The kernel heeds no
// path MTU that it has learned before (IP_PMTUDISC_PROBE). Needs CAP_NET_RAW.

import { addon } from './core/addon.ts'
import { errnoName, errnoText, NetlinkError } from './core/errno.ts'

export type EchoOutcome =
  | { readonly what: 'answered' }
  /** A router, or the link itself, has said that it is. `mtu`: what it would take. */
  | { readonly what: 'too big'; readonly mtu?: number }
  /** Nobody answered: it was lost, or dropped without a word; or it could not be sent, for the reason `code` names. */
  | { readonly what: 'no answer'; readonly code: string }

export interface Echo {
  /** IPv4 or IPv6. */
  readonly to: string
  /** Of the whole packet, with its IP header: 28 (IPv6: 48) to 65535. */
  readonly octets: number
  /** Milliseconds to wait. */
  readonly wait: number
}

/** Throws a `NetlinkError` if this process may not send it, or it is none. */
export async function echo({ to, octets, wait }: Echo): Promise<EchoOutcome> {
  const result = await addon().icmpEcho(to, octets, wait)
  if (result === 0) return { what: 'answered' }
  if (result > 0) return { what: 'too big', mtu: result }
  const code = errnoName(result)
  if (code === 'EMSGSIZE') return { what: 'too big' }
  if (['EPERM', 'EACCES', 'EINVAL'].includes(code)) throw new NetlinkError(code, `echo to ${to}: ${errnoText(code)}`)
  return { what: 'no answer', code }
}
