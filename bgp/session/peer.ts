// A peer: what the engine and its connections tell it, its messages, and what its session does to the RIB.
//
// Events come in from the engine and go to the machine of their connection (connections.ts). Nothing here knows a socket
// or reads a clock. All that goes wrong stays with this peer.

import type { FsmEvent } from '../fsm/machine.ts'
import type { ChunkSink } from '../groups/port.ts'
import type { ConnEnds, ConnId, Family, PeerId, PeerStatus } from '../types.ts'
import { KEEPALIVE, NOTIFICATION, OPEN, ROUTE_REFRESH, UPDATE, HEADER_LENGTH } from '../wire/header.ts'
import { CEASE, cease, decodeNotification, type Notification } from '../wire/notification.ts'
import { decodeOpen, encodeOpen } from '../wire/open.ts'
import { decodeRefresh, encodeRefresh } from '../wire/refresh.ts'
import { type Fault, fault } from '../wire/verdict.ts'
import { type Connection, type ConnectionTimer, pump } from './connection.ts'
import { Connections, updateEvent, isPassive } from './connections.ts'
import { Counters } from './counters.ts'
import type { Ends } from './explain.ts'
import * as explain from './explain.ts'
import type { Host, ResolvedPeer } from './host.ts'
import { Journal } from './journal.ts'
import { sameLimits } from './limits.ts'
import { type LocalSide, localSide, negotiate, ourOpen } from './negotiate.ts'
import { PeerLimits } from './peer-limits.ts'
import { Refreshes } from './refresh.ts'
import { endingOf, Helper, keptFamilies, longTimes } from './restart.ts'
import { applyUpdate, type Inbound } from './routes.ts'
import { onlyAs } from './remote-as.ts'
import { awaitedFamilies, statusOf } from './status.ts'
import { isUnfound, zoneOf } from './place.ts'
import { tapped, type TappedConnection, TapSink } from './tap.ts'
import { hoplessFamilies, inboundRules, offered, ownAddresses, policies, traits } from './traits.ts'
import { Withheld } from './withheld.ts'

/** Milliseconds between the first time a hold timer runs out and the last look whether input came after all. */
const LAST_LOOK = 100

export class Peer {
  readonly id: PeerId
  readonly name: string
  config: ResolvedPeer
  readonly counters = new Counters()
  readonly #host: Host
  readonly #journal: Journal
  readonly #connections: Connections
  #session: { readonly connection: Connection; readonly inbound: Inbound; readonly since: number } | undefined
  readonly #helper: Helper
  readonly #refreshes: Refreshes
  readonly #limits: PeerLimits
  readonly #withheld = new Withheld()
  /** The NOTIFICATION that is being handled. */
  #notified: Notification | undefined
  #everEstablished = false
  /** The AS that the last acceptable OPEN named. */
  #saidAs: number | undefined

