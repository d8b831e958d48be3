// What the data plane leans on of WireGuard, on the fake kernel and, where it has WireGuard, on this one.

import t, { type Test } from 'tap'
import type { Wireguard } from '../../netlink/generic/wireguard-types.ts'
import { NoGenericFamily } from '../../netlink/index.ts'
import { WireguardKey } from '../model/wireguard.ts'
import { FakeKernel } from './fake-kernel.ts'
import type { Kernel } from './kernel.ts'
import { linuxKernel } from './linux.ts'
import { skipWithoutRoot, TestNamespaces } from './test-namespaces.ts'

const own = WireguardKey.generate()
const [a, b] = [WireguardKey.generate().publicKey, WireguardKey.generate().publicKey]

async function contract(t: Test, kernel: Kernel, wireguard: Wireguard): Promise<void> {
  const netlink = await kernel.open()
  t.teardown(() => netlink.close())
  const made = await netlink.apply([{ do: 'link.add', link: { kind: 'wireguard', name: 'margay-wg4', up: true } }])
  t.same(made, [{ ok: true }])
  const set = async (change: Omit<Parameters<Wireguard['set']>[0], 'device'>) =>
    t.same(await wireguard.set({ device: 'margay-wg4', ...change }), { ok: true })
  const peers = async () =>
    Object.fromEntries(
      ((await wireguard.device('margay-wg4'))?.peers ?? []).map(peer => [peer.publicKey, peer.allowedIps.toSorted()]),
    )

  t.equal(await wireguard.device('no-such'), undefined)
  t.equal(await wireguard.device('lo'), undefined, 'of another kind')
  t.match(await wireguard.set({ device: 'no-such', port: 1 }), { ok: false, errno: 'ENODEV' })
  t.match(await wireguard.device('margay-wg4'), { publicKey: undefined, peers: [] }, 'a new one has no key')

  await set({ privateKey: own.privateOctets(), port: 51820 })
  t.match(await wireguard.device('margay-wg4'), { publicKey: own.publicKey, port: 51820 }, 'the public key of ours')
  const endpoint = { address: '10.0.1.8', port: 51820 }
  await set({ peers: [{ publicKey: a, endpoint, keepalive: 0, allowedIps: ['10.42.0.0/26', '10.42.1.0/26'] }] })
  t.match((await wireguard.device('margay-wg4'))?.peers, [{ publicKey: a, endpoint, keepalive: 0 }])
  await set({ peers: [{ publicKey: b, endpoint, allowedIps: ['10.42.1.0/26', 'fd00:42::/122'] }] })
  t.same(await peers(), { [a]: ['10.42.0.0/26'], [b]: ['10.42.1.0/26', 'fd00:42::/122'] }, 'an address moves')
  await set({ peers: [{ publicKey: own.publicKey, endpoint }] })
  t.same(Object.keys(await peers()).length, 2, 'itself is no peer')
  await set({
    peers: [
      { publicKey: b, remove: true },
      { publicKey: a, allowedIps: ['10.42.2.0/26'] },
    ],
  })
  t.same(await peers(), { [a]: ['10.42.0.0/26', '10.42.2.0/26'] }, 'what was allowed stays')
  const { index } = (await netlink.link('margay-wg4'))!
  await netlink.apply([{ do: 'link.delete', link: index }])
  t.equal(await wireguard.device('margay-wg4'), undefined)
}

t.test('on the fake kernel', async t => {
  const kernel = new FakeKernel()
  await contract(t, kernel, await kernel.openWireguard())
})

t.test('on this kernel', { skip: skipWithoutRoot() }, async t => {
  await using namespaces = new TestNamespaces()
  const kernel = linuxKernel(await namespaces.add('wg'))
  try {
    await using wireguard = await kernel.openWireguard()
    await contract(t, kernel, wireguard)
  } catch (error) {
    if (!(error instanceof NoGenericFamily)) throw error
    t.pass('not on this kernel', {
      skip: 'it has no WireGuard: integration/dataplane/other-kinds.test.ts runs this file on one that has',
    })
  }
})
