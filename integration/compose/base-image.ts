// The image that a Dockerfile builds on, made of this machine where no registry can be reached: a Debian of those packages that the
// Dockerfile installs, as they are installed here, with what they depend on, and Node with npm, which takes packages from a cache of
// those in the lock file. Every instruction of the Dockerfile runs on it as it stands; apt-get and npm find all that they want.

import { execFileSync, spawn } from 'node:child_process'
import {
  chmodSync,
  copyFileSync,
  cpSync,
  globSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { fillCache, type Npm } from './npm-cache.ts'

export interface BaseImage {
  /** The files, a tar. */
  readonly tar: Readable
  /** Instructions as those of a Dockerfile. */
  readonly changes: readonly string[]
}

/** Images that a Dockerfile takes from a registry. */
export function imagesOf(dockerfile: string): readonly string[] {
  const stages = new Set<string>()
  const images = new Set<string>()
  for (const [, from, stage] of dockerfile.matchAll(/^FROM (\S+)(?: AS (\S+))?$/gm)) {
    if (!stages.has(from)) images.add(from)
    if (stage !== undefined) stages.add(stage)
  }
  return [...images]
}

/** Debian packages that a Dockerfile installs. */
export function packagesOf(dockerfile: string): readonly string[] {
  const commands = dockerfile.replaceAll('\\\n', ' ').matchAll(/apt-get install ([^&;\n]*)/g)
  return [...commands].flatMap(([, words]) => words.trim().split(/\s+/)).filter(word => !word.startsWith('-'))
}

/** `folder` is for what is put together on the way. */
export async function baseImage(dockerfile: string, npm: Npm, folder: string): Promise<BaseImage> {
  const packages = withDependencies(packagesOf(dockerfile))
  const added = mkdtempSync(join(folder, 'base-'))
  const place = (path: string): string => {
    mkdirSync(join(added, path, '..'), { recursive: true })
    return join(added, path)
  }
  copyFileSync(process.execPath, place('usr/local/bin/node'))
  chmodSync(place('usr/local/bin/node'), 0o755)
  cpSync(npm.folder, place('usr/local/lib/node_modules/npm'), { recursive: true })
  writeFileSync(
    place('usr/local/bin/npm'),
    '#!/bin/sh\nexec node /usr/local/lib/node_modules/npm/bin/npm-cli.js "$@"\n',
  )
  chmodSync(place('usr/local/bin/npm'), 0o755)
  const listed = (paths: Iterable<string>): string => {
    const list = join(mkdtempSync(join(folder, 'list-')), 'paths')
    writeFileSync(list, [...paths].join('\n'))
    return `--files-from=${list}`
  }
  await fillCache(npm, place('var/cache/npm'))
  writeFileSync(place('var/lib/dpkg/status'), statusOf(packages))

  // Besides those of packages, what their scripts made on this machine: users, and how PAM asks after them (vtysh does).
  const made = globSync(['/etc/passwd', '/etc/group', '/etc/pam.d/common-*']).map(path => path.slice(1))
  const files = new Set([...filesOf(packages), ...alternatives(), ...made])
  const own = (readdirSync(added, { recursive: true }) as string[]).filter(path => !files.has(path))
  const tar = spawn(
    'tar',
    ['--create', '--no-recursion', '--directory=/', listed(files), `--directory=${added}`, listed(own)],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  )
  tar.once('close', code => {
    if (code !== 0) tar.stdout.destroy(new Error(`tar ended with ${code}`))
  })
  const changes = ['ENV npm_config_offline=true', 'ENV npm_config_cache=/var/cache/npm']
  return { tar: tar.stdout, changes: [...changes, `ENV npm_config_registry=${npm.registry}`] }
}

/** Names of installed packages, with their architecture where dpkg tells them apart by it. */
function withDependencies(names: readonly string[]): ReadonlySet<string> {
  const format = '${binary:Package}\\t${Package}\\t${Essential}\\t${Provides}\\t${Pre-Depends},${Depends}\\n'
  const rows = dpkgQuery('--show', `--showformat=${format}`).map(line => line.split('\t'))
  const byName = new Map<string, readonly string[]>()
  const nameIn = (text: string): string => text.trim().split(/[ :(]/)[0]
  for (const row of rows) for (const provided of row[3].split(',')) byName.set(nameIn(provided), row)
  for (const row of rows) byName.set(row[1], row)

  const chosen = new Set<string>()
  const add = (row: readonly string[]): void => {
    const [name, , , , depends] = row
    if (chosen.has(name)) return
    chosen.add(name)
    for (const choice of depends.split(',').filter(text => text.trim() !== '')) {
      const found = choice.split('|').map(text => byName.get(nameIn(text)))
      for (const each of found.filter(each => each !== undefined).slice(0, 1)) add(each)
    }
  }
  for (const row of rows.filter(each => each[2] === 'yes')) add(row)
  for (const name of ['apt', ...names]) {
    const row = byName.get(name)
    if (!row) throw new Error(`the Dockerfile installs ${name}, which is not installed here: name it in scripts/setup`)
    add(row)
  }
  return chosen
}

/** Of packages' files those that an image needs, relative to /. */
function filesOf(packages: ReadonlySet<string>): readonly string[] {
  const paths = dpkgQuery('--listfiles', ...packages)
    .filter(line => line.startsWith('/') && !/^\/usr\/share\/(doc|info|locale|man)\/./.test(line))
    // Packages still name files of /usr by the links to it.
    .map(path => path.replace(/^\/(s?bin|lib(32|64|x32)?)\//, '/usr/$1/').slice(1))
    .filter(path => path !== '' && path !== '.')
  return [...new Set(paths)].filter(isThere)
}

/** Links of Debian's alternatives (awk, cc), with those that they go through. */
function alternatives(): readonly string[] {
  return globSync('/var/lib/dpkg/alternatives/*').flatMap(file => {
    const [, link] = readFileSync(file, 'utf8').split('\n')
    return [link.slice(1), file.replace(/.*\//, 'etc/alternatives/')].filter(isThere)
  })
}

/** dpkg's book of what is installed, of these packages alone. */
function statusOf(packages: ReadonlySet<string>): string {
  const names = new Set([...packages].map(each => each.replace(/:.*/, '')))
  const rows = readFileSync('/var/lib/dpkg/status', 'utf8').split('\n\n')
  return rows.filter(row => names.has(/^Package: (\S+)/m.exec(row)?.[1] ?? '')).join('\n\n')
}

function dpkgQuery(...args: string[]): readonly string[] {
  return execFileSync('dpkg-query', args, { encoding: 'utf8', maxBuffer: 1 << 28 })
    .split('\n')
    .filter(Boolean)
}

const isThere = (path: string): boolean => lstatSync(join('/', path), { throwIfNoEntry: false }) !== undefined
