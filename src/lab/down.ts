// Takes a lab down: its processes, its namespaces, its files, in that order, from whatever of them is left.
//
// lab.json names what a lab is made of and is written before any of it is, so a lab that was killed at any point is found whole.
// What merely bears a similar name is somebody else's.

import type { LabIo } from './output.ts'
import { namespacesThere, removeNamespaces } from './network.ts'
import { isAlive, recorded, self, stop, stopIn } from './processes.ts'
import { LabDir } from './state.ts'
import { namespacesOf } from './topology.ts'

/** What was found and removed; all zero if there was nothing. */
export interface Removed {
  readonly processes: number
  readonly namespaces: number
  readonly files: boolean
}

export async function tearDown(name: string, io?: LabIo): Promise<Removed> {
  const dir = new LabDir(name)
  const state = dir.read()
  const me = self()
  // The command that still brings it up would make anew what is removed here.
  if (state?.phase === 'coming up' && state.owner.pid !== me.pid && isAlive(state.owner)) {
    io?.err(`The command that brings up ${name} (pid ${state.owner.pid}) is stopped first.\n`)
    await stop([state.owner], 20_000)
  }
  const namespaces = namespacesOfLab(name)
  const files = dir.exists
  const processes = await stopIn(namespaces, [...recorded(dir.processes).values()])
  await removeNamespaces(namespaces)
  dir.remove()
  return { processes, namespaces: namespaces.length, files }
}

/** The namespaces of a lab that exist. Its record names every one before it is made, so nothing else is ever touched. */
export function namespacesOfLab(name: string): readonly string[] {
  const state = new LabDir(name).read()
  const planned = new Set(state ? namespacesOf(state.topology) : [])
  return namespacesThere().filter(netns => planned.has(netns))
}
