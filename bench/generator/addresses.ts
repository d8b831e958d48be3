// Who is who on the lan of the bench: the device, and its peers by number.

import { parseAddress } from '../../inet/index.ts'
import type { Family } from '../../bgp/types.ts'

export const DEVICE_AS = 64512

export interface Station {
  readonly ipv4: string
  readonly ipv6: string
  readonly asn: number
  readonly routerId: string
}

export const device: Station = {
  ipv4: '10.210.255.1',
  ipv6: 'fd00:210::ffff',
  asn: DEVICE_AS,
  routerId: '10.210.255.1',
}

export function peerStation(n: number, kind: 'ebgp' | 'reflector'): Station {
  const ipv4 = `10.210.${Math.floor(n / 200)}.${(n % 200) + 1}`
  const ipv6 = `fd00:210::${(n + 1).toString(16)}`
  return { ipv4, ipv6, asn: kind === 'ebgp' ? DEVICE_AS + 1 + n : DEVICE_AS, routerId: ipv4 }
}

/** The device's end of the cable of a peer that has one of its own; both are a /31, and only two peers can have one. */
export function legOf(n: 0 | 1): string {
  return n === 0 ? '10.210.0.0' : '10.210.0.3'
}

/** The end of a session that carries that family. */
export function addressOf(station: Station, family: Family): string {
  return family === 'ipv4-unicast' ? station.ipv4 : station.ipv6
}

export function octetsOf(address: string): Uint8Array {
  const parsed = parseAddress(address)
  if (!parsed) throw new Error(`"${address}" is no address`)
  return parsed.octets
}
