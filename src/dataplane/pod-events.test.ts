// What a pod's coming and going makes the rest of the node look at, and what it does not.

import t from 'tap'
import { Dataplane } from './dataplane.ts'
import { type FakeWorld, fakeWorld, settle } from './fake-world.ts'
import { fibClasses } from '../model/fib.ts'

/** A node that counts how often its tables and the settings of all of it are read. */
async function counted() {
  const w = await fakeWorld()
  const count = { tables: 0, ofNode: 0 }
  const { kernel } = w
  const [open, readSysctls] = [kernel.open.bind(kernel), kernel.readSysctls.bind(kernel)]
  kernel.open = async netns => {
    const socket = await open(netns)
    const links = () => {
      count.tables++
      return socket.links()
    }
    return { ...socket, links }
  }
  kernel.readSysctls = (names, netns) => {
    if (names.includes('net/ipv4/ip_forward')) count.ofNode++
    return readSysctls(names, netns)
  }
  const plane = await Dataplane.open({ kernel, clock: w.clock })
  t.teardown(() => plane.close())
  await plane.setUpNode({ all: ['eth0'] })
  await plane.endpoints.adopt([])
  for (const owner of fibClasses) plane.routes.inSync(owner)
  await settle(plane, w)
  Object.assign(count, { tables: 0, ofNode: 0 })
  return { w, plane, count }
}

async function pod({ w, plane }: { readonly w: FakeWorld; readonly plane: Dataplane }, n: number) {
  w.kernel.addNamespace(`/pods/${n}`)
  const key = { network: 'pods', containerId: `c${n}`, ifName: 'eth0' }
  return plane.endpoints.add({ ...key, netns: `/pods/${n}`, addresses: [`10.42.0.${n}`], mtu: 1400 })
}

t.test('pods come and go, and nothing is read again', async t => {
  const node = await counted()
  for (const n of [2, 3, 4]) t.ok((await pod(node, n)).ok)
  await settle(node.plane, node.w)
  await Promise.all(
    [2, 3, 4].map(n => node.plane.endpoints.remove({ network: 'pods', containerId: `c${n}`, ifName: 'eth0' })),
  )
  await settle(node.plane, node.w)
  t.same(node.count, { tables: 0, ofNode: 0 })
  t.same(node.plane.routes.counts, { ...node.plane.routes.counts, installed: 0, failed: 0 })
})

t.test('what else befalls a pod’s device is looked into', async t => {
  const node = await counted()
  const outcome = await pod(node, 2)
  if (!outcome.ok) throw new Error(outcome.error.text)
  await settle(node.plane, node.w)
  const host = node.w.kernel.node.named(outcome.endpoint.hostDevice)!
  for (const change of [{ mtu: 1300 }, { up: false }] as const) {
    node.count.tables = 0
    await node.w.other.apply([{ do: 'link.set', link: host.index, change }])
    await settle(node.plane, node.w)
    t.not(node.count.tables, 0, JSON.stringify(change))
  }
  node.w.kernel.node.mute(() => node.w.kernel.node.apply({ do: 'link.delete', link: host.index }))
  await node.plane.routes.audit()
})

t.test(
  'settings of the whole node are looked at when those of a link change, unless it is one of a pod to be',
  async t => {
    const node = await counted()
    const name = 'mgy0123456789a'
    const peer = { name: 'eth0', netns: '/fabric2' }
    node.w.kernel.addNamespace(peer.netns)
    await node.w.other.apply([{ do: 'link.add', link: { kind: 'veth', name, peer } }])
    for (const [device, looks] of [
      [name, 0],
      ['eth1', 1],
    ] as const) {
      node.w.kernel.node.writeSysctl(`net/ipv4/conf/${device}/rp_filter`, '2')
      await settle(node.plane, node.w)
      t.equal(node.count.ofNode, looks, device)
    }
  },
)

t.test('a device that takes a pod’s name is no fact, and one that gives it up is', async t => {
  const { w, plane } = await counted()
  const names = (): readonly string[] => plane.facts.current.links.map(({ name }) => name)
  t.ok(names().includes('eth1'))
  await w.other.apply([{ do: 'link.set', link: w.eth1, change: { name: 'mgy0123456789a' } }])
  await settle(plane, w)
  t.notOk(names().includes('eth1'))
  await w.other.apply([{ do: 'link.set', link: w.eth1, change: { name: 'eth7' } }])
  await settle(plane, w)
  t.ok(names().includes('eth7'))
})
