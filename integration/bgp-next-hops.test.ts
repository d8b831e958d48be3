// IPv4 routes with IPv6 next hops (RFC 8950) with a real BIRD 2 and a real FRR, over global and link-local addresses.

import t, { type Test } from 'tap'
import { Speaker, tcpWith } from '../bgp/index.ts'
import type { SimplePeer } from '../bgp/simple-config.ts'
import type { Family, PathView, PrefixId } from '../bgp/types.ts'
import { sockets } from '../netlink/socket.ts'
import { BgpPair, BIRDS, OURS, within } from './kit/bgp-pair.ts'
import { Frr } from './kit/frr.ts'

function best(speaker: Speaker, family: Family): string[] {
  const { rows } = speaker.engine.rib(family).walk('loc', null, 1 as PrefixId, 1000)
  return rows.map(({ prefix, nextHop, asPath }: PathView) => `${prefix} via ${nextHop} [${asPath}]`).toSorted()
}

async function ours(t: Test, pair: BgpPair, peer: Partial<SimplePeer>) {
  const speaker = new Speaker(
    {
      asn: 65001,
      routerId: OURS.ipv4,
      peers: { other: { address: BIRDS.ipv6, remoteAs: 'external', connectRetry: 1, extendedNextHop: true, ...peer } },
    },
    { transport: tcpWith(sockets({ netns: pair.netns })) },
  )
  t.teardown(() => speaker.stop())
  await speaker.start()
  speaker.announce('10.1.0.0/24')
  speaker.announce('fd01::/64')
  const learned = (family: Family) => best(speaker, family).filter(line => line.includes('65002'))
  return { speaker, learned }
}

t.test('BIRD 2, whoever dials', async t => {
  for (const passive of [false, true]) {
    const pair = BgpPair.make(t)
    pair.startBird(`
protocol static { ipv4; route 10.2.0.0/24 blackhole; }
protocol static { ipv6; route fd02::/64 blackhole; }
protocol bgp margay {
  local ${BIRDS.ipv6} as 65002; neighbor ${OURS.ipv6} as 65001;
  connect delay time 1; error wait time 1, 2; passive ${passive ? 'off' : 'on'};
  ipv4 { import all; export where source = RTS_STATIC; extended next hop on; next hop self; };
  ipv6 { import all; export where source = RTS_STATIC; next hop self; };
}
`)
    const { speaker, learned } = await ours(t, pair, { passive })
    t.ok(await within(20, async () => learned('ipv4-unicast').length + learned('ipv6-unicast').length === 2))
    t.same(learned('ipv4-unicast'), [`10.2.0.0/24 via ${BIRDS.ipv6} [65002]`])
    t.same(learned('ipv6-unicast'), [`fd02::/64 via ${BIRDS.ipv6} [65002]`])
    let shown = ''
    t.ok(
      await within(10, async () =>
        (shown = await pair.birdc('show', 'route', 'all', 'protocol', 'margay')).includes('fd01'),
      ),
    )
    t.match(shown, new RegExp(`10\\.1\\.0\\.0/24[^]*via ${OURS.ipv6} on eth0`))
    t.match(speaker.status(), [{ extendedNextHop: true, endOfRib: ['ipv4-unicast', 'ipv6-unicast'] }])
    speaker.withdraw('10.1.0.0/24')
    const gone = async () => !(await pair.birdc('show', 'route', 'protocol', 'margay')).includes('10.1.0.0')
    t.ok(await within(10, gone), 'and withdrawn')
    await speaker.stop()
  }
})

t.test('FRR', async t => {
  const pair = BgpPair.make(t)
  const frr = await Frr.start(
    t,
    pair.otherNetns,
    `
router bgp 65002
 bgp router-id ${BIRDS.ipv4}
 no bgp ebgp-requires-policy
 no bgp network import-check
 no bgp default ipv4-unicast
 neighbor ${OURS.ipv6} remote-as external
 neighbor ${OURS.ipv6} timers connect 1
 neighbor ${OURS.ipv6} capability extended-nexthop
 address-family ipv4 unicast
  network 10.2.0.0/24
  neighbor ${OURS.ipv6} activate
 exit-address-family
 address-family ipv6 unicast
  network fd02::/64
  neighbor ${OURS.ipv6} activate
 exit-address-family
`,
  )
  const { speaker, learned } = await ours(t, pair, {})
  t.ok(await within(30, async () => learned('ipv4-unicast').length + learned('ipv6-unicast').length === 2))
  t.same(learned('ipv4-unicast'), [`10.2.0.0/24 via ${BIRDS.ipv6} [65002]`], 'of global and link-local the global one')
  t.same(learned('ipv6-unicast'), [`fd02::/64 via ${BIRDS.ipv6} [65002]`])
  let shown = ''
  const has = async () => /10\.1\.0\.0\/24 +fd99::1/.test((shown = await frr.vtysh('show bgp ipv4 unicast')))
  t.ok(await within(10, has), shown)
  speaker.withdraw('10.1.0.0/24')
  t.ok(await within(10, async () => !(await frr.vtysh('show bgp ipv4 unicast')).includes('10.1.0.0')))
})
