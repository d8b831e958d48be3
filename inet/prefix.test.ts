import t from 'tap'
import {
  addressAt,
  contains,
  formatAddress,
  formatPrefix,
  indexOf,
  parseAddress,
  packedPrefix4,
  prefixText4,
  parsePrefix,
  subnetAt,
} from './index.ts'
import { PrefixTable } from './table.ts'
import type { Address } from './address.ts'
import type { Prefix } from './prefix.ts'

const address = (text: string): Address => parseAddress(text) ?? (t.bailout(`bad address ${text}`) as never)
const prefix = (text: string): Prefix => parsePrefix(text) ?? (t.bailout(`bad prefix ${text}`) as never)

t.test('addresses are read and written in their canonical form', async t => {
  for (const [text, canonical] of [
    ['10.0.1.7', '10.0.1.7'],
    ['0:0:0:0:0:0:0:0', '::'],
    ['FD00::0001', 'fd00::1'],
    ['fe80:0:0:1:0:0:0:1', 'fe80:0:0:1::1'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['::ffff:10.0.0.1', '::ffff:a00:1'],
  ])
    t.equal(formatAddress(address(text)), canonical)
  for (const text of [
    '',
    '10.0.0',
    '10.0.0.256',
    '010.0.0.1',
    '1:2:3',
    '1::2::3',
    ':::',
    '1:2:3:4:5:6:7:8::',
    'g::',
    '10.0.0.1 ',
  ])
    t.equal(parseAddress(text), undefined, text)
})

t.test('a prefix with host bits is refused', async t => {
  t.equal(parsePrefix('10.42.0.1/16'), undefined)
  t.equal(parsePrefix('10.42.0.0/33'), undefined)
  t.equal(parsePrefix('10.42.0.0/'), undefined)
  t.equal(formatPrefix(prefix('10.42.0.1')), '10.42.0.1/32')
  t.equal(formatPrefix(prefix('fd00:42::/48')), 'fd00:42::/48')
})

t.test('containment, subnets and indices agree', async t => {
  const pool = prefix('10.42.0.0/15')
  t.ok(contains(pool, address('10.43.255.255')))
  t.notOk(contains(pool, address('10.44.0.0')))
  t.equal(formatPrefix(subnetAt(pool, 26, 5)), '10.42.1.64/26')
  t.equal(formatPrefix(subnetAt(prefix('fd00::/112'), 122, 3)), 'fd00::c0/122')
  t.equal(formatAddress(addressAt(pool, 65536 + 3)), '10.43.0.3')
  t.equal(indexOf(pool, address('10.43.0.3')), 65539)
  t.equal(indexOf(pool, address('10.41.0.3')), -1)
})

t.test('the longest acceptable match wins', async t => {
  const table = new PrefixTable<string>()
  table.set(prefix('0.0.0.0/0'), 'default')
  table.set(prefix('10.0.0.0/8'), 'eight')
  table.set(prefix('10.1.0.0/16'), 'sixteen')
  t.equal(table.match(address('10.1.2.3'))?.value, 'sixteen')
  t.equal(table.match(address('10.1.2.3'), value => value !== 'sixteen')?.value, 'eight')
  t.equal(table.match(address('11.1.2.3'))?.value, 'default')
  t.equal(table.match(address('fd00::1')), undefined)
  t.ok(table.delete(prefix('10.1.0.0/16')))
  t.equal(table.match(address('10.1.2.3'))?.value, 'eight')
  t.equal(table.size, 2)
})

for (const text of [
  '0.0.0.0/0',
  '10.42.0.0/26',
  '255.255.255.255/32',
  '255.255.255.255',
  '128.0.0.0/1',
  '10.42.0.1/26',
  '10.42.0.0/33',
  '10.42.0.0/',
  '10.42.0.0/07',
  '10.42.0/16',
  '10.42.0.00/16',
  '010.42.0.0/16',
  '10.42.0.256/32',
  '10.42.0.0.0/16',
  '10.42.0./16',
  '/16',
  '',
  'fd00::/8',
])
  t.test(`"${text}" is the same as a prefix and as one number`, async t => {
    const prefix = parsePrefix(text)
    const four = prefix?.family === 4 ? prefix : undefined
    t.equal(packedPrefix4(text), four ? Buffer.from(four.octets).readUInt32BE() * 64 + four.length : -1)
  })

t.test('the text of an IPv4 prefix from its number', async t => {
  for (const text of ['0.0.0.0/0', '10.42.0.0/26', '192.0.2.255/32', '255.255.255.254/31', '128.0.0.0/1']) {
    const packed = packedPrefix4(text)
    t.equal(prefixText4(Math.floor(packed / 64), packed % 64), text)
    t.equal(prefixText4(Math.floor(packed / 64) | 0, packed % 64), text, 'as a signed number')
  }
})
