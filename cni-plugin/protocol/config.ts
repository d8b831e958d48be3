// The network configuration on stdin (SPEC, "Network configuration format"). Keys that are not ours are ignored.

import { isContainerId } from './environment.ts'
import type { Target } from './environment.ts'
import { CniError, code } from './errors.ts'
import { readResult } from './result.ts'
import type { CniResult } from './result.ts'
import { readVersion } from './versions.ts'
import type { CniVersion } from './versions.ts'

/** What every command needs. The rest is read by those that use it (ADD: add-config.ts), so that a damaged key never stops a DEL. */
export interface NetworkConfig {
  readonly version: CniVersion
  readonly network: string
  readonly json: Json
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

/** The result of the plugin before us in the chain, or of our own ADD. */
export function readPrevResult({ json, version }: NetworkConfig): CniResult | undefined {
  return json.prevResult === undefined || json.prevResult === null ? undefined : readResult(json.prevResult, version)
}

/** GC: what the runtime still knows of; undefined: it does not say. SPEC 1.1.0 has both keys, libcni writes both. */
export function readValidAttachments({ json }: NetworkConfig): readonly Target[] | undefined {
  const key = json['cni.dev/valid-attachments'] == null ? 'cni.dev/attachments' : 'cni.dev/valid-attachments'
  const value = json[key]
  if (value === undefined || value === null) return undefined
  if (!Array.isArray(value)) throw invalid(key, value, 'is no list', 'It lists objects with containerID and ifname.')
  return value.map((each: unknown) => {
    const { containerID, ifname } = asObject(each) ?? {}
    if (typeof containerID === 'string' && typeof ifname === 'string' && containerID !== '' && ifname !== '')
      return { containerId: containerID, ifName: ifname }
    throw invalid(key, each, 'is no attachment', 'It needs containerID and ifname.')
  })
}

/** The error for a key whose value makes no sense. `reason`: a predicate; `fix`: the next step. */
export function invalid(key: string, value: unknown, reason: string, fix: string): CniError {
  const shown = value === undefined ? '' : ` ${JSON.stringify(value)}`
  return new CniError(code.invalidConfig, `Network configuration: ${key}${shown} ${reason}.`, fix)
}

/** Makes the error for a value; where it stands goes without saying. */
export type Refuse = (value: unknown, reason: string, fix: string) => CniError

/** For readers of values that also stand elsewhere. */
export const inConfig =
  (key: string): Refuse =>
  (value, reason, fix) =>
    invalid(key, value, reason, fix)

export function asObject(value: unknown): Json | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Json) : undefined
}
