// Requests that make no sense are refused before the kernel is asked.

import { formatAddress, parseAddress } from '../../../inet/index.ts'
import type { Endpoint } from '../../model/endpoint.ts'
import { Refused } from './errors.ts'

/** IPv6 needs 1280 (RFC 8200 §5), IPv4 68 (RFC 791); a veth takes no more than 65535. */
const leastMtu = { 4: 68, 6: 1280 } as const
const mostMtu = 65535

/** Throws `Refused`. */
export function validate({ addresses, mtu, ifName, label, containerId, routes = [] }: Endpoint): void {
  const name = `endpoint ${label ?? containerId}`
  const refuse = (text: string): never => {
    throw new Refused('bad-request', `${name}: ${text}`)
  }
  // dev_valid_name() of net/core/dev.c
  if (!/^[^\s/:]{1,15}$/.test(ifName) || ifName === '.' || ifName === '..')
    refuse(`interface name "${ifName}" is none that Linux takes; give 1 to 15 characters without "/", ":" and blanks`)
  if (addresses.length === 0) refuse('no address; give it one from a pool')
  if (new Set(addresses).size < addresses.length)
    refuse(`an address comes twice in ${addresses.join(', ')}; give each once`)
  for (const text of addresses) {
    const address = parseAddress(text)
    if (!address || formatAddress(address) !== text)
      refuse(`address "${text}" is not in canonical form without length; write it as 10.42.0.5 or fd00::5`)
    const least = leastMtu[address?.family ?? 4]
    if (mtu < least || mtu > mostMtu || !Number.isInteger(mtu))
      refuse(`MTU ${mtu} does not carry ${text}; give one from ${least} to ${mostMtu}`)
  }
  for (const { dst } of routes)
    if (!addresses.some(address => address.includes(':') === dst.includes(':')))
      refuse(
        `route ${dst} needs an address of its family, which the pod has none of; leave it out, or give the pod an address`,
      )
}
