// A node on which `margayctl cni install` has been run, into folders of the test.

import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import { CniWorld } from '../../cni/world.ts'
import type { TestLab } from '../../kit/lab.ts'

/** Where the executable and the network's configuration are. */
export interface CniFolders {
  readonly binDir: string
  readonly confDir: string
}

export interface Installed extends CniFolders {
  readonly world: CniWorld
  /** For the runtime's files; short, for sockets. */
  readonly folder: string
}

export async function installed(t: Test, tag: string): Promise<Installed> {
  const folder = runtimeFolder(t)
  const world = await CniWorld.up(t, tag)
  await world.lab.established()
  return { world, folder, ...(await installOn(world.lab, world.node, folder)) }
}

/** A folder that goes with the test; its path is short, for sockets. */
export function runtimeFolder(t: Test): string {
  const folder = mkdtempSync(join(tmpdir(), 'mgr-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** `margayctl cni install` on a node of any lab. */
export async function installOn(lab: TestLab, node: string, folder: string): Promise<CniFolders> {
  const [binDir, confDir] = [join(folder, node, 'bin'), join(folder, node, 'net.d')]
  mkdirSync(join(folder, node), { recursive: true })
  const { code, stderr } = await lab.margayctl(node, 'cni', 'install', '--bin-dir', binDir, '--conf-dir', confDir)
  if (code !== 0) throw new Error(stderr)
  return { binDir, confDir }
}

/** Addresses in what `ip -o address` prints. */
export function addressesIn(text: string): readonly string[] {
  return [...text.matchAll(/inet6? (\S+) scope global/g)].map(([, cidr]) => cidr.split('/')[0])
}
