// The mirror between dumps and events, with both in the test's hand.

import t from 'tap'
import type { Link, NetlinkEvent, Route, Rtnetlink } from '../../netlink/types.ts'
import { FakeKernel } from './fake-kernel.ts'
import { KernelMirror } from './mirror.ts'
import { defaultMark } from './routes/route.ts'

interface Hand {
  readonly mirror: KernelMirror
  readonly say: (event: NetlinkEvent) => void
  /** What the next dump of routes answers, and when. */
  dump: () => Promise<readonly Route[]>
}

/** A dump of links, which begins before and ends after what `meanwhile` does. */
async function readAround({ mirror, held }: LinksHand, meanwhile: () => void): Promise<void> {
  const addresses = Promise.withResolvers<void>()
  held.addresses = addresses.promise
  const reading = mirror.rereadLinks()
  await new Promise(resolve => setImmediate(resolve)) // the links are read
  meanwhile()
  addresses.resolve()
  await reading
}

interface LinksHand {
  readonly mirror: KernelMirror
  readonly held: { addresses: Promise<void> }
  readonly say: (event: NetlinkEvent) => void
}

async function linksHand(links: readonly Link[]): Promise<LinksHand> {
  const socket = await new FakeKernel().open()
  const held = { addresses: Promise.resolve() }
  let say: Hand['say'] = () => {}
  const kernel: Rtnetlink = {
    ...socket,
    links: async () => [...links],
    async addresses() {
      await held.addresses
      return []
    },
    async watch(_, handler) {
      say = handler
      return async () => {}
    },
  }
  return { mirror: await KernelMirror.open(kernel, defaultMark), held, say: event => say(event) }
}

async function hand(): Promise<Hand> {
  const socket = await new FakeKernel().open()
  let say: Hand['say'] = () => {}
  const held = { dump: async (): Promise<readonly Route[]> => [] }
  const kernel: Rtnetlink = {
    ...socket,
    routes: () => held.dump(),
    async watch(_, handler) {
      say = handler
      return async () => {}
    },
  }
  const mirror = await KernelMirror.open(kernel, defaultMark)
  return Object.assign(held, { mirror, say: (event: NetlinkEvent) => say(event) })
}

const link = (index: number, name = 'mgy0', more: Partial<Link> = {}): Link => ({
  index,
  name,
  up: true,
  carrier: true,
  loopback: false,
  mtu: 1500,
  ...more,
})
const dst = '10.42.1.0/26'
const route = (gateway: string, more: Partial<Route> = {}): Route => ({
  dst,
  type: 'unicast',
  ...defaultMark,
  scope: 'universe',
  nextHops: [{ gateway, link: 2 }],
  ...more,
})

for (const c of [
  {
    name: 'a device made anew',
    events: [
      ['put', 5],
      ['delete', 5],
      ['put', 6],
    ],
    expect: 6,
  },
  {
    name: 'told of before its event',
    events: [
      ['put', 5],
      ['note', 6],
      ['delete', 5],
      ['put', 6],
    ],
    expect: 6,
  },
  {
    name: 'told of, then late events of its namesake',
    events: [
      ['note', 6],
      ['put', 5],
      ['delete', 5],
    ],
    expect: 6,
  },
  {
    name: 'told of twice before any event',
    events: [
      ['note', 6],
      ['note', 7],
      ['put', 6],
      ['delete', 6],
    ],
    expect: 7,
  },
  {
    name: 'told of, then gone',
    events: [
      ['note', 6],
      ['put', 6],
      ['delete', 6],
    ],
    expect: undefined,
  },
  {
    name: 'told of after its event, later renamed away',
    events: [
      ['put', 6],
      ['note', 6],
      ['rename', 6],
      ['put', 8],
    ],
    expect: 8,
  },
] as const)
  t.test(`a name's device: ${c.name}`, async t => {
    const { mirror, say } = await hand()
    for (const [what, index] of c.events) {
      if (what === 'note') mirror.noteLink(link(index))
      else if (what === 'rename') say({ type: 'link.put', link: link(index, 'other') })
      else say({ type: `link.${what}`, link: link(index) })
    }
    t.equal(mirror.linkNamed('mgy0')?.index, c.expect)
  })

