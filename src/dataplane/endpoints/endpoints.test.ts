// The same cases on the fake kernel and, as root, on the real one in namespaces of their own.

import { execFileSync } from 'node:child_process'
import { basename } from 'node:path'
import t from 'tap'
import type { Operation, Route, Rtnetlink } from '../../../netlink/types.ts'
import type { Endpoint } from '../../model/endpoint.ts'
import { fibClasses } from '../../model/fib.ts'
import { Dataplane } from '../dataplane.ts'
import { FakeKernel } from '../fake-kernel.ts'
import type { Kernel } from '../kernel.ts'
import { linuxKernel } from '../linux.ts'
import { skipWithoutRoot, TestNamespaces } from '../test-namespaces.ts'
import { checkEndpoint } from './check.ts'
import type { EndpointRequest } from './endpoints.ts'
import { hostDeviceName } from './names.ts'
import { gateway6 } from './wiring.ts'

interface World extends AsyncDisposable {
  readonly kernel: Kernel
  readonly nodePath: string | undefined
  addPod(name: string): Promise<string>
  removePod(path: string): Promise<void>
}

async function fakeWorld(): Promise<World> {
  const kernel = new FakeKernel()
  return {
    kernel,
    nodePath: undefined,
    async addPod(name) {
      kernel.addNamespace(`/pods/${name}`)
      return `/pods/${name}`
    },
    removePod: async path => kernel.removeNamespace(path),
    [Symbol.asyncDispose]: async () => {},
  }
}

async function realWorld(): Promise<World> {
  const namespaces = new TestNamespaces()
  const nodePath = await namespaces.add('node')
  return {
    kernel: linuxKernel(nodePath),
    nodePath,
    addPod: name => namespaces.add(name),
    removePod: path => namespaces.remove(path),
    [Symbol.asyncDispose]: () => namespaces[Symbol.asyncDispose](),
  }
}

async function start(kernel: Kernel, records: readonly Endpoint[] = []): Promise<Dataplane> {
  const plane = await Dataplane.open({ kernel })
  await plane.endpoints.adopt(records)
  for (const owner of fibClasses) plane.routes.inSync(owner)
  await plane.routes.idle()
  return plane
}

const request = (netns: string, n = 2, ifName = 'eth0'): EndpointRequest => ({
  network: 'pods',
  containerId: `c${n}`,
  ifName,
  netns,
  addresses: [`10.42.0.${n}`, `fd00:42::${n}`],
  mtu: 1400,
})

/** What of pods is left in a namespace: device names and host routes. */
async function leftIn(kernel: Kernel, netns?: string): Promise<readonly string[]> {
  await using socket = await kernel.open(netns)
  const links = (await socket.links()).filter(link => link.kind === 'veth').map(link => link.name)
  const routes = (await socket.routes()).filter(route => /^10\.42|^fd00:42/.test(route.dst)).map(route => route.dst)
  return [...links, ...routes].toSorted()
}

/**
 * Sees every message and may cut the wire: from then on nothing is answered, as for a process that was killed. `bury` refuses what still
 * waits, so that it can be closed.
 */
function wiretap(kernel: Kernel, cutAfter = Infinity) {
  const { promise: severed, resolve: sever } = Promise.withResolvers<void>()
  const { promise: buried, reject } = Promise.withResolvers<never>()
  buried.catch(() => undefined)
  let steps = 0
  const bury = (): void => {
    steps = Infinity
    reject(new Error('killed'))
  }
  const tap = { log: [] as Operation[], settings: 0, kernel, severed, bury }
  const alive = async <T>(step: () => Promise<T>): Promise<T> => {
    if (++steps <= cutAfter) return step()
    sever()
    return buried
  }
  tap.kernel = {
    ...kernel,
    identify: netns => kernel.identify(netns),
    readSysctls: (names, netns) => kernel.readSysctls(names, netns),
    writeSysctls: (settings, netns) =>
      alive(async () => {
        tap.settings += settings.length
        return kernel.writeSysctls(settings, netns)
      }),
    async open(netns) {
      const socket = await kernel.open(netns)
      const proxy: Rtnetlink = {
        links: () => socket.links(),
        link: name => socket.link(name),
        addresses: family => socket.addresses(family),
        routes: filter => socket.routes(filter),
        rules: family => socket.rules(family),
        neighbours: family => socket.neighbours(family),
        netconf: (family, link) => socket.netconf(family, link),
        fdb: () => socket.fdb(),
        watch: (groups, handler) => socket.watch(groups, handler),
        close: () => socket.close(),
        [Symbol.asyncDispose]: () => socket.close(),
        async apply(operations) {
          const results = []
          for (const operation of operations)
            results.push(
              ...(await alive(() => {
                tap.log.push(operation)
                return socket.apply([operation])
              })),
            )
          return results
        },
      }
      return proxy
    },
  }
  return tap
}

