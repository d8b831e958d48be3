// What an ADD asks for, and what of it is refused.

import t from 'tap'
import type { AddRequest } from '../../cni-plugin/protocol/backend.ts'
import { defaultSysctls } from '../api/sysctls.ts'
import { pool } from '../ipam/testing.ts'
import { askedFamilies, askedPools, askedRoutes, askedSysctls } from './pod-request.ts'

const request = (more: Partial<AddRequest>): AddRequest => ({
  network: 'net',
  containerId: 'c',
  ifName: 'eth0.7',
  netns: '/pods/c',
  addresses: [],
  ...more,
})

t.test('pools', async t => {
  const manual = { ...pool('rack', '10.50.0.0/16') }
  const all = [
    pool('b4', '10.48.0.0/16'),
    pool('a4', '10.49.0.0/16'),
    { ...manual, spec: { ...manual.spec, assignmentMode: 'Manual' as const } },
    pool('six', 'fd00:48::/48'),
  ]
  const of = (four?: readonly string[], six?: readonly string[]) => request({ pools: { 4: four, 6: six } })
  t.equal(askedPools(request({}), all), undefined)
  t.equal(askedPools(of(), all), undefined)
  t.same(askedPools(of(['rack']), all), ['rack', 'six'], 'the other family as without a wish')
  t.same(
    askedPools(of(undefined, ['fd00:48::/48']), all),
    ['a4', 'b4', 'fd00:48::/48'],
    'none that is for those who ask',
  )
  t.same(askedPools(of(['b4', 'rack'], ['six']), all), ['b4', 'rack', 'six'], 'in the order asked')
  t.throws(() => askedPools(of(['six']), all), { code: 7, message: /ipv4_pools names pool six, which has IPv6/ })
  t.same(askedFamilies(of(['rack']), []), [4], 'a pool that is missing is told by name, not as none at all')
  t.same(askedFamilies(of(['rack']), [6]), [4, 6])
  t.same(askedFamilies(request({}), [6]), [6])
  t.same(askedFamilies(request({ addresses: ['10.48.0.7'] }), [4, 6]), [4, 6], 'IPv6 as without a wish')
  t.same(askedFamilies(request({ addresses: ['10.48.0.7'] }), []), [4])
})

t.test('routes', async t => {
  t.same(askedRoutes(request({})), {})
  const routes = [
    { dst: '10.9.0.0/16', gateway: '169.254.1.1', metric: 5 },
    { dst: 'fd00:9::/48', mtu: 1400 },
  ]
  t.same(askedRoutes(request({ routes })), {
    routes: [
      { dst: '10.9.0.0/16', metric: 5 },
      { dst: 'fd00:9::/48', mtu: 1400 },
    ],
  })
  t.throws(() => askedRoutes(request({ routes: [{ dst: '10.9.0.0/16' }, { dst: '10.9.0.0/16' }] })), {
    code: 7,
    message: /10\.9\.0\.0\/16 twice/,
  })
  t.throws(() => askedRoutes(request({ routes: [{ dst: '10.9.0.0/16', gateway: '10.9.0.1' }] })), {
    code: 7,
    message: /gw 10\.9\.0\.1.*169\.254\.1\.1/,
  })
})

t.test('sysctls', async t => {
  const asked = (...names: string[]) => request({ sysctls: Object.fromEntries(names.map(name => [name, '1'])) })
  t.same(askedSysctls(request({}), []), {})
  t.same(askedSysctls(asked('net.core.somaxconn'), defaultSysctls), { sysctls: { 'net/core/somaxconn': '1' } })
  t.same(askedSysctls(asked('net.ipv4.conf.IFNAME.arp_filter'), ['net.ipv4.conf.IFNAME.*']), {
    sysctls: { 'net/ipv4/conf/eth0.7/arp_filter': '1' },
  })
  for (const [name, allowed] of [
    ['net.ipv4.ip_forward', defaultSysctls],
    ['net.ipv4.conf.all.arp_filter', ['net.ipv4.conf.IFNAME.*']],
    ['net.core.somaxconn2', ['net.core.somaxconn']],
  ] as const)
    t.throws(() => askedSysctls(asked(name), allowed), {
      code: 7,
      message: new RegExp(`sysctl ${name}: it is none of those that a pod may ask for on this node \\(`),
      details: /cni\.sysctls of margayd\.yaml/,
    })
})
