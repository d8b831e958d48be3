// The connections of a peer: the machine that dials it, those that it made to us, and at most one session among them.
//
// An event goes to the state machine of its connection, and what that says is done here: timers, messages that are no
// routes, the rest after an error, which of two connections is kept. What a session means is the peer's work.

import { Backoff } from '../fsm/backoff.ts'
import { MEETING, resolveCollision } from '../fsm/collision.ts'
import { type FsmAction, type FsmEvent, step } from '../fsm/machine.ts'
import type { ConnEnds, ConnId, State } from '../types.ts'
import { keepalive } from '../wire/header.ts'
import { CEASE, cease, encodeNotification, hardReset } from '../wire/notification.ts'
import { type Fault, fault } from '../wire/verdict.ts'
import { Connection, type ConnectionTimer } from './connection.ts'
import type { Counters } from './counters.ts'
import type { Ends } from './explain.ts'
import type { Host, ResolvedPeer } from './host.ts'
import type { Journal } from './journal.ts'
import type { Negotiated } from './negotiate.ts'
import type { Peer } from './peer.ts'
import { isUnfound } from './place.ts'
import { endingBy, type TappedConnection } from './tap.ts'

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

/** What the connections need of their peer. */
export interface ConnectionsOwner {
  /** To whom the host brings what happens to a connection. */
  readonly peer: Peer
  readonly host: Host
  readonly journal: Journal
  readonly counters: Counters
  readonly config: () => ResolvedPeer
  readonly ends: (connection?: Connection) => Ends
  /** Our OPEN on the connection, encoded. */
  readonly open: (connection: Connection) => Uint8Array
  /** Routes of the peer are kept, for it to come back within its restart time. */
  readonly keeps: () => boolean
  /** The connection is Established, or is no longer, by this event. */
  readonly up: (connection: Connection) => void
  readonly down: (event: FsmEvent) => void
  /** The connection as taps see it. */
  readonly tapped: (connection: Connection) => TappedConnection
}

/** Whether it is not to be dialed, or cannot be as nobody knows where it is. */
export function isPassive({ passive = false, address }: ResolvedPeer): boolean {
  return passive || isUnfound(address)
}

export class Connections {
  /** The machine that dials; it rests in Idle while a connection that the peer made is Established. */
  readonly main: Connection
  /** The peer may have a session. */
  running = false
  /** Seconds to rest because of a limit; 0 = until the limit changes or the operator acts. */
  limitRest: number | undefined
  readonly #owner: ConnectionsOwner
  readonly #host: Host
  readonly #backoff = new Backoff()
  readonly #incoming: Connection[] = []
  /** The one that is Established. */
  #established: Connection | undefined
  #depth = 0

  constructor(owner: ConnectionsOwner) {
    this.#owner = owner
    this.#host = owner.host
    const passive = isPassive(owner.config())
    this.main = new Connection({ incoming: false, passive }, owner.host.wheel, owner.host.now)
  }

  // ---- from the operator -----------------------------------------------------------------------------------------

  start(): void {
    if (this.running) return
    this.running = true
    this.limitRest = undefined
    this.dispatch(this.main, { kind: 'start' })
  }

  /** Ends everything; with a fault the peer is told why (RFC 4486). */
  stop(why?: Fault): void {
    this.running = false
    this.#endAll(why)
    this.disarm(this.main, 'idleHold')
  }

  /** Ends everything and starts anew, with nothing held against the peer; with a fault it is told why (RFC 4486). */
  restart(why?: Fault): void {
    this.#endAll(why)
    this.disarm(this.main, 'idleHold')
    this.#backoff.clear()
    this.limitRest = undefined
    this.ensureStarted()
  }

  /** The peer may or may not be dialed, from now on. */
  setPassive(passive: boolean): void {
    this.main.role = { incoming: false, passive }
    if (!passive && this.main.state === 'Active') this.arm(this.main, 'connectRetry')
  }

  /** The peer is somewhere else now: an attempt to connect is given up, and another one made at once if it may be. */
  redial(passive: boolean): void {
    this.main.role = { incoming: false, passive }
    const { state } = this.main
    if (this.running && (state === 'Connect' || state === 'Active')) {
      this.dispatch(this.main, { kind: 'connectRetryExpired' })
    }
  }

