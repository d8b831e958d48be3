// A node on which `margayctl cni install` has been run, into folders of the test.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import { CniWorld } from '../../cni/world.ts'

export interface Installed {
  readonly world: CniWorld
  /** For the runtime's files; short, for sockets. */
  readonly folder: string
  readonly binDir: string
  readonly confDir: string
}

export async function installed(t: Test, tag: string): Promise<Installed> {
  const folder = mkdtempSync(join(tmpdir(), 'mgr-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const world = await CniWorld.up(t, tag)
  await world.lab.established()
  const [binDir, confDir] = [join(folder, 'bin'), join(folder, 'net.d')]
  const { code, stderr } = await world.lab.margayctl(
    world.node,
    'cni',
    'install',
    '--bin-dir',
    binDir,
    '--conf-dir',
    confDir,
  )
  if (code !== 0) throw new Error(stderr)
  return { world, folder, binDir, confDir }
}

/** Addresses in what `ip -o address` prints. */
export function addressesIn(text: string): readonly string[] {
  return [...text.matchAll(/inet6? (\S+) scope global/g)].map(([, cidr]) => cidr.split('/')[0])
}
