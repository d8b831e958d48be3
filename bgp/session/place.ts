// Where a peer is: at an address, or on a link where its address is still to be found.

import type { PeerConfig } from '../types.ts'

type Place = Pick<PeerConfig, 'address' | 'interface'>

/** The address, or `%eth0` for whoever is found on that link. */
export function placeOf({ address, interface: link }: Place): string {
  return address ?? `%${link ?? ''}`
}

/** Whether the address is still to be found. */
export function isUnfound(place: string): boolean {
  return place.startsWith('%')
}

/** In words. */
export function placeText(place: string): string {
  return isUnfound(place) ? `on ${place.slice(1)}` : place
}

/** The zone of the first of these addresses that has one. */
export function zoneOf(...addresses: readonly string[]): string {
  for (const address of addresses) if (address.includes('%')) return address.slice(address.indexOf('%') + 1)
  return ''
}
