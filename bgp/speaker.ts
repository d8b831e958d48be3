// A BGP speaker on TCP: the engine with sockets, timers and a few conveniences.

import { checkOrigination } from './core/check-origination.ts'
import { Engine } from './core/engine.ts'
import { warmUp } from './core/warm-up.ts'
import { type SimpleConfig, fullConfig } from './simple-config.ts'
import { about } from './session/explain.ts'
import { Driver } from './transport/driver.ts'
import { protections, undiscoverable, unprotectable, withoutTcpAo } from './transport/protection.ts'
import { Listeners } from './transport/listeners.ts'
import { systemClock, tcp } from './transport/tcp.ts'
import type { Clock, Discovery, Transport } from './transport/transport.ts'
import type {
  ChangeView,
  ConfigIssue,
  Family,
  NextHopState,
  Origination,
  PeerConfig,
  PathView,
  PeerCounters,
  PeerStatus,
  PrefixExplanation,
  PrefixId,
  Report,
  SpeakerConfig,
  Table,
} from './types.ts'

export interface SpeakerOptions {
  /** Default: TCP by node:net. For peers with `secret`, `tcpAo` or `ttlSecurity`: `tcpWith(sockets())`, see netlink-ts/socket. */
  readonly transport?: Transport
  /** For peers with `interface`: `discovery()`, see netlink-ts/discovery. */
  readonly discovery?: Discovery
  readonly clock?: Clock
  /** Units of bulk work a turn of the event loop: prefixes and messages. Default: as many as fit into a few milliseconds, at most 8192. */
  readonly budget?: number
  /** Seeds hashes and jitter. Default: random. */
  readonly seed?: number
  /** Prefixes to reserve address space for, per family. */
  readonly maxPrefixes?: number
  /**
   * V8 compiles the code for routes before there are any, on a table that is thrown away: the first real table then takes less
   * time and has no long turn, for half a second of processor time or more. The first route of a peer ends it. Default false.
   */
  readonly warmUp?: boolean
}

export interface RoutesOf {
  /** Default: IPv4. */
  readonly family?: Family
  readonly peer?: string
}

/** Routes a page. */
const PAGE = 512

/** A change of the best route to a prefix. */
export interface RouteChange {
  readonly prefix: string
  /** No path is left; the rest says nothing then. */
  readonly withdrawn: boolean
  /** Next hops of the best path and its equals; none for a route of our own. */
  readonly nextHops: readonly string[]
  /** Name of the peer whose path is best; `local` for our own. */
  readonly peer: string
  readonly med: number | undefined
  readonly localPref: number | undefined
  /** The best path carries BLACKHOLE (RFC 7999): its sender asks that traffic to the prefix be dropped. */
  readonly blackhole?: boolean
}

/** A configuration that was refused; `issues` says why, the message says it in words. */
export class ConfigError extends Error {
  readonly issues: readonly ConfigIssue[]

  constructor(issues: readonly ConfigIssue[]) {
    super(issues.map(issueText).join('\n'))
    this.name = 'ConfigError'
    this.issues = issues
  }
}

/** One sentence: object, field, value, reason, next step. */
export function issueText({ peer, field, value, reason, fix }: ConfigIssue): string {
  const where = peer === undefined ? field : `peer "${peer}": ${field}`
  const shown = typeof value === 'number' || typeof value === 'bigint' ? String(value) : JSON.stringify(value)
  return `${where} is ${shown}: ${reason}; ${fix}`
}

/**
 *     const speaker = new Speaker({ asn: 65001, routerId: '10.0.0.1', peers: [{ address: '10.0.0.2', remoteAs: 65002 }] })
 *     await speaker.start()
 *     speaker.announce('10.42.0.0/26')
 */
