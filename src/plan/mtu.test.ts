import t from 'tap'
import type { Endpoint } from '../model/endpoint.ts'
import type { Facts } from '../model/facts.ts'
import { type MtuPlan, outgrown, planMtu, podMtu, type Within } from './mtu.ts'
import { plan } from './planner.ts'
import { pool, twoRacks } from './testing.ts'

/** A round figure a kind, so that no test here depends on a header's size. */
const within: Within = (parent, tunnel) =>
  parent - (tunnel ? (tunnel.kind === 'ipip' ? 20 : tunnel.family === 4 ? 50 : 70) : 0)
const link = (name: string, mtu: number, index: number) => ({ name, index, mtu, up: true, carrier: true })
const facts = (mtu4: number, mtu6 = mtu4): Facts => ({
  links: [link('lo', 65536, 1), link('eth0', mtu4, 2), link('eth1', mtu6, 3), link('big0', 9000, 4)],
  addresses: [
    { link: 'big0', cidr: '10.9.0.1/24' },
    { link: 'eth0', cidr: '10.0.1.11/24' },
    { link: 'eth1', cidr: 'fd00:0:1::11/64' },
  ],
  foreignRoutes: [],
})
const pools = [
  pool('bare', '10.42.0.0/16'),
  pool('ipip', '10.43.0.0/16', { ipipMode: 'CrossSubnet' }),
  pool('vxlan', '10.44.0.0/16', { vxlanMode: 'Always' }),
  pool('six', 'fd00:42::/112', { vxlanMode: 'CrossSubnet' }),
]
const planned = (now: Facts, limit?: number): MtuPlan =>
  planMtu(plan({ ...twoRacks, pools }, 'r1-n1'), now, within, limit)

t.test('each pool has what its way leaves of the link with the node address', async t => {
  for (const c of [
    { name: 'Ethernet', now: facts(1500), rooms: [1500, 1480, 1450, 1430] },
    { name: 'jumbo frames', now: facts(9000), rooms: [9000, 8980, 8950, 8930] },
    { name: 'a link a family', now: facts(1500, 9000), rooms: [1500, 1480, 1450, 8930] },
    { name: 'the network carries less', now: facts(9000), limit: 1500, rooms: [1500, 1480, 1450, 1430] },
    {
      name: 'the address is on no link yet',
      now: { links: [], addresses: [], foreignRoutes: [] },
      rooms: [1500, 1480, 1450, 1430],
    },
  ]) {
    const { pools, problems } = planned(c.now, c.limit)
    t.same(
      pools.map(({ mtu }) => mtu),
      c.rooms,
      c.name,
    )
    t.same(
      pools.map(({ device }) => device),
      [undefined, 'margay-ipip', 'margay-vxlan4', 'margay-vxlan6'],
      c.name,
    )
    t.same(problems, [], c.name)
  }
})

t.test('a limit above the link is told and does not hold', async t => {
  const { parents, problems } = planned(facts(1400, 1500), 1450)
  t.match(parents, { 4: { link: 'eth0', mtu: 1400 }, 6: { link: 'eth1', mtu: 1450 } })
  t.match(problems, [/^dataplane.mtu 1450: link eth0.* has 1400/])
  t.equal(problems.length, 1)
})

t.test('a cable too narrow for IPv6 is named, with the least that IPv6 needs', async t => {
  const told = (now: Facts): readonly string[] => planned(now).problems
  t.same(told(facts(1500, 1350)), [])
  t.match(told(facts(1500, 1349)), [
    /^ippool fd00:42::\/112: margay-vxlan6 leaves 1279 octets.* 1280 \(RFC 8200 §5\).* eth1 from 1349 to 1350 /,
  ])
  const six = facts(1500, 1200)
  // As the kernel does below 1280.
  const lost = { ...six, addresses: six.addresses.filter(({ link }) => link !== 'eth1') }
  t.match(told(lost), [/^link eth1: its MTU 1200 is less than the 1280 that IPv6 needs \(RFC 8200 §5\).*mtu 1280/])
  t.same(
    told({ ...facts(1200), addresses: facts(1200).addresses.slice(0, 1), links: [] }),
    [],
    'a link that is not there',
  )
})

t.test('a pod has room for all its addresses', async t => {
  const now = planned(facts(1500))
  for (const [addresses, mtu] of [
    [['10.42.0.7'], 1500],
    [['10.43.0.7'], 1480],
    [['10.42.0.7', 'fd00:42::7'], 1430],
    [['192.0.2.7'], 1430],
    [[], 1430],
  ] as const)
    t.equal(podMtu(now, addresses), mtu, addresses.join(' '))
})

t.test('pods that run with more than there is room for are named', async t => {
  const pod = (n: number, mtu: number): Endpoint => ({
    network: 'pods',
    containerId: `c${n}`,
    ifName: 'eth0',
    netns: '',
    hostDevice: `mgy${n}`,
    addresses: [`10.44.0.${n}`],
    mtu,
    label: `default/p${n}`,
  })
  t.same(outgrown(planned(facts(1500)), [pod(1, 1450), pod(2, 1400)]), [])
  const [one] = outgrown(planned(facts(1400)), [pod(1, 1450), pod(2, 1350)])
  t.match(one, /^a running pod has .*: default\/p1 \(1450, has room for 1350\); .*start such pods again$/)
  const [many] = outgrown(
    planned(facts(1400)),
    Array.from({ length: 7 }, (_, n) => pod(n, 1450)),
  )
  t.match(many, /^7 running pods have .*default\/p4 .*, and 2 more; /)
})
