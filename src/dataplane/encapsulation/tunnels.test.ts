import t, { type Test } from 'tap'
import type { Operation } from '../../../netlink/types.ts'
import { type Tunnel, vxlanMac } from '../../model/tunnel.ts'
import { Dataplane } from '../dataplane.ts'
import { type FakeWorld, fakeWorld, settle } from '../fake-world.ts'
import type { DesiredTunnel } from './tunnels.ts'
import { mtuWithin } from './kinds.ts'

const vxlan: Tunnel = {
  kind: 'vxlan',
  family: 4,
  device: 'margay-vxlan4',
  local: '10.0.1.7',
  remotes: ['10.0.3.8', '10.0.3.9'],
  pools: ['pods'],
}
const ipip: Tunnel = { ...vxlan, kind: 'ipip', device: 'margay-ipip' }
const gre: Tunnel = { ...vxlan, kind: 'gre', device: 'margay-gre' }
const fou: Tunnel = { ...vxlan, kind: 'fou', device: 'margay-fou' }
const gue: Tunnel = { ...vxlan, kind: 'gue', device: 'margay-gue' }
const wanted = (tunnel: Tunnel, change: Partial<DesiredTunnel> = {}): DesiredTunnel => ({
  tunnel,
  mtu: 1450,
  address: '10.42.1.0',
  ...change,
})

async function start(t: Test, w: FakeWorld): Promise<Dataplane> {
  const plane = await Dataplane.open({ kernel: w.kernel, clock: w.clock })
  t.teardown(() => plane.close())
  return plane
}

/** What was written since the last call. */
function writes(w: FakeWorld): readonly string[] {
  return w.kernel.node.log.splice(0).map(describe)
}

function describe(operation: Operation): string {
  if (operation.do === 'link.add') return `add ${operation.link.name}`
  if ('entry' in operation) return `${operation.do} ${operation.entry.mac} ${operation.entry.dst}`
  if ('neighbour' in operation) return `${operation.do} ${operation.neighbour.address}`
  if ('address' in operation) return `${operation.do} ${operation.address.cidr}`
  return operation.do
}

async function later(plane: Dataplane, w: FakeWorld, ms = 6_000): Promise<void> {
  w.clock.advance(ms)
  await settle(plane, w)
}

t.test('a VXLAN device: made once, found again after a restart without a write', async t => {
  const w = await fakeWorld()
  const first = await start(t, w)
  t.same(await first.tunnels.apply([wanted(vxlan)], true), new Map())
  t.same(writes(w), [
    'add margay-vxlan4',
    `fdb.replace ${vxlanMac('10.0.3.8')} 10.0.3.8`,
    'neighbour.replace 10.0.3.8',
    `fdb.replace ${vxlanMac('10.0.3.9')} 10.0.3.9`,
    'neighbour.replace 10.0.3.9',
    'address.add 10.42.1.0/32',
  ])
  t.match(w.kernel.node.named('margay-vxlan4'), { mtu: 1450, up: true, mac: vxlanMac('10.0.1.7') })
  await first.close()

  const second = await start(t, w)
  t.same(await second.tunnels.apply([wanted(vxlan)], true), new Map())
  await later(second, w)
  t.same(writes(w), [])
})

t.test('a GRE device: each node is a neighbour, under its address on both layers', async t => {
  const w = await fakeWorld()
  const first = await start(t, w)
  t.same(await first.tunnels.apply([wanted(gre)], true), new Map())
  t.same(writes(w), [
    'add margay-gre',
    'neighbour.replace 10.0.3.8',
    'neighbour.replace 10.0.3.9',
    'address.add 10.42.1.0/32',
  ])
  t.match(await w.other.neighbours(), [
    { address: '10.0.3.8', mac: '0a:00:03:08' },
    { address: '10.0.3.9', mac: '0a:00:03:09' },
  ])
  await first.close()
  const second = await start(t, w)
  await second.tunnels.apply([wanted(gre)], true)
  await later(second, w)
  t.same(writes(w), [])
})

