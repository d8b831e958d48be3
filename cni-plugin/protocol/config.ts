// The network configuration on stdin (SPEC, "Network configuration format"). Keys that are not ours are ignored.

import { formatAddress, parseAddress, parseInterfaceAddress } from '../../inet/index.ts'
import { isContainerId } from './environment.ts'
import type { Target } from './environment.ts'
import { CniError, code } from './errors.ts'
import { readResult } from './result.ts'
import type { CniResult, Dns } from './result.ts'
import { readVersion } from './versions.ts'
import type { CniVersion } from './versions.ts'

/** What every command needs. The rest is read by those that use it, so that a damaged key never stops a DEL. */
export interface NetworkConfig {
  readonly version: CniVersion
  readonly network: string
  readonly json: Json
}

/** What ADD takes from the configuration. */
export interface AddConfig {
  /** MTU for the pods of this network; absent: the daemon's choice. */
  readonly mtu?: number
  /** Addresses that the runtime asks for, without length. */
  readonly addresses: readonly string[]
  readonly mac?: string
  /** False: the pod may send from any address. */
  readonly sourceCheck?: false
  readonly dns?: Dns
}

export type Json = Readonly<Record<string, unknown>>

/** The object on stdin; undefined if it is none. */
export function readJson(stdin: string): Json | undefined {
  try {
    return asObject(JSON.parse(stdin))
  } catch {
    return undefined
  }
}

export function readConfig(stdin: string): NetworkConfig {
  const json = readJson(stdin)
  if (!json) {
    throw new CniError(
      code.decode,
      stdin.trim() === ''
        ? 'The network configuration on stdin is empty.'
        : 'The network configuration on stdin is no JSON object.',
      'The runtime hands it over; look at the file in its configuration directory.',
    )
  }
  const version = readVersion(json.cniVersion)
  const network = json.name
  if (network === undefined || network === '') throw invalid('name', network, 'is missing', 'Give the network a name.')
  if (typeof network !== 'string' || !isContainerId(network)) {
    throw invalid(
      'name',
      network,
      'is no network name',
      'Use letters, digits, dots, dashes and underscores, a letter or digit first.',
    )
  }
  return { version, network, json }
}

export function readAddConfig({ json }: NetworkConfig): AddConfig {
  const runtime = asObject(json.runtimeConfig) ?? {}
  const args = asObject(asObject(json.args)?.cni) ?? {}
  return {
    mtu: readMtu(json.mtu),
    addresses: readAddresses(runtime.ips ?? args.ips),
    mac: readMac(runtime.mac ?? args.mac),
    ...(readFlag('sourceCheck', args.sourceCheck ?? json.sourceCheck) === false && { sourceCheck: false }),
    dns: asObject(json.dns),
  }
}

/** The result of the plugin before us in the chain, or of our own ADD. */
export function readPrevResult({ json, version }: NetworkConfig): CniResult | undefined {
  return json.prevResult === undefined || json.prevResult === null ? undefined : readResult(json.prevResult, version)
}

export function readAddresses(value: unknown): readonly string[] {
  if (value === undefined || value === null) return []
  const list: readonly unknown[] = Array.isArray(value) ? value : [value]
  return list.map(each => {
    const parsed = typeof each === 'string' ? (parseAddress(each) ?? parseInterfaceAddress(each)?.address) : undefined
    if (!parsed) throw invalid('ips', each, 'is no address', 'Write it like 10.42.0.5.')
    return formatAddress(parsed)
  })
}

export function readMac(value: unknown): string | undefined {
  if (value === undefined || value === null || value === '') return undefined
  if (typeof value === 'string' && /^([0-9a-f]{2}:){5}[0-9a-f]{2}$/i.test(value)) return value.toLowerCase()
  throw invalid('mac', value, 'is no MAC address', 'Write it like 02:42:0a:2a:00:05.')
}

function readFlag(key: string, value: unknown): boolean | undefined {
  if (value === undefined || value === null) return undefined
  if (typeof value === 'boolean') return value
  throw invalid(key, value, 'is neither true nor false', 'Write true or false, without quotes.')
}

function readMtu(value: unknown): number | undefined {
  if (value === undefined || value === null || value === 0) return undefined
  if (typeof value === 'number' && Number.isInteger(value) && value >= 576 && value <= 65535) return value
  throw invalid('mtu', value, 'is not from 576 to 65535', "Remove the key to use the MTU of the node's links.")
}

/** GC: what the runtime still knows of; undefined: it does not say. */
export function readValidAttachments({ json }: NetworkConfig): readonly Target[] | undefined {
  const key = 'cni.dev/valid-attachments'
  const value = json[key]
  if (value === undefined || value === null) return undefined
  if (!Array.isArray(value)) throw invalid(key, value, 'is no list', 'It lists objects with containerID and ifname.')
  return value.map((each: unknown) => {
    const { containerID, ifname } = asObject(each) ?? {}
    if (typeof containerID === 'string' && typeof ifname === 'string')
      return { containerId: containerID, ifName: ifname }
    throw invalid(key, each, 'is no attachment', 'It needs containerID and ifname.')
  })
}

function invalid(key: string, value: unknown, reason: string, fix: string): CniError {
  const shown = value === undefined ? '' : ` ${JSON.stringify(value)}`
  return new CniError(code.invalidConfig, `Network configuration: ${key}${shown} ${reason}.`, fix)
}

function asObject(value: unknown): Json | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Json) : undefined
}
