// Builds the addon with the system's C compiler: `node netlink/native/build.ts`. Does nothing when the output is newer than the
// sources. Node-API is ABI-stable: one binary serves every Node from 20.12 on.

import { spawnSync } from 'node:child_process'
import { existsSync, globSync, mkdirSync, renameSync, statSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'

const here = dirname(fileURLToPath(import.meta.url))

/** Where the addon of this platform is built to. */
export const output = join(here, '..', 'dist', `netlink-${process.platform}-${process.arch}.node`)

/**
 * Builds the addon if it is missing or older than a source.
 * @throws Error with one clear sentence if that cannot be done
 */
export function build(into: string = output, compiler: string = process.env['CC'] ?? 'cc'): 'built' | 'up to date' {
  if (process.platform !== 'linux')
    throw new Error(`netlink-ts speaks to the Linux kernel; this is ${process.platform}. Build it on Linux.`)
  const sources = globSync(join(here, '*.{c,h}')).toSorted()
  const newest = Math.max(...[...sources, fileURLToPath(import.meta.url)].map(file => statSync(file).mtimeMs))
  if (existsSync(into) && statSync(into).mtimeMs > newest) return 'up to date'

  const headers = join(dirname(createRequire(import.meta.url).resolve('node-api-headers')), 'include')
  const fresh = `${into}.${process.pid}`
  mkdirSync(dirname(into), { recursive: true })
  const flags = ['-shared', '-fPIC', '-O2', '-std=gnu11', '-Wall', '-Wextra', '-I', headers]
  const files = sources.filter(file => file.endsWith('.c'))
  const command = [...flags, '-o', fresh, ...files, '-lpthread']
  const { error, status, stderr } = spawnSync(compiler, command, { encoding: 'utf8' })
  if (error)
    throw new Error(
      `netlink-ts needs a C compiler to build its addon, and "${compiler}" did not start (${error.message}). Install one (apt-get install gcc libc6-dev), or name yours in CC.`,
    )
  if (status !== 0) throw new Error(`netlink-ts: ${compiler} could not build the addon.\n${stderr}`)
  if (stderr) process.stderr.write(stderr)
  renameSync(fresh, into) // in one step: another process may be loading it
  return 'built'
}

if (import.meta.main) {
  try {
    if (build() === 'built') console.error(`build: ${relative(process.cwd(), output)}`)
  } catch (error) {
    console.error(error instanceof Error ? error.message : error)
    process.exit(1)
  }
}