t.test('FoU and GUE: a UDP port unwraps, comes before the device and goes with it', async t => {
  const w = await fakeWorld()
  const others = { port: 5555, type: 'direct', protocol: 4 } as const
  w.kernel.fou.ports = [others]
  const first = await start(t, w)
  t.same(await first.tunnels.apply([wanted(fou), wanted(gue)], true), new Map())
  const both = [
    { port: 5556, type: 'direct', protocol: 47, local: '10.0.1.7' },
    { port: 6080, type: 'gue', local: '10.0.1.7' },
  ]
  t.same(w.kernel.fou.ports, [others, ...both])
  t.match(w.kernel.node.named('margay-fou'), { kind: 'gre', tunnel: { encap: { type: 'fou', port: 5556 } } })
  t.match(w.kernel.node.named('margay-gue'), { kind: 'gre', tunnel: { encap: { type: 'gue', port: 6080 } } })
  writes(w)
  await first.close()

  const second = await start(t, w)
  t.same(await second.tunnels.apply([wanted(fou), wanted(gue)], true), new Map())
  await later(second, w)
  t.same(writes(w), [], 'found again after a restart')
  t.same(w.kernel.fou.ports, [others, ...both])

  w.kernel.fou.ports = [others]
  w.clock.advance(5_000)
  await settle(second, w)
  t.same(w.kernel.fou.ports, [others, ...both], 'made again when somebody has removed them')

  const moved = { ...fou, local: '10.0.2.7' }
  t.same(await second.tunnels.apply([wanted(moved), wanted({ ...gue, local: '10.0.2.7' })], true), new Map())
  t.same(
    w.kernel.fou.ports.map(({ local }) => local),
    [undefined, '10.0.2.7', '10.0.2.7'],
    'they follow the node to another address',
  )
  await second.tunnels.apply([wanted(moved)], true)
  await later(second, w)
  t.same(
    w.kernel.fou.ports.map(({ port }) => port),
    [5555, 5556],
  )
})

