// MRT of speakers on the in-memory network, read by bgpdump (Debian's `bgpdump`), and what happens with a slow sink.

import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { config, established, speaker } from '../core/test-speakers.ts'
import { Puppet } from '../core/test-puppet.ts'
import { Simulation } from '../transport/simulation.ts'
import { dumpTables, MrtStream } from './index.ts'

const [A, B, C] = ['10.0.0.1', '10.0.0.2', '10.0.0.3']

/** What bgpdump says of a file with these octets, in its one-line form, without the times. */
function bgpdump(t: Test, chunks: readonly Uint8Array[]): string[] {
  const folder = mkdtempSync(join(tmpdir(), 'mrt-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const file = join(folder, 'x.mrt')
  writeFileSync(file, Buffer.concat(chunks))
  const said = execFileSync('bgpdump', ['-m', file], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
  return said
    .trim()
    .split('\n')
    .map(line => line.replace(/^([^|]*)\|\d+(\.\d+)?\|/, '$1|'))
}

t.test('a dump of both families: every path with its sender, and our own', async t => {
  const net = new Simulation(3)
  const both = { families: ['ipv4-unicast', 'ipv6-unicast'] } as const
  const hop = (n: number) => ({ nextHopSelf: { 'ipv6-unicast': `fd00::${n}` } })
  const a = speaker(net, A, 65001, {
    [B]: { remoteAs: 4200000002, ...both, ...hop(1) },
    [C]: { remoteAs: 65003, ...hop(1) },
  })
  const b = speaker(net, B, 4200000002, { [A]: { remoteAs: 65001, ...both, ...hop(2) } })
  const c = speaker(net, C, 65003, { [A]: { remoteAs: 65001, ...hop(3) } })
  a.originate('10.1.0.0/24')
  b.driver.with(engine =>
    engine.originate([
      { prefix: '10.2.0.0/24', med: 7, communities: ['65002:1'] },
      { prefix: '10.9.0.0/16' },
      { prefix: 'fd02::/64' },
    ]),
  )
  c.originate('10.9.0.0/16')
  t.ok(net.runUntil(() => a.table('ipv4-unicast').length === 3 && a.table('ipv6-unicast').length === 1, 60))
  const chunks: Uint8Array[] = []
  t.equal(await dumpTables(a, octets => void chunks.push(octets), { view: 'test' }), 4, 'prefixes')
  t.same(bgpdump(t, chunks).toSorted(), [
    'TABLE_DUMP2|B|0.0.0.0|65001|10.1.0.0/24||IGP|0.0.0.0|0|0||NAG||',
    'TABLE_DUMP2|B|10.0.0.2|4200000002|10.2.0.0/24|4200000002|IGP|10.0.0.2|0|7|65002:1|NAG||',
    'TABLE_DUMP2|B|10.0.0.2|4200000002|10.9.0.0/16|4200000002|IGP|10.0.0.2|0|0||NAG||',
    'TABLE_DUMP2|B|10.0.0.2|4200000002|fd02::/64|4200000002|IGP|fd00::2|0|0||NAG||',
    'TABLE_DUMP2|B|10.0.0.3|65003|10.9.0.0/16|65003|IGP|10.0.0.3|0|0||NAG||',
  ])
  t.same(await dumpTables({ engine: speaker(net, '10.0.0.9', 65009, {}).engine }, () => {}), 0)
})

t.test('paths with identifiers (RFC 8050), in a dump and in a stream', async t => {
  const net = new Simulation(3)
  const send = { addPath: { 'ipv4-unicast': { send: 'all' } } } as const
  const receive = { addPath: { 'ipv4-unicast': { receive: true } } } as const
  const D = '10.0.0.4'
  const a = speaker(net, A, 65001, {
    [B]: { remoteAs: 65001, reflectorClient: true, nextHop: 'keep', ...send },
    [C]: 65003,
    [D]: 65004,
  })
  const b = speaker(net, B, 65001, { [A]: { remoteAs: 65001, ...receive } })
  const chunks: Uint8Array[] = []
  const stream = new MrtStream(b, octets => void chunks.push(octets))
  for (const [i, address] of [C, D].entries()) {
    speaker(net, address, 65003 + i, { [A]: 65001 }).originate('10.9.0.0/24')
  }
  t.ok(net.runUntil(() => b.table('ipv4-unicast', 'in', A).length === 2, 60))
  b.originate('10.9.0.0/24')
  net.run(1)
  const dumped: Uint8Array[] = []
  t.equal(await dumpTables(b, octets => void dumped.push(octets)), 2, 'a record with identifiers, and one without')
  const own = 'TABLE_DUMP2|B|0.0.0.0|65001|10.9.0.0/24||IGP|0.0.0.0|0|0||NAG||'
  const theirs = (kind: string) =>
    [3, 4].map(n => `${kind}|10.0.0.1|65001|10.9.0.0/24|N|6500${n}|IGP|10.0.0.${n}|100|0||NAG||`)
  const lines = (octets: readonly Uint8Array[]) =>
    bgpdump(t, octets).map(line => line.replace(/(_AP\|.*\/24\|)[12]\|/, '$1N|'))
  t.same(lines(dumped).toSorted(), [own, ...theirs('TABLE_DUMP2_AP|B')].toSorted())
  await stream.stop()
  const streamed = lines(chunks).filter(line => !line.includes('STATE'))
  t.same(streamed.toSorted(), theirs('BGP4MP_ET_AP|A'))
  a.stop('cease')
})

t.test('a large dump is made in slices, and waits for its sink', async t => {
  const net = new Simulation(3)
  const a = speaker(net, A, 65001, {})
  const many = Array.from({ length: 5000 }, (_, i) => `10.${i >> 8}.${i & 255}.0/24`)
  a.originate(...many)
  net.run(1)
  let open = 0
  const sizes: number[] = []
  const written = await dumpTables(a, async octets => {
    t.equal(++open, 1)
    sizes.push(octets.length)
    await new Promise(resolve => setImmediate(resolve))
    open--
  })
  t.equal(written, 5000)
  t.ok(
    sizes.length >= 5 && Math.max(...sizes) < 64 * 1024,
    `${sizes.length} slices, the largest of ${Math.max(...sizes)} octets`,
  )
})

t.test('a stream: messages both ways, states, and a session without 4-octet AS numbers', async t => {
  const net = new Simulation(3)
  const a = speaker(net, A, 65001, { [B]: 65002, [C]: 65003 })
  const chunks: Uint8Array[] = []
  const stream = new MrtStream(a, octets => void chunks.push(octets), { messages: 'all' })
  const b = speaker(net, B, 65002, { [A]: 65001 })
  const old = new Puppet(net, C, { open: { asn: 65003, routerId: 3, capabilities: [] } }).listen()
  b.originate('10.2.0.0/24')
  a.originate('10.1.0.0/24')
  t.ok(net.runUntil(() => established([a, B], [a, C], [b, A]) && b.table('ipv4-unicast').length === 2, 60))
  a.driver.with(engine => engine.resetPeer(B))
  b.originate()
  net.run(1)
  await stream.stop()
  const lines = bgpdump(t, chunks)
  for (const line of [
    'BGP4MP_ET|STATE|10.0.0.2|65002|5|6',
    'BGP4MP_ET|STATE|10.0.0.2|65002|6|1',
    'BGP4MP_ET|A|10.0.0.2|65002|10.2.0.0/24|65002|IGP|10.0.0.2|0|0||NAG||',
    'BGP4MP_ET|STATE|10.0.0.3|65003|5|6',
  ]) {
    t.ok(lines.includes(line), line)
  }
  t.ok(old.received.length > 0)
  t.equal(stream.dropped, 0)
  a.configure(config(A, 65001, {}))
})

t.test('a sink that is too slow costs records, not memory; one that fails ends the stream', async t => {
  const net = new Simulation(3)
  const a = speaker(net, A, 65001, { [B]: 65002 })
  let release = () => {}
  const stuck = new Promise<void>(resolve => (release = resolve))
  const slow = new MrtStream(a, () => stuck, { mostWaiting: 300 })
  const errors: unknown[] = []
  const broken = new MrtStream(a, () => Promise.reject(new Error('disk full')), { failed: error => errors.push(error) })
  const b = speaker(net, B, 65002, { [A]: 65001 })
  t.ok(net.runUntil(() => established([a, B], [b, A]), 60))
  await new Promise(resolve => setImmediate(resolve))
  net.run(600)
  t.ok(slow.dropped > 10, `${slow.dropped} records left out`)
  t.match(errors, [{ message: 'disk full' }], 'told once')
  t.equal(broken.dropped, 0)
  release()
  await slow.stop()
  await broken.stop()
})
