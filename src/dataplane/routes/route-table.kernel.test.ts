// The model of route-table.model.test.ts on the real kernel, in smaller numbers: it converges to desired ∪ foreign, and what can be
// foreseen takes not a message more than the oracle says.

import * as fc from 'fast-check'
import t, { type Test } from 'tap'
import type { Rtnetlink } from '../../../netlink/types.ts'
import { type FibEntry, fibClasses } from '../../model/fib.ts'
import { type Clock, systemClock } from '../clock.ts'
import { Dataplane } from '../dataplane.ts'
import type { Kernel } from '../kernel.ts'
import { linuxKernel } from '../linux.ts'
import { type RealWorld, realWorld } from '../real-world.ts'
import { skipWithoutRoot, TestNamespaces } from '../test-namespaces.ts'
import { expectations, fewestMessages, isMet, operationOf, questions, step, type Step, Wishes } from './testing.ts'

/** The kernel, with a count of what is written through it. */
function counting(kernel: Kernel): Kernel & { count: number } {
  const counted = {
    ...kernel,
    count: 0,
    async open(netns?: string): Promise<Rtnetlink> {
      const socket = await kernel.open(netns)
      return {
        links: () => socket.links(),
        link: name => socket.link(name),
        addresses: family => socket.addresses(family),
        routes: filter => socket.routes(filter),
        rules: family => socket.rules(family),
        neighbours: family => socket.neighbours(family),
        fdb: () => socket.fdb(),
        netconf: (family, link) => socket.netconf(family, link),
        watch: (groups, handler) => socket.watch(groups, handler),
        close: () => socket.close(),
        [Symbol.asyncDispose]: () => socket.close(),
        apply: operations => {
          counted.count += operations.length
          return socket.apply(operations)
        },
      }
    },
  }
  return counted
}

/** Twenty times as fast, for the pauses that repeated deeds of others bring about. */
const hurried: Clock = {
  now: () => 20 * systemClock.now(),
  after: (ms, call) => systemClock.after(ms / 20, call),
}

const runs = Number(process.env['MODEL_RUNS'] ?? 8)

class Run {
  readonly w: RealWorld
  readonly kernel
  plane: Dataplane
  readonly wanted = new Wishes()

  private constructor(w: RealWorld, kernel: ReturnType<typeof counting>, plane: Dataplane) {
    this.w = w
    this.kernel = kernel
    this.plane = plane
  }

  static async start(w: RealWorld): Promise<Run> {
    const kernel = counting(w.kernel)
    return new Run(w, kernel, await open(kernel, new Wishes()))
  }

  /** One step; resolves when it has come to rest. */
  async take(one: Step): Promise<void> {
    const { other, eth0 } = this.w
    this.kernel.count = 0
    switch (one.do) {
      case 'set':
        this.wanted.set(one.owner, one.entries)
        await this.#wish(one, () => this.plane.routes.set(one.owner, one.entries))
        return
      case 'patch':
        this.wanted.patch(one.owner, one)
        await this.#wish(one, () => this.plane.routes.patch(one.owner, [one]))
        return
      case 'foreign': {
        await other.apply([operationOf(this.w, one.act)])
        const fewest = fewestMessages(await this.expectations())
        await this.#rest(one)
        // Our answer may be there before the question is asked.
        if (this.kernel.count < fewest || this.kernel.count > 1 + questions(one))
          throw new Error(`${JSON.stringify(one)}: ${this.kernel.count} messages, not ${fewest}`)
        return
      }
      case 'flap':
        for (const up of [false, true]) await other.apply([{ do: 'link.set', link: this.w[one.link], change: { up } }])
        // A link that goes down loses its IPv6 address, and nobody but its owner brings it back.
        await other.apply([
          {
            do: 'address.replace',
            address: { link: eth0, cidr: 'fd00:1::7/64', scope: 'universe', noDad: true },
          },
        ])
        return this.#rest(one)
      case 'readdress':
        for (const verb of ['address.delete', 'address.add'] as const)
          await other.apply([{ do: verb, address: { link: eth0, cidr: '10.0.1.7/24', scope: 'universe' } }])
        return this.#rest(one)
      case 'restart':
        await this.plane.close()
        this.plane = await open(this.kernel, this.wanted)
        await this.#rest(one)
        if (this.kernel.count > 0) throw new Error(`a restart wrote ${this.kernel.count} messages`)
        return
      case 'lost':
      case 'refuse':
      case 'wait':
        throw new Error(`the real kernel does not ${one.do} when asked`)
    }
  }

