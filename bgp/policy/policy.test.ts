import t from 'tap'
import { type Attributes, Bench } from '../groups/testing.ts'
import type { PathView, Policy, Rule } from '../types.ts'

const P = '10.1.2.0/24'
const route: Attributes = {
  path: [65000, 65010],
  communities: ['65000:1', '65000:2'],
  largeCommunities: ['65000:7:1', '65000:7:2'],
  extendedCommunities: ['rt:65000:20', 'ro:10.0.0.1:5', '0x4004fde900000001'],
  med: 9,
}
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
    ['the length at least', { prefixes: [{ prefix: '10.1.0.0/16', min: 20 }] }, true],
    ['the family', { family: 'ipv4-unicast' }, true],
    ['the other family', { family: 'ipv6-unicast' }, false],
    ['a large community', { communities: ['65000:7:2'] }, true],
    ['another large community', { communities: ['65000:7:3'] }, false],
    ['a route target', { communities: ['rt:65000:20'] }, true],
    ['a route origin', { communities: ['ro:10.0.0.1:5'] }, true],
    ['a route origin is no route target', { communities: ['rt:10.0.0.1:5'] }, false],
    ['an extended community by its octets', { communities: ['0x4004fde900000001'] }, true],
    ['any community of an AS', { communities: ['65000:*'] }, true],
    ['any community of another AS', { communities: ['65001:*'] }, false],
    ['any large community of a function', { communities: ['65000:7:*'] }, true],
    ['a large community of whatever AS', { communities: ['*:7:2'] }, true],
    ['any large community of another function', { communities: ['65000:8:*'] }, false],
    ['any route target of an AS', { communities: ['rt:65000:*'] }, true],
    ['any route target of another AS', { communities: ['rt:65001:*'] }, false],
    ['a well-known community by name', { communities: ['no-export'] }, false],
    ['a path', { asPath: '65000 65010' }, true],
    ['a path that begins so', { asPath: '65000 .*' }, true],
    ['a path that begins otherwise', { asPath: '65010 .*' }, false],
    ['an empty path', { asPath: '' }, false],
    ['private ASes only', { asPath: '(64512..65534)+' }, true],
    ['the next hop', { nextHops: ['192.0.2.1'] }, true],
    ['where the next hop is', { nextHops: ['198.51.100.0/24', '192.0.2.0/24'] }, true],
    ['another next hop', { nextHops: ['192.0.2.2', '2001:db8::/32'] }, false],
    ['the origin', { origin: ['egp', 'igp'] }, true],
    ['another origin', { origin: ['incomplete'] }, false],
    ['the default LOCAL_PREF', { localPref: { min: 100, max: 100 } }, true],
    ['another LOCAL_PREF', { localPref: { min: 101 } }, false],
    ['MED in a range', { med: { min: 5, max: 9 } }, true],
    ['MED out of a range', { med: { max: 8 } }, false],
    ['all at once', { communities: ['65000:7:*'], asPath: '. .', nextHops: ['192.0.2.1'], med: { min: 9 } }, true],
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
    ['next hop given', { nextHop: '198.51.100.7' }, { nextHop: '198.51.100.7' }],
    ['next hop of the other family', { nextHop: '2001:db8::7' }, { nextHop: '192.0.2.1' }],
    ['origin', { origin: 'incomplete' }, { origin: 'incomplete' }],
    [
      'communities of all kinds',
      {
        addCommunities: ['65000:9:9', 'rt:4200000000:1', 'no-export', '65000:7:1'],
        removeCommunities: ['65000:1', '65000:7:*', 'ro:10.0.0.1:*'],
      },
      {
        communities: ['65000:2', '65535:65281'],
        largeCommunities: ['65000:9:9', '65000:7:1'],
        extendedCommunities: ['rt:65000:20', '0x4004fde900000001', 'rt:4200000000:1'],
      },
    ],
    [
      'all communities replaced',
      { setCommunities: ['1:1', '1:1', '2:2:2'], addCommunities: ['3:3'] },
      { communities: ['1:1', '3:3'], largeCommunities: ['2:2:2'], extendedCommunities: [] },
    ],
    [
      'no communities of any kind',
      { setCommunities: [] },
      { communities: [], largeCommunities: [], extendedCommunities: [] },
    ],
    [
      'one kind cleared',
      { removeCommunities: ['*:*'] },
      { communities: [], largeCommunities: ['65000:7:1', '65000:7:2'] },
    ],
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

