// Versions of the CNI specification, and which of them knows which command.

import { CniError, code } from './errors.ts'

export const supportedVersions = ['0.1.0', '0.2.0', '0.3.0', '0.3.1', '0.4.0', '1.0.0', '1.1.0'] as const
export type CniVersion = (typeof supportedVersions)[number]

export const newestVersion: CniVersion = '1.1.0'
/** Of a configuration that names none, as libcni reads it. */
export const oldestVersion: CniVersion = '0.1.0'

export const commands = ['ADD', 'DEL', 'CHECK', 'GC', 'STATUS', 'VERSION'] as const
export type Command = (typeof commands)[number]

const since: Partial<Record<Command, CniVersion>> = { CHECK: '0.4.0', GC: '1.1.0', STATUS: '1.1.0' }

/** The version of a configuration. */
export function readVersion(value: unknown): CniVersion {
  if (value === undefined || value === '') return oldestVersion
  const version = supportedVersions.find(each => each === value)
  if (version) return version
  throw new CniError(
    code.incompatibleVersion,
    `cniVersion ${JSON.stringify(value)} is not supported.`,
    `Supported versions: ${supportedVersions.join(', ')}.`,
  )
}

export function atLeast(version: CniVersion, least: CniVersion): boolean {
  return supportedVersions.indexOf(version) >= supportedVersions.indexOf(least)
}

/** Refuses a command that came later than the configuration's version. */
export function allow(command: Command, version: CniVersion): void {
  const least = since[command]
  if (least === undefined || atLeast(version, least)) return
  throw new CniError(
    code.incompatibleVersion,
    `cniVersion ${version} has no ${command}.`,
    `Set cniVersion to ${least} or later in the network configuration.`,
  )
}

/** The answer to VERSION. */
export function versionResult(cniVersion: string): string {
  return `${JSON.stringify({ cniVersion, supportedVersions })}\n`
}
