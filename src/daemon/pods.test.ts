// CNI calls over the real IPAM, the fake kernel and stores in memory: what a crash, a lost store or a failure leaves behind.

import t from 'tap'
import { Dataplane } from '../dataplane/index.ts'
import { FakeKernel } from '../dataplane/fake-kernel.ts'
import { lockKind, lockName } from '../datastore/contract.ts'
import { MemoryDatastore, MemoryNodeStore } from '../datastore/memory.ts'
import { fibClasses } from '../model/fib.ts'
import { type IPPoolResource, parseResource } from '../resources/index.ts'
import { addressesInUse } from './in-use.ts'
import { podsRoom } from './testing-pods.ts'

const pools = ['10.42.0.0/24', 'fd00:42::/112'].map((cidr, i) => {
  const parsed = parseResource({
    apiVersion: 'margay.io/v1',
    kind: 'IPPool',
    metadata: { name: `pool${i}` },
    spec: { cidr },
  })
  if (!parsed.ok) throw new Error('bad pool')
  return parsed.resource as IPPoolResource
})

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

/** A run of the daemon's rooms that pods need. */
async function run({ kernel, datastore, nodeStore }: Machine, lostStore = false) {
  const plane = await Dataplane.open({ kernel })
  const { ipam, pods } = podsRoom({ plane, datastore, nodeStore, pools })
  await ipam.load({ inUse: lostStore ? await addressesInUse(kernel, 81) : [] })
  const adoption = await pods.recover(lostStore)
  for (const owner of fibClasses) plane.routes.inSync(owner)
  await plane.routes.idle()
  const stop = async () => {
    await ipam.stop()
    await plane.close()
  }
  return { plane, ipam, pods, adoption, stop }
}

const alive = new AbortController().signal

function addPod({ kernel }: Machine, { pods }: Awaited<ReturnType<typeof run>>, name: string, sourceCheck?: false) {
  const netns = `/pods/${name}`
  kernel.addNamespace(netns)
  return pods.add(
    {
      network: 'net',
      containerId: name,
      ifName: 'eth0',
      netns,
      addresses: [],
      ...(sourceCheck === false && { sourceCheck }),
    },
    alive,
  )
}

const key = (name: string) => ({ network: 'net', containerId: name, ifName: 'eth0' })

async function devices({ kernel }: Machine): Promise<string[]> {
  await using node = await kernel.open()
  return (await node.links()).filter(link => link.kind === 'veth').map(link => link.name)
}

t.test('a pod is attached, found again after a restart, and detached', async t => {
  const here = machine()
  const first = await run(here)
  const { endpoint } = await addPod(here, first, 'a')
  await addPod(here, first, 'gateway', false)
  t.match(endpoint.addresses, [/^10\.42\./, /^fd00:42::/])
  await t.rejects(first.pods.add({ ...key('a'), netns: '/pods/a', addresses: [] }, alive), /attached already/)
  await first.stop()

  const second = await run(here)
  t.match(second.adoption, {
    adopted: [{ containerId: 'a' }, { containerId: 'gateway', sourceCheck: false }],
    strays: [],
  })
  t.equal(second.plane.endpoints.get(key('a'))?.sourceCheck, undefined)
  await second.pods.del(key('gateway'))
  await t.resolves(second.pods.check({ ...key('a'), netns: '/pods/a', addresses: endpoint.addresses }))
  await second.pods.del(key('a'))
  await second.pods.del(key('a'))
  t.same(second.ipam.show().addresses, [])
  t.same(await devices(here), [])
  await second.stop()
})

t.test('what no runtime was told of is taken back at the next start', async t => {
  const here = machine()
  const first = await run(here)
  await addPod(here, first, 'a')
  await addPod(here, first, 'b')
  await here.nodeStore.commit([{ do: 'delete', table: 'endpoints', key: 'net/b/eth0' }]) // killed before the record
  await first.stop()
  const second = await run(here)
  t.equal(second.adoption.strays.length, 1)
  t.same([...new Set(second.ipam.show().addresses.map(row => row.containerId))], ['a'])
  t.equal((await devices(here)).length, 1)
  await second.stop()
})

