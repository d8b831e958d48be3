import t from 'tap'
import { ByAddress } from './by-address.ts'

t.test('what is at an address is found by any notation of it, and by no other', t => {
  const all = new ByAddress<string>()
  all.put('2001:DB8:0::1', 'a')
  all.put('10.0.0.1', 'b')
  all.put('10.0.0.1', 'c')
  all.put('%eth0', 'unfound')
  t.same(all.at('2001:db8::1'), ['a'])
  t.same(all.at('::ffff:10.0.0.1'), ['b', 'c'])
  t.same(all.at('10.0.0.2'), [])
  t.end()
})

t.test('the zone of a link-local address counts where both have one', t => {
  const all = new ByAddress<string>()
  all.put('fe80::1%eth0', 'a')
  all.put('fe80::1%eth1', 'b')
  all.put('fe80::1', 'c')
  t.same(all.at('fe80::1%eth0'), ['a', 'c'])
  t.same(all.at('fe80::1'), ['a', 'b', 'c'])
  t.end()
})

t.test('what has moved is at its new address alone, what was taken away at none', t => {
  const all = new ByAddress<string>()
  all.put('%eth0', 'a')
  all.put('fe80::1%eth0', 'a')
  all.put('10.0.0.1', 'b')
  all.delete('b')
  all.delete('never there')
  t.same(all.at('%eth0'), [])
  t.same(all.at('fe80::1%eth0'), ['a'])
  t.same(all.at('10.0.0.1'), [])
  t.end()
})