t.test('a route without MED has none in any range; our own next hop is an address like others', async t => {
  const bench = new Bench()
  const only = (when: Rule['when']) => policy([rule(when)])
  bench.up(0, { import: only({ med: {} }) })
  bench.up(1, { export: only({ nextHops: ['192.0.2.200'] }) })
  bench.announce(0, ['10.7.0.0/16'])
  bench.rib.originate([{ prefix: P }, { prefix: '10.3.0.0/16', nextHop: '192.0.2.77' }])
  bench.work()
  t.notOk(bench.paths('10.7.0.0/16')[0].best)
  const receiver = bench.receiver(1)
  bench.settle(new Map([[1, receiver]]))
  t.same([...receiver.routes.keys()], [P])
})

t.test('on the way out: a next hop that policy sets is sent, all others are ours', async t => {
  for (const [nextHop, kind, expected] of [
    ['auto', 'ebgp', { '10.1.0.0/16': '198.51.100.7', '10.2.0.0/16': '192.0.2.200', '10.3.0.0/16': '192.0.2.77' }],
    ['self', 'ebgp', { '10.1.0.0/16': '198.51.100.7', '10.2.0.0/16': '192.0.2.200', '10.3.0.0/16': '192.0.2.200' }],
    ['keep', 'ebgp', { '10.1.0.0/16': '198.51.100.7', '10.2.0.0/16': '192.0.2.1', '10.3.0.0/16': '192.0.2.77' }],
    ['auto', 'ibgp', { '10.1.0.0/16': '198.51.100.7', '10.2.0.0/16': '192.0.2.1', '10.3.0.0/16': '192.0.2.77' }],
  ] as const) {
    const bench = new Bench()
    bench.up(0)
    const rules = [rule({ prefixes: [{ prefix: '10.1.0.0/16' }] }, 'next', { nextHop: '198.51.100.7' })]
    bench.up(1, { kind, nextHop, export: policy(rules, 'accept') })
    bench.announce(0, ['10.1.0.0/16', '10.2.0.0/16'])
    bench.rib.originate([{ prefix: '10.3.0.0/16', nextHop: '192.0.2.77' }])
    const receiver = bench.receiver(1)
    bench.settle(new Map([[1, receiver]]))
    const sent = [...receiver.routes].map(([prefix, view]) => [prefix, view.nextHop])
    t.same(Object.fromEntries(sent), expected, `${nextHop}, ${kind}`)
  }
})

t.test('an explanation names the rules that were passed on the way', async t => {
  const bench = new Bench()
  bench.up(0)
  const rules: Rule[] = [
    { name: 'mark', then: 'next', set: { addCommunities: ['7:7'] } },
    { name: 'marked', when: { communities: ['7:7'] }, then: 'accept' },
  ]
  bench.up(1, { export: policy(rules) })
  bench.up(2, { export: policy([]) })
  bench.announce(0, [P], route)
  bench.work()
  const why = (peer: number) => bench.rib.explainExport(peer as never, bench.rib.lookup(P)!)
  t.same(why(1), { accepted: true, text: 'accepted by export policy "test": rule "marked", after "mark"' })
  t.same(why(2), { accepted: false, text: 'rejected by export policy "test": no rule decides' })
  t.same(why(0), { accepted: false, text: 'not sent: it came from this peer' })
  t.equal(why(3), undefined)
})

t.test('routes of one set share the work and the set', async t => {
  const bench = new Bench()
  bench.up(0, { import: policy([rule(undefined, 'accept', { localPref: 7 })]) })
  for (let i = 0; i < 50; i++) bench.announce(0, [`10.0.${i}.0/24`], route)
  bench.work()
  t.match(bench.usage(), { prefixes: 50, paths: 50, attributeSets: 2 })
})

