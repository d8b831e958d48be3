// Where the programs are that a lab runs: the bundles and the CNI executable in dist/ of the tree that this file belongs to.

import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { LabError } from './output.ts'

export interface Programs {
  readonly node: string
  readonly margayd: string
  readonly margayctl: string
  /** The CNI executable. */
  readonly cni: string
}

/** Throws `LabError` if they are not built. */
export function findPrograms(): Programs {
  const dist = distDir()
  const programs = {
    node: process.execPath,
    margayd: join(dist, 'margayd.js'),
    margayctl: join(dist, 'margayctl.js'),
    cni: join(dist, 'margay-cni'),
  }
  const missing = Object.values(programs).find(path => !existsSync(path))
  if (missing) throw new LabError(1, `${missing} is not built: run npm run setup first.`)
  return programs
}

/** The nearest dist/ with the daemon, upwards from here: from the sources as from the bundle. */
function distDir(): string {
  let folder = dirname(fileURLToPath(import.meta.url))
  while (folder !== dirname(folder)) {
    if (existsSync(join(folder, 'dist', 'margayd.js'))) return join(folder, 'dist')
    if (existsSync(join(folder, 'package-lock.json'))) return join(folder, 'dist')
    folder = dirname(folder)
  }
  return join(folder, 'dist')
}
