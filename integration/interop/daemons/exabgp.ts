// ExaBGP: a speaker for programs, without a RIB. A shell script is its program: it writes what ExaBGP tells into one file and hands
// on commands from a pipe, and the table here is what the events make of it. Facts: ExaBGP's wiki, "Controlling ExaBGP";
// `exabgp --fi`, `exabgp --full-env`; the JSON of its encoder 4.

import { closeSync, existsSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Cell } from '../kit/cell.ts'
import type { Daemon, Neighbour, Plan, Route, RunningDaemon, SeenRoute, Session } from '../kit/daemon.ts'
import type { Host, Running } from '../kit/lan.ts'
import { versionOf } from './version.ts'

const noRib = 'it has no RIB: what comes is told to its program, and nothing is kept, counted or passed on'

export const exabgp: Daemon = {
  name: 'exabgp',
  title: 'ExaBGP',
  hasRib: false,
  version: () => versionOf(['exabgp', '--version'], /ExaBGP : (\S+)/),
  lacks: {
    weHelpLong: { reason: 'it has no long-lived graceful restart: its OPEN has no capability 71', capability: 71 },
    weAreLongAway: { reason: 'it has no long-lived graceful restart: its OPEN has no capability 71', capability: 71 },
    rolesWeCustomer: { reason: 'it has no roles: its OPEN has no capability 9', capability: 9 },
    rolesWeProvider: { reason: 'it has no roles: its OPEN has no capability 9', capability: 9 },
    theyReflect: { reason: noRib },
    weRestart: { reason: noRib },
    theirPrefixLimit: { reason: noRib },
    gtsmWeDial: {
      reason:
        'it sets the TTL of the sockets by which it dials, not of those on which it listens: its SYN-ACK comes with less than 255, and our kernel drops it (TCPMinTTLDrop)',
      proof: answersFromAfar,
    },
    ourShutdown: {
      reason:
        'it fails on words: "can not decode update message of type 3" (bgp/message/notification.py puts text into octets)',
      proof: failsOnWords,
    },
    theirShutdown: { reason: 'its API ends a session by `teardown` and a subcode, which takes no words' },
    collisionOurs: {
      reason:
        'a peer of it that gives its own connection up for ours hangs now and then: it resets every connection from then on (reactor/peer.py, handle_connection, drops its coroutine halfway)',
    },
  },
  start: async (host, plan) => ExaBgp.start(host, plan),
}

async function answersFromAfar(cell: Cell): Promise<boolean> {
  await cell.start({ ourPeer: { ttlSecurity: 1 }, theirNeighbour: { ttlSecurity: true, passive: true } })
  const dropped = async () => /TCPMinTTLDrop +([0-9]+)/.exec(await cell.host('ours').exec('nstat', '-az'))?.[1]
  await cell.until('its answer is dropped here', dropped, /[1-9]/)
  return true
}

async function failsOnWords(cell: Cell): Promise<boolean> {
  const pair = await cell.pair({})
  await pair.ours.disable('daemon', 'maintenance at ten')
  const session = () => pair.theirs.session(pair.neighbour)
  await cell.until('it does not decode them', session, { text: /can not decode update message of type \\"3\\"/ })
  return true
}

class ExaBgp implements RunningDaemon {
  readonly #host: Host
  #plan: Plan
  #process: Running

  private constructor(host: Host, plan: Plan) {
    this.#host = host
    this.#plan = plan
    this.#process = this.#run()
  }

  static async start(host: Host, plan: Plan): Promise<ExaBgp> {
    const exabgp = new ExaBgp(host, plan)
    await exabgp.#ready()
    return exabgp
  }

  async session({ address, range }: Neighbour): Promise<Session> {
    const states = this.#events.filter(({ type, neighbor }) => type === 'state' && isOf(neighbor, { address, range }))
    return { established: states.at(-1)?.neighbor.state === 'up', text: `${this.#text}${this.#host.log('exabgp')}` }
  }

  async routes(): Promise<readonly SeenRoute[]> {
    const tables = new Map<string, Map<string, SeenRoute>>()
    for (const { type, neighbor } of this.#events) {
      const peer = neighbor.address.peer
      if (type === 'state' && neighbor.state === 'down') tables.delete(peer)
      if (type !== 'update' || !neighbor.message?.update) continue
      const table = tables.get(peer) ?? new Map<string, SeenRoute>()
      tables.set(peer, table)
      apply(table, neighbor.message.update)
    }
    return Array.from(tables.values(), table => [...table.values()]).flat()
  }

