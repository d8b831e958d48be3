// OpenBGPD, portable. Facts: bgpd.conf(5), bgpctl(8); what `bgpctl -j` prints.

import { mkdirSync } from 'node:fs'
import type { Cell } from '../kit/cell.ts'
import type { Daemon, Neighbour, Plan, Route, RunningDaemon, SeenRoute, Session } from '../kit/daemon.ts'
import type { Host, Running } from '../kit/lan.ts'
import { versionOf } from './version.ts'

export const openbgpd: Daemon = {
  name: 'openbgpd',
  title: 'OpenBGPD',
  version: () => versionOf(['bgpd', '-V'], /OpenBGPD (\S+)/),
  lacks: {
    extendedMessages: { reason: 'it has no extended messages: its OPEN has no capability 6', capability: 6 },
    extendedNextHop: { reason: 'it has no extended next hop: its OPEN has no capability 5', capability: 5 },
    weHelpLong: { reason: 'it has no long-lived graceful restart: its OPEN has no capability 71', capability: 71 },
    weAreLongAway: { reason: 'it has no long-lived graceful restart: its OPEN has no capability 71', capability: 71 },
    md5WeDial: {
      reason:
        'on Linux it sets the key on the sockets by which it dials, not on those on which it listens: the kernel drops our SYN (TCPMD5Unexpected)',
      proof: hasNoKeyWhereItListens,
    },
    weRefresh: {
      reason:
        'it refuses every request, whoever asks: "route refresh: AID IPv4 unicast not negotiated", although both ends announced it',
      proof: refusesToRefresh,
    },
    weHelp: {
      reason:
        'it keeps no state over its own restart: of graceful restart it announces End-of-RIB only, no family (bgpd.conf(5), "announce restart")',
      proof: announcesNoRestart,
    },
  },
  start: async (host, plan) => new OpenBgpd(host, plan),
}

async function hasNoKeyWhereItListens(cell: Cell): Promise<boolean> {
  const keys = { ourPeer: { secret: 'key' }, theirNeighbour: { secret: 'key', passive: true } }
  await cell.start(keys)
  const dropped = async () => /TCPMD5Unexpected +([0-9]+)/.exec(await cell.host('theirs').exec('nstat', '-az'))?.[1]
  await cell.until('it drops our SYN', dropped, /[1-9]/)
  return true
}

async function refusesToRefresh(cell: Cell): Promise<boolean> {
  const pair = await cell.pair({})
  await pair.ours.refresh('daemon')
  const log = async () => cell.host('theirs').log('openbgpd')
  await cell.until('it refuses', log, /route refresh: AID IPv4 unicast not negotiated/)
  return true
}

async function announcesNoRestart(cell: Cell): Promise<boolean> {
  const gracefulRestart = { restartTime: 60 }
  const { theirs, neighbour } = await cell.pair({ our: { gracefulRestart }, their: { gracefulRestart } })
  const { text } = await theirs.session(neighbour)
  return /"local": \{[^]*"graceful_restart": \{\s*"eor": true,\s*"restart": false/.test(text)
}

class OpenBgpd implements RunningDaemon {
  readonly #host: Host
  #plan: Plan
  #process: Running

  constructor(host: Host, plan: Plan) {
    this.#host = host
    this.#plan = plan
    this.#process = this.#run()
  }

  async session({ address, range }: Neighbour): Promise<Session> {
    const text = await this.#bgpctl('show', 'neighbor')
    const { neighbors = [] } = parse(text) as { neighbors?: readonly { state: string; remote_addr: string }[] }
    const own = neighbors.filter(({ remote_addr: remote }) => range !== undefined || remote === address)
    return {
      established: own.some(({ state }) => state === 'Established'),
      text: `${text}${this.#host.log('openbgpd')}`,
    }
  }

  async routes(): Promise<readonly SeenRoute[]> {
    const { rib = [] } = parse(await this.#bgpctl('show', 'rib', 'detail', 'in')) as { rib?: readonly OpenPath[] }
    return rib.filter(({ neighbor }) => neighbor.description !== 'LOCAL').map(seen)
  }

  async originate(routes: readonly Route[]): Promise<void> {
    this.#plan = { ...this.#plan, routes }
    this.#write()
    await this.#bgpctl('reload')
  }

  async refresh({ address }: Neighbour): Promise<void> {
    await this.#bgpctl('neighbor', address, 'refresh')
  }

  async shutdown({ address }: Neighbour, words: string): Promise<void> {
    await this.#bgpctl('neighbor', address, 'down', words)
  }

  kill(): Promise<void> {
    return this.#process.kill()
  }

  async restart(routes = this.#plan.routes): Promise<void> {
    this.#plan = { ...this.#plan, routes }
    this.#process = this.#run()
  }

  #run(): Running {
    // Where it locks itself in; a system's start makes it, and nothing is put there.
    mkdirSync('/run/openbgpd', { recursive: true, mode: 0o755 })
    return this.#host.spawn('openbgpd', ['bgpd', '-d', '-v', '-f', this.#write()])
  }

  /** It reads no file that others may write. */
  #write(): string {
    return this.#host.file('bgpd.conf', bgpdConf(this.#host, this.#plan))
  }

  #bgpctl(...command: readonly string[]): Promise<string> {
    return this.#host.exec('bgpctl', '-j', '-s', socketOf(this.#host), ...command)
  }
}

