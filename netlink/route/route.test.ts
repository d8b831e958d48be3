import t from 'tap'
import { open, RouteTable } from '../index.ts'
import { namespace, type TestNamespace } from '../test-namespace.ts'
import type { Operation, Result, Route, Rtnetlink } from '../types.ts'

interface Stage {
  readonly ns: TestNamespace
  readonly netlink: Rtnetlink
  readonly a0: number
  readonly b0: number
}

/** Two links with carrier: 10.0.0.1/24 and fd00::1/64 on a0, 10.0.1.1/24 and fd00:1::1/64 on b0. */
async function stage(t: { teardown(cleanUp: () => unknown): unknown }): Promise<Stage> {
  const ns = namespace(t)
  ns.batch([
    'link add a0 type veth peer a1',
    'link add b0 type veth peer b1',
    ...['a0', 'a1', 'b0', 'b1'].map(link => `link set ${link} up`),
    'address add 10.0.0.1/24 dev a0',
    'address add fd00::1/64 dev a0 nodad',
    'address add 10.0.1.1/24 dev b0',
    'address add fd00:1::1/64 dev b0 nodad',
  ])
  const netlink = await open({ netns: ns.path })
  t.teardown(() => netlink.close())
  return { ns, netlink, a0: (await netlink.link('a0'))!.index, b0: (await netlink.link('b0'))!.index }
}

const add = (route: Route): Operation => ({ do: 'route.add', route })
const replace = (route: Route): Operation => ({ do: 'route.replace', route })
const remove = (route: Route): Operation => ({ do: 'route.delete', route })
const fails = (results: readonly Result[]): readonly string[] =>
  results.map(result => (result.ok ? 'ok' : result.errno))

