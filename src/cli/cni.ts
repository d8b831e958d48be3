// `margayctl cni install|uninstall|check`: the executable and the network configuration where container runtimes look for them.
//
// A runtime takes a node for ready once the configuration is there, so that is written last, and both are moved into place: a
// runtime sees the old file or the new one, whole. The configuration names socket and spool of this node's margayd where they are
// not the usual ones.

import { chmodSync, copyFileSync, existsSync, lstatSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { Command } from 'commander'
import { isContainerId } from '../../cni-plugin/protocol/environment.ts'
import { defaultSocket, defaultSpoolDir } from '../../cni-plugin/protocol/socket.ts'
import { supportedVersions } from '../../cni-plugin/protocol/versions.ts'
import type { DaemonConfig } from '../api/config.ts'
import { findFaults, notesOn } from './cni-faults.ts'
import {
  confName,
  executableName,
  isExecutable,
  ownExecutable,
  placing,
  type Places,
  versionsOf,
} from './cni-places.ts'
import type { Context } from './context.ts'
import { CommandError, print } from './output.ts'
import { makeFolder, place } from './whole-file.ts'

type Options = Places & { readonly cniVersion: string; readonly name: string; readonly chain?: string }

export function registerCni(program: Command, context: Context): void {
  const cni = program.command('cni').description("the CNI executable and its configuration, for this node's runtimes")
  const verb = (name: string, description: string): Command =>
    cni
      .command(name)
      .description(description)
      .option('--bin-dir <dir>', 'where runtimes look for executables', '/opt/cni/bin')
      .option('--conf-dir <dir>', 'where runtimes look for configurations', '/etc/cni/net.d')

  verb('install', 'put executable and configuration in place; again after an upgrade')
    .option('--name <network>', 'name of the network', 'margay')
    .option('--cni-version <version>', 'version of the specification to speak', '1.0.0')
    .option('--chain <plugins>', 'plugins after ours, with a comma between: portmap, bandwidth')
    .action((options: Options) => {
      const written = install(options, context.config())
      print(context.format(), written, () => written.map(path => `wrote ${path}`).join('\n'))
    })
  verb('uninstall', 'take both away again, the configuration first').action((options: Places) => {
    const removed = uninstall(options)
    print(context.format(), removed, () => removed.map(path => `removed ${path}`).join('\n') || 'nothing was there')
  })
  verb('check', 'say whether a runtime would find and reach Margay').action(async (options: Places) => {
    const faults = await findFaults(options, context.config())
    const notes = notesOn(options)
    const well = faults.length === 0 ? ['runtimes find and reach Margay'] : []
    print(context.format(), { faults, notes }, () => [...well, ...notes].join('\n'))
    if (faults.length > 0) throw new CommandError(1, faults.join('\n'))
  })
}

/** Gives the paths that were written, in this order. Throws `CommandError`. */
export function install(options: Options, { cni }: Pick<DaemonConfig, 'cni'>): readonly string[] {
  const { binDir, confDir } = options
  const [executable, conf] = [join(binDir, executableName), join(confDir, confName)]
  refuseOptions(options)
  const isThere = isOfPackage(executable)
  try {
    makeFolder(resolve(binDir))
    makeFolder(resolve(confDir))
    if (!isThere)
      place(executable, half => {
        copyFileSync(ownExecutable(), half)
        chmodSync(half, 0o755)
      })
    place(conf, half => writeFileSync(half, `${JSON.stringify(conflist(options, cni), null, 2)}\n`, { mode: 0o644 }))
  } catch (error) {
    if (error instanceof CommandError) throw error
    throw new CommandError(1, `the CNI plugin cannot be installed: ${(error as Error).message}`)
  }
  return isThere ? [conf] : [executable, conf]
}

/** What a runtime would take for a network that is ready, while every ADD failed. */
function refuseOptions({ name, cniVersion, chain, binDir }: Options): void {
  if (!isContainerId(name))
    throw new CommandError(
      2,
      `--name ${JSON.stringify(name)} is no network name: use letters, digits, dots, dashes and underscores, a letter or digit first`,
    )
  if (!supportedVersions.some(each => each === cniVersion))
    throw new CommandError(
      2,
      `--cni-version ${cniVersion} is none that ${executableName} speaks: take one of ${supportedVersions.join(', ')}`,
    )
  for (const type of pluginsAfter(chain)) {
    if (type === executableName)
      throw new CommandError(2, `--chain names ${executableName}, which is first anyhow: leave it out`)
    if (type.includes('/') || !isExecutable(join(binDir, type)))
      throw new CommandError(
        1,
        `--chain names ${type}, and there is no such executable in ${binDir}: ${placing(type, binDir)}; or leave it out`,
      )
    const spoken = versionsOf(join(binDir, type))
    if (spoken && !spoken.includes(cniVersion))
      throw new CommandError(
        1,
        `--chain names ${type}, which does not speak --cni-version ${cniVersion}: take ${spoken.at(-1) ?? 'another'}, the newest that it speaks, or leave it out`,
      )
  }
}

/** Gives the paths that were removed. */
export function uninstall({ binDir, confDir }: Places): readonly string[] {
  return [join(confDir, confName), join(binDir, executableName)].filter(path => {
    // A link that leads nowhere is there, too.
    if (!lstatSync(path, { throwIfNoEntry: false }) || isOfPackage(path)) return false
    rmSync(path)
    return true
  })
}

/** A link to our own executable, as the Debian package brings it, and takes it away. */
function isOfPackage(path: string): boolean {
  return existsSync(path) && lstatSync(path).isSymbolicLink() && realpathSync(path) === realpathSync(ownExecutable())
}

function conflist({ name, cniVersion, chain }: Options, { socket, spoolDir }: DaemonConfig['cni']): object {
  const own = {
    type: executableName,
    ...(socket !== defaultSocket && { socket }),
    ...(spoolDir !== defaultSpoolDir && { spoolDir }),
    capabilities: { ips: true, mac: true, 'io.kubernetes.cri.pod-annotations': true },
  }
  const after = pluginsAfter(chain).map(type => {
    const capability = capabilityOf[type]
    return { type, ...(capability !== undefined && { capabilities: { [capability]: true } }) }
  })
  return { cniVersion, name, plugins: [own, ...after] }
}

function pluginsAfter(chain = ''): readonly string[] {
  return chain
    .split(',')
    .map(text => text.trim())
    .filter(type => type !== '')
}

const capabilityOf: Readonly<Record<string, string>> = { portmap: 'portMappings', bandwidth: 'bandwidth' }
