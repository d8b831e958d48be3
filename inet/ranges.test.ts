import t from 'tap'
import { parsePrefix } from './prefix.ts'
import { keyOf } from './prefix-map.ts'
import { Ranges } from './ranges.ts'

const ranges = new Ranges(
  ['10.0.0.0/8', '10.42.0.0/16', '192.0.2.128/25', '198.51.100.7/32', 'fd00:42::/32', 'a00::/8'].flatMap(text => {
    const prefix = parsePrefix(text)
    return prefix ? [{ text, prefix }] : []
  }),
)

for (const c of [
  { of: '10.42.1.0/26', around: '10.0.0.0/8', name: 'the first of two' },
  { of: '10.0.0.0/8', around: '10.0.0.0/8', name: 'itself' },
  { of: '10.0.0.0/7', around: undefined, name: 'one that is wider' },
  { of: '11.0.0.0/8', around: undefined, name: 'the one beside it' },
  { of: '192.0.2.129/32', around: '192.0.2.128/25', name: 'addresses beyond 2^31' },
  { of: '192.0.2.0/25', around: undefined, name: 'the other half' },
  { of: '198.51.100.7/32', around: '198.51.100.7/32', name: 'an address' },
  { of: '0.0.0.0/0', around: undefined, name: 'the default route' },
  { of: 'fd00:42:1::/48', around: 'fd00:42::/32', name: 'IPv6' },
  { of: 'fd00:43::/32', around: undefined, name: 'IPv6 beside it' },
  { of: 'a00::/16', around: 'a00::/8', name: 'IPv6 whose first octets are those of an IPv4 prefix' },
])
  t.test(c.name, async t => {
    const prefix = parsePrefix(c.of)
    t.equal(prefix && ranges.around(prefix)?.text, c.around)
    if (keyOf(c.of).length >= 0) t.equal(ranges.around(keyOf(c.of))?.text, c.around, 'by numbers')
  })

t.equal(new Ranges([]).around(keyOf('10.0.0.0/8')), undefined)
