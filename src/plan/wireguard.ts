// WireGuard: what this node has to know of each node at the far end of a tunnel. The key is what the node itself has published in
// its Node; what it may send from, and what is sent to it, are its blocks and its own address.
//
// All of its blocks, whatever pools they are of: a pod of a pool that is not wrapped sends to one of a pool that is, too.

import { comparePrefixes, formatAddress, formatPrefix, hostPrefix, parsePrefix } from '../../inet/index.ts'
import type { Tunnel } from '../model/tunnel.ts'
import type { WireguardNode } from '../model/wireguard.ts'
import { perElement, perObject, perPair } from './memo.ts'
import type { OwnedBlock } from './snapshot.ts'
import type { NodeSpeaker } from './speakers.ts'
import { addressOf } from './tunnel-ends.ts'

export interface WireguardPlan {
  readonly nodes: readonly WireguardNode[]
  readonly problems: readonly string[]
}

export function planWireguard(
  { device, family }: Tunnel,
  local: NodeSpeaker,
  speakers: readonly NodeSpeaker[],
  blocks: readonly OwnedBlock[],
): WireguardPlan {
  const groups = blocksByNode(blocks)
  const twice = doubled(keysOf(speakers))
  const nodes: WireguardNode[] = []
  const problems: string[] = []
  for (const speaker of speakers) {
    const { name, wireguardKey } = speaker
    if (speaker === local || !addressOf(speaker, family)) continue
    if (wireguardKey === undefined) problems.push(withoutKey(device, name))
    else if (twice.has(wireguardKey)) {
      const same = speakers.filter(each => each.wireguardKey === wireguardKey)
      problems.push(sameKey(device, same))
    } else nodes.push(...nodeOf[family](speaker, groups.get(name) ?? none))
  }
  return { nodes, problems: [...new Set(problems)] }
}

const none: readonly OwnedBlock[] = []

/** The same objects as before where node and blocks are. */
const nodeOf = { 4: nodeOfFamily(4), 6: nodeOfFamily(6) }

function nodeOfFamily(family: 4 | 6) {
  return perPair((speaker: NodeSpeaker, blocks: readonly OwnedBlock[]): readonly WireguardNode[] => {
    const { name, wireguardKey: publicKey } = speaker
    const own = addressOf(speaker, family)
    if (!own || publicKey === undefined) return []
    const prefixes = [...blocks.flatMap(({ cidr }) => parsePrefix(cidr) ?? []), hostPrefix(own.address)]
    const allowedIps = prefixes
      .filter(prefix => prefix.family === family)
      .toSorted(comparePrefixes)
      .map(formatPrefix)
    return [{ node: name, publicKey, address: formatAddress(own.address), allowedIps }]
  })
}

let lastGroups: ReadonlyMap<string, readonly OwnedBlock[]> = new Map()

/** A node's list is the same as before where all in it are. */
const blocksByNode = perObject((blocks: readonly OwnedBlock[]) => {
  const groups = new Map<string, readonly OwnedBlock[]>(Map.groupBy(blocks, ({ node }) => node))
  for (const [node, own] of groups) {
    const before = lastGroups.get(node)
    if (before?.length === own.length && before.every((each, i) => each === own[i])) groups.set(node, before)
  }
  return (lastGroups = groups)
})

const keysOf = perElement(({ wireguardKey }: NodeSpeaker) => wireguardKey)

/** Keys that several have. */
const doubled = perObject((keys: readonly (string | undefined)[]): ReadonlySet<string> => {
  const seen = new Set<string>()
  const twice = new Set<string>()
  for (const key of keys) {
    if (key === undefined) continue
    if (seen.has(key)) twice.add(key)
    seen.add(key)
  }
  return twice
})

function withoutKey(device: string, node: string): string {
  return `device ${device}: node "${node}" has published no WireGuard key, so nothing goes to its pods; margayctl status on that node says why`
}

function sameKey(device: string, nodes: readonly NodeSpeaker[]): string {
  const names = nodes.map(({ name }) => `"${name}"`).join(' and ')
  return `device ${device}: nodes ${names} have published the same WireGuard key, as copies of one machine do, so nothing goes to their pods; run margayctl node rotate-key on all of them but one`
}
