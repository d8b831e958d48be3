// WireGuard devices on the fake kernel: what is written, when, and what is not.

import t, { type Test } from 'tap'
import type { Tunnel } from '../../model/tunnel.ts'
import { WireguardKey, type WireguardNode } from '../../model/wireguard.ts'
import { Dataplane } from '../dataplane.ts'
import { type FakeWorld, fakeWorld, settle } from '../fake-world.ts'

const own = WireguardKey.generate()
const node = (n: number, key: WireguardKey, ...blocks: string[]): WireguardNode => ({
  node: `n${n}`,
  publicKey: key.publicKey,
  address: `10.0.3.${n}`,
  allowedIps: [`10.0.3.${n}/32`, ...blocks],
})
const [key8, key9] = [WireguardKey.generate(), WireguardKey.generate()]
const both = [node(8, key8, '10.42.8.0/26'), node(9, key9, '10.42.9.0/26', '10.42.9.64/26')]

const tunnel = (nodes: readonly WireguardNode[]): Tunnel => ({
  kind: 'wireguard',
  family: 4,
  device: 'margay-wg4',
  local: '10.0.1.7',
  remotes: nodes.map(({ address }) => address),
  pools: ['pods'],
  nodes,
})

async function start(t: Test, w: FakeWorld) {
  const plane = await Dataplane.open({ kernel: w.kernel, clock: w.clock })
  t.teardown(() => plane.close())
  const apply = (nodes: readonly WireguardNode[], key: WireguardKey | undefined = own, mayRemove = true) =>
    plane.tunnels.apply([{ tunnel: tunnel(nodes), mtu: 1440, address: '10.42.1.0', ...(key && { key }) }], mayRemove)
  const later = async () => {
    w.clock.advance(6_000)
    await settle(plane, w)
  }
  return { plane, apply, later }
}

/** Who may send what, by public key. */
const allowed = (w: FakeWorld) =>
  Object.fromEntries(
    (w.kernel.wireguard.device('margay-wg4')?.peers ?? []).map(peer => [peer.publicKey, peer.allowedIps.toSorted()]),
  )
const wantedOf = (nodes: readonly WireguardNode[]) =>
  Object.fromEntries(nodes.map(each => [each.publicKey, each.allowedIps.toSorted()]))

t.test('made once, found again after a restart without a write', async t => {
  const w = await fakeWorld()
  const first = await start(t, w)
  t.same(await first.apply(both), new Map())
  t.match(w.kernel.node.named('margay-wg4'), { kind: 'wireguard', mtu: 1440, up: true })
  t.match(w.kernel.wireguard.device('margay-wg4'), {
    publicKey: own.publicKey,
    port: 51820,
    peers: [{ endpoint: { address: '10.0.3.8', port: 51820 }, keepalive: 0 }, {}],
  })
  t.same(allowed(w), wantedOf(both))
  await first.later()
  await first.plane.close()
  w.kernel.node.log.length = 0
  w.kernel.wireguard.log.length = 0

  const second = await start(t, w)
  t.same(await second.apply(both), new Map())
  await second.later()
  t.same(w.kernel.node.log, [])
  t.same(w.kernel.wireguard.log, [])
})

t.test('without a key there is a device, and nothing on it', async t => {
  const w = await fakeWorld()
  const { plane } = await start(t, w)
  t.same(await plane.tunnels.apply([{ tunnel: tunnel(both), mtu: 1440 }], true), new Map())
  t.ok(w.kernel.node.named('margay-wg4'))
  t.same(w.kernel.wireguard.log, [])
})

t.test('another node has a new key: its addresses move in one change, the old key goes later', async t => {
  const w = await fakeWorld()
  const { apply, later } = await start(t, w)
  await apply(both)
  w.kernel.wireguard.log.length = 0
  const fresh = WireguardKey.generate()
  const after = [both[0], { ...both[1], publicKey: fresh.publicKey }]
  await apply(after)
  t.equal(w.kernel.wireguard.log.length, 1)
  t.same(allowed(w), { ...wantedOf(after), [key9.publicKey]: [] })
  await later()
  t.same(allowed(w), wantedOf(after))
})