  async originate(routes: readonly Route[]): Promise<void> {
    const text = (route: Route) => routeText(this.#host, this.#plan, route)
    const before = this.#plan.routes
    const gone = before.filter(
      old => !routes.some(({ prefix, path }) => prefix === old.prefix && isSame(path, old.path)),
    )
    this.#tell(...gone.map(route => `withdraw ${text(route)}`))
    this.#plan = { ...this.#plan, routes }
    this.#tell(...routes.map(route => `announce ${text(route)}`))
  }

  async refresh({ families }: Neighbour): Promise<void> {
    this.#tell(...families.map(family => `announce route-refresh ${family.replace('-', ' ')}`))
  }

  async shutdown({ address }: Neighbour): Promise<void> {
    this.#tell(`neighbor ${address} teardown 2`)
  }

  kill(): Promise<void> {
    return this.#process.kill()
  }

  async restart(routes = this.#plan.routes): Promise<void> {
    this.#plan = { ...this.#plan, routes }
    this.#process = this.#run()
    await this.#ready()
  }

  #run(): Running {
    rmSync(this.#file('started'), { force: true })
    rmSync(this.#file('events'), { force: true })
    const script = this.#host.file(
      'program',
      `cd ${this.#host.directory}\nrm -f commands; mkfifo commands; exec 3<>commands; cat <&3 &\n: >started\nexec cat >>events\n`,
    )
    const conf = this.#host.file('exabgp.conf', exabgpConf(this.#host, this.#plan, script))
    const bind = [...new Set(this.#plan.neighbours.map(({ local }) => local))].join(' ')
    return this.#host.spawn('exabgp', ['exabgp', conf], {
      'exabgp.daemon.user': 'root',
      'exabgp.daemon.daemonize': 'false',
      'exabgp.tcp.bind': bind,
      'exabgp.tcp.port': '179',
      'exabgp.api.cli': 'false',
      'exabgp.api.ack': 'false',
      'exabgp.log.level': 'INFO',
      'exabgp.log.destination': 'stdout',
    })
  }

  async #ready(): Promise<void> {
    while (this.#process.alive && !existsSync(this.#file('started'))) await sleep(20)
  }

  #tell(...commands: readonly string[]): void {
    const pipe = openSync(this.#file('commands'), 'r+')
    writeSync(pipe, commands.map(command => `${command}\n`).join(''))
    closeSync(pipe)
  }

  #file(name: string): string {
    return join(this.#host.directory, name)
  }

  get #text(): string {
    return existsSync(this.#file('events')) ? readFileSync(this.#file('events'), 'utf8') : ''
  }

  /** The last line may be there by half; the words of a NOTIFICATION are in it as they came. */
  get #events(): readonly ExaEvent[] {
    const lines = this.#text.split('\n').slice(0, -1)
    return lines
      .map(line => JSON.parse(line.replaceAll(/\p{Cc}/gu, ' ')) as ExaEvent)
      .filter(({ neighbor }) => neighbor !== undefined)
  }
}

function exabgpConf(host: Host, plan: Plan, script: string): string {
  const program = `process program {\n  run /bin/sh ${script};\n  encoder json;\n}\n`
  return program + plan.neighbours.map(neighbour => neighbourConf(host, plan, neighbour)).join('')
}

function neighbourConf(host: Host, plan: Plan, neighbour: Neighbour): string {
  const graceful = plan.gracefulRestart
  const families = neighbour.families.map(family => `${family.replace('-', ' ')};`).join(' ')
  const capabilities = [
    `asn4 ${neighbour.twoOctetAs ? 'disable' : 'enable'};`,
    `route-refresh enable;`,
    `extended-message ${neighbour.extendedMessages ? 'enable' : 'disable'};`,
    ...(graceful ? [`graceful-restart ${graceful.restartTime};`] : []),
    ...(neighbour.addPath === undefined ? [] : [`add-path ${neighbour.addPath};`]),
    ...(neighbour.extendedNextHop ? [`nexthop enable;`] : []),
  ]
  const lines = [
    `router-id ${plan.routerId};`,
    `local-address ${neighbour.local};`,
    `local-as ${plan.asn};`,
    `peer-as ${neighbour.asn};`,
    `hold-time 90;`,
    (neighbour.passive || neighbour.range !== undefined) && `passive true;`,
    neighbour.secret !== undefined && `md5-password "${neighbour.secret}";`,
    neighbour.ttlSecurity && `outgoing-ttl 255; incoming-ttl 255;`,
    `family { ${families} }`,
    `capability { ${capabilities.join(' ')} }`,
    neighbour.extendedNextHop && `nexthop { ipv4 unicast ipv6; }`,
    `api { processes [ program ]; neighbor-changes; receive { parsed; update; } }`,
    `static { ${plan.routes.map(route => `${routeText(host, plan, route)};`).join(' ')} }`,
  ]
  const name = neighbour.range ?? neighbour.address
  return `neighbor ${name} {\n${lines.filter(line => typeof line === 'string').join('\n')}\n}\n`
}