t.test('routes of every form are dumped as they were given, and `ip` sees the same', async t => {
  const { ns, netlink, a0, b0 } = await stage(t)
  const four = { type: 'unicast', table: 254, protocol: 81, scope: 'universe', metric: 1081 } as const
  const six = { type: 'unicast', table: 254, protocol: 81, metric: 1081 } as const
  const near = { gateway: '10.0.0.2', link: a0 }
  const cases: readonly { readonly route: Route; readonly seen: object }[] = [
    {
      route: { ...four, dst: '10.42.0.0/26', nextHops: [near] },
      seen: { dst: '10.42.0.0/26', gateway: '10.0.0.2', dev: 'a0', protocol: '81', metric: 1081 },
    },
    {
      route: {
        ...four,
        dst: '10.42.0.64/26',
        nextHops: [{ gateway: '192.168.9.9', link: a0, onlink: true }],
        source: '10.0.0.1',
        mtu: 1380,
      },
      seen: { gateway: '192.168.9.9', flags: ['onlink'], prefsrc: '10.0.0.1', metrics: [{ mtu: 1380 }] },
    },
    {
      route: {
        ...four,
        dst: '10.42.0.128/26',
        nextHops: [near, { gateway: '192.168.9.9', link: b0, onlink: true, weight: 256 }],
      },
      seen: {
        nexthops: [
          { gateway: '10.0.0.2', dev: 'a0', weight: 1 },
          { gateway: '192.168.9.9', dev: 'b0', weight: 256, flags: ['onlink'] },
        ],
      },
    },
    {
      route: {
        type: 'unicast',
        table: 254,
        protocol: 81,
        scope: 'link',
        dst: '10.42.0.5/32',
        nextHops: [{ link: a0 }],
      },
      seen: { dst: '10.42.0.5', dev: 'a0', scope: 'link' },
    },
    {
      route: { ...four, dst: '10.42.1.0/26', type: 'blackhole', nextHops: [] },
      seen: { type: 'blackhole', protocol: '81', metric: 1081 },
    },
    {
      route: { ...four, dst: '10.43.0.0/16', type: 'unreachable', protocol: 4, nextHops: [] },
      seen: { type: 'unreachable', protocol: 'static' },
    },
    {
      route: { ...four, dst: '0.0.0.0/0', metric: 7, nextHops: [near] },
      seen: { dst: 'default', gateway: '10.0.0.2' },
    },
    {
      route: { ...four, dst: '10.44.0.0/16', tos: 16, nextHops: [{ gateway: 'fd00::2', link: a0 }] },
      seen: { via: { family: 'inet6', host: 'fd00::2' }, dev: 'a0' },
    },
    {
      route: {
        ...four,
        dst: '10.44.0.0/24',
        nextHops: [
          { gateway: 'fe80::2', link: a0 },
          { gateway: 'fe80::2', link: b0, weight: 3 },
        ],
      },
      seen: {
        nexthops: [
          { via: { family: 'inet6', host: 'fe80::2' }, dev: 'a0', weight: 1 },
          { via: { family: 'inet6', host: 'fe80::2' }, dev: 'b0', weight: 3 },
        ],
      },
    },
    {
      route: { ...four, dst: '10.45.0.0/16', table: 4711, type: 'blackhole', nextHops: [] },
      seen: { type: 'blackhole' },
    },
    {
      route: { ...six, dst: 'fd42::/122', nextHops: [{ gateway: 'fd00::2', link: a0 }] },
      seen: { dst: 'fd42::/122', gateway: 'fd00::2', dev: 'a0', metric: 1081 },
    },
    {
      route: {
        ...six,
        dst: 'fd42:1::/64',
        nextHops: [
          { gateway: 'fd00::2', link: a0 },
          { gateway: 'fd00:1::2', link: b0, weight: 3 },
        ],
        source: 'fd00::1',
        mtu: 1380,
      },
      seen: { nexthops: [{ gateway: 'fd00::2' }, { gateway: 'fd00:1::2', weight: 3 }], metrics: [{ mtu: 1380 }] },
    },
    {
      route: { ...six, dst: 'fd42:3::/64', from: 'fd00:dead::/32', nextHops: [{ gateway: 'fd00::2', link: a0 }] },
      seen: { dst: 'fd42:3::/64', from: 'fd00:dead::/32' },
    },
    { route: { ...six, dst: 'fd42::5/128', nextHops: [{ link: a0 }] }, seen: { dst: 'fd42::5', dev: 'a0' } },
    { route: { ...six, dst: 'fd42:2::/64', type: 'blackhole', nextHops: [] }, seen: { type: 'blackhole' } },
    {
      route: { ...six, dst: '::/0', metric: 7, nextHops: [{ gateway: 'fd00::2', link: a0 }] },
      seen: { dst: 'default' },
    },
  ]
  const routes = cases.map(({ route }) => route)
  t.same(
    fails(await netlink.apply(routes.map(add))),
    routes.map(() => 'ok'),
  )
  const table = await netlink.routes({ table: 0 })
  for (const [i, route] of routes.entries()) {
    const { dst, table: number = 254 } = route
    t.strictSame(
      table.filter(r => r.dst === dst && r.table === number),
      [route],
      dst,
    )
    const words = `${dst.includes(':') ? '-6 ' : ''}route show table ${number} exact ${dst}`
    t.match(ns.json(words), [cases[i].seen], `ip ${words}`)
  }

  t.same(
    (await netlink.routes({ protocol: 81 })).map(r => r.dst).toSorted(),
    routes
      .filter(r => r.protocol === 81 && r.table === 254)
      .map(r => r.dst)
      .toSorted(),
    'the filter by protocol, and table main by default',
  )
  t.same(
    (await netlink.routes({ family: 4, table: 4711 })).map(r => r.dst),
    ['10.45.0.0/16'],
  )
  t.same(await netlink.routes({ table: 4712 }), [], 'a table that nobody uses is empty')

  t.same(
    fails(await netlink.apply(routes.map(remove))),
    routes.map(() => 'ok'),
  )
  t.same(await netlink.routes({ protocol: 81, table: 0 }), [])
})

t.test('what a route has that is not told is marked', async t => {
  const { ns, netlink } = await stage(t)
  const plain = ['10.42.0.0/26 via 10.0.0.2', 'fd00:42::/64 via fd00::2', '10.42.1.0/26 via 10.0.0.2 mtu 1300']
  const more = [
    '10.43.0.0/26 via 10.0.0.2 advmss 700',
    '10.43.1.0/26 via 10.0.0.2 realm 5',
    '10.43.2.0/26 via 10.0.0.2 mtu lock 1300',
    '10.43.3.0/26 nexthop via 10.0.0.2 nexthop via 10.0.0.3 realm 5',
    'fd00:43::/64 via fd00::2 hoplimit 3',
    'fd00:43:1::/64 via fd00::2 pref low',
    'fd00:43:2::/64 via fd00::2 expires 1000',
  ]
  ns.batch([...plain, ...more].map(route => `route add ${route.replace(' ', ' proto 81 ')}`))
  const routes = (await netlink.routes()).filter(({ protocol }) => protocol === 81)
  const dst = (text: string) => text.split(' ')[0]
  t.same(
    routes
      .filter(({ further }) => further)
      .map(route => route.dst)
      .toSorted(),
    more.map(dst).toSorted(),
  )
  t.equal(routes.length, plain.length + more.length)
})

