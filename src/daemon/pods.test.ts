// CNI calls over the real IPAM, the fake kernel and stores in memory: what a crash, a lost store or a failure leaves behind.

import t from 'tap'
import { Dataplane } from '../dataplane/index.ts'
import { FakeKernel } from '../dataplane/fake-kernel.ts'
import { defaultMark } from '../dataplane/routes/route.ts'
import { lockKind, lockName } from '../datastore/contract.ts'
import { MemoryDatastore, MemoryNodeStore } from '../datastore/memory.ts'
import { fibClasses } from '../model/fib.ts'
import { endpointKey } from '../model/endpoint.ts'
import { type IPPoolResource, parseResource } from '../resources/index.ts'
import { storeAge } from './store-age.ts'
import { IpamCheck } from './ipam-check.ts'
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
async function run({ kernel, datastore, nodeStore }: Machine, lostStore = false, of = pools) {
  const plane = await Dataplane.open({ kernel })
  const { ipam, pods } = podsRoom({ plane, datastore, nodeStore, pools: of })
  const age = await storeAge({ kernel, dataplane: plane, nodeStore, protocol: 81 }, lostStore)
  await ipam.load({ ...age, isBehind: age.is === 'behind' })
  const adoption = await pods.recover(age)
  for (const owner of fibClasses) plane.routes.inSync(owner)
  await plane.routes.idle()
  const stop = async () => {
    await ipam.stop()
    await plane.close()
  }
  return { plane, ipam, pods, adoption, stop }
}

const alive = new AbortController().signal

