import t from 'tap'
import type { Operation, Route, Rtnetlink } from '../../../netlink/types.ts'
import { type FibClass, fibClasses, type FibEntry, type FibResult } from '../../model/fib.ts'
import { Dataplane } from '../dataplane.ts'
import type { Kernel } from '../kernel.ts'
import { sameRoute } from './route.ts'
import { type FakeWorld as World, fakeWorld as world, settle } from '../fake-world.ts'

async function start(
  t: { teardown(f: () => Promise<void>): void },
  w: { readonly kernel: Kernel; readonly clock: World['clock'] },
  synced: readonly FibClass[] = fibClasses,
): Promise<Dataplane> {
  const plane = await Dataplane.open({ kernel: w.kernel, clock: w.clock, auditEvery: 90_000 })
  t.teardown(() => plane.close())
  for (const owner of synced) plane.routes.inSync(owner)
  await plane.routes.idle()
  return plane
}

const via = (prefix: string, gateway: string, device = 'eth0'): FibEntry => ({
  prefix,
  kind: 'unicast',
  nextHops: [{ gateway, device }],
})
const unreachable = (prefix: string): FibEntry => ({ prefix, kind: 'unreachable', nextHops: [] })
const writes = (w: World): Operation[] => w.kernel.node.log.filter(operation => operation.do.startsWith('route.'))
const held = (w: World, prefix: string): readonly Route[] => w.kernel.node.routes.filter(route => route.dst === prefix)
const ours = (w: World): readonly string[] =>
  w.kernel.node.routes
    .filter(route => route.protocol === 81 && route.metric === 1024)
    .map(route => route.dst)
    .toSorted()

t.test('nothing is written before a class is ready', async t => {
  const w = await world()
  const plane = await start(t, w, [])
  plane.routes.set('bgp', [via('10.42.1.0/26', '10.0.1.1')])
  plane.routes.set('block', [unreachable('10.42.0.0/26')])
  await plane.routes.idle()
  t.same(writes(w), [])
  plane.routes.ready('block')
  await plane.routes.idle()
  t.same(ours(w), ['10.42.0.0/26'], 'the ready class may add, the other not')
  t.same(plane.routes.counts.held, 1)
  t.same(plane.routes.waitingFor, fibClasses)
})

t.test('a restarted daemon that wants what is there writes nothing', async t => {
  const w = await world()
  const first = await start(t, w)
  const bgp = [
    via('10.42.1.0/26', '10.0.1.1'),
    via('fd00:42::/122', 'fd00:1::1'),
    {
      ...via('10.42.2.0/26', '10.0.1.1'),
      nextHops: [
        { gateway: '10.0.1.1', device: 'eth0' },
        { gateway: '10.0.2.1', device: 'eth1' },
      ],
    },
  ]
  first.routes.set('bgp', bgp)
  first.routes.set('block', [unreachable('10.42.0.0/26'), unreachable('fd00:42::40/122')])
  await first.routes.idle()
  t.equal(first.routes.counts.installed, 5)
  await first.close()

  w.kernel.node.log.length = 0
  const second = await start(t, w, [])
  const results: FibResult[] = []
  second.routes.onResults(list => results.push(...list))
  second.routes.set('bgp', bgp)
  second.routes.ready('bgp')
  await second.routes.idle()
  second.routes.set('block', [unreachable('10.42.0.0/26'), unreachable('fd00:42::40/122')])
  for (const owner of fibClasses) second.routes.inSync(owner)
  await second.routes.audit()
  t.same(writes(w), [])
  t.same(results.find(result => result.prefix === '10.42.2.0/26')?.state, 'installed', 'and says so')
})

