// The speaker without I/O: peers, the RIBs of both families, and the ports between them and a shell.
//
// Events go in by `handle`, actions come out by `actions`; the bulk of the work passes three ports without callbacks:
// `receive` takes octets, `work` decides, `pull` gives octets, each bounded by units (one per message, one per prefix).
// Time comes by events; randomness from a seed. Nothing here throws on input: what goes wrong while a message is
// handled ends that peer's session only.

import { Random } from '../fsm/random.ts'
import type { TimerId } from '../fsm/timers.ts'
import { createFamily } from '../groups/family.ts'
import type { ChunkSink } from '../groups/port.ts'
import type { Rib } from '../rib/port.ts'
import * as explain from '../session/explain.ts'
import type { FamilyRib, Host, Identity, ResolvedPeer } from '../session/host.ts'
import type { RestartSide } from '../session/negotiate.ts'
import { Peer } from '../session/peer.ts'
import { isUnfound } from '../session/place.ts'
import type { SessionTap, TappedConnection } from '../session/tap.ts'
import type {
  Action,
  ConfigIssue,
  ConnEnds,
  ConnId,
  Event,
  Family,
  NextHopState,
  Origination,
  PeerCounters,
  PeerId,
  PeerStatus,
  PrefixExplanation,
  SpeakerConfig,
} from '../types.ts'
import { families } from '../wire/family.ts'
import { cease, ceaseFault } from '../wire/notification.ts'
import { UpdateDecoder } from '../wire/update.ts'
import { fault } from '../wire/verdict.ts'
import { numberOf, sameAddress } from './addresses.ts'
import { Alarms } from './alarms.ts'
import { ByAddress } from './by-address.ts'
import { checkConfig } from './check.ts'
import { checkOrigination } from './check-origination.ts'
import { canonical, compare, identityIssues } from './diff.ts'
import { DynamicPeers } from './dynamic.ts'
import { PeerIds } from './peer-ids.ts'
import { Refusals } from './refusals.ts'
import { resolvePeer } from './resolve.ts'
import { type Owner, Streams } from './streams.ts'

export interface EngineOptions {
  /** Seeds hashes and jitter. */
  readonly seed: number
  /** Milliseconds of the shell's clock. */
  readonly now: number
  /** Prefixes to reserve address space for, per family. */
  readonly maxPrefixes?: number
}

export class Engine {
  readonly #maxPrefixes: number | undefined
  readonly #random: Random
  readonly #alarms: Alarms
  readonly #streams = new Streams()
  readonly #host: Host
  readonly #ids = new PeerIds()
  readonly #peers = new Map<string, Peer>()
  readonly #peerById = new Map<PeerId, Peer>()
  readonly #peersByAddress = new ByAddress<Peer>()
  readonly #ribs = new Map<Family, FamilyRib>()
  readonly #refusals = new Refusals()
  readonly #taps: SessionTap[] = []
  #config: SpeakerConfig | undefined
  #identity: Identity = { asn: 0, routerId: 0, clusterId: 0 }
  #actions: Action[] = []
  #complete = true
  /** Bounds the time that route selection waits after a restart. */
  readonly #deferral: TimerId
  readonly #dynamic: DynamicPeers
  /** Link-local addresses found, by link. */
  readonly #neighbours = new Map<string, string>()
  /** When to look which peers of listen ranges are to be forgotten. */
  readonly #forgetting: TimerId
  #workAsked = false

