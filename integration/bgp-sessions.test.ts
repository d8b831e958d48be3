// Extended messages (RFC 8654), enhanced route refresh (RFC 7313) and long-lived graceful restart (RFC 9494) with a real BIRD 2
// and a real FRR.

import t, { type Test } from 'tap'
import { Speaker, tcpWith } from '../bgp/index.ts'
import type { SimpleConfig, SimplePeer } from '../bgp/simple-config.ts'
import { sockets } from '../netlink/socket.ts'
import type { PathView } from '../bgp/types.ts'
import { BgpPair, BIRDS, OURS, within } from './kit/bgp-pair.ts'
import { Frr } from './kit/frr.ts'

const theirs = '10.2.0.0/24'
const communities = Array.from({ length: 2000 }, (_, i) => `65001:${i + 1}`)

function bird(more: string): string {
  return `
protocol static { ipv4; route ${theirs} blackhole; }
protocol bgp margay {
  local ${BIRDS.ipv4} as 65002;
  neighbor ${OURS.ipv4} as 65001;
  connect delay time 1; error wait time 1, 2;
  ${more}
  ipv4 { import all; export where source = RTS_STATIC; };
}
`
}

const longLived = `
  graceful restart on; graceful restart time 2;
  long lived graceful restart on; long lived stale time 100;
`

/** A speaker of ours in this process, in the namespace of the pair. */
async function ours(t: Test, pair: BgpPair, more: Partial<SimpleConfig> = {}, peer: Partial<SimplePeer> = {}) {
  const remote = { address: BIRDS.ipv4, remoteAs: 65002, connectRetry: 1, ...peer }
  const speaker = new Speaker(
    { asn: 65001, routerId: OURS.ipv4, peers: { remote }, ...more },
    { transport: tcpWith(sockets({ netns: pair.netns })) },
  )
  t.teardown(() => speaker.stop())
  await speaker.start()
  const has = () => within(20, async () => speaker.status()[0].prefixesReceived > 0)
  const theirPath = () => {
    const rib = speaker.engine.rib('ipv4-unicast')
    const id = rib.lookup(theirs)
    return id === undefined ? undefined : rib.paths(id)[0]
  }
  /** Their route is there in this state and chosen: what is received is decided on in a turn of its own. */
  const chosen = (stale: PathView['stale']) =>
    within(30, async () => {
      const path = theirPath()
      return path?.stale === stale && path.best
    })
  return { speaker, has, theirPath, chosen }
}

t.test(
  'BIRD: a route that needs a long message arrives where those are on, and nothing is lost where they are off',
  async t => {
    for (const on of [true, false]) {
      const pair = BgpPair.make(t)
      pair.startBird(bird(`enable extended messages ${on ? 'on' : 'off'};`))
      const { speaker, has } = await ours(t, pair)
      t.ok(await has())
      t.equal(speaker.status()[0].extendedMessages, on)
      speaker.announce('10.1.0.0/24', { communities })
      speaker.announce('10.3.0.0/24')
      const seen = async (prefix: string) => (await pair.birdc('show', 'route', 'all', prefix)).includes(prefix)
      t.ok(await within(10, () => seen('10.3.0.0/24')))
      t.equal(await seen('10.1.0.0/24'), on)
      if (on) t.match(await pair.birdc('show', 'route', 'all', '10.1.0.0/24'), /\(65001,2000\)/)
      t.equal(speaker.status()[0].state, 'Established')
      await speaker.stop()
    }
  },
)

t.test('BIRD: routes are sent again between a beginning and an end, both ways, and none is lost', async t => {
  const pair = BgpPair.make(t)
  pair.startBird(bird(''))
  const { speaker, has, theirPath } = await ours(t, pair, { gracefulRestart: { restartTime: 60 } })
  t.ok(await has())
  speaker.announce('10.1.0.0/24')
  const there = async () => (await pair.birdc('show', 'route', '10.1.0.0/24')).includes('10.1.0.0/24')
  t.ok(await within(10, there))
  const refreshes = () => {
    const [counters] = speaker.counters()
    return [counters.in.routeRefresh, counters.out.routeRefresh]
  }
  await pair.birdc('reload', 'in', 'margay')
  t.ok(await within(10, async () => refreshes().join() === '1,2'), `BIRD asks, we begin and end: ${refreshes().join()}`)
  t.ok(await there())
  speaker.refreshPeer('remote', 'in')
  t.ok(
    await within(10, async () => refreshes().join() === '3,3'),
    `we ask, BIRD begins and ends: ${refreshes().join()}`,
  )
  t.match(theirPath(), { stale: false })
  t.equal(speaker.status()[0].prefixesStale, 0)
  await speaker.stop()
})

