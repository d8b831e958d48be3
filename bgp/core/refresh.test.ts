// Route refresh (RFC 2918) and its beginning and end (RFC 7313): what is asked, what is sent again, and what goes because it was
// not.

import t from 'tap'
import { Simulation } from '../transport/simulation.ts'
import { asPath, origin } from '../wire/attributes.ts'
import type { Capability } from '../wire/capabilities.ts'
import { HEADER_LENGTH, message, NOTIFICATION, OPEN, ROUTE_REFRESH, UPDATE } from '../wire/header.ts'
import { nlriTexts } from '../wire/nlri.ts'
import { decodeOpen } from '../wire/open.ts'
import { decodeRefresh, encodeRefresh } from '../wire/refresh.ts'
import { attribute, raw, update } from '../wire/test-messages.ts'
import { Puppet } from './test-puppet.ts'
import { established, speaker } from './test-speakers.ts'

const [A, B, C] = ['10.0.0.1', '10.0.0.2', '10.0.0.3']
const V4 = 'ipv4-unicast'
const restart: Capability = {
  kind: 'gracefulRestart',
  restarting: false,
  notification: false,
  restartTime: 30,
  families: [{ afi: 1, safi: 1, forwarding: false }],
}
const announce = (...prefixes: string[]) => {
  const path = attribute(asPath, [{ type: 'sequence', asns: [65002] }])
  return update({ attributes: [attribute(origin, 'igp'), path, raw(3, [10, 0, 0, 2])], announced: prefixes })
}
const endOfRib = update({})
const [begin, end, request] = (['begin', 'end', 'request'] as const).map(kind => encodeRefresh(V4, kind))

function stage(...capabilities: Capability[]) {
  const net = new Simulation(4)
  const own: Capability[] = [{ kind: 'fourOctetAs', asn: 65002 }, ...capabilities]
  const puppet = new Puppet(net, B, { open: { capabilities: own } }).listen()
  const a = speaker(net, A, 65001, { [B]: 65002, [C]: 65003 }, { gracefulRestart: { restartTime: 60 } })
  const c = speaker(net, C, 65003, { [A]: 65001 })
  t.ok(net.runUntil(() => established([a, B], [a, C], [c, A]), 20))
  net.run(2)
  const atC = () => c.best().map(text => text.split(' ')[0])
  const said = () => a.reports.filter(({ type }) => type === 'refresh').map(({ text }) => text)
  /** What the puppet was sent since the last look: messages in words. */
  const told = () =>
    puppet.received.splice(0).flatMap(octets => {
      if (octets[18] === UPDATE) {
        if (octets.length === 23) return ['end of RIB']
        const attributes = octets.length > 23 ? (octets[21] << 8) | octets[22] : 0
        return nlriTexts(octets, 23 + attributes, octets.length, 32)
      }
      if (octets[18] !== ROUTE_REFRESH) return []
      const what = decodeRefresh(octets, HEADER_LENGTH, octets.length, true)
      return [what.kind]
    })
  return { net, puppet, a, c, atC, said, told }
}
const enhanced: Capability[] = [{ kind: 'routeRefresh' }, { kind: 'enhancedRefresh' }]

t.test('what did not come again between beginning and end goes, and nothing before', t => {
  const { net, puppet, a, atC } = stage(...enhanced)
  puppet.send(announce('10.1.0.0/24', '10.2.0.0/24', '10.3.0.0/24'))
  net.run(1)
  puppet.send(begin)
  net.run(1)
  t.equal(a.peer(B).prefixesStale, 3)
  t.ok(a.table(V4, 'in', B).every(({ stale }) => stale))
  puppet.send(announce('10.1.0.0/24', '10.4.0.0/24'))
  net.run(1)
  t.same([a.peer(B).prefixesStale, atC().length], [2, 4])
  puppet.send(end)
  net.run(1)
  t.same(atC(), ['10.1.0.0/24', '10.4.0.0/24'])
  t.equal(a.peer(B).prefixesStale, 0)
  puppet.send(end)
  net.run(1)
  t.equal(atC().length, 2, 'an end without a beginning means nothing')
  t.end()
})

t.test('a beginning within a beginning starts anew', t => {
  const { net, puppet, atC } = stage(...enhanced)
  puppet.send(
    announce('10.1.0.0/24', '10.2.0.0/24'),
    begin,
    announce('10.1.0.0/24'),
    begin,
    announce('10.2.0.0/24'),
    end,
  )
  net.run(1)
  t.same(atC(), ['10.2.0.0/24'])
  t.end()
})