/** A path that is given is sent as it is, so its own AS is part of it. */
function routeText(host: Host, plan: Plan, route: Route): string {
  const { prefix, communities = [], largeCommunities = [], med, path = [] } = route
  const sendsPaths = plan.neighbours.some(({ addPath }) => addPath === 'send')
  const byIpv6 = prefix.includes(':') || plan.neighbours.some(({ extendedNextHop }) => extendedNextHop)
  return [
    `route ${prefix} next-hop ${byIpv6 ? host.ipv6 : host.ipv4}`,
    // One identifier for each path of a prefix (RFC 7911).
    ...(sendsPaths ? [`path-information 0.0.0.${path.length + 1}`] : []),
    ...(path.length > 0 ? [`as-path [ ${[plan.asn, ...path].join(' ')} ]`] : []),
    ...(med === undefined ? [] : [`med ${med}`]),
    ...(communities.length > 0 ? [`community [ ${communities.join(' ')} ]`] : []),
    ...(largeCommunities.length > 0 ? [`large-community [ ${largeCommunities.join(' ')} ]`] : []),
  ].join(' ')
}

const isSame = (a: readonly number[] = [], b: readonly number[] = []): boolean => a.join(' ') === b.join(' ')

interface ExaEvent {
  readonly type: string
  readonly neighbor: ExaNeighbour
}

interface ExaNeighbour {
  readonly address: { readonly peer: string }
  readonly state?: string
  readonly message?: { readonly update?: ExaUpdate }
}

interface ExaUpdate {
  readonly attribute?: Readonly<Record<string, unknown>>
  readonly announce?: Readonly<Record<string, Readonly<Record<string, readonly ExaNlri[]>>>>
  readonly withdraw?: Readonly<Record<string, readonly ExaNlri[]>>
}

interface ExaNlri {
  readonly nlri: string
  readonly 'path-information'?: string
}

const isOf = (neighbor: ExaNeighbour, { address, range }: Pick<Neighbour, 'address' | 'range'>): boolean =>
  range !== undefined || neighbor.address.peer === address

const keyOf = (nlri: ExaNlri): string => `${nlri.nlri} ${nlri['path-information'] ?? ''}`

function apply(table: Map<string, SeenRoute>, { attribute = {}, announce = {}, withdraw = {} }: ExaUpdate): void {
  for (const list of Object.values(withdraw)) for (const nlri of list) table.delete(keyOf(nlri))
  for (const byNextHop of Object.values(announce)) {
    for (const [nextHop, list] of Object.entries(byNextHop)) {
      if (nextHop === 'null') continue // End-of-RIB
      for (const nlri of list) table.set(keyOf(nlri), seen(nlri.nlri, nextHop, attribute))
    }
  }
}

function seen(prefix: string, nextHop: string, attribute: Readonly<Record<string, unknown>>): SeenRoute {
  const tuples = (name: string): string[] =>
    ((attribute[name] ?? []) as readonly (readonly number[])[]).map(one => one.join(':'))
  return {
    prefix,
    nextHop,
    asPath: ((attribute['as-path'] ?? []) as readonly number[]).join(' '),
    origin: attribute.origin as SeenRoute['origin'],
    localPref: attribute['local-preference'] as number | undefined,
    med: attribute.med as number | undefined,
    communities: tuples('community'),
    largeCommunities: tuples('large-community'),
    originatorId: attribute['originator-id'] as string | undefined,
    clusterList: (attribute['cluster-list'] ?? []) as readonly string[],
  }
}