t.test('several policies: each decides, or leaves it to the next', async t => {
  const always = (name: string, then: Rule['then'], set?: Rule['set']): Rule => ({ name, then, set })
  const named = (name: string, rules: Rule[], otherwise: Policy['otherwise']): Policy => ({ name, rules, otherwise })
  const tag = (community: string) => ({ addCommunities: [community] })
  const bogons = named(
    'bogons',
    [{ ...always('default', 'reject'), when: { prefixes: [{ prefix: '0.0.0.0/0' }] } }],
    'nextPolicy',
  )
  const marks = named('marks', [always('mark', 'nextPolicy', tag('65001:1')), always('never', 'reject')], 'reject')
  const customers = named(
    'customers',
    [
      always('note', 'next', tag('65001:2')),
      { ...always('marked', 'accept', { localPref: 200 }), when: { communities: ['65001:1'] } },
    ],
    'reject',
  )
  for (const [name, policies, prefix, accepted, text] of [
    [
      'a later one decides',
      [bogons, marks, customers],
      P,
      true,
      'rule "marked", after policy "bogons", policy "marks" ("mark"), "note"',
    ],
    [
      'the first one decides',
      [bogons, marks, customers],
      '0.0.0.0/0',
      false,
      'rejected by import policy "bogons": rule "default"',
    ],
    [
      'what the first one set is seen by the next',
      [customers],
      P,
      false,
      'rejected by import policy "customers": no rule decides, after "note"',
    ],
    ['the order counts', [customers, marks], P, false, 'rejected by import policy "customers"'],
    [
      'the last one has the last word',
      [bogons, named('end', [], 'accept')],
      P,
      true,
      'policy "end": no rule decides, after policy "bogons"',
    ],
  ] as const) {
    const bench = new Bench()
    bench.up(0, { import: policies })
    bench.announce(0, [prefix], route)
    bench.announce(0, ['10.9.9.0/24'], route)
    bench.work()
    const [view] = bench.paths(prefix)
    t.equal(view.best, accepted, name)
    if (!accepted) t.ok(view.reason?.startsWith(text), `${view.reason}`)
  }
  const bench = new Bench()
  bench.up(0, { import: [bogons, marks, customers] })
  bench.up(1, { export: [bogons, marks, customers] })
  bench.announce(0, [P], route)
  bench.work()
  t.match(bench.paths(P)[0], { localPref: 200, communities: ['65000:1', '65000:2', '65001:1', '65001:2'] })
  const said = bench.rib.explainExport(1 as never, bench.rib.lookup(P)!)
  t.equal(
    said?.text,
    'accepted by export policy "customers": rule "marked", after policy "bogons", policy "marks" ("mark"), "note"',
  )
  bench.rib.setPolicies(0 as never, { import: [bogons, customers] })
  bench.work()
  t.notOk(bench.paths(P)[0].best, 'another list takes effect at once')
})

t.test('limits on AS paths and communities, before policy', async t => {
  const long: Attributes = { ...route, path: [65000, [1, 2, 3]], members: [5] }
  for (const [limits, reason] of [
    [{ maxAsPathLength: 5, maxCommunities: 7 }, undefined],
    [{ maxAsPathLength: 4 }, 'rejected: its AS path has 5 AS numbers, and maxAsPathLength is 4'],
    [{ maxCommunities: 6 }, 'rejected: it has 7 communities, and maxCommunities is 6'],
    [{ maxCommunities: 0 }, 'rejected: it has 7 communities, and maxCommunities is 0'],
  ] as const) {
    const bench = new Bench()
    bench.up(0, limits)
    bench.announce(0, [P, '10.9.0.0/24'], long)
    bench.work()
    t.equal(bench.paths(P)[0].reason, reason, JSON.stringify(limits))
    t.same(bench.rib.received(0 as never), { all: 2, accepted: reason ? 0 : 2 })
    bench.rib.setPolicies(0 as never, { maxAsPathLength: undefined, maxCommunities: undefined })
    bench.work()
    t.same(bench.rib.received(0 as never), { all: 2, accepted: 2 }, 'another limit takes effect at once')
  }
})

t.test(
  'rules in a row say of a set known already what they said at first, and of each other one what is theirs',
  async t => {
    const mark = (community: string) => ({ addCommunities: [community] })
    const rules: Rule[] = [
      rule({ communities: ['65000:1'] }, 'next', mark('65001:1')),
      rule({ communities: ['65001:1'], asPath: '.* 65011' }, 'reject'),
      rule({ prefixes: [{ prefix: '10.9.0.0/16', max: 32 }] }, 'next', mark('65001:9')),
      rule({ communities: ['65001:9', '9:9'], asPath: '65000 (65010 | 65012)' }, 'nextPolicy', mark('65001:2')),
      rule({ asPath: '65000 65010' }, 'accept', { localPref: 300 }),
      rule({ communities: ['65000:7:*', 'rt:65000:20'] }, 'next'),
    ]
    const bench = new Bench()
    bench.up(0, {
      import: [policy(rules), { name: 'last', rules: [rule(undefined, 'accept', { med: 5 })], otherwise: 'reject' }],
    })
    for (const end of [65010, 65011, 65012]) {
      const prefixes = ['1', '2', '9'].map(n => `10.${n}.${end - 65000}.0/24`)
      bench.announce(0, prefixes, { ...route, path: [65000, end] })
      bench.work()
      const said = prefixes
        .map(prefix => bench.paths(prefix)[0])
        .map(({ best, localPref, med, communities }) =>
          best ? `${localPref} ${med} ${communities?.filter(one => one.startsWith('65001')).join(' ')}` : 'rejected',
        )
      t.same(
        said,
        {
          65010: ['300 9 65001:1', '300 9 65001:1', 'undefined 5 65001:1 65001:9 65001:2'],
          65011: ['rejected', 'rejected', 'rejected'],
          65012: ['rejected', 'rejected', 'undefined 5 65001:1 65001:9 65001:2'],
        }[end],
      )
    }
  },
)
