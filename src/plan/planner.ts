// From the cluster's resources to what this node shall do. Pure: no clock, no I/O, no kernel.
//
// The plan has sections, each a function of the kinds it names. The planner keeps their results between calls, so a new block
// somewhere in the cluster does not work out the sessions again.

import { bitsOf, formatAddress, parseInterfaceAddress } from '../../inet/index.ts'
import type { Origination, PeerConfig, SpeakerConfig } from '../../bgp/types.ts'
import type { SecretReference } from '../model/intent.ts'
import type { Facts } from '../model/facts.ts'
import type { TunnelRule } from '../model/tunnel.ts'
import type { TunnelUse } from '../model/tunnel-use.ts'
import type { FilterRules, Intent, RouteRules } from '../model/intent.ts'
import type { IPPoolResource } from '../resources/index.ts'
import { planBlocks, sealed } from './blocks.ts'
import type { BlockPlan } from './blocks.ts'
import { planFilters } from './filters.ts'
import type { FormerAddress } from './former.ts'
import { devicesOf, isOnLoopback, readLinks, type LinkAddresses } from './links.ts'
import { perObject, perPair, Section } from './memo.ts'
import type { Found } from './mesh.ts'
import { planPolicies } from './policies.ts'
import type { PolicyBook } from './policies.ts'
import { poolProblems } from './pools.ts'
import type { Session } from './session.ts'
import { planSessions } from './sessions.ts'
import { bgpSettings } from './settings.ts'
import type { BgpSettings } from './settings.ts'
import type { Snapshot } from './snapshot.ts'
import { noTunnels, planTunnels, type TunnelPlan, type TunnelStates, usesWireguard } from './tunnels.ts'
import { cannotSpeak, keptRouterId, nodeSpeakers, routerId } from './speakers.ts'
import type { LocalSpeaker, NodeSpeaker } from './speakers.ts'

/** Seconds that peers keep our routes while the daemon is away (RFC 4724). */
const restartTime = 120

/** What the daemon knows and the resources do not say. */
export interface Situation {
  /** The daemon comes up after a restart: announce the R bit. */
  readonly restarting?: boolean
  /** The kernel kept our routes meanwhile: announce the F bits. */
  readonly forwarding?: boolean
  readonly facts?: Facts
  /** What became of the devices that tunnels asked for. A new map when something changed. */
  readonly tunnels?: TunnelStates
  /** The node's record of its tunnels that was written and has not come back from the datastore. */
  readonly pendingUse?: TunnelUse
  /** Addresses that nodes had until lately. A new array when that changed. */
  readonly former?: readonly FormerAddress[]
  /** Of the speaker that runs: a node that moves to another address keeps it, because its routes were built with it. */
  readonly routerId?: string
  /** Own blocks that are not announced for now. A new array when that changed. */
  readonly withdrawn?: readonly string[]
}

const noStates: TunnelStates = new Map()
const nothing: readonly string[] = []
const nobodyMoved: readonly FormerAddress[] = []
const noBlocks: Snapshot['blocks'] = []
const nobodyOpen: TunnelUse['open'] = {}
const noAddresses: Facts['addresses'] = []
const noLinks: Facts['links'] = []

export interface Planner {
  plan(snapshot: Snapshot, situation?: Situation): Intent
  /** Sections that the last call worked out anew. */
  readonly recomputed: readonly string[]
}

/** The intent of `node` for one snapshot. */
export function plan(snapshot: Snapshot, node: string, situation?: Situation): Intent {
  return createPlanner(node).plan(snapshot, situation)
}

