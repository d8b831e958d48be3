// What the configuration on stdin asks of an ADD: by the network for all of its pods, by the runtime and the pod for one.
//
// One pod's wish goes before the network's. It comes by `runtimeConfig` (capabilities), by `args.cni`, or, where the runtime hands
// over the pod's annotations (containerd and CRI-O do, as a capability), by those of Calico.

import { hostMac } from '../../src/model/endpoint.ts'
import { formatAddress, formatPrefix, parseAddress, parseInterfaceAddress, parsePrefix } from '../../inet/index.ts'
import type { AskedRoute, PoolNames } from './backend.ts'
import { asObject, inConfig, invalid } from './config.ts'
import type { Json, NetworkConfig } from './config.ts'
import { CniError, code } from './errors.ts'
import type { Dns } from './result.ts'

/** What ADD takes from the configuration. */
export interface AddConfig {
  /** MTU for the pods of this network; absent: the daemon's choice. */
  readonly mtu?: number
  /** Addresses that the runtime asks for, without length. */
  readonly addresses: readonly string[]
  readonly pools: PoolNames
  readonly routes: readonly AskedRoute[]
  readonly sysctls: Readonly<Record<string, string>>
  readonly mac?: string
  /** False: the pod may send from any address. */
  readonly sourceCheck?: false
  readonly dns?: Dns
}

/** The capability by which containerd (go-cni) and CRI-O (ocicni) hand over a pod's annotations. */
const annotationsCapability = 'io.kubernetes.cri.pod-annotations'

export function readAddConfig({ json }: NetworkConfig): AddConfig {
  const runtime = section(json, 'runtimeConfig')
  const args = section(section(json, 'args'), 'cni', 'args.cni')
  const ipam = section(json, 'ipam')
  const annotations = section(runtime, annotationsCapability)
  requirePaths(json)
  const poolsOf = (key: 'ipv4_pools' | 'ipv6_pools', annotation: string) =>
    readNames(key, args[key] ?? readAnnotation(annotations, annotation) ?? ipam[key])
  return {
    mtu: readMtu(json.mtu),
    addresses: readAddresses(runtime.ips ?? args.ips ?? readAnnotation(annotations, 'cni.projectcalico.org/ipAddrs')),
    pools: {
      4: poolsOf('ipv4_pools', 'cni.projectcalico.org/ipv4pools'),
      6: poolsOf('ipv6_pools', 'cni.projectcalico.org/ipv6pools'),
    },
    routes: readRoutes(ipam.routes),
    sysctls: { ...readSysctls(json.sysctl), ...readSysctls(args.sysctl) },
    mac: readMac(runtime.mac ?? args.mac ?? annotations['cni.projectcalico.org/hwAddr']),
    ...(readFlag('sourceCheck', args.sourceCheck ?? json.sourceCheck) === false && { sourceCheck: false }),
    dns: readRuntimeDns(runtime.dns) ?? readDns(json.dns),
  }
}

/** An object within another; empty if it is not there. */
function section(json: Json, key: string, shown = key): Json {
  const value = json[key]
  if (value === undefined || value === null) return {}
  const found = asObject(value)
  if (!found) throw invalid(shown, value, 'is no object', 'Write it in braces, or leave it out.')
  return found
}

/** The executable looks for both, and passes over what is none: then the next DEL would go elsewhere. */
function requirePaths(json: Json): void {
  for (const key of ['socket', 'spoolDir']) {
    const value = json[key]
    if (value !== undefined && !(typeof value === 'string' && value.startsWith('/')))
      throw invalid(key, value, 'is no absolute path', 'Write it like "/run/margay/cni.sock", or leave it out.')
  }
}

export function readAddresses(value: unknown, refuse = inConfig('ips')): readonly string[] {
  if (value === undefined || value === null) return []
  const list: readonly unknown[] = Array.isArray(value) ? value : [value]
  return list.map(each => {
    const parsed = typeof each === 'string' ? (parseAddress(each) ?? parseInterfaceAddress(each)?.address) : undefined
    if (!parsed) throw refuse(each, 'is no address', 'Write it like 10.42.0.5, or leave it out.')
    return formatAddress(parsed)
  })
}

export function readMac(value: unknown, refuse = inConfig('mac'), isNamed = false): string | undefined {
  if (value === undefined || value === null || (value === '' && !isNamed)) return undefined
  const fix = 'Write it like 02:42:0a:2a:00:05, or leave it out.'
  if (typeof value !== 'string' || !/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/i.test(value))
    throw refuse(value, 'is no MAC address', fix)
  // is_valid_ether_addr() of linux/etherdevice.h
  if (parseInt(value.slice(0, 2), 16) & 1)
    throw refuse(value, 'is a multicast address, which no interface can have', fix)
  if (/^[0:]+$/.test(value)) throw refuse(value, 'is all zero, which no interface can have', fix)
  if (value.toLowerCase() === hostMac) throw refuse(value, "is that of the node's ends, by which pods reach it", fix)
  return value.toLowerCase()
}