  constructor(host: Host, id: PeerId, name: string, config: ResolvedPeer) {
    this.#host = host
    this.id = id
    this.name = name
    this.config = config
    this.#journal = new Journal(host, name, () => explain.about(name, this.config, this.#remoteAs))
    this.#connections = new Connections({
      peer: this,
      host,
      journal: this.#journal,
      counters: this.counters,
      config: () => this.config,
      ends: connection => this.#ends(connection),
      open: connection => this.#ourOpen(connection),
      keeps: () => this.#helper.awaits,
      up: connection => this.#up(connection),
      down: event => this.#down(event),
      tapped: connection => this.tapped(connection),
    })
    const { main } = this.#connections
    this.#helper = new Helper(id, {
      rib: family => host.family(family).rib,
      wait: seconds => this.#connections.arm(main, 'stale', seconds),
      cancel: () => this.#connections.disarm(main, 'stale'),
      now: () => host.now,
      keeps: (families, seconds, long) => this.#journal.stale(families, seconds, long),
      drops: (families, why) => this.#journal.stale(families, why),
    })
    this.#refreshes = new Refreshes(id, {
      rib: family => host.family(family).rib,
      wait: seconds => this.#connections.arm(main, 'refresh', seconds),
      cancel: () => this.#connections.disarm(main, 'refresh'),
      problem: text => this.#journal.refresh(text),
    })
    this.#limits = new PeerLimits(id, {
      journal: this.#journal,
      config: () => this.config,
      rib: family => host.family(family).rib,
      end: follows => this.#endAtLimit(follows.fault, follows.rest),
      ask: family => this.refresh('in', family),
    })
  }

  // ---- from the operator -----------------------------------------------------------------------------------------

  start(): void {
    this.#connections.start()
  }

  /** Ends everything; with a fault the peer is told why (RFC 4486). */
  stop(why?: Fault): void {
    this.#connections.stop(why)
    this.#helper.release()
  }

  /** Ends the session, if any, and starts anew with the configuration in force. */
  reset(why: Fault): void {
    this.#withheld.clear()
    this.#connections.restart(why)
    this.#helper.release()
  }

  /**
   * Ends the session, if any, without a word, and starts anew at the place in force. Both ends keep the routes as over a
   * restart, if graceful restart was agreed on: packets still find their way while the session moves.
   */
  relocate(): void {
    this.#withheld.clear()
    this.#connections.restart()
  }

  /** Every route again, from the peer (RFC 2918) or to it, of one family or all; nothing without a session. */
  refresh(direction: 'in' | 'out', only?: Family): void {
    if (!this.#session) return
    const { connection, inbound } = this.#session
    for (const family of inbound.negotiated.families) {
      if (only !== undefined && family !== only) continue
      if (direction === 'out') this.#host.family(family).rib.refresh(this.id)
      else if (inbound.negotiated.routeRefresh) this.#connections.send(connection, encodeRefresh(family))
    }
  }

  /** A configuration that needs no new session: policies, timers, words. */
  adjust(config: ResolvedPeer, policiesChanged: boolean): void {
    const limitsChanged = !sameLimits(this.config, config)
    if (JSON.stringify(config.remoteAs) !== JSON.stringify(this.config.remoteAs)) this.#saidAs = undefined
    this.config = config
    this.#connections.setPassive(isPassive(config))
    if (limitsChanged) this.#limitsChanged()
    if (!this.#helps) this.#helper.release('keeping them was switched off')
    if (this.#session) this.#adjustInbound()
    if (!policiesChanged) return
    for (const family of this.#session?.inbound.negotiated.families ?? this.#helper.families) {
      this.#host.family(family).rib.setPolicies(this.id, policies(config, family))
    }
  }

  /** Other rules for paths that were refused on arrival: the peer has to send them again. */
  #adjustInbound(): void {
    if (!this.#session) return
    const { inbound } = this.#session
    const rules = inboundRules(this.config, this.#host.identity, inbound.negotiated)
    if (JSON.stringify(rules) === JSON.stringify(inbound.rules)) return
    inbound.rules = rules
    if (!inbound.negotiated.routeRefresh) return this.reset(fault(6, cease.configChange, 'AS path rules changed'))
    this.refresh('in')
  }

  /** Gives back what belongs to the peer, after `stop`. */
  dispose(): void {
    this.#connections.dispose()
  }

  /** The peer is at this address of its link from now on, or nobody is there. A session that is up goes on as it is. */
  moved(address: string): void {
    if (address === this.config.address || (isUnfound(address) && this.#session)) return
    this.config = { ...this.config, address }
    this.#connections.redial(isPassive(this.config))
  }

  // ---- from the network ------------------------------------------------------------------------------------------

  /** A connection that the peer made. Returns why it is refused, or undefined if it is taken. */
  accept(conn: ConnId, ends: ConnEnds): string | undefined {
    const refusal = this.#connections.accept(conn, ends)
    return refusal === undefined ? undefined : explain.refusedPeer(this.#ends(), refusal)
  }

  connected(connection: Connection, ends: ConnEnds): void {
    connection.setEnds(ends)
    this.#connections.dispatch(connection, { kind: 'connected' })
  }

  connectFailed(connection: Connection, reason: string): void {
    this.#journal.notReached(this.#ends(), reason)
    this.#connections.forget(connection)
    this.#connections.dispatch(connection, { kind: 'connectFailed' })
  }

  closed(connection: Connection, reason: string): void {
    if (connection.state === 'OpenSent') this.#withheld.closed()
    this.#journal.lost(this.#ends(connection), reason, connection.state)
    this.#connections.forget(connection)
    this.#connections.dispatch(connection, { kind: 'closed' })
  }

  expired(connection: Connection, timer: ConnectionTimer): void {
    if (timer === 'stale') return this.#helper.expired()
    if (timer === 'refresh') return this.#refreshes.expired()
    if (timer === 'hold' && (connection.unread || !connection.overdue)) {
      // Input may lie unread, here or in the kernel, after a busy moment: look once more before giving up.
      connection.overdue = true
      this.#host.arm(this, connection, 'hold', this.#host.now + LAST_LOOK)
      return
    }
    if (timer === 'connectRetry' && connection.state === 'Connect') this.#journal.notReached(this.#ends(), 'ETIMEDOUT')
    this.#connections.dispatch(connection, { kind: `${timer}Expired` })
  }

  /**
   * Handles the whole message `octets[from, to)`, header checked; returns its units: one, and one per prefix. If
   * `connection.applied` is not 0 afterwards, the message is not done and has to be handed over again.
   */
  message(connection: Connection, octets: Uint8Array, from: number, to: number): number {
    if (connection.applied > 0) return this.#update(octets, from + HEADER_LENGTH, to)
    this.counters.in.count(octets[from + 18])
    connection.overdue = false
    for (const tap of this.#host.taps) tap.received?.(this.tapped(connection), octets, from, to)
    const body = from + HEADER_LENGTH
    switch (octets[from + 18]) {
      case UPDATE:
        // The state machine restarts the hold timer; once is enough for all messages of one moment.
        if (connection.heardAt !== this.#host.now) this.#connections.dispatch(connection, updateEvent)
        if (this.#session?.connection !== connection) return 1
        connection.heardAt = this.#host.now
        return this.#update(octets, body, to)
      case KEEPALIVE:
        this.#connections.dispatch(connection, keepaliveEvent)
        return 1
      case OPEN:
        this.#open(connection, octets, body, to)
        return 1
      case NOTIFICATION:
        this.#notification(connection, octets, body, to)
        return 1
      case ROUTE_REFRESH:
        this.#refresh(connection, octets, body, to)
        return 1
      default:
        return 1
    }
  }

  /** The peer sent what cannot be accepted, or something broke while it was handled. */
  fault(connection: Connection, why: Fault): void {
    this.#connections.dispatch(connection, { kind: 'fault', fault: why })
  }

  /** Hands what is to be sent on the connection to the sink; true if more is ready. */
  pull(connection: Connection, sink: ChunkSink): boolean {
    pump(this.#connections.outgoing(connection), sink)
    this.#connections.disarm(connection, 'sendHold')
    if (this.#session?.connection !== connection || this.#limits.exceedsOut()) return false
    const { taps } = this.#host
    const bulk = this.counters.counting(taps.length > 0 ? new TapSink(taps, this.tapped(connection), sink) : sink)
    let more = false
    for (const family of this.#session.inbound.negotiated.families) {
      more = this.#host.family(family).out.pull(this.id, bulk) || more
    }
    if (more) this.#connections.awaitReader(connection)
    return more
  }

  /** Its update group has something for it. */
  ready(): void {
    if (this.#session) this.#connections.signal(this.#session.connection)
  }

  status(): PeerStatus {
    return statusOf({
      id: this.id,
      name: this.name,
      config: this.config,
      localAs: this.config.localAs,
      remoteAs: this.#remoteAs,
      journal: this.#journal,
      counters: this.counters,
      negotiated: this.#session?.inbound.negotiated,
      leftOut: this.#session?.connection.leftOut ?? this.#connections.main.leftOut,
      staleFamilies: [...new Set([...this.#helper.families, ...this.#refreshes.families])],
      isDisabled: !this.#connections.running,
      atLimit: this.#limits.leftOut,
      awaited: this.awaited,
      rib: family => this.#host.family(family).rib,
    })
  }

  /** Families whose End-of-RIB a speaker that has restarted waits for (RFC 4724 §4.1). */
  get awaited(): readonly Family[] {
    return awaitedFamilies(this.#session?.inbound.negotiated, this.counters.endOfRib)
  }

  /** Since when it has had no connection, no rest to take and no routes kept for it, while it may only wait for the peer. */
  get idleSince(): number | undefined {
    return this.#connections.isIdle && this.#helper.families.length === 0 ? this.#journal.since : undefined
  }

  /** Since when it has been connected without an OPEN, while no routes are kept for it. */
  get silentSince(): number | undefined {
    return this.#helper.families.length === 0 ? this.#connections.silentSince : undefined
  }

  // ---- messages --------------------------------------------------------------------------------------------------

  #ourOpen(connection: Connection): Uint8Array {
    const [families, hopless] = [offered(this.config), hoplessFamilies(this.config)]
    const needsFamilies = !families.includes('ipv4-unicast') || hopless.includes('ipv4-unicast')
    connection.leftOut = this.#withheld.now(this.#host.now, needsFamilies)
    return encodeOpen(ourOpen(this.#localSide(connection)))
  }

  #open(connection: Connection, octets: Uint8Array, from: number, to: number): void {
    if (connection.state !== 'OpenSent') return this.#connections.dispatch(connection, { kind: 'open', holdTime: 0 })
    const open = decodeOpen(octets, from, to)
    if ('fault' in open) return this.fault(connection, open.fault)
    if (this.#withheld.heard(open.capabilities, connection.leftOut)) {
      const why = 'it knows capabilities: once more, with all of ours'
      return this.#connections.dispatch(connection, { kind: 'stop', fault: fault(CEASE, cease.configChange, why) })
    }
    connection.openReceived = octets.slice(from - HEADER_LENGTH, to)
    const agreed = negotiate(this.#localSide(connection), this.config.remoteAs, open)
    if ('fault' in agreed) return this.fault(connection, agreed.fault)
    this.#saidAs = agreed.asn
    this.#connections.opened(connection, agreed, this.config.localAs)
  }

  #notification(connection: Connection, octets: Uint8Array, from: number, to: number): void {
    const notification = decodeNotification(octets, from, to)
    const { code, subcode } = notification
    this.counters.notifiedIn.count(notification)
    connection.notificationReceived = octets.slice(from - HEADER_LENGTH, to)
    // Losing a collision is no error, as long as there is a winner.
    const collision = code === CEASE && subcode === cease.collision && this.#connections.hasRival(connection)
    if (!collision) this.#journal.received(this.#ends(connection), notification)
    if (connection.state === 'OpenSent' || connection.state === 'OpenConfirm') {
      this.#withheld.refused(notification, connection.leftOut, this.#host.now)
    }
    this.#notified = notification
    this.#connections.dispatch(connection, collision ? { kind: 'stop' } : { kind: 'notification' })
    this.#notified = undefined
  }

  #refresh(connection: Connection, octets: Uint8Array, from: number, to: number): void {
    this.#connections.dispatch(connection, { kind: 'refresh' })
    if (this.#session?.connection !== connection) return
    const { negotiated } = this.#session.inbound
    const said = decodeRefresh(octets, from, to, negotiated.enhancedRefresh)
    if (said.kind === 'fault') return this.fault(connection, said.fault)
    if (said.kind === 'ignored') return this.#journal.refresh(`${said.why}: it is ignored`)
    this.#refreshes.said(said, negotiated, this.counters.endOfRib)
  }

  #update(octets: Uint8Array, from: number, to: number): number {
    const session = this.#session
    if (!session) return 1
    const { decoder } = this.#host
    const { connection, inbound } = session
    const before = connection.applied
    const { fault, incident, endOfRib, refused, applied } = applyUpdate(decoder, inbound, octets, from, to, before)
    connection.applied = applied
    if (incident && before === 0) this.counters.incidents[incident.treatment]++
    if (incident && before === 0) this.#journal.incident(incident, octets.subarray(from - HEADER_LENGTH, to))
    if (fault) this.fault(session.connection, fault)
    else if (this.#host.taps.length > 0) this.#updated(octets, from, to, incident?.treatment ?? 'accept')
    if (endOfRib && !this.counters.endOfRib.has(endOfRib)) {
      this.counters.endOfRib.add(endOfRib)
      this.#journal.endOfRib(endOfRib)
      this.#helper.endOfRib(endOfRib)
    }
    if (this.#session) this.#limits.applied(refused)
    return 1 + (applied || decoder.prefixes) - before
  }

  // ---- limits ----------------------------------------------------------------------------------------------------

  #limitsChanged(): void {
    if (!this.#session) return this.#connections.endLimitRest()
    const { connection, inbound } = this.#session
    this.#connections.signal(connection) // what goes out is measured before it goes
    this.#limits.changed(inbound.negotiated.families)
  }

  #endAtLimit(why: Fault, rest: number): void {
    if (!this.#session) return
    this.#connections.limitRest = rest
    this.fault(this.#session.connection, why)
  }

  // ---- the session -----------------------------------------------------------------------------------------------

  #up(connection: Connection): void {
    const { negotiated } = connection
    if (!negotiated) return
    const inbound: Inbound = {
      peer: this.id,
      negotiated,
      identity: this.#host.identity,
      rules: inboundRules(this.config, this.#host.identity, negotiated),
      ownAddresses: ownAddresses(this.config, connection.local),
      zone: zoneOf(connection.remote, this.config.address),
      family: family => this.#host.family(family),
    }
    this.#session = { connection, inbound, since: this.#host.now }
    this.#everEstablished = true
    this.counters.established++
    this.counters.endOfRib.clear()
    this.#helper.up(negotiated)
    for (const tap of this.#host.taps) tap.up?.(this.tapped(connection))
    for (const family of negotiated.families) {
      const how = traits(this.name, this.config, this.#host.identity, negotiated, connection, family)
      this.#host.family(family).rib.peerUp(this.id, how)
    }
    this.#limits.up(negotiated.families)
    this.ready()
  }

  #down(event: FsmEvent): void {
    if (!this.#session) return
    const { negotiated } = this.#session.inbound
    const lived = this.#host.now - this.#session.since
    this.counters.lastLife = lived / 1000
    this.counters.flaps++
    this.#session = undefined
    this.#refreshes.clear()
    const ending = endingOf(event, this.#notified, this.#connections.running)
    const speaks = this.#host.restart(false)?.longLived !== undefined
    const long = longTimes(negotiated, speaks && this.config.longLivedHelper)
    this.#helper.down(negotiated, this.#helps ? keptFamilies(ending, negotiated, long) : new Map())
  }

  /** Whether routes of this peer are kept while it restarts. */
  get #helps(): boolean {
    return this.config.gracefulRestartHelper ?? this.#host.restart(false) !== undefined
  }

  // ---- taps ------------------------------------------------------------------------------------------------------

  /** The session as taps see it, while there is one. */
  get tappedSession(): TappedConnection | undefined {
    return this.#session && this.tapped(this.#session.connection)
  }

  tapped(connection: Connection): TappedConnection {
    const who = { peer: this.id, name: this.name, localAs: this.config.localAs, remoteAs: this.#remoteAs ?? 0 }
    return tapped(connection, who, this.config.address)
  }

  #updated(octets: Uint8Array, from: number, to: number, treatment: 'accept' | 'discard' | 'withdraw' | 'reset'): void {
    const connection = this.tappedSession
    if (!connection || treatment === 'reset') return
    const { taps, decoder } = this.#host
    for (const tap of taps) tap.updated?.(connection, octets, from - HEADER_LENGTH, to, treatment, decoder)
  }

  // ---- words -----------------------------------------------------------------------------------------------------

  #ends(connection?: Connection): Ends {
    return explain.endsOf(this.name, this.config, this.config.localAs, connection?.local)
  }

  #localSide({ leftOut }: Connection): LocalSide {
    const restart = this.#host.restart(!this.#everEstablished)
    return localSide(this.config, this.#host.identity, restart, this.#host.names, leftOut)
  }

  get #remoteAs(): number | undefined {
    return onlyAs(this.config.remoteAs, this.config.localAs) ?? this.#saidAs
  }
}

const keepaliveEvent: FsmEvent = { kind: 'keepalive' }
