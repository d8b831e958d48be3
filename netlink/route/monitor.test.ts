import t from 'tap'
import { type NetlinkEvent, open, writeSysctls } from '../index.ts'
import { namespace } from '../test-namespace.ts'

/** Collects events, and waits until `when` holds of them. */
function recorder(): {
  readonly handler: (event: NetlinkEvent) => void
  readonly events: NetlinkEvent[]
  until: Until
} {
  const events: NetlinkEvent[] = []
  let check = (): void => {}
  return {
    events,
    handler: event => {
      events.push(event)
      check()
    },
    until: when =>
      new Promise(resolve => {
        check = () => when(events) && resolve()
        check()
      }),
  }
}
type Until = (when: (events: readonly NetlinkEvent[]) => boolean) => Promise<void>

t.test('settings and forwarding tables are heard, too', async t => {
  const ns = namespace(t)
  const netlink = await open({ netns: ns.path })
  t.teardown(() => netlink.close())
  const all = recorder()
  await netlink.watch(['netconf4', 'netconf6', 'neighbour'], all.handler)
  ns.batch([
    'link add v0 type vxlan id 42 dstport 4789 local 127.0.0.1 nolearning',
    'link add a0 type veth peer a1',
    'link set v0 up',
  ])
  const a0 = (await netlink.link('a0'))?.index
  const link = (await netlink.link('v0'))!.index
  const entry = { link, mac: '02:00:00:00:00:09', dst: '10.0.0.9' }
  t.same(await netlink.apply([{ do: 'fdb.replace', entry }]), [{ ok: true }])
  t.same(await netlink.apply([{ do: 'fdb.delete', entry }]), [{ ok: true }])
  const written = await writeSysctls(ns.path, [
    { name: 'net/ipv4/ip_forward', value: '1' },
    { name: 'net/ipv4/conf/a0/rp_filter', value: '2' },
    { name: 'net/ipv6/conf/a0/ignore_routes_with_linkdown', value: '1' },
  ])
  t.same(written, [])
  await all.until(events =>
    events.some(e => e.type === 'netconf.put' && e.netconf.family === 6 && e.netconf.ignoreRoutesWithLinkDown),
  )
  const told = all.events.filter(e => e.type === 'fdb.put' || e.type === 'fdb.delete')
  t.match(told, [
    { type: 'fdb.put', entry },
    { type: 'fdb.delete', entry },
  ])
  const settings = all.events.flatMap(e => (e.type === 'netconf.put' ? [e.netconf] : []))
  for (const wanted of [
    { family: 4, link: 'all', forwarding: true },
    { family: 4, link: a0, forwarding: true },
    { family: 4, link: a0, reversePathFilter: 2 },
    { family: 6, link: a0, ignoreRoutesWithLinkDown: true },
  ])
    t.ok(
      settings.some(found =>
        Object.entries(wanted).every(([key, value]) => found[key as keyof typeof found] === value),
      ),
      JSON.stringify(wanted),
    )
})

t.test('what `ip` changes is heard, by group', async t => {
  const ns = namespace(t)
  const netlink = await open({ netns: ns.path })
  t.teardown(() => netlink.close())
  const all = recorder()
  const routes = recorder()
  await netlink.watch(['link', 'address4', 'address6', 'route4', 'route6', 'neighbour'], all.handler)
  const stop = await netlink.watch(['route4'], routes.handler)
  ns.batch([
    'link add a0 type veth peer a1',
    'link set a0 up',
    'link set a1 up',
    'address add 10.0.0.1/24 dev a0',
    'route add 10.42.0.0/26 via 10.0.0.2 proto 81 metric 1081',
    'route replace 10.42.0.0/26 via 10.0.0.3 proto 81 metric 1081',
    'route del 10.42.0.0/26',
    'route add fd42::/64 dev a0 metric 5',
    'neigh add 10.0.0.2 lladdr 02:00:00:00:00:02 dev a0 nud permanent',
    'neigh del 10.0.0.2 dev a0',
    'address del 10.0.0.1/24 dev a0',
    'link del a0',
  ])
  await all.until(events => events.some(e => e.type === 'link.delete' && e.link.name === 'a0'))

  const ours = all.events.filter(
    e => (e.type === 'route.put' || e.type === 'route.delete') && e.route.dst === '10.42.0.0/26',
  )
  t.match(ours, [
    { type: 'route.put', route: { protocol: 81, metric: 1081, table: 254, nextHops: [{ gateway: '10.0.0.2' }] } },
    { type: 'route.put', route: { nextHops: [{ gateway: '10.0.0.3' }] } },
    { type: 'route.delete', route: { nextHops: [{ gateway: '10.0.0.3' }] } },
  ])
  t.ok(all.events.some(e => e.type === 'route.put' && e.route.dst === 'fd42::/64' && e.route.metric === 5))
  t.ok(all.events.some(e => e.type === 'address.put' && e.address.cidr === '10.0.0.1/24'))
  t.ok(all.events.some(e => e.type === 'address.delete' && e.address.cidr === '10.0.0.1/24'))
  t.ok(all.events.some(e => e.type === 'link.put' && e.link.name === 'a0' && e.link.carrier))
  t.match(
    all.events.find(e => e.type === 'neighbour.put' && e.neighbour.address === '10.0.0.2'),
    { neighbour: { mac: '02:00:00:00:00:02', state: 'permanent' } },
  )
  t.ok(routes.events.length > 0)
  t.ok(
    routes.events.every(e => e.type.startsWith('route') && 'route' in e && !e.route.dst.includes(':')),
    'each hears of its own groups only',
  )

  await stop()
  const heard = routes.events.length
  ns.ip('route add blackhole 10.99.0.0/16')
  await all.until(events => events.some(e => e.type === 'route.put' && e.route.dst === '10.99.0.0/16'))
  t.equal(routes.events.length, heard, 'nothing after the unsubscribe')
})

