import t from 'tap'
import {
  asPath,
  asPathContains,
  asPathFirst,
  asPathLength,
  asPathText,
  communities,
  extendedCommunities,
  formatCommunity,
  hasCommunity,
  parseCommunity,
  parseExtendedCommunity,
} from './attributes.ts'

t.test('readers of AS_PATH', t => {
  const octets = asPath.encode([
    { type: 'sequence', asns: [65001, 4200000000] },
    { type: 'set', asns: [65003, 65004] },
  ])
  t.equal(asPathText(octets, 0, octets.length), '65001 4200000000 {65003 65004}')
  t.equal(asPathLength(octets, 0, octets.length), 3)
  t.equal(asPathFirst(octets, 0, octets.length), 65001)
  for (const [asn, expected] of [
    [65001, true],
    [65004, true],
    [4200000000, true],
    [65002, false],
  ] as const) {
    t.equal(asPathContains(octets, 0, octets.length, asn), expected, String(asn))
  }
  const inside = asPath.encode([
    { type: 'confed-sequence', asns: [65001, 65002] },
    { type: 'confed-set', asns: [65003, 65004] },
    { type: 'sequence', asns: [7, 8] },
  ])
  t.equal(asPathText(inside, 0, inside.length), '(65001 65002) [65003 65004] 7 8')
  t.equal(asPathLength(inside, 0, inside.length), 2, 'members do not count (RFC 5065 §5.3)')
  t.equal(asPathFirst(inside, 0, inside.length), 7, 'nor are they the neighbour whose MED is compared')
  t.equal(asPathText(octets, 0, 0), '')
  t.equal(asPathFirst(octets, 0, 0), 0)
  const long = asPath.encode([{ type: 'sequence', asns: Array.from({ length: 300 }, (_, i) => i + 1) }])
  t.equal(asPathLength(long, 0, long.length), 300, 'more than 255 AS numbers take two segments')
  t.end()
})

t.test('communities as text', t => {
  for (const [text, value] of [
    ['0:0', 0],
    ['65535:65281', 0xffffff01],
    ['65001:20', 0xfde90014],
  ] as const) {
    t.equal(parseCommunity(text), value)
    t.equal(formatCommunity(value), text)
  }
  for (const bad of ['65536:1', '1:65536', '1', '1:2:3', 'a:b', '-1:2', ''])
    t.equal(parseCommunity(bad), undefined, bad)
  t.equal(parseCommunity('no-export'), 0xffffff01)
  t.equal(parseCommunity('blackhole'), 0xffff029a)
  for (const [text, hex] of [
    ['rt:65001:70000', '0002fde900011170'],
    ['ro:10.0.0.1:5', '01030a0000010005'],
    ['rt:4200000001:9', '0202fa56ea010009'],
    ['0x4004fde900000001', '4004fde900000001'],
  ] as const) {
    t.equal(Buffer.from(parseExtendedCommunity(text) ?? []).toString('hex'), hex)
    t.same(extendedCommunities.decode(Buffer.from(hex, 'hex'), 0, 8), [text])
  }
  const small = Buffer.from('0202000000010009', 'hex')
  t.same(
    extendedCommunities.decode(small, 0, 8),
    ['0x0202000000010009'],
    'an AS of four octets that would fit into two',
  )
  const octets = communities.encode(['1:2', '3:4'])
  t.ok(hasCommunity(octets, 0, octets.length, 0x30004))
  t.notOk(hasCommunity(octets, 0, octets.length, 0x30005))
  t.end()
})
