import t from 'tap'
import type { RouteRules } from '../model/intent.ts'
import { Resolver } from './resolver.ts'
import { connected, link, node, via, withLinks, withRoutes } from './testing.ts'

const rules: RouteRules = {
  acceptDefault: false,
  own: ['10.42.1.0/26', 'fd00:42::/122'],
  source4: '10.0.1.7',
  source6: 'fd00:1::7',
}

const resolver = (facts = node, changes: Partial<RouteRules> = {}) => new Resolver(facts, { ...rules, ...changes })
const route = (prefix: string, ...nextHops: string[]) => ({ prefix, nextHops, peer: 'tor' })
const gateways = (r: Resolver, prefix: string) =>
  r.explain(prefix)?.entry?.nextHops.map(hop => `${hop.gateway} ${hop.device}`)

t.test('a learned route becomes an entry', async t => {
  for (const c of [
    {
      name: 'one next hop, with the preferred source',
      route: route('10.42.9.0/26', '10.0.1.1'),
      want: {
        prefix: '10.42.9.0/26',
        kind: 'unicast',
        nextHops: [{ gateway: '10.0.1.1', device: 'eth0' }],
        source: '10.0.1.7',
      },
    },
    {
      name: 'IPv6',
      route: route('fd00:42::40/122', 'fd00:1::1'),
      want: {
        prefix: 'fd00:42::40/122',
        kind: 'unicast',
        nextHops: [{ gateway: 'fd00:1::1', device: 'eth0' }],
        source: 'fd00:1::7',
      },
    },
    {
      name: 'ECMP is sorted as numbers, and a doubled way counts once',
      route: route('10.42.9.0/26', '10.0.2.1', '10.0.1.10', '172.16.0.9', '10.0.1.9'),
      want: {
        prefix: '10.42.9.0/26',
        kind: 'unicast',
        nextHops: [
          { gateway: '10.0.1.9', device: 'eth0' },
          { gateway: '10.0.1.10', device: 'eth0' },
          { gateway: '10.0.2.1', device: 'eth1' },
        ],
        source: '10.0.1.7',
      },
    },
    {
      name: 'IPv4 by IPv6 link-local next hops (RFC 8950)',
      route: route('10.42.9.0/26', 'fe80::2%eth1', 'fe80::1%eth0'),
      want: {
        prefix: '10.42.9.0/26',
        kind: 'unicast',
        nextHops: [
          { gateway: 'fe80::1', device: 'eth0' },
          { gateway: 'fe80::2', device: 'eth1' },
        ],
        source: '10.0.1.7',
      },
    },
    {
      name: 'the usable half of an ECMP set',
      route: route('10.42.9.0/26', '10.0.1.1', '198.51.100.1'),
      want: {
        prefix: '10.42.9.0/26',
        kind: 'unicast',
        nextHops: [{ gateway: '10.0.1.1', device: 'eth0' }],
        source: '10.0.1.7',
      },
    },
    {
      name: 'a range around our own blocks',
      route: route('10.42.0.0/16', '10.0.1.1'),
      want: {
        prefix: '10.42.0.0/16',
        kind: 'unicast',
        nextHops: [{ gateway: '10.0.1.1', device: 'eth0' }],
        source: '10.0.1.7',
      },
    },
  ])
    t.same(resolver().learn(c.route), { prefix: c.want.prefix, entry: c.want }, c.name)
})