t.test('an end that does not come, or ever more beginnings, hold nothing for ever', t => {
  const { net, puppet, a, atC, said } = stage(...enhanced)
  puppet.send(announce('10.1.0.0/24', '10.2.0.0/24'), begin, announce('10.2.0.0/24'))
  net.run(590)
  t.equal(atC().length, 2)
  net.run(20)
  t.same(atC(), ['10.2.0.0/24'])
  t.match(said(), [/did not say within 600 s/])
  for (let i = 0; i < 300; i++) puppet.send(begin, announce(`10.9.${i % 2}.0/24`))
  net.run(2)
  t.match(said()[1], /begin anew too often/)
  net.run(610)
  t.notMatch(atC().join(), '10.2.0.0/24')
  t.equal(a.peer(B).state, 'Established')
  t.end()
})

t.test('with graceful restart a beginning before End-of-RIB is ignored and told', t => {
  const { net, puppet, atC, said } = stage(...enhanced, restart)
  puppet.send(announce('10.1.0.0/24'), begin, end)
  net.run(1)
  t.same(atC(), ['10.1.0.0/24'])
  t.match(said(), [/before their End-of-RIB, which is ignored/])
  puppet.send(endOfRib, begin, end)
  net.run(1)
  t.same(atC(), [])
  t.end()
})

t.test('a session lost amid a refresh: all is kept that graceful restart keeps', t => {
  const { net, puppet, a, atC } = stage(...enhanced, restart)
  puppet.send(announce('10.1.0.0/24', '10.2.0.0/24'), endOfRib, begin, announce('10.1.0.0/24'))
  net.run(1)
  puppet.close()
  net.run(0.3)
  t.equal(a.peer(B).prefixesStale, 2)
  t.equal(atC().length, 2)
  t.end()
})

t.test('a request is answered between a beginning and an end, everything once', t => {
  const { net, puppet, a, told } = stage(...enhanced)
  a.originate('10.8.0.0/24', '10.9.0.0/24')
  net.run(1)
  told()
  puppet.send(request)
  net.run(1)
  t.same(told(), ['begin', '10.9.0.0/24', '10.8.0.0/24', 'end'])
  a.driver.with(engine => t.equal(engine.refreshPeer(B, 'out'), true))
  net.run(1)
  t.same(told().length, 4, 'and unasked')
  a.driver.with(engine => engine.refreshPeer(B, 'out', 'ipv6-unicast'))
  net.run(1)
  t.same(told(), [], 'not of a family that the session has not')
  t.equal(a.engine.refreshPeer('nobody', 'out'), false)
  t.end()
})

t.test('what changes amid a refresh is told once more or anew, and all of it before the end', t => {
  const { net, puppet, a, told } = stage(...enhanced)
  const many = Array.from({ length: 20_000 }, (_, i) => `10.${i >> 8}.${i & 255}.0/24`)
  a.originate(...many)
  net.run(5)
  told()
  puppet.send(request)
  a.originate(...many.slice(1000), '192.168.0.0/24')
  net.run(5)
  const list = told()
  t.same([list.filter(word => word === 'begin').length, list.filter(word => word === 'end').length], [1, 1])
  const between = new Set(list.slice(list.indexOf('begin'), list.indexOf('end')))
  t.same(
    many.slice(1000).filter(prefix => !between.has(prefix)),
    [],
  )
  puppet.send(request, request, request)
  net.run(5)
  t.equal(told().at(-1), 'end')
  t.end()
})

t.test('before our End-of-RIB nothing begins anew (RFC 7313 §4)', t => {
  const { net, puppet, a, told } = stage(...enhanced)
  a.driver.with(engine => engine.setComplete(false))
  a.originate('10.9.0.0/24')
  puppet.close()
  net.run(1)
  t.ok(net.runUntil(() => established([a, B]), 20))
  told()
  puppet.send(request)
  net.run(2)
  t.notMatch(told().join(), /begin/)
  a.driver.with(engine => engine.setComplete(true))
  net.run(2)
  t.same(told(), ['end of RIB', 'begin', '10.9.0.0/24', 'end'])
  t.end()
})

