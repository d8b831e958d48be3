// Host ends of pods' veth pairs stay as they were made: up, with their name, MAC, MTU and IPv6 gateway address, in no bridge, and nobody
// else's MAC stands there for a pod's address. Whoever
// changes one finds it put right within a moment, and is complained of if it goes on. A device that was deleted cannot be put back,
// because its other end went with it: that is told for as long as the pod is there.

import type { Link, LinkChange, Neighbour, NetlinkEvent, Operation, Rtnetlink } from '../../../netlink/types.ts'
import { type Endpoint, endpointName, hostMac } from '../../model/endpoint.ts'
import type { Clock } from '../clock.ts'
import type { Kernel } from '../kernel.ts'
import type { KernelMirror, MirrorChange } from '../mirror.ts'
import { Undone } from '../undone.ts'
import { familiesOf, gateway6, gatewayOperation, hostOperations } from './wiring.ts'

export interface GuardOptions {
  readonly kernel: Kernel
  readonly socket: Rtnetlink
  readonly mirror: KernelMirror
  readonly clock: Clock
  /** IPv6 is switched off on a host end, which the kernel tells of by the addresses that go: its settings have to be put right. */
  readonly onDisabled: (hostDevice: string) => void
}

interface Kept {
  readonly endpoint: Endpoint
  /** Of the host end: it stays when the name changes. */
  readonly index: number
}

/** Wait after an event for the rest of its burst. Milliseconds. */
const settleFor = 20
/** Until an address is tried again that was refused because IPv6 is switched off. Milliseconds. */
const disabledFor = 250

export class HostEndGuard {
  readonly #options: GuardOptions
  readonly #kept = new Map<number, Kept>()
  readonly #indices = new Map<string, number>()
  readonly #undone: Undone
  readonly #faults = new Map<number, string>()
  /** Of pods that were taken over without their device, by its name. */
  readonly #lost = new Map<string, string>()
  /** Neighbours that the kernel does not learn anew, and that lead a pod's address elsewhere, by link and address. */
  readonly #strangers = new Map<number, Map<string, Neighbour>>()
  readonly #due = new Set<number>()
  readonly #unlisten: () => void
  #unwatch: Promise<() => Promise<void>> | undefined
  #cancel: (() => void) | undefined
  #turn: Promise<void> = Promise.resolve()
  #closed = false

  constructor(options: GuardOptions) {
    this.#options = options
    this.#undone = new Undone(options.clock)
    this.#unlisten = options.mirror.onChange(change => this.#heard(change))
  }

  keep(endpoint: Endpoint, index: number): void {
    this.release(endpoint.hostDevice)
    this.#kept.set(index, { endpoint, index })
    this.#undone.seen(endpoint.hostDevice, endpoint)
    this.#indices.set(endpoint.hostDevice, index)
    this.#lookSoon(index)
    if (this.#unwatch) return
    this.#unwatch = this.#options.socket.watch(['neighbour'], event => this.#met(event))
    this.#unwatch.then(
      () => this.#readNeighbours(),
      () => undefined, // the other things are looked at all the same
    )
  }

