// Interface peers (unnumbered): no address is configured at either end. With a real FRR, which learns of us by our Router
// Advertisements, with a BIRD 2 that says nothing of itself.

import { execFileSync } from 'node:child_process'
import t, { type Test } from 'tap'
import { ConfigError, Speaker } from '../bgp/index.ts'
import type { SimplePeer } from '../bgp/simple-config.ts'
import { BgpPair, BIRDS, OURS, within } from './kit/bgp-pair.ts'
import { Frr } from './kit/frr.ts'

t.jobs = 3
/** Each test has namespaces of its own, and mostly waits: three at once. */
const beside = { buffered: true }

const ip = (...args: readonly string[]) => execFileSync('ip', args, { encoding: 'utf8' })

/** The link-local address of a link in a namespace. */
function linkLocal(netns: string, link = 'eth0'): string {
  return /inet6 (fe80[^/]*)/.exec(ip('-n', netns, '-6', 'addr', 'show', 'dev', link))?.[1] ?? 'none'
}

/** Without the addresses that other tests use. */
function unnumbered(t: Test): BgpPair {
  const pair = BgpPair.make(t)
  for (const netns of [pair.netns, pair.otherNetns]) ip('-n', netns, 'addr', 'flush', 'dev', 'eth0', 'scope', 'global')
  return pair
}

/** In a process of its own, since names of links are those of the process's namespace. */
async function ours(pair: BgpPair, more: Partial<SimplePeer> = {}) {
  const peers = { eth0: { interface: 'eth0', remoteAs: 'external' as const, connectRetry: 1, ...more } }
  const speaker = await pair.startSpeaker({ asn: 65001, routerId: OURS.ipv4, peers }, true)
  await speaker.call({ call: 'originate', prefixes: ['10.1.0.0/24', 'fd01::/64'] })
  const learned = async () => (await speaker.best()).filter(line => line.includes('65002'))
  const up = async () => (await learned()).length === 2
  const said = async () => JSON.stringify((await speaker.state()).reports.slice(0, 6))
  return { speaker, learned, up, said }
}

const bird = (pair: BgpPair, more = '') => `
protocol static { ipv4; route 10.2.0.0/24 blackhole; }
protocol static { ipv6; route fd02::/64 blackhole; }
protocol bgp margay {
  local as 65002; neighbor ${linkLocal(pair.netns)} % 'eth0' as 65001;
  connect delay time 1; error wait time 1, 2; ${more}
  ipv4 { import all; export where source = RTS_STATIC; extended next hop on; next hop self; };
  ipv6 { import all; export where source = RTS_STATIC; next hop self; };
}
`

for (const [name, passive] of [
  ['either dials', false],
  ['FRR dials', true],
] as const)
  t.test(
    `FRR: neighbor eth0 interface remote-as external, at both ends without an address; ${name}`,
    beside,
    async t => {
      const pair = unnumbered(t)
      const frr = await Frr.start(
        t,
        pair.otherNetns,
        `
router bgp 65002
 bgp router-id ${BIRDS.ipv4}
 no bgp ebgp-requires-policy
 no bgp network import-check
 no bgp default ipv4-unicast
 neighbor eth0 interface remote-as external
 neighbor eth0 timers connect 1
 address-family ipv4 unicast
  network 10.2.0.0/24
  neighbor eth0 activate
 exit-address-family
 address-family ipv6 unicast
  network fd02::/64
  neighbor eth0 activate
 exit-address-family
`,
      )
      const { speaker, learned, up, said } = await ours(pair, { passive })
      t.ok(await within(60, up), await said())
      const there = `${linkLocal(pair.otherNetns)}%eth0`
      t.same(await learned(), [`10.2.0.0/24 via ${there} [65002]`, `fd02::/64 via ${there} [65002]`])
      t.match((await speaker.state()).peers, [{ address: there, remoteAs: 65002, extendedNextHop: true }])
      let shown = ''
      const has = async () =>
        (shown = await frr.vtysh('show bgp ipv4 unicast 10.1.0.0/24')).includes(linkLocal(pair.netns))
      t.ok(await within(60, has), shown)
    },
  )

for (const [name, theirs, own, comes] of [
  ['plain', '', {}, true],
  ['a key, GTSM', 'password "x"; ttl security on;', { secret: 'x', ttlSecurity: 1 }, true],
  ['another key', 'password "y";', { secret: 'x' }, false],
  ['no key there', '', { secret: 'x' }, false],
] as const)
  t.test(`BIRD, which says nothing of itself; and MD5 and GTSM as with any peer: ${name}`, beside, async t => {
    const pair = unnumbered(t)
    pair.startBird(bird(pair, theirs))
    const { learned, up, said } = await ours(pair, own)
    t.equal(await within(comes ? 60 : 6, up), comes, await said())
    if (!comes) return
    const there = `${linkLocal(pair.otherNetns)}%eth0`
    t.same(await learned(), [`10.2.0.0/24 via ${there} [65002]`, `fd02::/64 via ${there} [65002]`])
    const has = async () => (await pair.birdc('show', 'route', 'protocol', 'margay')).includes('10.1.0.0/24')
    t.ok(await within(60, has), 'it has taken our next hop')
  })

t.test('the neighbour gets another address', beside, async t => {
  const pair = unnumbered(t)
  pair.startBird(bird(pair))
  const { learned, up, said } = await ours(pair, { holdTime: 3 })
  t.ok(await within(60, up))
  const before = linkLocal(pair.otherNetns)
  // By itself the kernel would now believe in the former address for five minutes and more.
  const trust = 'net.ipv6.neigh.eth0.base_reachable_time_ms=600000'
  execFileSync('ip', ['netns', 'exec', pair.netns, 'sysctl', '-qw', trust])
  ip('-n', pair.otherNetns, 'addr', 'add', 'fe80::77/64', 'dev', 'eth0', 'nodad')
  ip('-n', pair.otherNetns, 'addr', 'del', `${before}/64`, 'dev', 'eth0')
  const moved = async () => (await learned())[0]?.includes('fe80::77%eth0') ?? false
  t.ok(await within(120, moved), await said())
})

t.test(
  'without a discovery it is refused; a link that is not there is told, and found when it comes',
  beside,
  async t => {
    const bare = new Speaker({
      asn: 65001,
      routerId: OURS.ipv4,
      listenPort: 0,
      peers: [{ interface: 'eth0', remoteAs: 65002 }],
    })
    const error = await bare.start().catch((thrown: unknown) => thrown)
    t.type(error, ConfigError)
    t.match(String(error), /peer "eth0": interface is "eth0": .*netlink-ts\/discovery/)

    const pair = unnumbered(t)
    const configuration = bird(pair)
    ip('-n', pair.netns, 'link', 'set', 'eth0', 'down')
    ip('-n', pair.netns, 'link', 'set', 'eth0', 'name', 'away')
    const { up, said } = await ours(pair)
    t.ok(await within(60, async () => (await said()).includes('nothing can be sent on eth0')), await said())
    ip('-n', pair.netns, 'link', 'set', 'away', 'name', 'eth0')
    ip('-n', pair.netns, 'link', 'set', 'eth0', 'up')
    pair.startBird(configuration)
    t.ok(await within(60, up), await said())
  },
)