export function createPlanner(node: string): Planner {
  const ran: string[] = []
  const sections = {
    settings: new Section<BgpSettings>('settings', ran),
    speakers: new Section<readonly NodeSpeaker[]>('speakers', ran),
    links: new Section<LinkAddresses>('links', ran),
    devices: new Section<readonly string[]>('devices', ran),
    sessions: new Section<Found>('sessions', ran),
    blocks: new Section<BlockPlan>('blocks', ran),
    hosts: new Section<readonly string[]>('hosts', ran),
    originate: new Section<readonly Origination[]>('originate', ran),
    policies: new Section<PolicyBook>('policies', ran),
    speaker: new Section<SpeakerConfig | undefined>('speaker', ran),
    tunnels: new Section<TunnelPlan>('tunnels', ran),
    routes: new Section<RouteRules>('routes', ran),
    filters: new Section<FilterRules | undefined>('filters', ran),
    pools: new Section<readonly string[]>('pools', ran),
    problems: new Section<readonly string[]>('problems', ran),
    sealed: new Section<readonly string[]>('sealed', ran),
    secrets: new Section<ReadonlyMap<string, SecretReference>>('secrets', ran),
  }

  return {
    get recomputed() {
      return [...ran]
    },
    plan({ nodes, pools, bgpConfigurations, bgpPeers, blocks, tunnelUses }, situation = {}) {
      ran.length = 0
      const settings = sections.settings.get([bgpConfigurations], () => bgpSettings(bgpConfigurations))
      const speakers = sections.speakers.get([nodes, settings], () => nodeSpeakers(nodes, settings))
      const local = speakers.find(each => each.name === node)
      const {
        restarting,
        forwarding,
        facts,
        tunnels: states = noStates,
        withdrawn = nothing,
        pendingUse,
        former = nobodyMoved,
      } = situation
      const addresses = facts?.addresses ?? noAddresses
      const links = sections.links.get([addresses], () => readLinks(addresses))
      const linkFacts = facts?.links ?? noLinks
      const devices = sections.devices.get([linkFacts], () => devicesOf(linkFacts))
      const here = local && onMachine(local)(links, devices)
      const found = sections.sessions.get([speakers, here, bgpPeers, settings], () =>
        here
          ? planSessions(here, speakers, bgpPeers, settings)
          : { sessions: [], problems: [cannotSpeak(node, nodes)] },
      )
      const own = sections.blocks.get([blocks, pools, withdrawn], () => planBlocks(node, blocks, pools, withdrawn))
      const reflector = local?.clusterId !== undefined
      const id = local && keptRouterId(local, speakers, situation.routerId)
      const hosts = sections.hosts.get([local, links], () => (local ? loopbackHosts(local, links) : []))
      const originate = sections.originate.get([own.originate, hosts], () => [
        ...own.originate,
        ...hosts.map(prefix => ({ prefix })),
      ])
      const policies = sections.policies.get([own.own, hosts, pools, reflector], () =>
        planPolicies(own.own, hosts, pools, reflector),
      )
      const speaker = sections.speaker.get(
        [local, found.sessions, policies, settings.listenPort, restarting, forwarding, id],
        () => local && speakerConfig(local, found.sessions, policies, settings, { ...situation, routerId: id }),
      )
      const owned = usesWireguard(pools, states) ? blocks : noBlocks
      const tunnels = sections.tunnels.get(
        [local, speakers, pools, states, tunnelUses, pendingUse, former, owned],
        () =>
          local
            ? planTunnels(local, speakers, pools, tunnelUses, { states, pending: pendingUse, former, blocks: owned })
            : noTunnels,
      )
      const open = tunnels.use?.open ?? nobodyOpen
      const shut = sections.sealed.get([pools, owned, open], () => sealed(node, pools, owned, open))
      const routes = sections.routes.get([local, found.sessions, own.own, hosts, pools, tunnels.rules, settings], () =>
        routeRules(local, found.sessions, [...own.own, ...hosts], pools, tunnels.rules, settings),
      )
      const filters = sections.filters.get([pools, nodes, tunnels.tunnels, former], () =>
        planFilters(pools, nodes, tunnels.tunnels, former),
      )
      const poolTrouble = sections.pools.get([pools, nodes, own.own], () => poolProblems(pools, nodes, own.own))
      const problems = sections.problems.get(
        [found.problems, poolTrouble, tunnels.problems, local, own.originate, facts?.addresses],
        () => [
          ...found.problems,
          ...poolTrouble,
          ...tunnels.problems,
          ...(local ? [...unannounced(local, own), ...missingAddresses(local, found.sessions, facts)] : []),
        ],
      )
      const secrets = sections.secrets.get([found.sessions], () => secretsOf(found.sessions))
      return {
        speaker,
        secrets,
        originate,
        unreachable: own.unreachable,
        sealed: shut,
        routes,
        tunnels: tunnels.tunnels,
        ...(tunnels.use && { tunnelUse: tunnels.use }),
        waits: tunnels.waits,
        filters,
        problems,
      }
    },
  }
}

