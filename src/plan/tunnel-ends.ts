// Who is at the far ends of a node's tunnels, and by which of their addresses routes may lead there.

import { contains, familyOf, formatAddress, parseAddress, prefixOf } from '../../inet/index.ts'
import type { Address, InterfaceAddress } from '../../inet/index.ts'
import type { FormerAddress } from './former.ts'
import { type TunnelEnd, tunnelGateway } from '../model/tunnel.ts'
import { perElement, perObject, perPair } from './memo.ts'
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
  /** What a route by the tunnel of the pool leads to. */
  readonly end: TunnelEnd
}

export interface Ends {
  /** What routes to other nodes may name as their next hop: their addresses, and those that they had until lately. */
  readonly ends: readonly End[]
  /** The addresses that the other nodes have now, sorted. */
  readonly remotes: readonly string[]
  /** Who is at which address, this node too. */
  readonly names: Readonly<Record<string, string>>
}

/** The same object as before where nothing of it has changed. */
export function endsOf({ local, speakers, former }: Cluster, own: InterfaceAddress): Ends {
  return endsFor(own, former)(local)(speakers)
}

const endsFor = perPair((own: InterfaceAddress, former: readonly FormerAddress[]) =>
  perObject((local: NodeSpeaker) => {
    const { address } = own
    const { family } = address
    const subnet = prefixOf(address, own.length)
    const endsTo = perElement((other: NodeSpeaker): readonly End[] => {
      const now = addressOf(other, family)
      if (!now || other === local) return []
      const { name, wireguardKey } = other
      const to = formatAddress(now.address)
      const had = former
        .filter(({ node, address }) => name === node && familyOf(address) === family)
        .flatMap(({ address }) => parseAddress(address) ?? [])
      return [now.address, ...had].map(address => {
        const text = formatAddress(address)
        const isNear = contains(subnet, address)
        const end = { nextHop: text, gateway: tunnelGateway(to, name) }
        return { name, text, to, isNear, hasKey: wireguardKey !== undefined, end }
      })
    })
    const gather = perObject((lists: readonly (readonly End[])[]): Ends => {
      const ends = lists.flat()
      const remotes = [...new Set(ends.map(({ to }) => to))].toSorted()
      const names: Record<string, string> = {}
      for (const { text, to, name } of ends) names[text] = names[to] = name
      names[formatAddress(address)] = names[sourceOf(former, local, address)] = local.name
      return { ends, remotes, names }
    })
    return (speakers: readonly NodeSpeaker[]) => gather(endsTo(speakers))
  }),
)

/** Of outer packets of the node `local`: its former address, while others may not know that it has `own` now. */
export function sourceOf(former: readonly FormerAddress[], local: NodeSpeaker, own: Address): string {
  const old = former.find(
    ({ node, address, inUse }) => inUse && node === local.name && familyOf(address) === own.family,
  )
  return old?.address ?? formatAddress(own)
}

export function addressOf(speaker: NodeSpeaker, family: 4 | 6): InterfaceAddress | undefined {
  return family === 4 ? speaker.address4 : speaker.address6
}
