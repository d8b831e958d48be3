// BIRD 2. Facts: BIRD's user guide, "Protocols: BGP", "Static", "Remote control"; what `birdc show route all` prints.

import type { Daemon, Neighbour, Plan, Route, RunningDaemon, SeenRoute, Session } from '../kit/daemon.ts'
import type { Host, Running } from '../kit/lan.ts'
import { versionOf } from './version.ts'

export const bird: Daemon = {
  name: 'bird',
  title: 'BIRD',
  version: () => versionOf(['bird', '--version'], /version (\S+)/),
  lacks: {},
  start: async (host, plan) => new Bird(host, plan),
}

class Bird implements RunningDaemon {
  readonly #host: Host
  #plan: Plan
  #process: Running

  constructor(host: Host, plan: Plan) {
    this.#host = host
    this.#plan = plan
    this.#process = this.#run()
  }

  async session(neighbour: Neighbour): Promise<Session> {
    const name = neighbour.range === undefined ? this.#nameOf(neighbour) : 'dynbgp\\d+'
    const text = await this.#birdc('show', 'protocols', 'all')
    return { established: new RegExp(`^${name} .* Established`, 'm').test(text), text }
  }

  async routes(): Promise<readonly SeenRoute[]> {
    return parseRoutes(await this.#birdc('show', 'route', 'all'))
  }

  async originate(routes: readonly Route[]): Promise<void> {
    this.#plan = { ...this.#plan, routes }
    this.#host.file('bird.conf', birdConf(this.#host, this.#plan))
    await this.#birdc('configure')
  }

  async refresh(neighbour: Neighbour): Promise<void> {
    await this.#birdc('reload', 'in', this.#nameOf(neighbour))
  }

  async shutdown(neighbour: Neighbour, words: string): Promise<void> {
    await this.#birdc('disable', this.#nameOf(neighbour), `"${words}"`)
  }

  kill(): Promise<void> {
    return this.#process.kill()
  }

  async restart(routes = this.#plan.routes): Promise<void> {
    this.#plan = { ...this.#plan, routes }
    this.#process = this.#run('-R')
  }

  #run(...options: readonly '-R'[]): Running {
    const file = this.#host.file('bird.conf', birdConf(this.#host, this.#plan))
    return this.#host.spawn('bird', ['bird', '-f', '-c', file, '-s', this.#socket, '-P', `${file}.pid`, ...options])
  }

  #birdc(...command: readonly string[]): Promise<string> {
    return this.#host.exec('birdc', '-s', this.#socket, ...command)
  }

  #nameOf(neighbour: Neighbour): string {
    return `n${this.#plan.neighbours.findIndex(({ address }) => address === neighbour.address)}`
  }

  get #socket(): string {
    return `${this.#host.directory}/bird.ctl`
  }
}

function birdConf(host: Host, plan: Plan): string {
  const lists = originations(plan.routes)
  const statics = lists.map(({ protocol, version, routes }) => {
    const lines = routes.map(({ prefix }) => `route ${prefix} blackhole;`)
    return `protocol static ${protocol} { ${version}; ${lines.join(' ')} }\n`
  })
  const marks = lists.flatMap(({ protocol, routes }) =>
    routes.map(route => `  if proto = "${protocol}" && net = ${route.prefix} then { ${marksOf(route)} }\n`),
  )
  return [
    `log stderr all;\nrouter id ${plan.routerId};\nprotocol device {}\n`,
    ...statics,
    `function mark() {\n${marks.join('')}}\n`,
    ...plan.neighbours.map((neighbour, i) => protocolBgp(host, plan, neighbour, `n${i}`)),
  ].join('')
}

interface Originations {
  readonly protocol: string
  readonly version: 'ipv4' | 'ipv6'
  readonly routes: Route[]
}

/** A static protocol holds one route to a prefix: several for one prefix (ADD-PATH) are in as many protocols. */
function originations(routes: readonly Route[]): Originations[] {
  const lists: Originations[] = []
  for (const route of routes) {
    const version = route.prefix.includes(':') ? 'ipv6' : 'ipv4'
    const has = (list: Originations) => list.routes.some(({ prefix }) => prefix === route.prefix)
    let list = lists.find(each => each.version === version && !has(each))
    if (!list) lists.push((list = { protocol: `own${lists.length}`, version, routes: [] }))
    list.routes.push(route)
  }
  return lists
}

