// A node that leaves: what margayd has made on this machine, found and removed while it is stopped.
//
// Kernel objects go as src/dataplane/reset.ts says. What the node remembers on disk goes only when asked for: with its own store a node
// that comes back gives no address twice.

import { existsSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { type DaemonConfig, routeMark } from '../api/config.ts'
import { findObjects, type KernelObjects, linuxKernel, removeObjects, type Sysctl } from '../dataplane/index.ts'
import type { Kernel } from '../dataplane/kernel.ts'
import { type NodeStore, openNodeStore } from '../datastore/index.ts'
import { daemonsHere } from './running.ts'
import { sysctlTable } from './setting-records.ts'

export interface Leftovers {
  readonly kernel: KernelObjects
  /** Files and folders of this node alone, as far as they exist: its own store, the spool of the CNI executable, its sockets. */
  readonly files: readonly string[]
}

/** margayd runs here: nothing is removed under it. */
export class StillRunning extends Error {}

/** Calls `use` with this node's store, if there is one, and rejects with `StillRunning` while a daemon has it. */
async function stopped<T>(config: DaemonConfig, use: (store: NodeStore | undefined) => Promise<T>): Promise<T> {
  const [pid] = daemonsHere()
  if (pid !== undefined)
    throw new StillRunning(
      `margayd runs here (process ${pid}) and would make again what is removed: stop it first, like: systemctl stop margayd`,
    )
  const path = storeOf(config)
  if (!existsSync(path)) return use(undefined)
  const store = await openNodeStore(path) // fails while another process has it
  try {
    return await use(store)
  } finally {
    await store.close()
  }
}

/** What is there. Changes nothing. */
export function findLeftovers(config: DaemonConfig, kernel: Kernel = linuxKernel()): Promise<Leftovers> {
  return stopped(config, store => find(config, kernel, store))
}

/** Removes what `findLeftovers` tells of, the files only with `state`. Returns what was there, and sentences for what stays. */
export async function removeLeftovers(
  config: DaemonConfig,
  { state }: { readonly state: boolean },
  kernel: Kernel = linuxKernel(),
): Promise<Leftovers & { readonly problems: readonly string[] }> {
  const done = await stopped(config, async store => {
    const found = await find(config, kernel, store)
    const problems = await removeObjects(kernel, found.kernel)
    // What was put back is not to be put back again over what somebody sets next.
    const rows = problems.length === 0 ? ((await store?.all(sysctlTable)) ?? []) : []
    await store?.commit(rows.map(({ key }) => ({ do: 'delete', table: sysctlTable, key })))
    return { ...found, problems }
  })
  if (state) for (const path of done.files) rmSync(path, { recursive: true, force: true })
  return done
}

async function find(config: DaemonConfig, kernel: Kernel, store: NodeStore | undefined): Promise<Leftovers> {
  const rows = (await store?.all(sysctlTable)) ?? []
  const remembered = rows.map(({ key, value }) => ({ name: key as Sysctl['name'], value: String(value) }))
  return {
    kernel: await findObjects(kernel, remembered, routeMark(config)),
    files: [
      ...['', '-wal', '-shm'].map(suffix => `${storeOf(config)}${suffix}`),
      wireguardKeyOf(config),
      config.cni.spoolDir,
      config.cni.socket,
      config.api.socket,
    ].filter(existsSync),
  }
}

/** The node's private key, if it has ever had a WireGuard device. */
export function wireguardKeyOf(config: DaemonConfig): string {
  return join(config.stateDir, 'wireguard.key')
}

export function storeOf(config: DaemonConfig): string {
  return join(config.stateDir, 'node.db')
}
