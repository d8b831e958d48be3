import t from 'tap'
import { type FsmAction, type FsmEvent, type Role, step } from './machine.ts'
import { fault } from '../wire/verdict.ts'
import type { State } from '../types.ts'

const active: Role = { incoming: false, passive: false }
const passive: Role = { incoming: false, passive: true }
const incoming: Role = { incoming: true, passive: true }

const bad = fault(3, 1, 'bad')
const cease = fault(6, 2, 'stop')
const events = {
  start: { kind: 'start' },
  stop: { kind: 'stop' },
  cease: { kind: 'stop', fault: cease },
  connected: { kind: 'connected' },
  connectFailed: { kind: 'connectFailed' },
  closed: { kind: 'closed' },
  retry: { kind: 'connectRetryExpired' },
  hold: { kind: 'holdExpired' },
  tick: { kind: 'keepaliveExpired' },
  unread: { kind: 'sendHoldExpired' },
  rested: { kind: 'idleHoldExpired' },
  open: { kind: 'open', holdTime: 90 },
  keepalive: { kind: 'keepalive' },
  update: { kind: 'update' },
  refresh: { kind: 'refresh' },
  notification: { kind: 'notification' },
  bad: { kind: 'fault', fault: bad },
} satisfies Record<string, FsmEvent>

/** Fails to compile where an event of the machine is missing above. */
const complete: FsmEvent['kind'] extends (typeof events)[keyof typeof events]['kind'] ? true : never = true

/** `arm hold 90`, `notify 6/2`, `connect`, … without the disarming, which changes nothing that is visible. */
function words(actions: readonly FsmAction[]): string {
  return actions
    .filter(action => action.do !== 'disarm')
    .map(action => {
      if (action.do === 'notify') return `notify ${action.fault.code}/${action.fault.subcode}`
      if (action.do === 'arm') return ['arm', action.timer, action.seconds].filter(Boolean).join(' ')
      return action.do === 'again' ? `again ${action.timer}` : action.do
    })
    .join(', ')
}

/** Nothing happens. */
const stays = ''

/** RFC 4271 §8.2.2 for a peer that we dial: what each event does in each state. */
const table: { readonly [S in State]: { readonly [E in keyof typeof events]: string } } = {
  Idle: {
    start: 'Connect: connect, arm connectRetry',
    rested: 'Connect: connect, arm connectRetry',
    stop: stays,
    cease: stays,
    connected: stays,
    connectFailed: stays,
    closed: stays,
    retry: stays,
    hold: stays,
    tick: stays,
    unread: stays,
    open: stays,
    keepalive: stays,
    update: stays,
    refresh: stays,
    notification: stays,
    bad: stays,
  },
  Connect: {
    stop: 'Idle: drop',
    cease: 'Idle: drop',
    connected: 'OpenSent: sendOpen, arm hold 240',
    connectFailed: 'Active: arm connectRetry',
    closed: 'Active: arm connectRetry',
    retry: 'Connect: drop, connect, arm connectRetry',
    hold: 'Idle: drop',
    tick: 'Idle: drop',
    unread: 'Idle: drop',
    rested: 'Idle: drop',
    open: 'Idle: drop',
    keepalive: 'Idle: drop',
    update: 'Idle: drop',
    refresh: 'Idle: drop',
    notification: 'Idle: drop',
    bad: 'Idle: drop',
    start: stays,
  },
  Active: {
    stop: 'Idle: drop',
    cease: 'Idle: drop',
    connected: 'OpenSent: sendOpen, arm hold 240',
    retry: 'Connect: connect, arm connectRetry',
    start: stays,
    connectFailed: stays,
    closed: stays,
    hold: stays,
    tick: stays,
    unread: stays,
    rested: stays,
    open: stays,
    keepalive: stays,
    update: stays,
    refresh: stays,
    notification: stays,
    bad: stays,
  },
  OpenSent: {
    stop: 'Idle: drop',
    cease: 'Idle: notify 6/2',
    closed: 'Active: drop, arm connectRetry',
    hold: 'Idle: notify 4/0, damp',
    unread: 'Idle: notify 8/0, damp',
    tick: 'OpenSent: sendKeepalive, again keepalive',
    open: 'OpenConfirm: sendKeepalive, arm hold 90, arm keepalive 30',
    keepalive: 'Idle: notify 5/1, damp',
    update: 'Idle: notify 5/1, damp',
    refresh: 'Idle: notify 5/1, damp',
    notification: 'Idle: drop, damp',
    bad: 'Idle: notify 3/1, damp',
    start: stays,
    connected: stays,
    connectFailed: stays,
    retry: stays,
    rested: stays,
  },
  OpenConfirm: {
    stop: 'Idle: drop',
    cease: 'Idle: notify 6/2',
    closed: 'Idle: drop, damp',
    hold: 'Idle: notify 4/0, damp',
    unread: 'Idle: notify 8/0, damp',
    tick: 'OpenConfirm: sendKeepalive, again keepalive',
    open: 'Idle: notify 5/2, damp',
    keepalive: 'Established: again hold, up',
    update: 'Idle: notify 5/2, damp',
    refresh: 'Idle: notify 5/2, damp',
    notification: 'Idle: drop, damp',
    bad: 'Idle: notify 3/1, damp',
    start: stays,
    connected: stays,
    connectFailed: stays,
    retry: stays,
    rested: stays,
  },
  Established: {
    stop: 'Idle: down, drop',
    cease: 'Idle: down, notify 6/2',
    closed: 'Idle: down, drop, damp',
    hold: 'Idle: down, notify 4/0, damp',
    unread: 'Idle: down, notify 8/0, damp',
    tick: 'Established: sendKeepalive, again keepalive',
    open: 'Idle: down, notify 5/3, damp',
    keepalive: 'Established: again hold',
    update: 'Established: again hold',
    refresh: 'Established: again hold',
    notification: 'Idle: down, drop, damp',
    bad: 'Idle: down, notify 3/1, damp',
    start: stays,
    connected: stays,
    connectFailed: stays,
    retry: stays,
    rested: stays,
  },
}

