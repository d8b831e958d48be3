// Tunnels: which devices this node needs, who is at their far ends, and which learned routes go through them.
//
// A pool's mode says when packets between two nodes are wrapped: Always, or CrossSubnet: only if the other node's address is
// outside this node's own subnet, that is the CIDR of its address in its Node. An address of full length (/32, /128) has no
// subnet, so there CrossSubnet wraps everything; that is said, because it is seldom meant.

import { bitsOf, contains, formatAddress, parseAddress, parsePrefix, prefixOf } from '../../inet/index.ts'
import type { Address, InterfaceAddress } from '../../inet/index.ts'
import {
  hearsEveryAddress,
  type Tunnel,
  tunnelDevice,
  tunnelGateway,
  type TunnelKind,
  type TunnelRule,
  type TunnelState,
} from '../model/tunnel.ts'
import { selects, tunnelModes } from '../resources/index.ts'
import type { IPPoolResource } from '../resources/index.ts'
import { familyOf, type FormerAddress } from './former.ts'
import type { NodeSpeaker } from './speakers.ts'

export interface TunnelPlan {
  readonly tunnels: readonly Tunnel[]
  readonly rules: readonly TunnelRule[]
  readonly problems: readonly string[]
}

/** By device. */
export type TunnelStates = ReadonlyMap<string, TunnelState>

export const noTunnels: TunnelPlan = { tunnels: [], rules: [], problems: [] }

interface Use {
  readonly pool: IPPoolResource
  readonly kind: TunnelKind
  readonly mode: 'Always' | 'CrossSubnet'
  readonly family: 4 | 6
}

export function planTunnels(
  local: NodeSpeaker,
  speakers: readonly NodeSpeaker[],
  pools: readonly IPPoolResource[],
  states: TunnelStates,
  former: readonly FormerAddress[] = [],
): TunnelPlan {
  const tunnels = new Map<string, Tunnel>()
  const rules: TunnelRule[] = []
  const problems: string[] = []
  for (const { pool, kind, mode, family } of pools.flatMap(useOf)) {
    const own = addressOf(local, family)
    if (!own) {
      problems.push(withoutAddress(local, pool, kind, family))
      continue
    }
    if (mode === 'CrossSubnet' && own.length === bitsOf(family)) problems.push(withoutSubnet(local, pool, kind, own))
    const device = tunnelDevice(kind, family)
    const ends = speakers
      .filter(other => other !== local)
      .flatMap(other => endsOf(other, family, former))
      .filter(({ address }) => mode === 'Always' || !contains(prefixOf(own.address, own.length), address))
    const before = tunnels.get(device)
    const source = hearsEveryAddress(kind) ? sourceOf(local, own, former) : formatAddress(own.address)
    const mine = !pool.spec.disabled && selects(pool.spec.nodeSelector, local.labels)
    tunnels.set(device, {
      kind,
      family,
      device,
      local: source,
      remotes: [...new Set([...(before?.remotes ?? []), ...ends.map(({ to }) => to)])].toSorted(),
      names: { ...before?.names, ...namesOf(ends), [source]: local.name },
      pools: [...(before?.pools ?? []), ...(mine ? [pool.metadata.name] : [])],
    })
    const { address: preferred, fault } = states.get(device) ?? {}
    rules.push({
      pool: pool.spec.cidr,
      device,
      remotes: ends.map(({ text, to, name }) => ({ nextHop: text, gateway: tunnelGateway(to, name) })),
      always: mode === 'Always',
      ...(preferred !== undefined && { source: preferred }),
      ...(fault !== undefined && { fault }),
    })
  }
  return { tunnels: [...tunnels.values()], rules, problems }
}

interface End {
  readonly name: string
  readonly address: Address
  readonly text: string
  /** The node's address now, where `text` is one that it had. */
  readonly to: string
}

/** What routes to a node may name as their next hop: its address, and those that it had until lately. */
function endsOf(node: NodeSpeaker, family: 4 | 6, former: readonly FormerAddress[]): readonly End[] {
  const now = addressOf(node, family)
  if (!now) return []
  const to = formatAddress(now.address)
  const had = former
    .filter(({ node: name, address }) => name === node.name && familyOf(address) === family)
    .flatMap(({ address }) => parseAddress(address) ?? [])
  return [now.address, ...had].map(address => ({ name: node.name, address, text: formatAddress(address), to }))
}

/** Of outer packets: the former address, while others may not know the new one. */
function sourceOf(local: NodeSpeaker, own: InterfaceAddress, former: readonly FormerAddress[]): string {
  const { family } = own.address
  const old = former.find(({ node, address, inUse }) => inUse && node === local.name && familyOf(address) === family)
  return old?.address ?? formatAddress(own.address)
}

function namesOf(ends: readonly End[]): Readonly<Record<string, string>> {
  return Object.fromEntries(ends.flatMap(({ text, to, name }) => [text, to].map(address => [address, name])))
}

function useOf(pool: IPPoolResource): readonly Use[] {
  const range = parsePrefix(pool.spec.cidr)
  if (!range) return []
  const { family } = range
  for (const { kind, field } of tunnelModes) {
    const mode = pool.spec[field]
    if (mode !== 'Never') return [{ pool, kind, mode, family }]
  }
  return []
}

function addressOf(speaker: NodeSpeaker, family: 4 | 6): InterfaceAddress | undefined {
  return family === 4 ? speaker.address4 : speaker.address6
}

function fieldOf(kind: TunnelKind): string {
  return tunnelModes.find(row => row.kind === kind)?.field ?? kind
}

function withoutAddress(local: NodeSpeaker, pool: IPPoolResource, kind: TunnelKind, family: 4 | 6): string {
  return `node "${local.name}": it has no IPv${family} address, so it has no tunnel for ippool "${pool.metadata.name}" (${fieldOf(kind)}); add bgp.ipv${family}Address to its Node.`
}

function withoutSubnet(local: NodeSpeaker, pool: IPPoolResource, kind: TunnelKind, own: InterfaceAddress): string {
  return `node "${local.name}": its address ${formatAddress(own.address)}/${own.length} has no subnet, so ippool "${pool.metadata.name}" (${fieldOf(kind)} CrossSubnet) is tunnelled to every node; write the length of its subnet in bgp.ipv${own.address.family}Address, or Always.`
}
