// Our speaker against a real BIRD 2, each in a network namespace of its own.

import t from 'tap'
import { BgpPair, BIRDS, OURS, within } from './kit/bgp-pair.ts'
import type { SimpleConfig, SimplePeer } from '../bgp/simple-config.ts'

t.jobs = 3
/** Each test has namespaces of its own, and mostly waits: three at once. */
const beside = { buffered: true }

const families = ['ipv4-unicast', 'ipv6-unicast'] as const

function ourConfig(asn: number, remoteAs: number, more: Partial<SimplePeer> = {}): SimpleConfig {
  const nextHopSelf = { 'ipv6-unicast': OURS.ipv6 }
  const bird = { address: BIRDS.ipv4, remoteAs, families, nextHopSelf, connectRetry: 1, ...more }
  return { asn, routerId: OURS.ipv4, peers: { bird } }
}

const statics = `
protocol direct { ipv4; ipv6; }
protocol static four { ipv4; route 10.2.0.0/24 blackhole; route 10.2.1.0/26 blackhole; }
protocol static six { ipv6; route fd02::/64 blackhole; }
`

function birdBgp(asn: number, ours: number, more = ''): string {
  return `${statics}
protocol bgp margay {
  local ${BIRDS.ipv4} as ${asn};
  neighbor ${OURS.ipv4} as ${ours};
  connect delay time 1; error wait time 1, 2;
  ${more}
  ipv4 { import all; export where source = RTS_STATIC; next hop self; };
  ipv6 { import all; export where source = RTS_STATIC; next hop address ${BIRDS.ipv6}; };
}
`
}

const ours = ['10.1.0.0/24', '10.1.1.0/26', 'fd01::/64']

for (const [name, asn, birdAsn] of [
  ['eBGP', 65001, 65002],
  ['eBGP with 4-octet AS numbers', 4200000001, 4200000002],
  ['iBGP', 65001, 65001],
] as const) {
  t.test(`${name}: both families on one session, both ways`, beside, async t => {
    const pair = BgpPair.make(t)
    pair.startBird(birdBgp(birdAsn, asn))
    const speaker = await pair.startSpeaker(ourConfig(asn, birdAsn))
    await speaker.call({ call: 'originate', prefixes: ours })
    t.ok(await within(60, async () => (await speaker.best()).length === 6), 'its routes came')
    const path = asn === birdAsn ? '' : String(birdAsn)
    t.same(
      (await speaker.best()).filter(text => !text.startsWith('10.1.') && !text.startsWith('fd01')),
      [
        `10.2.0.0/24 via ${BIRDS.ipv4} [${path}]`,
        `10.2.1.0/26 via ${BIRDS.ipv4} [${path}]`,
        `fd02::/64 via ${BIRDS.ipv6} [${path}]`,
      ],
    )
    t.match((await speaker.state()).peers, [
      { state: 'Established', routerId: BIRDS.ipv4, endOfRib: families, prefixesReceived: 3, prefixesSent: 3 },
    ])
    const count = async () => (await pair.birdc('show', 'route', 'protocol', 'margay')).match(/10\.1\.|fd01::/g)?.length
    t.ok(await within(60, async () => (await count()) === 3), 'ours went')
    const four = await pair.birdc('show', 'route', 'all', 'protocol', 'margay', 'table', 'master4')
    const six = await pair.birdc('show', 'route', 'all', 'protocol', 'margay', 'table', 'master6')
    for (const prefix of ours.slice(0, 2)) t.match(four, prefix)
    t.match(six, /fd01::\/64/)
    t.match(four, `BGP.next_hop: ${OURS.ipv4}`)
    t.match(six, `BGP.next_hop: ${OURS.ipv6}`)
    if (asn === birdAsn) t.match(four, /BGP\.local_pref: 100/)
    else t.match(four, `BGP.as_path: ${asn}`)

    await speaker.call({ call: 'originate', prefixes: ours.slice(1) })
    const gone = async () => !(await pair.birdc('show', 'route', 'protocol', 'margay')).includes('10.1.0.0/24')
    t.ok(await within(60, gone), 'a withdrawal arrives')
    await pair.birdc('disable', 'six')
    t.ok(await within(60, async () => !(await speaker.best()).join().includes('fd02')), 'and so does one of BIRD')
  })
}

