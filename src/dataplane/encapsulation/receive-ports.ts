// The UDP ports by which the kernel unwraps FoU and GUE: there before the device, gone before it.
//
// They are objects apart from the devices, and the kernel tells nobody when one comes or goes: it is asked every few seconds.

import type { Fou, FouPort } from '../../../netlink/generic/fou-types.ts'
import { NoGenericFamily } from '../../../netlink/index.ts'
import { isReceivePort } from './fou.ts'

/** Why a port is not there. */
export type PortFault = 'not in kernel' | { readonly errno: string; readonly text: string }

export class ReceivePorts {
  readonly #open: () => Promise<Fou>

  constructor(open: () => Promise<Fou>) {
    this.#open = open
  }

  /** Makes the port unless it is there; one of ours that is bound to another address gives way. */
  async ensure(wanted: FouPort): Promise<PortFault | undefined> {
    try {
      await using socket = await this.#open()
      const ours = (await socket.ports()).filter(found => isReceivePort(found) && found.port === wanted.port)
      if (ours.some(found => found.local === wanted.local)) return undefined
      for (const stale of ours) await socket.delete(stale)
      const result = await socket.add(wanted)
      return result.ok ? undefined : result
    } catch (error) {
      if (error instanceof NoGenericFamily) return 'not in kernel'
      throw error
    }
  }

  /** True as well where that cannot be known. */
  async isThere(wanted: FouPort): Promise<boolean> {
    const found = await receivePorts(this.#open).catch(() => [wanted])
    return found.some(({ port, local }) => port === wanted.port && local === wanted.local)
  }

  /** Removes what is there of ours with that number. */
  async remove(port: number): Promise<void> {
    await removeReceivePorts(this.#open, found => found.port === port)
  }
}

/** Ports of ours; none on a kernel without FoU. */
export async function receivePorts(open: () => Promise<Fou>): Promise<readonly FouPort[]> {
  try {
    await using socket = await open()
    return (await socket.ports()).filter(isReceivePort)
  } catch (error) {
    if (error instanceof NoGenericFamily) return []
    throw error
  }
}

/** Removes those of ours that are meant. Returns sentences for what the kernel refused. */
export async function removeReceivePorts(
  open: () => Promise<Fou>,
  isMeant: (port: FouPort) => boolean,
): Promise<readonly string[]> {
  const found = (await receivePorts(open)).filter(isMeant)
  if (found.length === 0) return []
  await using socket = await open()
  const refused: string[] = []
  for (const each of found) {
    const result = await socket.delete(each)
    if (!result.ok && result.errno !== 'ENOENT')
      refused.push(`UDP port ${each.port} (${each.type}) on ${each.local} stays: the kernel says ${result.text}`)
  }
  return refused
}