/** An annotation that holds JSON. */
function readAnnotation(annotations: Json, name: string): unknown {
  const text = annotations[name]
  if (text === undefined || text === '') return undefined
  try {
    if (typeof text === 'string') return JSON.parse(text)
  } catch {
    // said below
  }
  throw invalid(name, text, 'is no JSON', 'Write the annotation like ["10.42.0.5"].')
}

/** Undefined: nothing is asked. */
function readNames(key: string, value: unknown): readonly string[] | undefined {
  if (value === undefined || value === null) return undefined
  if (Array.isArray(value) && value.every(each => typeof each === 'string' && each !== ''))
    return value.length > 0 ? (value as readonly string[]) : undefined
  throw invalid(key, value, 'is no list of pools', 'List their names or ranges, like ["rack-1"].')
}

/** Fields of a CNI route that a pod's interface cannot have. */
const unsupported = ['advmss', 'table', 'scope'] as const

function readRoutes(value: unknown): readonly AskedRoute[] {
  if (value === undefined || value === null) return []
  if (!Array.isArray(value))
    throw invalid('ipam.routes', value, 'is no list', 'Write it like [{ "dst": "10.9.0.0/16" }].')
  return value.map((each: unknown) => {
    const route = asObject(each) ?? {}
    const dst = typeof route.dst === 'string' ? parsePrefix(route.dst) : undefined
    if (!dst)
      throw invalid('ipam.routes', each, 'has no dst that is a prefix', 'Write it like { "dst": "10.9.0.0/16" }.')
    const foreign = unsupported.find(key => route[key] !== undefined)
    if (foreign !== undefined)
      throw new CniError(
        code.unsupportedField,
        `Network configuration: ipam.routes ${JSON.stringify(each)} has ${foreign}, which margay-cni does not support.`,
        'Leave it out; dst, gw, mtu and priority are supported.',
      )
    const [gateway] = readAddresses(route.gw, inConfig('ipam.routes gw'))
    return {
      dst: formatPrefix(dst),
      ...(gateway !== undefined && { gateway }),
      ...(route.mtu !== undefined && { mtu: whole('ipam.routes mtu', route.mtu, 576, 65_535) }),
      ...(route.priority !== undefined && { metric: whole('ipam.routes priority', route.priority, 0, 4_294_967_295) }),
    }
  })
}

/** `sysctl` as the plugin `tuning` has it: names with dots, IFNAME for the interface. */
function readSysctls(value: unknown): Readonly<Record<string, string>> {
  if (value === undefined || value === null) return {}
  const json = asObject(value)
  if (!json) throw invalid('sysctl', value, 'is no object', 'Write it like { "net.core.somaxconn": "500" }.')
  return Object.fromEntries(
    Object.entries(json).map(([name, given]) => {
      if (!/^net(\.[A-Za-z0-9_-]+)+$/.test(name))
        throw invalid('sysctl', name, 'is none of a network namespace', 'Its name begins with net. and has dots.')
      const text = typeof given === 'number' ? String(given) : given
      if (typeof text !== 'string' || !/^[\x20-\x7e\t]{1,256}$/.test(text))
        throw invalid(`sysctl ${name}`, given, 'is no value', 'Write a text or a number.')
      return [name, text]
    }),
  )
}

/** The capability `dns`: `servers`, `searches`, `options`; go-cni writes them with capitals. */
function readRuntimeDns(value: unknown): Dns | undefined {
  if (value === undefined || value === null) return undefined
  const json = section({ dns: value }, 'dns', 'runtimeConfig.dns')
  const { servers = json.Servers, searches = json.Searches, options = json.Options } = json
  return {
    ...readTexts('nameservers', servers, 'runtimeConfig.dns.servers'),
    ...readTexts('search', searches, 'runtimeConfig.dns.searches'),
    ...readTexts('options', options, 'runtimeConfig.dns.options'),
  }
}

/** `dns` of the network: passed on as it is. */
function readDns(value: unknown): Dns | undefined {
  if (value === undefined || value === null) return undefined
  const json = section({ dns: value }, 'dns')
  for (const key of ['nameservers', 'search', 'options']) readTexts(key, json[key], `dns.${key}`)
  const { domain } = json
  if (domain !== undefined && domain !== null && typeof domain !== 'string')
    throw invalid('dns.domain', domain, 'is no text', 'Write it in quotes.')
  return json
}

function readTexts(key: string, value: unknown, shown: string): Dns {
  if (value === undefined || value === null) return {}
  if (!Array.isArray(value) || !value.every(each => typeof each === 'string'))
    throw invalid(shown, value, 'is no list of texts', 'Write it like ["10.42.0.53"].')
  return { [key]: value }
}

function readFlag(key: string, value: unknown): boolean | undefined {
  if (value === undefined || value === null) return undefined
  if (typeof value === 'boolean') return value
  throw invalid(key, value, 'is neither true nor false', 'Write true or false, without quotes.')
}

function readMtu(value: unknown): number | undefined {
  if (value === undefined || value === null || value === 0) return undefined
  return whole('mtu', value, 576, 65_535, "Remove the key to use the MTU of the node's links.")
}

function whole(key: string, value: unknown, least: number, most: number, fix = 'Write a whole number.'): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most) return value
  throw invalid(key, value, `is not from ${least} to ${most}`, fix)
}
