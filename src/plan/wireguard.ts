// WireGuard: what this node has to know of each node at the far end of a tunnel. The key is what the node itself has published in
// its Node; what it may send from, and what is sent to it, are its blocks and its own address.
//
// All of its blocks, whatever pools they are of: a pod of a pool that is not wrapped sends to one of a pool that is, too.

import { comparePrefixes, formatAddress, formatPrefix, hostPrefix, parsePrefix } from '../../inet/index.ts'
import type { Tunnel } from '../model/tunnel.ts'
import type { WireguardNode } from '../model/wireguard.ts'
import type { OwnedBlock } from './snapshot.ts'
import type { NodeSpeaker } from './speakers.ts'

export interface WireguardPlan {
  readonly nodes: readonly WireguardNode[]
  readonly problems: readonly string[]
}

export function planWireguard(
  { device, family, remotes }: Tunnel,
  local: NodeSpeaker,
  speakers: readonly NodeSpeaker[],
  blocks: readonly OwnedBlock[],
): WireguardPlan {
  const byNode = Map.groupBy(blocks, block => block.node)
  const byKey = Map.groupBy(speakers, ({ wireguardKey }) => wireguardKey)
  const nodes: WireguardNode[] = []
  const problems: string[] = []
  for (const speaker of speakers) {
    const own = family === 4 ? speaker.address4 : speaker.address6
    const address = own && formatAddress(own.address)
    if (!own || address === undefined || speaker === local || !remotes.includes(address)) continue
    const { name, wireguardKey: publicKey } = speaker
    const same = publicKey === undefined ? [] : (byKey.get(publicKey) ?? [])
    if (publicKey === undefined) problems.push(withoutKey(device, name))
    else if (same.length > 1) problems.push(sameKey(device, same))
    else
      nodes.push({
        node: name,
        publicKey,
        address,
        allowedIps: [
          ...(byNode.get(name) ?? []).flatMap(({ cidr }) => parsePrefix(cidr) ?? []),
          hostPrefix(own.address),
        ]
          .filter(prefix => prefix.family === family)
          .toSorted(comparePrefixes)
          .map(formatPrefix),
      })
  }
  return { nodes, problems: [...new Set(problems)] }
}

function withoutKey(device: string, node: string): string {
  return `device ${device}: node "${node}" has published no WireGuard key, so nothing goes to its pods; margayctl status on that node says why`
}

function sameKey(device: string, nodes: readonly NodeSpeaker[]): string {
  const names = nodes.map(({ name }) => `"${name}"`).join(' and ')
  return `device ${device}: nodes ${names} have published the same WireGuard key, as copies of one machine do, so nothing goes to their pods; run margayctl node rotate-key on all of them but one`
}
