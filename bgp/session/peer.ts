// A peer: the machine that dials it, the connections that it made to us, and at most one session among them.
//
// Events come in from the engine; the state machine of the connection says what follows, and this file does it. Nothing
// here knows a socket or reads a clock. All that goes wrong stays with this peer.

import { Backoff } from '../fsm/backoff.ts'
import { resolveCollision } from '../fsm/collision.ts'
import { type FsmAction, type FsmEvent, step } from '../fsm/machine.ts'
import type { ChunkSink } from '../groups/port.ts'
import type { ConnId, Family, PeerId, PeerStatus, State } from '../types.ts'
import { KEEPALIVE, keepalive, NOTIFICATION, OPEN, ROUTE_REFRESH, UPDATE, HEADER_LENGTH } from '../wire/header.ts'
import {
  CEASE,
  cease,
  decodeNotification,
  encodeNotification,
  hardReset,
  type Notification,
} from '../wire/notification.ts'
import { decodeOpen, encodeOpen } from '../wire/open.ts'
import { decodeRefresh, encodeRefresh } from '../wire/refresh.ts'
import { type Fault, fault } from '../wire/verdict.ts'
import { Connection, type ConnectionTimer, pump } from './connection.ts'
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
import { inboundRules, ownAddresses, policies, traits, zoneOf } from './traits.ts'

/** Milliseconds between the first time a hold timer runs out and the last look whether input came after all. */
const LAST_LOOK = 100

/** Seconds that a peer may leave unread what is sent to it, at least (RFC 9687 §4). */
const SEND_HOLD = 480

const ranks: { readonly [S in State]: number } = {
  Idle: 0,
  Active: 1,
  Connect: 2,
  OpenSent: 3,
  OpenConfirm: 4,
  Established: 5,
}

export class Peer {
  readonly id: PeerId
  readonly name: string
  config: ResolvedPeer
  readonly counters = new Counters()
  readonly #host: Host
  readonly #journal: Journal
  readonly #backoff = new Backoff()
  /** The machine that dials; it rests in Idle while a connection that the peer made is Established. */
  readonly #main: Connection
  readonly #incoming: Connection[] = []
  #session: { readonly connection: Connection; readonly inbound: Inbound; readonly since: number } | undefined
  readonly #helper: Helper
  /** The NOTIFICATION that is being handled. */
  #notified: Notification | undefined
  #running = false
  #everEstablished = false
  /** The AS that the last acceptable OPEN named. */
  #saidAs: number | undefined
  readonly #limits = new LimitWatch()
  /** Seconds to rest because of a limit; 0 = until the limit changes or the operator acts. */
  #limitRest: number | undefined
  #depth = 0

