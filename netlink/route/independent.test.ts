import t from 'tap'
import { scattered } from '../core/scattered.ts'
import { open } from '../index.ts'
import { namespace } from '../test-namespace.ts'
import type { Operation, Route, Rtnetlink } from '../types.ts'
import { MessageWriter } from '../core/writer.ts'
import { independentDeletions } from './independent.ts'
import { writeOperation } from './operations.ts'

const COUNT = 3000
const prefix = (i: number): string => `20.${i >> 8}.${i & 255}.0/24`
const route = (i: number, change: Partial<Route> = {}): Route => ({
  dst: prefix(i),
  nextHops: [{ gateway: '10.0.0.2' }],
  ...change,
})
const many = (verb: 'route.add' | 'route.replace' | 'route.delete', change?: Partial<Route>): Operation[] =>
  Array.from({ length: COUNT }, (_, i) => ({ do: verb, route: route(i, change) }))

t.test('scattered numbers are all there, and none is beside its neighbour', async t => {
  for (const count of [1, 2, 1023, 1024, 3000]) {
    const order = scattered(count)
    t.same(order.toSorted(), Uint32Array.from(order.keys()))
  }
  const order = scattered(COUNT)
  t.notOk(order.some((value, i) => i > 0 && Math.abs(value - order[i - 1]) < 16))
})

/** The message of an operation, as words. */
function kindOf(operation: Operation): number {
  const writer = new MessageWriter()
  writeOperation(writer, operation, 1, () => -1)
  const bytes = writer.bytes.slice()
  return independentDeletions.kindOf(new Uint32Array(bytes.buffer), 0)
}

for (const { name, operation, alone } of [
  { name: 'a route that comes', operation: { do: 'route.add', route: route(1) }, alone: false },
  { name: 'a deletion', operation: { do: 'route.delete', route: route(1, { nextHops: [] }) }, alone: true },
  {
    name: 'a deletion of IPv6',
    operation: { do: 'route.delete', route: { dst: 'fd00::/64', nextHops: [] } },
    alone: false,
  },
  { name: 'what is no route', operation: { do: 'link.delete', link: 3 }, alone: false },
] satisfies { name: string; operation: Operation; alone: boolean }[])
  t.test(`${name} ${alone ? 'may go anywhere' : 'keeps its place'}`, async t => t.equal(kindOf(operation) !== 0, alone))

async function stage(t: { teardown(cleanUp: () => unknown): unknown }): Promise<Rtnetlink> {
  const ns = namespace(t)
  ns.batch(['link add a0 type veth peer a1', 'link set a0 up', 'link set a1 up', 'address add 10.0.0.1/24 dev a0'])
  const netlink = await open({ netns: ns.path })
  t.teardown(() => netlink.close())
  return netlink
}
const refused = (results: readonly { readonly ok: boolean }[]) => [...results.keys()].filter(i => !results[i].ok)

t.test('the kernel is told of neighbours one long after the other', async t => {
  const netlink = await stage(t)
  await netlink.apply(many('route.add'))
  const heard: string[] = []
  await netlink.watch(['route4'], event => void (event.type === 'route.delete' && heard.push(event.route.dst)))
  t.same(refused(await netlink.apply(many('route.delete', { nextHops: [] }))), [])
  t.same(new Set(heard), new Set(many('route.delete').map((_, i) => prefix(i))))
  t.not(heard[1], prefix(1))
})

t.test('each refusal stands where its operation does', async t => {
  const netlink = await stage(t)
  const there = [0, 17, 1024, 2999]
  await netlink.apply(there.map(i => ({ do: 'route.add', route: route(i) })))
  const added = await netlink.apply([
    // By this one the gateway of those that follow is reached.
    { do: 'route.add', route: { dst: '10.9.0.0/16', nextHops: [{ link: (await netlink.link('a0'))!.index }] } },
    ...many('route.add', { nextHops: [{ gateway: '10.9.0.1' }] }).with(5, {
      do: 'route.add',
      route: route(5, { metric: -1 }),
    }),
  ])
  t.same(refused(added), [1, 6, 18, 1025, 3000])
  t.match(added[6], { ok: false, errno: 'EINVAL', text: /metric -1/ })
  t.match(added[18], { ok: false, errno: 'EEXIST' })

  await netlink.apply(there.map(i => ({ do: 'route.delete', route: { dst: prefix(i), nextHops: [] } })))
  t.same(
    refused(await netlink.apply(many('route.delete', { nextHops: [] }))),
    [...there, 5].toSorted((a, b) => a - b),
  )
  t.equal((await netlink.routes({ family: 4, protocol: 4 })).length, 1)
})

t.test('deletions of one destination take effect in order', async t => {
  const netlink = await stage(t)
  await netlink.apply([...many('route.add', { metric: 5 }), { do: 'route.add', route: route(7, { metric: 6 }) }])
  const one = (metric?: number): Operation => ({ do: 'route.delete', route: route(7, { metric, nextHops: [] }) })
  // Without a metric it is that of the least one that is left.
  const list = [...many('route.delete', { metric: 5, nextHops: [] }), one(), one(6), one()]
  t.same(refused(await netlink.apply(list)), [COUNT + 1, COUNT + 2])
})

t.test('a socket that is closed amid it says so', async t => {
  const netlink = await stage(t)
  const pending = netlink.apply(many('route.delete'))
  void netlink.close()
  await t.rejects(pending)
})
