// The node's speaker and what hangs on it: started when the plan has one, reconfigured live, begun anew when its identity changes,
// its reports in the log, its choices on their way to the kernel.

import { issueText, Speaker, tcpWith } from '../../bgp/index.ts'
import type { Rib } from '../../bgp/core.ts'
import type { Family, PeerId, PeerStatus, Report, SpeakerConfig } from '../../bgp/types.ts'
import { discovery } from '../../netlink/discovery.ts'
import { sockets } from '../../netlink/socket.ts'
import type { FibUpdate } from '../fib/resolver.ts'
import type { Facts } from '../model/facts.ts'
import type { Intent } from '../model/intent.ts'
import type { Log } from './log.ts'
import { type KernelOutcomes, Routing } from './routing.ts'
import { Secrets } from './secrets.ts'

const families: readonly Family[] = ['ipv4-unicast', 'ipv6-unicast']

/** Files with keys are looked at again after this time, in milliseconds. */
const rereadAfter = 10_000

/** One line for the same trouble with a peer in this time, in milliseconds. */
const quietFor = 60_000
const rememberedTroubles = 1_000

export interface BgpPorts {
  readonly log: Log
  readonly facts: () => Facts
  /** Of learned routes outside tunnels; undefined: that of their device. */
  readonly routeMtu: () => number | undefined
  readonly patch: (updates: readonly FibUpdate[]) => void
  readonly kernel: () => KernelOutcomes
  /** Nothing was heard of a peer within its hold time. `device`: of an address that is one link's only. */
  readonly silent: (address: string, device: string | undefined) => void
  /** A peer has told its last route. */
  readonly told: () => void
  /** All learned routes are gone: the speaker begins anew. */
  readonly clear: () => void
}

export class Bgp {
  readonly #ports: BgpPorts
  readonly #lastSaid = new Map<string, number>()
  #speaker: Speaker | undefined
  /** When it began, by `performance.now`. */
  #begun = 0
  #routing: Routing | undefined
  #config: SpeakerConfig | undefined
  #applied: Intent | undefined
  #problems: readonly string[] = []
  readonly #secrets = new Secrets()
  /** What is wrong with the keys. */
  #keyless: readonly string[] = []
  #reread: NodeJS.Timeout | undefined
  /** What the speaker cannot listen on, while it cannot. */
  #deaf: string | undefined
  /** Changes run one after another: starting and stopping take turns of the event loop. */
  #turn: Promise<void> = Promise.resolve()

  constructor(ports: BgpPorts) {
    this.#ports = ports
  }

  /** Puts an intent into force. `complete`: End-of-RIB may be sent. */
  apply(intent: Intent, complete: boolean): Promise<void> {
    const turn = this.#turn.then(() => this.#apply(intent, complete))
    this.#turn = turn.catch(() => undefined) // the caller hears of it; the next plan has its turn all the same
    return turn
  }

  get config(): SpeakerConfig | undefined {
    return this.#config
  }

