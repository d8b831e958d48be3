import t from 'tap'
import { open } from '../index.ts'
import { namespace } from '../test-namespace.ts'
import type { InterfaceAddress } from '../types.ts'

t.test('addresses are added, dumped as given, seen by `ip`, replaced and deleted', async t => {
  const ns = namespace(t)
  ns.batch(['link add a0 type veth peer a1', 'link set a0 up', 'link set a1 up'])
  const netlink = await open({ netns: ns.path })
  t.teardown(() => netlink.close())
  const link = (await netlink.link('a0'))!.index
  const addresses: InterfaceAddress[] = [
    { link, cidr: '10.0.1.7/24', scope: 'universe' },
    { link, cidr: '169.254.1.1/32', scope: 'link' },
    { link, cidr: '10.9.0.1/32', peer: '10.9.0.2', scope: 'universe' },
    { link, cidr: 'fd00::7/64', scope: 'universe', noDad: true },
    { link, cidr: 'fd01::1/128', peer: 'fd01::2', scope: 'universe', noDad: true },
  ]
  t.strictSame(
    await netlink.apply(addresses.map(address => ({ do: 'address.add', address }))),
    addresses.map(() => ({ ok: true })),
  )
  const ours = async (): Promise<readonly InterfaceAddress[]> =>
    (await netlink.addresses()).filter(a => a.link === link && !a.cidr.startsWith('fe80'))
  const byText = (a: InterfaceAddress, b: InterfaceAddress): number => (a.cidr < b.cidr ? -1 : 1)
  t.strictSame((await ours()).toSorted(byText), addresses.toSorted(byText))
  t.same(
    (ns.json('addr show dev a0')[0]['addr_info'] as Record<string, unknown>[])
      .filter(a => a['scope'] !== 'link' || a['family'] === 'inet')
      .map(a => [a['local'], a['prefixlen'], a['address'] ?? null])
      .toSorted((a, b) => (String(a) < String(b) ? -1 : 1)),
    [
      ['10.0.1.7', 24, null],
      ['10.9.0.1', 32, '10.9.0.2'],
      ['169.254.1.1', 32, null],
      ['fd00::7', 64, null],
      ['fd01::1', 128, 'fd01::2'],
    ],
  )
  t.match(await netlink.apply([{ do: 'address.add', address: addresses[0] }]), [{ errno: 'EEXIST' }])
  t.strictSame(await netlink.apply([{ do: 'address.replace', address: addresses[0] }]), [{ ok: true }])
  t.ok((await netlink.addresses(6)).every(a => a.cidr.includes(':')))
  t.ok((await netlink.addresses(4)).every(a => !a.cidr.includes(':')))
  await netlink.apply(addresses.map(address => ({ do: 'address.delete', address })))
  t.strictSame(await ours(), [])
})

t.test('an address that is none is refused by name', async t => {
  const ns = namespace(t)
  const netlink = await open({ netns: ns.path })
  t.teardown(() => netlink.close())
  const add = (cidr: string, peer?: string, link = 1) =>
    ({ do: 'address.add', address: { link, cidr, ...(peer && { peer }), scope: 'universe' } }) as const
  t.match(
    await netlink.apply([
      add('10.0.0.256/24'),
      add('10.0.0.1/33'),
      add('10.0.0.1/32', 'fd00::1'),
      add('10.0.0.1/8', '', 0),
      add('10.0.0.1/8', '', 99),
    ]),
    [
      { errno: 'EINVAL', text: /"10.0.0.256\/24"/ },
      { errno: 'EINVAL', text: /"10.0.0.1\/33"/ },
      { errno: 'EINVAL', text: /another family/ },
      { errno: 'EINVAL', text: /link index 0/ },
      { errno: 'ENODEV' },
    ],
  )
})