t.test('bug 25: a learned route stays out, with the reason: our own range and pod, connected subnets', async t => {
  for (const c of [
    { route: route('10.42.1.0/26', '10.0.1.1'), why: /10\.42\.1\.0\/26, which is this node's own/ },
    { route: route('10.42.1.5/32', '10.0.1.1'), why: /10\.42\.1\.0\/26, which is this node's own/ },
    { route: route('fd00:42::5/128', 'fd00:1::1'), why: /fd00:42::\/122, which is this node's own/ },
    { route: route('10.0.1.0/24', '10.0.1.1'), why: /10\.0\.1\.0\/24, which is connected on eth0/ },
    { route: route('10.0.2.1/32', '10.0.1.1'), why: /10\.0\.2\.0\/24, which is connected on eth1/ },
    { route: route('0.0.0.0/0', '10.0.1.1'), why: /default routes learned by BGP are not accepted/ },
    { route: route('169.254.1.1/32', '10.0.1.1'), why: /169\.254\.0\.0\/16 \(.*\), which is never routed/ },
    { route: route('127.0.0.53/32', '10.0.1.1'), why: /never routed/ },
    { route: route('10.9.0.0/16', '198.51.100.1'), why: /198\.51\.100\.1 is reached only by the default route/ },
    { route: route('fd00:9::/64', '10.0.1.1'), why: /next hop is an IPv4 address/ },
    { route: route('10.9.0.0/33', '10.0.1.1'), why: /10\.9\.0\.0\/33 is no prefix/ },
  ]) {
    const update = resolver().learn(c.route)
    t.equal(update?.entry, undefined, c.route.prefix)
    t.match(update?.reason, c.why)
  }
})

t.test('routes that stay out are not in force, whatever becomes of them', async t => {
  const r = resolver()
  r.learn(route('10.42.9.0/26', '10.0.1.1'))
  r.learn(route('10.42.1.0/26', '10.0.1.1'))
  t.equal(r.inForce, 1, "our own block from a peer isn't")
  r.learn(route('10.42.1.0/26', '10.0.1.2'))
  t.equal(r.inForce, 1)
  r.forget('10.42.1.0/26')
  t.equal(r.inForce, 1)
  r.setRules({ ...rules, own: ['10.42.9.0/26'] })
  t.equal(r.inForce, 0, 'judged anew')
  r.forget('10.42.9.0/26')
  t.equal(r.inForce, 0)
})

t.test('pods whose range lies in a connected subnet are reached all the same', async t => {
  const pools = { pools: ['10.0.1.128/25'] }
  t.ok(resolver(node, pools).learn(route('10.0.1.192/26', '10.0.1.1'))?.entry)
  t.match(resolver(node, pools).learn(route('10.0.1.64/26', '10.0.1.1'))?.reason, /connected on eth0/)
})

t.test('a default route comes in only where the rules say so', async t => {
  const accepting = { acceptDefault: true }
  t.match(resolver().learn(route('::/0', 'fd00:1::1'))?.reason, /not accepted/)
  t.ok(resolver(node, accepting).learn(route('0.0.0.0/0', '10.0.1.1'))?.entry)
})

t.test('learned routes carry the MTU of the daemon file, those through tunnels that of their device', async t => {
  const tunnels = [
    {
      pool: '10.50.0.0/16',
      device: 'margay-ipip',
      always: false,
      remotes: [{ nextHop: '10.0.2.1', gateway: '10.0.2.1' }],
    },
  ]
  const r = new Resolver(node, { ...rules, tunnels }, 1450)
  t.match(r.learn(route('10.42.2.0/26', '10.0.1.1')), { entry: { mtu: 1450 } })
  t.match(r.learn(route('10.50.1.0/26', '10.0.2.1')), {
    entry: { mtu: undefined, nextHops: [{ device: 'margay-ipip' }] },
  })
  t.match(r.learn(route('10.50.2.0/26', '10.0.1.1')), { entry: { mtu: 1450, nextHops: [{ device: 'eth0' }] } })
})

t.test('no route carries more than its device does, also when that changes', async t => {
  const r = new Resolver(node, rules, 1450)
  t.match(r.learn(route('10.42.2.0/26', '10.0.1.1')), { entry: { mtu: 1450 } })
  const links = (mtu: number) => node.links.map(link => (link.name === 'eth0' ? { ...link, mtu } : link))
  t.match(r.setFacts({ ...node, links: links(1400) }), [{ prefix: '10.42.2.0/26', entry: { mtu: undefined } }])
  t.strictSame(r.setFacts({ ...node, links: links(1300) }), [])
  t.match(r.setFacts(node), [{ prefix: '10.42.2.0/26', entry: { mtu: 1450 } }])
  t.match(r.setMtu(9000), [{ prefix: '10.42.2.0/26', entry: { mtu: undefined } }])
})

t.test('bandwidths become weights, in lowest terms, and of those that are left', async t => {
  const r = resolver()
  const weights = () => r.explain('10.42.2.0/26')?.entry?.nextHops.map(hop => [hop.gateway, hop.weight ?? 1])
  const learn = (...pairs: readonly (readonly [string, number])[]) =>
    r.learn({
      prefix: '10.42.2.0/26',
      nextHops: pairs.map(([hop]) => hop),
      bandwidths: pairs.map(([, bandwidth]) => bandwidth),
      peer: 'tor',
    })
  learn(['10.0.1.1', 1.25e9], ['10.0.2.1', 5e9])
  t.same(weights(), [
    ['10.0.1.1', 1],
    ['10.0.2.1', 4],
  ])
  r.setFacts(withLinks(node, link('eth1', { carrier: false })))
  t.same(weights(), [['10.0.1.1', 1]])
  t.equal(r.explain('10.42.2.0/26')?.entry?.nextHops[0].weight, undefined)
  r.setFacts(node)
  learn(['10.0.1.1', Math.fround(1e8 / 8)], ['10.0.2.1', Math.fround(3e8 / 8)])
  t.same(weights(), [
    ['10.0.1.1', 1],
    ['10.0.2.1', 3],
  ])
  learn(['10.0.1.1', 7], ['10.0.2.1', 7])
  t.same(weights(), [
    ['10.0.1.1', 1],
    ['10.0.2.1', 1],
  ])
  learn(['10.0.1.1', 1], ['10.0.2.1', 1e9])
  t.same(
    weights(),
    [
      ['10.0.1.1', 1],
      ['10.0.2.1', 256],
    ],
    'the smallest still carries some',
  )
  // 172.16.0.9 is behind 10.0.2.1.
  learn(['10.0.1.1', 1e9], ['10.0.2.1', 1e9], ['172.16.0.9', 2e9])
  t.same(
    weights(),
    [
      ['10.0.1.1', 1],
      ['10.0.2.1', 3],
    ],
    'two behind one gateway count together',
  )
})

t.test('a BGP route never carries the next hop of another', async t => {
  const r = resolver()
  r.learn(route('203.0.113.0/24', '10.0.1.1'))
  t.match(r.learn(route('10.42.9.0/26', '203.0.113.9'))?.reason, /default route/)
})

t.test('only changes are told', async t => {
  const r = resolver()
  t.ok(r.learn(route('10.42.9.0/26', '10.0.1.1')))
  t.equal(r.learn({ ...route('10.42.9.0/26', '10.0.1.1'), peer: 'other' }), undefined, 'same entry from another peer')
  t.match(r.learn(route('10.42.9.0/26', '10.0.1.2')), { entry: { nextHops: [{ gateway: '10.0.1.2' }] } })
  t.same(r.learn(route('10.42.9.0/26')), { prefix: '10.42.9.0/26' }, 'withdrawn')
  t.equal(r.forget('10.42.9.0/26'), undefined)
  t.equal(
    r.learn({ prefix: '10.42.1.0/26', nextHops: ['10.0.1.7'], peer: 'local' }),
    undefined,
    'our own route is no business of the FIB',
  )
  t.equal(r.inForce, 0)
})

t.test('bug 25: facts that change touch what used them: a link that goes down takes its routes along', async t => {
  const r = resolver()
  r.learn(route('10.42.2.0/26', '10.0.1.1'))
  r.learn(route('10.42.3.0/26', '10.0.2.1'))
  r.learn(route('10.42.4.0/26', '10.0.1.1', '10.0.2.1'))
  t.same(r.setFacts(node), [], 'the same facts change nothing')
  t.equal(r.inForce, 3)

  const down = r.setFacts(withLinks(node, link('eth1', { carrier: false })))
  t.same(down.map(update => update.prefix).toSorted(), ['10.42.3.0/26', '10.42.4.0/26'])
  t.equal(gateways(r, '10.42.3.0/26'), undefined)
  t.equal(r.inForce, 2)
  t.same(gateways(r, '10.42.4.0/26'), ['10.0.1.1 eth0'])

  t.equal(r.setFacts(node).length, 2, 'and back')
  t.same(gateways(r, '10.42.4.0/26'), ['10.0.1.1 eth0', '10.0.2.1 eth1'])

  t.match(r.setFacts(withRoutes(node, connected('10.42.2.0/25', 'eth1'))), [
    { prefix: '10.42.2.0/26', reason: /connected on eth1/ },
  ])
})

t.test('a source address that leaves the node leaves the routes', async t => {
  const r = resolver()
  r.learn(route('10.42.2.0/26', '10.0.1.1'))
  const moved = { ...node, addresses: node.addresses.filter(address => address.cidr !== '10.0.1.7/24') }
  t.equal(r.setFacts(moved)[0]?.entry?.source, undefined)
  t.equal(r.setFacts(node)[0]?.entry?.source, '10.0.1.7')
})

t.test('new rules judge every route anew', async t => {
  const r = resolver()
  r.learn(route('10.42.2.0/26', '10.0.1.1'))
  r.learn(route('10.42.3.0/26', '10.0.1.1'))
  t.match(r.setRules({ ...rules, own: [...rules.own, '10.42.2.0/26'] }), [{ prefix: '10.42.2.0/26', entry: undefined }])
  t.same(
    [...r.entries()].map(entry => entry.prefix),
    ['10.42.3.0/26'],
  )
  t.same(
    [...r.refused()].map(update => update.prefix),
    ['10.42.2.0/26'],
  )
})

t.test('the speaker hears what next hops are worth, once', async t => {
  const r = resolver()
  r.learn(route('10.42.2.0/26', '10.0.1.1', '172.16.0.9', '198.51.100.1'))
  t.same(r.takeNextHopChanges(), [
    { address: '10.0.1.1', reachable: true, metric: 0 },
    { address: '172.16.0.9', reachable: true, metric: 50 },
    { address: '198.51.100.1', reachable: false, metric: 0 },
  ])
  t.same(r.takeNextHopChanges(), [])

  r.forget('10.42.2.0/26')
  r.setFacts(withRoutes(node, via('198.51.100.0/24', '10.0.1.1', 'eth0', 7)))
  t.same(
    r.takeNextHopChanges(),
    [{ address: '198.51.100.1', reachable: true, metric: 7 }],
    'also when its routes left the decision',
  )
  t.equal(r.nextHops().length, 3)
})