  constructor(host: Host, id: PeerId, name: string, config: ResolvedPeer) {
    this.#host = host
    this.id = id
    this.name = name
    this.config = config
    this.#journal = new Journal(host, name, () => explain.about(name, this.config, this.#remoteAs))
    this.#main = new Connection({ incoming: false, passive: config.passive ?? false }, host.wheel, host.now)
    this.#helper = new Helper(id, {
      rib: family => host.family(family).rib,
      wait: seconds => this.#arm(this.#main, 'stale', seconds),
      cancel: () => this.#disarm(this.#main, 'stale'),
      keeps: (families, seconds) => this.#journal.stale(families, seconds),
      drops: (families, why) => this.#journal.stale(families, why),
    })
  }

  // ---- from the operator -----------------------------------------------------------------------------------------

  start(): void {
    this.#running = true
    this.#limitRest = undefined
    this.#dispatch(this.#main, { kind: 'start' })
  }

  /** Ends everything; with a fault the peer is told why (RFC 4486). */
  stop(why?: Fault): void {
    this.#running = false
    this.#endAll(why)
    this.#helper.release()
    this.#disarm(this.#main, 'idleHold')
  }

  /** Ends the session, if any, and starts anew with the configuration in force. */
  reset(why: Fault): void {
    this.#endAll(why)
    this.#helper.release()
    this.#disarm(this.#main, 'idleHold')
    this.#backoff.clear()
    this.#limitRest = undefined
    this.#ensureStarted()
  }

  /** A configuration that needs no new session: policies, timers, words. */
  adjust(config: ResolvedPeer, policiesChanged: boolean): void {
    const limitsChanged = !sameLimits(this.config, config)
    if (JSON.stringify(config.remoteAs) !== JSON.stringify(this.config.remoteAs)) this.#saidAs = undefined
    this.config = config
    this.#main.role = { incoming: false, passive: config.passive ?? false }
    if (!this.#main.role.passive && this.#main.state === 'Active') this.#arm(this.#main, 'connectRetry')
    if (limitsChanged) this.#limitsChanged()
    if (!this.#helps) this.#helper.release('keeping them was switched off')
    if (this.#session) this.#adjustInbound()
    if (!policiesChanged) return
    for (const family of this.#session?.inbound.negotiated.families ?? this.#helper.families) {
      this.#host.family(family).rib.setPolicies(this.id, policies(config))
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
    for (const family of inbound.negotiated.families) this.#send(connection, encodeRefresh(family))
  }

  /** Gives back what belongs to the peer, after `stop`. */
  dispose(): void {
    this.#main.dispose(this.#host.wheel)
  }

  // ---- from the network ------------------------------------------------------------------------------------------

  /** A connection that the peer made. Returns why it is refused, or undefined if it is taken. */
  accept(conn: ConnId, local: string, remote: string): string | undefined {
    if (!this.#running) return explain.refusedPeer(this.#ends(), 'it is stopped here')
    if (!this.#session && this.#main.state === 'Idle' && this.#isResting) {
      return explain.refusedPeer(this.#ends(), 'it rests here after an error')
    }
    this.#depth++ // what was given up and what takes its place are one change of state
    // One that has not even been greeted was given up by the peer.
    for (const old of this.#incoming.filter(one => one.state === 'OpenSent')) this.#dispatch(old, { kind: 'stop' })
    const connection = new Connection({ incoming: true, passive: true }, this.#host.wheel, this.#host.now)
    connection.state = 'Active'
    connection.attach(conn, local, remote)
    this.#incoming.push(connection)
    this.#host.adopt(conn, this, connection)
    this.#depth--
    this.#dispatch(connection, { kind: 'connected' })
    return undefined
  }

  connected(connection: Connection, local: string, remote: string): void {
    connection.local = local
    connection.remote = remote
    this.#dispatch(connection, { kind: 'connected' })
  }

  connectFailed(connection: Connection, reason: string): void {
    this.#journal.notReached(this.#ends(), reason)
    this.#forget(connection)
    this.#dispatch(connection, { kind: 'connectFailed' })
  }

  closed(connection: Connection, reason: string): void {
    this.#journal.lost(this.#ends(connection), reason, connection.state)
    this.#forget(connection)
    this.#dispatch(connection, { kind: 'closed' })
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
    this.#dispatch(connection, { kind: `${timer}Expired` })
  }

  /** Handles the whole message `octets[from, to)`, header checked; returns its units: one, and one per prefix. */
  message(connection: Connection, octets: Uint8Array, from: number, to: number): number {
    this.counters.messagesIn++
    connection.overdue = false
    const body = from + HEADER_LENGTH
    switch (octets[from + 18]) {
      case UPDATE:
        this.counters.updatesIn++
        // The state machine restarts the hold timer; once is enough for all messages of one moment.
        if (connection.heardAt !== this.#host.now) this.#dispatch(connection, updateEvent)
        if (this.#session?.connection !== connection) return 1
        connection.heardAt = this.#host.now
        return this.#update(octets, body, to)
      case KEEPALIVE:
        this.#dispatch(connection, keepaliveEvent)
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
    this.#dispatch(connection, { kind: 'fault', fault: why })
  }

  /** Hands what is to be sent on the connection to the sink; true if more is ready. */
  pull(connection: Connection, sink: ChunkSink): boolean {
    pump(connection.takeControl(), this.counters.counting(sink, false))
    this.#disarm(connection, 'sendHold')
    if (this.#session?.connection !== connection) return false
    const bulk = this.counters.counting(sink, true)
    let more = false
    for (const family of this.#session.inbound.negotiated.families) {
      more = this.#host.family(family).out.pull(this.id, bulk) || more
    }
    if (more) this.#awaitReader(connection)
    return more
  }

  /** Its update group has something for it. */
  ready(): void {
    if (this.#session) this.#signal(this.#session.connection)
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
    const waits = this.#main.state === 'Active' && this.#incoming.length === 0 && !this.#isResting
    return waits && this.#helper.families.length === 0 ? this.#journal.since : undefined
  }

  // ---- messages --------------------------------------------------------------------------------------------------

  #open(connection: Connection, octets: Uint8Array, from: number, to: number): void {
    if (connection.state !== 'OpenSent') return this.#dispatch(connection, { kind: 'open', holdTime: 0 })
    const open = decodeOpen(octets, from, to)
    if ('fault' in open) return this.fault(connection, open.fault)
    const agreed = negotiate(this.#localSide, this.config.remoteAs, open)
    if ('fault' in agreed) return this.fault(connection, agreed.fault)
    for (const other of this.#connections()) {
      if (other === connection) continue
      const rival = {
        state: other.state,
        incoming: other.role.incoming,
        gracefulRestart: other.negotiated?.gracefulRestart !== undefined,
      }
      const local = { routerId: this.#host.identity.routerId, asn: this.#localAs }
      const lost = fault(6, cease.collision, 'the other connection to this peer is kept')
      switch (resolveCollision(rival, connection.role, local, agreed)) {
        case 'keep existing':
          return this.#dispatch(connection, { kind: 'stop', fault: lost })
        case 'keep arrived':
          this.#dispatch(other, { kind: 'stop', fault: lost })
          break
        case 'existing is old':
          this.#journal.restarted()
          this.#dispatch(other, { kind: 'stop' })
          break
        case 'keep both':
          break
      }
    }
    connection.negotiated = agreed
    this.#saidAs = agreed.asn
    this.#dispatch(connection, { kind: 'open', holdTime: agreed.holdTime })
  }

  #notification(connection: Connection, octets: Uint8Array, from: number, to: number): void {
    const notification = decodeNotification(octets, from, to)
    const { code, subcode } = notification
    // Losing a collision is no error, as long as there is a winner.
    const winner = this.#connections().some(other => other !== connection && ranks[other.state] >= ranks.OpenSent)
    const collision = code === 6 && subcode === cease.collision && winner
    if (!collision) this.#journal.received(this.#ends(connection), notification)
    this.#notified = notification
    this.#dispatch(connection, collision ? { kind: 'stop' } : { kind: 'notification' })
    this.#notified = undefined
  }

  #refresh(connection: Connection, octets: Uint8Array, from: number, to: number): void {
    this.#dispatch(connection, { kind: 'refresh' })
    const family = decodeRefresh(octets, from, to)
    if (this.#session?.connection !== connection || !family) return
    if (this.#session.inbound.negotiated.families.includes(family)) this.#host.family(family).rib.refresh(this.id)
  }

  #update(octets: Uint8Array, from: number, to: number): number {
    const session = this.#session
    if (!session) return 1
    const { decoder } = this.#host
    const { fault, incident, endOfRib, refused } = applyUpdate(decoder, session.inbound, octets, from, to)
    if (incident) this.#journal.incident(incident, octets.subarray(from - HEADER_LENGTH, to))
    if (fault) this.fault(session.connection, fault)
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
      this.#limitRest = follows.rest
      return this.fault(connection, follows.fault)
    }
    if (this.#limits.leftOut.has(family)) return
    this.#limits.leftOut.add(family)
    const limit = this.config.maxPrefixes?.[family]?.limit ?? 0
    this.#journal.limit(family, limit, explain.leftOut(family, limit))
  }

  /** Other limits are in force: what they still forbid ends the session, what they allow now is asked for. */
  #limitsChanged(): void {
    const session = this.#session
    if (!session) {
      if (this.#limitRest === undefined) return
      this.#limitRest = undefined
      this.#disarm(this.#main, 'idleHold')
      return this.#ensureStarted()
    }
    const { families, routeRefresh } = session.inbound.negotiated
    for (const family of families) {
      const { rib } = this.#host.family(family)
      const ceiling = ceilingOf(this.config.maxPrefixes?.[family])
      rib.setCeiling(this.id, ceiling)
      const { all } = rib.received(this.id)
      if (all > ceiling.paths) return this.#refused(session.connection, { family, of: 'prefixes' })
      if (all === ceiling.paths || !this.#limits.leftOut.delete(family)) continue
      if (routeRefresh) this.#send(session.connection, encodeRefresh(family))
    }
  }

  // ---- the machine -----------------------------------------------------------------------------------------------

  #dispatch(connection: Connection, event: FsmEvent): void {
    const { next, actions } = step(connection.state, event, connection.role)
    this.#depth++
    if (next !== connection.state) {
      connection.state = next
      connection.since = this.#host.now
    }
    for (const action of actions) this.#perform(connection, action, event)
    if (next === 'Idle' && connection.role.incoming) this.#remove(connection)
    if (--this.#depth === 0 && event !== updateEvent) {
      this.#ensureStarted()
      this.#show()
    }
  }

  #perform(connection: Connection, action: FsmAction, event: FsmEvent): void {
    const { wheel } = this.#host
    switch (action.do) {
      case 'again':
        return this.#again(connection, action.timer)
      case 'arm':
        return this.#arm(connection, action.timer, action.seconds)
      case 'disarm':
        return wheel.disarm(connection.timers[action.timer].id)
      case 'connect':
        return this.#connect(connection)
      case 'sendOpen':
        return this.#send(connection, encodeOpen(ourOpen(this.#localSide)))
      case 'sendKeepalive':
        return this.#send(connection, keepalive)
      case 'notify':
        return this.#notify(connection, action.fault, event.kind === 'stop')
      case 'drop':
        if (connection.conn !== undefined) {
          this.#host.emit({ do: 'close', conn: connection.conn, afterFlush: false })
          this.#forget(connection)
        }
        return
      case 'up':
        return this.#up(connection)
      case 'down':
        return this.#down(event)
      case 'damp':
        return this.#damp(connection)
    }
  }

  #connect(connection: Connection): void {
    const { address, port = 179, localAddress } = this.config
    connection.attach(this.#host.dial(this, connection))
    const { conn } = connection
    if (conn === undefined) return
    this.#host.emit({ do: 'connect', peer: this.id, conn, to: { address, port, localAddress } })
  }

  #send(connection: Connection, message: Uint8Array): void {
    connection.send(message)
    this.#signal(connection)
  }

  /** Something waits to be pulled for the connection. */
  #signal(connection: Connection): void {
    if (connection.conn === undefined) return
    this.#host.writable(connection.conn)
    this.#awaitReader(connection)
  }

  /** RFC 9687: the shell pulls when the peer reads; if it does not for long, the session ends. */
  #awaitReader(connection: Connection): void {
    const { negotiated, timers } = connection
    if (!negotiated || this.#host.wheel.isArmed(timers.sendHold.id)) return
    const seconds = this.config.sendHoldTime ?? Math.max(SEND_HOLD, 2 * negotiated.holdTime)
    this.#host.arm(this, connection, 'sendHold', this.#host.now + seconds * 1000)
  }

  #notify(connection: Connection, why: Fault, administrative: boolean): void {
    if (connection.conn === undefined) return
    this.#journal.sent(this.#ends(connection), why, administrative)
    // What the operator ends, helpers shall not keep alive, though the N bit would let them.
    const isHard = administrative && why.code === CEASE && why.subcode !== cease.collision
    const hard = isHard && connection.negotiated?.gracefulRestart?.notification
    connection.send(encodeNotification(hard ? hardReset(why) : why))
    this.counters.messagesOut++
    this.#host.release(connection.conn, connection.takeControl())
    this.#host.emit({ do: 'close', conn: connection.conn, afterFlush: true })
    connection.attach(undefined)
  }

  #up(connection: Connection): void {
    const { negotiated } = connection
    if (!negotiated) return
    for (const other of this.#connections()) {
      if (other !== connection) {
        this.#dispatch(other, {
          kind: 'stop',
          fault: fault(6, cease.collision, 'the session is up on another connection'),
        })
      }
    }
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
    this.counters.endOfRib.clear()
    this.#helper.up(negotiated)
    this.#limits.clear()
    this.#limitRest = undefined
    for (const family of negotiated.families) {
      const how = traits(this.name, this.config, this.#host.identity.asn, negotiated, connection, family)
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
    const ending = endingOf(event, this.#notified, this.#running)
    this.#helper.down(negotiated, this.#helps ? keptFamilies(ending, negotiated) : [])
  }

  /** Whether routes of this peer are kept while it restarts. */
  get #helps(): boolean {
    return this.config.gracefulRestartHelper ?? this.#host.restart(false) !== undefined
  }

  /** Rests in Idle. A connection that the peer made puts the dialing machine to rest, unless it is further along. */
  #damp(connection: Connection): void {
    const rest = Math.max(this.#backoff.next(this.counters.takeLastLife()), this.#limitRest ?? 0)
    if (connection !== this.#main) {
      if (this.#session || ranks[this.#main.state] > ranks.Connect) return
      this.#dispatch(this.#main, { kind: 'stop' })
    }
    if (this.#limitRest !== 0) this.#arm(this.#main, 'idleHold', rest)
  }

  /** Nothing under way and no rest prescribed: go on. */
  #ensureStarted(): void {
    const main = this.#main
    if (!this.#running || main.state !== 'Idle' || this.#incoming.length > 0) return
    if (!this.#isResting) this.#dispatch(main, { kind: 'start' })
  }

  get #isResting(): boolean {
    return this.#limitRest === 0 || this.#host.wheel.isArmed(this.#main.timers.idleHold.id)
  }

  #endAll(why: Fault | undefined): void {
    this.#depth++
    for (const connection of this.#connections()) this.#dispatch(connection, { kind: 'stop', fault: why })
    this.#depth--
    this.#show()
  }

  #remove(connection: Connection): void {
    const at = this.#incoming.indexOf(connection)
    if (at < 0) return
    this.#incoming.splice(at, 1)
    connection.dispose(this.#host.wheel)
  }

  #forget(connection: Connection): void {
    if (connection.conn !== undefined) this.#host.release(connection.conn, [])
    connection.attach(undefined)
  }

  #connections(): Connection[] {
    return [this.#main, ...this.#incoming]
  }

  // ---- timers ----------------------------------------------------------------------------------------------------

  #arm(connection: Connection, timer: ConnectionTimer, seconds = this.config.connectRetry ?? 5): void {
    connection.timers[timer].period = seconds * 1000
    this.#again(connection, timer)
  }

  #again(connection: Connection, timer: ConnectionTimer): void {
    const { period } = connection.timers[timer]
    if (period === 0) return this.#disarm(connection, timer)
    const after = timer === 'hold' || timer === 'stale' ? period : this.#host.random.jitter(period)
    this.#host.arm(this, connection, timer, this.#host.now + after)
  }

  #disarm(connection: Connection, timer: ConnectionTimer): void {
    this.#host.wheel.disarm(connection.timers[timer].id)
  }

  // ---- words -----------------------------------------------------------------------------------------------------

  #show(): void {
    const states = this.#connections().map(({ state }) => state)
    this.#journal.entered(states.reduce((most, state) => (ranks[state] > ranks[most] ? state : most)))
  }

  #ends(connection?: Connection): Ends {
    return explain.endsOf(this.name, this.config, this.#localAs, connection?.local)
  }

  get #localSide(): LocalSide {
    const restart = this.#host.restart(!this.#everEstablished)
    return localSide(this.config, this.#localAs, this.#host.identity.routerId, restart)
  }

  get #remoteAs(): number | undefined {
    return onlyAs(this.config.remoteAs, this.#localAs) ?? this.#saidAs
  }

  get #localAs(): number {
    return this.config.localAs ?? this.#host.identity.asn
  }
}

const updateEvent: FsmEvent = { kind: 'update' }
const keepaliveEvent: FsmEvent = { kind: 'keepalive' }
