import t from 'tap'
import type { Facts } from '../model/facts.ts'
import { FactsIndex } from './facts-index.ts'
import { resolveNextHop } from './next-hop.ts'
import { connected, link, node, via, withLinks, withRoutes } from './testing.ts'

const resolve = (nextHop: string, facts: Facts = node, throughDefault = false) =>
  resolveNextHop(nextHop, new FactsIndex(facts), { throughDefault })

t.test('next hops that lead somewhere', async t => {
  for (const c of [
    {
      name: 'on a connected subnet',
      got: resolve('10.0.1.1'),
      want: { usable: true, metric: 0, hop: { gateway: '10.0.1.1', device: 'eth0' } },
    },
    {
      name: 'IPv6 on a connected subnet, written canonically',
      got: resolve('FD00:1:0::1'),
      want: { usable: true, metric: 0, hop: { gateway: 'fd00:1::1', device: 'eth0' } },
    },
    {
      name: "behind somebody else's route: its gateway, and its metric for the decision",
      got: resolve('172.16.3.3'),
      want: { usable: true, metric: 50, hop: { gateway: '10.0.2.1', device: 'eth1' } },
    },
    {
      name: 'behind a foreign route whose gateway is on no subnet of the device: onlink',
      got: resolve('192.0.2.1', withRoutes(node, via('192.0.2.0/24', '10.9.9.9', 'eth1'))),
      want: { usable: true, metric: 1, hop: { gateway: '10.9.9.9', device: 'eth1', onlink: true } },
    },
    {
      name: 'the longest prefix decides, even through a gateway',
      got: resolve('10.0.1.99', withRoutes(node, via('10.0.1.99/32', '10.0.2.1', 'eth1'))),
      want: { usable: true, metric: 1, hop: { gateway: '10.0.2.1', device: 'eth1' } },
    },
    {
      name: 'of two foreign routes the one with the lower metric',
      got: resolve('172.16.3.3', withRoutes(node, via('172.16.0.0/16', '10.0.1.9', 'eth0', 20))),
      want: { usable: true, metric: 20, hop: { gateway: '10.0.1.9', device: 'eth0' } },
    },
    {
      name: 'a route over a link that is down leaves the word to the next',
      got: resolve(
        '172.16.3.3',
        withLinks(withRoutes(node, via('172.16.0.0/16', '10.0.1.9', 'eth0', 90)), link('eth1', { carrier: false })),
      ),
      want: { usable: true, metric: 90, hop: { gateway: '10.0.1.9', device: 'eth0' } },
    },
    {
      name: 'link-local with its device',
      got: resolve('fe80::1%eth1'),
      want: { usable: true, metric: 0, hop: { gateway: 'fe80::1', device: 'eth1' } },
    },
    {
      name: 'through the default route where that is allowed',
      got: resolve('198.51.100.1', node, true),
      want: { usable: true, metric: 100, hop: { gateway: '10.0.1.254', device: 'eth0' } },
    },
  ])
    t.same(c.got, c.want, c.name)
})

t.test('next hops that lead nowhere say why', async t => {
  for (const c of [
    { got: resolve('198.51.100.1'), why: /198\.51\.100\.1 is reached only by the default route/ },
    { got: resolve('fd99::1'), why: /no route to next hop fd99::1/ },
    { got: resolve('10.0.1.7'), why: /10\.0\.1\.7 is this node's own address/ },
    { got: resolve('127.0.0.1'), why: /no address that a router can have/ },
    { got: resolve('224.0.0.5'), why: /no address that a router can have/ },
    { got: resolve('::1'), why: /no address that a router can have/ },
    { got: resolve('10.0.1'), why: /10\.0\.1 is no address/ },
    { got: resolve('fe80::1'), why: /fe80::1 is link-local and the session names no device/ },
    { got: resolve('fe80::1%eth9'), why: /device eth9 of next hop fe80::1 is down or missing/ },
    {
      got: resolve(
        '10.0.1.1',
        withLinks({ ...node, foreignRoutes: [connected('10.0.1.0/24', 'eth0')] }, link('eth0', { up: false })),
      ),
      why: /no route to next hop 10\.0\.1\.1/,
    },
    {
      got: resolve('10.7.0.1', withRoutes(node, { prefix: '10.7.0.0/16', protocol: 3, metric: 0, connected: false })),
      why: /10\.7\.0\.0\/16\) leads to no device/,
    },
  ]) {
    t.equal(c.got.usable, false)
    t.match(c.got, { reason: c.why })
  }
})
