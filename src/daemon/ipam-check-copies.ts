// Findings about the copies of this node's addresses in the datastore: those that are left over, that say something else than the node's own
// store, or of which nobody can read all. None while the datastore cannot be read: the check of the cluster says that.

import { setTimeout as sleep } from 'node:timers/promises'
import type { IpamFinding } from '../api/contract.ts'
import { type Ipam, IpamError } from '../ipam/index.ts'
import { strangeText } from '../ipam/strange.ts'
import type { Found } from './ipam-check.ts'

/** Milliseconds. */
const betweenLooks = 500

export function isOfCopies(kind: IpamFinding['kind']): boolean {
  return ['orphan-copy', 'stale-copy', 'unreadable'].includes(kind)
}

export async function ofCopies(ipam: Ipam): Promise<readonly Found[]> {
  const orphans = await orphanCopies(ipam)
  const stale = await staleCopies(ipam)
  // As they were seen by the look at the others.
  return [...orphans, ...stale, ...strangeCopies(ipam)]
}

async function orphanCopies(ipam: Ipam): Promise<readonly Found[]> {
  let sweep: Promise<readonly string[]> | undefined
  const names = await ipam.orphanCopies().catch(noneIfAway)
  return names.map(name => ({
    kind: 'orphan-copy',
    object: name,
    text: 'addresses are noted for this node in a block that is not its own: margayd was killed when the block went. It deletes the note within the hour.',
    repair: async () => (await (sweep ??= ipam.sweepCopies())).includes(name),
  }))
}

async function staleCopies(ipam: Ipam): Promise<readonly Found[]> {
  let mending: Promise<readonly string[]> | undefined
  const copies = await lastingCopies(ipam).catch(noneIfAway)
  return copies.map(({ name, unreadable }) => {
    const finding = { kind: 'stale-copy', object: name } as const
    if (unreadable !== undefined)
      return { ...finding, text: `what is noted of the addresses of this node cannot be read: ${unreadable}` }
    return {
      ...finding,
      text: 'what is noted of the addresses of this node is not what it has given: somebody else changed or deleted the note, or it could not be written yet. The node writes it anew within five minutes.',
      repair: async () => (await (mending ??= ipam.mendCopies())).includes(name),
    }
  })
}

/** What two looks find of the same addresses: a pod that comes or goes has its details a moment before they are noted. */
async function lastingCopies(ipam: Ipam): ReturnType<Ipam['staleCopies']> {
  const before = new Map((await ipam.staleCopies()).map(({ name, differing }) => [name, differing]))
  if (before.size === 0) return []
  await sleep(betweenLooks)
  return (await ipam.staleCopies()).filter(({ name, differing }) => {
    const first = before.get(name)
    return first && (first.length === 0 || differing.length === 0 || differing.some(each => first.includes(each)))
  })
}

function strangeCopies(ipam: Ipam): readonly Found[] {
  let discarding: Promise<readonly string[]> | undefined
  return ipam.strangeCopies().map(copy => ({
    kind: 'unreadable',
    object: copy.name,
    text: `${strangeText(copy, ipam.show().node)}.`,
    repair: async () => (await (discarding ??= ipam.discardStrange())).includes(copy.name),
  }))
}

function noneIfAway(error: unknown): readonly never[] {
  if (error instanceof IpamError && error.code === 'unreachable') return []
  throw error
}