t.test('a session over IPv6, with IPv4 routes on it too', beside, async t => {
  const pair = BgpPair.make(t)
  pair.startBird(`${statics}
protocol bgp margay {
  local ${BIRDS.ipv6} as 65002;
  neighbor ${OURS.ipv6} as 65001;
  connect delay time 1;
  ipv4 { import all; export where source = RTS_STATIC; next hop address ${BIRDS.ipv4}; };
  ipv6 { import all; export where source = RTS_STATIC; next hop self; };
}
`)
  const nextHopSelf = { 'ipv4-unicast': OURS.ipv4 }
  const bird = { address: BIRDS.ipv6, remoteAs: 65002, nextHopSelf, connectRetry: 1 }
  const speaker = await pair.startSpeaker({ asn: 65001, routerId: OURS.ipv4, peers: { bird } })
  await speaker.call({ call: 'originate', prefixes: ours })
  t.ok(await within(60, async () => (await speaker.best()).length === 6))
  t.match((await speaker.best()).slice(2, 5), [
    `10.2.0.0/24 via ${BIRDS.ipv4} [65002]`,
    `10.2.1.0/26 via ${BIRDS.ipv4} [65002]`,
    /^fd01/,
  ])
  t.match((await speaker.best())[5], `fd02::/64 via ${BIRDS.ipv6} [65002]`)
  const six = await pair.birdc('show', 'route', 'all', 'protocol', 'margay', 'table', 'master6')
  t.match(six, /fd01::\/64/)
  t.match(six, `BGP.next_hop: ${OURS.ipv6}`)
})

t.test('BIRD dies and comes back; BIRD is shut down with words', beside, async t => {
  const pair = BgpPair.make(t)
  pair.startBird(birdBgp(65002, 65001))
  const speaker = await pair.startSpeaker(ourConfig(65001, 65002))
  const has = (count: number) => within(60, async () => (await speaker.best()).length === count)
  t.ok(await has(3))
  pair.killBird()
  t.ok(await has(0), 'its routes go at once')
  t.ok(
    await within(60, async () => /refused by 10\.99\.0\.2:179/.test((await speaker.state()).peers[0].lastError ?? '')),
    'and the reason is told',
  )
  pair.startBird(birdBgp(65002, 65001))
  t.ok(await has(3), 'it comes back by itself')
  await pair.birdc('disable', 'margay', '"maintenance at ten"')
  t.ok(await has(0))
  t.match((await speaker.state()).peers[0].lastError, /Administrative Shutdown: "maintenance at ten"/)
  await pair.birdc('enable', 'margay')
  t.ok(await has(3))
})

t.test('the wrong AS number is told at our end, and BIRD hears why', beside, async t => {
  const pair = BgpPair.make(t)
  pair.startBird(birdBgp(65002, 65001))
  const speaker = await pair.startSpeaker(ourConfig(65001, 65099))
  const told = async () =>
    /its AS is 65002, but AS 65099 is configured/.test((await speaker.state()).peers[0].lastError ?? '')
  t.ok(await within(60, told))
  t.match(await pair.birdc('show', 'protocols', 'margay'), /Bad peer AS/i)
  await speaker.call({ call: 'configure', config: ourConfig(65001, 65002) })
  t.ok(await within(60, async () => (await speaker.best()).length === 3), 'corrected while it runs')
})

t.test('a restart that BIRD helps through: it never loses our routes (RFC 4724)', beside, async t => {
  const pair = BgpPair.make(t)
  pair.startBird(birdBgp(65002, 65001, 'graceful restart on;'))
  const before = await pair.startSpeaker({ ...ourConfig(65001, 65002), gracefulRestart: { restartTime: 60 } })
  await before.call({ call: 'originate', prefixes: ours })
  const routes = async () => (await pair.birdc('show', 'route', 'protocol', 'margay')).match(/10\.1\.|fd01/g)?.length
  t.ok(await within(60, async () => (await routes()) === 3))
  before.kill()
  t.ok(await within(60, async () => !(await pair.birdc('show', 'protocols', 'margay')).includes('Established')))
  t.equal(await routes(), 3, 'kept while we are away')
  const gracefulRestart = { restartTime: 60, restarting: true, forwarding: true }
  const after = await pair.startSpeaker({ ...ourConfig(65001, 65002), gracefulRestart })
  await after.call({ call: 'originate', prefixes: ours.slice(0, 2) })
  t.ok(await within(60, async () => (await pair.birdc('show', 'protocols', 'margay')).includes('Established')))
  t.ok(await within(60, async () => (await after.best()).length === 5))
  t.equal(await routes(), 3, 'kept until we say that we are complete')
  await after.call({ call: 'complete' })
  t.ok(await within(60, async () => (await routes()) === 2), 'End-of-RIB drops what we did not announce again')
})

