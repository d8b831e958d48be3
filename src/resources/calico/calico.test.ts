// What of a Calico cluster is taken, changed and left out.

import t from 'tap'
import { type CalicoObject, type Conversion, fromCalico, meantOf, readCalicoKeys, withoutPoolsInUse } from './index.ts'
import { calicoKeys } from './testing.ts'

const store = readCalicoKeys(calicoKeys.map(([key, value]) => ({ key, value })))
const conversions = store.objects.map(object => withoutPoolsInUse(fromCalico(object), store.blocks))
const of = (object: string): Conversion => {
  const found = conversions.find(each => each.object === object)
  if (!found) throw new Error(`${object} was not read`)
  return found
}
const given = (kind: string, spec: CalicoObject['spec']) => fromCalico({ kind, metadata: { name: 'x' }, spec })

t.test('keys', async t => {
  t.same(store.blocks, ['192.168.7.64/26', 'fd00:42::/122'])
  t.same(store.unreadable, ['/calico/resources/v3/projectcalico.org/nodes/broken'])
  const names = store.objects.map(({ kind, metadata }) => `${kind}/${metadata.name}`)
  t.ok(names.includes('WorkloadEndpoint/rack1--n1-k8s-web-eth0'), 'also with a namespace')
  t.ok(names.includes('IPAMConfiguration/default'), 'from its own record')
})

t.test('pools', async t => {
  t.match(of('ippool "default-ipv4-ippool"'), {
    resource: {
      apiVersion: 'margay.io/v1',
      spec: { cidr: '192.168.0.0/16', ipipMode: 'CrossSubnet', natOutgoing: true, disabled: true },
    },
    changed: [/^disabled: true, as nodes of Calico have a block of it \(192\.168\.7\.64\/26\), and both would give/],
    leftOut: [],
  })
  t.match(of('ippool "spare"'), {
    resource: {
      spec: { cidr: '10.9.0.0/16', ipipMode: 'Always', natOutgoing: true, allowedUses: ['Workload'], disabled: false },
    },
    changed: [/^cidr: 10\.9\.0\.0\/16/, /^natOutgoing/, /^ipipMode: Always/, /^allowedUses: Workload/],
  })
  t.match(of('ippool "services"'), { resource: undefined, why: /load balancers only/ })
  t.match(given('IPPool', { cidr: '10.0.0.0/8', blockSize: 7 }), {
    resource: undefined,
    why: /blockSize 7 is not .*from 20/,
  })
})

t.test('nodes', async t => {
  t.match(of('node "rack1-n1"'), {
    resource: {
      metadata: { labels: { rack: 'r1' } },
      spec: { bgp: { asNumber: 65001, ipv4Address: '10.0.1.11/24' } },
    },
    changed: [],
    leftOut: [/^bgp\.ipv4IPIPTunnelAddr: The daemon takes/, /^addresses: Margay reads/, /^orchRefs: /],
  })
  t.match(of('node "rack1-n2"'), {
    resource: { spec: { bgp: { ipv4Address: '10.0.1.12/32', routeReflectorClusterID: '244.0.0.1' } } },
    changed: [/^bgp\.ipv4Address: 10\.0\.1\.12\/32, as Calico reads an address without the length/],
  })
})