  /** Sentences for what the speaker refused, and for what keeps it from listening. */
  get problems(): readonly string[] {
    const found = [...this.#problems, ...this.#keyless, ...unwrapped(this.#routing?.resolver.unwrapped)]
    return this.#deaf === undefined ? found : [...found, this.#deaf]
  }

  /** Milliseconds since the speaker began; 0 before. */
  get age(): number {
    return this.#speaker ? performance.now() - this.#begun : 0
  }

  get routing(): Routing | undefined {
    return this.#routing
  }

  /** Routes are still on their way from a peer's session to the route table. */
  get busy(): boolean {
    const { engine } = this.#speaker ?? {}
    return (
      engine !== undefined && (families.some(family => engine.rib(family).pending) || this.#routing?.idle === false)
    )
  }

  setFacts(facts: Facts): void {
    this.#routing?.setFacts(facts)
  }

  /** The MTU of learned routes has become another. */
  routeMtuChanged(): void {
    this.#routing?.setRouteMtu(this.#ports.routeMtu())
  }

  peers(): readonly PeerStatus[] {
    return this.#speaker?.status() ?? []
  }

  rib(family: Family): Rib | undefined {
    return this.#speaker?.engine.rib(family)
  }

  /** How many sessions there are to be, and are up. */
  counts(): { readonly configured: number; readonly established: number } {
    const peers = this.peers()
    return { configured: peers.length, established: peers.filter(peer => peer.state === 'Established').length }
  }

  /** Names of the peers that tell of exactly this prefix. */
  tellers(prefix: string): readonly string[] {
    const rib = this.rib(prefix.includes(':') ? 'ipv6-unicast' : 'ipv4-unicast')
    const id = rib?.lookup(prefix)
    return rib && id ? rib.paths(id).map(({ peer }) => peer) : []
  }

  peerId(name: string): PeerId | undefined {
    return this.#speaker?.engine.peerId(name)
  }

  async stop(mode: 'cease' | 'restart'): Promise<void> {
    await this.#turn
    clearTimeout(this.#reread)
    this.#routing?.close()
    await this.#speaker?.stop(mode)
    this.#speaker = this.#routing = this.#config = this.#applied = this.#deaf = undefined
  }

  async #apply(intent: Intent, complete: boolean): Promise<void> {
    const { log } = this.#ports
    clearTimeout(this.#reread)
    const { speaker, secrets } = intent
    const wanted = speaker && this.#withKeys(speaker, secrets)
    if (this.#speaker && (!wanted || !this.#config || changesIdentity(this.#config, wanted))) await this.#end()
    if (!wanted) return
    if (this.#speaker) {
      if (wanted !== this.#config) this.#routing?.guard.ownDoing()
      if (wanted !== this.#config) this.#note(this.#speaker.configure(wanted).map(issueText))
      if (this.#problems.length === 0) this.#config = wanted
    } else if (!(await this.#begin(wanted, intent))) {
      return
    }
    // Plan keeps what did not change: the same object means the same content.
    if (intent.routes !== this.#applied?.routes) this.#routing?.setRules(intent.routes)
    if (intent.originate !== this.#applied?.originate)
      for (const issue of this.#speaker?.originate(intent.originate) ?? [])
        log.error('own route refused', { reason: issueText(issue) })
    this.#applied = intent
    if (complete) this.#speaker?.setComplete(true)
    if (secrets && secrets.size > 0)
      this.#reread = setTimeout(() => void this.apply(intent, false), rereadAfter).unref()
  }

  async #begin(config: SpeakerConfig, intent: Intent): Promise<boolean> {
    const { log } = this.#ports
    const speaker = new Speaker(config, { transport: tcpWith(sockets()), discovery: discovery() })
    speaker.on('peer', report => this.#report(report))
    speaker.on('incident', report => this.#report(report))
    try {
      await speaker.start()
    } catch (error) {
      this.#note([error instanceof Error ? error.message : String(error)])
      return false
    }
    this.#note([])
    const routing = new Routing(this.#ports.facts(), intent.routes, families, {
      routeMtu: this.#ports.routeMtu(),
      changes: family => speaker.engine.rib(family).changes('kernel'),
      patch: this.#ports.patch,
      kernel: this.#ports.kernel(),
      tellNextHops: changes => speaker.setNextHops(changes),
      warn: text => log.warn(text),
    })
    speaker.on('turn', () => routing.wake())
    this.#speaker = speaker
    this.#begun = performance.now()
    this.#routing = routing
    this.#config = config
    log.info('speaker started', { asn: config.asn, routerId: config.routerId, peers: config.peers.size })
    return true
  }

  async #end(): Promise<void> {
    this.#ports.log.warn('speaker stops: its AS number, router id or cluster id changed, or its Node is gone')
    this.#routing?.close()
    await this.#speaker?.stop('cease')
    this.#speaker = this.#routing = this.#config = this.#applied = this.#deaf = undefined
    this.#ports.clear()
  }

  #withKeys(speaker: SpeakerConfig, references: Intent['secrets']): SpeakerConfig {
    const { config, problems } = this.#secrets.apply(speaker, references)
    for (const problem of problems)
      if (!this.#keyless.includes(problem)) this.#ports.log.error('no key', { reason: problem })
    this.#keyless = problems
    return config
  }

  #note(problems: readonly string[]): void {
    for (const problem of problems)
      if (!this.#problems.includes(problem)) this.#ports.log.error('BGP configuration refused', { reason: problem })
    this.#problems = problems
  }

  #tellSilent(peer: string): void {
    const [address, device] = this.#speaker?.engine.statusOf(peer)?.address.split('%') ?? []
    if (address) this.#ports.silent(address, device)
  }

  /** Sessions that come and go are told each time; what repeats itself once a minute. */
  #report(report: Report): void {
    const { log } = this.#ports
    const peer = 'peer' in report ? report.peer : undefined
    if (report.type === 'state') {
      if (report.silent) this.#tellSilent(report.peer)
      if (report.to === 'Established') log.info(report.text, { peer })
      else if (report.from === 'Established') log.warn(report.text, { peer })
      else log.debug(report.text, { peer, from: report.from, to: report.to })
      return
    }
    if (report.type === 'listen') this.#deaf = report.listening ? undefined : report.text
    if (report.type === 'endOfRib') {
      log.debug(report.text, { peer })
      return this.#ports.told()
    }
    if (report.type === 'stale' && report.kept) return log.info(report.text, { peer })
    const key = `${report.type} ${peer ?? ''} ${report.text}`
    const now = performance.now()
    if (now - (this.#lastSaid.get(key) ?? -Infinity) < quietFor) return
    if (this.#lastSaid.size >= rememberedTroubles) this.#lastSaid.clear()
    this.#lastSaid.set(key, now)
    log.warn(report.text, { peer })
  }
}

function changesIdentity(before: SpeakerConfig, after: SpeakerConfig): boolean {
  return before.asn !== after.asn || before.routerId !== after.routerId || before.clusterId !== after.clusterId
}

/** Of routes that a mode would have wrapped. */
function unwrapped(prefixes: ReadonlySet<string> = new Set()): readonly string[] {
  if (prefixes.size === 0) return []
  const list = [...prefixes].slice(0, 3).join(', ')
  return [
    `${prefixes.size} of the routes into pools with mode Always (${list}${prefixes.size > 3 ? ', …' : ''}) lead to routers that are no nodes of the cluster, which get the packets as they are; use CrossSubnet, or let routers keep the nodes' next hops`,
  ]
}