t.test('this node has a new key: one change, and the others stay', async t => {
  const w = await fakeWorld()
  const { apply } = await start(t, w)
  await apply(both)
  w.kernel.wireguard.log.length = 0
  const fresh = WireguardKey.generate()
  await apply(both, fresh)
  t.same(w.kernel.wireguard.log, [{ device: 'margay-wg4', privateKey: fresh.privateOctets() }])
  t.same(allowed(w), wantedOf(both))
})

t.test('blocks come at once and go later, and what stays is never without', async t => {
  const w = await fakeWorld()
  const { apply, later } = await start(t, w)
  await apply(both)
  const after = [node(8, key8, '10.42.8.0/26', '10.42.9.64/26'), node(9, key9, '10.42.10.0/26')]
  w.kernel.wireguard.log.length = 0
  await apply(after)
  t.same(allowed(w), {
    [key8.publicKey]: ['10.0.3.8/32', '10.42.8.0/26', '10.42.9.64/26'],
    [key9.publicKey]: ['10.0.3.9/32', '10.42.10.0/26', '10.42.9.0/26'],
  })
  await later()
  t.same(allowed(w), wantedOf(after))
  const removed = w.kernel.wireguard.log.flatMap(({ peers = [] }) => peers.filter(({ remove }) => remove))
  t.notOk(
    removed.some(({ publicKey }) => publicKey === key9.publicKey),
    'the peer itself is not removed for it',
  )
})

t.test('a node that goes stays a while, and for good while the list may be incomplete', async t => {
  const w = await fakeWorld()
  const { apply, later } = await start(t, w)
  await apply(both)
  await apply([both[0]], own, false)
  await later()
  t.same(allowed(w), wantedOf(both))
  await apply([both[0]])
  t.same(allowed(w), wantedOf(both))
  await later()
  t.same(allowed(w), wantedOf([both[0]]))
})

t.test('what others change is put right by the next look; a node that moved is found', async t => {
  const w = await fakeWorld()
  const { apply, later } = await start(t, w)
  await apply(both)
  const stranger = WireguardKey.generate()
  const other = await w.kernel.openWireguard()
  await other.set({
    device: 'margay-wg4',
    privateKey: stranger.privateOctets(),
    port: 7,
    peers: [{ publicKey: stranger.publicKey, allowedIps: ['10.42.8.0/26'] }],
  })
  await apply([{ ...both[0], address: '10.0.4.8' }, both[1]])
  await later()
  t.match(w.kernel.wireguard.device('margay-wg4'), {
    publicKey: own.publicKey,
    port: 51820,
    peers: [{ endpoint: { address: '10.0.4.8' } }, {}],
  })
  t.same(allowed(w), wantedOf(both))
})

t.test('what others change of keys and peers is noticed within seconds', async t => {
  const w = await fakeWorld()
  const { plane, apply, later } = await start(t, w)
  await apply(both)
  await later()
  w.kernel.wireguard.log.length = 0
  await later()
  t.same(w.kernel.wireguard.log, [], 'who only asks writes nothing')
  const other = await w.kernel.openWireguard()
  await other.set({ device: 'margay-wg4', peers: [{ publicKey: key8.publicKey, remove: true }] })
  t.equal(allowed(w)[key8.publicKey], undefined)
  await later()
  w.clock.advance(20)
  await settle(plane, w)
  t.same(allowed(w), wantedOf(both))
})

t.test('another program has the port: a sentence, until it is free', async t => {
  const w = await fakeWorld()
  const { apply } = await start(t, w)
  w.kernel.wireguard.takenPorts.add(51820)
  const faults = await apply(both)
  t.match(faults.get('margay-wg4'), /^device margay-wg4: another program has UDP port 51820.*ss -ulnp/)
  w.kernel.wireguard.takenPorts.clear()
  t.same(await apply(both), new Map())
})
