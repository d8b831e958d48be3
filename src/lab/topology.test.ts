import { readFileSync } from 'node:fs'
import t from 'tap'
import { readLab } from './file/read.ts'
import { namespacesOf, planTopology, podNames, type Topology } from './topology.ts'

const plan = (lab: string, name?: string): Topology => {
  const file = new URL(`../../configs/labs/${lab}.yaml`, import.meta.url)
  const reading = readLab(readFileSync(file, 'utf8'), lab)
  const planning = reading.ok && planTopology(reading.value, name)
  if (!planning || !planning.ok) throw new Error('not drawn')
  return planning.topology
}

t.test('two racks', async t => {
  const topology = plan('two-racks')
  t.same(
    topology.pods.map(pod => pod.netns),
    ['r1n1', 'r1n2', 'r2n1', 'r2n2'].flatMap(node => [`two-racks-${node}-p1`, `two-racks-${node}-p2`]),
  )
  t.equal(namespacesOf(topology).length, new Set(namespacesOf(topology)).size)
  const tor2 = topology.routers.find(router => router.host === 'tor2')
  t.match(tor2, {
    asn: 64602,
    announce: [{ device: 'eth0', ipv4: '10.1.2.0/24', ipv6: 'fd00:1:2::/64' }],
    pools: { ipv4: ['10.42.0.0/16'], ipv6: ['fd00:42::/48'] },
    neighbours: [
      {
        name: 'spine',
        device: 'eth1',
        asn: 64600,
        address: '10.1.255.5',
        accept: 'all',
        local: { ipv6: 'fd00:1:ff02::2' },
      },
      { name: 'r2n1', device: 'eth0', asn: 64602, address: '10.1.2.11', accept: 'pods', client: true },
      { name: 'r2n2' },
    ],
  })
  t.match(
    topology.hosts.find(host => host.name === 'client'),
    { gateway: { ipv4: '192.0.2.1', ipv6: '2001:db8:2::1' } },
  )
  t.same(topology.hosts.find(host => host.name === 'r1n1')?.gateway, {}, 'a node has no default route')
})

t.test('a node without an AS of its own has the one of BGPConfiguration', async t => {
  const edge = plan('route-reflector').routers[0]
  t.same(
    edge.neighbours.map(({ asn }) => asn),
    [64512, 64512],
  )
})

t.test('another name changes every namespace and nothing else', async t => {
  const [usual, other] = [plan('full-mesh'), plan('full-mesh', 'other')]
  t.same(
    namespacesOf(other),
    namespacesOf(usual).map(netns => netns.replace(/^full-mesh/, 'other')),
  )
  t.same(
    other.hosts.map(({ links }) => links),
    usual.hosts.map(({ links }) => links),
  )
})

t.test('device names fit the kernel', async t => {
  for (const lab of ['two-racks', 'full-mesh', 'route-reflector']) {
    const {
      hosts,
      switch: { bridges },
    } = plan(lab)
    const names = [...bridges, ...hosts.flatMap(host => host.links.map(link => link.port))]
    t.ok(names.every(name => name.length <= 15))
    t.equal(new Set(names).size, names.length)
  }
})

t.test('pods by count or by name', async t => {
  t.same(podNames('n1', 2), ['n1-p1', 'n1-p2'])
  t.same(podNames('n1', ['web', 'db']), ['web', 'db'])
})
