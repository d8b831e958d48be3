// This node's links, as a plan needs them: on which of them a peer is, and what stands on the loopback.
//
// A node with several uplinks often has its own address on none of them but on the loopback, as a /32: then each session is spoken on
// the link of its peer, and routers learn the address by BGP.

import { contains, formatAddress, isLinkLocal, parseInterfaceAddress, prefixOf } from '../../inet/index.ts'
import type { Address, InterfaceAddress, IpFamily } from '../../inet/index.ts'
import type { Facts } from '../model/facts.ts'
import { isTunnelDevice } from '../model/tunnel.ts'

/** The kernel's name of it. */
export const loopback = 'lo'

/** An address of this node and the link that has it. */
export interface LinkAddress {
  readonly link: string
  readonly own: InterfaceAddress
}

export type LinkAddresses = readonly LinkAddress[]

export function readLinks(addresses: Facts['addresses']): LinkAddresses {
  return addresses.flatMap(({ link, cidr }) => {
    const own = parseInterfaceAddress(cidr)
    return own ? [{ link, own }] : []
  })
}

/** Our address on the subnet that `peer` is on; undefined: on none of ours. */
export function facing(links: LinkAddresses, peer: Address): LinkAddress | undefined {
  return links.find(
    ({ link, own }) =>
      link !== loopback &&
      own.address.family === peer.family &&
      contains(prefixOf(own.address, own.length), peer) &&
      formatAddress(own.address) !== formatAddress(peer),
  )
}

/** The first address of a family on a link that other machines can route to. */
export function addressOn(links: LinkAddresses, link: string, family: IpFamily): Address | undefined {
  return links.find(each => each.link === link && each.own.address.family === family && !isLinkLocal(each.own.address))
    ?.own.address
}

/** Whether the address stands on the loopback: on no link, so that others reach it only if they are told. */
export function isOnLoopback(links: LinkAddresses, address: Address): boolean {
  return isOn(links, loopback, address)
}

export function isOn(links: LinkAddresses, link: string, address: Address): boolean {
  const text = formatAddress(address)
  return links.some(each => each.link === link && formatAddress(each.own.address) === text)
}

/** The links that a name, or a pattern of `*` and `?`, stands for. A plain name stands for itself, also while there is no such link. */
export function matching(devices: readonly string[], pattern: string): readonly string[] {
  if (!/[*?]/.test(pattern)) return [pattern]
  const source = pattern.replaceAll(/[^\w]/g, letter => ({ '*': '.*', '?': '.' })[letter] ?? `\\${letter}`)
  const form = new RegExp(`^${source}$`)
  return devices.filter(device => form.test(device))
}

/** Names of the links that may lead to routers. */
export function devicesOf(links: Facts['links']): readonly string[] {
  return links.map(({ name }) => name).filter(name => name !== loopback && !isTunnelDevice(name))
}
