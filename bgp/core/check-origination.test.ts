// Routes of our own that are refused, and what is said of them.

import t from 'tap'
import { checkOrigination } from './check-origination.ts'
import { checkConfig } from './check.ts'
import { config } from './test-speakers.ts'

const of = (attributes: Readonly<Record<string, unknown>>, prefix = '10.0.0.0/24') =>
  checkOrigination({ prefix, ...attributes })

t.test('numbers at both ends of what fits, and ordinary next hops', async t => {
  for (const value of [0, 1, 4294967295]) t.equal(of({ med: value, localPref: value }), undefined)
  t.equal(of({ nextHop: '10.0.0.1', origin: 'egp', communities: ['65001:1'] }), undefined)
  t.equal(of({ nextHop: 'fe80::1' }, 'fd00::/64'), undefined)
})

t.test('numbers that would go out as others', async t => {
  for (const field of ['med', 'localPref']) {
    for (const value of [4294967296, -1, 1.5, NaN, Infinity, '5', null]) {
      t.match(of({ [field]: value }), { field: `originate 10.0.0.0/24 ${field}`, value, fix: /0 to 4294967295/ })
    }
  }
})

t.test('next hops that nothing can be sent to', async t => {
  for (const nextHop of ['0.0.0.0', '224.0.0.5', '255.255.255.255', '127.0.0.1', 'x', '', 5, 'fd00::1']) {
    t.match(of({ nextHop }), { field: 'originate 10.0.0.0/24 nextHop', value: nextHop, reason: /^it is / })
  }
  for (const nextHop of ['::', '::1', 'ff02::1', '10.0.0.1']) {
    t.match(of({ nextHop }, 'fd00::/64'), { field: 'originate fd00::/64 nextHop', value: nextHop })
  }
})

t.test('what is no route at all, as a program may pass it', async t => {
  for (const none of [undefined, null, 5, 'x']) {
    t.match(checkOrigination(none as never), { field: 'originate', reason: 'it is no route' })
  }
  t.match(of({}, 5 as never), { field: 'originate 5', reason: 'it is no prefix' })
  t.match(of({ communities: '65001:1' }), { reason: 'it is no list' })
  t.match(of({ communities: ['65001:1', 5] }), { value: 5, reason: 'it is no community' })
  t.match(of({ communities: [undefined] }), { reason: 'it is no community' })
  t.match(of({ origin: 'bgp' }), { reason: 'it is no origin' })
})

t.test('our own next hop on a session', async t => {
  const issues = (hop: string) =>
    checkConfig(config('10.0.0.1', 65001, { '10.0.0.2': { remoteAs: 65002, nextHopSelf: { 'ipv4-unicast': hop } } }))
  t.same(issues('10.0.0.1'), [])
  for (const hop of ['0.0.0.0', '224.0.0.1']) {
    t.match(issues(hop), [{ field: 'nextHopSelf.ipv4-unicast', value: hop, fix: /a packet can be sent to/ }])
  }
})