t.test('what the last run left goes only when every class is in sync', async t => {
  const w = await world()
  const first = await start(t, w)
  first.routes.set('bgp', [via('10.42.1.0/26', '10.0.1.1'), via('10.42.2.0/26', '10.0.1.1')])
  await first.routes.idle()
  await first.close()

  const second = await start(t, w, ['endpoint', 'tunnel', 'block'])
  second.routes.set('bgp', [via('10.42.2.0/26', '10.0.1.2')])
  second.routes.ready('bgp')
  await second.routes.idle()
  t.same(ours(w), ['10.42.1.0/26', '10.42.2.0/26'])
  t.equal(held(w, '10.42.2.0/26')[0].nextHops[0].gateway, '10.0.1.2', 'replaced at once')
  second.routes.inSync('bgp')
  await second.routes.idle()
  t.same(ours(w), ['10.42.2.0/26'])
  t.notOk(
    writes(w).some(write => write.do === 'route.delete' && write.route.dst === '10.42.2.0/26'),
    'never deleted first',
  )
})

t.test('what nobody wants yet of the last run is judged once, when the last class is in sync', async t => {
  const w = await world()
  const first = await start(t, w)
  first.routes.set('bgp', [via('10.42.1.0/26', '10.0.1.1'), via('10.42.2.0/26', '10.0.1.1')])
  await first.routes.idle()
  await first.close()

  const second = await start(t, w, [])
  const results: FibResult[] = []
  second.routes.onResults(list => results.push(...list))
  t.equal(second.routes.obstacle('10.42.1.0/26')?.state, 'held', 'and can be asked about meanwhile')
  second.routes.patch('bgp', [{ prefix: '10.42.2.0/26', entry: via('10.42.2.0/26', '10.0.1.1') }])
  for (const owner of ['endpoint', 'tunnel', 'block', 'bgp'] as const) {
    second.routes.inSync(owner)
    await second.routes.idle()
  }
  const about = (prefix: string) => results.filter(result => result.prefix === prefix).map(({ state }) => state)
  t.same(about('10.42.1.0/26'), ['removed'])
  t.same(about('10.42.2.0/26'), ['installed'])
})

t.test('a route of the last run that a higher class may still want is not replaced', async t => {
  const w = await world()
  const first = await start(t, w)
  first.routes.set('endpoint', [{ prefix: '10.42.0.5/32', kind: 'unicast', nextHops: [{ device: 'eth1' }] }])
  await first.routes.idle()
  await first.close()
  const second = await start(t, w, [])
  second.routes.set('bgp', [via('10.42.0.5/32', '10.0.1.1')])
  second.routes.inSync('bgp')
  await second.routes.idle()
  t.equal(held(w, '10.42.0.5/32')[0].nextHops[0].gateway, undefined)
})

t.test('the first class in the order wins a prefix, and the next takes over', async t => {
  const w = await world()
  const plane = await start(t, w)
  plane.routes.set('block', [unreachable('10.42.0.0/26')])
  plane.routes.set('bgp', [via('10.42.0.0/26', '10.0.1.1')])
  await plane.routes.idle()
  t.equal(held(w, '10.42.0.0/26')[0].type, 'unicast')
  plane.routes.patch('bgp', [{ prefix: '10.42.0.0/26' }])
  await plane.routes.idle()
  t.equal(held(w, '10.42.0.0/26')[0].type, 'unreachable')
  t.same(
    writes(w).map(write => write.do),
    ['route.add', 'route.replace'],
  )
})

