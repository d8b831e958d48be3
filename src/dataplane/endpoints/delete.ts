// Deleting host ends: what the kernel takes its time for.
//
// Both ends of a pair are gone for everybody, for good, when the kernel tells that the host end is (RTM_DELLINK): of sixteen pairs after
// some seven milliseconds. It answers the one who asked only when nobody can look at them any more (RCU), some twenty milliseconds later,
// with its lock already free for the next. So a deletion is done with the news of it or with the answer, whichever comes first, and the
// next begins on another socket while this one's thread still waits. What is asked for meanwhile goes together: it gets a group number that
// nobody has, and the group is deleted, all in one datagram, so that no process can die in between.

import { randomInt } from 'node:crypto'
import type { Link, Operation, Result, Rtnetlink } from '../../../netlink/types.ts'
import { type Endpoint, endpointName } from '../../model/endpoint.ts'
import type { Kernel } from '../kernel.ts'
import type { KernelMirror } from '../mirror.ts'
import { type EndpointError, errorOf } from './errors.ts'
import { isHostDevice } from './names.ts'

export type RemoveOutcome =
  | { readonly ok: true; /** False: there was nothing to remove. */ readonly removed: boolean }
  | { readonly ok: false; readonly error: EndpointError }

/** Devices that go together: one datagram of the addon's holds 128 messages. */
const most = 100
/** Sockets that may wait for the kernel's answer at once. */
const mostSockets = 4

interface Waiting {
  readonly name: string
  readonly resolve: (outcome: RemoveOutcome) => void
}

export class DeviceDeletion {
  readonly #kernel: Kernel
  readonly #unlisten: (() => void) | undefined
  readonly #idle: Rtnetlink[] = []
  /** What sockets still wait for an answer of. */
  readonly #answers = new Set<Promise<void>>()
  /** Who waits for a device to be gone, by its index. */
  readonly #leaving = new Map<number, () => void>()
  #waiting: Waiting[] = []
  #running: Promise<void> | undefined

  /** `mirror`: what tells that devices are gone; without it the kernel's answers do. */
  constructor(kernel: Kernel, mirror?: Pick<KernelMirror, 'onChange'>) {
    this.#kernel = kernel
    this.#unlisten = mirror?.onChange(change => {
      if (change.what === 'link' && change.gone) this.#leaving.get(change.link.index)?.()
    })
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
    await Promise.all(this.#answers)
    this.#unlisten?.()
    await Promise.all(this.#idle.splice(0).map(socket => socket.close()))
  }

  async #run(): Promise<void> {
    while (this.#waiting.length > 0) {
      while (this.#answers.size >= mostSockets) await Promise.race(this.#answers)
      await this.#deleteAll(this.#waiting.splice(0, most))
    }
  }

  /** Resolves when all are gone, or cannot be deleted. Never rejects. */
  async #deleteAll(batch: readonly Waiting[]): Promise<void> {
    let socket: Rtnetlink | undefined
    try {
      socket = this.#idle.pop() ?? (await this.#kernel.open())
      await this.#deleteBy(socket, batch)
    } catch (thrown) {
      for (const { name, resolve } of batch) resolve({ ok: false, error: errorOf(`device ${name}`, thrown) })
      await socket?.close()
    }
  }

  async #deleteBy(socket: Rtnetlink, batch: readonly Waiting[]): Promise<void> {
    const links = await Promise.all(batch.map(({ name }) => socket.link(name)))
    const ours: Link[] = []
    const gone: Promise<void>[] = []
    links.forEach((link, i) => {
      const { name, resolve } = batch[i]
      if (!link || !isHostDevice(link)) return resolve(outcomeOf(name, link, undefined))
      ours.push(link)
      gone.push(this.#goneOf(link).then(() => resolve({ ok: true, removed: true })))
    })
    const answered = deleteLinks(socket, ours).then(
      results => {
        batch.forEach(({ name, resolve }, i) => resolve(outcomeOf(name, links[i], results.get(links[i]?.index ?? 0))))
        this.#idle.push(socket)
      },
      async (thrown: unknown) => {
        for (const { name, resolve } of batch) resolve({ ok: false, error: errorOf(`device ${name}`, thrown) })
        await socket.close()
      },
    )
    const ended = answered.finally(() => {
      this.#answers.delete(ended)
      for (const { index } of ours) this.#leaving.delete(index)
    })
    this.#answers.add(ended)
    await Promise.race([Promise.all(gone), ended])
  }

  #goneOf({ index }: Link): Promise<void> {
    return new Promise(resolve => this.#leaving.set(index, resolve))
  }
}

/**
 * Deletes the pod's end, for a pair whose host end is no longer in the node's namespace: somebody moved it away. The kernel takes the host
 * end along, wherever it is.
 */
export async function deleteFarEnd(kernel: Kernel, endpoint: Endpoint): Promise<RemoveOutcome> {
  const { netns, ifName, mac } = endpoint
  if (mac === undefined || (await kernel.identify(netns)) === undefined) return { ok: true, removed: false }
  await using pod = await kernel.open(netns)
  const link = await pod.link(ifName)
  if (link?.kind !== 'veth' || link.mac !== mac) return { ok: true, removed: false }
  const results = await deleteLinks(pod, [link])
  return outcomeOf(`${ifName} of ${endpointName(endpoint)}`, link, results.get(link.index))
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
