// The etcd of a lab: one member, in the namespace of the switch. The nodes reach it by a unix socket, as by a network of its own
// beside the one that the lab is about.

import { existsSync, mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { LabError } from './output.ts'
import { isAlive, recorded, start } from './processes.ts'
import type { LabDir } from './state.ts'
import { netnsOf } from './topology.ts'
import { until } from './until.ts'

const program = '/usr/bin/etcd'
const [host, role] = ['etcd', 'etcd'] as const
/** Milliseconds. */
const patience = 30_000

/** etcd wants a host and a port in every URL and takes both for the socket's name, which is relative to where it runs. */
const [client, peer] = ['client:0', 'peer:0'] as const

export const socketOf = (lab: LabDir): string => join(lab.host(host), client)

/** The `datastore` section of the nodes' files. */
export function etcdConfig(lab: LabDir) {
  return { type: 'etcd', endpoints: [`unix:${socketOf(lab)}`] }
}

/** Throws `LabError`. */
export function requireEtcd(): void {
  if (!existsSync(program))
    throw new LabError(
      1,
      `The lab shall have etcd, but ${program} is not installed: apt-get install --no-install-recommends etcd-server`,
    )
}

/** Starts it, with what it held before, and resolves when it takes connections. Throws `LabError`. */
export async function startEtcd(
  lab: LabDir,
  { signal, args = [] }: { readonly signal?: AbortSignal; readonly args?: readonly string[] } = {},
): Promise<void> {
  const dir = lab.host(host)
  mkdirSync(dir, { recursive: true })
  const record = `${host}-${role}`
  const running = recorded(lab.processes).get(record)
  if (running && isAlive(running)) return
  // One that was killed leaves its sockets behind.
  for (const socket of [client, peer]) rmSync(join(dir, socket), { force: true })
  const flags = [
    '--name=lab',
    '--data-dir=data',
    `--listen-client-urls=unix://${client}`,
    `--advertise-client-urls=unix://${client}`,
    `--listen-peer-urls=unix://${peer}`,
    `--initial-advertise-peer-urls=unix://${peer}`,
    `--initial-cluster=lab=unix://${peer}`,
  ]
  const id = start({
    netns: netnsOf(lab.name, 'switch'),
    argv: ['env', '--chdir', dir, program, ...flags, ...args],
    log: lab.log(host, role),
    record: join(lab.processes, record),
  })
  await until(
    async () => {
      if (!isAlive(id)) throw new LabError(1, `etcd ended at once: ${lab.tail(host, role)}`)
      return existsSync(socketOf(lab))
    },
    patience,
    () => new LabError(1, `etcd is not ready after ${patience / 1000} s: look into ${lab.log(host, role)}.`),
    signal,
  )
}
