// Builds the stub: `node cni-plugin/stub/build.ts` makes dist/margay-cni with the system's C compiler, if it is not up to date.

import { execFileSync } from 'node:child_process'
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
    '-Wl,--gc-sections',
  ]
  execFileSync('cc', [...options, '-o', half, ...sources.filter(path => path.endsWith('.c'))], {
    stdio: ['ignore', 'inherit', 'inherit'],
  })
  renameSync(half, stubPath)
  return stubPath
}

if (process.argv[1] === fileURLToPath(import.meta.url)) buildStub()
