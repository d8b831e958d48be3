import t from 'tap'
import { type Attributes, Bench } from '../groups/testing.ts'
import type { PathView, Policy, Rule } from '../types.ts'

const P = '10.1.2.0/24'
const route: Attributes = { path: [65000, 65010], communities: ['65000:1', '65000:2'], med: 9 }
const policy = (rules: Rule[], otherwise: Policy['otherwise'] = 'reject'): Policy => ({
  name: 'test',
  rules,
  otherwise,
})
const rule = (when: Rule['when'], then: Rule['then'] = 'accept', set?: Rule['set']): Rule => ({
  name: 'r',
  when,
  then,
  set,
})

/** The route as import policy leaves it; undefined if it is rejected. */
function imported(import_: Policy, prefix = P): PathView | undefined {
  const bench = new Bench()
  bench.up(0, { import: import_ })
  bench.announce(0, [prefix], route)
  bench.work()
  const [view] = bench.paths(prefix)
  return view.best ? view : undefined
}

t.test('matching', async t => {
  for (const [name, when, accepted] of [
    ['no condition', undefined, true],
    ['the prefix itself', { prefixes: [{ prefix: P }] }, true],
    ['a shorter prefix of exact length', { prefixes: [{ prefix: '10.1.0.0/16' }] }, false],
    ['inside a range', { prefixes: [{ prefix: '10.1.0.0/16', min: 20, max: 24 }] }, true],
    ['too long for the range', { prefixes: [{ prefix: '10.1.0.0/16', max: 23 }] }, false],
    ['too short for the range', { prefixes: [{ prefix: '10.1.0.0/16', min: 25, max: 32 }] }, false],
    ['outside', { prefixes: [{ prefix: '10.2.0.0/16', max: 32 }] }, false],
    ['everything', { prefixes: [{ prefix: '0.0.0.0/0', max: 32 }] }, true],
    ['another family', { prefixes: [{ prefix: '::/0', max: 128 }] }, false],
    ['one of several ranges', { prefixes: [{ prefix: '10.2.0.0/16' }, { prefix: P }] }, true],
    ['no range at all', { prefixes: [] }, false],
    ['a community', { communities: ['1:1', '65000:2'] }, true],
    ['another community', { communities: ['65000:3'] }, false],
    ['an AS in the path', { asPathContains: [65010] }, true],
    ['an AS not in the path', { asPathContains: [65011] }, false],
    ['the kind of source', { source: ['ebgp'] }, true],
    ['another kind of source', { source: ['ibgp', 'local'] }, false],
    ['the peer', { peers: ['peer-0'] }, true],
    ['another peer', { peers: ['peer-1'] }, false],
    ['two conditions, one of which fails', { communities: ['65000:1'], asPathContains: [1] }, false],
  ] as [string, Rule['when'], boolean][]) {
    t.equal(imported(policy([rule(when)])) !== undefined, accepted, name)
  }
})

t.test('transforms', async t => {
  for (const [name, set, expected] of [
    ['LOCAL_PREF', { localPref: 7 }, { localPref: 7 }],
    ['MED', { med: 77 }, { med: 77 }],
    ['no MED', { med: 'remove' }, { med: undefined }],
    ['prepend', { prepend: { asn: 100_000, count: 2 } }, { asPath: '100000 100000 65000 65010' }],
    [
      'communities',
      { addCommunities: ['1:1', '65000:2'], removeCommunities: ['65000:1'] },
      { communities: ['65000:2', '1:1'] },
    ],
    ['no communities left', { removeCommunities: ['65000:1', '65000:2'] }, { communities: [] }],
    ['next hop', { nextHop: 'self' }, { nextHop: '192.0.2.200' }],
    [
      'several at once',
      { localPref: 1, med: 2, addCommunities: ['1:1'] },
      { localPref: 1, med: 2, communities: ['65000:1', '65000:2', '1:1'], asPath: '65000 65010' },
    ],
  ] as [string, Rule['set'], Partial<PathView>][]) {
    t.match(imported(policy([rule(undefined, 'accept', set)])), expected, name)
  }
})

t.test('the first rule that holds decides; next goes on with what it changed', async t => {
  t.equal(imported(policy([rule(undefined, 'reject'), rule(undefined)])), undefined)
  t.match(
    imported(
      policy([
        rule(undefined, 'next', { addCommunities: ['7:7'] }),
        rule({ communities: ['7:8'] }, 'reject'),
        rule({ communities: ['7:7'] }, 'accept', { localPref: 5 }),
        rule(undefined, 'reject'),
      ]),
    ),
    { localPref: 5, communities: ['65000:1', '65000:2', '7:7'] },
  )
  t.ok(imported(policy([], 'accept')))
  t.equal(imported(policy([])), undefined)
})

t.test('a rejected route is kept, and says which rule rejected it', async t => {
  const bench = new Bench()
  bench.up(0, {
    import: {
      name: 'no-defaults',
      rules: [{ name: 'default', when: { prefixes: [{ prefix: P }] }, then: 'reject' }],
      otherwise: 'accept',
    },
  })
  bench.announce(0, [P, '10.1.3.0/24'], route)
  bench.work()
  t.equal(bench.paths(P)[0].reason, 'rejected by import policy "no-defaults": rule "default"')
  t.same(bench.rib.received(0 as never), { all: 2, accepted: 1 })
  const strict: Policy = { name: 'strict', rules: [], otherwise: 'reject' }
  bench.rib.setPolicies(0 as never, { import: strict, export: strict })
  bench.work()
  t.equal(bench.paths(P)[0].reason, 'rejected by import policy "strict": no rule decides')
  t.same(bench.rib.received(0 as never), { all: 2, accepted: 0 })
  t.same(bench.rib.walk('loc', null, 0 as never, 100).rows, [])
  t.equal(bench.rib.walk('in', 0 as never, 0 as never, 100).rows.length, 2)
})

t.test('an IPv6 range is matched beyond its first word', async t => {
  for (const [prefix, accepted] of [
    ['2001:db8:1:2::/64', true],
    ['2001:db8:1:3::/64', false],
    ['2001:db8:1:2:8000::/66', true],
  ] as const) {
    const bench = new Bench({ family: 'ipv6-unicast' })
    bench.up(0, { import: policy([rule({ prefixes: [{ prefix: '2001:db8:1:2::/64', max: 128 }] })]) })
    bench.announce(0, [prefix])
    bench.work()
    t.equal(bench.paths(prefix)[0].best, accepted, prefix)
  }
})

t.test('routes of one set share the work and the set', async t => {
  const bench = new Bench()
  bench.up(0, { import: policy([rule(undefined, 'accept', { localPref: 7 })]) })
  for (let i = 0; i < 50; i++) bench.announce(0, [`10.0.${i}.0/24`], route)
  bench.work()
  t.match(bench.usage(), { prefixes: 50, paths: 50, attributeSets: 2 })
})
