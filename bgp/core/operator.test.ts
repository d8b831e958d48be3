// What the operator does to sessions, and how the other one hears of it (RFC 9003); who dials, and when.

import t from 'tap'
import type { Engine } from './engine.ts'
import { Simulation } from '../transport/simulation.ts'
import { HEADER_LENGTH, keepalive, KEEPALIVE, NOTIFICATION, OPEN, UPDATE } from '../wire/header.ts'
import { decodeNotification } from '../wire/notification.ts'
import { encodeRefresh } from '../wire/refresh.ts'
import { update } from '../wire/test-messages.ts'
import { Puppet } from './test-puppet.ts'
import { config, established, speaker } from './test-speakers.ts'

const [A, B] = ['10.0.0.1', '10.0.0.2']

t.test('words go along with what ends a session, to the operator at the other end', t => {
  const rows: readonly (readonly [string, (engine: Engine) => void, number, RegExp])[] = [
    ['reset', engine => engine.resetPeer(B, 'new line card'), 4, /Administrative Reset: "new line card"/],
    ['disable', engine => engine.disablePeer(B, 'until Monday ☕'), 2, /Administrative Shutdown: "until Monday ☕"/],
    ['stop', engine => engine.stop('cease', 'the rack moves'), 2, /Administrative Shutdown: "the rack moves"/],
    ['reset without words', engine => engine.resetPeer(B), 4, /Administrative Reset: "reset by the operator"/],
    ['disable without words', engine => engine.disablePeer(B), 2, /Shutdown: "disabled by the operator"/],
    ['stop without words', engine => engine.stop('cease'), 2, /Shutdown: "the speaker stops"/],
  ]
  for (const [name, act, subcode, heard] of rows) {
    const net = new Simulation(1)
    const a = speaker(net, A, 65001, { [B]: 65002 })
    const b = speaker(net, B, 65002, { [A]: { remoteAs: 65001, passive: true } })
    t.ok(net.runUntil(() => established([a, B], [b, A]), 20))
    a.driver.with(act)
    net.run(0.5)
    t.match(
      b.reports.findLast(report => report.type === 'sessionError'),
      { code: 6, subcode, sent: false, text: heard },
      name,
    )
    net.run(60)
    const comesBack = name.startsWith('reset')
    t.equal(established([a, B]), comesBack, `${name}: ${comesBack ? 'and it comes back' : 'and it stays down'}`)
    if (!name.startsWith('disable')) continue
    t.equal(a.peer(B).disabled, true)
    a.driver.with(engine => engine.enablePeer(B))
    t.ok(net.runUntil(() => established([a, B]), 40))
  }
  t.end()
})

t.test('words that are too long are cut between two characters (RFC 9003 §2)', t => {
  for (const [words, octets] of [
    ['', 0],
    ['x'.repeat(255), 255],
    ['x'.repeat(256), 255],
    ['ü'.repeat(200), 254],
    ['😀'.repeat(100), 252],
  ] as const) {
    const net = new Simulation(1)
    const puppet = new Puppet(net, B).listen()
    const a = speaker(net, A, 65001, { [B]: 65002 })
    t.ok(net.runUntil(() => established([a, B]), 20))
    a.driver.with(engine => engine.resetPeer(B, words))
    net.run(0.5)
    const [message] = puppet.of(NOTIFICATION)
    const { data } = decodeNotification(message, HEADER_LENGTH, message.length)
    t.same([data[0], data.length], [octets, octets + 1])
    t.ok(words.startsWith(new TextDecoder('utf-8', { fatal: true }).decode(data.subarray(1))))
  }
  t.end()
})

t.test('a configuration that needs a new session says so: Cease / Other Configuration Change (RFC 4486)', t => {
  const net = new Simulation(1)
  const puppet = new Puppet(net, B).listen()
  const a = speaker(net, A, 65001, { [B]: 65002 })
  t.ok(net.runUntil(() => established([a, B]), 20))
  a.configure(config(A, 65001, { [B]: { remoteAs: 65002, extendedMessages: false } }))
  net.run(0.5)
  t.equal(puppet.notification, 'Cease / Other Configuration Change')
  t.end()
})