t.test('defaults are those of `ip route`', async t => {
  const { netlink, a0 } = await stage(t)
  await netlink.apply([
    add({ dst: '10.50.0.0/16', nextHops: [{ gateway: '10.0.0.2' }] }),
    add({ dst: '10.51.0.0/16', nextHops: [{ link: a0 }] }),
    add({ dst: 'fd50::/64', nextHops: [{ gateway: 'fd00::2' }] }),
  ])
  const [via] = (await netlink.routes()).filter(r => r.dst === '10.50.0.0/16')
  t.strictSame(via, {
    dst: '10.50.0.0/16',
    type: 'unicast',
    table: 254,
    protocol: 4,
    scope: 'universe',
    nextHops: [{ gateway: '10.0.0.2', link: a0 }],
  })
  t.match(
    (await netlink.routes()).find(r => r.dst === '10.51.0.0/16'),
    { scope: 'link', nextHops: [{ link: a0 }] },
  )
  t.match(
    (await netlink.routes()).find(r => r.dst === 'fd50::/64'),
    { protocol: 4, metric: 1024 },
  )
  const bare = ['10.50.0.0/16', '10.51.0.0/16', 'fd50::/64'].map(dst => remove({ dst, nextHops: [] }))
  t.same(fails(await netlink.apply(bare)), ['ok', 'ok', 'ok'], 'delete takes any scope, protocol, metric and next hop')
})

t.test('add never replaces, replace leaves another metric alone and takes its own', async t => {
  for (const [dst, one, two] of [
    ['10.60.0.0/16', '10.0.0.2', '10.0.0.3'],
    ['fd60::/64', 'fd00::2', 'fd00::3'],
  ]) {
    const { ns, netlink, a0 } = await stage(t)
    ns.ip(`${dst.includes(':') ? '-6 ' : ''}route add ${dst} via ${one} proto static metric 50`)
    const ours = (gateway: string): Route => ({ dst, protocol: 81, metric: 1081, nextHops: [{ gateway, link: a0 }] })
    t.same(
      fails(
        await netlink.apply([
          add({ ...ours(two), metric: 50 }), // foreign holder of the key
          replace(ours(one)),
          add(ours(two)), // our own holder
          replace(ours(two)),
        ]),
      ),
      ['EEXIST', 'ok', 'EEXIST', 'ok'],
    )
    const found = (await netlink.routes()).filter(r => r.dst === dst)
    t.match(
      found.toSorted((a, b) => (a.metric ?? 0) - (b.metric ?? 0)),
      [
        { metric: 50, protocol: 4, nextHops: [{ gateway: one }] },
        { metric: 1081, protocol: 81, nextHops: [{ gateway: two }] },
      ],
    )
    t.equal(found.length, 2)
  }
})

t.test('delete matches what is given', async t => {
  for (const [dst, one, two] of [
    ['10.60.0.0/16', '10.0.0.2', '10.0.0.3'],
    ['fd60::/64', 'fd00::2', 'fd00::3'],
  ]) {
    const { netlink, a0 } = await stage(t)
    const route = (protocol: number, metric: number): Route => ({
      dst,
      protocol,
      metric,
      nextHops: [{ gateway: one, link: a0 }],
    })
    const left = async (): Promise<readonly number[]> =>
      (await netlink.routes())
        .filter(r => r.dst === dst)
        .map(r => r.metric ?? 0)
        .toSorted((a, b) => a - b)
    await netlink.apply([add(route(4, 50)), add(route(81, 60)), add(route(81, 70))])
    t.same(
      fails(
        await netlink.apply([
          remove(route(81, 50)), // that metric is another's
          remove(route(82, 70)),
          remove({ ...route(81, 70), nextHops: [{ gateway: two, link: a0 }] }),
          remove({ ...route(81, 70), type: 'blackhole', nextHops: [] }),
        ]),
      ),
      ['ESRCH', 'ESRCH', 'ESRCH', 'ESRCH'],
      dst,
    )
    t.same(await left(), [50, 60, 70])
    t.same(fails(await netlink.apply([remove({ dst, protocol: 81, metric: 70, nextHops: [] })])), ['ok'])
    t.same(await left(), [50, 60])
    t.same(fails(await netlink.apply([remove({ dst, protocol: 81, nextHops: [] })])), ['ok'])
    t.same(await left(), [50])
    t.same(fails(await netlink.apply([remove({ dst, nextHops: [] })])), ['ok'])
    t.same(await left(), [])
  }
})