t.test('BGP', async t => {
  t.match(of('bgpconfiguration "default"'), {
    resource: { spec: { asNumber: 64513, nodeToNodeMeshEnabled: false } },
    leftOut: [/^logSeverityScreen: It is a setting of one node's process/, /^serviceClusterIPs: /, /^communities: /],
  })
  t.match(of('bgpconfiguration "node.rack1-n1"'), { resource: undefined, why: /one BGPConfiguration, called default/ })
  t.match(of('bgppeer "rack1-tor"'), {
    resource: {
      spec: {
        nodeSelector: "rack == 'r1'",
        peerIP: '10.0.1.1',
        asNumber: 65101,
        nextHopMode: 'Keep',
        password: { file: '/etc/margay/bgp/bgp-secrets/tor' },
      },
    },
    changed: [/^nextHopMode: Keep/, /^password\.file: .*put the key of secret bgp-secrets there on each node/],
    leftOut: [/^filters: /, /^failureDetectionMode: Margay has no such field/],
  })
  t.match(of('bgppeer "pods"'), { resource: undefined, why: /session with pods/ })
  t.match(of('bgpfilter "only-blocks"'), { resource: undefined, why: /Margay has no BGPFilter/ })
})

t.test('addresses', async t => {
  t.match(of('ipreservation "old"'), {
    resource: { spec: { reservedCIDRs: ['192.168.1.0/28', '192.168.7.53/32'] } },
    changed: [/192\.168\.7\.53\/32 for 192\.168\.7\.53/],
  })
  t.match(of('ipamconfiguration "default"'), {
    resource: { spec: { maxBlocksPerHost: 8 } },
    changed: [/never borrows/],
  })
  t.match(given('IPAMConfig', { strictAffinity: true, maxBlocksPerHost: 0 }), { why: /name x is not supported/ })
})

t.test('nothing that a store may hold ends the import', async t => {
  const odd: CalicoObject['spec'][] = [
    { bgp: null, cidr: null, password: null, ipip: null, allowedUses: null, reservedCIDRs: null },
    { bgp: [], cidr: 7, password: 'x', ipip: 'x', allowedUses: {}, reservedCIDRs: [7, null] },
  ]
  for (const kind of ['IPPool', 'Node', 'BGPPeer', 'BGPConfiguration', 'IPReservation', 'IPAMConfiguration', 'Strange'])
    for (const spec of odd) {
      const { resource, why } = given(kind, spec)
      t.not(resource === undefined, why === undefined, `${kind}: it is taken, or there is a reason: ${why}`)
    }
})

const keyOf = (plural: string, name: string): string => `/calico/resources/v3/projectcalico.org/${plural}/${name}`
const stored = (kind: string, metadata: object, spec: unknown): string => JSON.stringify({ kind, metadata, spec })

t.test(
  'blocks are told by key, by record and by affinity, and disable any pool that they have addresses of',
  async t => {
    const { blocks, unreadable, others } = readCalicoKeys([
      { key: '/calico/ipam/v2/assignment/ipv4/block/10.77.0.0-26', value: '{}' },
      { key: '/calico/ipam/v2/host/n1/ipv4/block/10.78.0.0-26', value: '{"state":"pending"}' },
      { key: '/calico/ipam/v2/assignment/ipv4/block/10.79.0.0-99', value: '{"cidr":"10.79.0.0/26"}' },
      { key: '/calico/ipam/v2/assignment/ipv4/block/strange', value: '{}' },
      { key: '/calico/ipam/v2/handle/x', value: '{}' },
      { key: '/calico/v1/some', value: '' },
    ])
    t.same(blocks, ['10.77.0.0/26', '10.78.0.0/26', '10.79.0.0/26'])
    t.same(unreadable, ['/calico/ipam/v2/assignment/ipv4/block/strange'])
    t.match(others, { blocks: { length: 3 }, 'affinities of blocks': { length: 1 }, handles: { length: 1 } })
    t.same(others['other keys'], ['/calico/v1/some'])
    for (const cidr of ['10.77.0.0/27', '10.78.0.0/16', '10.79.0.0/26'])
      t.match(withoutPoolsInUse(given('IPPool', { cidr }), blocks), { resource: { spec: { disabled: true } } }, cidr)
    t.match(withoutPoolsInUse(given('IPPool', { cidr: '10.76.0.0/16' }), blocks), {
      resource: { spec: { disabled: false } },
    })
  },
)

t.test("Kubernetes' bookkeeping is read over, and what is being deleted is not taken", async t => {
  const odd = { finalizers: ['x'], generateName: 'y', managedFields: [], namespace: '', uid: '1' }
  const { objects, unreadable } = readCalicoKeys([
    { key: keyOf('nodes', 'n1'), value: stored('Node', { name: 'n1', labels: { rack: 'r1' }, ...odd }, {}) },
    { key: keyOf('nodes', 'n2'), value: stored('Node', { name: 'n2', deletionTimestamp: '2026-11-01T00:00:00Z' }, {}) },
    { key: keyOf('nodes', 'n3'), value: stored('Node', { name: 'n3' }, 'a text') },
  ])
  t.match(objects.map(fromCalico), [
    { resource: { metadata: { name: 'n1', labels: { rack: 'r1' } } } },
    { resource: undefined, why: /Calico is deleting it/ },
  ])
  t.same(unreadable, [keyOf('nodes', 'n3')])
})

t.test('what is not as it should be is told, not read over', async t => {
  const cidr = '10.1.0.0/16'
  t.match(given('IPPool', { cidr, 'nat-outgoing': 'yes' }), {
    resource: undefined,
    why: /natOutgoing yes is neither true nor false/,
  })
  t.match(given('IPPool', { cidr, ipip: { enabled: 'true' } }), { resource: undefined, why: /ipip\.enabled is "true"/ })
  t.match(given('IPReservation', { reservedCIDRs: '10.0.0.0/8' }), { resource: undefined, why: /reservedCIDRs/ })
  t.match(given('Node', { wireguard: { interfaceIPv4Address: '10.1.1.1' } }), { leftOut: [/^wireguard: /] })
  const peer = { peerIP: '10.0.1.1', asNumber: 65001 }
  t.match(given('BGPPeer', { ...peer, password: {} }), { changed: [/^no password/] })
  const secretKeyRef = { name: '../../x', key: 'k' }
  t.match(given('BGPPeer', { ...peer, password: { secretKeyRef } }), {
    resource: undefined,
    why: /"\.\.\/\.\.\/x" names no/,
  })
  for (const kind of ['__proto__', 'constructor']) t.equal(given(kind, {}).why, `Margay has no ${kind}`)
})

t.test('of several objects that would become one, one is meant', async t => {
  const config = '/calico/ipam/v2/config'
  const [short, long] = [keyOf('ipamconfigs', 'default'), keyOf('ipamconfigurations', 'default')]
  const values = new Map([
    [config, '{"strict_affinity":false,"maxBlocksPerHost":20}'],
    [short, stored('IPAMConfig', { name: 'default' }, { maxBlocksPerHost: 4 })],
    [long, stored('IPAMConfiguration', { name: 'default' }, { maxBlocksPerHost: 7 })],
  ])
  for (const { keys, meant } of [
    { keys: [short, long], meant: short },
    { keys: [long], meant: long },
    { keys: [config, short], meant: config },
    { keys: [short, long, config], meant: config },
  ]) {
    const { objects } = readCalicoKeys(keys.map(key => ({ key, value: values.get(key) ?? '' })))
    t.equal(objects.length, keys.length, 'each has a place in the report')
    for (const { object, why } of meantOf(objects))
      if (object.key === meant) t.equal(why, undefined)
      else {
        t.match(why, `its key is ${object.key}, and ${meant}`)
        t.equal(why?.includes("Calico's address manager goes by"), meant === config)
      }
  }
})
