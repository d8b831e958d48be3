// The machine's npm and, of its cache, what a lock file names: with that alone npm installs the lock file's packages without a network.

import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, realpathSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'

export interface Npm {
  readonly folder: string
  readonly cache: string
  readonly registry: string
}

/** What npm itself keeps its cache by. */
interface Cacache {
  ls(cache: string): Promise<Record<string, { key: string; integrity: string; metadata: unknown }>>
  get: { byDigest(cache: string, integrity: string): Promise<Buffer> }
  put(cache: string, key: string, data: Buffer, options: object): Promise<unknown>
}

/** Undefined for an npm that has its parts elsewhere, as Debian's own package has them. */
export function findNpm(): Npm | undefined {
  const program = execFileSync('sh', ['-c', 'command -v npm'], { encoding: 'utf8' }).trim()
  const config = (name: string): string => execFileSync(program, ['config', 'get', name], { encoding: 'utf8' }).trim()
  const folder = join(realpathSync(program), '..', '..')
  if (!existsSync(join(folder, 'node_modules/cacache'))) return undefined
  return { folder, cache: join(config('cache'), '_cacache'), registry: config('registry') }
}

/** Copies the entries of packages that `npm ci --omit=dev` wants; `into` becomes an npm cache. */
export async function fillCache(npm: Npm, into: string): Promise<void> {
  const cacache = createRequire(join(npm.folder, 'bin/npm-cli.js'))('cacache') as Cacache
  const { packages } = JSON.parse(readFileSync('package-lock.json', 'utf8')) as {
    packages: Record<string, { integrity?: string; dev?: boolean; optional?: boolean }>
  }
  const wanted = Object.entries(packages).filter(([, each]) => !each.dev && each.integrity)
  const names = new Set(wanted.map(([path]) => path.replace(/.*node_modules\//, '')))
  const archives = new Set(wanted.map(([, each]) => each.integrity))
  const found = new Set<string | undefined>()
  for (const { key, integrity, metadata } of Object.values(await cacache.ls(npm.cache))) {
    const [, name] = /^make-fetch-happen:request-cache:https?:\/\/[^/]+\/(.*)$/.exec(key) ?? []
    if (name === undefined || !(archives.has(integrity) || names.has(decodeURIComponent(name)))) continue
    const data = await cacache.get.byDigest(npm.cache, integrity)
    await cacache.put(join(into, '_cacache'), key, data, { integrity, metadata })
    found.add(integrity)
  }
  const [missing] = wanted.filter(([, each]) => !each.optional && !found.has(each.integrity))
  if (missing)
    throw new Error(
      `npm's cache has no ${missing[0]}: remove node_modules, run npm ci, which fills the cache, and try again`,
    )
}