t.test('BIRD goes for long: its routes are the last choice, and fresh when it is back', async t => {
  const pair = BgpPair.make(t)
  pair.startBird(bird(longLived))
  const { speaker, has, theirPath, chosen } = await ours(t, pair, {
    gracefulRestart: { restartTime: 30, longLived: 100 },
  })
  t.ok(await has())
  t.ok(await within(10, async () => speaker.status()[0].endOfRib.length === 1))
  pair.killBird()
  t.ok(await chosen('long-lived'))
  t.ok(await within(10, async () => theirPath()?.communities.includes('65535:6') === true), 'its routes are marked')
  t.match(theirPath(), { best: true, communities: ['65535:6'] })
  pair.startBird(bird(longLived), '-R')
  t.ok(await chosen(false))
  t.match(theirPath(), { best: true, communities: [] })
  await speaker.stop()
})

t.test('we go for long: BIRD keeps our routes and marks them', async t => {
  const pair = BgpPair.make(t)
  pair.startBird(bird(longLived))
  const config: SimpleConfig = {
    asn: 65001,
    routerId: OURS.ipv4,
    gracefulRestart: { restartTime: 1, longLived: 100, forwarding: true },
    peers: { remote: { address: BIRDS.ipv4, remoteAs: 65002, connectRetry: 1 } },
  }
  const speaker = await pair.startSpeaker(config)
  await speaker.call({ call: 'originate', prefixes: ['10.1.0.0/24'] })
  const text = () => pair.birdc('show', 'route', 'all', '10.1.0.0/24')
  t.ok(await within(20, async () => (await text()).includes('10.1.0.0/24')))
  speaker.kill()
  t.ok(await within(15, async () => /\(65535,6\)/.test(await text())), await text())
})

t.test('FRR: long messages and long-lived routes', async t => {
  const pair = BgpPair.make(t)
  const frr = await Frr.start(
    t,
    pair.otherNetns,
    `
router bgp 65002
 bgp router-id ${BIRDS.ipv4}
 no bgp ebgp-requires-policy
 no bgp network import-check
 bgp graceful-restart
 bgp graceful-restart restart-time 2
 bgp graceful-restart stalepath-time 100
 bgp graceful-restart preserve-fw-state
 bgp long-lived-graceful-restart stale-time 100
 neighbor ${OURS.ipv4} remote-as 65001
 neighbor ${OURS.ipv4} timers connect 1
 address-family ipv4 unicast
  network ${theirs}
`,
  )
  const own = { gracefulRestart: { restartTime: 30, longLived: 100 } }
  const { speaker, has, theirPath, chosen } = await ours(t, pair, own)
  t.ok(await has())
  t.match(speaker.status(), [{ extendedMessages: true, hostname: 'frr' }])
  speaker.announce('10.1.0.0/24', { communities })
  const seen = async () => /Community: 65001:1 65001:2 /.test(await frr.vtysh('show bgp ipv4 unicast 10.1.0.0/24'))
  t.ok(await within(15, seen))
  // FRR sends the route back, in a long message of its own; it loops, so it is kept and not used.
  const id = speaker.engine.peerId('remote') ?? null
  const sentBack = () => speaker.engine.rib('ipv4-unicast').walk('in', id, 1 as never, 10).rows
  const long = () => sentBack().find(({ prefix }) => prefix === '10.1.0.0/24')?.communities.length
  t.ok(await within(10, async () => long() === 2000), `${long()} communities`)
  t.ok(await within(10, async () => speaker.status()[0].endOfRib.length === 1))
  frr.stop()
  t.ok(await chosen('long-lived'), JSON.stringify(theirPath()))
  await speaker.stop()
})
