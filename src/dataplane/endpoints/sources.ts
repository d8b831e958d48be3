// The address from which the node itself speaks to its pods.
//
// A route to a pod says it only where the kernel would choose another. For IPv4 that is the first address of the first device
// (inet_select_addr), for IPv6 the one most like the pod's (RFC 6724). A route that prefers an address goes with it, so none says what
// goes without saying: pods of a node with one address are there whatever becomes of it.

import { formatAddress, parseInterfaceAddress } from '../../../inet/index.ts'
import type { Facts } from '../../model/facts.ts'

export interface PodSources {
  readonly v4?: string
  readonly v6?: string
}

/** `own`: the node's addresses, without length. */
export function podSources(facts: Facts, own: PodSources): PodSources {
  const indices = new Map(facts.links.map(({ name, index }) => [name, index]))
  const all = facts.addresses.flatMap(({ link, cidr }) => {
    const parsed = parseInterfaceAddress(cidr)
    const text = parsed && formatAddress(parsed.address)
    return text === undefined || /^(127\.|::1$|fe[89ab])/.test(text) ? [] : [{ text, index: indices.get(link) ?? 0 }]
  })
  const told = (address: string | undefined, isRival: (index: number, ownIndex: number) => boolean) => {
    const mine = all.find(({ text }) => text === address)
    const isSix = address?.includes(':')
    const rivals = all.filter(
      ({ text, index }) => text !== address && text.includes(':') === isSix && mine && isRival(index, mine.index),
    )
    return mine && rivals.length > 0 ? address : undefined
  }
  const v4 = told(own.v4, (index, ownIndex) => index <= ownIndex)
  const v6 = told(own.v6, () => true)
  return { ...(v4 !== undefined && { v4 }), ...(v6 !== undefined && { v6 }) }
}