  async expectations() {
    const links = await this.w.other.links()
    return expectations(
      this.wanted,
      await this.w.other.routes(),
      index => links.find(link => link.index === index)?.name,
    )
  }

  async #wish(one: Step, act: () => void): Promise<void> {
    const fewest = fewestMessages(await this.expectations())
    act()
    await this.#rest(one)
    if (this.kernel.count !== fewest)
      throw new Error(`${JSON.stringify(one)}: ${this.kernel.count} messages, not ${fewest}`)
  }

  /** Waits until all is as expected; and then a full look at the kernel finds nothing to do. */
  async #rest(one: Step): Promise<void> {
    for (let tries = 0; ; tries++) {
      await this.plane.routes.idle()
      const wrong = (await this.expectations()).filter(each => !isMet(each))
      if (wrong.length === 0) break
      if (tries === 4_000)
        throw new Error(`${JSON.stringify(one)}: ${JSON.stringify([wrong, this.plane.routes.trouble])}`)
      await new Promise(resolve => setTimeout(resolve, 10))
    }
    await this.plane.routes.audit()
    const before = this.kernel.count
    await this.plane.routes.audit()
    if (this.kernel.count > before) throw new Error(`${JSON.stringify(one)}: an audit wrote to a kernel that was right`)
  }
}

async function open(kernel: Kernel, wanted: Wishes): Promise<Dataplane> {
  const plane = await Dataplane.open({ kernel, clock: hurried })
  for (const name of fibClasses) plane.routes.set(name, wanted.of(name))
  for (const name of fibClasses) plane.routes.inSync(name)
  return plane
}

t.test(
  'desired and foreign converge on the real kernel, with the fewest messages',
  { skip: skipWithoutRoot() },
  async t => {
    const possible = step.filter(one => !['lost', 'refuse', 'wait'].includes(one.do))
    await fc.assert(
      fc.asyncProperty(fc.array(possible, { minLength: 6, maxLength: 12 }), async steps => {
        await using w = await realWorld()
        const run = await Run.start(w)
        try {
          for (const one of steps) await run.take(one)
        } finally {
          await run.plane.close()
        }
      }),
      { numRuns: runs, endOnFailure: true },
    )
    t.pass(`${runs} runs`)
  },
)

interface Kept {
  readonly ip: (...argv: string[]) => Promise<string>
  /** Closes the data plane, and opens it anew when that is done. */
  readonly restart: (meanwhile?: () => Promise<unknown>) => Promise<void>
  /** What the data plane says of routes that are not as wanted. */
  readonly trouble: () => string
  readonly wish: (...entries: readonly FibEntry[]) => Promise<void>
  readonly shown: () => Promise<string>
  readonly until: (text: string, what: string) => Promise<void>
}

const near: readonly FibEntry[] = [
  { prefix: '10.42.1.0/26', kind: 'unicast', nextHops: [{ device: 'eth0', gateway: '10.0.1.8' }] },
  { prefix: 'fd00:42::/122', kind: 'unicast', nextHops: [{ device: 'eth0', gateway: 'fd00:1::8' }] },
  { prefix: 'fd00:43::/122', kind: 'unreachable', nextHops: [] },
]

