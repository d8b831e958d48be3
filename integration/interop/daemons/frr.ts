// FRR: zebra for interfaces and next hops, bgpd for BGP, no routes into the kernel. Facts: FRR's user guide, "BGP"; what vtysh
// prints as JSON.

import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Daemon, Neighbour, Plan, Route, RunningDaemon, SeenRoute, Session } from '../kit/daemon.ts'
import type { Host, Running } from '../kit/lan.ts'
import { versionOf } from './version.ts'

const directory = '/usr/lib/frr'

export const frr: Daemon = {
  name: 'frr',
  title: 'FRR',
  version: () => versionOf([`${directory}/bgpd`, '--version'], /version (\S+)/),
  lacks: {},
  start: async (host, plan) => Frr.start(host, plan),
}

class Frr implements RunningDaemon {
  readonly #host: Host
  #plan: Plan
  #bgpd: Running

  private constructor(host: Host, plan: Plan) {
    this.#host = host
    this.#plan = plan
    this.#bgpd = this.#run()
  }

  static async start(host: Host, plan: Plan): Promise<Frr> {
    host.file('vtysh.conf', 'no service integrated-vtysh-config\n')
    host.file('zebra.conf', 'frr defaults datacenter\n')
    host.spawn('zebra', [`${directory}/zebra`, ...common(host, 'zebra')])
    // A bgpd that comes before zebra's socket tries again after ten seconds only.
    while (!existsSync(join(host.directory, 'zserv.api'))) await sleep(20)
    return new Frr(host, plan)
  }

  async session({ address, range }: Neighbour): Promise<Session> {
    const text = await this.#vtysh('show bgp neighbors json')
    const all = Object.entries((JSON.parse(text || '{}') ?? {}) as Record<string, { bgpState?: string }>)
    const own = all.filter(([name]) => range !== undefined || name === address)
    const established = own.some(([, { bgpState }]) => bgpState === 'Established')
    // A neighbour's last reset is forgotten with the next attempt; the log keeps it.
    return { established, text: `${text}${this.#host.log('frr')}` }
  }