t.test('a batch of good and bad operations has the right result for each', async t => {
  const { netlink, a0 } = await stage(t)
  const hop = [{ gateway: '10.0.0.2', link: a0 }]
  const results = await netlink.apply([
    add({ dst: '10.70.0.0/24', nextHops: hop }),
    add({ dst: '10.70.0.1/24', nextHops: hop }),
    add({ dst: '10.70.1.0/24', nextHops: [{ gateway: '172.16.0.1' }] }),
    add({ dst: '10.70.0.0/24', nextHops: hop }),
    add({ dst: '10.70.2.0/24', type: 'blackhole', nextHops: hop }),
    add({ dst: '10.70.2.0/24', type: 'hole' as 'blackhole', nextHops: [] }),
    remove({ dst: '10.99.0.0/24', nextHops: [] }),
    add({ dst: '10.70.3.0/24', nextHops: [{ gateway: '10.0.0.2', link: 4711 }] }),
    add({ dst: '10.70.4.0/24', nextHops: [{ gateway: 'ten' }] }),
    add({ dst: 'fd70::/64', nextHops: [{ gateway: '10.0.0.2' }] }),
    add({ dst: '10.70.5.0/24', nextHops: [{ ...hop[0], weight: 257 }] }),
    add({ dst: '10.70.6.0/24', nextHops: [{}] }),
    add({ dst: '10.70.7.0/24', protocol: 300, nextHops: hop }),
    add({ dst: '10.70.8.0/24', nextHops: hop }),
  ])
  t.match(results, [
    { ok: true },
    { errno: 'EINVAL', text: /"10.70.0.1\/24" is no prefix/ },
    { errno: 'ENETUNREACH', text: 'Nexthop has invalid gateway' },
    { errno: 'EEXIST' },
    { errno: 'EINVAL', text: /a blackhole route has no next hop/ },
    { errno: 'EINVAL', text: /type "hole" is none of/ },
    { errno: 'ESRCH' },
    { errno: 'ENETUNREACH' },
    { errno: 'EINVAL', text: /gateway "ten" is no IP address/ },
    { errno: 'EINVAL', text: /gateway "10.0.0.2" is IPv4/ },
    { errno: 'EINVAL', text: /weight 257/ },
    { errno: 'EINVAL', text: /neither gateway nor link/ },
    { errno: 'EINVAL', text: /protocol 300/ },
    { ok: true },
  ])
  t.same(
    (await netlink.routes({ family: 4, protocol: 4 })).map(r => r.dst),
    ['10.70.0.0/24', '10.70.8.0/24'],
  )
})

t.test('20,000 routes: errors keep their places, and the dump has each route once', async t => {
  const { ns, netlink, a0 } = await stage(t)
  const dst = (i: number): string => `20.${i >> 8}.${i & 255}.0/24`
  const operations = Array.from({ length: 20_000 }, (_, i) =>
    add({
      dst: i % 1000 === 999 ? dst(i - 1) : dst(i),
      protocol: 81,
      metric: 1081,
      nextHops: [{ gateway: '10.0.0.2', link: a0 }],
    }),
  )
  const results = await netlink.apply(operations)
  t.same(
    results.flatMap((result, i) => (result.ok ? [] : [[i, result.errno]])),
    Array.from({ length: 20 }, (_, i) => [1000 * i + 999, 'EEXIST']),
  )
  const routes = await netlink.routes({ protocol: 81 })
  t.equal(routes.length, 19_980)
  t.equal(new Set(routes.map(r => r.dst)).size, 19_980)
  t.equal(ns.ip('route show proto 81').trim().split('\n').length, 19_980)
})

t.test('the routing table in a line', async t => {
  const { ns } = await stage(t)
  const routes = new RouteTable({ netns: ns.path })
  t.teardown(() => routes.close())
  await routes.replace({ dst: '10.80.0.0/16', gateway: '10.0.0.2' })
  await routes.replace({ dst: '10.80.0.0/16', gateway: '10.0.0.3', device: 'a0' })
  await routes.add({ dst: '10.81.0.0/16', type: 'blackhole', metric: 9 })
  t.match(ns.json('route show proto static'), [
    { dst: '10.80.0.0/16', gateway: '10.0.0.3' },
    { type: 'blackhole', dst: '10.81.0.0/16', metric: 9 },
  ])
  t.match(await routes.list({ protocol: 4 }), [{ dst: '10.80.0.0/16' }, { dst: '10.81.0.0/16' }])
  await routes.delete({ dst: '10.80.0.0/16' })
  await t.rejects(routes.delete({ dst: '10.80.0.0/16' }), { code: 'ESRCH', message: /route.delete 10.80.0.0\/16: / })
  await t.rejects(routes.add({ dst: '10.82.0.0/16', device: 'zz9' }), { code: 'ENODEV', message: /no link "zz9"/ })
  await t.rejects(routes.add({ dst: '10.82.0.0/16', gateway: '172.16.0.1' }), {
    code: 'ENETUNREACH',
    message: 'route.add 10.82.0.0/16 via 172.16.0.1: Nexthop has invalid gateway (ENETUNREACH)',
  })
})
