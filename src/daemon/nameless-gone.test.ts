// Pods that are known by their devices alone, and whose devices are gone: a device's name says which pod it was.

import t from 'tap'
import { FakeKernel } from '../dataplane/fake-kernel.ts'
import { Dataplane } from '../dataplane/index.ts'
import { defaultMark } from '../dataplane/routes/route.ts'
import { MemoryDatastore, MemoryNodeStore } from '../datastore/memory.ts'
import { endpointKey } from '../model/endpoint.ts'
import { fibClasses } from '../model/fib.ts'
import { pool } from '../ipam/testing.ts'
import { ipamAnswers } from './ipam-answers.ts'
import { IpamCheck } from './ipam-check.ts'
import { storeAge } from './store-age.ts'
import { podsRoom } from './testing-pods.ts'

const pools = [pool('v4', '10.42.0.0/24')]
const key = (name: string) => ({ network: 'net', containerId: name, ifName: 'eth0' })
const alive = new AbortController().signal

class Machine {
  readonly kernel = new FakeKernel()
  readonly datastore = new MemoryDatastore()
  nodeStore = new MemoryNodeStore()

  async run(lostStore = false) {
    const { kernel, datastore, nodeStore } = this
    const plane = await Dataplane.open({ kernel })
    const { ipam, pods } = podsRoom({ plane, datastore, nodeStore, pools })
    const age = await storeAge({ kernel, dataplane: plane, nodeStore, protocol: 81 }, lostStore)
    await ipam.load({ ...age, isBehind: age.is === 'behind' })
    await pods.recover(age)
    for (const owner of fibClasses) plane.routes.inSync(owner)
    const ipamCheck = new IpamCheck({ ipam, pods, kernel, mark: defaultMark })
    const answers = ipamAnswers({ node: 'n1', ipam, pods, ipamCheck, keepBlocks: () => 9 })
    const add = (name: string, addresses: readonly string[] = []) => {
      kernel.addNamespace(`/pods/${name}`)
      return pods.add({ ...key(name), netns: `/pods/${name}`, addresses }, alive)
    }
    const stop = async () => {
      await ipam.stop()
      await plane.close()
    }
    return { plane, ipam, pods, ipamCheck, answers, add, stop }
  }

  /** A pod whose node lost its store while the datastore was away, and that went while margayd was stopped. */
  async withPhantom(name: string) {
    const first = await this.run()
    const { endpoint } = await first.add(name)
    await first.stop() // writes the copies
    this.datastore.fail('away')
    this.nodeStore = new MemoryNodeStore()
    await (await this.run(true)).stop()
    this.kernel.removeNamespace(`/pods/${name}`)
    return endpoint
  }
}

t.test('the DEL of a pod ends it also where only its device was known, and that is gone', async t => {
  const here = new Machine()
  const { addresses } = await here.withPhantom('b')
  const away = await here.run()
  await away.pods.del(key('b'))
  t.same(away.plane.problems, [])
  await away.stop()
  const back = await here.run()
  here.datastore.fail()
  await back.ipam.refresh()
  await back.pods.nameKnown()
  t.same(await back.pods.records(), [])
  t.same(back.ipam.show().addresses, [])
  t.same(back.plane.problems, [])
  t.same(await back.ipamCheck.run({ fix: false }), [])
  await back.add('z', addresses)
  t.same(await back.ipamCheck.run({ fix: false }), [])
  await back.stop()
})

t.test('who is gone is taken back at once, under both its names, and gc says so once', async t => {
  for (const isNamedFirst of [true, false]) {
    const here = new Machine()
    const { addresses } = await here.withPhantom('e')
    if (isNamedFirst) here.datastore.fail()
    const node = await here.run()
    here.datastore.fail()
    await node.ipam.refresh()
    await node.pods.nameKnown()
    t.match(await node.ipamCheck.run({ fix: false }), [{ kind: 'leak', fixable: true }])
    t.match(await node.answers['/v1/ipam/gc']({}), { released: addresses })
    t.same(node.ipam.show().addresses, [])
    t.same(await node.pods.records(), [])
    t.same(node.plane.problems, [])
    t.same(await node.ipamCheck.run({ fix: false }), [])
    t.same((await node.answers['/v1/ipam/gc']({})).released, [])
    await node.stop()
  }
})

t.test(
  'gc does not say that it took back what another pod has by now, and no pod is called attached that is not',
  async t => {
    const here = new Machine()
    const first = await here.run()
    const { endpoint } = await first.add('z')
    await first.stop()
    const hostDevice = 'mgy0123456789a'
    const phantom = { ...endpoint, network: '', containerId: hostDevice, ifName: '', netns: '', hostDevice }
    await here.nodeStore.commit([{ do: 'put', table: 'endpoints', key: endpointKey(phantom), value: phantom }])
    const node = await here.run()
    t.match(await node.ipamCheck.run({ fix: false }), [{ kind: 'leak' }], 'and no duplicate')
    t.same((await node.answers['/v1/ipam/gc']({})).released, [])
    t.match(node.ipam.show().addresses, [{ address: endpoint.addresses[0], containerId: 'z' }])
    t.same(await node.ipamCheck.run({ fix: false }), [])
    await node.stop()
  },
)
