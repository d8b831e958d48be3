// This node's links, as a plan needs them: on which of them a peer is, and what stands on the loopback.
//
// A node with several uplinks often has its own address on none of them but on the loopback, as a /32: then each session is spoken on
// the link of its peer, and routers learn the address by BGP.

import { contains, formatAddress, parseInterfaceAddress, prefixOf } from '../../inet/index.ts'
import type { Address, InterfaceAddress, IpFamily } from '../../inet/index.ts'
import type { Facts } from '../model/facts.ts'

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
  return links.find(({ own }) => own.address.family === peer.family && contains(prefixOf(own.address, own.length), peer))
}

/** The first address of a family on a link that other machines can route to. */
export function addressOn(links: LinkAddresses, link: string, family: IpFamily): Address | undefined {
  const isRoutable = ({ family, octets }: Address) => family === 4 || octets[0] !== 0xfe || (octets[1] & 0xc0) !== 0x80
  return links.find(each => each.link === link && each.own.address.family === family && isRoutable(each.own.address))
    ?.own.address
}

/** Whether the address stands on the loopback: on no link, so that others reach it only if they are told. */
export function isOnLoopback(links: LinkAddresses, address: Address): boolean {
  const text = formatAddress(address)
  return links.some(({ link, own }) => link === 'lo' && formatAddress(own.address) === text)
}
