// Every node of the cluster as a BGP speaker: address, AS, part in reflection.

import { equalAddresses, formatAddress, parseAddress, parseInterfaceAddress } from '../../inet/index.ts'
import type { InterfaceAddress } from '../../inet/index.ts'
import type { LinkAddresses } from './links.ts'
import { perElement, perObject } from './memo.ts'
import type { Labels, NodeResource } from '../resources/index.ts'
import type { BgpSettings } from './settings.ts'

/** A node that has an address to speak from. */
export interface NodeSpeaker {
  readonly name: string
  readonly labels: Labels
  readonly asn: number
  readonly address4?: InterfaceAddress
  readonly address6?: InterfaceAddress
  /** The node is a route reflector of this cluster (RFC 4456). */
  readonly clusterId?: string
  /** Public key that it has published. */
  readonly wireguardKey?: string
  /** It is about to go: peers shall take other ways. */
  readonly leaving: boolean
}

/** This node, with what is known of its links. */
export interface LocalSpeaker extends NodeSpeaker {
  readonly links: LinkAddresses
  /** Names of its links, loopback and pods' left out. */
  readonly devices: readonly string[]
}

/** The nodes that can speak, by name in alphabetical order. */
export function nodeSpeakers(nodes: readonly NodeResource[], settings: BgpSettings): readonly NodeSpeaker[] {
  return byName(speakersOf(settings)(nodes))
}

/** The AS of nodes that name none is the cluster's. */
const speakersOf = perObject(({ asNumber }: BgpSettings) =>
  perElement((node: NodeResource) => makeSpeaker(node, asNumber)),
)

const byName = perObject((speakers: readonly (NodeSpeaker | undefined)[]) =>
  speakers.filter(each => each !== undefined).toSorted((a, b) => (a.name < b.name ? -1 : 1)),
)

function makeSpeaker(node: NodeResource, asNumber: number): NodeSpeaker | undefined {
  const bgp = node.spec.bgp
  const address4 = bgp?.ipv4Address === undefined ? undefined : parseInterfaceAddress(bgp.ipv4Address)
  const address6 = bgp?.ipv6Address === undefined ? undefined : parseInterfaceAddress(bgp.ipv6Address)
  if (!bgp || (!address4 && !address6)) return undefined
  return {
    name: node.metadata.name,
    labels: node.metadata.labels,
    asn: bgp.asNumber ?? asNumber,
    address4,
    address6,
    clusterId: bgp.routeReflectorClusterID,
    ...(node.spec.wireguard && { wireguardKey: node.spec.wireguard.publicKey }),
    leaving: node.spec.drain !== undefined,
  }
}

/** The node's IPv4 address; without one, four octets made of its name: stable, and not 0.0.0.0 (RFC 6286). */
export function routerId(speaker: NodeSpeaker): string {
  return speaker.address4 ? formatAddress(speaker.address4.address) : idFromName(speaker.name)
}

/** The id that the running speaker has, unless another node has that address now: then there would be two of that id. */
export function keptRouterId(
  local: NodeSpeaker,
  speakers: readonly NodeSpeaker[],
  running: string | undefined,
): string {
  const kept = running === undefined ? undefined : parseAddress(running)
  if (running === undefined || !kept) return routerId(local)
  const isTaken = speakers.some(
    ({ name, address4 }) => name !== local.name && address4 && equalAddresses(address4.address, kept),
  )
  return isTaken ? routerId(local) : running
}

/** FNV-1a, 32 bits. */
function idFromName(name: string): string {
  let hash = 0x811c9dc5
  for (const octet of new TextEncoder().encode(name)) hash = Math.imul(hash ^ octet, 0x01000193) >>> 0
  if (hash === 0) hash = 1
  return [24, 16, 8, 0].map(shift => (hash >>> shift) & 255).join('.')
}

/** Why this node cannot speak, and what to do. */
export function cannotSpeak(node: string, nodes: readonly NodeResource[]): string {
  const resource = nodes.find(each => each.metadata.name === node)
  if (!resource)
    return `node "${node}": there is no Node of that name, so it has no sessions; apply one with bgp.ipv4Address.`
  if (!resource.spec.bgp)
    return `node "${node}": it has no bgp section, so it takes no part in BGP; add bgp.ipv4Address to its Node.`
  return `node "${node}": it has no address, so it has no sessions; add bgp.ipv4Address to its Node.`
}