t.test('a peer that knows RFC 2918 only is sent everything again, and the octet in between says nothing', t => {
  const { net, puppet, a, told } = stage({ kind: 'routeRefresh' })
  a.originate('10.9.0.0/24')
  puppet.send(announce('10.1.0.0/24'))
  net.run(1)
  told()
  for (const message of [request, begin, end]) {
    puppet.send(message)
    net.run(1)
    t.same(told(), ['10.9.0.0/24', '10.1.0.0/24'].slice(0, 1))
  }
  t.equal(a.peer(B).prefixesStale, 0)
  a.driver.with(engine => engine.refreshPeer(B, 'in', V4))
  net.run(1)
  t.same(told(), ['request'])
  t.end()
})

t.test('a peer without route refresh is not asked', t => {
  const { a, net, told } = stage()
  told()
  a.driver.with(engine => engine.refreshPeer(B, 'in'))
  net.run(1)
  t.same(told(), [])
  t.end()
})

t.test('messages that are wrong (RFC 7313 §5)', t => {
  const body = (...octets: number[]) => message(ROUTE_REFRESH, Uint8Array.from(octets))
  const rows: [string, Uint8Array, string | undefined, number][] = [
    ['a beginning that is too long', body(0, 1, 1, 1, 9), 'ROUTE-REFRESH Message Error / Invalid Message Length', 24],
    ['an end that is too short', body(0, 1, 2), 'ROUTE-REFRESH Message Error / Invalid Message Length', 22],
    ['a request that is too short', body(0, 1, 0), 'Message Header Error / Bad Message Length', 2],
    ['nothing at all', body(), 'Message Header Error / Bad Message Length', 2],
    ['an unknown subtype', body(0, 1, 3, 1), undefined, 0],
    ['an unknown subtype, and long', body(0, 1, 255, 1, 1, 1), undefined, 0],
    ['a request with a filter', body(0, 1, 0, 1, 1, 1), undefined, 0],
    ['an unknown family', body(0, 99, 1, 1), undefined, 0],
    ['a family that the session has not', body(0, 2, 1, 1), undefined, 0],
  ]
  for (const [name, octets, notification, data] of rows) {
    const { net, puppet, a, said } = stage(...enhanced)
    puppet.send(octets)
    net.run(1)
    t.equal(puppet.notification, notification, name)
    t.equal(a.peer(B).flaps, notification ? 1 : 0, name)
    const last = puppet.of(NOTIFICATION).at(-1)
    if (last) t.equal(last.length - 21, data, 'with the message, or its length')
    if (data > 2) t.same(last?.subarray(21), octets)
    if (!notification && !name.includes('session')) t.match(said(), [/it is ignored$/], name)
  }
  t.end()
})

t.test('two speakers: one asks, the other answers, and nothing is lost or left', t => {
  const net = new Simulation(6)
  const marks = { gracefulRestart: { restartTime: 60 } }
  const a = speaker(net, A, 65001, { [B]: 65002 }, marks)
  const b = speaker(net, B, 65002, { [A]: 65001, [C]: 65003 }, marks)
  const c = speaker(net, C, 65003, { [B]: 65002 })
  a.originate(...Array.from({ length: 5000 }, (_, i) => `10.${i >> 8}.${i & 255}.0/24`))
  t.ok(net.runUntil(() => c.best().length === 5000, 30))
  const before = c.peer(B).updatesIn
  for (let i = 0; i < 200; i++) {
    b.driver.with(engine => engine.refreshPeer(A, 'in'))
    net.run(0.5)
  }
  t.same([b.peer(A).prefixesStale, b.best().length, c.best().length], [0, 5000, 5000])
  t.equal(c.peer(B).updatesIn, before, 'whoever is behind hears nothing of it')
  t.end()
})

t.test('without graceful restart it is not announced: FRR would wait for an End-of-RIB that it does not send', t => {
  for (const gracefulRestart of [undefined, { restartTime: 60 }]) {
    const net = new Simulation(7)
    const puppet = new Puppet(net, B, { open: { capabilities: [] } }).listen()
    speaker(net, A, 65001, { [B]: 65002 }, { gracefulRestart })
    net.run(5)
    const open = decodeOpen(puppet.of(OPEN)[0], HEADER_LENGTH, puppet.of(OPEN)[0].length)
    const kinds = 'fault' in open ? [] : open.capabilities.map(({ kind }) => kind)
    t.ok(kinds.includes('routeRefresh'))
    t.equal(kinds.includes('enhancedRefresh'), gracefulRestart !== undefined)
  }
  t.end()
})