/** The node with its links: the same object as before where they are. */
const onMachine = perObject((local: NodeSpeaker) =>
  perPair((links: LinkAddresses, devices: readonly string[]): LocalSpeaker => ({ ...local, links, devices })),
)

function speakerConfig(
  local: NodeSpeaker,
  sessions: readonly Session[],
  policies: PolicyBook,
  { listenPort }: BgpSettings,
  { restarting = false, forwarding = false, routerId: id = routerId(local) }: Situation,
): SpeakerConfig {
  return {
    asn: local.asn,
    routerId: id,
    clusterId: local.clusterId,
    listenPort,
    gracefulRestart: { restartTime, restarting, forwarding },
    ...(local.leaving && { gracefulShutdown: true }),
    peers: new Map(sessions.map(session => [session.name, peerConfig(policies, session)])),
  }
}

function secretsOf(sessions: readonly Session[]): ReadonlyMap<string, SecretReference> {
  return new Map(sessions.flatMap(({ name, password }) => (password ? [[name, password] as const] : [])))
}

/** The same object as before where policies and session are. */
const peerConfig = perPair((policies: PolicyBook, session: Session): PeerConfig => {
  const { name: _, kind: _kind, withNode: _with, acceptDefault: _default, password: _password, ...config } = session
  return { ...config, import: policies.import(session), export: policies.export(session) }
})

function routeRules(
  local: NodeSpeaker | undefined,
  sessions: readonly Session[],
  own: readonly string[],
  pools: readonly IPPoolResource[],
  tunnels: readonly TunnelRule[],
  { guardPercent, holdWithdrawals }: BgpSettings,
): RouteRules {
  return {
    acceptDefault: sessions.some(session => session.acceptDefault),
    own,
    pools: pools.map(pool => pool.spec.cidr),
    source4: local?.address4 && formatAddress(local.address4.address),
    source6: local?.address6 && formatAddress(local.address6.address),
    ...(tunnels.length > 0 && { tunnels }),
    ...(holdWithdrawals > 0 && { hold: { percent: guardPercent, seconds: holdWithdrawals } }),
  }
}

/** The node's own addresses where no link has them: routers learn the way there as they learn that to its blocks. */
function loopbackHosts({ address4, address6 }: NodeSpeaker, links: LinkAddresses): readonly string[] {
  return [address4, address6].flatMap(own =>
    own && isOnLoopback(links, own.address) ? [`${formatAddress(own.address)}/${bitsOf(own.address.family)}`] : [],
  )
}

/** Blocks of a family that the node has no next hop for. */
function unannounced(local: NodeSpeaker, { originate }: BlockPlan): readonly string[] {
  return ([4, 6] as const)
    .filter(family => !(family === 4 ? local.address4 : local.address6))
    .filter(family => originate.some(({ prefix }) => prefix.includes(':') === (family === 6)))
    .map(
      family =>
        `node "${local.name}": it has IPv${family} blocks but no IPv${family} address, so nobody learns them; add bgp.ipv${family}Address to its Node.`,
    )
}

function missingAddresses(
  local: NodeSpeaker,
  sessions: readonly Session[],
  facts: Facts | undefined,
): readonly string[] {
  if (!facts) return []
  const present = new Set(facts.addresses.flatMap(({ cidr }) => textOfAddress(cidr)))
  return [local.address4, local.address6]
    .flatMap(own => (own ? [formatAddress(own.address)] : []))
    .filter(address => !present.has(address))
    .map(address => {
      const bound = sessions.some(({ localAddress }) => localAddress === address)
      const follows = bound
        ? 'the sessions that speak from it cannot start'
        : 'nobody is told the way to it, and what this node itself sends to pods has another source'
      return `node "${local.name}": its address ${address} is on no link of this machine, so ${follows}; correct its Node, add the address, or have margayd find it (docs/node-address.md).`
    })
}

function textOfAddress(cidr: string): readonly string[] {
  const parsed = parseInterfaceAddress(cidr)
  return parsed ? [formatAddress(parsed.address)] : []
}