  /** A pod is recorded, and its device is gone: told until `release`. */
  miss(endpoint: Endpoint): void {
    const { hostDevice } = endpoint
    this.#lost.set(
      hostDevice,
      `pod ${endpointName(endpoint)}: its device ${hostDevice} is gone, so it has no network; delete the pod and start it again`,
    )
  }

  /** The device is about to be deleted. */
  release(hostDevice: string): void {
    this.#lost.delete(hostDevice)
    const index = this.#indices.get(hostDevice)
    if (index === undefined) return
    this.#indices.delete(hostDevice)
    this.#kept.delete(index)
    this.#strangers.delete(index)
    this.#faults.delete(index)
    this.#undone.forget(hostDevice)
  }

  /** Sentences for devices that are gone, that cannot be put right, or that somebody changes again and again. */
  get problems(): readonly string[] {
    const fights = this.#undone.fights.map(
      ({ device, object, count }) =>
        `device ${device} of a pod: somebody changes ${object} again and again (${count} times in a short while), so it is put right ever more slowly; find out with ip monitor link address, and have that program leave mgy* alone (systemd-networkd and NetworkManager: unmanaged)`,
    )
    return [...this.#faults.values(), ...this.#lost.values(), ...fights]
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#unlisten()
    this.#cancel?.()
    await this.#turn
    await (
      await this.#unwatch?.catch(() => undefined)
    )?.()
  }

  #heard(change: MirrorChange): void {
    const index = change.what === 'link' ? change.link.index : change.what === 'address' ? change.address.link : 0
    if (this.#kept.has(index)) this.#lookSoon(index)
  }

  #met(event: NetlinkEvent): void {
    if (event.type === 'overrun') void this.#readNeighbours()
    else if (event.type === 'neighbour.put') this.#note(event.neighbour)
    else if (event.type === 'neighbour.delete')
      this.#strangers.get(event.neighbour.link)?.delete(event.neighbour.address)
  }

  /** Of one that is there: the kernel learns a pod's MAC by itself, and an entry that is permanent, or not to be asked for, keeps it from that. */
  #note(neighbour: Neighbour): void {
    const { link, address, mac, state } = neighbour
    const endpoint = this.#kept.get(link)?.endpoint
    const isWrong =
      (state === 'permanent' || state === 'noarp') &&
      endpoint?.mac !== undefined &&
      endpoint.mac !== mac &&
      endpoint.addresses.includes(address)
    if (!isWrong) return void this.#strangers.get(link)?.delete(address)
    this.#strangers.set(link, (this.#strangers.get(link) ?? new Map()).set(address, neighbour))
    this.#lookSoon(link)
  }

  async #readNeighbours(): Promise<void> {
    try {
      for (const neighbour of await this.#options.socket.neighbours()) this.#note(neighbour)
    } catch {
      // read again after the next overrun; events go on
    }
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
    const { endpoint } = kept
    const { hostDevice } = endpoint
    try {
      const link = this.#options.mirror.link(index)
      if (!link) return await this.#mourn(kept)
      const change = changeOf(endpoint, link)
      // A link that goes down loses its IPv6 addresses.
      const lacksGateway = familiesOf(endpoint.addresses).v6 && (!link.up || !this.#hasGateway(index))
      const strangers = [...(this.#strangers.get(index)?.values() ?? [])]
      const lacking = [
        ...Object.keys(change),
        ...(lacksGateway && link.up ? [gateway] : []),
        ...strangers.map(({ address }) => address),
      ]
      const waiting = this.#undone.found(hostDevice, endpoint, lacking.map(spoken))
      if (waiting.size > 0) this.#lookSoon(index, Math.min(...waiting.values()))
      const isNow = (what: string): boolean => !waiting.has(spoken(what))
      const now = Object.fromEntries(Object.entries(change).filter(([field]) => isNow(field)))
      const steps: readonly Operation[] = [
        ...(Object.keys(now).length > 0 ? [{ do: 'link.set', link: index, change: now } as const] : []),
        ...(lacksGateway && isNow(gateway) && (link.up || isNow('up')) ? [gatewayOperation(index)] : []),
        ...strangers
          .filter(({ address }) => isNow(address))
          .map(neighbour => ({ do: 'neighbour.delete', neighbour }) as const),
      ]
      if (steps.length > 0) return await this.#putRight(kept, steps)
      this.#undone.seen(hostDevice, endpoint, waiting.keys())
      if (lacking.length === 0) this.#faults.delete(index)
    } catch (error) {
      this.#faults.set(index, `device ${hostDevice}: ${error instanceof Error ? error.message : String(error)}`)
    }
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
    if (!refused || refused.ok) return void this.#faults.delete(index)
    const what = `device ${endpoint.hostDevice} of pod ${endpointName(endpoint)}`
    // IPv6 addresses are refused so where IPv6 is switched off; that is put right with the other settings.
    const isDisabled = refused.errno === 'EACCES'
    if (isDisabled) {
      this.#options.onDisabled(endpoint.hostDevice)
      this.#lookSoon(index, disabledFor)
    }
    const why = isDisabled
      ? `IPv6 is switched off there; sysctl -w ${await this.#whereDisabled(endpoint.hostDevice)}=0`
      : `somebody changed it, and the kernel refuses to put it right (${refused.errno}: ${refused.text}); delete the pod and start it again`
    this.#faults.set(index, `${what}: ${why}`)
  }

  /** The setting of all devices was written last, or that of this one. */
  async #whereDisabled(device: string): Promise<string> {
    const [all] = await this.#options.kernel.readSysctls(['net/ipv6/conf/all/disable_ipv6'])
    return `net.ipv6.conf.${all === '1' ? 'all' : device}.disable_ipv6`
  }

  /** A pod that is gone itself takes its device along: its DEL will come. */
  async #mourn({ endpoint, index }: Kept): Promise<void> {
    const isThere = endpoint.netns !== '' && (await this.#options.kernel.identify(endpoint.netns)) !== undefined
    if (!isThere || !this.#kept.has(index)) return
    this.#faults.set(
      index,
      `pod ${endpointName(endpoint)}: somebody deleted its device ${endpoint.hostDevice}, so it has no network; delete the pod and start it again`,
    )
  }
}

function changeOf({ hostDevice, mtu }: Endpoint, link: Link): LinkChange {
  return {
    ...(link.name !== hostDevice && { name: hostDevice }),
    ...(link.mtu !== mtu && { mtu }),
    ...(link.mac !== hostMac && { mac: hostMac }),
    ...(link.noArp && { noArp: false }),
    ...(link.master !== undefined && { master: 0 }),
    ...(!link.up && { up: true }),
  }
}

/** What a host end may lack, as people say it. */
const gateway = 'gateway'
const words: Readonly<Record<string, string>> = {
  name: 'its name',
  mtu: 'its MTU',
  mac: 'its MAC address',
  noArp: 'whether it asks for addresses (arp)',
  master: 'its bridge',
  up: 'whether it is up',
  [gateway]: `its address ${gateway6}`,
}

function spoken(what: string): string {
  return words[what] ?? `its neighbour ${what}`
}
