// The fake kernel behaves as the real one in what the dataplane leans on: the same cases on both.

import t from 'tap'
import type { NetlinkEvent, Operation, Route, Rtnetlink } from '../../netlink/types.ts'
import { fakeWorld } from './fake-world.ts'
import { realWorld } from './real-world.ts'
import { skipWithoutRoot } from './test-namespaces.ts'

/** A node with 10.0.1.7/24 and fd00:1::7/64 on eth0 and 10.0.2.7/24 on eth1. */
interface World extends AsyncDisposable {
  readonly node: Rtnetlink
  /** Another handle, which hears of what `node` does. */
  readonly listener: Rtnetlink
  readonly eth0: number
  readonly eth1: number
}

async function fake(): Promise<World> {
  const { kernel, other, eth0, eth1 } = await fakeWorld()
  return { node: other, listener: await kernel.open(), eth0, eth1, [Symbol.asyncDispose]: async () => {} }
}

async function real(): Promise<World> {
  const { kernel, other, eth0, eth1, [Symbol.asyncDispose]: dispose } = await realWorld()
  const listener = await kernel.open()
  const disposeAll = async (): Promise<void> => {
    await listener.close()
    await dispose()
  }
  return { node: other, listener, eth0, eth1, [Symbol.asyncDispose]: disposeAll }
}

type Verb = 'route.add' | 'route.replace' | 'route.delete'
const route = (
  verb: Verb,
  dst: string,
  gateway: string | undefined,
  link: number | undefined,
  more: Partial<Route> = {},
): Operation => {
  const nextHops = link === undefined ? [] : [{ link, ...(gateway !== undefined && { gateway }) }]
  return { do: verb, route: { dst, protocol: 81, metric: 1024, nextHops, ...more } }
}
const gone = (dst: string, more: Partial<Route> = {}): Operation =>
  route('route.delete', dst, undefined, undefined, { scope: 'nowhere', ...more })
const address = (verb: 'address.add' | 'address.delete', link: number, cidr: string): Operation => ({
  do: verb,
  address: { link, cidr, scope: 'universe' },
})

interface Case {
  readonly name: string
  readonly operations: (w: World) => readonly Operation[]
  /** `ok` or the errno of each. */
  readonly answers: readonly string[]
  /** What is left of 10.42.0.0/16 and fd00:42::/32: `prefix gateway protocol metric`. */
  readonly left: readonly string[]
  /** Events of such routes. */
  readonly events: readonly string[]
  /** Those of them that whoever did it hears, too. Default: those of IPv6. */
  readonly own?: readonly string[]
}