/** A node with one cable and `near` in its table. */
async function kept(t: Test): Promise<Kept> {
  const namespaces = new TestNamespaces()
  t.teardown(() => namespaces[Symbol.asyncDispose]())
  const path = await namespaces.add('more')
  const ip = (...argv: string[]) => namespaces.run(path, 'ip', ...argv)
  await ip('link', 'add', 'eth0', 'type', 'veth', 'peer', 'eth0p')
  for (const argv of ['link set eth0 up', 'link set eth0p up', 'addr add 10.0.1.7/24 dev eth0'])
    await ip(...argv.split(' '))
  await ip('addr', 'add', 'fd00:1::7/64', 'dev', 'eth0', 'nodad')
  const start = async () => {
    const plane = await Dataplane.open({ kernel: linuxKernel(path) })
    plane.routes.set('bgp', near)
    for (const name of fibClasses) plane.routes.inSync(name)
    await plane.routes.idle()
    return plane
  }
  let plane = await start()
  t.teardown(() => plane.close())
  const shown = async () =>
    (await ip('route', 'show', 'proto', '81')) + (await ip('-6', 'route', 'show', 'proto', '81'))
  return {
    ip,
    shown,
    trouble: () => plane.routes.trouble.map(one => one.text).join('\n'),
    restart: async meanwhile => {
      await plane.close()
      await meanwhile?.()
      plane = await start()
    },
    wish: async (...entries) => {
      plane.routes.set('bgp', entries)
      await plane.routes.idle()
    },
    until: async (text, what) => {
      for (let tries = 0; (await shown()) !== text; tries++) {
        if (tries === 1_000) throw new Error(`${what}: ${await shown()}`)
        await new Promise(resolve => setTimeout(resolve, 20))
      }
      t.pass(what)
    },
  }
}

t.test('what somebody adds to a route of ours is taken away again', { skip: skipWithoutRoot() }, async t => {
  const { ip, shown, until } = await kept(t)
  const before = await shown()
  t.match(before, /10\.42\.1\.0\/26/)
  for (const argv of [
    'route replace 10.42.1.0/26 via 10.0.1.8 proto 81 metric 1024 advmss 700',
    '-6 route replace fd00:42::/122 via fd00:1::8 proto 81 metric 1024 hoplimit 3',
  ]) {
    await ip(...argv.split(' '))
    await until(before, argv)
  }
})

t.test('next hops under our mark that are not as wanted are put right', { skip: skipWithoutRoot() }, async t => {
  const { ip, shown, until, wish } = await kept(t)
  const via = (prefix: string, ...hops: readonly (readonly [gateway: string, weight: number])[]): FibEntry => ({
    prefix,
    kind: 'unicast',
    nextHops: hops.map(([gateway, weight]) => ({ device: 'eth0', gateway, weight })),
  })
  await wish(
    via('10.42.1.0/26', ['10.0.1.8', 1], ['10.0.1.9', 3]),
    via('10.42.2.0/26', ['10.0.1.9', 5]),
    via('fd00:42::/122', ['fd00:1::8', 2], ['fd00:1::9', 7]),
    via('fd00:43::/122', ['fd00:1::9', 1]),
  )
  const before = await shown()
  t.match(before, /10\.42\.1\.0\/26[^]*?via 10\.0\.1\.8 dev eth0 weight 1[^]*?via 10\.0\.1\.9 dev eth0 weight 3/)
  t.match(before, /10\.42\.2\.0\/26 via 10\.0\.1\.9 dev eth0/)
  t.match(before, /fd00:42::\/122[^]*?via fd00:1::8 dev eth0 weight 2[^]*?via fd00:1::9 dev eth0 weight 7/)
  const leg = (gateway: string, more = '') => `nexthop via ${gateway} dev eth0 ${more}`
  for (const argv of [
    `route replace 10.42.1.0/26 proto 81 metric 1024 ${leg('10.0.1.8', 'weight 3')} ${leg('10.0.1.9')}`,
    `route replace 10.42.1.0/26 proto 81 metric 1024 ${leg('10.0.1.8')} ${leg('10.0.1.8')}`,
    `route replace 10.42.1.0/26 proto 81 metric 1024 ${leg('10.0.1.8')} ${leg('10.0.1.9', 'weight 3 realm 5')}`,
    `-6 route replace fd00:42::/122 proto 81 metric 1024 ${leg('fd00:1::8', 'weight 2')} ${leg('fd00:1::9')}`,
    `-6 route replace fd00:43::/122 proto 81 metric 1024 ${leg('fd00:1::8')} ${leg('fd00:1::9', 'weight 5')}`,
  ]) {
    await ip(...argv.trim().split(/ +/))
    await until(before, argv)
  }
})

