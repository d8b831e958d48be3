// What goes with a route between our speaker and a real BIRD 2: communities of all kinds, graceful shutdown, AS rules.

import t from 'tap'
import type { Test } from 'tap'
import { BgpPair, BIRDS, OURS, type SpeakerProcess, within } from './kit/bgp-pair.ts'
import type { SimpleConfig, SimplePeer } from '../bgp/simple-config.ts'
import type { Origination } from '../bgp/types.ts'

function ourConfig(more: Partial<SimplePeer> = {}): SimpleConfig {
  const bird = { address: BIRDS.ipv4, remoteAs: 65002, connectRetry: 1, ...more }
  return { asn: 65001, routerId: OURS.ipv4, peers: { bird } }
}

/** BIRD announces 10.2.0.0/24 as the export filter makes it. */
function birdBgp(filter: string, more = '', importing = 'accept;'): string {
  return `
protocol static four { ipv4; route 10.2.0.0/24 blackhole; }
protocol bgp margay {
  local ${BIRDS.ipv4} as 65002;
  neighbor ${OURS.ipv4} as 65001;
  connect delay time 1; error wait time 1, 2;
  ${more}
  ipv4 {
    import filter { ${importing} };
    export filter { if source != RTS_STATIC then reject; ${filter} accept; };
    next hop self;
  };
}
`
}

async function pairOf(
  t: Test,
  bird: string,
  config: SimpleConfig,
): Promise<{ pair: BgpPair; speaker: SpeakerProcess }> {
  const pair = BgpPair.make(t)
  pair.startBird(bird)
  const speaker = await pair.startSpeaker(config)
  t.ok(await within(20, async () => (await speaker.state()).peers[0].state === 'Established'), 'the session is up')
  return { pair, speaker }
}

async function routeOf(speaker: SpeakerProcess, prefix: string) {
  return (await speaker.state()).best.find(row => row.prefix === prefix)
}

/** What BIRD says of a route of ours, once it has it. */
async function atBird(pair: BgpPair, prefix: string, holds: RegExp): Promise<string> {
  let text = ''
  await within(10, async () => {
    text = await pair.birdc('show', 'route', 'all', 'for', prefix)
    return holds.test(text)
  })
  return text
}

t.test('communities of all kinds, both ways', async t => {
  const { pair, speaker } = await pairOf(
    t,
    birdBgp(`
      bgp_community.add((65002, 20));
      bgp_large_community.add((65002, 1, 4000000000));
      bgp_ext_community.add((rt, 65002, 70000));
      bgp_ext_community.add((ro, 10.0.0.9, 7));
      bgp_ext_community.add((rt, 4200000001, 9));
      bgp_ext_community.add((generic, 0x03010000, 0x2a));`),
    ourConfig({
      import: {
        name: 'in',
        rules: [
          {
            name: 'known',
            when: { communities: ['65002:1:*'], asPath: '65002', nextHops: [BIRDS.ipv4] },
            then: 'accept',
            set: { addCommunities: ['65001:8:8'], removeCommunities: ['ro:10.0.0.9:*'], localPref: 321 },
          },
        ],
        otherwise: 'reject',
      },
    }),
  )
  t.ok(await within(10, async () => (await routeOf(speaker, '10.2.0.0/24')) !== undefined))
  const route = await routeOf(speaker, '10.2.0.0/24')
  t.match(route, { communities: ['65002:20'], largeCommunities: ['65002:1:4000000000', '65001:8:8'], localPref: 321 })
  t.same(
    [...(route?.extendedCommunities ?? [])].toSorted(),
    ['0x030100000000002a', 'rt:4200000001:9', 'rt:65002:70000'],
    'as BIRD wrote them, without the one that policy removes',
  )

  const list: Origination[] = [
    {
      prefix: '10.1.0.0/24',
      communities: ['65001:7', '65001:2:3', 'rt:65001:70000', 'ro:10.0.0.1:5', 'rt:4200000002:6', '0x030100000000002b'],
    },
  ]
  await speaker.call({ call: 'announce', list })
  const text = await atBird(pair, '10.1.0.0/24', /large_community/)
  t.match(text, /BGP\.community: \(65001,7\)/)
  t.match(text, /BGP\.large_community: \(65001, 2, 3\)/)
  for (const one of ['(rt, 65001, 70000)', '(ro, 10.0.0.1, 5)', '(rt, 4200000002, 6)', '(generic, 0x3010000, 0x2b)']) {
    t.ok(text.includes(one), `${one} in ${text}`)
  }
})