const P = '10.42.1.0/26'
const P6 = 'fd00:42::/122'
const cases: readonly Case[] = [
  {
    name: 'add refuses a taken key, whoever holds it',
    operations: w => [
      route('route.add', P, '10.0.1.1', w.eth0, { protocol: 4 }),
      route('route.add', P, '10.0.1.2', w.eth0),
    ],
    answers: ['ok', 'EEXIST'],
    left: [`${P} 10.0.1.1 4 1024`],
    events: [`put ${P} 4`],
  },
  {
    name: 'replace takes a key from whoever holds it, and tells only of the new route',
    operations: w => [
      route('route.add', P, '10.0.1.1', w.eth0, { protocol: 4 }),
      route('route.replace', P, '10.0.1.2', w.eth0),
    ],
    answers: ['ok', 'ok'],
    left: [`${P} 10.0.1.2 81 1024`],
    events: [`put ${P} 4`, `put ${P} 81`],
  },
  {
    name: 'another metric is another route',
    operations: w => [
      route('route.add', P, '10.0.1.1', w.eth0, { metric: 20 }),
      route('route.add', P, '10.0.1.2', w.eth0),
    ],
    answers: ['ok', 'ok'],
    left: [`${P} 10.0.1.1 81 20`, `${P} 10.0.1.2 81 1024`],
    events: [`put ${P} 81`, `put ${P} 81`],
  },
  {
    name: 'an unreachable route is replaced by a unicast one and back',
    operations: w => [
      route('route.add', P, undefined, undefined, { type: 'unreachable' }),
      route('route.replace', P, '10.0.1.1', w.eth0),
      route('route.add', P6, 'fd00:1::1', w.eth0),
      route('route.replace', P6, undefined, undefined, { type: 'unreachable' }),
      route('route.replace', P6, 'fd00:1::2', w.eth0),
    ],
    answers: ['ok', 'ok', 'ok', 'ok', 'ok'],
    left: [`${P} 10.0.1.1 81 1024`, `${P6} fd00:1::2 81 1024`],
    events: [`put ${P} 81`, `put ${P} 81`, `put ${P6} 81`, `put ${P6} 81`, `put ${P6} 81`],
  },
  {
    name: 'delete wants protocol and metric to match',
    operations: w => [
      route('route.add', P, '10.0.1.1', w.eth0),
      gone(P, { protocol: 4 }),
      gone(P, { metric: 20 }),
      gone(P, { scope: 'link' }),
      gone(P),
      gone(P),
      route('route.add', P6, 'fd00:1::1', w.eth0),
      gone(P6, { protocol: 4 }),
      gone(P6),
    ],
    answers: ['ok', 'ESRCH', 'ESRCH', 'ESRCH', 'ok', 'ESRCH', 'ok', 'ESRCH', 'ok'],
    left: [],
    events: [`put ${P} 81`, `delete ${P} 81`, `put ${P6} 81`, `delete ${P6} 81`],
  },
  {
    name: 'a gateway must be connected',
    operations: w => [
      route('route.add', P, '192.0.2.1', w.eth0),
      route('route.add', P, '10.0.2.1', w.eth0),
      route('route.add', P, '10.0.1.1', 4242),
      route('route.add', P, undefined, 4242),
    ],
    answers: ['ENETUNREACH', 'ENETUNREACH', 'ENETUNREACH', 'ENODEV'],
    left: [],
    events: [],
  },
  {
    name: 'a link that goes down takes its IPv4 routes silently; a leg of several only dies',
    operations: w => [
      route('route.add', P, '10.0.1.1', w.eth0),
      route('route.add', '10.42.2.0/26', undefined, undefined, {
        nextHops: [
          { gateway: '10.0.1.1', link: w.eth0 },
          { gateway: '10.0.2.1', link: w.eth1 },
        ],
      }),
      route('route.add', '10.42.3.0/26', undefined, undefined, { type: 'unreachable' }),
      route('route.add', P6, 'fd00:1::1', w.eth0),
      { do: 'link.set', link: w.eth0, change: { up: false } },
      { do: 'link.set', link: w.eth0, change: { up: true } },
    ],
    answers: ['ok', 'ok', 'ok', 'ok', 'ok', 'ok'],
    left: ['10.42.2.0/26 10.0.1.1,10.0.2.1 81 1024', '10.42.3.0/26 - 81 1024'],
    events: [`put ${P} 81`, 'put 10.42.2.0/26 81', 'put 10.42.3.0/26 81', `put ${P6} 81`, `delete ${P6} 81`],
  },
  {
    name: 'the last address takes the IPv4 routes of its link, any address those that prefer it',
    operations: w => [
      address('address.add', w.eth1, '10.0.3.7/24'),
      route('route.add', P, '10.0.1.1', w.eth0),
      route('route.add', '10.42.2.0/26', '10.0.2.1', w.eth1),
      route('route.add', '10.42.4.0/26', '10.0.2.1', w.eth1, { source: '10.0.3.7' }),
      address('address.delete', w.eth1, '10.0.3.7/24'),
      address('address.delete', w.eth0, '10.0.1.7/24'),
    ],
    answers: ['ok', 'ok', 'ok', 'ok', 'ok', 'ok'],
    own: ['delete 10.42.4.0/26 81'],
    left: ['10.42.2.0/26 10.0.2.1 81 1024'],
    events: [`put ${P} 81`, 'put 10.42.2.0/26 81', 'put 10.42.4.0/26 81', 'delete 10.42.4.0/26 81'],
  },
  {
    name: 'a link that is deleted takes its IPv4 routes silently',
    operations: w => [
      route('route.add', P, '10.0.1.1', w.eth0),
      route('route.add', P6, 'fd00:1::1', w.eth0),
      { do: 'link.delete', link: w.eth0 },
    ],
    answers: ['ok', 'ok', 'ok'],
    left: [],
    events: [`put ${P} 81`, `put ${P6} 81`, `delete ${P6} 81`],
  },
]

const about = (dst: string): boolean => dst.startsWith('10.42.') || dst.startsWith('fd00:42:')

for (const [where, open, skip] of [
  ['fake', fake, false],
  ['real', real, skipWithoutRoot()],
] as const)
  t.test(`the ${where} kernel`, { skip }, async t => {
    for (const c of cases)
      await t.test(c.name, async t => {
        await using w = await open()
        const [own, others] = [await record(w.node), await record(w.listener)]
        const answers = await w.node.apply(c.operations(w))
        t.same(
          answers.map(answer => (answer.ok ? 'ok' : answer.errno)),
          c.answers,
        )
        const left = (await w.node.routes()).filter(one => about(one.dst))
        t.same(left.map(lineOf).toSorted(), c.left)
        await w.node.apply([route('route.add', last, undefined, undefined, { type: 'unreachable' })])
        await Promise.all([own.end, others.end])
        t.same(others.events.toSorted(), c.events.toSorted())
        t.same(own.events.toSorted(), (c.own ?? c.events.filter(event => event.includes(':'))).toSorted())
      })
  })

/** A route of IPv6, so that everybody hears of it. */
const last = 'fd00:99::/64'

async function record(kernel: Rtnetlink): Promise<{ readonly events: readonly string[]; readonly end: Promise<void> }> {
  const events: string[] = []
  const { promise: end, resolve } = Promise.withResolvers<void>()
  await kernel.watch(['route4', 'route6'], (event: NetlinkEvent) => {
    if (event.type !== 'route.put' && event.type !== 'route.delete') return
    if (event.route.dst === last) resolve()
    else if (about(event.route.dst)) events.push(`${event.type.slice(6)} ${event.route.dst} ${event.route.protocol}`)
  })
  return { events, end }
}

function lineOf({ dst, type, nextHops, protocol, metric }: Route): string {
  const hops = type === 'unreachable' ? '-' : nextHops.map(hop => hop.gateway).join()
  return `${dst} ${hops} ${protocol} ${metric}`
}
