// TCP-MD5 (RFC 2385), GTSM (RFC 5082) and TTL, against a real BIRD 2 and between two of our own: sockets of netlink-ts under
// bgp-speaker, in network namespaces.

import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { BgpPair, BIRDS, OURS, within } from './kit/bgp-pair.ts'
import { ConfigError, Speaker, tcpWith } from '../bgp/index.ts'
import type { SimplePeer } from '../bgp/simple-config.ts'
import { sockets } from '../netlink/socket.ts'

t.jobs = 3
/** Each test has namespaces of its own, and mostly waits: three at once. */
const beside = { buffered: true }

const SECRET = 'correct horse'

function bird(version: 'ipv4' | 'ipv6', more: string): string {
  const [own, ours] = [BIRDS[version], OURS[version]]
  return `
protocol static { ${version}; route ${version === 'ipv4' ? '10.2.0.0/24' : 'fd02::/64'} blackhole; }
protocol bgp margay {
  local ${own} as 65002;
  neighbor ${ours} as 65001;
  connect delay time 1; error wait time 1, 2;
  ${more}
  ${version} { import all; export where source = RTS_STATIC; };
}
`
}

async function ours(t: Test, pair: BgpPair, peer: Partial<SimplePeer>, version: 'ipv4' | 'ipv6' = 'ipv4') {
  const said: string[] = []
  const speaker = new Speaker(
    {
      asn: 65001,
      routerId: OURS.ipv4,
      peers: { bird: { address: BIRDS[version], remoteAs: 65002, connectRetry: 1, ...peer } },
    },
    { transport: tcpWith(sockets({ netns: pair.netns })) },
  )
  t.teardown(() => speaker.stop())
  speaker.on('peer', report => said.push(report.text))
  await speaker.start()
  const up = (seconds: number) => within(seconds, async () => speaker.status()[0].prefixesReceived === 1)
  return { speaker, up, said }
}

for (const version of ['ipv4', 'ipv6'] as const)
  for (const passive of [false, true])
    t.test(`TCP-MD5 with BIRD: ${version}, ${passive ? 'BIRD dials' : 'we dial'}`, beside, async t => {
      const pair = BgpPair.make(t)
      pair.startBird(bird(version, `password "${SECRET}"; passive ${passive ? 'off' : 'on'};`))
      const { up, speaker, said } = await ours(t, pair, { secret: SECRET, passive }, version)
      t.ok(await up(60))
      t.notMatch(JSON.stringify([speaker.status(), said]), SECRET, 'the key is nowhere to be seen')
      await speaker.stop()
    })

for (const [name, theirs, own] of [
  ['another key', `password "${SECRET}";`, 'wrong'],
  ['no key here', `password "${SECRET}";`, undefined],
  ['no key there', '', SECRET],
] as const)
  t.test(`${name}: no session, and the key is in no words`, beside, async t => {
    const pair = BgpPair.make(t)
    pair.startBird(bird('ipv4', theirs))
    const { up, speaker, said } = await ours(t, pair, { secret: own })
    t.notOk(await up(4))
    t.notMatch(JSON.stringify([speaker.status(), said]), /correct horse|wrong/)
    if (own === 'wrong') {
      const peers = { bird: { address: BIRDS.ipv4, remoteAs: 65002, connectRetry: 1, secret: SECRET } }
      t.same(speaker.configure({ asn: 65001, routerId: OURS.ipv4, peers }), [])
      t.ok(await up(60), 'corrected while it runs')
    }
    await speaker.stop()
  })

for (const [name, theirs, own, comes] of [
  ['both, we dial', 'ttl security on; passive on;', { ttlSecurity: 1 }, true],
  ['both, BIRD dials', 'ttl security on;', { ttlSecurity: 1, passive: true }, true],
  ['only BIRD', 'ttl security on;', {}, false],
  ['only we', '', { ttlSecurity: 1 }, false],
  ['neither, and TTL 1', '', { multihop: false }, true],
  ['multihop is the TTL: BIRD asks for 251', 'multihop 5; ttl security on;', { multihop: 251 }, true],
  ['and this is less', 'multihop 5; ttl security on;', { multihop: 250, passive: false }, false],
  ['with a key', `ttl security on; password "${SECRET}";`, { ttlSecurity: 1, secret: SECRET }, true],
] as const)
  t.test(`GTSM with BIRD; whoever does not use it is not heard: ${name}`, beside, async t => {
    const pair = BgpPair.make(t)
    pair.startBird(bird('ipv4', theirs))
    const { up, speaker } = await ours(t, pair, own)
    t.equal(await up(comes ? 60 : 4), comes)
    await speaker.stop()
  })

t.test('both ends change the key: nothing flaps, and routes go on', beside, async t => {
  const pair = BgpPair.make(t)
  const transport = () => tcpWith(sockets({ netns: pair.netns }))
  const [one, two] = ['127.0.0.1', '127.0.0.2']
  const config = (asn: number, own: string, remote: string, secret: string) => ({
    asn,
    routerId: own,
    listenAddresses: [own],
    peers: {
      other: {
        address: remote,
        localAddress: own,
        remoteAs: 65003 - asn + 65000,
        secret,
        connectRetry: 1,
        holdTime: 9,
        nextHopSelf: { 'ipv4-unicast': `10.0.0.${asn - 65000}` },
      },
    },
  })
  const a = new Speaker(config(65001, one, two, 'first'), { transport: transport() })
  const b = new Speaker(config(65002, two, one, 'first'), { transport: transport() })
  t.teardown(() => Promise.all([a.stop(), b.stop()]))
  await Promise.all([a.start(), b.start()])
  // With all that is said at the beginning: the other's End-of-RIB comes after it is Established.
  const up = async () =>
    [a, b].every(speaker => speaker.status()[0].state === 'Established' && speaker.status()[0].endOfRib.length === 1)
  t.ok(await within(60, up))
  const said: string[] = []
  for (const speaker of [a, b]) speaker.on('peer', report => said.push(report.text))
  for (const key of ['second', 'third']) {
    t.same(a.configure(config(65001, one, two, key)), [])
    a.announce(key === 'second' ? '10.1.0.0/24' : '10.1.1.0/24')
    await sleep(300)
    t.same(b.configure(config(65002, two, one, key)), [])
    t.ok(await within(60, async () => b.status()[0].prefixesReceived === (key === 'second' ? 1 : 2)), key)
  }
  await sleep(10_000)
  t.equal(a.status()[0].flaps + b.status()[0].flaps, 0, 'longer than the hold time')
  t.same(said, [], 'nor is anything said, such as of a connection that has long been closed')
  a.configure(config(65001, one, two, 'fourth'))
  t.ok(await within(60, async () => !(await up())), 'a key that only one end has ends the session')
  b.configure(config(65002, two, one, 'fourth'))
  t.ok(await within(60, up), 'and it comes back with the same at both')
})

t.test('a transport without socket options refuses them, and shows no key', beside, async t => {
  const peers = [{ address: '10.0.0.2', remoteAs: 65002, secret: SECRET, ttlSecurity: 1 }]
  const speaker = new Speaker({ asn: 65001, routerId: '1.1.1.1', listenPort: 0, peers })
  const error = await speaker.start().catch((thrown: unknown) => thrown)
  t.type(error, ConfigError)
  t.match(
    String(error),
    /secret is "\(not shown\)": the transport in use has no such socket option.*netlink-ts\/socket/,
  )
  t.match(String(error), /ttlSecurity/)
  t.notMatch(String(error), SECRET)
})
