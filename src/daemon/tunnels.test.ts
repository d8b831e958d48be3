// Tunnels over the real IPAM and the fake kernel: whose address a device has, and when it takes and gives it.

import t from 'tap'
import { FakeKernel } from '../dataplane/fake-kernel.ts'
import { Dataplane } from '../dataplane/index.ts'
import { MemoryDatastore, MemoryNodeStore } from '../datastore/memory.ts'
import type { Tunnel } from '../model/tunnel.ts'
import { type IPPoolResource, parseResource } from '../resources/index.ts'
import { storeAge } from './store-age.ts'
import { log, podsRoom } from './testing-pods.ts'
import { isTunnelOwner, TunnelKeeper } from './tunnels.ts'

const pools = ['10.42.0.0/24', '10.43.0.0/24'].map((cidr, i) => {
  const parsed = parseResource({
    apiVersion: 'margay.io/v1',
    kind: 'IPPool',
    metadata: { name: `pool${i}` },
    spec: { cidr, vxlanMode: 'Always' },
  })
  if (!parsed.ok) throw new Error('bad pool')
  return parsed.resource as IPPoolResource
})
const tunnel: Tunnel = {
  kind: 'vxlan',
  family: 4,
  device: 'margay-vxlan4',
  local: '10.0.1.7',
  remotes: ['10.0.2.8'],
  pools: ['pool1'],
}

interface Machine {
  readonly kernel: FakeKernel
  readonly datastore: MemoryDatastore
  readonly nodeStore: MemoryNodeStore
}

const machine = (): Machine => ({
  kernel: new FakeKernel(),
  datastore: new MemoryDatastore(),
  nodeStore: new MemoryNodeStore(),
})

async function run({ kernel, datastore, nodeStore }: Machine, lostStore = false) {
  const plane = await Dataplane.open({ kernel })
  const { ipam, pods } = podsRoom({ plane, datastore, nodeStore, pools, mtu: 1450 })
  const age = await storeAge({ kernel, dataplane: plane, nodeStore, protocol: 81 }, lostStore)
  await ipam.load({ ...age, isBehind: age.is === 'behind' })
  await pods.recover(age)
  const keys = { key: undefined, fault: undefined, make: async () => {} }
  const keeper = new TunnelKeeper({ ipam, devices: plane.tunnels, keys, log, onChange: () => {}, mtu: () => 1450 })
  const addresses = async (): Promise<readonly string[]> => {
    await using netlink = await kernel.open()
    return (await netlink.addresses()).map(({ cidr }) => cidr)
  }
  const held = () =>
    ipam
      .show()
      .addresses.filter(isTunnelOwner)
      .map(({ address }) => address)
  const stop = async () => {
    await ipam.stop()
    await plane.close()
  }
  return { plane, ipam, pods, keeper, addresses, held, stop }
}

t.test('the address is from a pool of the tunnel, and stays over a restart and a lost store', async t => {
  const m = machine()
  const first = await run(m)
  await first.keeper.apply([tunnel], true)
  t.same(await first.addresses(), ['10.43.0.0/32'])
  t.same(first.keeper.states, new Map([['margay-vxlan4', { address: '10.43.0.0' }]]))
  await first.stop()

  const second = await run(m)
  m.kernel.node.log.length = 0
  await second.keeper.apply([tunnel], true)
  t.same(m.kernel.node.log, [], 'nothing to write')
  await second.stop()

  const third = await run({ ...m, nodeStore: new MemoryNodeStore() }, true)
  await third.keeper.apply([tunnel], true)
  t.same(await third.addresses(), ['10.43.0.0/32'])
  await third.stop()
})

t.test('a garbage collection of pods leaves it alone', async t => {
  const { keeper, pods, held, stop } = await run(machine())
  await keeper.apply([tunnel], true)
  await pods.gc('margay', [])
  t.same(held(), ['10.43.0.0'])
  await stop()
})

t.test('its pool is tunnelled no more: the device gets another address', async t => {
  const { keeper, addresses, held, stop } = await run(machine())
  await keeper.apply([tunnel], true)
  await keeper.apply([{ ...tunnel, pools: ['pool0'] }], true)
  t.same(await addresses(), ['10.42.0.0/32'])
  t.same(held(), ['10.42.0.0'])
  await stop()
})

t.test('no pool is for this node: a device without an address', async t => {
  const { keeper, addresses, held, stop } = await run(machine())
  await keeper.apply([{ ...tunnel, pools: [] }], true)
  t.same(await addresses(), [])
  t.same(held(), [])
  t.same(keeper.states, new Map([['margay-vxlan4', {}]]))
  await stop()
})

t.test('a kernel without the kind: no address is taken, and pods are told why', async t => {
  const m = machine()
  m.kernel.node.refuse = operation => (operation.do === 'link.add' ? 'EOPNOTSUPP' : undefined)
  const { keeper, held, stop } = await run(m)
  await keeper.apply([tunnel], true)
  t.same(held(), [])
  t.match(keeper.obstacle, /no VXLAN devices \(CONFIG_VXLAN\)/)
  t.match(keeper.states.get('margay-vxlan4'), { fault: /no VXLAN devices/ })
  const other = 'device margay-wg6: node "n2" has published no WireGuard key'
  t.same(
    keeper.telling(['device margay-vxlan4: no entry for node "n2"', other]),
    [other],
    'what it lacks besides is no news',
  )
  m.kernel.node.refuse = undefined
  await keeper.apply([{ ...tunnel, remotes: [] }], true)
  t.equal(keeper.obstacle, undefined)
  t.same(held(), ['10.43.0.0'])
  await stop()
})

t.test('the address goes back after the device went', async t => {
  const m = machine()
  const { keeper, held, stop } = await run(m)
  await keeper.apply([tunnel], true)
  await keeper.apply([], true)
  t.same(held(), ['10.43.0.0'], 'the device lingers')
  const { index } = m.kernel.node.named('margay-vxlan4')!
  m.kernel.node.apply({ do: 'link.delete', link: index })
  await new Promise(resolve => setImmediate(resolve))
  await keeper.apply([], true)
  t.same(held(), [])
  await stop()
})
