// Tunnels: which devices this node needs, who is at their far ends, and which learned routes go through them.
//
// A pool's mode says when packets between two nodes are wrapped: Always, or CrossSubnet: only if the other node's address is
// outside this node's own subnet, that is the CIDR of its address in its Node. An address of full length (/32, /128) has no
// subnet, so there CrossSubnet wraps everything; that is said, because it is seldom meant.

import { bitsOf, formatAddress, parsePrefix } from '../../inet/index.ts'
import {
  hearsEveryAddress,
  isEncrypting,
  type Tunnel,
  tunnelDevice,
  type TunnelEnd,
  type TunnelKind,
  type TunnelRule,
  type TunnelState,
} from '../model/tunnel.ts'
import type { TunnelUse } from '../model/tunnel-use.ts'
import { selects, tunnelModes } from '../resources/index.ts'
import type { IPPoolResource } from '../resources/index.ts'
import type { FormerAddress } from './former.ts'
import type { OwnedBlock } from './snapshot.ts'
import type { NodeSpeaker } from './speakers.ts'
import { addressOf, type Cluster, type End, endsOf, sourceOf } from './tunnel-ends.ts'
import { keptBackText, lateText, withoutAddress, withoutSubnet } from './tunnel-sentences.ts'
import { hasMet, planUse, type UseView, viewOf, wayTo } from './tunnel-use.ts'
import { planWireguard } from './wireguard.ts'

export interface TunnelPlan {
  readonly tunnels: readonly Tunnel[]
  readonly rules: readonly TunnelRule[]
  /** What this node shall say of them. */
  readonly use?: TunnelUse
  /** What a change of mode waits for: a sentence each. */
  readonly waits: readonly string[]
  readonly problems: readonly string[]
}

/** By device. */
export type TunnelStates = ReadonlyMap<string, TunnelState>

export const noTunnels: TunnelPlan = { tunnels: [], rules: [], waits: [], problems: [] }

interface Use {
  readonly pool: IPPoolResource
  readonly kind: TunnelKind
  readonly mode: 'Always' | 'CrossSubnet'
  readonly family: 4 | 6
}

/** `blocks`: of the cluster; only WireGuard asks for them. */
export function planTunnels(
  local: NodeSpeaker,
  speakers: readonly NodeSpeaker[],
  pools: readonly IPPoolResource[],
  uses: readonly TunnelUse[],
  known: {
    readonly states: TunnelStates
    readonly pending?: TunnelUse
    readonly former?: readonly FormerAddress[]
    /** Of every node; needed where packets are encrypted. */
    readonly blocks?: readonly OwnedBlock[]
  },
): TunnelPlan {
  const view = viewOf(local.name, speakers, uses, known)
  const cluster: Cluster = { local, speakers, former: known.former ?? [] }
  const rules: TunnelRule[] = []
  const problems: string[] = []
  const late: string[] = []
  const wanted = new Map<string, { readonly use: Use; readonly pools: string[] }>()
  const bare: [string, 'all' | 'subnet'][] = pools.filter(isNever).map(pool => [pool.metadata.name, 'all'])
  const open: [string, 'all' | readonly string[]][] = pools.filter(isOpen).map(pool => [pool.metadata.name, 'all'])
  for (const use of pools.flatMap(useOf)) {
    const { pool, kind, mode, family } = use
    const own = addressOf(local, family)
    if (!own) {
      problems.push(withoutAddress(local, pool, kind, family))
      continue
    }
    if (mode === 'CrossSubnet' && own.length === bitsOf(family)) problems.push(withoutSubnet(local, pool, kind, own))
    const device = tunnelDevice(kind, family)
    const shared = wanted.get(device) ?? { use, pools: [] }
    wanted.set(device, shared)
    if (isFor(pool, local)) shared.pools.push(pool.metadata.name)
    const { ends } = endsOf(cluster, own)
    const remotes = ends.filter(({ isNear }) => mode === 'Always' || !isNear)
    const { rule, asTheyAre } = ruleOf(view, use, device, remotes)
    rules.push(rule)
    if (isEncrypting(device)) {
      const wrapped = new Set(rule.remotes.filter(end => !end.instead).map(({ nextHop }) => nextHop))
      const isWrapped = ({ text }: End) => wrapped.has(text)
      const names = new Set(ends.filter(end => !isWrapped(end)).map(({ name }) => name))
      if (names.size > 0) open.push([pool.metadata.name, [...names].toSorted()])
      const shut = remotes.filter(end => isWrapped(end) && !hasMet(view, device, end.name))
      late.push(...keptBackText(shut, device, family))
    }
    if (asTheyAre !== undefined) bare.push([pool.metadata.name, asTheyAre])
    else if (mode === 'CrossSubnet') bare.push([pool.metadata.name, 'subnet'])
    late.push(...lateText(rule, use))
  }
  const used = rules.flatMap(({ remotes }) => remotes.flatMap(({ instead }) => instead?.device ?? []))
  const { use, kept, waits } = planUse(local.name, view, [...wanted.keys()], used, {
    bare: Object.fromEntries(bare),
    open: Object.fromEntries(open),
  })
  const tunnels = [
    ...[...wanted].flatMap(([, { use, pools: names }]) => tunnelOf(cluster, use, names)),
    ...kept.flatMap(device => keptTunnel(cluster, pools, device)),
  ]
  const encrypted = tunnels.map(tunnel => {
    if (tunnel.kind !== 'wireguard') return tunnel
    const { nodes, problems: lacking } = planWireguard(tunnel, local, speakers, known.blocks ?? [])
    problems.push(...lacking)
    return { ...tunnel, nodes }
  })
  return { tunnels: encrypted, rules, use, waits: [...new Set([...late, ...waits])], problems }
}