t.test('a second route under our mark beside ours goes', { skip: skipWithoutRoot() }, async t => {
  const { ip, shown, until, restart, wish } = await kept(t)
  const before = await shown()
  const twin = '10.42.1.0/26 via 10.0.1.9 proto 81 metric 1024'
  for (const verb of ['append', 'prepend', 'append']) {
    await ip('route', verb, ...twin.split(' '))
    await until(before, verb)
  }
  await ip('route', 'append', ...twin.split(' '))
  await restart()
  await until(before, 'one from before a restart')
  await ip('route', 'append', ...twin.split(' '))
  await wish()
  await until('', 'with ours, when that is wanted no more')
})

t.test(
  "another's route behind ours with its metric: ours gives way, and is back after it",
  { skip: skipWithoutRoot() },
  async t => {
    const { ip, shown, until } = await kept(t)
    const before = await shown()
    const theirs = '10.42.1.0/26 via 10.0.1.9 proto static metric 1024'.split(' ')
    await ip('route', 'append', ...theirs)
    await until(before.split('\n').slice(1).join('\n'), 'ours is gone')
    t.match(await ip('route', 'show', 'proto', 'static'), /10\.42\.1\.0\/26 via 10\.0\.1\.9/)
    await ip('route', 'del', ...theirs)
    await until(before, 'ours is back')
  },
)

for (const [dst, what] of [
  ['fd00:42::/122', 'joined to ours as one of several next hops'],
  ['fd00:43::/122', 'behind an unreachable one'],
])
  t.test(`another's IPv6 route with our metric, ${what}`, { skip: skipWithoutRoot() }, async t => {
    const { ip, shown, until, restart, trouble } = await kept(t)
    const before = await shown()
    const without = before.replace(new RegExp(`.*${dst}.*\\n`), '')
    const theirs = `${dst} via fd00:1::9 proto static metric 1024`.split(' ')
    const append = () => ip('-6', 'route', 'append', ...theirs)
    for (const [when, come] of [
      ['while we run', append],
      ['while we do not', () => restart(append)],
    ] as const) {
      await come()
      await until(without, `${when}: ours is gone`)
      t.match(
        await ip('-6', 'route', 'show', dst),
        /^\S+ via fd00:1::9 dev eth0 proto static metric 1024 pref medium\n$/,
      )
      await untilMatch(
        trouble,
        new RegExp(`${dst}.*not in force.*protocol 4, static.*ip -6 route del ${dst} proto 4 metric 1024`),
      )
      await ip('-6', 'route', 'del', ...theirs)
      await until(before, `${when}: ours is back`)
      t.equal(trouble(), '')
    }
  })

t.test(
  'of our own IPv6 route of several next hops a restart keeps what is wanted',
  { skip: skipWithoutRoot() },
  async t => {
    const { shown, until, restart, wish, ip } = await kept(t)
    const one = await shown()
    const via = (...gateways: readonly string[]): FibEntry => ({
      prefix: 'fd00:42::/122',
      kind: 'unicast',
      nextHops: gateways.map(gateway => ({ device: 'eth0', gateway })),
    })
    await wish(near[0], via('fd00:1::8', 'fd00:1::9', 'fd00:1::a'), near[2])
    t.match(await shown(), /nexthop via fd00:1::9/)
    await restart()
    await until(one, 'it is narrowed to what is wanted now')
    await wish(near[0], via('fd00:1::b', 'fd00:1::c'), near[2])
    await wish(near[0], near[2])
    t.equal(await ip('-6', 'route', 'show', 'fd00:42::/122'), '', 'and goes as a whole')
  },
)

async function untilMatch(look: () => string, expected: RegExp): Promise<void> {
  for (let tries = 0; !expected.test(look()); tries++) {
    if (tries === 1_500) throw new Error(`not ${expected}: ${look()}`)
    await new Promise(resolve => setTimeout(resolve, 20))
  }
}