t.test('links that come, change or go during a dump of links are as they are now', async t => {
  const hand = await linksHand([link(5, 'stays'), link(6, 'goes'), link(7, 'changes')])
  const address = { link: 5, cidr: '10.0.0.1/24', scope: 'universe' } as const
  await readAround(hand, () => {
    hand.mirror.noteLink(link(8, 'noted'))
    hand.say({ type: 'link.put', link: link(9, 'heard') })
    hand.say({ type: 'link.delete', link: link(6, 'goes') })
    hand.say({ type: 'link.put', link: link(7, 'changes', { mtu: 1400 }) })
    hand.say({ type: 'address.put', address })
  })
  const names = [...hand.mirror.links].map(each => each.name).toSorted((a, b) => a.localeCompare(b))
  t.same(names, ['changes', 'heard', 'noted', 'stays'])
  t.equal(hand.mirror.linkNamed('noted')?.index, 8)
  t.equal(hand.mirror.linkNamed('changes')?.mtu, 1400)
  t.same([...hand.mirror.addresses], [address])
  await hand.mirror.rereadLinks()
  t.same([...hand.mirror.links].length, 3, 'the next dump tells the truth again')
  t.same([...hand.mirror.addresses], [])
})

t.test('events during a dump are younger than the dump', async t => {
  const h = await hand()
  h.say({ type: 'route.put', route: route('10.0.1.1') })
  h.dump = async () => {
    const seen = [route('10.0.1.1')]
    h.say({ type: 'route.put', route: route('10.0.1.2') })
    return seen
  }
  await h.mirror.rereadRoutes()
  t.equal(h.mirror.ours(dst)?.nextHops[0].gateway, '10.0.1.2')
})

t.test('a dump tells of each difference, and of nothing else', async t => {
  const h = await hand()
  const other = { dst: '10.42.2.0/26' }
  h.say({ type: 'route.put', route: route('10.0.1.1') })
  h.say({ type: 'route.put', route: route('10.0.1.1', other) })
  const heard: string[] = []
  h.mirror.onChange(change => change.what === 'route' && heard.push(change.prefix))
  h.dump = async () => [route('10.0.1.1', other), route('10.0.1.9', { dst: '10.42.3.0/26', protocol: 4, metric: 0 })]
  await h.mirror.rereadRoutes()
  t.same(heard.toSorted(), [dst, '10.42.3.0/26'])
  t.equal(h.mirror.ours(dst), undefined)
  t.equal(h.mirror.foreign('10.42.3.0/26').length, 1)
})

t.test('which devices a flush could touch', async t => {
  const { mirror, say } = await hand()
  t.notOk(mirror.usesLink(2))
  say({ type: 'route.put', route: route('10.0.1.1') })
  say({ type: 'route.put', route: route('10.0.1.1', { protocol: 4, metric: 5 }) })
  t.ok(mirror.usesLink(2))
  say({ type: 'route.delete', route: route('10.0.1.1') })
  t.ok(mirror.usesLink(2), 'a foreign route still leaves by it')
  say({ type: 'route.delete', route: route('10.0.1.1', { protocol: 4, metric: 5 }) })
  t.notOk(mirror.usesLink(2))
})

t.test('other tables, local routes, and those for packets from some addresses only are no concern', async t => {
  const { mirror, say } = await hand()
  say({ type: 'route.put', route: route('10.0.1.1', { table: 100 }) })
  say({ type: 'route.put', route: route('10.0.1.1', { type: 'local' }) })
  say({ type: 'route.put', route: route('10.0.1.1', { from: '10.9.0.0/16' }) })
  t.equal(mirror.ours(dst), undefined)
  t.same(mirror.foreign(dst), [])
})