for (const c of [
  { name: 'at our very key', foreign: { metric: 1024, protocol: 4 } },
  { name: 'of a lower metric', foreign: { metric: 20, protocol: 186 } },
  { name: 'of a higher metric', foreign: { metric: 4000, protocol: 4 } },
  { name: 'with our protocol but another metric', foreign: { metric: 5, protocol: 81 } },
])
  t.test(`a foreign route ${c.name} is a conflict, and stays`, async t => {
    const w = await world()
    const foreign: Route = {
      dst: '10.42.1.0/26',
      ...c.foreign,
      scope: 'universe',
      nextHops: [{ gateway: '10.0.2.1', link: w.eth0 + 1 }],
    }
    await w.other.apply([{ do: 'route.add', route: foreign }])
    const plane = await start(t, w)
    const results: FibResult[] = []
    plane.routes.onResults(list => results.push(...list))
    w.kernel.node.log.length = 0
    plane.routes.set('bgp', [via('10.42.1.0/26', '10.0.1.1'), via('10.42.2.0/26', '10.0.1.1')])
    await plane.routes.idle()
    t.match(held(w, '10.42.1.0/26'), [foreign])
    t.match(
      results.find(result => result.prefix === '10.42.1.0/26'),
      {
        state: 'conflict',
        text: new RegExp(`10.42.1.0/26.*eth1.*protocol ${c.foreign.protocol}\\b.*, metric ${c.foreign.metric}`),
      },
    )
    t.same(ours(w), ['10.42.2.0/26'], 'the rest goes on')
    await w.other.apply([{ do: 'route.delete', route: { ...foreign, scope: 'nowhere', nextHops: [] } }])
    await settle(plane, w)
    t.same(ours(w), ['10.42.1.0/26', '10.42.2.0/26'], 'once it is gone, ours comes')
    t.same(plane.routes.trouble, [])
  })

t.test('ours gives way when a connected route for the prefix appears', async t => {
  const w = await world()
  const plane = await start(t, w)
  plane.routes.set('bgp', [via('10.0.3.0/24', '10.0.1.1')])
  await plane.routes.idle()
  await w.other.apply([{ do: 'address.add', address: { link: w.eth0 + 1, cidr: '10.0.3.7/24', scope: 'universe' } }])
  await settle(plane, w)
  t.match(held(w, '10.0.3.0/24'), [{ protocol: 2 }])
  t.match(plane.routes.trouble, [{ text: /because of an address.*ip addr show to 10\.0\.3\.0\/24/ }])
})

t.test('an endpoint keeps its route beside a foreign one of another metric', async t => {
  const w = await world()
  await w.other.apply([
    { do: 'route.add', route: { dst: '10.42.0.5/32', metric: 4000, scope: 'link', nextHops: [{ link: w.eth0 }] } },
  ])
  const plane = await start(t, w)
  plane.routes.set('endpoint', [{ prefix: '10.42.0.5/32', kind: 'unicast', nextHops: [{ device: 'eth1' }] }])
  await plane.routes.idle()
  t.equal(held(w, '10.42.0.5/32').length, 2)
})

t.test('a pod whose address a foreign route of a lower metric takes is a conflict', async t => {
  const w = await world()
  const plane = await start(t, w)
  plane.routes.set('endpoint', [{ prefix: '10.42.0.5/32', kind: 'unicast', nextHops: [{ device: 'eth1' }] }])
  await plane.routes.idle()
  t.same(plane.routes.trouble, [])
  await w.other.apply([
    { do: 'route.add', route: { dst: '10.42.0.5/32', metric: 5, scope: 'link', nextHops: [{ link: w.eth0 }] } },
  ])
  await settle(plane, w)
  t.match(plane.routes.trouble, [{ state: 'conflict', text: /eth0.*metric 5/ }])
  t.equal(held(w, '10.42.0.5/32').length, 2, 'both stay')
})

t.test('what others do to our routes is repaired', async t => {
  for (const c of [
    {
      name: 'deleted',
      act: (route: Route): Operation => ({ do: 'route.delete', route: { ...route, scope: 'nowhere', nextHops: [] } }),
    },
    {
      name: 'changed under our mark',
      act: (route: Route): Operation => ({
        do: 'route.replace',
        route: { ...route, nextHops: [{ gateway: '10.0.1.66', link: route.nextHops[0].link }] },
      }),
    },
  ])
    await t.test(c.name, async t => {
      const w = await world()
      const plane = await start(t, w)
      plane.routes.set('bgp', [via('10.42.1.0/26', '10.0.1.1')])
      await plane.routes.idle()
      await w.other.apply([c.act(held(w, '10.42.1.0/26')[0])])
      await settle(plane, w)
      t.match(held(w, '10.42.1.0/26'), [{ protocol: 81, nextHops: [{ gateway: '10.0.1.1' }] }])
    })
})

