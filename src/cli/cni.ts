// `margayctl cni install|uninstall|check`: the executable and the network configuration where container runtimes look for them.
//
// A runtime takes a node for ready once the configuration is there, so that is written last, and both are moved into place: a
// runtime sees the old file or the new one, whole. The configuration names socket and spool of this node's margayd where they are
// not the usual ones.

import { createHash } from 'node:crypto'
import {
  accessSync,
  chmodSync,
  constants,
  copyFileSync,
  existsSync,
  lstatSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Command } from 'commander'
import { isContainerId } from '../../cni-plugin/protocol/environment.ts'
import { defaultSocket, defaultSpoolDir } from '../../cni-plugin/protocol/socket.ts'
import { supportedVersions } from '../../cni-plugin/protocol/versions.ts'
import type { DaemonConfig } from '../api/config.ts'
import { call } from '../api/client.ts'
import type { Context } from './context.ts'
import { CommandError, print } from './output.ts'
import { makeFolder, place } from './whole-file.ts'

const executableName = 'margay-cni'
const confName = '10-margay.conflist'

export interface Places {
  /** Folder of executables, and of configurations. */
  readonly binDir: string
  readonly confDir: string
}

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
  }
}

/** How one of the common plugins gets into the folder: Debian keeps them elsewhere (containernetworking-plugins). */
function placing(type: string, binDir: string): string {
  const debian = join('/usr/lib/cni', type)
  const link = `ln -s ${debian} ${binDir}/`
  return existsSync(debian)
    ? link
    : `install it there (in Debian: apt-get install containernetworking-plugins, then ${link})`
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return statSync(path).isFile()
  } catch {
    return false
  }
}

/** Gives the paths that were removed. */
export function uninstall({ binDir, confDir }: Places): readonly string[] {
  return [join(confDir, confName), join(binDir, executableName)].filter(path => {
    if (!existsSync(path) || isOfPackage(path)) return false
    rmSync(path)
    return true
  })
}

/** A link to our own executable, as the Debian package brings it, and takes it away. */
function isOfPackage(path: string): boolean {
  return existsSync(path) && lstatSync(path).isSymbolicLink() && realpathSync(path) === realpathSync(ownExecutable())
}

interface Conflist {
  readonly cniVersion?: unknown
  readonly name?: unknown
  readonly plugins: readonly { readonly type: string; readonly socket?: string }[]
}

/** Sentences: what would keep a runtime from attaching pods here, and the next step. */
export async function findFaults(places: Places, config: DaemonConfig): Promise<readonly string[]> {
  const again = 'run margayctl cni install'
  const executable = join(places.binDir, executableName)
  const conf = join(places.confDir, confName)
  const faults: string[] = []
  try {
    accessSync(executable, constants.X_OK)
    if (digest(executable) !== digest(ownExecutable()))
      faults.push(`${executable} is not the executable of this release: ${again}`)
  } catch {
    faults.push(`${executable} is not there, or cannot be executed: ${again}`)
  }
  try {
    const { cniVersion, name, plugins } = JSON.parse(readFileSync(conf, 'utf8')) as Conflist
    if (!supportedVersions.some(each => each === cniVersion))
      faults.push(`${conf} has cniVersion ${String(cniVersion)}, which ${executableName} does not speak: ${again}`)
    if (!isContainerId(String(name)))
      faults.push(`${conf} has name "${String(name)}", which is no network name: ${again}`)
    const own = plugins.find(each => each.type === executableName)
    if (!own) faults.push(`${conf} does not call ${executableName}: ${again}`)
    else if ((own.socket ?? defaultSocket) !== config.cni.socket)
      faults.push(
        `${conf} names socket ${own.socket ?? defaultSocket}, and margayd listens at ${config.cni.socket}: ${again}`,
      )
    for (const { type } of plugins)
      if (!existsSync(join(places.binDir, type)))
        faults.push(
          `${conf} calls ${type}, which is not in ${places.binDir}: install it there, or take it out of the file`,
        )
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === 'ENOENT'
    faults.push(`${conf} ${missing ? 'is not there' : `cannot be read (${(error as Error).message})`}: ${again}`)
  }
  const before = existsSync(places.confDir)
    ? readdirSync(places.confDir).filter(name => /\.(conf|conflist|json)$/.test(name) && name < confName)
    : []
  if (before.length > 0)
    faults.push(
      `${join(places.confDir, before.toSorted()[0])} comes before ${confName}, and runtimes take the first: remove it, or rename it so that it comes later`,
    )
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

/** The executable that came with this command. */
function ownExecutable(): string {
  for (let folder = dirname(fileURLToPath(import.meta.url)); ; folder = dirname(folder)) {
    const found = [join(folder, executableName), join(folder, 'dist', executableName)].find(existsSync)
    if (found !== undefined) return found
    if (folder === dirname(folder))
      throw new CommandError(1, `${executableName} is not beside margayctl: install it from the same release`)
  }
}

const digest = (path: string): string => createHash('sha256').update(readFileSync(path)).digest('hex')
