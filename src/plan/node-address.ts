// Which of a node's addresses is the one that the others reach it by.
//
// A method says which addresses come into question and which of them is the one. What the Node has stays as long as it is on a link
// and comes into question, also where another would be chosen now: a changed address costs every session of the node. Where a
// method leads to several, none is chosen: a guess would work on most nodes and be found out on the last.

import {
  type Address,
  contains,
  formatAddress,
  formatPrefix,
  type InterfaceAddress,
  parseAddress,
  parseInterfaceAddress,
  parsePrefix,
  type Prefix,
  prefixOf,
  specialRange,
} from '../../inet/index.ts'
import type { Facts, ForeignRoute } from '../model/facts.ts'
import { isTunnelDevice } from '../model/tunnel.ts'
import { selects, splitAddressAndPort } from '../resources/index.ts'
import { type AddressMethod, isOthersLink } from './address-method.ts'
import type { Snapshot } from './snapshot.ts'

export interface Candidate {
  readonly link: string
  readonly cidr: string
}

export type Selection =
  | { readonly ok: true; readonly cidr: string; /** It is what the Node has. */ readonly kept: boolean }
  /** In a clause, with the next step. */
  | { readonly ok: false; readonly reason: string; readonly candidates: readonly Candidate[] }

export interface Search {
  readonly family: 4 | 6
  readonly method: AddressMethod
  readonly facts: Facts
  /** What the Node has, `10.0.1.7/24`. */
  readonly own?: string
  /** BGP peers by address, for `route-to-peers`. */
  readonly peers: readonly Address[]
}

interface Found extends Candidate {
  readonly parsed: InterfaceAddress
  readonly index: number
  readonly up: boolean
  readonly secondary: boolean
}

export function selectAddress({ family, method, facts, own, peers }: Search): Selection {
  const all = addressesOf(facts, family)
  const eligible = all.filter(found => isEligible(found, method))
  const held = own === undefined ? undefined : parseInterfaceAddress(own)
  if (own !== undefined && eligible.some(({ parsed }) => held && same(parsed.address, held.address)))
    return { ok: true, cidr: own, kept: true }
  // A secondary address (IPv6: a temporary one) is one that the kernel itself does not prefer.
  const usable = eligible.filter(({ up, secondary }) => up && !secondary)
  switch (method.by) {
    case 'first-found': {
      const first = usable[0]?.link
      return one(
        usable.filter(({ link }) => link === first),
        `no link that is up has an IPv${family} address of the node's`,
        all,
      )
    }
    case 'interface': {
      const name = method.names.find(pattern => usable.some(({ link }) => pattern.test(link)))
      return one(
        usable.filter(({ link }) => name?.test(link)),
        `no such link that is up has an IPv${family} address`,
        all,
      )
    }
    case 'cidr': {
      const range = method.ranges.find(each => usable.some(({ parsed }) => contains(each, parsed.address)))
      const within = usable.filter(({ parsed }) => range && contains(range, parsed.address))
      return one(within, 'no link that is up has an address in there', all)
    }
    case 'can-reach': {
      const source = sourceTowards(method.destination, facts, usable)
      return one(source ? [source] : [], `no route leads to ${formatAddress(method.destination)}`, all)
    }
    case 'route-to-peers': {
      const sources = peers.flatMap(peer => sourceTowards(peer, facts, usable) ?? [])
      const none =
        peers.length === 0 ? `the node has no peers with an IPv${family} address yet` : 'no route leads to a peer'
      return one([...new Set(sources)], none, all)
    }
  }
}

