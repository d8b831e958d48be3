// What listen ranges must be before they come into force.

import { contains, formatPrefix, parsePrefix } from '../../inet/index.ts'
import type { ConfigIssue, ListenRange, PeerConfig, SpeakerConfig } from '../types.ts'
import { placeOf } from '../session/place.ts'
import { bareAddress } from './addresses.ts'
import { limitOf } from './dynamic.ts'

/** `checkPeer`: what is wrong with a peer of that configuration. */
export function checkDynamic(
  config: SpeakerConfig,
  checkPeer: (name: string, peer: PeerConfig) => ConfigIssue[],
): ConfigIssue[] {
  const issues: ConfigIssue[] = []
  const names = new Set<string>()
  const prefixes = new Map<string, string>()
  const { dynamic = [] } = config
  for (const range of dynamic) {
    const add = (field: string, value: unknown, reason: string, fix: string) =>
      issues.push({ peer: range.name, field, value, reason, fix })
    const other = names.has(range.name) || config.peers.has(range.name)
    if (other) add('name', range.name, 'another range, or a peer, has it', 'give each a name of its own')
    names.add(range.name)
    for (const name of config.peers.keys()) {
      if (!name.startsWith(`${range.name}/`)) continue
      add('name', range.name, `peer "${name}" is named as if it came from this range`, 'rename one of the two')
    }
    const limit = limitOf(range)
    if (!(Number.isInteger(limit) && limit >= 1 && limit <= 65000)) {
      add('limit', limit, 'it is no number of peers', 'give 1 to 65000')
    }
    const prefix = parsePrefix(range.prefix)
    if (!prefix) {
      add('prefix', range.prefix, 'it is no prefix', 'write it like 10.42.0.0/16, with all host bits zero')
      continue
    }
    const same = prefixes.get(formatPrefix(prefix))
    if (same !== undefined) add('prefix', range.prefix, `range "${same}" has it too`, 'remove one of the two')
    prefixes.set(formatPrefix(prefix), range.name)
    const address = formatPrefix(prefix).replace(/\/.*/, '')
    issues.push(...checkPeer(range.name, { ...range.template, address }))
    checkKeys(range, config, add)
  }
  return issues
}

type Add = (field: string, value: unknown, reason: string, fix: string) => void

/** The key of a range holds for every address in it, save for those that have another of their own. */
function checkKeys({ prefix, template }: ListenRange, { peers, dynamic = [] }: SpeakerConfig, add: Add): void {
  const outer = parsePrefix(prefix)
  if (!outer || template.secret === undefined) return
  const complain = (who: string) => {
    const fix = 'give that one a key too, or leave it out of the range'
    add('template.secret', '(not shown)', `${who} has no key, but the kernel would ask for this one there`, fix)
  }
  for (const [name, peer] of peers) {
    const address = bareAddress(placeOf(peer))
    if (address && peer.secret === undefined && !peer.tcpAo && contains(outer, address)) complain(`peer "${name}"`)
  }
  for (const range of dynamic) {
    const inner = parsePrefix(range.prefix)
    if (inner && range.template.secret === undefined && !range.template.tcpAo && contains(outer, inner))
      complain(`range "${range.name}"`)
  }
}
