// The node of the fake world (fake-world.ts) on the real kernel, in namespaces that go with it. For tests, as root.

import type { Rtnetlink } from '../../netlink/types.ts'
import type { Kernel } from './kernel.ts'
import { linuxKernel } from './linux.ts'
import { TestNamespaces } from './test-namespaces.ts'

export interface RealWorld extends AsyncDisposable {
  readonly kernel: Kernel
  /** Another program on the node. */
  readonly other: Rtnetlink
  readonly eth0: number
  readonly eth1: number
}

/** A node 10.0.1.7/24 and fd00:1::7/64 on eth0, 10.0.2.7/24 on eth1, both with carrier. */
export async function realWorld(): Promise<RealWorld> {
  const namespaces = new TestNamespaces()
  const [path, fabric] = [await namespaces.add('node'), await namespaces.add('fabric')]
  const kernel = linuxKernel(path)
  const far = await linuxKernel(fabric).open()
  const other = await kernel.open()
  const wire = async (name: string, ...cidrs: string[]): Promise<number> => {
    await other.apply([{ do: 'link.add', link: { kind: 'veth', name, up: true, peer: { name, netns: fabric } } }])
    await far.apply([{ do: 'link.set', link: indexOf(await far.link(name)), change: { up: true } }])
    const link = indexOf(await other.link(name))
    for (const cidr of cidrs)
      await other.apply([{ do: 'address.add', address: { link, cidr, scope: 'universe', noDad: cidr.includes(':') } }])
    return link
  }
  const eth0 = await wire('eth0', '10.0.1.7/24', 'fd00:1::7/64')
  const eth1 = await wire('eth1', '10.0.2.7/24')
  const dispose = async (): Promise<void> => {
    await other.close()
    await far.close()
    await namespaces[Symbol.asyncDispose]()
  }
  return { kernel, other, eth0, eth1, [Symbol.asyncDispose]: dispose }
}

function indexOf(link: { readonly index: number } | undefined): number {
  if (!link) throw new Error('the device that was just made is not there')
  return link.index
}
