// Builds the stub: `node cni-plugin/stub/build.ts` makes dist/margay-cni with musl's libc, if it is not up to date.
//
// musl, for glibc alone would make the executable fourteen times as large; where `musl-gcc` is missing the system's `cc` does.

import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, renameSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const here = import.meta.dirname

/** Where the stub is after `buildStub`. */
export const stubPath = join(here, '../../dist/margay-cni')

/** Static, so that it runs in whatever root file system the runtime has. Throws with the compiler's words if it fails. */
export function buildStub(): string {
  const sources = readdirSync(here)
    .filter(name => name.endsWith('.c') || name.endsWith('.h'))
    .map(name => join(here, name))
  const newest = Math.max(...[...sources, fileURLToPath(import.meta.url)].map(path => statSync(path).mtimeMs))
  const built = statSync(stubPath, { throwIfNoEntry: false })
  if (built && built.mtimeMs > newest) return stubPath

  mkdirSync(dirname(stubPath), { recursive: true })
  const half = `${stubPath}.${process.pid}`
  const options = [
    '-std=gnu11',
    '-Os',
    '-Wall',
    '-Wextra',
    '-static',
    '-s',
    '-ffunction-sections',
    '-fdata-sections',
    '-fno-asynchronous-unwind-tables',
    '-Wl,--gc-sections',
    '-Wl,-z,noseparate-code',
  ]
  const hasMusl = spawnSync('musl-gcc', ['--version']).error === undefined
  execFileSync(hasMusl ? 'musl-gcc' : 'cc', [...options, '-o', half, ...sources.filter(path => path.endsWith('.c'))], {
    stdio: ['ignore', 'inherit', 'inherit'],
  })
  renameSync(half, stubPath)
  return stubPath
}

if (process.argv[1] === fileURLToPath(import.meta.url)) buildStub()