t.test('a port that leaves a bridge is not a link that is gone', async t => {
  const ns = namespace(t)
  ns.batch(['link add br0 type bridge', 'link add a0 type veth peer a1', 'link set a0 master br0'])
  const netlink = await open({ netns: ns.path })
  t.teardown(() => netlink.close())
  const links = recorder()
  await netlink.watch(['link'], links.handler)
  ns.batch(['link set a0 nomaster', 'link del a1'])
  await links.until(events => events.some(e => e.type === 'link.delete' && e.link.name === 'a0'))
  const gone = links.events.filter(e => e.type === 'link.delete' && e.link.name === 'a0')
  t.equal(gone.length, 1)
})

t.test('the events of an operation come before its result', async t => {
  const ns = namespace(t)
  const netlink = await open({ netns: ns.path })
  t.teardown(() => netlink.close())
  const routes = recorder()
  await netlink.watch(['route4'], routes.handler)
  const operations = Array.from({ length: 3000 }, (_, i) => ({
    do: 'route.add' as const,
    route: { dst: `10.${i >> 8}.${i & 255}.0/24`, type: 'blackhole' as const, nextHops: [] },
  }))
  await netlink.apply(operations)
  t.same(
    routes.events.map(e => e.type === 'route.put' && e.route.dst),
    operations.map(operation => operation.route.dst),
  )
})

t.test('lost events are told as an overrun, and a dump heals', async t => {
  const ns = namespace(t)
  // The thread that reads events is inside sendmsg while this one batch makes more of them than the buffer holds.
  const netlink = await open({ netns: ns.path, receiveBuffer: 4096 })
  t.teardown(() => netlink.close())
  const routes = recorder()
  await netlink.watch(['route4'], routes.handler)
  const results = await netlink.apply(
    Array.from({ length: 100 }, (_, i) => ({
      do: 'route.add' as const,
      route: { dst: `10.0.${i}.0/24`, type: 'blackhole' as const, nextHops: [] },
    })),
  )
  t.ok(
    results.every(result => result.ok),
    'answers have a buffer of their own',
  )
  await routes.until(events => events.some(e => e.type === 'overrun'))
  t.ok(routes.events.filter(e => e.type === 'route.put').length < 100)
  t.equal((await netlink.routes({ family: 4, protocol: 4 })).length, 100)
  await netlink.apply([{ do: 'route.delete', route: { dst: '10.0.7.0/24', nextHops: [] } }])
  t.match(routes.events.at(-1), { type: 'route.delete', route: { dst: '10.0.7.0/24' } }, 'and events go on')
})

t.test('a handler that throws harms no other', async t => {
  const ns = namespace(t)
  const netlink = await open({ netns: ns.path })
  t.teardown(() => netlink.close())
  const good = recorder()
  const thrown = new Promise(resolve => process.once('uncaughtException', resolve))
  await netlink.watch(['route4'], () => {
    throw new Error('handler of a test')
  })
  await netlink.watch(['route4'], good.handler)
  await netlink.apply([{ do: 'route.add', route: { dst: '10.5.0.0/16', type: 'blackhole', nextHops: [] } }])
  t.match(await thrown, { message: 'handler of a test' })
  t.ok(good.events.length > 0)
})

t.test('subscriptions end with the socket', async t => {
  const ns = namespace(t)
  const netlink = await open({ netns: ns.path })
  await t.rejects(
    netlink.watch(['lynx' as 'link'], () => {}),
    /group "lynx" is none of/,
  )
  const stop = await netlink.watch(['link', 'route6'], () => t.fail('nothing is heard after close'))
  await netlink.close()
  await stop()
  await stop()
  await t.rejects(
    netlink.watch(['link'], () => {}),
    { code: 'EBADF' },
  )
})