  async routes(): Promise<readonly SeenRoute[]> {
    const lists = await Promise.all((['ipv4', 'ipv6'] as const).map(version => this.#family(version)))
    return lists.flat()
  }

  async originate(routes: readonly Route[]): Promise<void> {
    const gone = networks(this.#plan, 'no ')
    this.#plan = { ...this.#plan, routes }
    const wanted = [...routeMaps(routes), `router bgp ${this.#plan.asn}`, ...networks(this.#plan)]
    await this.#vtysh('configure terminal', ...gone, ...wanted, 'end')
  }

  async refresh({ address }: Neighbour): Promise<void> {
    await this.#vtysh(`clear bgp ${address} soft in`)
  }

  async shutdown({ address }: Neighbour, words: string): Promise<void> {
    const shutdown = `neighbor ${address} shutdown message ${words}`
    await this.#vtysh('configure terminal', `router bgp ${this.#plan.asn}`, shutdown, 'end')
  }

  kill(): Promise<void> {
    return this.#bgpd.kill()
  }

  async restart(routes = this.#plan.routes): Promise<void> {
    this.#plan = { ...this.#plan, routes }
    this.#bgpd = this.#run()
  }

  #run(): Running {
    this.#host.file('bgpd.conf', bgpdConf(this.#host, this.#plan))
    return this.#host.spawn('frr', [`${directory}/bgpd`, ...common(this.#host, 'bgpd'), '-n', '-p', '179'])
  }

  /** One look at the whole table, then one at each of its prefixes, which alone shows all attributes. */
  async #family(version: 'ipv4' | 'ipv6'): Promise<SeenRoute[]> {
    const table = JSON.parse((await this.#vtysh(`show bgp ${version} unicast json`)) || '{}') as { routes?: object }
    const prefixes = Object.keys(table.routes ?? {})
    if (prefixes.length === 0) return []
    const text = await this.#vtysh(...prefixes.map(prefix => `show bgp ${version} unicast ${prefix} json`))
    // One object a prefix; a prefix that has gone meanwhile gives an empty one or none.
    const objects = JSON.parse(`[${text.trim().replaceAll(/^\}\s*\{/gm, '},{')}]`) as FrrPrefix[]
    return objects.flatMap(({ prefix, paths = [] }) => paths.filter(isLearned).map(path => seen(prefix, path)))
  }

  #vtysh(...commands: readonly string[]): Promise<string> {
    const { directory } = this.#host
    const argv = ['vtysh', '--config_dir', directory, '--vty_socket', directory, '-d', 'bgpd']
    return this.#host.exec(...argv, ...commands.flatMap(command => ['-c', command]))
  }
}

const common = ({ directory }: Host, role: string): string[] => {
  const files = ['-f', `${directory}/${role}.conf`, '-i', `${directory}/${role}.pid`, '-z', `${directory}/zserv.api`]
  return [...files, '--vty_socket', directory, '-A', '127.0.0.1', '--log', 'stdout', '--log-level', 'informational']
}

function bgpdConf(host: Host, plan: Plan): string {
  const { gracefulRestart: graceful } = plan
  return [
    `frr defaults datacenter`,
    ...routeMaps(plan.routes),
    ...nextHopMaps(host),
    `router bgp ${plan.asn}`,
    ` bgp router-id ${plan.routerId}`,
    ` bgp cluster-id ${plan.routerId}`,
    ` no bgp default ipv4-unicast`,
    ` no bgp ebgp-requires-policy`,
    ` no bgp network import-check`,
    ...(graceful
      ? [
          ` bgp graceful-restart`,
          ` bgp graceful-restart preserve-fw-state`,
          ` bgp graceful-restart restart-time ${graceful.restartTime}`,
          ` bgp graceful-restart select-defer-time 5`,
        ]
      : []),
    ...(graceful?.longLived === undefined ? [] : [` bgp long-lived-graceful-restart stale-time ${graceful.longLived}`]),
    ...plan.neighbours.flatMap(neighbourLines),
    ...networks(plan),
    ``,
  ].join('\n')
}

/** What a neighbour is called in the configuration: dynamic ones are a peer group. */
const nameOf = ({ address, range }: Neighbour): string => (range === undefined ? address : 'dynamic')

function neighbourLines(neighbour: Neighbour): string[] {
  const name = nameOf(neighbour)
  const options = [
    `remote-as ${neighbour.asn}`,
    neighbour.range === undefined && `update-source ${neighbour.local}`,
    `timers 30 90`,
    `timers connect 1`,
    neighbour.passive && `passive`,
    neighbour.secret !== undefined && `password ${neighbour.secret}`,
    neighbour.ttlSecurity && `ttl-security hops 1`,
    neighbour.twoOctetAs && `dont-capability-negotiate`,
    neighbour.role && `local-role ${neighbour.role}`,
    neighbour.extendedNextHop && `capability extended-nexthop`,
  ]
  const isRange = neighbour.range !== undefined
  return [
    ...(isRange ? [` neighbor dynamic peer-group`] : []),
    ...options.filter(option => typeof option === 'string').map(option => ` neighbor ${name} ${option}`),
    ...(isRange ? [` bgp listen range ${neighbour.range} peer-group dynamic`] : []),
    ...neighbour.families.flatMap(family => activation(neighbour, name, family === 'ipv4-unicast' ? 'ipv4' : 'ipv6')),
  ]
}

function activation(neighbour: Neighbour, name: string, version: 'ipv4' | 'ipv6'): string[] {
  const overOther = neighbour.local.includes(':') !== (version === 'ipv6')
  const options = [
    `activate`,
    overOther && !neighbour.extendedNextHop && `route-map own-${version} out`,
    neighbour.reflectorClient && `route-reflector-client`,
    neighbour.prefixLimit !== undefined && `maximum-prefix ${neighbour.prefixLimit}`,
    neighbour.addPath === 'send' && `addpath-tx-all-paths`,
  ]
  return [
    ` address-family ${version} unicast`,
    ...options.filter(option => typeof option === 'string').map(option => `  neighbor ${name} ${option}`),
    ` exit-address-family`,
  ]
}

/** Next hops of the family that is not the session's own. */
const nextHopMaps = ({ ipv4, ipv6 }: Host): string[] => [
  `route-map own-ipv4 permit 10`,
  ` set ip next-hop ${ipv4}`,
  `route-map own-ipv6 permit 10`,
  ` set ipv6 next-hop global ${ipv6}`,
]

const mapOf = ({ prefix }: Route): string => `of-${prefix.replaceAll(/[:/.]/g, '-')}`

/** A line takes so many of them. */
const COMMUNITIES_A_LINE = 200

function routeMaps(routes: readonly Route[]): string[] {
  return routes.flatMap(route => {
    const { communities = [], largeCommunities = [], med, path = [] } = route
    const chunks = Array.from({ length: Math.ceil(communities.length / COMMUNITIES_A_LINE) }, (_, i) =>
      communities.slice(i * COMMUNITIES_A_LINE, (i + 1) * COMMUNITIES_A_LINE),
    )
    return [
      ...chunks.flatMap((chunk, i) => [
        `route-map ${mapOf(route)} permit ${10 + i}`,
        ` set community ${chunk.join(' ')} additive`,
        ` on-match next`,
        `exit`,
      ]),
      `route-map ${mapOf(route)} permit 100`,
      ...(largeCommunities.length > 0 ? [` set large-community ${largeCommunities.join(' ')}`] : []),
      ...(med === undefined ? [] : [` set metric ${med}`]),
      ...(path.length > 0 ? [` set as-path prepend ${path.join(' ')}`] : []),
      `exit`,
    ]
  })
}

function networks({ asn, routes }: Plan, no: 'no ' | '' = ''): string[] {
  return [
    ...(no ? [`router bgp ${asn}`] : []),
    ...(['ipv4', 'ipv6'] as const).flatMap(version => [
      ` address-family ${version} unicast`,
      ...routes
        .filter(({ prefix }) => prefix.includes(':') === (version === 'ipv6'))
        .map(route => `  ${no}network ${route.prefix}${no ? '' : ` route-map ${mapOf(route)}`}`),
      ` exit-address-family`,
    ]),
    ...(no ? [`exit`] : []),
  ]
}

interface FrrPrefix {
  readonly prefix: string
  readonly paths?: readonly FrrPath[]
}

interface FrrPath {
  readonly aspath?: { readonly string: string }
  readonly origin?: string
  readonly metric?: number
  readonly locPrf?: number
  readonly originatorId?: string
  readonly clusterList?: { readonly list: readonly string[] }
  readonly otc?: number
  readonly community?: { readonly list: readonly string[] }
  readonly largeCommunity?: { readonly string: string }
  readonly nexthops?: readonly { readonly ip: string; readonly scope?: string }[]
  readonly peer: { readonly peerId: string }
  readonly valid?: boolean
}

const isLearned = ({ peer }: FrrPath): boolean => peer.peerId !== '0.0.0.0' && peer.peerId !== '::'

/** FRR's names of well-known communities in JSON. */
const wellKnown: Readonly<Record<string, string>> = {
  gracefulShutdown: '65535:0',
  blackhole: '65535:666',
  noExport: '65535:65281',
  noAdvertise: '65535:65282',
  llgrStale: '65535:6',
}

function seen(prefix: string, path: FrrPath): SeenRoute {
  return {
    prefix,
    nextHop: path.nexthops?.find(({ scope }) => scope !== 'link-local')?.ip ?? '',
    asPath: path.aspath?.string === 'Local' ? '' : (path.aspath?.string ?? ''),
    origin: path.origin?.toLowerCase() as SeenRoute['origin'],
    localPref: path.locPrf,
    med: path.metric,
    communities: (path.community?.list ?? []).map(one => wellKnown[one] ?? one),
    largeCommunities: (path.largeCommunity?.string ?? '').split(' ').filter(Boolean),
    originatorId: path.originatorId,
    clusterList: path.clusterList?.list ?? [],
    otc: path.otc,
  }
}
