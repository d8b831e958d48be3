// The finite state machine of one connection (RFC 4271 §8.2.2, subcodes RFC 6608, send hold timer RFC 9687).
//
// One function per state: an event comes in, the next state and what to do come out. It knows no socket, no clock, and
// not that a second connection may exist: collision.ts decides that, and tells the loser to stop. DelayOpen is not
// implemented (RFC 4271 makes it optional); after an error the machine rests in Idle for a time that backoff.ts grows.

/* oxlint-disable typescript/switch-exhaustiveness-check -- "any other event" is a row of the RFC's own table */

import type { State } from '../types.ts'
import { HOLD_TIMER_EXPIRED, SEND_HOLD_TIMER_EXPIRED } from '../wire/notification.ts'
import { type Fault, fault } from '../wire/verdict.ts'

export type TimerName = 'connectRetry' | 'hold' | 'keepalive' | 'idleHold' | 'sendHold'

export type FsmEvent =
  | { readonly kind: 'start' }
  /** By the operator or the arbiter. Without a fault nothing is sent, so that a helper keeps our routes (RFC 4724). */
  | { readonly kind: 'stop'; readonly fault?: Fault }
  | { readonly kind: 'connected' | 'connectFailed' | 'closed' }
  | {
      readonly kind: 'connectRetryExpired' | 'holdExpired' | 'keepaliveExpired' | 'idleHoldExpired' | 'sendHoldExpired'
    }
  /** A well-formed and acceptable OPEN; the smaller hold time of both, in seconds. */
  | { readonly kind: 'open'; readonly holdTime: number }
  | { readonly kind: 'keepalive' | 'update' | 'refresh' | 'notification' }
  /** A message that cannot be accepted. */
  | { readonly kind: 'fault'; readonly fault: Fault }

export type FsmAction =
  | { readonly do: 'connect' }
  /** Close the connection, or give up making it, without a word. */
  | { readonly do: 'drop' }
  /** Send a NOTIFICATION, then close. */
  | { readonly do: 'notify'; readonly fault: Fault }
  | { readonly do: 'sendOpen' | 'sendKeepalive' }
  /** Seconds where the FSM knows them; else the configured ones. */
  | { readonly do: 'arm'; readonly timer: TimerName; readonly seconds?: number }
  /** Start the timer again with the seconds it had. */
  | { readonly do: 'again'; readonly timer: TimerName }
  | { readonly do: 'disarm'; readonly timer: TimerName }
  /** The session is Established, or no longer. */
  | { readonly do: 'up' | 'down' }
  /** An error ended it: rest in Idle before the next start. */
  | { readonly do: 'damp' }

export interface Step {
  readonly next: State
  readonly actions: readonly FsmAction[]
}

/** What a machine is for: one dials (unless passive), the other was handed a connection that the peer made. */
export interface Role {
  readonly incoming: boolean
  readonly passive: boolean
}

/** RFC 4271 §8.2.2: a large value until the hold time is negotiated. */
export const OPEN_HOLD_TIME = 240

/** One step of the machine. Pure. */
export function step(state: State, event: FsmEvent, role: Role): Step {
  return states[state](event, role)
}

const states: { readonly [S in State]: (event: FsmEvent, role: Role) => Step } = {
  Idle: idle,
  Connect: connect,
  Active: active,
  OpenSent: openSent,
  OpenConfirm: openConfirm,
  Established: established,
}

/** Refuses everything but a start. */
function idle(e: FsmEvent, role: Role): Step {
  switch (e.kind) {
    case 'start':
    case 'idleHoldExpired':
      if (role.incoming) return go('Active')
      return role.passive ? go('Active', disarm('idleHold')) : go('Connect', disarm('idleHold'), ...dial)
    default:
      return go('Idle')
  }
}

/** Waits for the TCP connection that it is making. */
function connect(e: FsmEvent, role: Role): Step {
  switch (e.kind) {
    case 'connected':
      return go('OpenSent', disarm('connectRetry'), ...greet)
    case 'connectFailed':
    case 'closed':
      return go('Active', { do: 'arm', timer: 'connectRetry' })
    case 'connectRetryExpired':
      return role.passive ? go('Active', { do: 'drop' }) : go('Connect', { do: 'drop' }, ...dial)
    case 'start':
      return go('Connect')
    default:
      return go('Idle', disarm('connectRetry'), { do: 'drop' })
  }
}

