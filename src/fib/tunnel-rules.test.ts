import t from 'tap'
import type { Facts } from '../model/facts.ts'
import type { RouteRules } from '../model/intent.ts'
import type { TunnelRule } from '../model/tunnel.ts'
import { Resolver } from './resolver.ts'
import { node, withoutRoute } from './testing.ts'

/** The node of testing.ts (10.0.1.7/24, default route to 10.0.1.254) and another in a subnet far away. */
const far = '203.0.113.9'
const near = '10.0.1.8'
const rule: TunnelRule = {
  pool: '10.42.0.0/16',
  device: 'margay-ipip',
  remotes: [{ nextHop: far, gateway: far }],
  always: false,
}
const facts: Facts = { ...node, addresses: [...node.addresses, { link: 'margay-ipip', cidr: '10.42.1.0/32' }] }
const resolver = (changes: Partial<TunnelRule> = {}, now = facts) => {
  const rules: RouteRules = { acceptDefault: false, own: [], source4: '10.0.1.7', tunnels: [{ ...rule, ...changes }] }
  return new Resolver(now, rules)
}
const route = (prefix: string, ...nextHops: string[]) => ({ prefix, nextHops, peer: 'mesh' })

t.test('tunnel or fabric', async t => {
  const everywhere = { always: true, remotes: [near, far].map(address => ({ nextHop: address, gateway: address })) }
  const tunnel = (gateway: string) => ({ gateway, device: 'margay-ipip', onlink: true })
  for (const c of [
    {
      name: 'a node far away: through the tunnel, with its source',
      nextHops: [far],
      rule: { source: '10.42.1.0' },
      hops: [tunnel(far)],
      source: '10.42.1.0',
    },
    {
      name: 'the source is not on the node (yet)',
      nextHops: [far],
      rule: { source: '10.42.1.9' },
      hops: [tunnel(far)],
    },
    {
      name: 'a node in the subnet: directly',
      nextHops: [near],
      rule: { source: '10.42.1.0' },
      hops: [{ gateway: near, device: 'eth0' }],
      source: '10.0.1.7',
    },
    {
      name: 'a router of the fabric: directly',
      nextHops: ['10.0.1.1'],
      rule: {},
      hops: [{ gateway: '10.0.1.1', device: 'eth0' }],
      source: '10.0.1.7',
    },
    { name: 'Always: a node in the subnet too', nextHops: [near], rule: everywhere, hops: [tunnel(near)] },
    { name: 'both at once', nextHops: [far, near], rule: {}, hops: [{ gateway: near, device: 'eth0' }, tunnel(far)] },
  ]) {
    const { entry } = resolver(c.rule).learn(route('10.42.9.0/26', ...c.nextHops)) ?? {}
    t.same(entry?.nextHops, c.hops, c.name)
    if ('source' in c || c.nextHops.length === 1) t.equal(entry?.source, c.source, c.name)
  }
})

t.test('mode Always and a router: packets go there as they are, and it is known', async t => {
  const r = resolver({ always: true })
  t.match(r.learn(route('10.42.9.0/26', '10.0.1.1')), {
    entry: { nextHops: [{ gateway: '10.0.1.1', device: 'eth0' }] },
  })
  t.same([...r.unwrapped], ['10.42.9.0/26'])
  r.learn(route('10.42.9.0/26', far))
  t.same([...r.unwrapped], [])
  r.learn(route('10.42.9.0/26', '10.0.1.1'))
  r.forget('10.42.9.0/26')
  t.same([...r.unwrapped], [])
})

t.test('encryption and a node that has not changed over yet: packets go there as before', async t => {
  const r = resolver({
    always: true,
    device: 'margay-wg4',
    remotes: [],
    bare: [near],
    fault: 'this kernel has no WireGuard',
  })
  t.match(r.learn(route('10.42.9.0/26', near)), { entry: { nextHops: [{ gateway: near, device: 'eth0' }] } })
  t.same([...r.unwrapped], [])
})

t.test('what stays out, and why', async t => {
  for (const c of [
    { name: 'no device', rule: { fault: 'this kernel has no IPIP' }, nextHop: far, why: /this kernel has no IPIP/ },
    {
      name: 'Always, a router, and encryption',
      rule: { always: true, device: 'margay-wg4' },
      nextHop: '10.0.1.1',
      why: /10\.0\.1\.1 is no node of the cluster.*never leave without encryption/,
    },
    { name: 'a router behind the default route', rule: {}, nextHop: '198.51.100.1', why: /only by the default route/ },
    {
      name: 'a far node, outside the pool',
      prefix: '10.99.0.0/26',
      rule: {},
      nextHop: far,
      why: /only by the default route/,
    },
  ]) {
    const { entry, reason } = resolver(c.rule).learn(route(c.prefix ?? '10.42.9.0/26', c.nextHop)) ?? {}
    t.equal(entry, undefined, c.name)
    t.match(reason, c.why, c.name)
  }
})

t.test('the speaker hears that a far node is reachable by the default route', async t => {
  const r = resolver()
  r.learn(route('10.42.9.0/26', far))
  t.match(r.takeNextHopChanges(), [{ address: far, reachable: true }])
  const updates = r.setFacts(withoutRoute(facts, '0.0.0.0/0'))
  t.match(updates, [{ prefix: '10.42.9.0/26', reason: /no route to next hop/ }])
  t.match(r.takeNextHopChanges(), [{ address: far, reachable: false }])
})

t.test('the mode changes, the source comes: only the entry changes', async t => {
  const r = resolver({ source: '10.42.1.0' }, node)
  r.learn(route('10.42.9.0/26', far))
  t.match(r.setFacts(facts), [{ entry: { nextHops: [{ device: 'margay-ipip' }], source: '10.42.1.0' } }])
  t.match(r.setRules({ acceptDefault: false, own: [] }), [{ reason: /default route/ }])
})
