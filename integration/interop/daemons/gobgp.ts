// GoBGP: gobgpd, asked and told by its command `gobgp`. Facts: GoBGP's docs, "configuration", "cli-command-syntax",
// "graceful-restart", "dynamic-neighbor"; what `gobgp -j` prints.

import { setTimeout as sleep } from 'node:timers/promises'
import type { Cell } from '../kit/cell.ts'
import type { Daemon, Neighbour, Plan, Route, RunningDaemon, SeenRoute, Session } from '../kit/daemon.ts'
import type { Host, Running } from '../kit/lan.ts'
import { versionOf } from './version.ts'

/** `SessionState` of its API. */
const ESTABLISHED = 6

export const gobgp: Daemon = {
  name: 'gobgp',
  title: 'GoBGP',
  version: () => versionOf(['gobgpd', '--version'], /version (\S+)/),
  lacks: {
    extendedMessages: { reason: 'it has no extended messages: its OPEN has no capability 6', capability: 6 },
    twoOctetAs: { reason: 'it announces 4-octet AS numbers always; its configuration has no option for that' },
    rolesWeCustomer: { reason: 'it has no roles: its OPEN has no capability 9', capability: 9 },
    rolesWeProvider: { reason: 'it has no roles: its OPEN has no capability 9', capability: 9 },
    theyRefresh: {
      reason: '`gobgp neighbor … softresetin` reads again what it has kept, and asks the neighbour for nothing',
      proof: asksNobody,
    },
  },
  start: async (host, plan) => GoBgp.start(host, plan),
}

/** A route that it announces after it was told to refresh has come, and no ROUTE-REFRESH before it. */
async function asksNobody(cell: Cell): Promise<boolean> {
  const pair = await cell.pair({})
  await cell.daemonHas(pair, [{ prefix: '10.1.0.0/24' }, { prefix: '10.1.1.0/26' }])
  await pair.theirs.refresh(pair.neighbour)
  await pair.theirs.originate([{ prefix: '10.2.2.0/24' }])
  await cell.weHave(pair, [{ prefix: '10.2.2.0/24' }])
  return (await pair.ours.counters('daemon')).in.routeRefresh === 0
}

class GoBgp implements RunningDaemon {
  readonly #host: Host
  #plan: Plan
  #process: Running

  private constructor(host: Host, plan: Plan) {
    this.#host = host
    this.#plan = plan
    this.#process = this.#run()
  }

  static async start(host: Host, plan: Plan): Promise<GoBgp> {
    const gobgp = new GoBgp(host, plan)
    await gobgp.#announceAll()
    return gobgp
  }

  async session({ address, range }: Neighbour): Promise<Session> {
    const text = await this.#gobgp('neighbor')
    const all = JSON.parse(text || '[]') as readonly { state: { neighbor_address: string; session_state?: number } }[]
    const own = all.filter(({ state }) => range !== undefined || state.neighbor_address === address)
    const established = own.some(({ state }) => state.session_state === ESTABLISHED)
    return { established, text: `${text}${this.#host.log('gobgp')}` }
  }