t.test('what comes in the wrong state is named by the state (RFC 6608)', t => {
  const refresh = encodeRefresh('ipv4-unicast')
  for (const [name, opens, messages, expected] of [
    ['KEEPALIVE before OPEN', false, [keepalive], 'Unexpected Message in OpenSent State'],
    ['UPDATE before OPEN', false, [update({})], 'Unexpected Message in OpenSent State'],
    ['UPDATE before KEEPALIVE', true, [update({})], 'Unexpected Message in OpenConfirm State'],
    ['ROUTE-REFRESH before KEEPALIVE', true, [refresh], 'Unexpected Message in OpenConfirm State'],
  ] as const) {
    const net = new Simulation(1)
    const puppet = new Puppet(net, B, { polite: false }).listen()
    speaker(net, A, 65001, { [B]: 65002 })
    net.runUntil(() => puppet.of(OPEN).length > 0, 20)
    if (opens) puppet.sendOpen()
    puppet.send(...messages)
    net.run(0.5)
    t.match(puppet.notification, expected, name)
  }
  t.end()
})

t.test(
  'End-of-RIB always goes out, behind the routes, whether or not the peer has graceful restart (RFC 4724 §4)',
  t => {
    const net = new Simulation(1)
    const puppet = new Puppet(net, B).listen()
    const a = speaker(net, A, 65001, { [B]: 65002 })
    a.originate('10.1.0.0/24')
    t.ok(net.runUntil(() => established([a, B]), 20))
    net.run(1)
    t.same(
      puppet.of(UPDATE).map(message => message.length > 23),
      [true, false],
    )
    t.end()
  },
)

t.test('two that only wait never meet; as soon as one of them dials they do', t => {
  const net = new Simulation(1)
  const a = speaker(net, A, 65001, { [B]: { remoteAs: 65002, passive: true } })
  const b = speaker(net, B, 65002, { [A]: { remoteAs: 65001, passive: true } })
  net.run(300)
  t.same([a.peer(B).state, b.peer(A).state], ['Active', 'Active'])
  a.configure(config(A, 65001, { [B]: 65002 }))
  t.ok(net.runUntil(() => established([a, B], [b, A]), 20))
  t.end()
})

/** Whether all gaps between these times are within, and no two alike. */
function scattered(times: readonly number[], least: number, most: number): string {
  const gaps = times.slice(1).map((time, i) => (time - times[i]) / 1000)
  const outside = gaps.filter(gap => gap < least || gap > most)
  if (outside.length > 0) return `${outside.join()} of ${gaps.join()}`
  return new Set(gaps.map(gap => gap.toFixed(3))).size > gaps.length / 2 ? 'scattered' : `in step: ${gaps.join()}`
}

t.test('a peer that is not there is dialed again and again, never in step (RFC 4271 §10)', t => {
  for (const connectRetry of [undefined, 2, 60]) {
    const net = new Simulation(1)
    const a = speaker(net, A, 65001, { [B]: { remoteAs: 65002, connectRetry } })
    const seconds = connectRetry ?? 5
    const dialed: number[] = []
    net.runUntil(() => {
      const at = a.peer(B).since
      if (a.peer(B).state === 'Active' && at !== dialed.at(-1)) dialed.push(at)
      return dialed.length > 20
    }, 30 * seconds)
    t.ok(dialed.length > 20, `${dialed.length} in ${30 * seconds} s`)
    t.equal(scattered(dialed, seconds * 0.75 - 0.2, seconds + 0.2), 'scattered')
  }
  t.end()
})

t.test('keepalives come at a third of the hold time at the latest, never in step (RFC 4271 §4.4, §10)', t => {
  const net = new Simulation(1)
  const puppet = new Puppet(net, B, { open: { holdTime: 30 } }).listen()
  const a = speaker(net, A, 65001, { [B]: 65002 })
  t.ok(net.runUntil(() => established([a, B]), 20))
  const came: number[] = []
  let count = puppet.of(KEEPALIVE).length
  net.runUntil(() => {
    if (puppet.of(KEEPALIVE).length > count) came.push(net.clock.now())
    count = puppet.of(KEEPALIVE).length
    return came.length > 20
  }, 300)
  t.equal(scattered(came, 7.3, 10.2), 'scattered')
  t.end()
})
