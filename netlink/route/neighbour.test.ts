import { execFileSync } from 'node:child_process'
import t from 'tap'
import { open } from '../index.ts'
import { namespace } from '../test-namespace.ts'
import type { FdbEntry, Neighbour } from '../types.ts'

t.test('neighbours are set, dumped as given, seen by `ip` and deleted', async t => {
  const ns = namespace(t)
  ns.batch(['link add a0 type veth peer a1', 'link set a0 up', 'link set a1 up'])
  const netlink = await open({ netns: ns.path })
  t.teardown(() => netlink.close())
  const link = (await netlink.link('a0'))!.index
  const neighbours: Neighbour[] = [
    { link, address: '10.0.0.2', mac: '02:00:00:00:00:02', state: 'permanent' },
    { link, address: 'fd00::2', mac: '02:00:00:00:00:02', state: 'stale' },
  ]
  const proxy: Neighbour = { link, address: 'fd00::3', state: 'none', proxy: true }
  t.strictSame(await netlink.apply([...neighbours, proxy].map(neighbour => ({ do: 'neighbour.replace', neighbour }))), [
    { ok: true },
    { ok: true },
    { ok: true },
  ])
  const ours = async (): Promise<readonly Neighbour[]> =>
    (await netlink.neighbours()).filter(n => n.link === link && n.state !== 'noarp')
  t.strictSame(await ours(), [...neighbours, proxy])
  t.match(
    ns.json('neigh show dev a0').toSorted((a, b) => (String(a['dst']) < String(b['dst']) ? -1 : 1)),
    [
      { dst: '10.0.0.2', lladdr: '02:00:00:00:00:02', state: ['PERMANENT'] },
      { dst: 'fd00::2', lladdr: '02:00:00:00:00:02', state: ['STALE'] },
    ],
  )
  t.match(ns.ip('neigh show proxy dev a0'), /^fd00::3 .*proxy/)
  const changed = { ...neighbours[0], mac: '02:00:00:00:00:05' }
  await netlink.apply([{ do: 'neighbour.replace', neighbour: changed }])
  t.strictSame(
    (await netlink.neighbours(4)).filter(n => n.link === link),
    [changed],
  )
  const failed: Neighbour = { link, address: 'fd00::2', state: 'failed' }
  t.match(
    await netlink.apply([
      { do: 'neighbour.set', neighbour: failed },
      { do: 'neighbour.set', neighbour: { ...failed, address: 'fd00::9' } },
    ]),
    [{ ok: true }, { ok: false, errno: 'ENOENT' }],
  )
  t.match(
    (await netlink.neighbours(6)).find(n => n.address === 'fd00::2'),
    { state: 'failed' },
  )
  const results = await netlink.apply([
    { do: 'neighbour.delete', neighbour: proxy },
    { do: 'neighbour.delete', neighbour: changed },
    { do: 'neighbour.delete', neighbour: { ...changed, address: '10.0.0.77' } },
  ])
  t.match(results, [{ ok: true }, { ok: true }, { ok: false, errno: 'ENOENT' }])
  t.notOk((await ours()).some(n => n.proxy))
})

t.test("a VXLAN device's forwarding table is set, dumped as given, seen by `bridge`, moved and deleted", async t => {
  const ns = namespace(t)
  const netlink = await open({ netns: ns.path })
  t.teardown(() => netlink.close())
  await netlink.apply([
    { do: 'link.add', link: { kind: 'vxlan', name: 'vx4', id: 4096, local: '10.0.1.7', learning: false } },
    { do: 'link.add', link: { kind: 'vxlan', name: 'vx6', id: 4096, port: 4790, local: 'fd00::7', learning: false } },
  ])
  const [four, six] = await Promise.all(['vx4', 'vx6'].map(async name => (await netlink.link(name))!))
  t.strictSame(four.tunnel, { id: 4096, local: '10.0.1.7', learning: false, port: 4789 })
  t.strictSame(six.tunnel, { id: 4096, local: 'fd00::7', learning: false, port: 4790 })
  const entries: FdbEntry[] = [
    { link: four.index, mac: '06:4d:0a:00:02:0b', dst: '10.0.2.11' },
    { link: six.index, mac: '06:4d:0a:00:02:0c', dst: 'fd00:2::12' },
  ]
  t.strictSame(await netlink.apply(entries.map(entry => ({ do: 'fdb.replace', entry }))), [{ ok: true }, { ok: true }])
  t.strictSame(await netlink.fdb(), entries)
  t.match(
    execFileSync('bridge', ['-n', ns.name, 'fdb', 'show', 'dev', 'vx4'], { encoding: 'utf8' }),
    /06:4d:0a:00:02:0b dst 10\.0\.2\.11 self permanent/,
  )
  const apart = { ...entries[0], port: 9999, vni: 77, via: six.index }
  t.strictSame(await netlink.apply([{ do: 'fdb.replace', entry: apart }]), [{ ok: true }])
  t.strictSame(await netlink.fdb(), [apart, entries[1]])
  t.strictSame(await netlink.apply([{ do: 'fdb.replace', entry: entries[0] }]), [{ ok: true }])
  t.strictSame(await netlink.fdb(), entries, 'what is not said is the device’s')
  const moved = { ...entries[0], dst: '10.0.2.99' }
  t.strictSame(await netlink.apply([{ do: 'fdb.replace', entry: moved }]), [{ ok: true }])
  t.strictSame(await netlink.fdb(), [moved, entries[1]])
  t.match(
    await netlink.apply([
      { do: 'fdb.delete', entry: moved },
      { do: 'fdb.delete', entry: moved },
    ]),
    [{ ok: true }, { ok: false, errno: 'ENOENT' }],
  )
  t.strictSame(await netlink.fdb(), [entries[1]])
})
