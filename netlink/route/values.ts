// Values that several subjects share: families, addresses, MAC addresses, scopes.

import {
  type Address,
  formatAddress,
  parseAddress,
  parseInterfaceAddress,
  parsePrefix,
  type Prefix,
} from '../../inet/index.ts'
import type { InterfaceAddress } from '../../inet/prefix.ts'
import { InvalidRequest } from '../core/batch.ts'
import type { IpFamily, Scope } from '../types.ts'

/** linux/rtnetlink.h: the first of each quartet NEW, DEL, GET, SET. */
export const rtm = { link: 16, address: 20, route: 24, neighbour: 28, rule: 32, netconf: 80 } as const
export const del = 1
export const get = 2
export const set = 3

export const AF_UNSPEC = 0
export const AF_INET = 2
export const AF_INET6 = 10

export function afOf(family: IpFamily): number {
  return family === 4 ? AF_INET : AF_INET6
}

/** rt_scope_t */
const scopes: Readonly<Record<Scope, number>> = { universe: 0, site: 200, link: 253, host: 254, nowhere: 255 }
const scopeNames = new Map(Object.entries(scopes).map(([name, value]) => [value, name as Scope]))

export function scopeNumber(scope: Scope): number {
  const value = scopes[scope]
  if (value === undefined) throw new InvalidRequest(`scope "${scope}" is none of ${Object.keys(scopes).join(', ')}`)
  return value
}

/** Numbers that the kernel gives no name are read as the next wider scope that has one. */
export function scopeName(value: number): Scope {
  return scopeNames.get(value) ?? (value < 200 ? 'universe' : 'site')
}

/** `of`: the object that has the value, as it is told where the value is none. */
export function addressOf(text: string, what: string, of?: string): Address {
  const address = parseAddress(text)
  if (!address) throw new InvalidRequest(`${valueOf(what, of)} "${text}" is no IP address`)
  return address
}

/** `route "10.42.0.0/26": gateway`. Put together only where something is wrong: there are hundreds of thousands of routes. */
function valueOf(what: string, of: string | undefined): string {
  return of === undefined ? what : `route "${of}": ${what}`
}

export function prefixOf(text: string, what: string, of?: string): Prefix {
  const prefix = parsePrefix(text)
  if (!prefix)
    throw new InvalidRequest(
      `${valueOf(what, of)} "${text}" is no prefix such as 10.42.0.0/26 (the bits beyond the length are zero)`,
    )
  return prefix
}

export function cidrOf(text: string, what: string): InterfaceAddress {
  const parsed = parseInterfaceAddress(text)
  if (!parsed) throw new InvalidRequest(`${what} "${text}" is no address with a length, such as 10.0.1.7/24`)
  return parsed
}

export function addressText(octets: Uint8Array): string {
  return formatAddress(octets)
}

/** `02:00:00:00:00:01` as octets. */
export function macOctets(text: string): Uint8Array {
  if (!/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i.test(text))
    throw new InvalidRequest(`MAC address "${text}" is not of the form 02:00:00:00:00:01`)
  const octets = new Uint8Array(6)
  for (let i = 0; i < 6; i++) octets[i] = Number.parseInt(text.slice(3 * i, 3 * i + 2), 16)
  return octets
}

export function macText(octets: Uint8Array): string | undefined {
  if (octets.length === 0) return undefined
  let text = hexadecimal[octets[0]]
  for (let i = 1; i < octets.length; i++) text += `:${hexadecimal[octets[i]]}`
  return text
}

const hexadecimal = Array.from({ length: 256 }, (_, octet) => octet.toString(16).padStart(2, '0'))

/** As `macOctets`; where the link layer is IPv4 (GRE) four of them. */
export function linkLayerOctets(text: string): Uint8Array {
  return /^[0-9a-f]{2}(:[0-9a-f]{2}){3}$/i.test(text)
    ? Uint8Array.from(text.split(':'), part => Number.parseInt(part, 16))
    : macOctets(text)
}

/** A whole number in a range, or InvalidRequest. */
export function whole(value: number, least: number, most: number, what: string, of?: string): number {
  if (!Number.isInteger(value) || value < least || value > most)
    throw new InvalidRequest(`${valueOf(what, of)} ${value} is not a whole number from ${least} to ${most}`)
  return value
}

/** The index of a link: 1 and up. */
export function linkIndex(value: number): number {
  return whole(value, 1, 0x7fffffff, 'link index')
}
