// `margayctl cni check`: what would keep container runtimes from finding and reaching Margay.

import { accessSync, constants, existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { asObject, type Json } from '../../cni-plugin/protocol/config.ts'
import { isContainerId } from '../../cni-plugin/protocol/environment.ts'
import { defaultSocket, defaultSpoolDir } from '../../cni-plugin/protocol/socket.ts'
import { supportedVersions } from '../../cni-plugin/protocol/versions.ts'
import type { DaemonConfig } from '../api/config.ts'
import { call } from '../api/client.ts'
import { confName, digest, executableName, ownExecutable, placing, type Places, versionsOf } from './cni-places.ts'

const again = 'run margayctl cni install'

/** Sentences: what would keep a runtime from attaching pods here, and the next step. */
export async function findFaults(places: Places, config: DaemonConfig): Promise<readonly string[]> {
  const faults = [...faultsOfExecutable(places), ...faultsOfConf(places, config), ...faultsOfOrder(places)]
  await call(config.api.socket, '/v1/status', {}).catch((error: unknown) =>
    faults.push(error instanceof Error ? error.message : String(error)),
  )
  return faults
}

/** Sentences: what only some runtimes trip over. */
export function notesOn({ binDir }: Places): readonly string[] {
  if (existsSync(join(binDir, 'loopback'))) return []
  return [
    `loopback is not in ${binDir}: containerd under a kubelet (CRI) makes no pod without it, other runtimes need none; where that one runs: ${placing('loopback', binDir)}`,
  ]
}

function faultsOfExecutable({ binDir }: Places): string[] {
  const executable = join(binDir, executableName)
  try {
    accessSync(executable, constants.X_OK)
    return digest(executable) === digest(ownExecutable())
      ? []
      : [`${executable} is not the executable of this release: ${again}`]
  } catch {
    return [`${executable} is not there, or cannot be executed: ${again}`]
  }
}

function faultsOfConf({ binDir, confDir }: Places, { cni }: Pick<DaemonConfig, 'cni'>): string[] {
  const conf = join(confDir, confName)
  let read: Json | undefined
  try {
    read = asObject(JSON.parse(readFileSync(conf, 'utf8')))
  } catch (error) {
    const isMissing = (error as NodeJS.ErrnoException).code === 'ENOENT'
    return [`${conf} ${isMissing ? 'is not there' : `cannot be read (${(error as Error).message})`}: ${again}`]
  }
  const plugins = Array.isArray(read?.plugins) ? read.plugins.map(asObject) : []
  if (!read || plugins.length === 0 || plugins.some(each => typeof each?.type !== 'string'))
    return [`${conf} has no list of plugins, each with a type: ${again}`]
  const { cniVersion, name } = read
  const faults: string[] = []
  if (!supportedVersions.some(each => each === cniVersion))
    faults.push(`${conf} has cniVersion ${shown(cniVersion)}, which ${executableName} does not speak: ${again}`)
  if (typeof name !== 'string' || !isContainerId(name))
    faults.push(`${conf} has name "${shown(name)}", which is no network name: ${again}`)
  const own = plugins.find(each => each?.type === executableName)
  if (!own) faults.push(`${conf} does not call ${executableName}: ${again}`)
  else {
    const { socket = defaultSocket, spoolDir = defaultSpoolDir } = own
    if (socket !== cni.socket)
      faults.push(`${conf} names socket ${shown(socket)}, and margayd listens at ${cni.socket}: ${again}`)
    if (spoolDir !== cni.spoolDir)
      faults.push(
        `${conf} names spoolDir ${shown(spoolDir)}, and margayd looks for what was deleted without it in ${cni.spoolDir}: ${again}`,
      )
  }
  return [...faults, ...plugins.flatMap(each => faultsOfPlugin(String(each?.type), shown(cniVersion), conf, binDir))]
}

function faultsOfPlugin(type: string, cniVersion: string, conf: string, binDir: string): string[] {
  if (type === executableName) return []
  if (type.includes('/'))
    return [`${conf} calls ${type}, which is no name of an executable in ${binDir}: take it out of the file`]
  if (!existsSync(join(binDir, type)))
    return [`${conf} calls ${type}, which is not in ${binDir}: install it there, or take it out of the file`]
  const spoken = versionsOf(join(binDir, type))
  return !spoken || spoken.includes(cniVersion)
    ? []
    : [
        `${conf} has cniVersion ${cniVersion}, which ${type} does not speak, so that no pod is attached: run margayctl cni install --cni-version ${spoken.at(-1) ?? '1.0.0'} with the same --chain`,
      ]
}

function faultsOfOrder({ confDir }: Places): string[] {
  if (!existsSync(confDir)) return []
  const before = readdirSync(confDir).filter(name => /\.(conf|conflist|json)$/.test(name) && name < confName)
  return before.length === 0
    ? []
    : [
        `${join(confDir, before.toSorted()[0])} comes before ${confName}, and runtimes take the first: remove it, or rename it so that it comes later`,
      ]
}

const shown = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value ?? null))