/** Waits to dial again, or for the peer to dial. */
function active(e: FsmEvent, role: Role): Step {
  switch (e.kind) {
    case 'connected':
      return go('OpenSent', disarm('connectRetry'), ...greet)
    case 'connectRetryExpired':
      return role.passive || role.incoming ? go('Active') : go('Connect', ...dial)
    case 'stop':
      return go('Idle', disarm('connectRetry'), { do: 'drop' })
    default:
      return go('Active')
  }
}

/** Has sent OPEN and waits for the peer's. */
function openSent(e: FsmEvent, role: Role): Step {
  switch (e.kind) {
    case 'open':
      return go('OpenConfirm', { do: 'sendKeepalive' }, ...rhythm(e.holdTime))
    case 'closed':
      return role.incoming
        ? go('Idle', disarm('hold'), { do: 'drop' }, { do: 'damp' })
        : go('Active', disarm('hold'), { do: 'drop' }, { do: 'arm', timer: 'connectRetry' })
    case 'keepalive':
    case 'update':
    case 'refresh':
      return refuse(fault(5, 1, `a message of type ${e.kind} came before OPEN`))
    default:
      return common('OpenSent', e)
  }
}

/** Has the peer's OPEN and waits for its first KEEPALIVE. */
function openConfirm(e: FsmEvent): Step {
  switch (e.kind) {
    case 'keepalive':
      return go('Established', { do: 'again', timer: 'hold' }, { do: 'up' })
    case 'open':
    case 'update':
    case 'refresh':
      return refuse(fault(5, 2, `a message of type ${e.kind} came before the first KEEPALIVE`))
    default:
      return common('OpenConfirm', e)
  }
}

function established(e: FsmEvent): Step {
  switch (e.kind) {
    case 'update':
    case 'keepalive':
    case 'refresh':
      return heard
    case 'open':
      return down(refuse(fault(5, 3, 'a second OPEN came')))
    default:
      return down(common('Established', e))
  }
}

/** What the three states with an open connection have in common. */
function common(state: State, e: FsmEvent): Step {
  switch (e.kind) {
    case 'stop':
      return go('Idle', ...quiet, e.fault ? { do: 'notify', fault: e.fault } : { do: 'drop' })
    case 'fault':
      return refuse(e.fault)
    case 'holdExpired':
      return refuse(fault(HOLD_TIMER_EXPIRED, 0, 'the hold timer expired'))
    case 'sendHoldExpired':
      return refuse(fault(SEND_HOLD_TIMER_EXPIRED, 0, 'it has not read for too long what is sent to it'))
    case 'keepaliveExpired':
      return go(state, { do: 'sendKeepalive' }, { do: 'again', timer: 'keepalive' })
    case 'notification':
    case 'closed':
      return go('Idle', ...quiet, { do: 'drop' }, { do: 'damp' })
    default:
      return go(state)
  }
}

function refuse(why: Fault): Step {
  return go('Idle', ...quiet, { do: 'notify', fault: why }, { do: 'damp' })
}

/** Leaving Established is told before the connection is closed. */
function down(s: Step): Step {
  return s.next === 'Established' ? s : go(s.next, { do: 'down' }, ...s.actions)
}

/** RFC 4271 §10: keepalives at a third of the hold time; hold time 0 means neither timer: none of 0 seconds ever runs. */
function rhythm(holdTime: number): readonly FsmAction[] {
  return [
    { do: 'arm', timer: 'hold', seconds: holdTime },
    { do: 'arm', timer: 'keepalive', seconds: holdTime / 3 },
  ]
}

function go(next: State, ...actions: readonly FsmAction[]): Step {
  return { next, actions }
}

function disarm(timer: TimerName): FsmAction {
  return { do: 'disarm', timer }
}

const dial: readonly FsmAction[] = [{ do: 'connect' }, { do: 'arm', timer: 'connectRetry' }]
const greet: readonly FsmAction[] = [{ do: 'sendOpen' }, { do: 'arm', timer: 'hold', seconds: OPEN_HOLD_TIME }]
const quiet: readonly FsmAction[] = [disarm('hold'), disarm('keepalive'), disarm('sendHold')]
/** One for all messages of the bulk path. */
const heard: Step = go('Established', { do: 'again', timer: 'hold' })
