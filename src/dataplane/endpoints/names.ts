// The host's end of a pod's veth pair: how it is called, and how we know that it is ours.

import { hash } from 'node:crypto'
import { isLinkLocal, parseAddress } from '../../../inet/index.ts'
import type { Link, Route } from '../../../netlink/types.ts'
import { type Endpoint, endpointKey, hostMac } from '../../model/endpoint.ts'

export interface EndpointId {
  readonly network: string
  readonly containerId: string
  readonly ifName: string
}

/** What every host end's name begins with. */
export const hostDevicePrefix = 'mgy'

/**
 * `mgy` and 11 hexadecimal digits, from the key alone: whoever knows the key finds the device without any record. Who is known by its device
 * alone has that.
 */
export function hostDeviceName(id: EndpointId): string {
  if (id.network === '' && id.ifName === '' && isHostDeviceName(id.containerId)) return id.containerId
  return `${hostDevicePrefix}${hash('sha256', endpointKey(id)).slice(0, 11)}`
}

/** True for a name that only our devices have. */
export function isHostDeviceName(name: string): boolean {
  return /^mgy[0-9a-f]{11}$/.test(name)
}

/** Name, kind and MAC all say that Margay made it; only then may it be deleted. */
export function isHostDevice(link: Link): boolean {
  return isHostDeviceName(link.name) && link.kind === 'veth' && link.mac === hostMac
}

/**
 * Address of the pod that a route to a host end leads to; undefined for what the kernel has there of its own, as fe80::/128 (anycast) and
 * the host end's own link-local address.
 */
export function podAddress({ dst, type = 'unicast' }: Route): string | undefined {
  const [address, length] = dst.split('/')
  return type === 'unicast' && length === (address.includes(':') ? '128' : '32') && mayBePods(address)
    ? address
    : undefined
}

/** No pod has a link-local address from Margay. */
export function mayBePods(address: string): boolean {
  const parsed = parseAddress(address)
  return parsed !== undefined && !isLinkLocal(parsed)
}

/** Known by its device alone: its record was lost, and nothing has told whose it is. */
export function isNameless({ network, containerId, hostDevice }: Endpoint): boolean {
  return network === '' && containerId === hostDevice
}
