// Names and addresses that peers cannot have.

import t from 'tap'
import type { PeerConfig } from '../types.ts'
import { checkConfig } from './check.ts'
import { config } from './test-speakers.ts'

function issues(peers: Readonly<Record<string, Partial<PeerConfig>>>, prefix?: string) {
  const all = Object.entries(peers).map(([name, one]) => [name, { remoteAs: 65002, ...one }] as const)
  const dynamic = prefix === undefined ? [] : [{ name: 'range', prefix, template: { remoteAs: 65003 } }]
  const base = config('10.0.0.1', 65001, {})
  return checkConfig({ ...base, routerId: '10.0.0.1', peers: new Map(all), dynamic }).map(
    ({ peer, field, value, reason }) => `${peer} ${field} ${String(value)}: ${reason}`,
  )
}

t.test('peers at ordinary addresses, and a range of everything', async t => {
  t.same(issues({ a: { address: '10.0.0.2' }, b: { address: '127.0.0.2' }, c: { address: 'fe80::1%eth0' } }), [])
  t.same(issues({ a: { address: 'fe80::1%eth0' }, b: { address: 'fe80::1%eth1' } }), [], 'each on a link of its own')
  t.same(issues({}, '0.0.0.0/0'), [])
})

t.test('one address in two notations', async t => {
  for (const [a, b] of [
    ['10.0.0.2', '::ffff:10.0.0.2'],
    ['fd00::2', 'FD00:0:0::2'],
  ]) {
    t.match(issues({ a: { address: a }, b: { address: b } }), [/^b address .*: peer "a" has it too/], b)
  }
})

t.test('addresses of nobody, of many, and of ourselves', async t => {
  for (const address of ['0.0.0.0', '224.0.0.5', '255.255.255.255', '::', 'ff02::5']) {
    t.match(issues({ a: { address } }), [/^a address .*: no single speaker/], address)
  }
  t.match(issues({ a: { address: '10.0.0.1' } }), [/our own router id/])
  t.match(issues({ a: { address: '10.0.0.4', localAddress: '10.0.0.4' } }), [/our own localAddress/])
})

t.test('names that nothing can have', async t => {
  for (const name of ['', '__proto__']) {
    const base = config('10.0.0.1', 65001, {})
    const peers = new Map([[name, { address: '10.0.0.2', remoteAs: 65002 }]])
    t.match(checkConfig({ ...base, peers }), [{ field: 'name', value: name, reason: /nothing can be called/ }])
  }
})