t.test('graceful shutdown: honoured, and sent while the session stays up (RFC 8326)', async t => {
  const { pair, speaker } = await pairOf(
    t,
    birdBgp('bgp_community.add((65535, 0));', '', 'if (65535, 0) ~ bgp_community then bgp_local_pref = 0; accept;'),
    ourConfig(),
  )
  t.ok(await within(10, async () => (await routeOf(speaker, '10.2.0.0/24'))?.localPref === 0), 'LOCAL_PREF is 0')
  await speaker.call({ call: 'originate', prefixes: ['10.1.0.0/24'] })
  t.match(await atBird(pair, '10.1.0.0/24', /local_pref: 100/), /local_pref: 100/)
  await speaker.call({ call: 'configure', config: { ...ourConfig(), gracefulShutdown: true } })
  const leaving = await atBird(pair, '10.1.0.0/24', /local_pref: 0/)
  t.match(leaving, /BGP\.local_pref: 0\n/)
  t.match(leaving, /BGP\.community: \(65535,0\)/)
  t.equal((await speaker.state()).peers[0].flaps, 0)
})

t.test('NO_EXPORT, NO_ADVERTISE and BLACKHOLE of ours reach the neighbour, who is to honour them', async t => {
  const { pair, speaker } = await pairOf(t, birdBgp(''), ourConfig())
  const list = ['no-export', 'no-advertise', 'blackhole'].map((one, i) => ({
    prefix: `10.1.${i}.0/24`,
    communities: [one],
  }))
  await speaker.call({ call: 'announce', list })
  for (const [i, value] of ['65281', '65282', '666'].entries()) {
    t.match(await atBird(pair, `10.1.${i}.0/24`, /community/), new RegExp(`BGP\\.community: \\(65535,${value}\\)`))
  }
})

t.test('local-as: BIRD peers with the AS that we had', async t => {
  const bird = birdBgp('').replace('as 65001', 'as 65100')
  const { pair, speaker } = await pairOf(t, bird, ourConfig({ localAs: 65100, localAsMode: 'prepend' }))
  await speaker.call({ call: 'originate', prefixes: ['10.1.0.0/24'] })
  t.match(await atBird(pair, '10.1.0.0/24', /as_path/), /BGP\.as_path: 65100 65001\n/)
  t.ok(
    await within(10, async () => (await routeOf(speaker, '10.2.0.0/24'))?.asPath === '65100 65002'),
    'and so it came',
  )
  await speaker.call({ call: 'configure', config: ourConfig({ localAs: 65100 }) })
  t.match(await atBird(pair, '10.1.0.0/24', /as_path: 65100\n/), /BGP\.as_path: 65100\n/, 'replaced')
})

t.test('allowas-in and as-override: our own AS comes back, and theirs goes out as ours', async t => {
  const { pair, speaker } = await pairOf(t, birdBgp('bgp_path.prepend(65001);'), ourConfig())
  t.ok(await within(10, async () => (await speaker.state()).peers[0].prefixesReceived === 1))
  t.equal(await routeOf(speaker, '10.2.0.0/24'), undefined, 'not used as it is')
  const config = ourConfig({ allowAsIn: 1, asOverride: true })
  await speaker.call({ call: 'configure', config })
  t.ok(
    await within(10, async () => (await routeOf(speaker, '10.2.0.0/24'))?.asPath === '65002 65001'),
    'BIRD sent it anew',
  )
  t.equal((await speaker.state()).peers[0].flaps, 0)

  const rules = [{ name: 'through there', then: 'accept', set: { prepend: { asn: 65002, count: 1 } } }] as const
  const through = { name: 'through', rules, otherwise: 'reject' } as const
  await speaker.call({ call: 'originate', prefixes: ['10.1.0.0/24'] })
  await speaker.call({ call: 'configure', config: ourConfig({ allowAsIn: 1, export: through }) })
  const gone = async () => !(await pair.birdc('show', 'route', 'for', '10.1.0.0/24')).includes('10.1.0.0/24')
  t.ok(await within(10, gone), 'BIRD does not take a path with its own AS')
  await speaker.call({ call: 'configure', config: ourConfig({ allowAsIn: 1, asOverride: true, export: through }) })
  t.match(await atBird(pair, '10.1.0.0/24', /as_path/), /BGP\.as_path: 65001 65001\n/)
})