function addPod(
  { kernel }: Machine,
  { pods }: Awaited<ReturnType<typeof run>>,
  name: string,
  sourceCheck?: false,
  label?: string,
  addresses: readonly string[] = [],
) {
  const netns = `/pods/${name}`
  kernel.addNamespace(netns)
  return pods.add(
    {
      network: 'net',
      containerId: name,
      ifName: 'eth0',
      netns,
      addresses,
      ...(label && { label }),
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

t.test('a DEL that comes before a lost store is known again holds, whatever the copies say', async t => {
  for (const restarts of [false, true]) {
    const here = machine()
    const first = await run(here)
    await addPod(here, first, 'a')
    const { endpoint } = await addPod(here, first, 'b')
    await first.stop() // writes the copies
    here.datastore.fail('away')
    const after = { ...here, nodeStore: new MemoryNodeStore() }
    let later = await run(after, true)
    await later.pods.del(key('a'))
    if (restarts) {
      await later.stop()
      later = await run(after)
    }
    here.datastore.fail()
    await later.ipam.refresh()
    await later.pods.nameKnown()
    const held = later.ipam.show().addresses.map(row => row.address)
    t.same(held.toSorted(), [...endpoint.addresses].toSorted(), restarts ? 'also over a restart' : 'those of the other')
    t.same(await after.nodeStore.all('ended'), [])
    await later.stop()
  }
})

t.test(
  'a node that lost its store believes its kernel rather than a copy that tells other addresses of a pod',
  async t => {
    const here = machine()
    const first = await run(here)
    const { endpoint } = await addPod(here, first, 'a', undefined, 'lab/a')
    const b = await addPod(here, first, 'b')
    await first.stop() // writes the copies
    const [was] = endpoint.addresses.filter(address => !address.includes(':'))
    const [ofB] = b.endpoint.addresses.filter(address => !address.includes(':'))
    for (const { name, version, value } of (await here.datastore.list('AddressCopy')).entries) {
      const copy = value as { readonly addresses: Readonly<Record<string, object>> }
      if (!copy.addresses[was]) continue
      const { [was]: row, ...others } = copy.addresses
      const last = was.replace(/\d+$/, '61')
      await here.datastore.update(
        'AddressCopy',
        name,
        { ...copy, addresses: { ...others, [last]: row, [ofB]: row } },
        version,
      )
    }
    const after = { ...here, nodeStore: new MemoryNodeStore() }
    const second = await run(after, true)
    t.same(second.plane.endpoints.get(key('a'))?.addresses.toSorted(), endpoint.addresses.toSorted())
    t.same(second.plane.endpoints.get(key('a'))?.label, 'lab/a')
    await using node = await after.kernel.open()
    t.ok(
      (await node.routes()).some(({ dst }) => dst === `${was}/32`),
      'its route stays',
    )
    const rows = second.ipam.show().addresses.map(row => `${row.address} ${row.containerId}`)
    const told = [...endpoint.addresses.map(each => `${each} a`), ...b.endpoint.addresses.map(each => `${each} b`)]
    t.same(rows.toSorted(), told.toSorted())
    await second.ipam.mendCopies()
    t.same(await checkOf(after, second).run({ fix: false }), [])
    t.same((await second.pods.records()).length, 2)
    await second.stop()
  },
)

t.test('pods whose names came to be known only after the start are what they were', async t => {
  for (const by of ['copy', 'check', 'gc']) {
    const here = machine()
    const first = await run(here)
    const { endpoint } = await addPod(here, first, 'a', undefined, 'lab/a')
    const gone = await addPod(here, first, 'gone')
    await first.ipam.stop() // writes the copies
    await first.pods.del(key('gone'))
    here.datastore.fail('unreachable') // the copies know nothing of what comes and goes from now on
    const heir = await addPod(here, first, 'heir', undefined, undefined, gone.endpoint.addresses)
    await linkLocalRoutes(here, endpoint.hostDevice)
    await first.plane.close()

    const after = { ...here, nodeStore: new MemoryNodeStore() }
    const second = await run(after, true)
    t.same(
      second.adoption.unknown.flatMap(({ addresses }) => addresses).toSorted(),
      [...endpoint.addresses, ...heir.endpoint.addresses].toSorted(),
      'of the host ends’ own addresses none is taken for a pod’s',
    )
    const check = checkOf(after, second)
    t.match(await check.run({ fix: true }), [{ kind: 'nameless' }, { kind: 'nameless' }], by)

    if (by === 'copy') {
      here.datastore.fail()
      await second.ipam.refresh()
      const nameless = (await check.run({ fix: false })).map(({ object, fixable }) => ({ object, fixable }))
      t.match(nameless.find(({ fixable }) => fixable)?.object.split(' '), endpoint.addresses)
      t.equal(nameless.length, 2)
      await second.pods.nameKnown()
      t.match(second.plane.endpoints.get(key('a')), { ...key('a'), label: 'lab/a' })
    }
    if (by === 'gc') {
      await second.pods.gc('net', [key('a')])
      t.match(second.plane.endpoints.get(key('a')), key('a'))
    }
    await t.resolves(second.pods.check({ ...key('a'), netns: '/pods/a', addresses: endpoint.addresses }))
    t.match(second.plane.endpoints.all.toSorted(byKey), [{ containerId: 'a' }, { network: '' }])
    t.match((await second.pods.records()).toSorted(byKey), [{ containerId: 'a' }, { network: '' }], 'recorded once')
    t.match(await check.run({ fix: true }), [{ kind: 'nameless', object: heir.endpoint.addresses.join(' ') }])
    await second.pods.del(key('gone'))
    const held = second.ipam.show().addresses.map(row => row.address)
    t.same(held.toSorted(), [...endpoint.addresses, ...heir.endpoint.addresses].toSorted(), 'an old copy frees nothing')

    const old = second.plane.endpoints.get(key('heir'))!
    const value = { ...old, addresses: [...old.addresses, 'fe80::'] } // as it was recorded once
    await after.nodeStore.commit([{ do: 'put', table: 'endpoints', key: endpointKey(old), value }])
    await second.plane.close()
    const third = await run(after)
    t.same(third.plane.endpoints.get(key('heir'))?.addresses, old.addresses)
    t.match(third.adoption.adopted.toSorted(byKey), [{ containerId: 'a' }, { network: '' }])
    await third.pods.check({ ...key('heir'), netns: '/pods/heir', addresses: heir.endpoint.addresses })
    t.same(await checkOf(after, third).run({ fix: false }), [])
    await third.pods.gc('net', [])
    t.same(third.ipam.show().addresses, [])
    t.same(await devices(after), [])
    await third.stop()
  }
})

/** As the kernel has them in its table of local routes. */
async function linkLocalRoutes({ kernel }: Machine, device: string): Promise<void> {
  await using node = await kernel.open()
  const nextHops = [{ link: (await node.link(device))!.index }]
  for (const [dst, type] of [
    ['fe80::/128', 'anycast'],
    ['fe80::ecee:eeff:feee:eeee/128', 'local'],
  ] as const)
    await node.apply([{ do: 'route.add', route: { dst, type, table: 255, protocol: 2, nextHops } }])
}

function byIfName(a: { readonly ifName: string }, b: { readonly ifName: string }): number {
  return a.ifName < b.ifName ? -1 : 1
}

function byKey(a: { readonly containerId: string }, b: { readonly containerId: string }): number {
  return a.containerId < b.containerId ? -1 : 1
}

function checkOf({ kernel }: Machine, { ipam, pods }: Awaited<ReturnType<typeof run>>) {
  return new IpamCheck({ ipam, pods, kernel, mark: defaultMark })
}

t.test('a nameless pod whose device was deleted is a leak, and is taken back with its addresses', async t => {
  const here = machine()
  const first = await run(here)
  const { endpoint } = await addPod(here, first, 'a')
  await first.stop()
  const after = { ...here, datastore: new MemoryDatastore(), nodeStore: new MemoryNodeStore() }
  const second = await run(after, true)
  await using node = await here.kernel.open()
  await node.apply([{ do: 'link.delete', link: (await node.link(endpoint.hostDevice))!.index }])
  const check = checkOf(after, second)
  t.match(await check.run({ fix: true }), [{ kind: 'leak', text: /pod of device mgy/, fixed: true }])
  t.same(await check.run({ fix: true }), [])
  t.same(second.ipam.show().addresses, [])
  t.same(await second.pods.records(), [])
  await second.stop()
})

t.test(
  'a node that lost its store knows again what its pods asked for: from the copies, else what the kernel tells',
  async t => {
    const here = machine()
    const first = await run(here)
    const { endpoint } = await addPod(here, first, 'router', false, 'lab/router')
    const more = {
      routes: [{ dst: '10.99.0.0/16' }],
      sysctls: { 'net.ipv4.ping_group_range': '0 1' },
      mac: '02:00:00:00:00:07',
    }
    const second = await first.pods.add(
      { ...key('router'), ifName: 'net1', netns: '/pods/router', addresses: [], ...more },
      alive,
    )
    t.match(second.endpoint, { withoutDefault: [4, 6], routes: more.routes, mac: more.mac })
    await first.stop() // writes the copies

    const again = await run({ ...here, nodeStore: new MemoryNodeStore() }, true)
    for (const whole of [endpoint, second.endpoint]) t.same(again.plane.endpoints.get(whole), whole)
    await again.stop()

    const after = { ...here, nodeStore: new MemoryNodeStore() }
    here.datastore.fail('away')
    const third = await run(after, true)
    t.match(third.plane.endpoints.get(endpoint), { isPartial: true, sourceCheck: false }, 'it may send what it could')
    t.equal(third.plane.endpoints.get(second.endpoint)?.sourceCheck, undefined)
    for (const { ifName, addresses } of [endpoint, second.endpoint])
      await t.resolves(third.pods.check({ ...key('router'), ifName, netns: '/pods/router', addresses }), ifName)
    t.match(third.plane.endpoints.get(endpoint), { isPartial: true, sourceCheck: false, netns: '/pods/router' })
    here.datastore.fail()
    await third.ipam.refresh()
    await third.pods.nameKnown()
    for (const whole of [endpoint, second.endpoint]) t.same(third.plane.endpoints.get(whole), whole, 'copies are read')
    t.same((await third.pods.records()).toSorted(byIfName), [endpoint, second.endpoint])
    await third.stop()

    const fourth = await run({ ...here, nodeStore: new MemoryNodeStore() }, true)
    t.same(fourth.plane.endpoints.get(second.endpoint), second.endpoint)
    for (const { ifName } of [endpoint, second.endpoint]) await fourth.pods.del({ ...key('router'), ifName })
    await fourth.stop()
  },
)

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

t.test('a store that is older than the pods of its node takes nothing back, and knows them again', async t => {
  for (const reachable of [true, false]) {
    const here = machine()
    const first = await run(here)
    for (const name of ['old', 'ended', 'over', 'restarted']) await addPod(here, first, name, undefined, `lab/${name}`)
    const addressesOf = (name: string) => first.plane.endpoints.get(key(name))!.addresses
    const freed = addressesOf('ended')
    const backup = new MemoryNodeStore(structuredClone(here.nodeStore.tables))

    for (const name of ['ended', 'over', 'restarted']) await first.pods.del(key(name))
    here.kernel.removeNamespace('/pods/over')
    for (const name of ['x', 'y']) await addPod(here, first, name)
    await addPod(here, first, 'heir', undefined, 'lab/heir', freed)
    await first.pods.add({ ...key('restarted'), netns: '/pods/restarted', addresses: [] }, alive)
    const pods = ['old', 'x', 'y', 'heir', 'restarted']
    const wanted = pods.map(name => [name, addressesOf(name)] as const)
    const before = await devices(here)
    await first.stop() // writes the copies

    const after = { ...here, nodeStore: backup }
    if (!reachable) here.datastore.fail('away')
    let second = await run(after)
    t.same((await devices(after)).toSorted(), before.toSorted(), 'no device is taken for an unfinished ADD')
    if (!reachable) {
      await t.rejects(addPod(after, second, 'new'), { code: 11, message: /cannot learn which addresses are in use/ })
      await second.stop()
      second = await run(after)
      await t.rejects(addPod(after, second, 'new'), { code: 11 }, 'nor after another start')
      here.datastore.fail()
      await second.ipam.refresh()
      await second.pods.nameKnown()
    }
    for (const [name, addresses] of wanted) {
      t.same(second.plane.endpoints.get(key(name))?.addresses.toSorted(), addresses.toSorted(), name)
      await t.resolves(second.pods.check({ ...key(name), netns: `/pods/${name}`, addresses }), name)
    }
    t.equal(second.plane.endpoints.get(key('heir'))?.label, 'lab/heir')
    t.same((await second.pods.records()).map(pod => pod.containerId).toSorted(), pods.toSorted(), 'who is over is not')
    t.same(second.plane.problems, [])
    t.same(await checkOf(after, second).run({ fix: false }), [])
    const next = await addPod(after, second, 'new')
    const all = wanted.flatMap(([, addresses]) => addresses)
    t.notOk(next.endpoint.addresses.some(address => all.includes(address)))
    await second.stop()

    const third = await run(after)
    t.match(third.adoption, { strays: [], unknown: [], lost: [] }, 'from then on the store is whole')
    for (const name of [...pods, 'new']) await third.pods.del(key(name))
    t.same(third.ipam.show().addresses, [])
    t.same(await devices(after), [])
    await third.stop()
  }
})

t.test('a pod that was attached anew under its name since the backup keeps its new addresses', async t => {
  const here = machine()
  const first = await run(here)
  const old = await addPod(here, first, 'a')
  const backup = new MemoryNodeStore(structuredClone(here.nodeStore.tables))
  await first.pods.del(key('a'))
  const { endpoint } = await addPod(here, first, 'a')
  t.not(endpoint.addresses[0], old.endpoint.addresses[0])
  await first.stop()
  const after = { ...here, nodeStore: backup }
  const second = await run(after)
  t.same(second.plane.endpoints.get(key('a'))?.addresses.toSorted(), endpoint.addresses.toSorted())
  t.same(
    second.ipam
      .show()
      .addresses.map(row => row.address)
      .toSorted(),
    endpoint.addresses.toSorted(),
  )
  t.same(await checkOf(after, second).run({ fix: false }), [])
  await second.stop()
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

t.test('who asks for an address of one family gets one of the other as well, or none', async t => {
  const here = machine()
  const daemon = await run(here)
  const { endpoint } = await addPod(here, daemon, 'a', undefined, undefined, ['10.42.0.7'])
  t.match(endpoint.addresses, { length: 2, 0: '10.42.0.7', 1: /^fd00:42:/ })
  await daemon.stop()
  const without6 = await run(here, false, [pools[0], { ...pools[1], spec: { ...pools[1].spec, disabled: true } }])
  for (const addresses of [[], ['10.42.0.9']])
    await t.rejects(addPod(here, without6, 'b', undefined, undefined, addresses), {
      code: 100,
      message: /pool "pool1" \(fd00:42::\/112\): disabled, .*one of each family or none/,
    })
  t.equal(without6.ipam.show().addresses.length, 2, 'nothing of it is kept')
  await t.rejects(without6.pods.status(), { code: 50, message: /pool "pool1" .*disabled/ })
  await without6.stop()
  const manual = { ...pools[1], spec: { ...pools[1].spec, assignmentMode: 'Manual' as const } }
  const only4 = await run(here, false, [pools[0], manual])
  await only4.pods.status()
  t.match((await addPod(here, only4, 'c')).endpoint.addresses, { length: 1 }, 'a family is given up by Manual')
  await only4.stop()
})

t.test('two requested addresses of one family are refused as such', async t => {
  const here = machine()
  const daemon = await run(here)
  here.kernel.addNamespace('/pods/a')
  const asked = daemon.pods.add({ ...key('a'), netns: '/pods/a', addresses: ['10.42.0.7', '10.42.0.9'] }, alive)
  await t.rejects(asked, { code: 7, message: /asks for several IPv4 addresses \(10\.42\.0\.7, 10\.42\.0\.9\)/ })
  await daemon.stop()
})

t.test('what the own disk does not take is code 5, of ADD and of DEL, and nothing of it is left', async t => {
  const disk = { isFull: false }
  class Disk extends MemoryNodeStore {
    override async commit(changes: Parameters<MemoryNodeStore['commit']>[0]): Promise<void> {
      if (disk.isFull) throw new Error('database or disk is full')
      await super.commit(changes)
    }
  }
  const here = { ...machine(), nodeStore: new Disk() }
  const running = await run(here)
  await addPod(here, running, 'a')
  disk.isFull = true
  const refused = { code: 5, message: /the node's own store takes no writes: database or disk is full/ }
  await t.rejects(addPod(here, running, 'b'), refused)
  await t.rejects(running.pods.del({ network: 'net', containerId: 'a', ifName: 'eth0' }), refused)
  disk.isFull = false
  await running.pods.del({ network: 'net', containerId: 'a', ifName: 'eth0' })
  t.same(running.ipam.show().addresses, [])
  await running.stop()
})