t.test('a node that lost its store keeps its pods and gives none of their addresses again', async t => {
  for (const reachable of [true, false]) {
    const here = machine()
    const first = await run(here)
    const { endpoint } = await addPod(here, first, 'a')
    await first.stop() // writes the copies
    if (!reachable) here.datastore.fail('unreachable')
    const after = { ...here, nodeStore: new MemoryNodeStore() }
    const second = await run(after, true)
    t.equal((await devices(after)).length, 1, 'the device stays')
    await using node = await after.kernel.open()
    const routes = (await node.routes()).map(route => route.dst)
    t.ok(routes.includes(`${endpoint.addresses[0]}/32`), 'and its route')
    const held = () => second.ipam.show().addresses.map(row => row.address)
    t.same(held().toSorted(), [...endpoint.addresses].toSorted(), 'its addresses are in use')
    if (!reachable) {
      await second.stop()
      continue
    }
    const other = await addPod(after, second, 'b')
    t.notOk(other.endpoint.addresses.some(address => endpoint.addresses.includes(address)))
    await second.pods.del(key('a'))
    t.same(held().toSorted(), [...other.endpoint.addresses].toSorted(), 'DEL frees them')
    await second.stop()
  }
})

t.test('a pod that only the kernel knows outlives further restarts, and its DEL is as good as any', async t => {
  const here = machine()
  const first = await run(here)
  await addPod(here, first, 'a')
  await first.stop()
  const after = { ...here, datastore: new MemoryDatastore(), nodeStore: new MemoryNodeStore() } // both stores on the lost disk
  const second = await run(after, true)
  t.match(second.adoption, { unknown: [{ containerId: /^mgy/ }] })
  await second.stop()
  const third = await run(after)
  t.match(third.adoption, { adopted: [{ containerId: /^mgy/ }], strays: [] })
  t.equal(third.ipam.show().addresses.length, 2)
  await third.pods.del(key('a'))
  t.same(third.ipam.show().addresses, [])
  t.same(await devices(after), [])
  await third.stop()
  const fourth = await run(after)
  t.match(fourth.adoption, { adopted: [], lost: [], strays: [] }, 'its record is gone, too')
  await fourth.stop()
})

t.test('GC frees what is recorded, also where the device is gone', async t => {
  const here = machine()
  const first = await run(here)
  for (const name of ['a', 'b', 'c']) await addPod(here, first, name)
  await first.stop()
  here.kernel.removeNamespace('/pods/b') // as after a reboot
  const second = await run(here)
  t.match(second.adoption, { lost: [{ containerId: 'b' }] })
  await second.pods.gc('other', [])
  t.equal(second.ipam.show().addresses.length, 6, 'another network’s GC is not ours')
  await second.pods.gc('net', [{ containerId: 'a', ifName: 'eth0' }])
  t.same([...new Set(second.ipam.show().addresses.map(row => row.containerId))], ['a'])
  t.same(
    (await second.pods.records()).map(endpoint => endpoint.containerId),
    ['a'],
  )
  await second.stop()
})

t.test('an ADD for which a locked datastore would have to be written is to come again', async t => {
  const here = machine()
  const daemon = await run(here)
  await here.datastore.create(lockKind, lockName, { by: 'op1', since: 'noon' })
  await t.rejects(addPod(here, daemon, 'a'), {
    code: 11,
    message: /cannot claim a block.*was locked by op1, noon.*until margayctl datastore unlock/,
  })
  t.same(await devices(here), [])
  await here.datastore.delete(lockKind, lockName)
  await addPod(here, daemon, 'a')
  await daemon.stop()
})

t.test('a failed or abandoned ADD leaves nothing', async t => {
  const here = machine()
  const daemon = await run(here)
  const gone = { ...key('x'), netns: '/pods/nowhere', addresses: [] }
  await t.rejects(daemon.pods.add(gone, alive), { code: 4 })
  here.kernel.addNamespace('/pods/y')
  const aborted = AbortSignal.abort()
  await t.rejects(daemon.pods.add({ ...key('y'), netns: '/pods/y', addresses: [] }, aborted))
  t.same(daemon.ipam.show().addresses, [])
  t.same(await devices(here), [])
  t.same(await daemon.pods.records(), [])
  await daemon.stop()
})

t.test('two requested addresses of one family are refused as such', async t => {
  const here = machine()
  const daemon = await run(here)
  here.kernel.addNamespace('/pods/a')
  const asked = daemon.pods.add({ ...key('a'), netns: '/pods/a', addresses: ['10.42.0.7', '10.42.0.9'] }, alive)
  await t.rejects(asked, { code: 7, message: /asks for several IPv4 addresses \(10\.42\.0\.7, 10\.42\.0\.9\)/ })
  await daemon.stop()
})
