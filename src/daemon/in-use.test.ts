// What counts as ours when nothing but the kernel tells: name, kind and MAC, not a name alone.

import { hostMac } from '../model/endpoint.ts'
import t from 'tap'
import type { NewLink } from '../../netlink/types.ts'
import { FakeKernel } from '../dataplane/fake-kernel.ts'
import { hostDeviceName } from '../dataplane/endpoints/names.ts'
import { addressesInUse } from './in-use.ts'
import { tunnelOwner } from './tunnels.ts'

const pair = { kind: 'veth', peer: { name: 'far' } } as const

t.test('addresses on devices of ours, and none on a stranger that only has such a name', async t => {
  const kernel = new FakeKernel()
  await using node = await kernel.open()
  const add = async (link: NewLink): Promise<number> => {
    await node.apply([{ do: 'link.add', link }])
    const { index } = kernel.node.named(link.name)!
    await node.apply([{ do: 'link.set', link: index, change: { up: true } }])
    return index
  }
  const route = async (link: number, dst: string, protocol: number): Promise<void> => {
    const nextHops = [{ link }]
    t.same(await node.apply([{ do: 'route.add', route: { dst, nextHops, protocol, metric: 1024 } }]), [{ ok: true }])
  }
  const address = async (link: number, cidr: string): Promise<void> => {
    t.same(await node.apply([{ do: 'address.add', address: { link, cidr, scope: 'universe' } }]), [{ ok: true }])
  }

  const pod = await add({ ...pair, name: 'mgy0123456789a', mac: hostMac })
  await route(pod, '10.42.0.1/32', 81)
  await route(pod, '10.42.0.2/32', 4)
  await route(pod, 'fe80::/128', 81)
  await route(pod, 'fe80::ecee:eeff:feee:eeee/128', 81)
  await route(
    await add({ ...pair, name: 'mgy0123456789b', mac: '02:00:00:00:00:01', peer: { name: 'x' } }),
    '10.42.0.3/32',
    81,
  )
  await route(await add({ name: 'mgy0123456789c', kind: 'vxlan', id: 1, port: 4790 }), '10.42.0.4/32', 81)
  await address(await add({ name: 'margay-vxlan4', kind: 'vxlan', id: 4096 }), '10.42.0.5/32')
  await address(await add({ ...pair, name: 'margay-ipip', peer: { name: 'y' } }), '10.42.0.6/32')

  const owner = { network: 'pods', containerId: 'c1', ifName: 'eth0' }
  const named = await add({ ...pair, name: hostDeviceName(owner), mac: hostMac, peer: { name: 'z' } })
  await route(named, '10.42.0.7/32', 81)

  const found = await addressesInUse(kernel, 81)
  t.same(
    found.map(({ address, device, owner: of }) => ({ address, ...(device && { device }), ...(of && { owner: of }) })),
    [
      { address: '10.42.0.1', device: 'mgy0123456789a' },
      { address: '10.42.0.7', device: hostDeviceName(owner) },
      { address: '10.42.0.5', owner: tunnelOwner('margay-vxlan4') },
    ],
  )
  t.same(
    found.map(({ mayBeOf }) => mayBeOf?.(owner)),
    [false, true, undefined],
    'whose a device is follows from its name',
  )
})