/** Routers that the node peers with; where there are none, the other nodes. */
export function peersOf(node: string, { nodes, bgpPeers }: Snapshot, family: 4 | 6): readonly Address[] {
  const labels = nodes.find(({ metadata }) => metadata.name === node)?.metadata.labels ?? {}
  const routers = bgpPeers
    .filter(({ spec }) => (spec.node === undefined ? selects(spec.nodeSelector ?? '', labels) : spec.node === node))
    .flatMap(({ spec }) => parseAddress(splitAddressAndPort(spec.peerIP ?? '')?.address ?? '') ?? [])
    .filter(address => address.family === family)
  if (routers.length > 0) return routers
  return nodes
    .filter(({ metadata }) => metadata.name !== node)
    .flatMap(
      ({ spec }) => parseInterfaceAddress((family === 4 ? spec.bgp?.ipv4Address : spec.bgp?.ipv6Address) ?? '') ?? [],
    )
    .map(({ address }) => address)
}

/** For people: `eth0 10.0.1.7/24, eth1 10.9.0.7/24`. */
export function candidateText(candidates: readonly Candidate[]): string {
  return candidates.map(({ link, cidr }) => `${cidr} on ${link}`).join(', ')
}

function one(found: readonly Found[], none: string, all: readonly Found[]): Selection {
  if (found.length === 1) return { ok: true, cidr: found[0].cidr, kept: false }
  const listed = found.length > 0 ? found : all
  const candidates = listed.map(({ link, cidr }) => ({ link, cidr }))
  return { ok: false, reason: found.length > 0 ? 'it leads to several addresses' : none, candidates }
}

/** What might be a node's address at all, by link as the kernel numbers them. */
function addressesOf(facts: Facts, family: 4 | 6): readonly Found[] {
  const links = new Map(facts.links.map(link => [link.name, link]))
  return facts.addresses
    .flatMap(({ link: name, cidr, secondary = false }) => {
      const parsed = parseInterfaceAddress(cidr)
      const link = links.get(name)
      if (!parsed || !link || parsed.address.family !== family || isTunnelDevice(name)) return []
      if (specialRange(parsed.address)) return []
      return [{ link: name, cidr, parsed, index: link.index, up: link.up, secondary }]
    })
    .toSorted((a, b) => a.index - b.index)
}

function isEligible({ link, parsed }: Found, method: AddressMethod): boolean {
  switch (method.by) {
    case 'first-found':
      return !isOthersLink(link) && !method.skip.some(pattern => pattern.test(link))
    case 'interface':
      return method.names.some(pattern => pattern.test(link))
    case 'cidr':
      return method.ranges.some(range => contains(range, parsed.address))
    case 'can-reach':
    case 'route-to-peers':
      return true
  }
}

/** As the kernel chooses it: what the route says, else the address on its link that shares a subnet with the gateway. */
function sourceTowards(destination: Address, facts: Facts, usable: readonly Found[]): Found | undefined {
  const route = routeTo(destination, facts.foreignRoutes)
  if (!route) return undefined
  const told = usable.find(({ parsed }) => formatAddress(parsed.address) === route.source)
  if (told) return told
  const onLink = usable.filter(({ link }) => link === route.device)
  const next = parseAddress(route.gateway ?? '') ?? destination
  return onLink.find(({ parsed }) => shares(parsed, next)) ?? onLink[0]
}

function routeTo(destination: Address, routes: readonly ForeignRoute[]): ForeignRoute | undefined {
  const covering = routes.flatMap(route => {
    const prefix = parsePrefix(route.prefix)
    const isWay = route.device !== undefined && prefix && contains(prefix, destination)
    return isWay ? [{ route, length: prefix.length }] : []
  })
  return covering.toSorted((a, b) => b.length - a.length || a.route.metric - b.route.metric)[0]?.route
}

function shares({ address, length }: InterfaceAddress, other: Address): boolean {
  return contains(prefixOf(address, length), other)
}

function same(a: Address, b: Address): boolean {
  return formatAddress(a) === formatAddress(b)
}

/** The subnet of a candidate, as `cidr=` takes it. */
export function subnetOf({ cidr }: Candidate): string {
  const parsed = parseInterfaceAddress(cidr)
  const subnet: Prefix | undefined = parsed && prefixOf(parsed.address, parsed.length)
  return subnet ? formatPrefix(subnet) : cidr
}
