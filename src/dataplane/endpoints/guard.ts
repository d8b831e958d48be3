// Host ends of pods' veth pairs stay as they were made: up, with their name, MAC, MTU and IPv6 gateway address, in no bridge. Whoever
// changes one finds it put right within a moment, and is complained of if it goes on. A device that was deleted cannot be put back,
// because its other end went with it: that is told for as long as the pod is there.

import type { Link, LinkChange, Operation, Rtnetlink } from '../../../netlink/types.ts'
import { type Endpoint, endpointKey } from '../../model/endpoint.ts'
import type { Clock } from '../clock.ts'
import { Fights } from '../fights.ts'
import type { Kernel } from '../kernel.ts'
import type { KernelMirror, MirrorChange } from '../mirror.ts'
import { hostMac } from './names.ts'
import { familiesOf, gateway6, gatewayOperation, hostOperations } from './wiring.ts'

export interface GuardOptions {
  readonly kernel: Kernel
  readonly socket: Rtnetlink
  readonly mirror: KernelMirror
  readonly clock: Clock
}

interface Kept {
  readonly endpoint: Endpoint
  /** Of the host end: it stays when the name changes. */
  readonly index: number
  /** It was as it should be when last seen. */
  whole: boolean
}

/** Wait after an event for the rest of its burst. Milliseconds. */
const settleFor = 20

export class HostEndGuard {
  readonly #options: GuardOptions
  readonly #kept = new Map<number, Kept>()
  readonly #indices = new Map<string, number>()
  readonly #fights: Fights<never>
  readonly #faults = new Map<number, string>()
  /** Of pods that were taken over without their device, by its name. */
  readonly #lost = new Map<string, string>()
  readonly #due = new Set<number>()
  readonly #unlisten: () => void
  #cancel: (() => void) | undefined
  #turn: Promise<void> = Promise.resolve()
  #closed = false

  constructor(options: GuardOptions) {
    this.#options = options
    this.#fights = new Fights(options.clock)
    this.#unlisten = options.mirror.onChange(change => this.#heard(change))
  }

  keep(endpoint: Endpoint, index: number): void {
    this.release(endpoint.hostDevice)
    this.#kept.set(index, { endpoint, index, whole: true })
    this.#indices.set(endpoint.hostDevice, index)
    this.#lookSoon(index)
  }

  /** A pod is recorded, and its device is gone: told until `release`. */
  miss(endpoint: Endpoint): void {
    const { hostDevice } = endpoint
    this.#lost.set(
      hostDevice,
      `pod ${nameOf(endpoint)}: its device ${hostDevice} is gone, so it has no network; delete the pod and start it again`,
    )
  }

  /** The device is about to be deleted. */
  release(hostDevice: string): void {
    this.#lost.delete(hostDevice)
    const index = this.#indices.get(hostDevice)
    if (index === undefined) return
    this.#indices.delete(hostDevice)
    this.#kept.delete(index)
    this.#faults.delete(index)
    this.#fights.forget(hostDevice)
  }

  /** Sentences for devices that are gone, that cannot be put right, or that somebody changes again and again. */
  get problems(): readonly string[] {
    const fights = [...this.#fights.all()].map(
      ([device, { count }]) =>
        `device ${device} of a pod: somebody changes it again and again (${count} times in a short while), so it is put right ever more slowly; find out with ip monitor link address, and have that program leave mgy* alone (systemd-networkd and NetworkManager: unmanaged)`,
    )
    return [...this.#faults.values(), ...this.#lost.values(), ...fights]
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#unlisten()
    this.#cancel?.()
    await this.#turn
  }

  #heard(change: MirrorChange): void {
    const index = change.what === 'link' ? change.link.index : change.what === 'address' ? change.address.link : 0
    if (this.#kept.has(index)) this.#lookSoon(index)
  }

  #lookSoon(index: number, ms = settleFor): void {
    this.#due.add(index)
    if (ms === settleFor && this.#cancel) return
    this.#cancel?.()
    this.#cancel = this.#options.clock.after(ms, () => {
      this.#cancel = undefined
      const due = [...this.#due]
      this.#due.clear()
      this.#turn = this.#turn.then(async () => {
        for (const one of due) if (!this.#closed) await this.#look(one)
      })
    })
  }

  async #look(index: number): Promise<void> {
    const kept = this.#kept.get(index)
    if (!kept) return
    const { hostDevice } = kept.endpoint
    try {
      const link = this.#options.mirror.link(index)
      if (!link) return await this.#mourn(kept)
      const steps = this.#steps(kept.endpoint, link)
      if (steps.length === 0) {
        kept.whole = true
        this.#faults.delete(index)
        return
      }
      if (kept.whole) this.#fights.struck(hostDevice)
      kept.whole = false
      const wait = this.#fights.at(hostDevice) ? this.#fights.wait(hostDevice) : 0
      if (wait > 0) return this.#lookSoon(index, wait)
      await this.#putRight(kept, steps)
    } catch (error) {
      this.#faults.set(index, `device ${hostDevice}: ${error instanceof Error ? error.message : String(error)}`)
    }
  }

  #steps({ hostDevice, mtu, addresses }: Endpoint, link: Link): readonly Operation[] {
    const { index } = link
    const change: LinkChange = {
      ...(link.name !== hostDevice && { name: hostDevice }),
      ...(link.mtu !== mtu && { mtu }),
      ...(link.mac !== hostMac && { mac: hostMac }),
      ...(link.master !== undefined && { master: 0 }),
      ...(link.noArp && { noArp: false }),
      ...(!link.up && { up: true }),
    }
    // A link that goes down loses its IPv6 addresses.
    const lacksGateway = familiesOf(addresses).v6 && (!link.up || !this.#hasGateway(index))
    return [
      ...(Object.keys(change).length > 0 ? [{ do: 'link.set', link: index, change } as const] : []),
      ...(lacksGateway ? [gatewayOperation(index)] : []),
    ]
  }

  #hasGateway(index: number): boolean {
    for (const { link, cidr } of this.#options.mirror.addresses)
      if (link === index && cidr === `${gateway6}/64`) return true
    return false
  }

  async #putRight({ endpoint, index }: Kept, steps: readonly Operation[]): Promise<void> {
    const { socket } = this.#options
    let refused = (await socket.apply(steps)).find(result => !result.ok)
    if (refused && !refused.ok && refused.errno === 'EBUSY') {
      // Before Linux 6.2 a link had to be down for a new name.
      const down: Operation = { do: 'link.set', link: index, change: { up: false } }
      const up = hostOperations(index, familiesOf(endpoint.addresses))
      refused = (await socket.apply([down, ...steps, ...up])).find(result => !result.ok)
    }
    if (!refused || refused.ok) this.#faults.delete(index)
    else
      this.#faults.set(
        index,
        `device ${endpoint.hostDevice} of pod ${nameOf(endpoint)}: somebody changed it, and the kernel refuses to put it right (${refused.errno}: ${refused.text}); delete the pod and start it again`,
      )
  }

  /** A pod that is gone itself takes its device along: its DEL will come. */
  async #mourn({ endpoint, index }: Kept): Promise<void> {
    const isThere = endpoint.netns !== '' && (await this.#options.kernel.identify(endpoint.netns)) !== undefined
    if (!isThere || !this.#kept.has(index)) return
    this.#faults.set(
      index,
      `pod ${nameOf(endpoint)}: somebody deleted its device ${endpoint.hostDevice}, so it has no network; delete the pod and start it again`,
    )
  }
}

function nameOf(endpoint: Endpoint): string {
  return endpoint.label ?? endpointKey(endpoint)
}
