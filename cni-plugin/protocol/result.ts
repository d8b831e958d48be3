// The result of ADD, and its shapes in the versions of the specification.
//
// 0.1.0 and 0.2.0: `ip4`, `ip6`. From 0.3.0: lists of interfaces, ips and routes, `version` with every ip until 0.4.0.
// From 1.1.0: mtu, socketPath and pciID of interfaces, and more about routes. Inside it is always the newest shape.

import { parseInterfaceAddress } from '../../inet/index.ts'
import { CniError, code } from './errors.ts'
import { atLeast } from './versions.ts'
import type { CniVersion } from './versions.ts'

export interface CniResult {
  readonly interfaces: readonly Interface[]
  readonly ips: readonly Ip[]
  readonly routes: readonly Route[]
  readonly dns: Dns
}

export interface Interface {
  readonly name: string
  readonly mac?: string
  readonly mtu?: number
  /** Path of the namespace; absent or empty: on the host. */
  readonly sandbox?: string
  readonly socketPath?: string
  readonly pciID?: string
}

export interface Ip {
  /** With length, `10.42.0.5/32`. */
  readonly address: string
  readonly gateway?: string
  /** Index in `interfaces`. */
  readonly interface?: number
}

export interface Route {
  readonly dst: string
  readonly gw?: string
  readonly mtu?: number
  readonly advmss?: number
  readonly priority?: number
  readonly table?: number
  readonly scope?: number
}

/** Passed on as it is. */
export type Dns = Readonly<Record<string, unknown>>

/** Writes the shape of `version`. */
export function writeResult(result: CniResult, version: CniVersion): string {
  return `${JSON.stringify(shape(result, version))}\n`
}

function shape(result: CniResult, version: CniVersion): object {
  if (!atLeast(version, '0.3.0')) return oldShape(result, version)
  const newest = atLeast(version, '1.1.0')
  const withVersion = !atLeast(version, '1.0.0')
  return {
    cniVersion: version,
    interfaces: newest
      ? result.interfaces
      : result.interfaces.map(({ name, mac, sandbox }) => ({ name, mac, sandbox })),
    ips: withVersion ? result.ips.map(ip => ({ version: familyOf(ip.address), ...ip })) : result.ips,
    routes: newest ? result.routes : result.routes.map(({ dst, gw }) => ({ dst, gw })),
    dns: result.dns,
  }
}

function oldShape(result: CniResult, version: CniVersion): object {
  const half = (family: '4' | '6') => {
    const ip = result.ips.find(each => familyOf(each.address) === family)
    const routes = result.routes.filter(route => familyOf(route.dst) === family).map(({ dst, gw }) => ({ dst, gw }))
    return ip && { ip: ip.address, gateway: ip.gateway, routes }
  }
  return { cniVersion: version, ip4: half('4'), ip6: half('6'), dns: result.dns }
}

/** Reads `prevResult`; the runtime writes it in the version of the configuration. */
export function readResult(value: unknown, version: CniVersion): CniResult {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw broken('it is no object')
  const json = value as Readonly<Record<string, unknown>>
  if (!atLeast(version, '0.3.0')) return readOldResult(json)
  return {
    interfaces: list(json.interfaces, 'interfaces', 'name') as readonly Interface[],
    ips: (list(json.ips, 'ips', 'address') as readonly Ip[]).map(({ address, gateway, interface: index }) => ({
      address: checked(address),
      gateway,
      interface: index,
    })),
    routes: list(json.routes, 'routes', 'dst') as readonly Route[],
    dns: dnsOf(json),
  }
}

function readOldResult(json: Readonly<Record<string, unknown>>): CniResult {
  const halves = [json.ip4, json.ip6].filter(half => typeof half === 'object' && half !== null) as {
    readonly ip?: unknown
    readonly gateway?: string
    readonly routes?: unknown
  }[]
  return {
    interfaces: [],
    ips: halves.map(({ ip, gateway }) => {
      if (typeof ip !== 'string') throw broken('an ip4 or ip6 has no ip')
      return { address: checked(ip), gateway }
    }),
    routes: halves.flatMap(half => list(half.routes, 'routes', 'dst') as readonly Route[]),
    dns: dnsOf(json),
  }
}

function checked(address: string): string {
  if (parseInterfaceAddress(address) === undefined)
    throw broken(`${JSON.stringify(address)} is no address with its length`)
  return address
}

function dnsOf({ dns }: Readonly<Record<string, unknown>>): Dns {
  return typeof dns === 'object' && dns !== null ? (dns as Dns) : {}
}

/** A list of objects that all have the text `key`. */
function list(value: unknown, name: string, key: string): readonly object[] {
  if (value === undefined || value === null) return []
  if (!Array.isArray(value)) throw broken(`its ${name} are no list`)
  for (const each of value as readonly unknown[]) {
    const named =
      typeof each === 'object' && each !== null && typeof (each as Record<string, unknown>)[key] === 'string'
    if (!named) throw broken(`one of its ${name} has no ${key}`)
  }
  return value as readonly object[]
}

function broken(reason: string): CniError {
  return new CniError(code.invalidConfig, `Network configuration: prevResult cannot be read: ${reason}.`)
}

function familyOf(address: string): '4' | '6' {
  return address.includes(':') ? '6' : '4'
}
