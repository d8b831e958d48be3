// MRT files of the executable beside those of BIRD: bgpdump finds the same routes in both.

import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { Executable } from '../bgp/cli/test-executable.ts'
import { BgpPair, BIRDS, OURS, within } from './kit/bgp-pair.ts'

const bird = `
protocol static four { ipv4; route 10.2.0.0/24 blackhole; route 10.3.0.0/24 blackhole { bgp_community.add((65002,7)); }; }
protocol bgp margay {
  local ${BIRDS.ipv4} as 4200000002;
  neighbor ${OURS.ipv4} as 65001;
  connect delay time 1; error wait time 1, 2;
  ipv4 { import all; export where source = RTS_STATIC; next hop self; };
}
`

/** `prefix path next-hop communities` of every path in a file. */
function read(file: string): string[] {
  const said = execFileSync('bgpdump', ['-m', file], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
  const rows = said
    .trim()
    .split('\n')
    .map(line => line.split('|'))
  return rows
    .filter(([, , type]) => type === 'B' || type === 'A')
    .map(row => [row[5], row[6], row[8], row[11]].join(' '))
}

t.test('dumps on demand and by the clock, a stream, and the same from BIRD', async t => {
  const pair = BgpPair.make(t)
  pair.startBird(bird)
  const ours = new Executable(t, ['ip', 'netns', 'exec', pair.netns]).write({
    asn: 65001,
    routerId: OURS.ipv4,
    peers: {
      bird: { address: BIRDS.ipv4, remoteAs: 4200000002, connectRetry: 1, import: 'accept-all', export: 'accept-all' },
    },
    announce: ['10.1.0.0/24'],
    mrt: { table: 'rib.mrt', every: 2, updates: 'updates.mrt' },
  })
  await ours.run()
  await ours.until(() => ours.has('endOfRib'))
  await ours.ctl('dump', 'now.mrt')
  const theirs = ['10.2.0.0/24 4200000002 10.99.0.2 ', '10.3.0.0/24 4200000002 10.99.0.2 65002:7']
  t.same(read(join(ours.folder, 'now.mrt')).toSorted(), ['10.1.0.0/24  0.0.0.0 ', ...theirs])
  // The first of the clock's may be from before BIRD's routes came.
  const clocked = join(ours.folder, 'rib.mrt')
  await ours.until(() => ours.has('dumped', { file: clocked }) && read(clocked).length === 3)
  t.equal(read(clocked).length, 3)

  const file = join(ours.folder, 'bird.mrt')
  await pair.birdc('mrt', 'dump', 'table', '"master4"', 'to', `"${file}"`)
  t.ok(await within(10, async () => existsSync(file) && read(file).length >= 3))
  t.ok(read(file).includes('10.1.0.0/24 65001 10.99.0.1 '), 'BIRD has ours by the same name')

  await t.rejects(ours.post('/dump', { file: '/nowhere/x.mrt' }), /it cannot be written: .*ENOENT/)
  await ours.post('/stop')
  await ours.exit()
  t.same(read(join(ours.folder, 'updates.mrt')).toSorted(), theirs)
})