t.test('a route that another program took over is left to it', async t => {
  const w = await world()
  const plane = await start(t, w)
  plane.routes.set('bgp', [via('10.42.1.0/26', '10.0.1.1')])
  await plane.routes.idle()
  await w.other.apply([{ do: 'route.replace', route: { ...held(w, '10.42.1.0/26')[0], protocol: 186 } }])
  await settle(plane, w)
  t.match(held(w, '10.42.1.0/26'), [{ protocol: 186 }])
  plane.routes.set('bgp', [])
  await settle(plane, w)
  t.equal(held(w, '10.42.1.0/26').length, 1, 'nor is it deleted when we want it no more')
})

t.test('whoever undoes a route again and again is answered ever more slowly, and reported', async t => {
  for (const c of [
    {
      name: 'deleted',
      act: (route: Route): Operation[] => [{ do: 'route.delete', route: { ...route, scope: 'nowhere', nextHops: [] } }],
      text: /somebody deletes it again and again \(3 times.*ManageForeignRoutes/,
    },
    {
      name: 'taken and given back',
      act: (route: Route): Operation[] => [
        { do: 'route.replace', route: { ...route, protocol: 12 } },
        { do: 'route.delete', route: { ...route, protocol: 12, scope: 'nowhere', nextHops: [] } },
      ],
      text: /\(protocol 12, BIRD\) takes its place again and again.*leave 10\.42\.1\.0\/26 alone/,
    },
    {
      name: 'changed under our mark',
      act: (route: Route): Operation[] => [
        { do: 'route.replace', route: { ...route, nextHops: [{ ...route.nextHops[0], gateway: '10.0.1.66' }] } },
      ],
      text: /under our own mark.*dataplane\.routeProtocol, now 81/,
    },
  ])
    await t.test(c.name, async t => {
      const w = await world()
      const plane = await start(t, w)
      plane.routes.set('bgp', [via('10.42.1.0/26', '10.0.1.1'), via('10.42.2.0/26', '10.0.1.1')])
      await plane.routes.idle()
      const [whole] = held(w, '10.42.1.0/26')
      const strike = async (): Promise<boolean> => {
        for (const operation of c.act(whole)) w.kernel.node.apply(operation)
        await settle(plane, w)
        return held(w, '10.42.1.0/26').some(route => sameRoute(route, whole))
      }
      t.same([await strike(), await strike()], [true, true], 'twice it is put right at once')
      t.same(plane.routes.trouble, [])
      t.equal(await strike(), false, 'the third time it waits')
      t.match(plane.routes.trouble, [{ prefix: '10.42.1.0/26', state: 'conflict', text: c.text }])
      t.equal(plane.routes.counts.conflicts, 1)
      w.clock.advance(1_000)
      await settle(plane, w)
      t.ok(sameRoute(held(w, '10.42.1.0/26')[0], whole), 'for a second')
      t.match(plane.routes.trouble, [{ state: 'conflict' }], 'and is told for as long as it may go on')
      await strike()
      w.clock.advance(1_500)
      await settle(plane, w)
      t.notOk(
        held(w, '10.42.1.0/26').some(route => sameRoute(route, whole)),
        'the fourth time longer',
      )
      w.clock.advance(500)
      await settle(plane, w)
      t.ok(sameRoute(held(w, '10.42.1.0/26')[0], whole))
      w.clock.advance(15_000)
      t.same(plane.routes.trouble, [], 'peace ends it')
      t.equal(await strike(), true)
    })
})

t.test('in a table of their own, with another metric, under the same rules', async t => {
  const w = await world()
  const mark = { table: 81, metric: 200 }
  const plane = await Dataplane.open({ kernel: w.kernel, clock: w.clock, mark })
  t.teardown(() => plane.close())
  for (const owner of fibClasses) plane.routes.inSync(owner)
  // Another's route in main keeps ours out of the other table as well, and so does a connected one.
  const other: Route = {
    dst: '10.42.2.0/26',
    metric: 20,
    scope: 'universe',
    nextHops: [{ gateway: '10.0.2.1', link: w.eth1 }],
  }
  await w.other.apply([{ do: 'route.add', route: other }])
  plane.routes.set('bgp', [
    via('10.42.1.0/26', '10.0.1.1'),
    via('10.42.2.0/26', '10.0.1.1'),
    via('10.0.2.0/24', '10.0.1.1'),
  ])
  await settle(plane, w)
  t.match(held(w, '10.42.1.0/26'), [{ table: 81, metric: 200, protocol: 81 }])
  t.equal(plane.routes.counts.installed, 1)
  t.equal(plane.routes.counts.conflicts, 2)
  t.ok(
    plane.facts.current.foreignRoutes.some(({ prefix, connected }) => prefix === '10.0.1.0/24' && connected),
    'next hops are found in main',
  )
  await w.other.apply([
    { do: 'route.delete', route: { ...held(w, '10.42.1.0/26')[0], scope: 'nowhere', nextHops: [] } },
  ])
  await w.other.apply([{ do: 'route.delete', route: { ...other, scope: 'nowhere', nextHops: [] } }])
  await settle(plane, w)
  t.same(
    w.kernel.node.routes.filter(route => route.table === 81).map(route => route.dst),
    ['10.42.1.0/26', '10.42.2.0/26'],
  )
  plane.routes.set('bgp', [])
  await settle(plane, w)
  t.notOk(w.kernel.node.routes.some(route => route.table === 81))
})

t.test('a link that flaps is no fight', async t => {
  const w = await world()
  const plane = await start(t, w)
  plane.routes.set('bgp', [via('10.42.1.0/26', '10.0.1.1'), via('fd00:42::/122', 'fd00:1::1')])
  await plane.routes.idle()
  for (let i = 0; i < 5; i++) {
    for (const up of [false, true]) await w.other.apply([{ do: 'link.set', link: w.eth0, change: { up } }])
    await settle(plane, w)
    t.same(ours(w), ['10.42.1.0/26', 'fd00:42::/122'])
  }
})

t.test('routes that the kernel flushed without a word come back', async t => {
  for (const c of [
    {
      name: 'link down and up',
      act: (link: number): Operation[] => [
        { do: 'link.set', link, change: { up: false } },
        { do: 'link.set', link, change: { up: true } },
      ],
    },
    {
      name: 'last address replaced',
      act: (link: number): Operation[] => [
        { do: 'address.delete', address: { link, cidr: '10.0.1.7/24', scope: 'universe' } },
        { do: 'address.add', address: { link, cidr: '10.0.1.8/24', scope: 'universe' } },
      ],
    },
  ])
    await t.test(c.name, async t => {
      const w = await world()
      const plane = await start(t, w)
      plane.routes.set('bgp', [via('10.42.1.0/26', '10.0.1.1'), via('10.42.2.0/26', '10.0.2.1', 'eth1')])
      plane.routes.set('block', [unreachable('10.42.0.0/26')])
      await plane.routes.idle()
      await w.other.apply(c.act(w.eth0))
      t.same(ours(w), ['10.42.0.0/26', '10.42.2.0/26'], 'flushed')
      await settle(plane, w)
      t.same(ours(w), ['10.42.0.0/26', '10.42.1.0/26', '10.42.2.0/26'])
    })
})

t.test('a device that is made anew gets its routes again', async t => {
  const w = await world()
  const plane = await start(t, w)
  plane.routes.set('bgp', [
    { prefix: '10.42.1.0/26', kind: 'unicast', nextHops: [{ gateway: '10.0.9.1', device: 'eth9', onlink: true }] },
  ])
  await plane.routes.idle()
  t.match(plane.routes.trouble, [{ state: 'failed', text: /no device eth9/ }])
  for (let i = 0; i < 2; i++) {
    await w.other.apply([
      { do: 'link.add', link: { kind: 'veth', name: 'eth9', up: true, peer: { name: 'eth9', netns: '/fabric' } } },
    ])
    await settle(plane, w)
    t.same(ours(w), ['10.42.1.0/26'])
    await w.other.apply([{ do: 'link.delete', link: w.kernel.node.named('eth9')!.index }])
    await settle(plane, w)
    t.same(ours(w), [])
  }
})

t.test('one failure stops nobody, and is tried again later', async t => {
  const w = await world()
  const plane = await start(t, w)
  w.kernel.node.refuse = operation =>
    operation.do === 'route.add' && operation.route.dst === '10.42.1.0/26' ? 'ENOBUFS' : undefined
  plane.routes.set('bgp', [
    via('10.42.1.0/26', '10.0.1.1'),
    via('10.42.2.0/26', '10.0.1.1'),
    via('10.42.3.0/26', '10.9.9.9'),
  ])
  await plane.routes.idle()
  t.same(ours(w), ['10.42.2.0/26'])
  t.match(
    plane.routes.trouble.toSorted((a, b) => (a.prefix < b.prefix ? -1 : 1)),
    [
      { prefix: '10.42.1.0/26', state: 'failed', text: /ENOBUFS/ },
      { prefix: '10.42.3.0/26', state: 'failed', text: /ENETUNREACH.*connected network/ },
    ],
  )
  w.kernel.node.refuse = undefined
  w.clock.advance(249)
  await plane.routes.idle()
  t.same(ours(w), ['10.42.2.0/26'], 'not before its time')
  w.clock.advance(1)
  await plane.routes.idle()
  t.same(ours(w), ['10.42.1.0/26', '10.42.2.0/26'])
  t.equal(plane.routes.counts.failed, 1)
})

t.test('a route that came back unheard is found by exclusive create', async t => {
  const w = await world()
  const plane = await start(t, w)
  w.kernel.node.overrun(() => {
    const route: Route = {
      dst: '10.42.1.0/26',
      protocol: 4,
      metric: 1024,
      scope: 'universe',
      nextHops: [{ gateway: '10.0.1.66', link: w.eth0 }],
    }
    w.kernel.node.apply({ do: 'route.add', route })
  })
  plane.routes.set('bgp', [via('10.42.1.0/26', '10.0.1.1')])
  await plane.routes.idle()
  t.match(held(w, '10.42.1.0/26'), [{ protocol: 4 }])
  await settle(plane, w)
  t.match(plane.routes.trouble, [{ state: 'conflict' }])
})

t.test('after lost events the table is read again', async t => {
  const w = await world()
  const plane = await start(t, w)
  plane.routes.set('bgp', [via('10.42.1.0/26', '10.0.1.1')])
  await plane.routes.idle()
  w.kernel.node.overrun(() => {
    w.kernel.node.apply({ do: 'route.delete', route: { ...held(w, '10.42.1.0/26')[0], scope: 'nowhere' } })
  })
  await settle(plane, w)
  t.same(ours(w), ['10.42.1.0/26'])
})

t.test('the slow audit finds what no event told', async t => {
  const w = await world()
  const plane = await start(t, w)
  plane.routes.set('bgp', [via('10.42.1.0/26', '10.0.1.1')])
  await settle(plane, w)
  w.kernel.node.mute(() => {
    w.kernel.node.apply({ do: 'route.delete', route: { ...held(w, '10.42.1.0/26')[0], scope: 'nowhere' } })
  })
  await settle(plane, w)
  t.same(ours(w), [])
  w.clock.advance(90_000)
  await settle(plane, w)
  t.same(ours(w), ['10.42.1.0/26'])
})

/** The world's kernel with a say in what becomes of each hand-over. */
function through(
  w: World,
  apply: (operations: readonly Operation[], socket: Rtnetlink) => ReturnType<Rtnetlink['apply']>,
): Kernel {
  return {
    open: async () => {
      const socket = await w.kernel.open()
      return { ...socket, apply: operations => apply(operations, socket) }
    },
    openNetfilter: () => w.kernel.openNetfilter(),
    openFou: () => w.kernel.openFou(),
    openEthtool: () => w.kernel.openEthtool(),
    openWireguard: () => w.kernel.openWireguard(),
    identify: netns => w.kernel.identify(netns),
    readSysctls: (names, netns) => w.kernel.readSysctls(names, netns),
    writeSysctls: (settings, netns) => w.kernel.writeSysctls(settings, netns),
  }
}

t.test('a large table goes out in batches of 256, pods first', async t => {
  const w = await world()
  const batches: number[] = []
  const kernel = through(w, (operations, socket) => {
    batches.push(operations.length)
    return socket.apply(operations)
  })
  const plane = await start(t, { ...w, kernel })
  const prefixes = Array.from({ length: 1000 }, (_, i) => `10.${50 + (i >> 8)}.${i & 255}.0/24`)
  plane.routes.set(
    'bgp',
    prefixes.map(prefix => via(prefix, '10.0.1.1')),
  )
  const pod: FibEntry = { prefix: '10.42.0.5/32', kind: 'unicast', nextHops: [{ device: 'eth1' }] }
  plane.routes.patch('endpoint', [{ prefix: pod.prefix, entry: pod }])
  await plane.routes.idle()
  t.same(batches, [256, 256, 256, 233])
  t.match(writes(w)[0], { route: { dst: pod.prefix } })
})

t.test('settle tells what becomes of a prefix, whatever its state was', async t => {
  const w = await world()
  const plane = await start(t, w)
  plane.routes.patch('bgp', [{ prefix: '10.42.1.0/26', entry: via('10.42.1.0/26', '10.0.1.1') }])
  t.match(await plane.routes.settle(['10.42.1.0/26', '10.42.9.0/26']), [{ state: 'installed' }, { state: 'removed' }])
  t.match(await plane.routes.settle(['10.42.1.0/26']), [{ state: 'installed' }])
  const late = plane.close().then(() => plane.routes.settle(['10.42.1.0/26']))
  t.match(await late, [{ state: 'failed', text: /stopping/ }])
})

t.test('a wish that overtakes a write under way is answered for itself', async t => {
  const w = await world()
  const gates: PromiseWithResolvers<void>[] = []
  const kernel = through(w, async (operations, socket) => {
    const gate = Promise.withResolvers<void>()
    gates.push(gate)
    await gate.promise
    return socket.apply(operations)
  })
  const plane = await start(t, { ...w, kernel })
  const entry = via('10.42.1.0/26', '10.0.1.1')
  const next = async (): Promise<void> => {
    while (gates.length === 0) await new Promise(resolve => setImmediate(resolve))
    gates.shift()?.resolve()
  }
  plane.routes.patch('bgp', [{ prefix: entry.prefix, entry }])
  await next()
  await plane.routes.idle()
  plane.routes.patch('bgp', [{ prefix: entry.prefix }])
  while (gates.length === 0) await new Promise(resolve => setImmediate(resolve))
  plane.routes.patch('bgp', [{ prefix: entry.prefix, entry }])
  const settled = plane.routes.settle([entry.prefix])
  await next()
  await next()
  t.match(await settled, [{ state: 'installed' }])
  t.same(ours(w), [entry.prefix])
})

t.test('a kernel that stops answering is a failure for each route, not the end', async t => {
  const w = await world()
  let broken = true
  const kernel = through(w, (operations, socket) =>
    broken ? Promise.reject(new Error('socket lost')) : socket.apply(operations),
  )
  const plane = await start(t, { ...w, kernel })
  plane.routes.set('bgp', [via('10.42.1.0/26', '10.0.1.1')])
  await plane.routes.idle()
  t.match(plane.routes.trouble, [{ state: 'failed', text: /socket lost/ }])
  broken = false
  w.clock.advance(250)
  await plane.routes.idle()
  t.same(ours(w), ['10.42.1.0/26'])
})
