// Which addresses of this node are in use, by the kernel alone: what a node whose own store was lost must not give again.
//
// A device counts if it is ours by all of its marks (docs/design.md, "Kernel objects"): a stranger's that only has such a name uses no
// address of ours.

import { isOurDevice } from '../dataplane/encapsulation/kinds.ts'
import { hostDeviceName, isHostDevice, podAddress } from '../dataplane/endpoints/names.ts'
import type { Kernel } from '../dataplane/kernel.ts'
import type { AddressInUse, Owner } from '../ipam/index.ts'
import { tunnelOwner } from './tunnels.ts'

/** An address that the kernel shows to be in use. */
export interface AddressOfDevice extends AddressInUse {
  /** Of a pod: the host end that leads to it. */
  readonly device?: string
}

/** Addresses that the kernel leads to a pod of this node, and those of its tunnels. `protocol`: that of our routes. */
export async function addressesInUse(kernel: Kernel, protocol: number): Promise<readonly AddressOfDevice[]> {
  await using node = await kernel.open()
  const links = await node.links()
  const devices = new Map(links.filter(isHostDevice).map(link => [link.index, link.name]))
  const routes = await node.routes({ protocol, table: 0 })
  const pods = routes.flatMap(route => {
    const device = devices.get(route.nextHops[0]?.link ?? 0)
    const address = podAddress(route)
    return device === undefined || address === undefined
      ? []
      : [{ address, device, mayBeOf: (owner: Owner) => hostDeviceName(owner) === device }]
  })
  const tunnels = new Map(links.filter(isOurDevice).map(link => [link.index, link.name]))
  const ofTunnels = (await node.addresses()).flatMap(({ link, cidr, scope }) => {
    const device = tunnels.get(link)
    return device === undefined || scope !== 'universe'
      ? []
      : [{ address: cidr.split('/')[0], owner: tunnelOwner(device) }]
  })
  return [...pods, ...ofTunnels]
}