  async routes(): Promise<readonly SeenRoute[]> {
    const tables = await Promise.all(
      ['ipv4', 'ipv6'].map(async family => JSON.parse((await this.#gobgp('global', 'rib', '-a', family)) || '{}')),
    )
    return tables.flatMap(table =>
      Object.entries(table as Record<string, readonly GoPath[]>).flatMap(([prefix, paths]) =>
        paths.filter(path => path['source-id'] !== undefined).map(path => seen(prefix, path)),
      ),
    )
  }

  async originate(routes: readonly Route[]): Promise<void> {
    for (const { prefix } of this.#plan.routes) await this.#rib('del', prefix)
    this.#plan = { ...this.#plan, routes }
    for (const route of routes) await this.#announce(route)
  }

  async refresh({ address }: Neighbour): Promise<void> {
    await this.#gobgp('neighbor', address, 'softresetin')
  }

  async shutdown({ address }: Neighbour, words: string): Promise<void> {
    await this.#gobgp('neighbor', address, 'shutdown', '--reason', words)
  }

  kill(): Promise<void> {
    return this.#process.kill()
  }

  async restart(routes = this.#plan.routes): Promise<void> {
    this.#plan = { ...this.#plan, routes }
    this.#process = this.#run('-r')
    await this.#announceAll()
  }

  #run(...options: readonly '-r'[]): Running {
    const file = this.#host.file('gobgpd.toml', gobgpdToml(this.#plan))
    const argv = ['gobgpd', '-f', file, '--api-hosts', '127.0.0.1:50051', '-p', '-l', 'debug', '--pprof-disable']
    return this.#host.spawn('gobgp', [...argv, ...options])
  }

  /** Its routes come by its API only, which is there when it answers. */
  async #announceAll(): Promise<void> {
    while (this.#process.alive && (await this.#gobgp('global')) === '') await sleep(50)
    for (const route of this.#plan.routes) await this.#announce(route)
  }

  async #announce({ prefix, communities = [], largeCommunities = [], med, path = [] }: Route): Promise<void> {
    const byIpv6 = prefix.includes(':') || this.#plan.neighbours.some(({ extendedNextHop }) => extendedNextHop)
    const words = [
      'nexthop',
      byIpv6 ? this.#host.ipv6 : this.#host.ipv4,
      'origin',
      'igp',
      ...(path.length > 0 ? ['aspath', path.join(' ')] : []),
      ...(med === undefined ? [] : ['med', String(med)]),
      ...(communities.length > 0 ? ['community', communities.join(',')] : []),
      ...(largeCommunities.length > 0 ? ['large-community', largeCommunities.join(',')] : []),
    ]
    await this.#rib('add', prefix, ...words)
  }

  #rib(verb: 'add' | 'del', prefix: string, ...words: readonly string[]): Promise<string> {
    return this.#gobgp('global', 'rib', verb, '-a', prefix.includes(':') ? 'ipv6' : 'ipv4', prefix, ...words)
  }

  #gobgp(...command: readonly string[]): Promise<string> {
    return this.#host.exec('gobgp', '-j', ...command)
  }
}

function gobgpdToml(plan: Plan): string {
  const head = [`[global.config]`, `as = ${plan.asn}`, `router-id = "${plan.routerId}"`, `port = 179`]
  return [...head, ...plan.neighbours.flatMap(neighbour => neighbourToml(plan, neighbour)), ''].join('\n')
}

function neighbourToml(plan: Plan, neighbour: Neighbour): string[] {
  const { gracefulRestart: graceful } = plan
  const top = neighbour.range === undefined ? 'neighbors' : 'peer-groups'
  const identity =
    neighbour.range === undefined ? `neighbor-address = "${neighbour.address}"` : `peer-group-name = "dynamic"`
  const table = (name: string, ...lines: readonly string[]) => [`[${top}.${name}]`, ...lines]
  return [
    `[[${top}]]`,
    ...table(
      'config',
      identity,
      `peer-as = ${neighbour.asn}`,
      ...(neighbour.secret === undefined ? [] : [`auth-password = "${neighbour.secret}"`]),
    ),
    ...table(
      'transport.config',
      `local-address = "${neighbour.local}"`,
      `passive-mode = ${neighbour.passive ?? false}`,
    ),
    ...table('timers.config', `connect-retry = 1`, `hold-time = 90`, `idle-hold-time-after-reset = 1`),
    ...(neighbour.ttlSecurity ? table('ttl-security.config', `enabled = true`, `ttl-min = 255`) : []),
    ...(neighbour.reflectorClient
      ? table(
          'route-reflector.config',
          `route-reflector-client = true`,
          `route-reflector-cluster-id = "${plan.routerId}"`,
        )
      : []),
    ...(graceful
      ? table(
          'graceful-restart.config',
          `enabled = true`,
          `restart-time = ${graceful.restartTime}`,
          `deferral-time = 10`,
          `long-lived-enabled = ${graceful.longLived !== undefined}`,
        )
      : []),
    ...(neighbour.addPath === undefined
      ? []
      : table('add-paths.config', neighbour.addPath === 'send' ? `send-max = 8` : `receive = true`)),
    ...neighbour.families.flatMap(family => [
      `[[${top}.afi-safis]]`,
      `[${top}.afi-safis.config]`,
      `afi-safi-name = "${family}"`,
      ...(graceful ? table('afi-safis.mp-graceful-restart.config', `enabled = true`) : []),
      ...(graceful?.longLived === undefined
        ? []
        : table(
            'afi-safis.long-lived-graceful-restart.config',
            `enabled = true`,
            `restart-time = ${graceful.longLived}`,
          )),
      ...(neighbour.prefixLimit === undefined
        ? []
        : table('afi-safis.prefix-limit.config', `max-prefixes = ${neighbour.prefixLimit}`)),
    ]),
    ...(neighbour.range === undefined
      ? []
      : [
          `[[dynamic-neighbors]]`,
          `[dynamic-neighbors.config]`,
          `prefix = "${neighbour.range}"`,
          `peer-group = "dynamic"`,
        ]),
  ]
}

interface GoPath {
  readonly attrs: readonly GoAttribute[]
  readonly stale?: boolean
  /** The router id of who sent it; absent for its own. */
  readonly 'source-id'?: string
}

type GoAttribute = { readonly type: number } & Readonly<Record<string, unknown>>

const origins = ['igp', 'egp', 'incomplete'] as const

function seen(prefix: string, { attrs }: GoPath): SeenRoute {
  const of = (type: number): Readonly<Record<string, unknown>> => attrs.find(each => each.type === type) ?? {}
  const segments = (of(2).as_paths ?? []) as readonly { readonly asns: readonly number[] }[]
  const communities = (of(8).communities ?? []) as readonly number[]
  const large = (of(32).value ?? []) as readonly { ASN: number; LocalData1: number; LocalData2: number }[]
  return {
    prefix,
    nextHop: String(of(14).nexthop ?? of(3).nexthop),
    asPath: segments.flatMap(({ asns }) => asns).join(' '),
    origin: origins[of(1).value as number],
    localPref: of(5).value as number | undefined,
    med: of(4).metric as number | undefined,
    communities: communities.map(one => `${one >>> 16}:${one & 65535}`),
    largeCommunities: large.map(one => `${one.ASN}:${one.LocalData1}:${one.LocalData2}`),
    originatorId: of(9).value as string | undefined,
    clusterList: (of(10).value ?? []) as readonly string[],
  }
}
