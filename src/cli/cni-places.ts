// Where container runtimes look for plugins and their configurations, and what is found there.

import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { accessSync, constants, existsSync, readFileSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { CommandError } from './output.ts'

export const executableName = 'margay-cni'
export const confName = '10-margay.conflist'

export interface Places {
  /** Folder of executables, and of configurations. */
  readonly binDir: string
  readonly confDir: string
}

/** How one of the common plugins gets into the folder: Debian keeps them elsewhere (containernetworking-plugins). */
export function placing(type: string, binDir: string): string {
  const debian = join('/usr/lib/cni', type)
  const link = `ln -s ${debian} ${binDir}/`
  return existsSync(debian)
    ? link
    : `install it there (in Debian: apt-get install containernetworking-plugins, then ${link})`
}

export function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return statSync(path).isFile()
  } catch {
    return false
  }
}

/** The versions of the specification that a plugin says it speaks, from old to new; undefined: it does not answer. */
export function versionsOf(plugin: string): readonly string[] | undefined {
  const { stdout } = spawnSync(plugin, {
    env: { CNI_COMMAND: 'VERSION' },
    input: '{"cniVersion":"1.0.0"}',
    encoding: 'utf8',
    timeout: 5_000,
  })
  try {
    const { supportedVersions } = JSON.parse(stdout) as { readonly supportedVersions?: unknown }
    return Array.isArray(supportedVersions) ? supportedVersions.map(String) : undefined
  } catch {
    return undefined
  }
}

/** The executable that came with this command. */
export function ownExecutable(): string {
  for (let folder = dirname(fileURLToPath(import.meta.url)); ; folder = dirname(folder)) {
    const found = [join(folder, executableName), join(folder, 'dist', executableName)].find(existsSync)
    if (found !== undefined) return found
    if (folder === dirname(folder))
      throw new CommandError(1, `${executableName} is not beside margayctl: install it from the same release`)
  }
}

export const digest = (path: string): string => createHash('sha256').update(readFileSync(path)).digest('hex')