function marksOf({ communities = [], largeCommunities = [], med, path = [] }: Route): string {
  return [
    ...communities.map(one => `bgp_community.add((${one.replace(':', ', ')}));`),
    ...largeCommunities.map(one => `bgp_large_community.add((${one.replaceAll(':', ', ')}));`),
    ...(med === undefined ? [] : [`bgp_med = ${med};`]),
    ...path.toReversed().map(asn => `bgp_path.prepend(${asn});`),
  ].join(' ')
}

const roleNames = {
  provider: 'provider',
  customer: 'customer',
  peer: 'peer',
  'rs-server': 'rs_server',
  'rs-client': 'rs_client',
} as const

function protocolBgp(host: Host, plan: Plan, neighbour: Neighbour, name: string): string {
  const { gracefulRestart: graceful } = plan
  const remote = neighbour.range === undefined ? neighbour.address : `range ${neighbour.range}`
  const lines = [
    `local ${neighbour.local} as ${plan.asn};`,
    `neighbor ${remote} as ${neighbour.asn};`,
    `connect delay time 1; error wait time 1, 2;`,
    neighbour.passive && `passive on;`,
    neighbour.secret !== undefined && `password "${neighbour.secret}";`,
    neighbour.ttlSecurity && `ttl security on;`,
    neighbour.twoOctetAs && `enable as4 off;`,
    neighbour.reflectorClient && `rr client;`,
    neighbour.extendedMessages && `enable extended messages on;`,
    neighbour.role && `local role ${roleNames[neighbour.role]};`,
    graceful && `graceful restart on; graceful restart time ${graceful.restartTime};`,
    graceful?.longLived !== undefined && `long lived graceful restart on; long lived stale time ${graceful.longLived};`,
    ...neighbour.families.map(family => channel(host, neighbour, family === 'ipv4-unicast' ? 'ipv4' : 'ipv6')),
  ]
  return `protocol bgp ${name} {\n${lines.filter(Boolean).join('\n')}\n}\n`
}

function channel(host: Host, neighbour: Neighbour, version: 'ipv4' | 'ipv6'): string {
  const overOther = neighbour.local.includes(':') !== (version === 'ipv6')
  const sources = neighbour.reflectorClient || neighbour.transit ? 'RTS_STATIC, RTS_BGP' : 'RTS_STATIC'
  const lines = [
    `import all;`,
    `export filter { if ! (source ~ [ ${sources} ]) then reject; mark(); accept; };`,
    overOther && !neighbour.extendedNextHop && `next hop address ${host[version]};`,
    neighbour.extendedNextHop && `extended next hop on;`,
    neighbour.prefixLimit !== undefined && `import limit ${neighbour.prefixLimit} action disable;`,
    neighbour.addPath && `add paths ${neighbour.addPath === 'send' ? 'tx' : 'rx'};`,
  ]
  return `${version} { ${lines.filter(Boolean).join(' ')} };`
}

/** The routes of BGP protocols in what `show route all` prints. */
function parseRoutes(text: string): SeenRoute[] {
  const routes: Route_[] = []
  let prefix = ''
  let current: Route_ | undefined
  for (const line of text.split('\n')) {
    const start = /^(\S*)\s+(?:unicast|unreachable|blackhole|prohibit) \[(\S+) /.exec(line)
    if (start) {
      prefix = start[1] === '' ? prefix : start[1]
      current = /^(n|dynbgp)\d+$/.test(start[2]) ? { prefix, attributes: new Map() } : undefined
      if (current) routes.push(current)
      continue
    }
    const attribute = /^\s+BGP\.(\w+): (.*)$/.exec(line)
    if (attribute) current?.attributes.set(attribute[1], attribute[2].trim())
  }
  return routes.map(seen)
}

interface Route_ {
  readonly prefix: string
  readonly attributes: Map<string, string>
}

function seen({ prefix, attributes }: Route_): SeenRoute {
  const text = (name: string): string => attributes.get(name) ?? ''
  const number = (name: string): number | undefined => (attributes.has(name) ? Number(text(name)) : undefined)
  const tuples = (name: string): string[] =>
    Array.from(text(name).matchAll(/\(([^)]*)\)/g), ([, inside]) => inside.replaceAll(/,\s*/g, ':'))
  return {
    prefix,
    nextHop: text('next_hop').split(' ')[0],
    asPath: text('as_path'),
    origin: text('origin') === '' ? undefined : (text('origin').toLowerCase() as SeenRoute['origin']),
    localPref: number('local_pref'),
    med: number('med'),
    communities: tuples('community'),
    largeCommunities: tuples('large_community'),
    originatorId: attributes.get('originator_id'),
    clusterList: text('cluster_list').split(' ').filter(Boolean),
    otc: number('otc'),
  }
}