t.test('every event in every state', t => {
  for (const [state, row] of Object.entries(table) as [State, (typeof table)[State]][]) {
    for (const [name, event] of Object.entries(events)) {
      const { next, actions } = step(state, event, active)
      const expected = row[name as keyof typeof events]
      t.equal(`${next}: ${words(actions)}`, expected === stays ? `${state}: ` : expected, `${name} in ${state}`)
    }
  }
  t.ok(complete)
  t.end()
})

t.test('what is different for a peer that we never dial, and for a connection that it made', t => {
  const rows: [Role, State, FsmEvent, string][] = [
    [passive, 'Idle', events.start, 'Active: '],
    [passive, 'Idle', events.rested, 'Active: '],
    [passive, 'Active', events.retry, 'Active: '],
    [passive, 'Connect', events.retry, 'Active: drop'],
    [incoming, 'Idle', events.start, 'Active: '],
    [incoming, 'Idle', events.rested, 'Active: '],
    [incoming, 'Connect', events.retry, 'Active: drop'],
    [incoming, 'Active', events.retry, 'Active: '],
    [incoming, 'Active', events.connected, 'OpenSent: sendOpen, arm hold 240'],
    [incoming, 'OpenSent', events.closed, 'Idle: drop, damp'],
    [active, 'OpenSent', { kind: 'open', holdTime: 0 }, 'OpenConfirm: sendKeepalive, arm hold, arm keepalive'],
    [active, 'OpenSent', { kind: 'open', holdTime: 3 }, 'OpenConfirm: sendKeepalive, arm hold 3, arm keepalive 1'],
  ]
  for (const [role, state, event, expected] of rows) {
    const { next, actions } = step(state, event, role)
    t.equal(`${next}: ${words(actions)}`, expected, `${event.kind} in ${state}`)
  }
  // In everything else the role makes no difference.
  const differs = new Set(rows.map(([role, state, event]) => JSON.stringify([role, state, event])))
  for (const role of [passive, incoming]) {
    for (const state of Object.keys(table) as State[]) {
      for (const [name, event] of Object.entries(events)) {
        if (differs.has(JSON.stringify([role, state, event]))) continue
        const [one, other] = [step(state, event, role), step(state, event, active)]
        t.equal(one.next, other.next, `${name} in ${state}`)
        t.equal(words(one.actions), words(other.actions), `${name} in ${state}`)
      }
    }
  }
  t.end()
})

t.test('leaving a state with a connection disarms its timers', t => {
  for (const state of ['OpenSent', 'OpenConfirm', 'Established'] as const) {
    for (const event of [events.stop, events.closed, events.hold, events.bad]) {
      const { actions } = step(state, event, active)
      t.ok(
        actions.some(action => action.do === 'disarm' && action.timer === 'hold'),
        `${event.kind} in ${state}`,
      )
    }
  }
  t.end()
})
