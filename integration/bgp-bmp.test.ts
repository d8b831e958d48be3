// A BMP collector that others wrote (pmbmpd of pmacct) beside the executable: it hears of the peer, of its routes before and
// after policy, of what it is sent, and of the end.

import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { Executable } from '../bgp/cli/test-executable.ts'
import { BgpPair, BIRDS, OURS, within } from './kit/bgp-pair.ts'

const PORT = 11019

const bird = `
protocol static four { ipv4; route 10.2.0.0/24 blackhole; route 10.3.0.0/24 blackhole; }
protocol bgp margay {
  local ${BIRDS.ipv4} as 4200000002;
  neighbor ${OURS.ipv4} as 65001;
  connect delay time 1; error wait time 1, 2;
  ipv4 { import all; export where source = RTS_STATIC; next hop self; };
}
`

t.test('pmbmpd', async t => {
  const pair = BgpPair.make(t)
  const ours = new Executable(t, ['ip', 'netns', 'exec', pair.netns])
  const heard = join(ours.folder, 'heard.json')
  const settings = join(ours.folder, 'pmbmpd.conf')
  writeFileSync(settings, `bmp_daemon_ip: 127.0.0.1\nbmp_daemon_port: ${PORT}\nbmp_daemon_msglog_file: ${heard}\n`)
  const collector: ChildProcess = spawn('ip', ['netns', 'exec', pair.netns, 'pmbmpd', '-f', settings], {
    stdio: 'ignore',
  })
  t.teardown(() => collector.kill('SIGKILL'))
  ours.write({
    asn: 65001,
    routerId: OURS.ipv4,
    peers: {
      bird: { address: BIRDS.ipv4, remoteAs: 4200000002, connectRetry: 1, import: 'not-three', export: 'accept-all' },
    },
    policies: {
      'not-three': {
        rules: [{ name: 'three', when: { prefixes: [{ prefix: '10.3.0.0/24' }] }, then: 'reject' }],
        otherwise: 'accept',
      },
    },
    announce: ['10.1.0.0/24'],
    bmp: [
      {
        address: '127.0.0.1',
        port: PORT,
        views: ['pre', 'post', 'out', 'loc'],
        statistics: 1,
        retry: 1,
        sysName: 'ours',
      },
    ],
  })
  await ours.run()
  pair.startBird(bird)
  await ours.until(() => ours.has('endOfRib'))
  const lines = () =>
    existsSync(heard)
      ? readFileSync(heard, 'utf8')
          .split('\n')
          .filter(Boolean)
          .map(line => JSON.parse(line) as Record<string, unknown>)
      : []
  const has = (fields: Record<string, unknown>) =>
    within(15, async () => lines().some(line => Object.entries(fields).every(([key, value]) => line[key] === value)))
  t.ok(await has({ bmp_msg_type: 'init' }), 'Initiation')
  t.ok(await has({ bmp_msg_type: 'peer_up', peer_ip: BIRDS.ipv4 }), 'Peer Up')
  const route = { bmp_msg_type: 'route_monitor', log_type: 'update' }
  t.ok(await has({ ...route, ip_prefix: '10.3.0.0/24', peer_ip: BIRDS.ipv4, is_post: 0 }), 'before policy')
  t.ok(
    await has({ ...route, ip_prefix: '10.2.0.0/24', as_path: '4200000002', is_post: 1, is_out: undefined }),
    'after it',
  )
  t.notOk(lines().some(line => line.ip_prefix === '10.3.0.0/24' && line.is_post === 1))
  t.ok(await has({ ...route, ip_prefix: '10.1.0.0/24', is_out: 1 }), 'what it is sent')
  t.ok(await has({ ...route, ip_prefix: '10.2.0.0/24', is_loc: 1 }), 'the Loc-RIB')
  t.ok(await has({ bmp_msg_type: 'stats' }), 'statistics')
  pair.killBird()
  t.ok(await has({ bmp_msg_type: 'peer_down', peer_ip: BIRDS.ipv4 }), 'Peer Down')
  ours.signal('SIGTERM')
  await ours.exit()
  t.ok(await has({ bmp_msg_type: 'term' }), 'Termination')
})