  constructor({ seed, now, maxPrefixes }: EngineOptions) {
    this.#maxPrefixes = maxPrefixes
    this.#random = new Random(seed)
    this.#alarms = new Alarms(now, at => this.#emit({ do: 'wakeAt', at }))
    this.#deferral = this.#alarms.create(() => {}) // what waits for it looks whether it is armed
    this.#forgetting = this.#alarms.create(() => this.#dynamic.forget())
    this.#host = this.#makeHost()
    this.#dynamic = new DynamicPeers(this.#peers, {
      add: (name, peer) => this.#addPeer(name, peer),
      remove: (peer, why) => this.#removePeer(peer, why),
      wake: after => {
        if (!this.#alarms.isArmed(this.#forgetting)) this.#alarms.arm(this.#forgetting, this.#alarms.now + after)
      },
      now: () => this.#alarms.now,
    })
  }

  // ---- configuration ---------------------------------------------------------------------------------------------

  /**
   * Puts a whole configuration into force, or none of it: then it says what is wrong. What is equal is not touched; a
   * changed policy, timer or description resets no session.
   */
  configure(config: SpeakerConfig): readonly ConfigIssue[] {
    const before = this.#config
    const issues = [...checkConfig(config), ...(before ? identityIssues(before, config) : [])]
    if (issues.length > 0) return issues
    this.#config = config
    if (!before) this.#begin(config)
    this.#identity = { ...this.#identity, confederation: config.confederation }
    const all = new Map([...config.peers, ...this.#dynamic.configure(config)])
    for (const [name, peer] of this.#peers) if (!all.has(name)) this.#removePeer(peer)
    if (before && canonical(before.decision) !== canonical(config.decision)) this.#setDecision(config)
    for (const [name, given] of all) {
      const wanted = resolvePeer(given, config, this.#neighbours)
      const peer = this.#peers.get(name)
      if (!peer) {
        this.#addPeer(name, wanted)
        continue
      }
      const change = compare(peer.config, wanted)
      if (change !== 'none') peer.adjust(wanted, change === 'policies' || change === 'moved')
      this.#peersByAddress.put(peer.config.address, peer)
      if (change === 'moved') peer.relocate()
      if (change === 'session') peer.reset(fault(6, cease.configChange, 'the configuration of the session changed'))
    }
    this.#afterwards()
    return []
  }

  /** Our own routes, the whole list; those that are none are refused and returned. */
  originate(list: Iterable<Origination>): readonly ConfigIssue[] {
    const issues: ConfigIssue[] = []
    const lists = new Map<Family, Origination[]>(families.map(({ family }) => [family, []]))
    for (const route of list) {
      const issue = checkOrigination(route)
      if (issue) issues.push(issue)
      else lists.get(route.prefix.includes(':') ? 'ipv6-unicast' : 'ipv4-unicast')?.push(route)
    }
    for (const [family, routes] of lists) this.#family(family).rib.originate(routes)
    this.#afterwards()
    return issues
  }

  /**
   * Our own routes are complete: End-of-RIB may be sent. Starts true unless `gracefulRestart.restarting` is set. Until
   * then, and for the restart time at most, route selection waits for the End-of-RIB of peers that are up (RFC 4724 §4.1).
   */
  setComplete(complete: boolean): void {
    this.#complete = complete
    for (const { out } of this.#ribs.values()) out.setComplete(complete)
    this.#afterwards()
  }

  setNextHops(changes: Iterable<NextHopState>): void {
    const list = [...changes]
    for (const { rib } of this.#ribs.values()) rib.setNextHops(list)
    this.#afterwards()
  }

  /**
   * The neighbour on a link has this link-local address (without its zone), or there is none to be seen: peers that are
   * configured by that interface are dialed there. A session that is up goes on until it ends by itself.
   */
  setNeighbour(link: string, address: string | undefined): void {
    let inUse = address !== undefined
    if (address !== undefined) this.#neighbours.set(link, address)
    for (const peer of this.#peers.values()) {
      if (peer.config.interface !== link) continue
      peer.moved(`${address ?? ''}%${link}`)
      this.#peersByAddress.put(peer.config.address, peer)
      inUse ||= !isUnfound(peer.config.address)
    }
    if (!inUse) this.#neighbours.delete(link)
    this.#afterwards()
  }

  /** `cease`: tell every peer, with words (RFC 9003); `restart`: just close, so that helpers keep our routes (RFC 4724). */
  stop(mode: 'cease' | 'restart', words = 'the speaker stops'): void {
    const why = mode === 'cease' ? ceaseFault(cease.shutdown, words) : undefined
    this.#dynamic.close()
    for (const peer of this.#peers.values()) peer.stop(why)
    this.#afterwards()
  }

  /** Ends one session, with words that the peer may show (RFC 9003), and starts it anew. False if there is no such peer. */
  resetPeer(name: string, words = 'reset by the operator'): boolean {
    return this.#ask(name, peer => peer.reset(ceaseFault(cease.reset, words)))
  }

  /** Ends the session, with words that the peer may show (RFC 9003), and dials and accepts none until `enablePeer`. */
  disablePeer(name: string, words = 'disabled by the operator'): boolean {
    return this.#ask(name, peer => peer.stop(ceaseFault(cease.shutdown, words)))
  }

  enablePeer(name: string): boolean {
    return this.#ask(name, peer => peer.start())
  }

  /**
   * `in`: asks the peer for all its routes again, if it has route refresh (RFC 2918); `out`: sends it all of ours again. Of
   * one family, or of all.
   */
  refreshPeer(name: string, direction: 'in' | 'out', family?: Family): boolean {
    return this.#ask(name, peer => peer.refresh(direction, family))
  }

  /** False if there is no such peer. */
  #ask(name: string, act: (peer: Peer) => void): boolean {
    const peer = this.#peers.get(name)
    if (peer) act(peer)
    this.#afterwards()
    return peer !== undefined
  }

  // ---- the ports -------------------------------------------------------------------------------------------------

  handle(event: Event): readonly Action[] {
    switch (event.kind) {
      case 'tick':
        this.#alarms.advance(event.now)
        break
      case 'accepted':
        this.#accept(event.conn, event)
        break
      case 'connected':
        this.#on(event.conn, ({ peer, connection }) => peer.connected(connection, event))
        break
      case 'connectFailed':
        this.#on(event.conn, ({ peer, connection }) => peer.connectFailed(connection, event.reason))
        break
      case 'closed':
        this.#on(event.conn, ({ peer, connection }) => peer.closed(connection, event.reason))
        this.#streams.closed(event.conn)
        break
    }
    this.#afterwards()
    return this.actions()
  }

  /**
   * Takes whole messages from `octets[from, to)` until about `units` are spent; returns the octets taken. What is left
   * is to be offered again, with what came after it. Keeps no reference to the octets.
   */
  receive(conn: ConnId, octets: Uint8Array, from: number, to: number, units: number): number {
    const taken = this.#streams.receive(conn, octets, from, to, units)
    this.#afterwards()
    return taken
  }

  /** Whether the last `receive` left whole messages unread for want of units. */
  isUnread(conn: ConnId): boolean {
    return this.#streams.ownerOf(conn)?.connection.unread ?? false
  }

  /** Units that the last `receive` took; a whole message may take it beyond its budget. */
  get spent(): number {
    return this.#streams.spent
  }

  /** Decision, policy re-runs, sweeps; true if work is left. */
  work(units: number): boolean {
    let left = false
    const share = Math.ceil(units / Math.max(1, this.#ribs.size))
    for (const { rib } of this.#ribs.values()) left = rib.work(share) || left
    this.#workAsked = left
    this.#afterwards()
    return left
  }

  /** Hands what is to be sent on the connection to the sink; true if more is ready now. */
  pull(conn: ConnId, sink: ChunkSink): boolean {
    const more = this.#streams.pull(conn, sink)
    if (!this.#streams.ownerOf(conn)) this.#afterwards() // a limit may have ended the session
    return more
  }

  /** What is asked of the shell since the last call. */
  actions(): readonly Action[] {
    const actions = this.#actions
    if (actions.length > 0) this.#actions = []
    return actions
  }

  // ---- reading ---------------------------------------------------------------------------------------------------

  get config(): SpeakerConfig | undefined {
    return this.#config
  }

  status(): PeerStatus[] {
    return Array.from(this.#peers.values(), peer => peer.status())
  }

  /** Of one peer; undefined: there is none of that name. */
  statusOf(name: string): PeerStatus | undefined {
    return this.#peers.get(name)?.status()
  }

  counters(): PeerCounters[] {
    return Array.from(this.#peers.values(), peer => peer.counters.view(peer.name))
  }

  /** Why the routes to a prefix are as they are: the paths, best first, and which sessions are told of which. */
  explain(prefix: string): PrefixExplanation {
    const { rib } = this.#family(prefix.includes(':') ? 'ipv6-unicast' : 'ipv4-unicast')
    const id = rib.lookup(prefix)
    if (id === undefined) return { prefix, paths: [], exports: [] }
    const exports = Array.from(this.#peers.values(), ({ id: peer, name }) =>
      rib.explainExports(peer, id).map(about => ({ peer: name, ...about })),
    )
    return { prefix, paths: rib.paths(id), exports: exports.flat() }
  }

  /** Lets the tap see what passes on the sessions, until the function returned is called. */
  tap(tap: SessionTap): () => void {
    this.#taps.push(tap)
    return () => {
      const at = this.#taps.indexOf(tap)
      if (at >= 0) this.#taps.splice(at, 1)
    }
  }

  /** The sessions that are Established, as taps see them. */
  sessions(): TappedConnection[] {
    return Array.from(this.#peers.values(), peer => peer.tappedSession).filter(one => one !== undefined)
  }

  /** The RIB of a family, to read; there is none before the first `configure`. */
  rib(family: Family): Rib {
    return this.#family(family).rib
  }

  /** The peer that a connection belongs to. */
  peerOf(conn: ConnId): PeerId | undefined {
    return this.#streams.ownerOf(conn)?.peer.id
  }

  peerId(name: string): PeerId | undefined {
    return this.#peers.get(name)?.id
  }

  // ---- inside ----------------------------------------------------------------------------------------------------

  #begin(config: SpeakerConfig): void {
    const routerId = numberOf(config.routerId)
    this.#identity = { asn: config.asn, routerId, clusterId: numberOf(config.clusterId ?? config.routerId) }
    for (const { family } of families) {
      const { asn, clusterId } = this.#identity
      const seed = this.#random.seed()
      this.#ribs.set(family, createFamily({ family, seed, asn, routerId, clusterId, maxPrefixes: this.#maxPrefixes }))
    }
    this.#setDecision(config)
    const { restarting, restartTime } = config.gracefulRestart ?? {}
    if (restarting && restartTime) this.#alarms.arm(this.#deferral, this.#alarms.now + restartTime * 1000)
    this.setComplete(!restarting)
  }

  #setDecision({ decision = {} }: SpeakerConfig): void {
    for (const { rib } of this.#ribs.values()) rib.setDecision(decision)
  }

  #addPeer(name: string, config: ResolvedPeer): Peer {
    const id = this.#ids.take(old => this.#isForgotten(old))
    const peer = new Peer(this.#host, id, name, config)
    this.#peers.set(name, peer)
    this.#peerById.set(id, peer)
    this.#peersByAddress.put(config.address, peer)
    peer.start()
    return peer
  }

  #removePeer(peer: Peer, why = fault(6, cease.deconfigured, 'the peer was removed from the configuration')): void {
    peer.stop(why)
    peer.dispose()
    this.#peers.delete(peer.name)
    this.#peerById.delete(peer.id)
    this.#peersByAddress.delete(peer)
    this.#ids.give(peer.id)
  }

  /** No table knows the id any more. */
  #isForgotten(id: PeerId): boolean {
    return [...this.#ribs.values()].every(({ rib }) => !rib.pending && rib.received(id).all === 0)
  }

  #accept(conn: ConnId, ends: ConnEnds): void {
    const { local, remote } = ends
    const peer = this.#peerAt(remote, local) ?? this.#dynamic.take(remote)
    const full = typeof peer === 'string'
    const refusal = full
      ? peer
      : (peer?.accept(conn, ends) ?? (peer ? undefined : explain.unknownRemote(remote, local)))
    if (refusal === undefined) return
    this.#emit({ do: 'close', conn, afterFlush: false })
    // That a range is full is told once, not for each that knocks.
    if (!this.#refusals.isNews(full ? '' : remote, refusal, this.#alarms.now)) return
    this.#emit({ do: 'report', report: { type: 'refused', remote, text: refusal } })
  }

  #peerAt(remote: string, local: string): Peer | undefined {
    const there = this.#peersByAddress.at(remote)
    const isForLocal = ({ config: { localAddress } }: Peer): boolean =>
      localAddress !== undefined && sameAddress(localAddress, local)
    return there.find(isForLocal) ?? there.findLast(({ config }) => config.localAddress === undefined)
  }

  #on(conn: ConnId, act: (owner: Owner) => void): void {
    const owner = this.#streams.ownerOf(conn)
    if (owner) act(owner)
  }

  /** Tells the shell what the last call has made ready. */
  #afterwards(): void {
    let pending = false
    for (const [family, { rib, out }] of this.#ribs) {
      rib.defer(this.#defers(family))
      pending ||= rib.pending
      for (const id of out.takeReady()) this.#peerById.get(id)?.ready()
    }
    if (pending && !this.#workAsked) {
      this.#workAsked = true
      this.#emit({ do: 'work' })
    }
  }

  /** RFC 4724 §4.1: never for peers that are down, lack graceful restart or the family, or restart themselves. */
  #defers(family: Family): boolean {
    if (this.#complete || !this.#alarms.isArmed(this.#deferral)) return false
    for (const peer of this.#peers.values()) if (peer.awaited.includes(family)) return true
    return false
  }

  #emit(action: Action): void {
    this.#actions.push(action)
  }

  #family(family: Family): FamilyRib {
    const found = this.#ribs.get(family)
    if (!found) throw new Error('the engine has no configuration yet: call configure first')
    return found
  }

  #restart(first: boolean): RestartSide | undefined {
    const wanted = this.#config?.gracefulRestart
    if (!wanted) return undefined
    const { restartTime: time, restarting = false, forwarding, longLived: long } = wanted
    const longLived =
      long === undefined ? undefined : (family: Family) => (typeof long === 'number' ? long : (long[family] ?? 0))
    // Once a peer was Established, this process has run ever since: the kernel's state is what it was.
    if (!first) return { time, restarting: false, forwarding: forwarding !== undefined, longLived }
    return { time, restarting: restarting && !this.#complete, forwarding: forwarding ?? false, longLived }
  }

  #makeHost(): Host {
    // oxlint-disable-next-line typescript/no-this-alias -- the accessors below read the engine as it is then
    const engine = this
    return {
      get now() {
        return engine.#alarms.now
      },
      get identity() {
        return engine.#identity
      },
      get names() {
        const { hostname, domainName, softwareVersion } = engine.#config ?? {}
        return { hostname, domainName, softwareVersion }
      },
      random: this.#random,
      wheel: this.#alarms.wheel,
      taps: this.#taps,
      decoder: new UpdateDecoder(),
      family: family => this.#family(family),
      restart: first => this.#restart(first),
      emit: action => this.#emit(action),
      dial: (peer, connection) => {
        const conn = this.#streams.allocate()
        this.#streams.adopt(conn, peer, connection)
        return conn
      },
      adopt: (conn, peer, connection) => this.#streams.adopt(conn, peer, connection),
      release: (conn, last) => this.#streams.release(conn, last),
      writable: conn => {
        if (this.#streams.signal(conn)) this.#emit({ do: 'writable', conn })
      },
      arm: (peer, connection, timer, at) => this.#alarms.armFor(peer, connection, timer, at),
    }
  }

  /** An id for a connection that the shell accepted. */
  allocateConn(): ConnId {
    return this.#streams.allocate()
  }
}