  /** Takes back a rest that a limit prescribed. */
  endLimitRest(): void {
    if (this.limitRest === undefined) return
    this.limitRest = undefined
    this.disarm(this.main, 'idleHold')
    this.ensureStarted()
  }

  dispose(): void {
    this.main.dispose(this.#host.wheel)
  }

  // ---- from the network ------------------------------------------------------------------------------------------

  /** A connection that the peer made. Returns why it is refused, or undefined if it is taken. */
  accept(conn: ConnId, ends: ConnEnds): string | undefined {
    if (!this.running) return 'it is stopped here'
    if (!this.#established && this.main.state === 'Idle' && this.#isResting) return 'it rests here after an error'
    this.#depth++ // what was given up and what takes its place are one change of state
    // One that has not even been greeted was given up by the peer.
    for (const old of this.#incoming.filter(one => one.state === 'OpenSent')) this.dispatch(old, { kind: 'stop' })
    const connection = new Connection({ incoming: true, passive: true }, this.#host.wheel, this.#host.now)
    connection.state = 'Active'
    connection.attach(conn)
    connection.setEnds(ends)
    this.#incoming.push(connection)
    this.#host.adopt(conn, this.#owner.peer, connection)
    this.#depth--
    this.dispatch(connection, { kind: 'connected' })
    return undefined
  }

  /** An acceptable OPEN came. With two connections one of them has to go, perhaps this one (RFC 4271 §6.8). */
  opened(connection: Connection, agreed: Negotiated, localAs: number): void {
    const lost = fault(6, cease.collision, 'the other connection to this peer is kept')
    const local = { routerId: this.#host.identity.routerId, asn: localAs }
    for (const other of this.#all()) {
      if (other === connection) continue
      const rival = {
        state: other.state,
        age: this.#host.now - other.since,
        incoming: other.role.incoming,
        gracefulRestart: (other.negotiated?.gracefulRestart?.families.length ?? 0) > 0,
      }
      switch (resolveCollision(rival, connection.role, local, agreed)) {
        case 'keep existing':
          return this.dispatch(connection, { kind: 'stop', fault: lost })
        case 'keep arrived':
          this.dispatch(other, { kind: 'stop', fault: lost })
          break
        case 'existing is old':
          this.#owner.journal.restarted()
          this.dispatch(other, { kind: 'stop' })
          break
        case 'keep both':
          break
      }
    }
    connection.negotiated = agreed
    this.dispatch(connection, { kind: 'open', holdTime: agreed.holdTime })
  }

  /** Another connection than this one is at least in OpenSent. */
  hasRival(connection: Connection): boolean {
    return this.#all().some(other => other !== connection && ranks[other.state] >= ranks.OpenSent)
  }

  // ---- the machine -----------------------------------------------------------------------------------------------

  dispatch(connection: Connection, event: FsmEvent): void {
    if (event.kind === 'connectRetryExpired' && connection === this.main && this.#isMeeting) {
      return this.arm(connection, 'connectRetry')
    }
    const { next, actions } = step(connection.state, event, connection.role)
    this.#depth++
    const from = connection.state
    const tapped = next !== from && this.#host.taps.length > 0 ? this.#owner.tapped(connection) : undefined
    if (next !== from) {
      connection.state = next
      connection.since = this.#host.now
    }
    if (tapped) for (const tap of this.#host.taps) tap.state?.(tapped, from, next)
    const { notificationReceived } = connection
    for (const action of actions) this.#perform(connection, action, event)
    if (tapped && from === 'Established') {
      const ending = endingBy(event, notificationReceived, connection.notificationSent)
      for (const tap of this.#host.taps) tap.down?.(tapped, ending)
    }
    if (next === 'Idle' && connection.role.incoming) this.#remove(connection)
    if (--this.#depth === 0 && event !== updateEvent) {
      this.ensureStarted()
      this.#show()
    }
  }

  #perform(connection: Connection, action: FsmAction, event: FsmEvent): void {
    switch (action.do) {
      case 'again':
        return this.#again(connection, action.timer)
      case 'arm':
        return this.arm(connection, action.timer, action.seconds)
      case 'disarm':
        return this.disarm(connection, action.timer)
      case 'connect':
        return this.#connect(connection)
      case 'sendOpen':
        connection.openSent = this.#owner.open(connection)
        return this.send(connection, connection.openSent)
      case 'sendKeepalive':
        return this.send(connection, keepalive)
      case 'notify':
        return this.#notify(connection, action.fault, event.kind === 'stop')
      case 'drop':
        if (connection.conn !== undefined) {
          this.#host.emit({ do: 'close', conn: connection.conn, afterFlush: false })
          this.forget(connection)
        }
        return
      case 'up':
        return this.#up(connection)
      case 'down':
        this.#established = undefined
        return this.#owner.down(event)
      case 'damp':
        return this.#damp(connection)
    }
  }

  #connect(connection: Connection): void {
    const { address, port = 179, localAddress } = this.#owner.config()
    const { peer } = this.#owner
    connection.attach(this.#host.dial(peer, connection))
    const { conn } = connection
    if (conn === undefined) return
    this.#host.emit({ do: 'connect', peer: peer.id, conn, to: { address, port, localAddress } })
  }

  #up(connection: Connection): void {
    for (const other of this.#all()) {
      if (other !== connection) {
        this.dispatch(other, {
          kind: 'stop',
          fault: fault(6, cease.collision, 'the session is up on another connection'),
        })
      }
    }
    this.#established = connection
    this.limitRest = undefined
    this.#owner.up(connection)
  }

  /** Rests in Idle. A connection that the peer made puts the dialing machine to rest, unless it is further along. */
  #damp(connection: Connection): void {
    const { counters, keeps } = this.#owner
    const rest = Math.max(this.#backoff.next(counters.takeLastLife(), keeps()), this.limitRest ?? 0)
    if (connection !== this.main) {
      if (this.#established || ranks[this.main.state] > ranks.Connect) return
      this.dispatch(this.main, { kind: 'stop' })
    }
    if (this.limitRest !== 0) this.arm(this.main, 'idleHold', rest)
  }

  /** Nothing under way and no rest prescribed: go on. */
  ensureStarted(): void {
    if (!this.running || this.main.state !== 'Idle' || this.#incoming.length > 0) return
    if (!this.#isResting) this.dispatch(this.main, { kind: 'start' })
  }

  /** There is no connection, and nothing to wait for but one that the peer makes. */
  get isIdle(): boolean {
    return this.main.state === 'Active' && this.#incoming.length === 0 && !this.#isResting
  }

  /** Since when there has been a connection, if nothing is here but those on which no OPEN has come. */
  get silentSince(): number | undefined {
    if (this.main.state !== 'Active' || this.#incoming.length === 0 || this.#isResting) return undefined
    if (this.#incoming.some(({ state }) => ranks[state] > ranks.OpenSent)) return undefined
    return Math.min(...this.#incoming.map(({ since }) => since))
  }

  /**
   * The peer has just dialed us. To dial it as well would be one connection too many: a peer that gets it after the session is up
   * takes it for a restart (RFC 4724 §5), and drops what it kept of the real one. A connection that leads nowhere is not waited for.
   */
  get #isMeeting(): boolean {
    const { now } = this.#host
    return this.main.state === 'Active' && this.#incoming.some(({ since }) => now - since < MEETING)
  }

  get #isResting(): boolean {
    return this.limitRest === 0 || this.#host.wheel.isArmed(this.main.timers.idleHold.id)
  }

  #endAll(why: Fault | undefined): void {
    this.#depth++
    for (const connection of this.#all()) this.dispatch(connection, { kind: 'stop', fault: why })
    this.#depth--
    this.#show()
  }

  #remove(connection: Connection): void {
    const at = this.#incoming.indexOf(connection)
    if (at < 0) return
    this.#incoming.splice(at, 1)
    connection.dispose(this.#host.wheel)
  }

  /** Its TCP connection is gone. */
  forget(connection: Connection): void {
    if (connection.conn !== undefined) this.#host.release(connection.conn, [])
    connection.attach(undefined)
  }

  #all(): Connection[] {
    return [this.main, ...this.#incoming]
  }

  #show(): void {
    const states = this.#all().map(({ state }) => state)
    this.#owner.journal.entered(states.reduce((most, state) => (ranks[state] > ranks[most] ? state : most)))
  }

  // ---- sending ---------------------------------------------------------------------------------------------------

  send(connection: Connection, message: Uint8Array): void {
    connection.send(message)
    this.signal(connection)
  }

  /** Something waits to be pulled for the connection. */
  signal(connection: Connection): void {
    if (connection.conn === undefined) return
    this.#host.writable(connection.conn)
    this.awaitReader(connection)
  }

  /** Takes the messages that go before any route. */
  outgoing(connection: Connection): readonly Uint8Array[] {
    const messages = this.#owner.counters.sending(connection.takeControl())
    for (const tap of this.#host.taps) {
      for (const message of messages) tap.sent?.(this.#owner.tapped(connection), message)
    }
    return messages
  }

  /** RFC 9687: the shell pulls when the peer reads; if it does not for long, the session ends. */
  awaitReader(connection: Connection): void {
    const { negotiated, timers } = connection
    if (!negotiated || this.#host.wheel.isArmed(timers.sendHold.id)) return
    const seconds = this.#owner.config().sendHoldTime ?? Math.max(SEND_HOLD, 2 * negotiated.holdTime)
    this.#host.arm(this.#owner.peer, connection, 'sendHold', this.#host.now + seconds * 1000)
  }

  #notify(connection: Connection, why: Fault, administrative: boolean): void {
    if (connection.conn === undefined) return
    const { journal, ends, counters } = this.#owner
    journal.sent(ends(connection), why, administrative)
    // What the operator ends, helpers shall not keep alive, though the N bit would let them.
    const isHard = administrative && why.code === CEASE && why.subcode !== cease.collision
    const hard = isHard && connection.negotiated?.gracefulRestart?.notification
    const message = encodeNotification(hard ? hardReset(why) : why, connection.longest)
    connection.send(message)
    counters.notifiedOut.count(why)
    this.#host.release(connection.conn, this.outgoing(connection))
    this.#host.emit({ do: 'close', conn: connection.conn, afterFlush: true })
    connection.attach(undefined)
    connection.notificationSent = message
  }

  // ---- timers ----------------------------------------------------------------------------------------------------

  arm(connection: Connection, timer: ConnectionTimer, seconds = this.#owner.config().connectRetry ?? 5): void {
    connection.timers[timer].period = seconds * 1000
    this.#again(connection, timer)
  }

  #again(connection: Connection, timer: ConnectionTimer): void {
    const { period } = connection.timers[timer]
    if (period === 0) return this.disarm(connection, timer)
    const { random, now } = this.#host
    const at = now + (exact.includes(timer) ? period : random.jitter(period))
    this.#host.arm(this.#owner.peer, connection, timer, timer === 'keepalive' ? beatBefore(at, now, period) : at)
  }

  disarm(connection: Connection, timer: ConnectionTimer): void {
    this.#host.wheel.disarm(connection.timers[timer].id)
  }
}

/** Parts of a period at whose ends keepalives are sent. */
const BEATS = 32

/**
 * The last beat before `at`, but no sooner than jitter may be (RFC 4271 §10): the keepalives of a thousand sessions wake the process
 * a few times a second, each beat with those of many sessions, and not once for each.
 */
function beatBefore(at: number, now: number, period: number): number {
  const beat = period / BEATS
  const before = Math.floor(at / beat) * beat
  return before - now < 0.75 * period ? before + beat : before
}

/** Timers without jitter (RFC 4271 §10): what they bound was told to the peer, or told by it. */
const exact: readonly ConnectionTimer[] = ['hold', 'stale', 'refresh']

/** One for all UPDATE messages: they change no state, so nothing is looked at after them. */
export const updateEvent: FsmEvent = { kind: 'update' }
