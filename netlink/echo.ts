// ICMP echoes. `echo`: one of an exact size that no router may cut, for finding out what a path carries (RFC 1191, RFC 8201); the kernel
// heeds no path MTU that it has learned before (IP_PMTUDISC_PROBE). `answering`: small ones to many, for who is there. Need CAP_NET_RAW.

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

export interface Echoes {
  /** Path of the network namespace that they leave from. Default: that of the process. */
  readonly netns?: string
  /** IPv4 or IPv6. */
  readonly to: readonly string[]
  /** Milliseconds to wait for those that do not answer; each is asked again every 200. */
  readonly wait: number
}

/** Which of these addresses answer, in their order. Throws a `NetlinkError` if there is no such namespace, or this process may not. */
export async function answering({ netns, to, wait }: Echoes): Promise<readonly boolean[]> {
  const namespace = netns === undefined ? -1 : addon().openNamespace(netns)
  if (netns !== undefined && namespace < 0) throw refusal(`network namespace ${netns}`, namespace)
  try {
    const result = await addon().icmpEchoes(namespace, to, wait)
    if (typeof result === 'number') throw refusal(`echoes to ${to.join(', ')}`, result)
    return result
  } finally {
    if (namespace >= 0) addon().closeNamespace(namespace)
  }
}

function refusal(what: string, result: number): NetlinkError {
  const code = errnoName(result)
  return new NetlinkError(code, `${what}: ${errnoText(code)}`)
}