export class Speaker implements AsyncDisposable {
  readonly engine: Engine
  readonly #driver: Driver
  readonly #listeners: Listeners
  readonly #clock: Clock
  readonly #transport: Transport
  readonly #discovery: Discovery | undefined
  /** Addresses found on links, without zone. */
  readonly #found = new Map<string, string>()
  readonly #announced = new Map<string, Origination>()
  readonly #warmsUp: boolean
  readonly #listenersOf = { peer: new Set<(report: Report) => void>(), incident: new Set<(report: Report) => void>() }
  readonly #turns = new Set<() => void>()
  /** Readers that came before `start`. */
  readonly #waiting: (() => void)[] = []
  #config: SpeakerConfig
  #state: 'new' | 'running' | 'stopped' = 'new'
  #dirty = false
  #readers = 0

  constructor(config: SpeakerConfig | SimpleConfig, options: SpeakerOptions = {}) {
    const { transport = tcp, clock = systemClock, budget, maxPrefixes } = options
    const { seed = Math.floor(Math.random() * 4294967296) } = options
    this.#config = fullConfig(config)
    this.#clock = clock
    this.#transport = transport
    this.#discovery = options.discovery
    this.#warmsUp = options.warmUp ?? false
    this.engine = new Engine({ seed, now: clock.now(), maxPrefixes })
    const report = (one: Report) => this.#tell(one)
    const turned = () => {
      for (const callback of this.#turns) callback()
    }
    this.#driver = new Driver(this.engine, transport, clock, { report, turned, budget })
    this.#listeners = new Listeners(transport, clock, conn => this.#driver.accept(conn), report)
  }

  /** Listens and dials. Throws a ConfigError if the configuration is wrong; all else is reported and tried again. */
  async start(): Promise<void> {
    if (this.#state !== 'new') throw new Error(`the speaker is ${this.#state}: make a new one to start again`)
    const issues = this.#apply(this.#config)
    if (issues.length > 0) throw new ConfigError(issues)
    this.#state = 'running'
    for (const resolve of this.#waiting.splice(0)) resolve()
    this.#flush()
    await this.#turn()
    if (this.#warmsUp) this.#warm(warmUp())
  }

  /**
   * Puts another configuration into force, or none of it: then it says what is wrong. What is equal is not touched.
   */
  configure(config: SpeakerConfig | SimpleConfig): readonly ConfigIssue[] {
    const full = fullConfig(config)
    if (this.#state === 'new') {
      this.#config = full
      return []
    }
    return this.#apply(full)
  }

  /** Announces a route of our own, or changes it. Throws a ConfigError if something is wrong with it. */
  announce(prefix: string, attributes: Omit<Origination, 'prefix'> = {}): void {
    const route = { ...attributes, prefix }
    const issue = checkOrigination(route)
    if (issue) throw new ConfigError([issue])
    this.#announced.set(prefix, route)
    this.#later()
  }

  withdraw(prefix: string): void {
    if (this.#announced.delete(prefix)) this.#later()
  }

  /** The whole list of our own routes, in the place of all that were announced before; says which are no routes. */
  originate(list: Iterable<Origination>): readonly ConfigIssue[] {
    const given = [...list]
    this.#announced.clear()
    const unfit: ConfigIssue[] = []
    for (const route of given) {
      const keep = typeof route === 'object' && route !== null
      const issue = keep && this.#state === 'running' ? undefined : checkOrigination(route) // the engine checks what it gets
      if (issue) unfit.push(issue)
      if (keep) this.#announced.set(route.prefix, route)
    }
    return [...unfit, ...this.#flush()]
  }

  /** Tells which next hops can be reached, and how far they are. */
  setNextHops(changes: Iterable<NextHopState>): void {
    this.#driver.with(engine => engine.setNextHops(changes))
  }

  /** Says whether our own routes are complete, so that End-of-RIB may be sent (RFC 4724 §4.1). */
  setComplete(complete: boolean): void {
    this.#driver.with(engine => engine.setComplete(complete))
  }

  /** Ends the session with a peer, with words that it may show (RFC 9003), and starts it anew; false if there is no such peer. */
  resetPeer(name: string, words?: string): boolean {
    return this.#driver.with(engine => engine.resetPeer(name, words))
  }

  /** Ends the session with a peer, with words that it may show (RFC 9003); there is no other until `enablePeer`. */
  disablePeer(name: string, words?: string): boolean {
    return this.#driver.with(engine => engine.disablePeer(name, words))
  }

  enablePeer(name: string): boolean {
    return this.#driver.with(engine => engine.enablePeer(name))
  }

  /**
   * `in`: asks the peer for all its routes again (RFC 2918), of one family or all; what it does not send again goes where
   * both ends know RFC 7313. `out`: sends it all of ours again. False if there is no such peer.
   */
  refreshPeer(name: string, direction: 'in' | 'out', family?: Family): boolean {
    return this.#driver.with(engine => engine.refreshPeer(name, direction, family))
  }

  status(): PeerStatus[] {
    return this.engine.status()
  }

  /** What each peer has counted: messages by type, NOTIFICATIONs by reason, errors by treatment. */
  counters(): PeerCounters[] {
    return this.engine.counters()
  }

  /** Every path to the prefix, and which peers are told of the best one, with the reasons. */
  explain(prefix: string): PrefixExplanation {
    return this.engine.explain(prefix)
  }

  /**
   * The routes of a table, in pages: between two of them other work may go on, so that what is read is no one moment's
   * state. `peer`: whose `in`, `accepted` or `out`; our own routes without. Throws if there is no such peer.
   */
  *routes(
    table: Table = 'loc',
    { family = 'ipv4-unicast', peer }: RoutesOf = {},
  ): Generator<readonly PathView[], void> {
    const id = peer === undefined ? null : this.engine.peerId(peer)
    if (id === undefined) throw new Error(`there is no peer ${JSON.stringify(peer)}`)
    const rib = this.engine.rib(family)
    for (let from = 1 as PrefixId; from !== 0;) {
      const { rows, next } = rib.walk(table, id, from, PAGE)
      if (rows.length > 0) yield rows
      from = next
    }
  }

  /**
   * Calls back with reports about sessions (`peer`) or about UPDATE messages with errors (`incident`), or after every
   * turn in which a RIB may have changed (`turn`). Returns a function that ends it.
   */
  on(type: 'peer' | 'incident', callback: (report: Report) => void): () => void
  on(type: 'turn', callback: () => void): () => void
  on(type: 'peer' | 'incident' | 'turn', callback: (report: Report) => void): () => void {
    if (type === 'turn') {
      const plain = callback as () => void
      this.#turns.add(plain)
      return () => void this.#turns.delete(plain)
    }
    const callbacks = this.#listenersOf[type]
    callbacks.add(callback)
    return () => void callbacks.delete(callback)
  }

  /** Changes of the best routes, from those of now on. One that is not read in time shows the last state only. */
  async *best(family: Family = 'ipv4-unicast'): AsyncGenerator<RouteChange, void, void> {
    if (this.#state === 'new') await new Promise<void>(resolve => this.#waiting.push(resolve))
    const cursor = this.engine.rib(family).changes(`best-${this.#readers++}`)
    const view: ChangeView = { prefix: '', nextHops: [], peer: '', med: undefined, localPref: undefined }
    let wake = () => {}
    const off = this.on('turn', () => wake())
    try {
      while (this.#state === 'running') {
        if (cursor.next(view)) yield { ...view, withdrawn: view.peer === '', nextHops: [...view.nextHops] }
        else await new Promise<void>(resolve => (wake = resolve))
      }
    } finally {
      off()
      cursor.close()
    }
  }

  /**
   * Stops listening and ends every session. `cease` tells the peers, so that they withdraw our routes; `restart` just
   * closes, so that those with graceful restart keep them until we are back. `words`: what their operators may read (RFC 9003).
   */
  async stop(mode: 'cease' | 'restart' = 'cease', words?: string): Promise<void> {
    if (this.#state !== 'running') return
    this.#listeners.set(0, undefined)
    this.#discovery?.watch([], ignore, ignore)
    this.#driver.with(engine => engine.stop(mode, words))
    this.#state = 'stopped'
    await this.#turn()
    await this.#turn()
    this.#driver.dispose()
    for (const callback of this.#turns) callback()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  #apply(config: SpeakerConfig): readonly ConfigIssue[] {
    const transport = this.#transport
    const impossible = [
      ...(transport.protect ? withoutTcpAo(config, transport.tcpAoLacks?.bind(transport)) : unprotectable(config)),
      ...(this.#discovery ? [] : undiscoverable(config)),
    ]
    if (impossible.length > 0) return impossible
    const issues = this.#driver.with(engine => {
      const found = engine.configure(config)
      // The engine's wish to dial is heard afterwards: then the sockets have their options.
      if (found.length === 0) this.#protect(config)
      return found
    })
    if (issues.length > 0) return issues
    this.#config = config
    this.#listeners.set(config.listenPort ?? 179, config.listenAddresses)
    this.#discover(config)
    return []
  }

  #protect(config: SpeakerConfig): void {
    const addressOf = (peer: PeerConfig) => peer.address ?? this.#foundAt(peer.interface)
    this.#transport.protect?.(protections(config, addressOf), (address, reason) => {
      const ranges = (config.dynamic ?? []).map(
        ({ name, prefix, template }) => [name, { ...template, address: prefix }] as const,
      )
      for (const [peer, given] of [...config.peers, ...ranges]) {
        if (addressOf(given) !== address) continue
        const next = 'check that this kernel supports it'
        const text = `${about(peer, given, undefined)}: its connections cannot be protected: ${reason}; ${next}`
        this.#tell({ type: 'connectFailed', peer, text })
      }
    })
  }

  #discover({ peers }: SpeakerConfig): void {
    const links = new Set(Array.from(peers.values(), peer => peer.interface).filter(link => link !== undefined))
    for (const link of this.#found.keys()) if (!links.has(link)) this.#found.delete(link)
    this.#discovery?.watch(
      [...links],
      (link, address) => {
        if (this.#state === 'stopped' || this.#found.get(link) === address) return
        if (address === undefined) this.#found.delete(link)
        else this.#found.set(link, address)
        this.#driver.with(engine => {
          engine.setNeighbour(link, address)
          this.#protect(this.#config)
        })
      },
      (link, reason) => {
        for (const [peer, given] of this.#config.peers) {
          if (given.interface !== link) continue
          this.#tell({ type: 'connectFailed', peer, text: `${about(peer, given, undefined)}: ${reason}` })
        }
      },
    )
  }

  #foundAt(link: string | undefined): string | undefined {
    const address = link === undefined ? undefined : this.#found.get(link)
    return address === undefined ? undefined : `${address}%${link}`
  }

  /** Announcements of one turn go together. */
  #later(): void {
    if (this.#state !== 'running' || this.#dirty) return
    this.#dirty = true
    this.#clock.soon(() => void this.#flush())
  }

  #flush(): readonly ConfigIssue[] {
    this.#dirty = false
    return this.#state === 'running' ? this.#driver.with(engine => engine.originate(this.#announced.values())) : []
  }

  /** Step by step: between two of them everything else has its turn. */
  #warm(steps: Iterator<unknown>): void {
    this.#clock.soon(() => {
      if (this.#state === 'running' && !this.#hasOthersRoutes() && !steps.next().done) this.#warm(steps)
    })
  }

  #hasOthersRoutes(): boolean {
    return this.engine.rib('ipv4-unicast').size + this.engine.rib('ipv6-unicast').size > this.#announced.size
  }

  #turn(): Promise<void> {
    return new Promise(resolve => this.#clock.soon(resolve))
  }

  #tell(report: Report): void {
    for (const callback of this.#listenersOf[report.type === 'update' ? 'incident' : 'peer']) callback(report)
  }
}

function ignore(): void {}
