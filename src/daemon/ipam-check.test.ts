// What does not agree about addresses is found and, where it is provable, put right: on the fake kernel, with the real IPAM and pods.

import t from 'tap'
import { Dataplane } from '../dataplane/index.ts'
import { FakeKernel } from '../dataplane/fake-kernel.ts'
import { defaultMark } from '../dataplane/routes/route.ts'
import { lockKind, lockName } from '../datastore/contract.ts'
import { MemoryDatastore, MemoryNodeStore } from '../datastore/memory.ts'
import { freeBlocks } from '../ipam/decommission.ts'
import { copyKind } from '../ipam/records.ts'
import { pool, testNode } from '../ipam/testing.ts'
import { endpointKey } from '../model/endpoint.ts'
import { fibClasses } from '../model/fib.ts'
import { ipamAnswers } from './ipam-answers.ts'
import { IpamCheck } from './ipam-check.ts'
import { wholeStore } from './store-age.ts'
import { podsRoom } from './testing-pods.ts'
import { isTunnelOwner, tunnelOwner } from './tunnels.ts'

const key = (name: string) => ({ network: 'net', containerId: name, ifName: 'eth0' })

/** A node with two pods and a tunnel's address, all well. */
async function node() {
  const [kernel, nodeStore, pools] = [new FakeKernel(), new MemoryNodeStore(), [pool('v4', '10.42.0.0/24')]]
  const plane = await Dataplane.open({ kernel })
  const datastore = new MemoryDatastore()
  const { ipam, pods } = podsRoom({ plane, datastore, nodeStore, pools })
  await ipam.load()
  await pods.recover(wholeStore)
  for (const owner of fibClasses) plane.routes.inSync(owner)
  const add = async (name: string) => {
    kernel.addNamespace(`/pods/${name}`)
    const signal = new AbortController().signal
    return (await pods.add({ ...key(name), netns: `/pods/${name}`, addresses: [] }, signal)).endpoint
  }
  const [a, b] = [await add('a'), await add('b')]
  await ipam.assign({ ...tunnelOwner('margay-vxlan4'), families: [4] })
  const check = new IpamCheck({ ipam, pods, kernel, mark: defaultMark })
  const answers = ipamAnswers({ node: 'n1', ipam, pods, ipamCheck: check, keepBlocks: () => 0 })
  t.teardown(() => plane.close())
  return { kernel, nodeStore, datastore, ipam, pods, check, answers, plane, a, b }
}

/** Kind, object and state of each finding. */
async function found(check: IpamCheck, fix: boolean): Promise<string[]> {
  const findings = await check.run({ fix })
  return findings.map(
    ({ kind, object, fixable, fixed }) => `${kind} ${object} ${fixed ? 'fixed' : fixable ? 'fixable' : 'yours'}`,
  )
}

t.test('a node in order has no findings', async t => {
  const { check } = await node()
  t.same(await found(check, true), [])
})

t.test('a pod that is gone without a DEL', async t => {
  const { check, kernel, ipam, plane, a } = await node()
  await deleteDevice(kernel, a.hostDevice)
  t.same(await found(check, true), [`leak ${a.addresses[0]} yours`], 'its namespace is there: it only has no network')
  kernel.removeNamespace('/pods/a')
  t.same(await found(check, false), [`leak ${a.addresses[0]} fixable`])
  t.same(await found(check, true), [`leak ${a.addresses[0]} fixed`])
  t.same(await found(check, true), [])
  t.notOk(ipam.show().addresses.some(({ address }) => address === a.addresses[0]))
  t.equal(plane.endpoints.all.length, 1)
})

t.test('an address without a pod, and a pod without an address', async t => {
  const { check, ipam, a } = await node()
  const [{ address }] = (await ipam.assign({ ...key('gone'), families: [4] })).addresses
  await ipam.release(a)
  t.same((await found(check, false)).toSorted(), [
    `no-address ${a.addresses[0]} fixable`,
    `no-endpoint ${address} fixable`,
  ])
  t.same((await found(check, true)).length, 2)
  t.same(await found(check, true), [])
  t.match(
    ipam.show().addresses.find(row => row.address === a.addresses[0]),
    key('a'),
  )
})

t.test('two pods with one address are told, and left alone', async t => {
  const { check, nodeStore, ipam, a, b } = await node()
  const copy = { ...b, addresses: a.addresses }
  await nodeStore.commit([{ do: 'put', table: 'endpoints', key: endpointKey(b), value: copy }])
  const before = ipam.show().addresses.filter(row => row.address === a.addresses[0])
  const findings = await check.run({ fix: true })
  t.ok(
    findings.some(({ kind, text }) => kind === 'duplicate' && text.startsWith('pods a/eth0 and b/eth0 are attached')),
  )
  t.same(
    ipam.show().addresses.filter(row => row.address === a.addresses[0]),
    before,
  )
})

