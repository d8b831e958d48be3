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
import { Connections, updateEvent } from './connections.ts'
import { Counters } from './counters.ts'
import type { Ends } from './explain.ts'
import * as explain from './explain.ts'
import type { Host, ResolvedPeer } from './host.ts'
import { Journal } from './journal.ts'
import { ceilingOf, consequence, LimitWatch, sameLimits } from './limits.ts'
import { type LocalSide, localSide, negotiate, ourOpen } from './negotiate.ts'
import { endingOf, Helper, keptFamilies } from './restart.ts'
import { applyUpdate, type Inbound, type UpdateResult } from './routes.ts'
import { onlyAs } from './remote-as.ts'
import { awaitedFamilies, statusOf } from './status.ts'
import { type TappedConnection, TapSink } from './tap.ts'
import { inboundRules, ownAddresses, policies, traits } from './traits.ts'

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
  /** The NOTIFICATION that is being handled. */
  #notified: Notification | undefined
  #everEstablished = false
  /** The AS that the last acceptable OPEN named. */
  #saidAs: number | undefined
  readonly #limits = new LimitWatch()
  readonly #limitsOut = new LimitWatch()

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
      open: () => encodeOpen(ourOpen(this.#localSide)),
      up: connection => this.#up(connection),
      down: event => this.#down(event),
      tapped: connection => this.tapped(connection),
    })
    const { main } = this.#connections
    this.#helper = new Helper(id, {
      rib: family => host.family(family).rib,
      wait: seconds => this.#connections.arm(main, 'stale', seconds),
      cancel: () => this.#connections.disarm(main, 'stale'),
      keeps: (families, seconds) => this.#journal.stale(families, seconds),
      drops: (families, why) => this.#journal.stale(families, why),
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
    this.#connections.restart(why)
    this.#helper.release()
  }

  /** Every route again, from the peer (RFC 2918) or to it; nothing without a session. */
  refresh(direction: 'in' | 'out'): void {
    if (!this.#session) return
    const { connection, inbound } = this.#session
    for (const family of inbound.negotiated.families) {
      if (direction === 'out') this.#host.family(family).rib.refresh(this.id)
      else if (inbound.negotiated.routeRefresh) this.#connections.send(connection, encodeRefresh(family))
    }
  }

  /** A configuration that needs no new session: policies, timers, words. */
  adjust(config: ResolvedPeer, policiesChanged: boolean): void {
    const limitsChanged = !sameLimits(this.config, config)
    if (JSON.stringify(config.remoteAs) !== JSON.stringify(this.config.remoteAs)) this.#saidAs = undefined
    this.config = config
    this.#connections.setPassive(config.passive ?? false)
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
    const { connection, inbound } = this.#session
    const rules = inboundRules(this.config, this.#host.identity, inbound.negotiated)
    if (JSON.stringify(rules) === JSON.stringify(inbound.rules)) return
    inbound.rules = rules
    if (!inbound.negotiated.routeRefresh) return this.reset(fault(6, cease.configChange, 'AS path rules changed'))
    for (const family of inbound.negotiated.families) this.#connections.send(connection, encodeRefresh(family))
  }

  /** Gives back what belongs to the peer, after `stop`. */
  dispose(): void {
    this.#connections.dispose()
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
    this.#journal.lost(this.#ends(connection), reason, connection.state)
    this.#connections.forget(connection)
    this.#connections.dispatch(connection, { kind: 'closed' })
  }

  expired(connection: Connection, timer: ConnectionTimer): void {
    if (timer === 'stale') return this.#helper.expired()
    if (timer === 'hold' && (connection.unread || !connection.overdue)) {
      // Input may lie unread, here or in the kernel, after a busy moment: look once more before giving up.
      connection.overdue = true
      this.#host.arm(this, connection, 'hold', this.#host.now + LAST_LOOK)
      return
    }
    if (timer === 'connectRetry' && connection.state === 'Connect') this.#journal.notReached(this.#ends(), 'ETIMEDOUT')
    this.#connections.dispatch(connection, { kind: `${timer}Expired` })
  }

  /** Handles the whole message `octets[from, to)`, header checked; returns its units: one, and one per prefix. */
  message(connection: Connection, octets: Uint8Array, from: number, to: number): number {
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
    if (this.#session?.connection !== connection || this.#exceedsOut(connection)) return false
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
      localAs: this.#localAs,
      remoteAs: this.#remoteAs,
      journal: this.#journal,
      counters: this.counters,
      negotiated: this.#session?.inbound.negotiated,
      staleFamilies: this.#helper.families,
      isDisabled: !this.#connections.running,
      atLimit: [...this.#limits.leftOut],
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

  // ---- messages --------------------------------------------------------------------------------------------------

  #open(connection: Connection, octets: Uint8Array, from: number, to: number): void {
    if (connection.state !== 'OpenSent') return this.#connections.dispatch(connection, { kind: 'open', holdTime: 0 })
    const open = decodeOpen(octets, from, to)
    if ('fault' in open) return this.fault(connection, open.fault)
    connection.openReceived = octets.slice(from - HEADER_LENGTH, to)
    const agreed = negotiate(this.#localSide, this.config.remoteAs, open)
    if ('fault' in agreed) return this.fault(connection, agreed.fault)
    this.#saidAs = agreed.asn
    this.#connections.opened(connection, agreed, this.#localAs)
  }

  #notification(connection: Connection, octets: Uint8Array, from: number, to: number): void {
    const notification = decodeNotification(octets, from, to)
    const { code, subcode } = notification
    this.counters.notifiedIn.count(notification)
    connection.notificationReceived = octets.slice(from - HEADER_LENGTH, to)
    // Losing a collision is no error, as long as there is a winner.
    const collision = code === CEASE && subcode === cease.collision && this.#connections.hasRival(connection)
    if (!collision) this.#journal.received(this.#ends(connection), notification)
    this.#notified = notification
    this.#connections.dispatch(connection, collision ? { kind: 'stop' } : { kind: 'notification' })
    this.#notified = undefined
  }

  #refresh(connection: Connection, octets: Uint8Array, from: number, to: number): void {
    this.#connections.dispatch(connection, { kind: 'refresh' })
    const family = decodeRefresh(octets, from, to)
    if (this.#session?.connection !== connection || !family) return
    if (this.#session.inbound.negotiated.families.includes(family)) this.#host.family(family).rib.refresh(this.id)
  }

  #update(octets: Uint8Array, from: number, to: number): number {
    const session = this.#session
    if (!session) return 1
    const { decoder } = this.#host
    const { fault, incident, endOfRib, refused } = applyUpdate(decoder, session.inbound, octets, from, to)
    if (incident) this.counters.incidents[incident.treatment]++
    if (incident) this.#journal.incident(incident, octets.subarray(from - HEADER_LENGTH, to))
    if (fault) this.fault(session.connection, fault)
    else if (this.#host.taps.length > 0) this.#updated(octets, from, to, incident?.treatment ?? 'accept')
    if (endOfRib && !this.counters.endOfRib.has(endOfRib)) {
      this.counters.endOfRib.add(endOfRib)
      this.#journal.endOfRib(endOfRib)
      this.#helper.endOfRib(endOfRib)
    }
    if (refused) this.#refused(session.connection, refused)
    else if (this.config.maxPrefixes && this.#session)
      this.#limits.watch(
        this.config.maxPrefixes,
        family => this.#host.family(family).rib.received(this.id).all,
        this.#journal,
      )
    return 1 + decoder.prefixes
  }

  // ---- limits ----------------------------------------------------------------------------------------------------

  #refused(connection: Connection, { family, of }: NonNullable<UpdateResult['refused']>): void {
    const follows = consequence(this.config, family, of)
    if (follows !== 'leave out') {
      this.#connections.limitRest = follows.rest
      return this.fault(connection, follows.fault)
    }
    if (this.#limits.leftOut.has(family)) return
    this.#limits.leftOut.add(family)
    const limit = this.config.maxPrefixes?.[family]?.limit ?? 0
    this.#journal.limit('in', family, limit, explain.leftOut(family, limit))
  }

  /** Whether the session ends because of what would be sent next. */
  #exceedsOut(connection: Connection): boolean {
    const { maxPrefixesOut } = this.config
    if (!maxPrefixesOut) return false
    const rib = (family: Family) => this.#host.family(family).rib
    const follows = this.#limitsOut.watchOut(maxPrefixesOut, rib, this.id, this.#journal)
    if (!follows) return false
    this.#connections.limitRest = follows.rest
    this.fault(connection, follows.fault)
    return true
  }

  /** Other limits are in force: what they still forbid ends the session, what they allow now is asked for. */
  #limitsChanged(): void {
    const session = this.#session
    if (!session) return this.#connections.endLimitRest()
    this.#connections.signal(session.connection) // what goes out is measured before it goes
    const { families, routeRefresh } = session.inbound.negotiated
    for (const family of families) {
      const { rib } = this.#host.family(family)
      const ceiling = ceilingOf(this.config.maxPrefixes?.[family])
      rib.setCeiling(this.id, ceiling)
      const { all } = rib.received(this.id)
      if (all > ceiling.paths) return this.#refused(session.connection, { family, of: 'prefixes' })
      if (all === ceiling.paths || !this.#limits.leftOut.delete(family)) continue
      if (routeRefresh) this.#connections.send(session.connection, encodeRefresh(family))
    }
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
      family: family => this.#host.family(family),
    }
    this.#session = { connection, inbound, since: this.#host.now }
    this.#everEstablished = true
    this.counters.established++
    this.counters.endOfRib.clear()
    this.#helper.up(negotiated)
    this.#limits.clear()
    this.#limitsOut.clear()
    for (const tap of this.#host.taps) tap.up?.(this.tapped(connection))
    for (const family of negotiated.families) {
      const how = traits(this.name, this.config, this.#host.identity, negotiated, connection, family)
      const { rib } = this.#host.family(family)
      rib.peerUp(this.id, how)
      rib.setCeiling(this.id, ceilingOf(this.config.maxPrefixes?.[family]))
    }
    this.ready()
  }

  #down(event: FsmEvent): void {
    if (!this.#session) return
    const { negotiated } = this.#session.inbound
    const lived = this.#host.now - this.#session.since
    this.counters.lastLife = lived / 1000
    this.counters.flaps++
    this.#session = undefined
    const ending = endingOf(event, this.#notified, this.#connections.running)
    this.#helper.down(negotiated, this.#helps ? keptFamilies(ending, negotiated) : [])
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
    const { local, remote, localPort, remotePort, openSent, openReceived, negotiated, since } = connection
    return {
      peer: this.id,
      name: this.name,
      localAs: this.#localAs,
      remoteAs: this.#remoteAs ?? 0,
      local,
      remote: remote || this.config.address,
      localPort,
      remotePort,
      fourOctetAs: negotiated?.fourOctetAs ?? true,
      pathIdsReceived: negotiated !== undefined && negotiated.families.some(family => negotiated.pathIds?.[family]),
      pathIdsSent: negotiated !== undefined && negotiated.families.some(family => negotiated.pathIdsSent?.[family]),
      openSent,
      openReceived,
      families: negotiated?.families ?? [],
      routerId: negotiated?.routerId ?? 0,
      since,
    }
  }

  #updated(octets: Uint8Array, from: number, to: number, treatment: 'accept' | 'discard' | 'withdraw' | 'reset'): void {
    const connection = this.tappedSession
    if (!connection || treatment === 'reset') return
    const { taps, decoder } = this.#host
    for (const tap of taps) tap.updated?.(connection, octets, from - HEADER_LENGTH, to, treatment, decoder)
  }

  // ---- words -----------------------------------------------------------------------------------------------------

  #ends(connection?: Connection): Ends {
    return explain.endsOf(this.name, this.config, this.#localAs, connection?.local)
  }

  get #localSide(): LocalSide {
    const restart = this.#host.restart(!this.#everEstablished)
    return localSide(this.config, this.#host.identity, restart)
  }

  get #remoteAs(): number | undefined {
    return onlyAs(this.config.remoteAs, this.#localAs) ?? this.#saidAs
  }

  get #localAs(): number {
    return this.config.localAs
  }
}

const keepaliveEvent: FsmEvent = { kind: 'keepalive' }
