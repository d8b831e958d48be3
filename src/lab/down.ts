// Takes a lab down: its processes, its namespaces, its files, in that order, from whatever of them is left.
//
// Three ways lead to what a lab made, because any one may be missing after a kill: the plan in lab.json, the namespaces that
// bear its name, and its directory.

import type { LabIo } from './output.ts'
import { namespacesThere, removeNamespaces } from './network.ts'
import { isAlive, recorded, self, stop, stopIn } from './processes.ts'
import { LabDir, labNames } from './state.ts'
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

/** The namespaces of a lab that exist: those planned, and those that bear its name and belong to no other lab. */
export function namespacesOfLab(name: string): readonly string[] {
  const planned = new Set(planOf(name))
  const others = new Set(
    labNames()
      .filter(other => other !== name)
      .flatMap(planOf),
  )
  // Without its directory, which is made first and removed last, nothing that bears the name is this lab's.
  const ours = (netns: string): boolean => new LabDir(name).exists && netns.startsWith(`${name}-`) && !others.has(netns)
  return namespacesThere().filter(netns => planned.has(netns) || ours(netns))
}

function planOf(name: string): readonly string[] {
  const state = new LabDir(name).read()
  return state ? namespacesOf(state.topology) : []
}
