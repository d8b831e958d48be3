// Who is at the far ends of a node's tunnels, and by which of their addresses routes may lead there.

import { contains, familyOf, formatAddress, parseAddress, prefixOf } from '../../inet/index.ts'
import type { InterfaceAddress } from '../../inet/index.ts'
import type { FormerAddress } from './former.ts'
import type { NodeSpeaker } from './speakers.ts'

/** What of the nodes tunnels are made from. */
export interface Cluster {
  readonly local: NodeSpeaker
  readonly speakers: readonly NodeSpeaker[]
  readonly former: readonly FormerAddress[]
}

/** Another node that a rule may lead to. */
export interface End {
  readonly name: string
  readonly text: string
  /** The node's address now, where `text` is one that it had. */
  readonly to: string
  /** In this node's own subnet. */
  readonly isNear: boolean
  /** It has published a WireGuard key. */
  readonly hasKey: boolean
}

/** What routes to another node may name as their next hop: its address, and those that it had until lately. */
export function endsOf({ local, speakers, former }: Cluster, own: InterfaceAddress): readonly End[] {
  const { family } = own.address
  const subnet = prefixOf(own.address, own.length)
  return speakers
    .filter(other => other !== local)
    .flatMap(({ name, wireguardKey, ...other }) => {
      const now = family === 4 ? other.address4 : other.address6
      if (!now) return []
      const to = formatAddress(now.address)
      const had = former
        .filter(({ node, address }) => name === node && familyOf(address) === family)
        .flatMap(({ address }) => parseAddress(address) ?? [])
      return [now.address, ...had].map(address => ({
        name,
        text: formatAddress(address),
        to,
        isNear: contains(subnet, address),
        hasKey: wireguardKey !== undefined,
      }))
    })
}

/** Of outer packets: the former address, while others may not know the new one. */
export function sourceOf({ local, former }: Cluster, own: InterfaceAddress): string {
  const { family } = own.address
  const old = former.find(({ node, address, inUse }) => inUse && node === local.name && familyOf(address) === family)
  return old?.address ?? formatAddress(own.address)
}

export function namesOf(ends: readonly End[]): Readonly<Record<string, string>> {
  return Object.fromEntries(ends.flatMap(({ text, to, name }) => [text, to].map(address => [address, name])))
}

export function addressOf(speaker: NodeSpeaker, family: 4 | 6): InterfaceAddress | undefined {
  return family === 4 ? speaker.address4 : speaker.address6
}
