// The executable against a real BIRD 2: routes both ways with policies, a key and GTSM from sockets of netlink-ts.

import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { Executable, failure } from '../bgp/cli/test-executable.ts'
import { BgpPair, BIRDS, OURS, within } from './kit/bgp-pair.ts'

const sockets = fileURLToPath(new URL('../netlink/socket.ts', import.meta.url))
const discovery = fileURLToPath(new URL('../netlink/discovery.ts', import.meta.url))

const bird = `
protocol static four { ipv4; route 10.2.0.0/24 blackhole; route 10.3.0.0/24 blackhole; }
protocol static six { ipv6; route fd02::/64 blackhole; }
protocol bgp margay {
  local ${BIRDS.ipv4} as 65002;
  neighbor ${OURS.ipv4} as 65001;
  connect delay time 1; error wait time 1, 2;
  password "correct horse"; ttl security on;
  ipv4 { import all; export where source = RTS_STATIC; next hop self; };
  ipv6 { import all; export where source = RTS_STATIC; next hop address ${BIRDS.ipv6}; };
}
`

const peer = {
  address: BIRDS.ipv4,
  remoteAs: 65002,
  connectRetry: 1,
  families: ['ipv4-unicast', 'ipv6-unicast'],
  nextHopSelf: { 'ipv6-unicast': OURS.ipv6 },
  ttlSecurity: 1,
  secret: 'correct horse',
  import: 'from-bird',
  export: 'accept-all',
}

const file = {
  asn: 65001,
  routerId: OURS.ipv4,
  peers: { bird: peer },
  policies: {
    'from-bird': {
      rules: [{ name: 'no-three', when: { prefixes: [{ prefix: '10.3.0.0/24' }] }, then: 'reject' }],
      otherwise: 'accept',
    },
  },
  announce: ['10.1.0.0/24', { prefix: 'fd01::/64', communities: ['65001:6'] }],
}

t.test('a session with a key and GTSM, both families, and policies', async t => {
  const pair = BgpPair.make(t)
  pair.startBird(bird)
  const ours = new Executable(t, ['ip', 'netns', 'exec', pair.netns]).write(file)
  await ours.run('--routes', '--sockets', sockets)
  t.equal(ours.words, '')
  await ours.until(() => ours.has('route', { prefix: 'fd02::/64' }) && ours.has('route', { prefix: '10.2.0.0/24' }))
  await ours.until(() => ours.lines.filter(({ type }) => type === 'endOfRib').length === 2)
  t.notOk(ours.has('route', { prefix: '10.3.0.0/24' }))
  const heard = await ours.get('/routes?table=in&peer=bird&family=ipv4-unicast')
  t.equal(heard.length, 2)
  t.match(
    heard.find(({ prefix }) => prefix === '10.3.0.0/24'),
    { reason: /no-three/ },
  )
  t.match(await ours.get('/routes?table=accepted&peer=bird'), [{ prefix: '10.2.0.0/24' }, { prefix: 'fd02::/64' }])
  const theirs = () => pair.birdc('show', 'route', 'all', 'protocol', 'margay')
  t.ok(await within(10, async () => /10\.1\.0\.0\/24[^]*fd01::\/64/.test(await theirs())))
  t.match(await theirs(), /BGP\.community: \(65001,6\)/)

  const more = { ...file, policies: { 'from-bird': { rules: [], otherwise: 'accept' } }, announce: ['10.7.0.0/24'] }
  ours.write(more).signal('SIGHUP')
  await ours.until(() => ours.has('route', { prefix: '10.3.0.0/24', withdrawn: false }))
  t.ok(await within(10, async () => /10\.7\.0\.0/.test(await theirs()) && !/10\.1\.0\.0/.test(await theirs())))
  t.match(await ours.get('/counters'), [{ established: 1, flaps: 0 }], 'by the session that there was')
  t.notMatch(JSON.stringify(ours.lines) + JSON.stringify(await ours.get('/peers')), /correct horse/)

  ours.signal('SIGTERM')
  t.equal(await ours.exit(), 0)
  t.match(await pair.birdc('show', 'protocols', 'all', 'margay'), /Administrative shutdown|Cease/i, 'it was told')
})

t.test('two of them on one link, without an address at either end', async t => {
  const pair = BgpPair.make(t)
  const [one, two] = [
    [pair.netns, 65001, '10.1.0.0/24'],
    [pair.otherNetns, 65002, '10.2.0.0/24'],
  ].map(([netns, asn, prefix]) => {
    execFileSync('ip', ['-n', String(netns), 'addr', 'flush', 'dev', 'eth0', 'scope', 'global'])
    return new Executable(t, ['ip', 'netns', 'exec', String(netns)]).write({
      asn,
      routerId: `10.0.0.${asn}`.replace('6500', ''),
      peers: {
        link: { interface: 'eth0', remoteAs: 'external', connectRetry: 1, import: 'accept-all', export: 'accept-all' },
      },
      announce: [prefix],
    })
  })
  for (const each of [one, two]) await each.run('--routes', '--sockets', sockets, '--discovery', discovery)
  await one.until(() => one.has('route', { prefix: '10.2.0.0/24' }))
  await two.until(() => two.has('route', { prefix: '10.1.0.0/24' }))
  t.match(await one.get('/peers'), [
    { name: 'link', address: /^fe80::.*%eth0$/, remoteAs: 65002, extendedNextHop: true },
  ])

  const alone = new Executable(t).write({ asn: 1, routerId: '1.1.1.1', peers: { a: { interface: 'x', remoteAs: 2 } } })
  const nothing = fileURLToPath(new URL('../bgp/index.ts', import.meta.url))
  t.match(await failure('run', alone.file, '--discovery', nothing), /has no function discovery\(\): give a module like/)
})
