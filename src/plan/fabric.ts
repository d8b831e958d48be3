// Which of this node's links lead to the fabric: those are margayd's to set up (docs/design.md, "ECMP"). Bridges and links of other
// container runtimes have addresses, too, and are left as they are.

import { formatAddress, parseAddress, parseInterfaceAddress } from '../../inet/index.ts'
import type { PeerConfig } from '../../bgp/types.ts'
import type { Facts, LinkFact } from '../model/facts.ts'
import { isTunnelDevice } from '../model/tunnel.ts'
import { facing, loopback, readLinks } from './links.ts'

/** Names, sorted: links with the node's own address, with a peer, or with a gateway of somebody's route. `own`: as its Node says. */
export function fabricLinks(
  facts: Facts,
  own: readonly (string | undefined)[],
  peers: Iterable<PeerConfig>,
): readonly string[] {
  const links = readLinks(facts.addresses)
  const isOwn = new Set(own.flatMap(text => addressOf(text) ?? []))
  const found = new Set([
    ...links.filter(each => isOwn.has(formatAddress(each.own.address))).map(({ link }) => link),
    ...[...peers].flatMap(({ address, interface: device }) => linkOf(address, device, links) ?? []),
    ...facts.foreignRoutes.flatMap(({ gateway, device }) =>
      gateway !== undefined && device !== undefined ? device : [],
    ),
  ])
  const there = new Set(facts.links.map(({ name }) => name))
  return [...found].filter(name => there.has(name) && name !== loopback && !isTunnelDevice(name)).toSorted()
}

/** Those of the links that have no IPv4 address of their own: unnumbered ones. */
export function withoutIpv4({ addresses }: Facts, links: readonly string[]): readonly string[] {
  const numbered = new Set(addresses.filter(({ cidr }) => !cidr.includes(':')).map(({ link }) => link))
  return links.filter(link => !numbered.has(link))
}

/** Of those the one that carries the least: what counts for a node whose own address is on the loopback. */
export function narrowest(facts: Facts, peers: Iterable<PeerConfig>): LinkFact | undefined {
  const names = new Set(fabricLinks(facts, [], peers))
  return facts.links.filter(({ name }) => names.has(name)).toSorted((a, b) => a.mtu - b.mtu)[0]
}

function addressOf(text: string | undefined): string | undefined {
  const parsed = text === undefined ? undefined : parseInterfaceAddress(text)
  return parsed && formatAddress(parsed.address)
}

function linkOf(
  address: string | undefined,
  device: string | undefined,
  links: ReturnType<typeof readLinks>,
): string | undefined {
  const [text = '', zone] = address?.split('%') ?? []
  if (device !== undefined || zone !== undefined) return device ?? zone
  const peer = parseAddress(text)
  return peer && facing(links, peer)?.link
}