t.test('no FoU in the kernel, its port taken, or its devices missing: a sentence, and nothing half done', async t => {
  const w = await fakeWorld()
  const plane = await start(t, w)
  const fault = async (mtu: number) => (await plane.tunnels.apply([wanted(fou, { mtu })], true)).get('margay-fou')
  w.kernel.fou.missing = true
  t.match(await fault(1450), /no FoU devices \(CONFIG_NET_FOU,.*modprobe -a fou ip_gre.*fouMode: Never/)
  w.kernel.fou.missing = false
  w.kernel.fou.ports = [{ port: 5556, type: 'gue' }]
  t.match(await fault(1451), /^UDP port 5556 on 10.0.1.7: the kernel refused .*EADDRINUSE.*ss -lunp/)
  w.kernel.fou.ports = []
  t.same(writes(w), [])
  for (const errno of ['EOPNOTSUPP', 'EINVAL']) {
    w.kernel.node.refuse = operation => (operation.do === 'link.add' ? errno : undefined)
    t.match(await fault(errno.length), /no FoU devices/)
    t.same(w.kernel.fou.ports, [], 'the port went again')
  }
})

t.test('the checksum offload of VXLAN devices is as wanted, and written only where it differs', async t => {
  const w = await fakeWorld()
  const open = async (vxlanChecksumOffload?: boolean) => {
    const plane = await Dataplane.open({ kernel: w.kernel, clock: w.clock, vxlanChecksumOffload })
    t.teardown(() => plane.close())
    t.same(await plane.tunnels.apply([wanted(vxlan), wanted(ipip)], true), new Map())
    return plane
  }
  const log = () => w.kernel.ethtool.log.splice(0)
  await (await open()).close()
  t.same(log(), [])
  await (await open(false)).close()
  t.same(log(), ['tx-checksum-ip-generic off'])
  await (await open(false)).close()
  t.same(log(), [])
  await (await open(true)).close()
  t.same(log(), ['tx-checksum-ip-generic on'])
  w.kernel.ethtool.missing = true
  t.same((await open(true)).tunnels.problems, [])
  t.match((await open(false)).tunnels.problems, [
    /^device margay-vxlan4: its checksum offload cannot be turned off.*ethtool -K/,
  ])
})

t.test('what changes is written, what goes lingers', async t => {
  const w = await fakeWorld()
  const plane = await start(t, w)
  await plane.tunnels.apply([wanted(vxlan)], true)
  writes(w)
  await plane.tunnels.apply(
    [wanted({ ...vxlan, remotes: ['10.0.3.9', '10.0.4.1'] }, { mtu: 1400, address: '10.42.2.0' })],
    true,
  )
  t.same(writes(w), [
    'link.set',
    `fdb.replace ${vxlanMac('10.0.4.1')} 10.0.4.1`,
    'neighbour.replace 10.0.4.1',
    'address.add 10.42.2.0/32',
    'address.delete 10.42.1.0/32',
  ])
  await later(plane, w)
  t.same(writes(w), ['neighbour.delete 10.0.3.8', `fdb.delete ${vxlanMac('10.0.3.8')} 10.0.3.8`])
})

t.test(
  'a device that nobody wants goes when no route leaves by it, and not before the datastore is in sync',
  async t => {
    const w = await fakeWorld()
    const plane = await start(t, w)
    await plane.tunnels.apply([wanted(ipip)], true)
    for (const name of ['bgp', 'block', 'endpoint', 'tunnel'] as const) plane.routes.inSync(name)
    // As the kernel's fe80::/64 on every device: nobody's traffic.
    const link = w.kernel.node.named('margay-ipip')!.index
    await w.other.apply([
      { do: 'route.add', route: { dst: 'fe80::/64', protocol: 2, metric: 256, nextHops: [{ link }] } },
    ])
    const nextHops = [{ gateway: '10.0.3.8', device: 'margay-ipip', onlink: true }]
    plane.routes.set('bgp', [{ prefix: '10.42.9.0/26', kind: 'unicast', nextHops }])
    await settle(plane, w)
    await plane.tunnels.apply([], false)
    await later(plane, w)
    t.ok(w.kernel.node.named('margay-ipip'), 'the list may be incomplete')
    await plane.tunnels.apply([], true)
    await later(plane, w)
    t.ok(w.kernel.node.named('margay-ipip'), 'a route leaves by it')
    plane.routes.set('bgp', [])
    await settle(plane, w)
    let told = 0
    plane.tunnels.onChange(() => told++)
    await later(plane, w)
    t.notOk(w.kernel.node.named('margay-ipip'))
    t.equal(told, 1)
  },
)

t.test('what others change is put right', async t => {
  const w = await fakeWorld()
  const plane = await start(t, w)
  await plane.tunnels.apply([wanted(ipip)], true)
  await settle(plane, w)
  const { index } = w.kernel.node.named('margay-ipip')!
  writes(w)
  await w.other.apply([{ do: 'link.set', link: index, change: { up: false } }])
  await settle(plane, w)
  t.match(w.kernel.node.named('margay-ipip'), { up: true })
  await w.other.apply([{ do: 'link.set', link: index, change: { master: w.eth1 } }])
  await settle(plane, w)
  t.same(w.kernel.node.named('margay-ipip')?.master, undefined)
  await w.other.apply([{ do: 'link.delete', link: index }])
  await settle(plane, w)
  t.match(w.kernel.node.named('margay-ipip'), { up: true, mtu: 1450, tunnel: { local: '10.0.1.7' } })
  t.ok(
    (await w.other.addresses(4)).some(({ cidr }) => cidr === '10.42.1.0/32'),
    'with its address',
  )
})

t.test(
  'neighbours and forwarding entries that others change are put right, and a fight about them is told',
  async t => {
    const w = await fakeWorld()
    const plane = await start(t, w)
    await plane.tunnels.apply([wanted(vxlan)], true)
    await later(plane, w)
    const link = w.kernel.node.named('margay-vxlan4')!.index
    const mac = vxlanMac('10.0.3.8')
    const [neighbour] = (await w.other.neighbours()).filter(({ address }) => address === '10.0.3.8')
    const [entry] = (await w.other.fdb()).filter(({ dst }) => dst === '10.0.3.8')
    const whole = async () => ({
      neighbours: (await w.other.neighbours()).toSorted((a, b) => (a.address < b.address ? -1 : 1)),
      fdb: (await w.other.fdb()).toSorted((a, b) => (a.mac < b.mac ? -1 : 1)),
    })
    const before = await whole()
    writes(w)
    await settle(plane, w)
    t.same(writes(w), [], 'the echo of our own writes is nothing to act on')
    for (const [what, operation] of Object.entries<Operation>({
      'a neighbour deleted': { do: 'neighbour.delete', neighbour },
      'a neighbour changed': { do: 'neighbour.replace', neighbour: { ...neighbour, mac: '02:00:00:00:00:66' } },
      'a stranger': { do: 'neighbour.replace', neighbour: { ...neighbour, address: '10.0.3.66' } },
      'an entry deleted': { do: 'fdb.delete', entry },
      'an entry changed': { do: 'fdb.replace', entry: { link, mac, dst: '10.0.3.66' } },
    })) {
      await w.other.apply([operation])
      await settle(plane, w)
      t.same(await whole(), before, what)
      t.same(plane.tunnels.problems, [], 'deeds of several kinds are no fight')
    }
    w.clock.advance(30_000)
    await w.other.apply([
      { do: 'neighbour.replace', neighbour: { ...neighbour, state: 'noarp' } },
      { do: 'fdb.replace', entry: { ...entry, port: 9999 } },
    ])
    await settle(plane, w)
    t.same(await whole(), before, 'a neighbour that the kernel may forget, an entry to another port')
    w.clock.advance(30_000)
    w.clock.advance(30_000)
    for (let i = 0; i < 3; i++) {
      t.same(plane.tunnels.problems, [])
      t.same(await whole(), before)
      await w.other.apply([{ do: 'fdb.delete', entry }])
      await settle(plane, w)
    }
    t.not((await whole()).fdb.length, before.fdb.length, 'the third time it waits')
    t.match(plane.tunnels.problems, [
      /^device margay-vxlan4: somebody changes its forwarding entry \S+ again.*3 times.*unmanaged/,
    ])
    const { index } = w.kernel.node.named('margay-vxlan4')!
    await w.other.apply([{ do: 'link.set', link: index, change: { mtu: 1300 } }])
    await settle(plane, w)
    t.not(w.kernel.node.named('margay-vxlan4')!.mtu, 1300, 'what nobody fights about is put right meanwhile')
    t.not((await whole()).fdb.length, before.fdb.length)
    w.clock.advance(1_000)
    await settle(plane, w)
    t.same(await whole(), before)
    w.clock.advance(30_000)
    t.same(plane.tunnels.problems, [])
  },
)

t.test("the node's address changes: the device gets it as it is", async t => {
  const w = await fakeWorld()
  const plane = await start(t, w)
  const names = { '10.0.1.7': 'n7', '10.0.2.7': 'n7' }
  await plane.tunnels.apply([wanted(ipip), wanted({ ...vxlan, names })], true)
  writes(w)
  const before = w.kernel.node.named('margay-vxlan4')
  await plane.tunnels.apply(
    [wanted({ ...ipip, local: '10.0.2.7' }), wanted({ ...vxlan, local: '10.0.2.7', names })],
    true,
  )
  t.same(writes(w), ['link.move', 'link.move'])
  t.match(w.kernel.node.named('margay-ipip'), { tunnel: { local: '10.0.2.7' } })
  t.match(w.kernel.node.named('margay-vxlan4'), {
    index: before?.index,
    mac: before?.mac,
    tunnel: { local: '10.0.2.7' },
  })
  w.kernel.node.refuse = operation => (operation.do === 'link.move' ? 'EOPNOTSUPP' : undefined)
  await plane.tunnels.apply([wanted({ ...ipip, local: '10.0.3.7' })], true)
  t.match(w.kernel.node.named('margay-ipip'), { tunnel: { local: '10.0.3.7' } }, 'made anew, where the kernel cannot')
})

t.test("another node's address changes: its MAC leads to the new one at once, its former gateway lingers", async t => {
  const w = await fakeWorld()
  const plane = await start(t, w)
  const names = { '10.0.3.8': 'n8', '10.0.4.8': 'n8' }
  const mac = vxlanMac('n8')
  await plane.tunnels.apply([wanted({ ...vxlan, names, remotes: ['10.0.3.8'] })], true)
  await later(plane, w)
  writes(w)
  await plane.tunnels.apply([wanted({ ...vxlan, names, remotes: ['10.0.4.8'] })], true)
  t.same(writes(w), [`fdb.replace ${mac} 10.0.4.8`, 'neighbour.replace 10.0.4.8'])
  t.match(await w.other.fdb(), [{ mac, dst: '10.0.4.8' }])
  await later(plane, w)
  t.same(writes(w), ['neighbour.delete 10.0.3.8'])
})

t.test('a kernel without the kind, and a stranger of our name: a sentence, and nothing is made', async t => {
  const w = await fakeWorld()
  const plane = await start(t, w)
  let told = 0
  plane.tunnels.onChange(() => told++)
  w.kernel.node.refuse = operation => (operation.do === 'link.add' ? 'EOPNOTSUPP' : undefined)
  const faults = await plane.tunnels.apply([wanted(ipip)], true)
  t.match(faults.get('margay-ipip'), /no IPIP devices \(CONFIG_NET_IPIP\).*modprobe ipip.*ipipMode: Never/)
  t.equal(told, 1)
  t.same(writes(w), ['add margay-ipip'], 'asked, refused, and no more')
  w.kernel.node.refuse = undefined
  t.same(await plane.tunnels.apply([wanted(ipip, { mtu: 1480 })], true), new Map(), 'the module was loaded')

  w.kernel.node.apply({ do: 'link.add', link: { kind: 'veth', name: 'margay-vxlan4', peer: { name: 'x' } } })
  writes(w)
  t.match(
    (await plane.tunnels.apply([wanted(vxlan)], true)).get('margay-vxlan4'),
    /of kind veth that Margay did not make/,
  )
  t.same(writes(w), [])
})

t.test('devices of others that have our names stay, whether we want such a tunnel or not', async t => {
  const strangers = [
    { kind: 'veth', name: 'margay-ipip', peer: { name: 'x' } },
    { kind: 'vxlan', name: 'margay-gre', id: 5, port: 4790 },
    { kind: 'ipip', name: 'margay-wg4', local: '10.0.1.7', ttl: 64 },
    { kind: 'gre', name: 'margay-vxlan6', local: '10.0.1.7', ttl: 64 },
  ] as const
  const w = await fakeWorld()
  const plane = await start(t, w)
  await plane.tunnels.apply([wanted(vxlan)], true)
  for (const link of strangers) w.kernel.node.apply({ do: 'link.add', link })
  await later(plane, w)
  const there = () => strangers.filter(({ name, kind }) => w.kernel.node.named(name)?.kind === kind).length
  t.equal(there(), strangers.length)
  t.same(plane.tunnels.devices, ['margay-vxlan4'])
  const faults = await plane.tunnels.apply([wanted(vxlan), wanted(ipip), wanted(gre)], true)
  t.match(faults.get('margay-ipip'), /of kind veth .* left alone; remove or rename it/)
  t.match(faults.get('margay-gre'), /of kind vxlan .* left alone; remove or rename it/)
  await plane.tunnels.apply([], true)
  await later(plane, w)
  await later(plane, w)
  t.equal(there(), strangers.length)
  t.same(plane.tunnels.devices, [])
})

t.test('room within', async t => {
  for (const [kind, family, room] of [
    ['ipip', 4, 1480],
    ['gre', 4, 1476],
    ['fou', 4, 1464],
    ['gue', 4, 1460],
    ['vxlan', 4, 1450],
    ['vxlan', 6, 1430],
  ] as const)
    t.equal(mtuWithin(1500, { kind, family }), room)
  t.equal(mtuWithin(9000), 9000)
})