t.test('a pod whose block another node has is told with what to do, and so is a copy that is left over', async t => {
  const { check, datastore, ipam, a, b } = await node()
  const two = [...a.addresses, ...b.addresses]
  const other = testNode('n2', datastore, [pool('v4', '10.42.0.0/24')])
  await ipam.stop()
  await datastore.create('Node', 'n1', {})
  await freeBlocks(datastore, 'n1', '2026-01-02T00:00:00.000Z')
  await other.ipam.load()
  await other.ipam.assign({ ...key('x'), families: [4], requested: [two[0]], label: 'lab/x' })
  await other.ipam.stop()
  await ipam.refresh()
  await ipam.stop()
  const [first, second] = await check.run({ fix: true })
  t.match(first, { kind: 'duplicate', object: two[0], fixable: false })
  t.match(
    first.text,
    /pod a\/eth0 on node "n1" and lab\/x on node "n2" have it, and its block \S+ is node "n2"'s\. Delete pod a\/eth0:/,
  )
  t.match(second, { kind: 'no-block', object: two[1], text: /b\/eth0 .* is node "n2"'s: another pod may be given it/ })

  await datastore.create(copyKind, 'left', { node: 'n1', cidr: '10.42.9.0/26', addresses: {} })
  const copies = async (fix: boolean) => (await found(check, fix)).filter(text => text.startsWith('orphan'))
  t.same(await copies(false), ['orphan-copy left fixable'])
  await datastore.create(lockKind, lockName, { by: 'op1', since: 'noon' })
  t.match(
    (await check.run({ fix: true })).filter(({ kind }) => kind === 'orphan-copy'),
    [{ object: 'left', fixed: undefined, refused: /The datastore was locked by op1.*margayctl datastore unlock/ }],
    'a lock is in the way, and that is told',
  )
  await datastore.delete(lockKind, lockName)
  t.same(await copies(true), ['orphan-copy left fixed'])
  t.same(await copies(true), [])

  datastore.fail('cut off')
  t.match(await check.run({ fix: true }), [
    { kind: 'no-block', object: two[0], text: /cannot be asked: cut off/ },
    { kind: 'no-block', object: two[1] },
  ])
})

t.test(
  'an address of a pod elsewhere, in a block that somebody gave this node by hand, is told until it is free',
  async t => {
    const { check, datastore, ipam } = await node()
    const other = testNode('n2', datastore, [pool('v4', '10.42.0.0/24')])
    await other.ipam.load()
    const [{ address, block }] = (await other.ipam.assign({ ...key('x'), families: [4], label: 'lab/x' })).addresses
    await other.ipam.stop()
    const name = block.replaceAll(/[./]/g, '-')
    const record = await datastore.get('Block', name)
    if (!record) throw new Error('no record')
    await datastore.update('Block', name, { ...(record.value as object), node: 'n1' }, record.version)
    await ipam.refresh()
    t.match(await check.run({ fix: true }), [
      {
        kind: 'no-block',
        object: address,
        fixable: false,
        text: /^lab\/x on node "n2" has it, .* Delete that pod; .* margayctl node decommission n2\.$/,
      },
    ])
    await other.ipam.refresh()
    await other.ipam.release(key('x'))
    await other.ipam.stop()
    await ipam.releaseEmptyBlocks(1)
    t.same(await found(check, false), [])
  },
)

t.test('a copy that somebody else changed is told, and written anew', async t => {
  const { check, datastore, ipam } = await node()
  await ipam.stop() // writes the copies
  const [{ name, version, value }] = (await datastore.list(copyKind)).entries
  await datastore.update(copyKind, name, { ...(value as object), addresses: {} }, version)
  t.same(await found(check, false), [`stale-copy ${name} fixable`])
  t.same(await found(check, true), [`stale-copy ${name} fixed`])
  t.same(await found(check, true), [])
  t.same((await datastore.get(copyKind, name))?.value, value)
})

t.test('a route to a device of a pod that nobody owns', async t => {
  const { check, kernel, a } = await node()
  await using kernelNode = await kernel.open()
  const link = (await kernelNode.link(a.hostDevice))!.index
  const { metric, protocol } = defaultMark
  await kernelNode.apply([
    { do: 'route.add', route: { dst: '10.42.0.250/32', nextHops: [{ link }], protocol, metric } },
  ])
  await kernelNode.apply([
    { do: 'route.add', route: { dst: '10.42.0.251/32', nextHops: [{ link }], protocol: 4, metric: 7 } },
  ])
  t.same(await found(check, false), ['stray-route 10.42.0.250/32 fixable'], "somebody else's is not ours to judge")
  t.same(await found(check, true), ['stray-route 10.42.0.250/32 fixed'])
  t.same(await found(check, true), [])
})

t.test('a pod that comes or goes at any step of the look is no finding, and keeps what is its own', async t => {
  for (const change of ['comes', 'goes', 'goes and comes again'])
    for (let step = 1; step <= 8; step++) {
      const { kernel, ipam, pods, plane, a } = await node()
      kernel.addNamespace('/pods/c')
      const add = (name: string) =>
        pods.add({ ...key(name), netns: `/pods/${name}`, addresses: [] }, new AbortController().signal)
      let calls = 0
      const act = async (): Promise<void> => {
        if (++calls !== step) return
        if (change === 'comes') await add('c')
        else await pods.del(a)
        if (change === 'goes and comes again') await add('a')
      }
      const check = new IpamCheck({ ipam, pods, kernel: hooked(kernel, act), mark: defaultMark })
      t.same(await found(check, true), [], `a pod ${change} at step ${step}`)
      const held = (await pods.records()).flatMap(({ addresses }) => addresses)
      const given = ipam.show().addresses.filter(row => !isTunnelOwner(row))
      t.same(
        given.map(({ address }) => address).toSorted(),
        held.toSorted(),
        'who is there has its address, nobody else',
      )
      t.same(plane.endpoints.all.flatMap(({ addresses }) => addresses).toSorted(), held.toSorted())
    }
})

/** The kernel, with something that happens before and after each question of the check. */
function hooked(kernel: FakeKernel, act: () => Promise<void>): FakeKernel {
  const around =
    <A extends unknown[], R>(ask: (...args: A) => Promise<R>) =>
    async (...args: A): Promise<R> => {
      await act()
      const answer = await ask(...args)
      await act()
      return answer
    }
  const open = async (): ReturnType<FakeKernel['open']> => {
    const node = await kernel.open()
    return Object.create(node, {
      links: { value: around(() => node.links()) },
      routes: { value: around((...args: Parameters<typeof node.routes>) => node.routes(...args)) },
      [Symbol.asyncDispose]: { value: () => node[Symbol.asyncDispose]() },
    }) as typeof node
  }
  return Object.create(kernel, {
    open: { value: open },
    identify: { value: around((path?: string) => kernel.identify(path)) },
  }) as FakeKernel
}

t.test('release and gc', async t => {
  const { answers, ipam, kernel, a, datastore } = await node()
  const release = (address: string) => Promise.resolve().then(() => answers['/v1/ipam/release']({ address }))
  await t.rejects(release(a.addresses[0]), { status: 400, message: /pod a\/eth0 is attached with it/ })
  await t.rejects(release('10.42.0.249'), { status: 404, message: /given it to nobody/ })
  const tunnel = ipam.show().addresses.find(({ containerId }) => containerId === 'margay-vxlan4')!.address
  await t.rejects(release(tunnel), { status: 400, message: /margay-vxlan4/ })
  const [{ address }] = (await ipam.assign({ ...key('gone'), families: [4] })).addresses
  t.match(await release(address), { released: [address] })

  await ipam.assign({ ...key('gone'), families: [4] })
  await deleteDevice(kernel, a.hostDevice)
  kernel.removeNamespace('/pods/a')
  t.equal((await answers['/v1/ipam/gc']({})).released.length, 2)

  await ipam.releaseExcept(() => false)
  await ipam.assign({ ...key('other'), families: [4] })
  await ipam.releaseExcept(() => false)
  const owned = ipam.owned()
  await datastore.create(lockKind, lockName, { by: 'op1', since: 'noon' })
  t.match(await answers['/v1/ipam/gc']({}), { released: [], blocks: [], kept: /cannot give back a block: .*locked/ })
  t.same(ipam.owned(), owned, 'what cannot go back stays in use')
  await datastore.delete(lockKind, lockName)
  t.same((await answers['/v1/ipam/gc']({})).blocks.length, 1)
})

async function deleteDevice(kernel: FakeKernel, name: string): Promise<void> {
  await using node = await kernel.open()
  const link = await node.link(name)
  if (link) await node.apply([{ do: 'link.delete', link: link.index }])
}
