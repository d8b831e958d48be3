import t, { type Test } from 'tap'
import { Dataplane } from './dataplane.ts'
import { type FakeWorld, fakeWorld, settle } from './fake-world.ts'

async function start(t: Test, w: FakeWorld): Promise<Dataplane> {
  const plane = await Dataplane.open({ kernel: w.kernel, clock: w.clock })
  t.teardown(() => plane.close())
  await plane.setUpNode({ all: ['eth0'] })
  return plane
}

async function later(plane: Dataplane, w: FakeWorld, ms: number): Promise<void> {
  w.clock.advance(ms)
  for (let i = 0; i < 5; i++) await settle(plane, w)
}

t.test('what the kernel announces is put right at once, the rest of the node within a second', async t => {
  const w = await fakeWorld()
  const plane = await start(t, w)
  for (const [name, ms] of [
    ['net/ipv4/ip_forward', 0],
    ['net/ipv4/conf/eth0/ignore_routes_with_linkdown', 0],
    ['net/ipv4/fib_multipath_hash_policy', 1_000],
  ] as const) {
    w.kernel.node.writeSysctl(name, '0')
    await later(plane, w, ms)
    t.equal(w.kernel.node.readSysctl(name), '1', name)
  }
  t.same(plane.problems, [])
})

t.test('router advertisements: only the value that would be deaf is changed', async t => {
  const w = await fakeWorld()
  const plane = await start(t, w)
  const name = 'net/ipv6/conf/eth0/accept_ra'
  for (const [set, want] of [
    ['0', '0'],
    ['1', '2'],
  ]) {
    w.kernel.node.writeSysctl(name, set)
    await later(plane, w, 1_000)
    t.equal(w.kernel.node.readSysctl(name), want)
  }
})

t.test('a fight about a setting is slowed and told', async t => {
  const w = await fakeWorld()
  const plane = await start(t, w)
  const name = 'net/ipv4/ip_forward'
  for (let i = 0; i < 3; i++) {
    t.same(plane.problems, [])
    w.kernel.node.writeSysctl(name, '0')
    w.kernel.node.writeSysctl('net/ipv4/conf/eth0/forwarding', '0') // as the kernel does with every link
    await later(plane, w, 0)
  }
  t.equal(w.kernel.node.readSysctl(name), '0', 'the third time it waits')
  t.match(plane.problems, [/^sysctl net\/ipv4\/ip_forward: somebody sets it to 0 again and again \(3 times/])
  t.equal(plane.problems.length, 1, 'one cause, one sentence')
  await later(plane, w, 1_000)
  t.equal(w.kernel.node.readSysctl(name), '1')
  await later(plane, w, 15_000)
  t.same(plane.problems, [])
})

t.test('put back for good', async t => {
  const w = await fakeWorld()
  const plane = await start(t, w)
  t.same(await plane.restoreNode([{ name: 'net/ipv4/ip_forward', value: '0' }]), [])
  await later(plane, w, 90_000)
  t.equal(w.kernel.node.readSysctl('net/ipv4/ip_forward'), '0')
})
