import t from 'tap'
import type { Facts } from '../../model/facts.ts'
import { podSources } from './sources.ts'

const own = { v4: '10.0.1.7', v6: 'fd00:1::7' }
const facts = (...addresses: readonly (readonly [string, string])[]): Facts => ({
  links: ['lo', 'eth0', 'eth1'].map((name, i) => ({ name, index: i + 1, up: true, carrier: true, mtu: 1500 })),
  addresses: addresses.map(([link, cidr]) => ({ link, cidr })),
  foreignRoutes: [],
})
const usual = [
  ['lo', '127.0.0.1/8'],
  ['lo', '::1/128'],
  ['eth0', '10.0.1.7/24'],
  ['eth0', 'fd00:1::7/64'],
  ['eth0', 'fe80::1/64'],
] as const

t.test('routes to pods prefer an address only where the kernel would choose another', async t => {
  t.same(podSources(facts(...usual), own), {}, 'a node with one address of each family')
  t.same(podSources(facts(...usual, ['eth1', '10.0.2.7/24']), own), {}, 'a later device')
  t.same(podSources(facts(...usual, ['lo', '10.9.9.9/32']), own), { v4: '10.0.1.7' }, 'an earlier device')
  t.same(podSources(facts(...usual, ['eth0', '10.0.1.8/24']), own), { v4: '10.0.1.7' }, 'the same device')
  t.same(podSources(facts(...usual, ['eth1', 'fd00:2::7/64']), own), { v6: 'fd00:1::7' })
  t.same(podSources(facts(['lo', '10.9.9.9/32']), own), {}, 'the address is not on the node: the kernel would refuse')
})
