// Deleting host ends: what the kernel takes its time for.
//
// It waits twice until nobody can look at a device any more (RCU), which takes some twenty milliseconds, and as long for a hundred devices
// as for one. So those that are asked for while it waits go together: they get a group number that nobody has, and the group is deleted,
// all in one datagram, so that no process can die in between. The other end goes with each.

import { randomInt } from 'node:crypto'
import type { Link, Operation, Result, Rtnetlink } from '../../../netlink/types.ts'
import type { Kernel } from '../kernel.ts'
import { type EndpointError, errorOf } from './errors.ts'
import { isHostDevice } from './names.ts'

export type RemoveOutcome =
  | { readonly ok: true; /** False: there was nothing to remove. */ readonly removed: boolean }
  | { readonly ok: false; readonly error: EndpointError }

/** Devices that go together: one datagram of the addon's holds 128 messages. */
const most = 100

interface Waiting {
  readonly name: string
  readonly resolve: (outcome: RemoveOutcome) => void
}

export class DeviceDeletion {
  readonly #kernel: Kernel
  #waiting: Waiting[] = []
  #running: Promise<void> | undefined
  #socket: Promise<Rtnetlink> | undefined

  constructor(kernel: Kernel) {
    this.#kernel = kernel
  }

  /** Resolves when the device is gone. One that has our name but not our MAC stays. */
  delete(name: string): Promise<RemoveOutcome> {
    return new Promise(resolve => {
      this.#waiting.push({ name, resolve })
      this.#running ??= this.#run().finally(() => (this.#running = undefined))
    })
  }

  /** What was asked for before is done. */
  async close(): Promise<void> {
    await this.#running
    await this.#drop()
  }

  async #run(): Promise<void> {
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.splice(0, most)
      const outcomes = await this.#deleteAll(batch.map(({ name }) => name))
      batch.forEach(({ resolve }, i) => resolve(outcomes[i]))
    }
  }

  async #deleteAll(names: readonly string[]): Promise<readonly RemoveOutcome[]> {
    try {
      const socket = await (this.#socket ??= this.#kernel.open())
      const links = await Promise.all(names.map(name => socket.link(name)))
      const results = await deleteLinks(
        socket,
        links.filter(link => link !== undefined && isHostDevice(link)),
      )
      return links.map((link, i) => outcomeOf(names[i], link, link && results.get(link.index)))
    } catch (thrown) {
      await this.#drop()
      return names.map(name => ({ ok: false, error: errorOf(`device ${name}`, thrown) }))
    }
  }

  async #drop(): Promise<void> {
    const socket = this.#socket
    this.#socket = undefined
    await (await socket?.catch(() => undefined))?.close()
  }
}

/** What became of each, by its index. */
async function deleteLinks(
  socket: Rtnetlink,
  links: readonly (Link | undefined)[],
): Promise<ReadonlyMap<number, Result>> {
  const indices = links.flatMap(link => link?.index ?? [])
  const results = new Map<number, Result>()
  if (indices.length > 1) {
    const group = randomInt(1, 2 ** 31)
    const answers = await socket.apply([
      ...indices.map((link): Operation => ({ do: 'link.set', link, change: { group } })),
      { do: 'links.delete', group },
    ])
    const all = answers[indices.length]
    indices.forEach((index, i) => results.set(index, answers[i].ok ? all : answers[i]))
  }
  const left = indices.filter(index => !isGone(results.get(index)))
  const answers = await socket.apply(left.map((link): Operation => ({ do: 'link.delete', link })))
  left.forEach((index, i) => results.set(index, answers[i]))
  return results
}

function isGone(result: Result | undefined): boolean {
  return result !== undefined && (result.ok || result.errno === 'ENODEV')
}

function outcomeOf(name: string, link: Link | undefined, result: Result | undefined): RemoveOutcome {
  if (!link) return { ok: true, removed: false }
  if (!result) {
    const text = `device ${name}: it has our name but not our MAC (${link.mac ?? 'none'}), so it is not ours to delete; remove or rename it by hand`
    return { ok: false, error: { code: 'interface-exists', text } }
  }
  if (result.ok || result.errno === 'ENODEV') return { ok: true, removed: result.ok }
  const text = `device ${name}: the kernel did not delete it (${result.errno}: ${result.text}); try again`
  return { ok: false, error: { code: 'kernel-refused', text } }
}