for (const [where, open, skip] of [
  ['fake', fakeWorld, false],
  ['real', realWorld, skipWithoutRoot()],
] as const)
  t.test(`on the ${where} kernel`, { skip }, async t => {
    t.test('a pod is attached wholly, and leaves nothing', async t => {
      await using world = await open()
      await using plane = await start(world.kernel)
      const netns = await world.addPod('a')
      const outcome = await plane.endpoints.add(request(netns))
      if (!outcome.ok) throw new Error(outcome.error.text)
      const { endpoint } = outcome
      t.match(endpoint, { hostDevice: /^mgy[0-9a-f]{11}$/, mac: /^..:..:..:..:..:..$/ })
      t.same(await leftIn(world.kernel), ['10.42.0.2/32', 'fd00:42::2/128', endpoint.hostDevice])
      await using pod = await world.kernel.open(netns)
      t.match(await pod.link('eth0'), { mtu: 1400, up: true, mac: endpoint.mac })
      const routes = await pod.routes()
      for (const dst of ['0.0.0.0/0', '169.254.1.1/32', '::/0'])
        t.ok(
          routes.some(route => route.dst === dst),
          dst,
        )
      t.same(await plane.endpoints.check(endpoint), [])
      t.same(await plane.endpoints.remove(endpoint), { ok: true, removed: true })
      await plane.routes.idle()
      t.same(await leftIn(world.kernel), [])
      t.same(await leftIn(world.kernel, netns), [])
      t.same(await plane.endpoints.remove(endpoint), { ok: true, removed: false }, 'and again')
    })

    t.test('refusals name the fault and leave all as it was', async t => {
      await using world = await open()
      await using plane = await start(world.kernel)
      const netns = await world.addPod('a')
      t.ok((await plane.endpoints.add(request(netns))).ok)
      const before = await leftIn(world.kernel)
      const other = await world.addPod('b')
      for (const c of [
        { name: 'the same endpoint again', ask: request(netns), code: 'endpoint-exists', text: /10\.42\.0\.2/ },
        { name: 'an occupied interface', ask: request(netns, 3), code: 'interface-exists', text: /eth0/ },
        {
          name: 'an address in use',
          ask: { ...request(other, 3), addresses: ['10.42.0.2'] },
          code: 'address-in-use',
          text: /10\.42\.0\.2/,
        },
        { name: 'no namespace', ask: request('/run/netns/none', 3), code: 'netns-missing', text: /\/run\/netns\/none/ },
        {
          name: 'a file that is no namespace',
          ask: request('/etc/hostname', 3),
          code: 'netns-missing',
          text: /\/etc\/hostname/,
        },
        { name: 'no address', ask: { ...request(other, 3), addresses: [] }, code: 'bad-request', text: /no address/ },
        {
          name: 'an MTU too small for IPv6',
          ask: { ...request(other, 3), mtu: 1000 },
          code: 'bad-request',
          text: /1000.*1280/,
        },
        {
          name: 'a name too long',
          ask: request(other, 3, 'a-name-far-too-long'),
          code: 'bad-request',
          text: /a-name-far/,
        },
      ]) {
        const outcome = await plane.endpoints.add(c.ask)
        t.match(outcome, { ok: false, error: { code: c.code, text: c.text } }, c.name)
      }
      t.same(await leftIn(world.kernel), before)
      t.ok((await plane.endpoints.add(request(other, 3))).ok, 'what was refused holds nothing')
    })

    t.test('the node itself is no pod', async t => {
      await using world = await open()
      await using plane = await start(world.kernel)
      const kernel = world.kernel
      const outcome = await plane.endpoints.add(request(world.nodePath ?? '/node'))
      if (world.nodePath) t.match(outcome, { ok: false, error: { code: 'netns-is-host' } })
      t.same(await leftIn(kernel), [])
    })

    t.test('cut short at any step, DEL cleans up and ADD works again', async t => {
      await using world = await open()
      const netns = await world.addPod('a')
      const whole = wiretap(world.kernel)
      {
        await using plane = await start(whole.kernel)
        t.ok((await plane.endpoints.add(request(netns))).ok)
        await plane.endpoints.remove(request(netns))
        await plane.routes.idle()
      }
      const steps = whole.log.length - 3 + 4 // without the deletes; with the writes of settings
      for (let cut = 0; cut <= steps; cut++) {
        const wire = wiretap(world.kernel, cut)
        await using victim = await start(wire.kernel)
        await Promise.race([victim.endpoints.add(request(netns)), wire.severed])
        wire.bury()
        await using plane = await Dataplane.open({ kernel: world.kernel })
        const { strays } = await plane.endpoints.adopt([])
        for (const owner of fibClasses) plane.routes.inSync(owner)
        if (cut % 2 === 0) t.same((await plane.endpoints.remove(request(netns))).ok, true)
        await plane.routes.audit()
        t.same(await leftIn(world.kernel), [], `after step ${cut} (${strays.length} strays)`)
        t.same(await leftIn(world.kernel, netns), [])
        t.ok((await plane.endpoints.add(request(netns))).ok)
        await plane.endpoints.remove(request(netns))
      }
    })

    t.test('what others do to a host end is put right, and told where it cannot be', async t => {
      await using world = await open()
      await using plane = await start(world.kernel)
      const netns = await world.addPod('a')
      t.ok((await plane.endpoints.add(request(netns))).ok)
      await using node = await world.kernel.open()
      const name = hostDeviceName(request(netns))
      const { index: link } = (await node.link(name))!
      const address = { link, cidr: `${gateway6}/64`, scope: 'link' } as const
      const seen = async () => {
        const found = (await node.links()).find(one => one.index === link)
        const gateway = (await node.addresses(6)).some(one => one.link === link && one.cidr === address.cidr)
        const routes = (await node.routes()).filter(one => one.nextHops[0]?.link === link && one.protocol === 81)
        const [filter] = await world.kernel.readSysctls([`net/ipv4/conf/${name}/rp_filter`])
        const { up, noArp, mtu, mac, master } = found ?? {}
        return JSON.stringify({
          name: found?.name,
          up,
          noArp,
          mtu,
          mac,
          master,
          gateway,
          routes: routes.length,
          filter,
        })
      }
      const before = await seen()
      t.match(before, '"gateway":true,"routes":2,"filter":"1"')
      const bridge: Operation[] =
        where === 'real'
          ? [
              { do: 'link.add', link: { kind: 'bridge', name: 'br0' } },
              { do: 'link.set', link, change: { name: 'bridged', master: link + 2 } },
            ]
          : [{ do: 'link.set', link, change: { name: 'renamed' } }]
      for (const hurt of [
        [{ do: 'address.delete', address }],
        [{ do: 'link.set', link, change: { noArp: true } }],
        [{ do: 'link.set', link, change: { up: false, mtu: 1300, mac: '02:00:00:00:00:66' } }, ...bridge],
      ] as const) {
        for (const operation of hurt) {
          const isMaster = operation.do === 'link.set' && 'master' in operation.change
          const master = isMaster ? (await node.link('br0'))!.index : undefined
          const results = await node.apply([
            isMaster ? { ...operation, change: { ...operation.change, master } } : operation,
          ])
          t.same(results, [{ ok: true }])
        }
        await waitFor(async () => (await seen()) === before)
        t.equal(await seen(), before, JSON.stringify(hurt))
      }
      await world.kernel.writeSysctls([{ name: `net/ipv4/conf/${name}/rp_filter`, value: '0' }])
      await waitFor(async () => (await seen()) === before)
      t.equal(await seen(), before)
      if (where === 'real') {
        // The kernel takes the addresses, and tells of that.
        await world.kernel.writeSysctls([{ name: `net/ipv6/conf/${name}/disable_ipv6`, value: '1' }])
        await waitFor(async () => !(await seen()).includes('"gateway":true'))
        await waitFor(async () => (await seen()) === before)
        t.equal(await seen(), before)
      }
      t.same(await plane.endpoints.check(plane.endpoints.get(request(netns))!), [])
      for (const state of ['permanent', 'noarp'] as const) {
        const elsewhere = { link, address: '10.42.0.2', mac: '02:00:00:00:00:99', state } as const
        t.same(await node.apply([{ do: 'neighbour.replace', neighbour: elsewhere }]), [{ ok: true }])
        const isThere = async () => (await node.neighbours(4)).some(one => one.link === link && one.state === state)
        await waitFor(async () => !(await isThere()))
        t.notOk(await isThere(), 'nobody takes a pod’s address from it')
      }
      const twin = { link: (await node.link('lo'))!.index, cidr: '10.42.0.2/32', scope: 'universe' } as const
      t.same(await node.apply([{ do: 'address.add', address: twin }]), [{ ok: true }])
      await waitFor(async () => plane.problems.length > 0)
      t.match(plane.problems, [
        /pod pods.c2.*: device lo of the node has its address.*ip addr del 10\.42\.0\.2\/32 dev lo/,
      ])
      await node.apply([{ do: 'address.delete', address: twin }])
      await waitFor(async () => plane.problems.length === 0)
      const theirs: Operation = { do: 'route.add', route: { dst: '10.42.0.2/32', type: 'blackhole', nextHops: [] } }
      t.same(await node.apply([theirs]), [{ ok: true }])
      await waitFor(async () => plane.trouble.length > 0)
      t.match(plane.trouble, [{ prefix: '10.42.0.2/32', state: 'conflict', text: /ip route del 10.42.0.2/ }])
      await node.apply([{ do: 'link.delete', link }])
      await waitFor(async () => plane.trouble.length === 0)
      t.same(plane.trouble, [], 'told of as a pod, then')
      await waitFor(async () => plane.problems.some(text => text.includes('deleted')))
      t.match(plane.problems.join(), /pod pods\/c2\/eth0: somebody deleted its device mgy.*start it again/)
      t.match(await plane.endpoints.remove(request(netns)), { ok: true, removed: false })
      t.notMatch(plane.problems.join(), /deleted/)
    })

    t.test('the kernel does not look at the sources of a pod that may send from any address', async t => {
      await using world = await open()
      const { kernel } = world
      const netns = await world.addPod('a')
      const asked: EndpointRequest = { ...request(netns), sourceCheck: false }
      const ofAll = 'net/ipv4/conf/all/rp_filter'
      const ofDevice = `net/ipv4/conf/${hostDeviceName(asked)}/rp_filter` as const
      const seen = async () => (await kernel.readSysctls([ofDevice]))[0]
      let records: readonly Endpoint[] = []
      for (const [all, wanted] of [
        ['0', '0'],
        ['1', '2'],
      ]) {
        await kernel.writeSysctls([{ name: ofAll, value: all }])
        await using plane = await start(kernel, records)
        if (records.length === 0) t.ok((await plane.endpoints.add(asked)).ok)
        t.equal(await seen(), wanted, `all: ${all}`)
        t.same(await plane.endpoints.check(plane.endpoints.get(asked)!), [])
        await kernel.writeSysctls([{ name: ofDevice, value: '1' }])
        await waitFor(async () => (await seen()) === wanted)
        records = structuredClone(plane.endpoints.all)
      }
    })

    t.test('CHECK names the one route to a pod that the node lacks', async t => {
      await using world = await open()
      const netns = await world.addPod('a')
      let endpoint: Endpoint
      {
        // Nobody puts the route back once the plane is closed.
        await using plane = await start(world.kernel)
        t.ok((await plane.endpoints.add(request(netns))).ok)
        endpoint = structuredClone(plane.endpoints.get(request(netns))!)
      }
      await using node = await world.kernel.open()
      for (const dst of ['10.42.0.2/32', 'fd00:42::2/128']) {
        const route = (await node.routes()).find(each => each.dst === dst)!
        t.same(await node.apply([{ do: 'route.delete', route }]), [{ ok: true }])
        const text = `endpoint pods/c2/eth0: the node has no route ${dst} dev ${endpoint.hostDevice}; margayd cannot put that right: margayctl status says what is in its way`
        t.same(await checkEndpoint(world.kernel, endpoint), [{ part: 'host route', text }])
        await node.apply([{ do: 'route.add', route }])
        t.same(await checkEndpoint(world.kernel, endpoint), [])
      }
    })

    t.test('CHECK waits for a route that is put back, and names one of another owner that comes before', async t => {
      await using world = await open()
      const netns = await world.addPod('a')
      await using plane = await start(world.kernel)
      t.ok((await plane.endpoints.add(request(netns))).ok)
      const endpoint = plane.endpoints.get(request(netns))!
      await using node = await world.kernel.open()
      const route = (await node.routes()).find(({ dst }) => dst === '10.42.0.2/32')!
      t.same(await node.apply([{ do: 'route.delete', route }]), [{ ok: true }])
      t.same(await plane.endpoints.check(endpoint), [])
      const hole: Route = { dst: route.dst, type: 'blackhole', metric: 7, protocol: 4, nextHops: [] }
      t.same(await node.apply([{ do: 'route.add', route: hole }]), [{ ok: true }])
      t.match(await plane.endpoints.check(endpoint), [
        {
          part: 'host route',
          text: /another owner comes before.*: blackhole 10\.42\.0\.2\/32 metric 7 proto 4; margayd/,
        },
      ])
      t.same(await node.apply([{ do: 'route.delete', route: hole }]), [{ ok: true }])
      t.same(await plane.endpoints.check(endpoint), [])
    })

    t.test('CHECK names the gateway that a pod has lost', async t => {
      await using world = await open()
      await using plane = await start(world.kernel)
      const netns = await world.addPod('a')
      t.ok((await plane.endpoints.add(request(netns))).ok)
      const endpoint = plane.endpoints.get(request(netns))!
      t.same(await plane.endpoints.check(endpoint), [])
      await using pod = await world.kernel.open(netns)
      const [neighbour] = await pod.neighbours(4)
      t.same(await pod.apply([{ do: 'neighbour.delete', neighbour }]), [{ ok: true }])
      t.match(await plane.endpoints.check(endpoint), [
        { part: 'gateway', text: /no permanent neighbour 169\.254\.1\.1 dev eth0, so no IPv4; delete the pod/ },
      ])
      t.same(await pod.apply([{ do: 'neighbour.replace', neighbour }]), [{ ok: true }])
      const ipv6 = (await pod.neighbours(6)).find(({ address }) => address === gateway6)!
      const stranger = { ...ipv6, mac: '02:00:00:00:00:99' }
      t.same(await pod.apply([{ do: 'neighbour.replace', neighbour: stranger }]), [{ ok: true }])
      t.match(await plane.endpoints.check(endpoint), [
        {
          part: 'gateway',
          text: /neighbour fe80::ecee:eeff:feee:eeee dev eth0 has the MAC 02:00:00:00:00:99.*so no IPv6/,
        },
      ])
    })

    t.test('CHECK names an address that has become a subnet', async t => {
      await using world = await open()
      await using plane = await start(world.kernel)
      const netns = await world.addPod('a')
      t.ok((await plane.endpoints.add(request(netns))).ok)
      const endpoint = plane.endpoints.get(request(netns))!
      await using pod = await world.kernel.open(netns)
      const made = (await pod.addresses()).find(({ cidr }) => cidr === '10.42.0.2/32')!
      const routes = (await pod.routes()).filter(({ dst, table }) => !dst.includes(':') && table !== 255)
      const wider = { ...made, cidr: '10.42.0.2/24' }
      await pod.apply([
        { do: 'address.add', address: wider },
        { do: 'address.delete', address: made },
        ...routes.map(route => ({ do: 'route.replace', route }) as const),
      ])
      t.match(await plane.endpoints.check(endpoint), [{ part: 'address', text: /eth0 lacks 10\.42\.0\.2\/32;/ }])
    })

    t.test('a sysctl is kept as the kernel shows it, and a value that it does not take is named', async t => {
      await using world = await open()
      await using plane = await start(world.kernel)
      const netns = await world.addPod('a')
      const ranges = { ...request(netns), sysctls: { 'net/ipv4/ip_local_port_range': '2048   60000' } }
      t.match(await plane.endpoints.add(ranges), {
        endpoint: { sysctls: { 'net/ipv4/ip_local_port_range': '2048\t60000' } },
      })
      t.same(await plane.endpoints.check(plane.endpoints.get(ranges)!), [])
      const refused = { ...request(await world.addPod('b'), 3), sysctls: { 'net/core/somaxconn': 'abc' } }
      t.match(await plane.endpoints.add(refused), {
        error: { code: 'bad-request', text: /sysctl net\.core\.somaxconn = abc.*; give it another value/ },
      })
      t.equal(plane.endpoints.get(refused), undefined)
    })

    t.test('a second interface leaves the default routes and forwarding of the first', async t => {
      await using world = await open()
      await using plane = await start(world.kernel)
      const netns = await world.addPod('a')
      const forward = 'net/ipv4/ip_forward'
      const first: EndpointRequest = { ...request(netns), sysctls: { [forward]: '1' } }
      const routes = [{ dst: '10.9.0.0/16' }, { dst: 'fd00:9::/48', metric: 7 }]
      const second: EndpointRequest = { ...request(netns, 3, 'net1'), routes }
      for (const each of [first, second]) t.ok((await plane.endpoints.add(each)).ok)
      t.same(await world.kernel.readSysctls([forward], netns), ['1'], 'the first asked to forward')
      await using pod = await world.kernel.open(netns)
      const { index } = (await pod.link('net1'))!
      const byIt = (await pod.routes()).filter(
        route => route.nextHops[0]?.link === index && route.nextHops[0].gateway !== undefined,
      )
      t.same(byIt.map(route => route.dst).toSorted(), ['10.9.0.0/16', 'fd00:9::/48'])
      for (const each of [first, second])
        t.same(await plane.endpoints.check(plane.endpoints.get(each)!), [], each.ifName)
      const foreign = { ...request(netns, 4, 'net2'), addresses: ['10.42.0.4'], routes: [{ dst: 'fd00:9::/48' }] }
      t.match(await plane.endpoints.add(foreign), {
        error: { code: 'bad-request', text: /route fd00:9::\/48 needs an address of its family/ },
      })
      const again = { ...request(netns, 5, 'net2'), routes: [{ dst: '10.9.0.0/16' }] }
      t.match(await plane.endpoints.add(again), {
        error: { code: 'interface-exists', text: /a route 10\.9\.0\.0\/16 already.*priority/ },
      })
      t.ok((await plane.endpoints.remove(first)).ok)
      t.same(await plane.endpoints.check(plane.endpoints.get(second)!), [])
    })

    t.test('a failing step undoes the ones before', async t => {
      await using world = await open()
      const netns = await world.addPod('a')
      for (const bad of ['link.set', 'address.add', 'neighbour.replace', 'route.add'] as const) {
        const kernel: Kernel = {
          ...wiretap(world.kernel).kernel,
          async open(path) {
            const socket = await wiretap(world.kernel).kernel.open(path)
            return {
              ...socket,
              apply: async operations =>
                operations.some(operation => operation.do === bad)
                  ? operations.map(() => ({ ok: false, errno: 'ENOMEM', text: 'no memory' }) as const)
                  : socket.apply(operations),
            }
          },
        }
        await using plane = await start(kernel)
        t.match(
          await plane.endpoints.add(request(netns)),
          { ok: false, error: { code: 'kernel-refused', text: /ENOMEM/ } },
          bad,
        )
        t.same(await leftIn(world.kernel), [])
        t.same(await leftIn(world.kernel, netns), [])
        t.same(plane.endpoints.all, [])
      }
    })

    t.test('a restarted daemon takes pods over without a word to the kernel', async t => {
      await using world = await open()
      const first = await start(world.kernel)
      const records: Endpoint[] = []
      for (const n of [2, 3]) {
        const outcome = await first.endpoints.add(request(await world.addPod(`p${n}`), n))
        if (outcome.ok) records.push(outcome.endpoint)
      }
      first.routes.set('block', [{ prefix: '10.42.0.0/26', kind: 'unreachable', nextHops: [] }])
      await first.routes.idle()
      await first.close()

      const tap = wiretap(world.kernel)
      await using second = await Dataplane.open({ kernel: tap.kernel })
      second.routes.set('block', [{ prefix: '10.42.0.0/26', kind: 'unreachable', nextHops: [] }])
      t.match(await second.endpoints.adopt(records), { adopted: [{}, {}], lost: [], strays: [], problems: [] })
      for (const owner of fibClasses) second.routes.inSync(owner)
      await second.routes.audit()
      t.same(tap.log, [])
      t.equal(tap.settings, 0)
      for (const endpoint of records) t.same(await second.endpoints.check(endpoint), [])
      t.match(await second.endpoints.add(request(records[0].netns, 2)), { error: { code: 'endpoint-exists' } })
    })

    t.test('adoption tells lost pods from strays', async t => {
      await using world = await open()
      const first = await start(world.kernel)
      const paths = [await world.addPod('p2'), await world.addPod('p3'), await world.addPod('p4')]
      const records: Endpoint[] = []
      for (const [i, netns] of paths.entries()) {
        const outcome = await first.endpoints.add(request(netns, i + 2))
        if (outcome.ok) records.push(outcome.endpoint)
      }
      await first.routes.idle()
      await first.close()
      await world.removePod(paths[1])
      await waitFor(async () => !(await leftIn(world.kernel)).includes(records[1].hostDevice))
      // a device that only looks like ours
      await using node = await world.kernel.open()
      const name = 'mgy00000000000'
      await node.apply([{ do: 'link.add', link: { kind: 'veth', name, peer: { name: 'foreign' } } }])

      await using second = await Dataplane.open({ kernel: world.kernel })
      const adoption = await second.endpoints.adopt(records.slice(0, 2))
      for (const owner of fibClasses) second.routes.inSync(owner)
      await second.routes.audit()
      t.match(adoption, {
        adopted: [{ containerId: 'c2' }],
        lost: [{ containerId: 'c3' }],
        strays: [records[2].hostDevice],
      })
      t.match(second.problems.join(), /pod pods\/c3\/eth0: its device mgy\w+ is gone.*start it again/)
      t.same(
        await leftIn(world.kernel),
        ['10.42.0.2/32', 'fd00:42::2/128', 'foreign', name, records[0].hostDevice].toSorted(),
      )
      t.ok((await second.endpoints.remove(records[1])).ok)
      t.notMatch(second.problems.join(), /is gone/, 'told until the pod is deleted')
    })

    t.test('removal works when the namespace is gone', async t => {
      await using world = await open()
      await using plane = await start(world.kernel)
      const netns = await world.addPod('a')
      t.ok((await plane.endpoints.add(request(netns))).ok)
      await world.removePod(netns)
      t.ok((await plane.endpoints.remove(request(netns))).ok)
      await waitFor(async () => (await leftIn(world.kernel)).length === 0)
      await plane.routes.audit()
      t.same(plane.routes.trouble, [])
      t.ok((await plane.endpoints.add(request(await world.addPod('b')))).ok, 'its addresses are free')
    })

    t.test(
      'a pod whose host end somebody moved away loses its end all the same',
      { skip: where === 'real' ? false : 'the fake kernel moves no devices' },
      async t => {
        await using world = await open()
        const node = world.nodePath ?? ''
        await using plane = await start(world.kernel)
        const netns = await world.addPod('a')
        const elsewhere = await world.addPod('elsewhere')
        const outcome = await plane.endpoints.add(request(netns))
        if (!outcome.ok) throw new Error(outcome.error.text)
        const { hostDevice } = outcome.endpoint
        execFileSync('ip', ['-n', basename(node), 'link', 'set', hostDevice, 'netns', basename(elsewhere)])
        t.same(await plane.endpoints.remove(outcome.endpoint), { ok: true, removed: true })
        t.same(await leftIn(world.kernel, netns), [])
        t.same(await leftIn(world.kernel, elsewhere), [])
        t.same(await plane.endpoints.remove(outcome.endpoint), { ok: true, removed: false }, 'and again')
      },
    )

    t.test('CHECK compares the MAC and the MTU that were asked for, and those only', async t => {
      await using world = await open()
      await using plane = await start(world.kernel)
      const netns = await world.addPod('a')
      const outcome = await plane.endpoints.add(request(netns))
      if (!outcome.ok) throw new Error(outcome.error.text)
      const { endpoint } = outcome
      const asked = { macs: [], mtus: [] }
      t.same(await plane.endpoints.check(endpoint, asked), [])
      await using pod = await world.kernel.open(netns)
      const { index: link } = (await pod.link(endpoint.ifName))!
      const [mac, mtu] = ['02:00:00:00:00:09', endpoint.mtu - 100]
      const [neighbour] = await pod.neighbours(4)
      const changed = await pod.apply([
        { do: 'link.set', link, change: { mac, mtu } },
        { do: 'neighbour.replace', neighbour }, // a real kernel takes it with the MAC
      ])
      t.same(changed, [{ ok: true }, { ok: true }])
      const texts = (await plane.endpoints.check(endpoint, asked)).map(({ text }) => text)
      t.match(texts, [`eth0 has the MAC ${mac}, not ${endpoint.mac}`, `eth0 has an MTU of ${mtu}, not ${endpoint.mtu}`])
      t.equal(texts.length, 2)
      t.same(await plane.endpoints.check(endpoint, { macs: [mac], mtus: [mtu] }), [], 'a later plugin made them so')
      t.same(await plane.endpoints.check(endpoint), [], 'nobody asked')
    })

    t.test('CHECK sees each thing that is missing', async t => {
      await using world = await open()
      await using plane = await start(world.kernel)
      const netns = await world.addPod('a')
      await using node = await world.kernel.open()
      await using pod = await world.kernel.open(netns)
      const device = hostDeviceName(request(netns))
      for (const c of [
        {
          part: 'address',
          break: (_: number, link: number) =>
            pod.apply([{ do: 'address.delete', address: { link, cidr: 'fd00:42::2/128', scope: 'universe' } }]),
        },
        {
          part: 'pod route',
          break: (_: number, link: number) =>
            pod.apply([{ do: 'route.delete', route: { dst: '0.0.0.0/0', scope: 'nowhere', nextHops: [{ link }] } }]),
        },
        {
          part: 'pod device',
          break: (_: number, link: number) => pod.apply([{ do: 'link.set', link, change: { up: false } }]),
        },
        { part: 'host device', break: (link: number) => node.apply([{ do: 'link.delete', link }]) },
        {
          // One that the kernel announces would be right again before CHECK looks.
          part: 'sysctl',
          break: () => world.kernel.writeSysctls([{ name: `net/ipv4/conf/${device}/send_redirects`, value: '1' }]),
        },
      ] as const) {
        const outcome = await plane.endpoints.add(request(netns))
        if (!outcome.ok) throw new Error(outcome.error.text)
        await c.break((await node.link(device))!.index, (await pod.link('eth0'))!.index)
        const problems = await plane.endpoints.check(outcome.endpoint)
        t.ok(
          problems.some(problem => problem.part === c.part),
          `${c.part}: ${problems.map(one => one.text).join('; ')}`,
        )
        await plane.endpoints.remove(outcome.endpoint)
      }
    })

    t.test('many at once get along', async t => {
      await using world = await open()
      await using plane = await start(world.kernel)
      const numbers = Array.from({ length: 12 }, (_, i) => i + 2)
      const paths = await Promise.all(numbers.map(n => world.addPod(`p${n}`)))
      const outcomes = await Promise.all(paths.map((netns, i) => plane.endpoints.add(request(netns, numbers[i]))))
      t.ok(outcomes.every(outcome => outcome.ok))
      await Promise.all(paths.map((netns, i) => plane.endpoints.remove(request(netns, numbers[i]))))
      await plane.routes.idle()
      t.same(await leftIn(world.kernel), [])
    })
  })

async function waitFor(condition: () => Promise<boolean>): Promise<void> {
  for (let i = 0; i < 3_000 && !(await condition()); i++) await new Promise(resolve => setTimeout(resolve, 10))
}