/** Whether a device of that kind is wanted, or stays for a while. */
export function usesWireguard(pools: readonly IPPoolResource[], states: TunnelStates): boolean {
  const devices = ([4, 6] as const).map(family => tunnelDevice('wireguard', family))
  return pools.some(({ spec }) => spec.wireguardMode !== 'Never') || devices.some(device => states.has(device))
}

/** Also tells to whom this pool's packets go as they are: undefined is only as the mode says. */
function ruleOf(
  view: UseView,
  { pool, mode, family }: Use,
  device: string,
  remotes: readonly End[],
): { readonly rule: TunnelRule; readonly asTheyAre?: 'all' | 'subnet' } {
  const { address: source, fault } = view.states.get(device) ?? {}
  const alike = tunnelModes.map(({ kind }) => tunnelDevice(kind, family))
  const ends: TunnelEnd[] = []
  const bare: End[] = []
  for (const remote of remotes) {
    const wish = { pool: pool.metadata.name, device, remote: remote.name, isNear: remote.isNear }
    const way = wayTo(view, wish, alike)
    if (way === 'bare') bare.push(remote)
    else if (way.device === device) ends.push(remote.end)
    else ends.push({ ...remote.end, instead: insteadOf(view, way.device) })
  }
  return {
    rule: {
      pool: pool.spec.cidr,
      device,
      remotes: ends,
      always: mode === 'Always',
      ...(bare.length > 0 && { bare: bare.map(({ text }) => text) }),
      ...(source !== undefined && { source }),
      ...(fault !== undefined && { fault }),
    },
    ...(bare.length > 0 && { asTheyAre: bare.every(({ isNear }) => isNear) ? 'subnet' : 'all' }),
  }
}

function insteadOf({ states }: UseView, device: string): TunnelEnd['instead'] {
  const source = states.get(device)?.address
  return { device, ...(source !== undefined && { source }) }
}

function tunnelOf(
  cluster: Cluster,
  { kind, family }: Pick<Use, 'kind' | 'family'>,
  pools: readonly string[],
): readonly Tunnel[] {
  const own = addressOf(cluster.local, family)
  if (!own) return []
  const { former, local } = cluster
  // Also those of the own subnet that the mode leaves out: a change of it then finds them known.
  const { remotes, names } = endsOf(cluster, own)
  return [
    {
      kind,
      family,
      device: tunnelDevice(kind, family),
      local: hearsEveryAddress(kind) ? sourceOf(former, local, own.address) : formatAddress(own.address),
      remotes,
      names,
      pools,
    },
  ]
}

/** As it was; its address stays, whichever pool it is from. */
function keptTunnel(cluster: Cluster, pools: readonly IPPoolResource[], device: string): readonly Tunnel[] {
  const found = tunnelModes
    .flatMap(({ kind }) => ([4, 6] as const).map(family => ({ kind, family })))
    .find(({ kind, family }) => tunnelDevice(kind, family) === device)
  if (!found) return []
  const names = pools
    .filter(pool => isFor(pool, cluster.local) && parsePrefix(pool.spec.cidr)?.family === found.family)
    .map(({ metadata }) => metadata.name)
  return tunnelOf(cluster, found, names)
}

function isFor({ spec }: IPPoolResource, local: NodeSpeaker): boolean {
  return !spec.disabled && selects(spec.nodeSelector, local.labels)
}

function isNever({ spec }: IPPoolResource): boolean {
  return tunnelModes.every(({ field }) => spec[field] === 'Never')
}

/** Its mode lets every packet of it leave without encryption. */
function isOpen({ spec }: IPPoolResource): boolean {
  return spec.wireguardMode === 'Never'
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