const socketOf = ({ directory }: Host): string => `${directory}/bgpd.sock`

/** It prints nothing while it starts. */
const parse = (text: string): unknown => JSON.parse(text.trim() || '{}')

function bgpdConf(host: Host, plan: Plan): string {
  return [
    `AS ${plan.asn}`,
    `router-id ${plan.routerId}`,
    `socket "${socketOf(host)}"`,
    `fib-update no`,
    `connect-retry 1`,
    ...plan.routes.map(({ prefix }) => `network ${prefix} set nexthop ${prefix.includes(':') ? host.ipv6 : host.ipv4}`),
    ...plan.neighbours.flatMap(neighbour => neighbourConf(plan, neighbour)),
    `allow from any`,
    `allow to any`,
    ...plan.neighbours.filter(needsNextHop).map(({ address }) => `match to ${address} set nexthop no-modify`),
    ...plan.routes.flatMap(route => marksOf(plan, route)),
    ``,
  ].join('\n')
}

const roleNames = {
  provider: 'provider',
  customer: 'customer',
  peer: 'peer',
  'rs-server': 'rs',
  'rs-client': 'rs-client',
} as const

function neighbourConf(plan: Plan, neighbour: Neighbour): string[] {
  const { gracefulRestart } = plan
  const lines = [
    `remote-as ${neighbour.asn}`,
    neighbour.range === undefined && `local-address ${neighbour.local}`,
    `holdtime 90`,
    // The other family's announcements are off unless asked for.
    `announce IPv4 ${neighbour.families.includes('ipv4-unicast') ? 'unicast' : 'none'}`,
    `announce IPv6 ${neighbour.families.includes('ipv6-unicast') ? 'unicast' : 'none'}`,
    `announce restart ${gracefulRestart ? 'yes' : 'no'}`,
    needsNextHop(neighbour) && `multihop 2`,
    neighbour.passive && `passive`,
    neighbour.secret !== undefined && `tcp md5sig password "${neighbour.secret}"`,
    neighbour.ttlSecurity && `ttl-security yes`,
    neighbour.twoOctetAs && `announce as-4byte no`,
    neighbour.reflectorClient && `route-reflector ${plan.routerId}`,
    neighbour.prefixLimit !== undefined && `max-prefix ${neighbour.prefixLimit}`,
    neighbour.addPath === 'send' && `announce add-path send all`,
    neighbour.addPath === 'receive' && `announce add-path recv yes`,
    neighbour.role && `announce policy ${roleNames[neighbour.role]}`,
  ]
  const name = neighbour.range ?? neighbour.address
  return [`neighbor ${name} {`, ...lines.filter(line => typeof line === 'string').map(line => `  ${line}`), `}`]
}

/**
 * Its next hop of the other family is what it finds on its interfaces, the loopback included, unless the neighbour is one of
 * more than one hop and the next hop shall not be modified.
 */
const needsNextHop = ({ families }: Neighbour): boolean => families.length > 1

function marksOf(plan: Plan, { prefix, communities = [], largeCommunities = [], med, path = [] }: Route): string[] {
  return plan.neighbours.flatMap(({ address, asn, range }) => {
    const sets = [
      ...communities.map(one => `community ${one}`),
      ...largeCommunities.map(one => `large-community ${one}`),
      ...(med === undefined ? [] : [`med ${med}`]),
      ...path.map(one => (one === asn ? `prepend-neighbor 1` : `prepend-self ${path.length}`)),
    ]
    return sets.length === 0 ? [] : [`match to ${range ?? address} prefix ${prefix} set { ${sets.join(' ')} }`]
  })
}

interface OpenPath {
  readonly neighbor: { readonly description?: string }
  readonly prefix: string
  readonly aspath: string
  readonly exit_nexthop: string
  readonly true_nexthop: string
  readonly localpref?: number
  readonly metric?: number
  readonly origin?: string
  readonly communities?: readonly string[]
  readonly large_communities?: readonly string[]
  readonly attributes?: readonly {
    readonly originator?: string
    readonly cluster_list?: readonly string[]
    /** Of OTC. */
    readonly as?: number
  }[]
}

/** Its names of well-known communities. */
const wellKnown: Readonly<Record<string, string>> = {
  GRACEFUL_SHUTDOWN: '65535:0',
  BLACKHOLE: '65535:666',
  NO_EXPORT: '65535:65281',
  NO_ADVERTISE: '65535:65282',
}

function seen(path: OpenPath): SeenRoute {
  const attributes = Object.assign({}, ...(path.attributes ?? [])) as NonNullable<OpenPath['attributes']>[number]
  return {
    prefix: path.prefix,
    nextHop: path.exit_nexthop,
    asPath: path.aspath,
    origin: path.origin?.toLowerCase() as SeenRoute['origin'],
    localPref: path.localpref,
    med: path.metric,
    communities: (path.communities ?? []).map(one => wellKnown[one] ?? one),
    largeCommunities: path.large_communities ?? [],
    originatorId: attributes.originator,
    clusterList: attributes.cluster_list ?? [],
    otc: attributes.as,
  }
}
