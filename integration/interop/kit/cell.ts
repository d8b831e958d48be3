// One cell of the matrix: a feature with a daemon, on a lan of its own. Starts both ends, waits for what has to come true, and
// says what both ends saw when it did not.

import type { Test } from 'tap'
import type { Origination } from '../../../bgp/types.ts'
import { untilNextLook } from '../../kit/looks.ts'
import type { Daemon, Neighbour, Plan, Route, RunningDaemon } from './daemon.ts'
import { type Host, type HostName, Lan } from './lan.ts'
import { matches, type Pattern } from './matches.ts'
import { type OurConfig, type OurPeer, Ours } from './ours.ts'

export const OUR_AS = 65001
export const THEIR_AS = 65002
export const THIRD_AS = 65003

/** How both ends of the first session are; everything has a default. */
export interface Wanted {
  readonly ourAs?: number
  readonly theirAs?: number
  readonly families?: Neighbour['families']
  /** The session's own addresses. Default `ipv4`. */
  readonly over?: 'ipv4' | 'ipv6'
  readonly our?: Partial<OurConfig>
  readonly ourPeer?: Partial<OurPeer>
  readonly their?: Partial<Plan>
  readonly theirNeighbour?: Partial<Neighbour>
  readonly ourRoutes?: readonly Origination[]
  readonly theirRoutes?: readonly Route[]
}

export interface Pair {
  readonly ours: Ours
  readonly theirs: RunningDaemon
  readonly config: OurConfig
  readonly plan: Plan
  /** How the daemon sees us. */
  readonly neighbour: Neighbour
}

/** An eBGP peer without policies would be believed nothing and told nothing (RFC 8212). */
export const openPolicies = { import: 'accept-all', export: 'accept-all' } as const

/** Routes that most features exchange. */
export const ourRoutes: readonly Origination[] = [{ prefix: '10.1.0.0/24' }, { prefix: '10.1.1.0/26' }]
export const theirRoutes: readonly Route[] = [{ prefix: '10.2.0.0/24' }, { prefix: '10.2.1.0/26' }]

export class Cell {
  readonly t: Test
  readonly daemon: Daemon
  readonly lan: Lan
  readonly #state: (() => Promise<string>)[] = []

  constructor(t: Test, daemon: Daemon) {
    this.t = t
    this.daemon = daemon
    this.lan = Lan.make(t)
  }

  host(name: HostName): Host {
    return this.lan.hosts[name]
  }

  ourConfig(wanted: Wanted): OurConfig {
    const { ours, theirs } = this.lan.hosts
    const { over = 'ipv4', families = [`${over}-unicast`] } = wanted
    const daemon: OurPeer = {
      address: theirs[over],
      remoteAs: wanted.theirAs ?? THEIR_AS,
      families,
      nextHopSelf: { 'ipv4-unicast': ours.ipv4, 'ipv6-unicast': ours.ipv6 },
      connectRetry: 1,
      ...openPolicies,
      ...wanted.ourPeer,
    }
    return { asn: wanted.ourAs ?? OUR_AS, routerId: ours.ipv4, peers: { daemon }, ...wanted.our }
  }

  theirPlan(wanted: Wanted): Plan {
    const { ours, theirs } = this.lan.hosts
    const { over = 'ipv4', families = [`${over}-unicast`] } = wanted
    const neighbour: Neighbour = {
      address: ours[over],
      asn: wanted.ourAs ?? OUR_AS,
      local: theirs[over],
      families,
      ...wanted.theirNeighbour,
    }
    return {
      asn: wanted.theirAs ?? THEIR_AS,
      routerId: theirs.ipv4,
      routes: wanted.theirRoutes ?? theirRoutes,
      neighbours: [neighbour],
      ...wanted.their,
    }
  }

  async startOurs(
    config: OurConfig,
    routes: readonly Origination[],
    { on = 'ours', restart = false }: { readonly on?: HostName; readonly restart?: boolean } = {},
  ): Promise<Ours> {
    const ours = await Ours.start(this.t, this.host(on), config, routes, ...(restart ? (['--restart'] as const) : []))
    this.#state.push(async () => {
      const [peers, table] = await Promise.all([ours.peers().catch(String), ours.routes().catch(String)])
      return `${on}: ${JSON.stringify({ peers, routes: table }, undefined, 1)}\n${ours.said().join('\n')}`
    })
    return ours
  }

  async startTheirs(plan: Plan): Promise<RunningDaemon> {
    const theirs = await this.daemon.start(this.host('theirs'), plan)
    this.#state.push(async () => {
      const sessions = await Promise.all(
        plan.neighbours.map(one => theirs.session(one).then(({ text }) => text, String)),
      )
      const routes = JSON.stringify(await theirs.routes().catch(String), undefined, 1)
      return `${this.daemon.name}: ${sessions.join('\n')}\n${routes}\n${this.host('theirs').log(this.daemon.name)}`
    })
    return theirs
  }

  /** Both ends, not yet met. */
  async start(wanted: Wanted): Promise<Pair> {
    const config = this.ourConfig(wanted)
    const plan = this.theirPlan(wanted)
    const [theirs, ours] = await Promise.all([
      this.startTheirs(plan),
      this.startOurs(config, wanted.ourRoutes ?? ourRoutes),
    ])
    return { ours, theirs, config, plan, neighbour: plan.neighbours[0] }
  }

  /** Both ends, with a session that both of them call established. */
  async pair(wanted: Wanted): Promise<Pair> {
    const pair = await this.start(wanted)
    await this.isUp(pair)
    return pair
  }

  async isUp({ ours, theirs, neighbour }: Pair): Promise<void> {
    await this.until('the session is up', () => ours.peer('daemon'), { state: 'Established' })
    await this.until(`${this.daemon.title} says so, too`, () => theirs.session(neighbour), { established: true })
  }

  /** Reads until it looks so; what it was at the end is in the test's output if it never did. */
  async until<T>(what: string, read: () => Promise<T>, pattern: Pattern): Promise<T> {
    const deadline = performance.now() + (this.daemon.patience ?? 30) * 1000
    for (;;) {
      const since = performance.now()
      const value = await read()
      if (matches(value, pattern)) {
        this.t.pass(what)
        return value
      }
      if (performance.now() > deadline) {
        const seen = await Promise.all(this.#state.map(state => state()))
        this.t.comment(`${what}: at the end of the wait\n${seen.join('\n')}`)
        throw new Error(`${what}: wanted ${show(pattern)}, but it is ${show(value)}`)
      }
      await untilNextLook(since)
    }
  }

  /** Until the daemon's table has these routes and no others. */
  async daemonHas({ theirs }: Pick<Pair, 'theirs'>, patterns: readonly Pattern[], what?: string): Promise<void> {
    await this.until(what ?? `${this.daemon.title} has our routes`, () => theirs.routes(), patterns)
  }

  /** Until our table has these routes and no others, besides our own. */
  async weHave({ ours }: Pick<Pair, 'ours'>, patterns: readonly Pattern[], what?: string): Promise<void> {
    await this.until(what ?? 'we have its routes', () => ours.routes(), patterns)
  }
}

const show = (value: unknown): string =>
  JSON.stringify(value, (_, one: unknown) => (one instanceof RegExp ? String(one) : one), 1)
