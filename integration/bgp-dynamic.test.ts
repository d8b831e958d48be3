// Dynamic neighbours: BIRD and FRR dial a speaker that has never heard of them, with one key for the whole prefix
// (TCP_MD5SIG_EXT, linux/tcp.h).

import t, { type Test } from 'tap'
import { Speaker, tcpWith } from '../bgp/index.ts'
import type { ListenRange } from '../bgp/types.ts'
import { sockets } from '../netlink/socket.ts'
import { BgpPair, BIRDS, OURS, within } from './kit/bgp-pair.ts'
import { Frr } from './kit/frr.ts'

t.jobs = 3
/** Each test has namespaces of its own, and mostly waits: three at once. */
const beside = { buffered: true }

const bird = (version: 'ipv4' | 'ipv6', more = '') => `
protocol static { ${version}; route ${version === 'ipv4' ? '10.2.0.0/24' : 'fd02::/64'} blackhole; }
protocol bgp margay {
  local ${BIRDS[version]} as 65002; neighbor ${OURS[version]} as 65001;
  connect delay time 1; error wait time 1, 2; ${more}
  ${version} { import all; export where source = RTS_STATIC; };
}
`

const frr = (more = '') => `
router bgp 65002
 bgp router-id ${BIRDS.ipv4}
 no bgp ebgp-requires-policy
 no bgp network import-check
 neighbor ${OURS.ipv4} remote-as 65001
 neighbor ${OURS.ipv4} timers connect 1
 ${more}
 address-family ipv4 unicast
  network 10.2.0.0/24
 exit-address-family
`

async function hub(t: Test, pair: BgpPair, template: Partial<ListenRange['template']> = {}) {
  const range = (secret = template.secret): readonly ListenRange[] => [
    { name: 'rack', prefix: '10.99.0.0/24', template: { remoteAs: 'external', ...template, secret } },
    { name: 'rack6', prefix: 'fd99::/64', template: { remoteAs: 'external', ...template, secret } },
  ]
  const config = (secret?: string) => ({ asn: 65001, routerId: OURS.ipv4, dynamic: range(secret) })
  const speaker = new Speaker(config(), { transport: tcpWith(sockets({ netns: pair.netns })) })
  t.teardown(() => speaker.stop())
  await speaker.start()
  const up = (seconds: number) => within(seconds, async () => speaker.status()[0]?.prefixesReceived === 1)
  return { speaker, up, rekey: (secret: string) => speaker.configure(config(secret)) }
}

for (const version of ['ipv4', 'ipv6'] as const)
  for (const secret of [undefined, 'of the rack'])
    t.test(
      `BIRD dials over ${version}, with ${secret === undefined ? 'no key' : 'the key of the range'}`,
      beside,
      async t => {
        const pair = BgpPair.make(t)
        pair.startBird(bird(version, secret === undefined ? '' : `password "${secret}";`))
        const { speaker, up } = await hub(t, pair, { secret })
        t.ok(await up(60))
        const name = version === 'ipv4' ? `rack/${BIRDS.ipv4}` : `rack6/${BIRDS.ipv6}`
        t.match(speaker.status(), [{ name, remoteAs: 65002, state: 'Established' }])
        await speaker.stop()
      },
    )

for (const [name, theirs, template, comes] of [
  ['another key', 'password "wrong";', { secret: 'right' }, false],
  ['none there', '', { secret: 'right' }, false],
  ['GTSM', 'ttl security on;', { ttlSecurity: 1 }, true],
  ['GTSM only here', '', { ttlSecurity: 1 }, false],
] as const)
  t.test(`with another key, or none, nobody comes in; GTSM holds for a range, too: ${name}`, beside, async t => {
    const pair = BgpPair.make(t)
    pair.startBird(bird('ipv4', theirs))
    const { speaker, up } = await hub(t, pair, template)
    t.equal(await up(comes ? 60 : 4), comes)
    await speaker.stop()
  })

t.test('FRR dials, and again with another key when both ends change it', beside, async t => {
  const pair = BgpPair.make(t)
  const neighbour = await Frr.start(
    t,
    pair.otherNetns,
    frr(`neighbor ${OURS.ipv4} password first\n neighbor ${OURS.ipv4} timers 3 9`),
  )
  const { speaker, up, rekey } = await hub(t, pair, { secret: 'first' })
  t.ok(await up(60))
  t.match(speaker.status(), [{ name: `rack/${BIRDS.ipv4}`, remoteAs: 65002 }])
  t.same(rekey('second'), [])
  await neighbour.vtysh('configure', 'router bgp 65002', `neighbor ${OURS.ipv4} password second`)
  const again = async () => speaker.status()[0]?.flaps === 1 && speaker.status()[0].prefixesReceived === 1
  // What FRR says when it ends the session has the old key, mostly, and is not heard here: then the hold timer tells.
  t.ok(await within(60, again), 'FRR ends the session when its key changes, and the listener knows the new one by then')
  await speaker.stop()
})

t.test('two of ours: the key of a range changes under an open session', beside, async t => {
  const transport = () => tcpWith(sockets())
  const [one, two] = ['127.0.9.1', '127.0.9.2']
  const listening = { listenPort: 10179, listenAddresses: [one] }
  const families = ['ipv4-unicast'] as const
  const hubConfig = (secret: string) => ({
    ...listening,
    asn: 65001,
    routerId: one,
    dynamic: [{ name: 'rack', prefix: '127.0.9.0/24', template: { remoteAs: 65002, secret, holdTime: 9, families } }],
  })
  const leafConfig = (secret: string) => ({
    asn: 65002,
    routerId: two,
    listenPort: 0,
    peers: [{ address: one, localAddress: two, port: 10179, remoteAs: 65001, secret, holdTime: 9, connectRetry: 1 }],
  })
  const a = new Speaker(hubConfig('first'), { transport: transport() })
  const b = new Speaker(leafConfig('first'), { transport: transport() })
  t.teardown(() => Promise.all([a.stop(), b.stop()]))
  await Promise.all([a.start(), b.start()])
  const up = async () => a.status()[0]?.state === 'Established' && b.status()[0].state === 'Established'
  t.ok(await within(60, up))
  t.same(a.configure(hubConfig('second')), [])
  t.same(b.configure(leafConfig('second')), [])
  const heard = a.status()[0].messagesIn
  t.ok(await within(60, async () => a.status()[0].messagesIn > heard + 3), 'three keepalives more than a hold time')
  t.equal(a.status()[0].flaps + b.status()[0].flaps, 0)
})