t.test('BIRD restarts, and we help it through (RFC 4724)', beside, async t => {
  const pair = BgpPair.make(t)
  const graceful = 'graceful restart on; graceful restart time 20;'
  const speaker = await pair.startSpeaker({ ...ourConfig(65001, 65002), gracefulRestart: { restartTime: 60 } })
  const has = (count: number) => within(60, async () => (await speaker.best()).length === count)
  const stale = async () => (await speaker.state()).best.filter(row => row.stale).length
  const isUp = async () => (await speaker.state()).peers[0].state === 'Established'
  const isDown = async () => !(await isUp())
  pair.startBird(birdBgp(65002, 65001, graceful))
  t.ok(await has(3))

  pair.killBird()
  t.ok(await within(60, isDown))
  t.equal(await stale(), 3, 'kept while it is away')
  t.match((await speaker.state()).peers, [{ prefixesStale: 3 }])
  const without = birdBgp(65002, 65001, graceful).replace('route 10.2.1.0/26 blackhole;', '')
  pair.startBird(without, '-R')
  t.ok(await within(60, isUp))
  t.ok(await has(2), 'its End-of-RIB takes what it did not announce again')
  t.equal(await stale(), 0)
  t.notOk((await speaker.state()).reports.join().includes('are dropped'), 'nothing else was dropped meanwhile')

  pair.killBird()
  t.ok(await within(60, isDown))
  t.equal(await stale(), 2)
  pair.startBird(birdBgp(65002, 65001, graceful))
  t.ok(await has(3), 'started without -R it has lost its state')
  t.match((await speaker.state()).reports.join('\n'), /dropped: it is back, but without the forwarding state/)

  await pair.birdc('disable', 'margay', '"maintenance"')
  t.ok(await has(0), 'a NOTIFICATION ends all, as BIRD has no N bit')
  t.equal(await stale(), 0)
})

t.test('BIRD dies and stays away; a BIRD that is only aware of restarts keeps nothing alive', beside, async t => {
  const pair = BgpPair.make(t)
  const speaker = await pair.startSpeaker({ ...ourConfig(65001, 65002), gracefulRestart: { restartTime: 60 } })
  const has = (count: number) => within(60, async () => (await speaker.best()).length === count)
  pair.startBird(birdBgp(65002, 65001, 'graceful restart on; graceful restart time 4;'))
  t.ok(await has(3))
  pair.killBird()
  t.ok(await has(0), 'its routes go when its restart time is over')
  t.match((await speaker.state()).reports.join('\n'), /it did not come back within 4 s/)
  pair.startBird(birdBgp(65002, 65001, 'graceful restart aware;'))
  t.ok(await has(3))
  pair.killBird()
  t.ok(await within(20, async () => (await speaker.best()).length === 0), 'at once')
})

t.test('what we end for good, BIRD does not keep; what we restart, it does', beside, async t => {
  const pair = BgpPair.make(t)
  pair.startBird(birdBgp(65002, 65001, 'graceful restart on;'))
  const routes = async () =>
    (await pair.birdc('show', 'route', 'protocol', 'margay')).match(/10\.1\.|fd01/g)?.length ?? 0
  for (const [mode, left] of [
    ['restart', 3],
    ['cease', 0],
  ] as const) {
    const speaker = await pair.startSpeaker({ ...ourConfig(65001, 65002), gracefulRestart: { restartTime: 60 } })
    await speaker.call({ call: 'originate', prefixes: ours })
    t.ok(await within(60, async () => (await speaker.best()).length === 6 && (await routes()) === 3))
    await speaker.call({ call: 'stop', mode })
    t.ok(await within(60, async () => !(await pair.birdc('show', 'protocols', 'margay')).includes('Established')))
    t.equal(await routes(), left, mode)
    speaker.kill()
  }
})

t.test('port 179 is taken: one sentence, and the sessions that we dial work', beside, async t => {
  const pair = BgpPair.make(t)
  const first = await pair.startSpeaker({ asn: 65001, routerId: '1.1.1.1' })
  pair.startBird(birdBgp(65002, 65001))
  const second = await pair.startSpeaker(ourConfig(65001, 65002))
  t.ok(await within(60, async () => (await second.best()).length === 3))
  const { reports } = await second.state()
  t.match(
    reports.filter(text => text.startsWith('cannot listen')),
    [/^cannot listen on port 179: another process has it.*ss -ltnp sport = :179/],
  )
  await first.call({ call: 'stop', mode: 'cease' })
  t.ok(await within(60, async () => (await second.state()).reports.includes('listening on port 179 now')))
})
