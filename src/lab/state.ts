// What a lab keeps on disk, so that a later command finds it and `down` can remove it whatever happened in between.
//
//   /run/margay/lab/NAME/
//     lab.json            what was planned, written before anything is made
//     processes/          one file per process, written as it starts: pid and start time
//     hosts/HOST/         a router's or node's configuration, sockets and data
//     bin/HOST/           the operator's commands, set to that host
//     logs/               one file per process
//     cni/                results of the CNI executable

import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { PodPlan, Topology } from './topology.ts'
import type { ProcessId } from './processes.ts'

/** Where the cluster's records are: a file, or an etcd of the lab's own. */
export type LabDatastore = 'embedded' | 'etcd'

export interface LabState {
  readonly name: string
  /** The lab file, as it was given. */
  readonly file: string
  /** ISO 8601. */
  readonly startedAt: string
  readonly phase: 'coming up' | 'up'
  /** Who brings it up: gone, or still at it. */
  readonly owner: ProcessId
  readonly topology: Topology
}

export const labsDir = '/run/margay/lab'

export class LabDir {
  readonly name: string
  readonly path: string

  constructor(name: string) {
    this.name = name
    this.path = join(labsDir, name)
  }

  host(host: string): string {
    return join(this.path, 'hosts', host)
  }

  bin(host: string): string {
    return join(this.path, 'bin', host)
  }

  log(host: string, role: string): string {
    return join(this.path, 'logs', `${host}-${role}.log`)
  }

  /** The last lines that a process has printed. */
  tail(host: string, role: string): string {
    try {
      return (
        readFileSync(this.log(host, role), 'utf8').trim().split('\n').slice(-5).join('\n  ') || 'it printed nothing'
      )
    } catch {
      return 'it left no log'
    }
  }

  get processes(): string {
    return join(this.path, 'processes')
  }

  /** Where a node's runtime keeps what CNI answered. */
  cniOf(node: string): string {
    return join(this.path, 'cni', node)
  }

  /** The resources of the lab file, each on its line there. */
  get resources(): string {
    return join(this.path, 'resources.yaml')
  }

  get nodeResources(): string {
    return join(this.path, 'nodes.yaml')
  }

  get exists(): boolean {
    return existsSync(this.path)
  }

  /** Takes the name: false if the lab is there already. */
  claim(state: LabState): boolean {
    mkdirSync(labsDir, { recursive: true })
    try {
      mkdirSync(this.path)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
      throw error
    }
    for (const part of ['processes', 'hosts', 'bin', 'logs', 'cni']) mkdirSync(join(this.path, part))
    this.write(state)
    return true
  }

  /** undefined: no lab of the name, or one whose record was not yet written or is damaged. */
  read(): LabState | undefined {
    try {
      return JSON.parse(readFileSync(join(this.path, 'lab.json'), 'utf8')) as LabState
    } catch {
      return undefined
    }
  }

  write(state: LabState): void {
    const file = join(this.path, 'lab.json')
    writeFileSync(`${file}.new`, `${JSON.stringify(state, null, 2)}\n`)
    renameSync(`${file}.new`, file)
  }

  /** Changes the list of pods. */
  writePods(change: (pods: readonly PodPlan[]) => readonly PodPlan[]): void {
    const state = this.read()
    if (state) this.write({ ...state, topology: { ...state.topology, pods: change(state.topology.pods) } })
  }

  remove(): void {
    rmSync(this.path, { recursive: true, force: true })
    // The parents go as well when nothing else is in them.
    for (const parent of [labsDir, join(labsDir, '..')]) {
      if (!existsSync(parent) || readdirSync(parent).length > 0) return
      rmSync(parent, { recursive: true })
    }
  }
}

/** Names of the labs that have a directory. */
export function labNames(): readonly string[] {
  return existsSync(labsDir) ? readdirSync(labsDir).toSorted() : []
}
