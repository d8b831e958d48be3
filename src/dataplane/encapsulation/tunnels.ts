// Tunnel devices with their addresses, neighbours and forwarding entries: what is wanted against what the kernel has.
//
// A device is ours by its name and kind. What is missing is made at once. What is not wanted any more stays for a while, until
// the other nodes have heard of the change too and no route leaves by it; a device is never removed under a route. Whoever
// changes one of our devices, or what is on it, finds it put right within a moment, and is complained of only if it goes on.

import type { Link, NetlinkEvent, Operation, Rtnetlink } from '../../../netlink/types.ts'
import type { Fou } from '../../../netlink/generic/fou-types.ts'
import type { Wireguard, WireguardDevice } from '../../../netlink/generic/wireguard-types.ts'
import { isTunnelDevice, nameAt, type Tunnel } from '../../model/tunnel.ts'
import type { WireguardKey } from '../../model/wireguard.ts'
import type { Clock } from '../clock.ts'
import type { KernelMirror } from '../mirror.ts'
import { stackedOn } from '../stacked.ts'
import { Undone } from '../undone.ts'
import type { ChecksumOffload } from './checksum-offload.ts'
import { isMeddling, type OnDevice, stepsOn } from './device-steps.ts'
import type { DeviceEnd } from './encapsulation.ts'
import { deviceNamed, deviceOf, isOurDevice } from './kinds.ts'
import { ReceivePorts } from './receive-ports.ts'
import * as say from './sentences.ts'
import { WireguardDevices } from './wireguard-devices.ts'

export interface DesiredTunnel {
  readonly tunnel: Tunnel
  readonly mtu: number
  /** The node's own address on it, without length. */
  readonly address?: string
  /** WireGuard: this node's key; without one the device has neither key nor nodes yet. */
  readonly key?: WireguardKey
}

export interface TunnelsOptions {
  readonly kernel: Rtnetlink
  readonly mirror: KernelMirror
  /** UDP ports that unwrap, for the kinds that need one. */
  readonly openFou: () => Promise<Fou>
  readonly checksumOffload: ChecksumOffload
  readonly openWireguard: () => Promise<Wireguard>
  readonly clock: Clock
  /** Milliseconds between looks at the kernel when nothing happens. */
  readonly auditEvery: number
}

/** Wait after an event for the rest of its burst. Milliseconds. */
const settleFor = 20
/** How long what is not wanted stays: other nodes may still send through it. Milliseconds. */
const lingerFor = 5_000

/** Between looks at what the kernel tells nobody of, WireGuard's nodes and the ports that unwrap: a question and an answer a device. Milliseconds. */
const askEvery = 5_000

/** Before what the kernel refused is tried again: the first wait, each later one twice as long, and the longest. Milliseconds. */
const retryAfter = { first: 250, longest: 30_000 }

/** By device: why it is not there, one sentence with the next step. */
export type TunnelFaults = ReadonlyMap<string, string>

export class Tunnels {
  readonly #options: TunnelsOptions
  readonly #listeners = new Set<() => void>()
  readonly #unlisten: () => void
  #desired: readonly DesiredTunnel[] = []
  /** Nothing was asked for yet: what is there may be wanted. */
  #asked = false
  #mayRemove = false
  #changedAt = 0
  #faults: TunnelFaults = new Map()
  #turn: Promise<void> = Promise.resolve()
  #cancelLook: (() => void) | undefined
  #cancelAudit: (() => void) | undefined
  #cancelTrim: (() => void) | undefined
  #cancelPause: (() => void) | undefined
  #cancelAsk: (() => void) | undefined
  #cancelRetry: (() => void) | undefined
  /** Looks in a row that left a fault. */
  #failed = 0
  #closed = false
  readonly #undone: Undone
  readonly #ports: ReceivePorts
  /** By device: why its checksums are not done as wanted. */
  readonly #offload = new Map<string, string>()
  /** By link: why a device that nobody wants stays. */
  readonly #stacked = new Map<number, string>()
  readonly #wireguard: WireguardDevices
  /** By link: whom the device knows if nobody meddles. */
  readonly #known = new Map<number, readonly DeviceEnd[]>()
  #unwatch: Promise<() => Promise<void>> | undefined

  constructor(options: TunnelsOptions) {
    this.#options = options
    this.#undone = new Undone(options.clock)
    this.#ports = new ReceivePorts(options.openFou)
    this.#wireguard = new WireguardDevices(options.openWireguard)
    this.#unlisten = options.mirror.onChange(change => {
      if (change.what === 'route' || !this.#asked) return
      if (change.what === 'link' && !isTunnelDevice(change.link.name)) return
      if (change.what === 'address' && !this.#isOurs(change.address.link)) return
      this.#lookSoon()
    })
    this.#armAudit()
  }

  /** All that is wanted from now on. `mayRemove`: the list is complete, so what it lacks may go. Resolves when the kernel has it. */
  apply(desired: readonly DesiredTunnel[], mayRemove: boolean): Promise<TunnelFaults> {
    const before = JSON.stringify([this.#desired, this.#mayRemove])
    this.#desired = desired
    this.#mayRemove = mayRemove
    if (!this.#asked || before !== JSON.stringify([desired, mayRemove])) {
      this.#changedAt = this.#options.clock.now()
      this.#armTrim(lingerFor)
    }
    this.#asked = true
    if (desired.some(({ tunnel }) => tunnel.kind === 'wireguard' || deviceOf(tunnel).receives?.(tunnel))) this.#armAsk()
    return this.#look().then(() => this.#faults)
  }

  /** Sentences for devices that somebody changes again and again, or whose checksums are not done as wanted. */
  get problems(): readonly string[] {
    return [...this.#undone.fights.map(say.fight), ...this.#offload.values(), ...this.#stacked.values()]
  }

  /** Devices of ours that are in the kernel. */
  get devices(): readonly string[] {
    return [...this.#options.mirror.links].filter(isOurDevice).map(link => link.name)
  }

  /** WireGuard: what the kernel has of a device, its nodes' last handshakes among it. */
  wireguard(device: string): Promise<WireguardDevice | undefined> {
    return this.#wireguard.read(device)
  }

  /** WireGuard: sends an empty packet to each of the nodes, by public key, so that the two agree on session keys. */
  call(device: string, publicKeys: readonly string[]): Promise<void> {
    return this.#wireguard.call(device, publicKeys)
  }

  /** Those of them by which routes of ours leave. */
  get carrying(): readonly string[] {
    const { mirror } = this.#options
    return [...mirror.links].flatMap(link => (isOurDevice(link) && mirror.carriesOurs(link.index) ? [link.name] : []))
  }

  /** Calls back when a device went, or its fault came, changed or went. Returns the unsubscribe. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Stops watching; devices stay. */
  async close(): Promise<void> {
    this.#closed = true
    this.#unlisten()
    this.#cancelLook?.()
    this.#cancelAudit?.()
    this.#cancelTrim?.()
    this.#cancelPause?.()
    this.#cancelAsk?.()
    await this.#turn
    this.#cancelRetry?.()
    await this.#options.checksumOffload.close()
    await this.#wireguard.close()
    await (
      await this.#unwatch
    )?.()
  }

  #lookSoon(): void {
    this.#cancelLook ??= this.#options.clock.after(settleFor, () => {
      this.#cancelLook = undefined
      void this.#look()
    })
  }

  /** Neighbours and forwarding entries of our devices, from the first device that has some. */
  async #watchEnds(): Promise<void> {
    if (this.#unwatch || !this.#desired.some(({ tunnel }) => deviceOf(tunnel).ends(tunnel).length > 0)) return
    this.#unwatch = this.#options.kernel.watch(['neighbour'], event => {
      if (this.#meddles(event)) this.#lookSoon()
    })
    await this.#unwatch
  }

  #meddles(event: NetlinkEvent): boolean {
    if (event.type === 'overrun') return true
    const link = 'neighbour' in event ? event.neighbour.link : 'entry' in event ? event.entry.link : 0
    return this.#isOurs(link) && isMeddling(event, this.#known.get(link) ?? [])
  }

  #isOurs(index: number): boolean {
    const link = this.#options.mirror.link(index)
    return link !== undefined && isOurDevice(link)
  }

  #armAudit(): void {
    this.#cancelAudit = this.#options.clock.after(this.#options.auditEvery, () => {
      if (this.#asked) void this.#look()
      this.#armAudit()
    })
  }

  #armAsk(): void {
    this.#cancelAsk ??= this.#options.clock.after(askEvery, () => {
      this.#cancelAsk = undefined
      void this.#ask().finally(() => this.#closed || this.#armAsk())
    })
  }

  async #ask(): Promise<void> {
    for (const { tunnel, key } of this.#desired) {
      const port = deviceOf(tunnel).receives?.(tunnel)
      if (port && !this.#closed && !(await this.#ports.isThere(port))) this.#lookSoon()
      if (tunnel.kind !== 'wireguard' || !key || this.#closed) continue
      if (!(await this.#wireguard.isAsWanted(tunnel, key, this.#isSettled()))) this.#lookSoon()
    }
  }

  #armTrim(after: number): void {
    this.#cancelTrim?.()
    this.#cancelTrim = this.#options.clock.after(after, () => void this.#look())
  }

  /** One look after another. */
  #look(): Promise<void> {
    this.#turn = this.#turn.then(() => (this.#closed ? undefined : this.#reconcile()))
    return this.#turn
  }

  async #reconcile(): Promise<void> {
    // Whoever has no tunnels pays for none.
    if (this.#desired.length === 0 && this.devices.length === 0 && this.#faults.size === 0) return
    const faults = new Map<string, string>()
    let removed = false
    try {
      const { kernel } = this.#options
      await this.#watchEnds()
      const all = await kernel.links()
      const links = all.filter(({ name }) => isTunnelDevice(name))
      const there: OnDevice = {
        addresses: await kernel.addresses(),
        neighbours: await kernel.neighbours(),
        fdb: await kernel.fdb(),
      }
      for (const desired of this.#desired) {
        const found = links.find(({ name }) => name === desired.tunnel.device)
        const lacking = found ? this.#lacking(desired, found, there) : [itself]
        const wanted = JSON.stringify(desired)
        const waiting = this.#undone.found(desired.tunnel.device, wanted, lacking)
        this.#pause(waiting)
        if ([itself, itsMtu, itsState, itsArp, itsMaster].some(object => waiting.has(object))) continue
        const ensured = await this.#ensureLink(desired, found, all)
        if (typeof ensured === 'string') {
          faults.set(desired.tunnel.device, ensured)
          continue
        }
        await this.#checkOffload(desired.tunnel, ensured.index)
        const steps = this.#steps(desired, ensured.index, there).filter(step => !waiting.has(objectOf(step)))
        const fault = (await this.#send(desired.tunnel.device, steps)) ?? (await this.#configure(desired))
        if (fault !== undefined) faults.set(desired.tunnel.device, fault)
        else this.#undone.seen(desired.tunnel.device, wanted, waiting.keys())
      }
      removed = await this.#trim(links.filter(isOurDevice), all)
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error)
      for (const { tunnel } of this.#desired) faults.set(tunnel.device, say.unread(tunnel.device, text))
    }
    const changed = JSON.stringify([...faults]) !== JSON.stringify([...this.#faults])
    this.#faults = faults
    this.#armRetry()
    if (changed || removed) for (const listener of this.#listeners) listener()
  }

  #armRetry(): void {
    this.#cancelRetry?.()
    this.#failed = this.#faults.size > 0 ? this.#failed + 1 : 0
    if (this.#failed === 0 || this.#closed) return
    const wait = Math.min(retryAfter.first * 2 ** (this.#failed - 1), retryAfter.longest)
    this.#cancelRetry = this.#options.clock.after(wait, () => void this.#look())
  }

  /** What of a device is not as wanted; of one that is another, or down, what follows from that is left out. */
  #lacking(desired: DesiredTunnel, found: Link, there: OnDevice): readonly string[] {
    const { tunnel, mtu } = desired
    if (!deviceOf(tunnel).matches(found, tunnel)) return [itself]
    if (!found.up) return [itsState]
    const steps = this.#steps(desired, found.index, there)
    const objects = steps.filter(step => !step.do.endsWith('.delete')).map(objectOf)
    return [
      ...new Set([
        ...(found.mtu === mtu ? [] : [itsMtu]),
        ...(isMute(found) ? [itsArp] : []),
        ...(found.master === undefined ? [] : [itsMaster]),
        ...objects,
      ]),
    ]
  }

  /** Another look when the first of those that wait may be put right. */
  #pause(waiting: ReadonlyMap<string, number>): void {
    if (waiting.size === 0) return
    this.#cancelPause?.()
    this.#cancelPause = this.#options.clock.after(Math.min(...waiting.values()), () => void this.#look())
  }

  /** The link as wanted, or a sentence. */
  async #ensureLink(
    { tunnel, mtu }: DesiredTunnel,
    found: Link | undefined,
    all: readonly Link[],
  ): Promise<Link | string> {
    const { kernel, mirror } = this.#options
    const encapsulation = deviceOf(tunnel)
    const link = encapsulation.link(tunnel)
    if (found && !isOurDevice(found)) return say.foreign(tunnel.device, found.kind)
    const port = encapsulation.receives?.(tunnel)
    const closed = port && (await this.#ports.ensure(port))
    if (port && closed)
      return closed === 'not in kernel' ? say.notInKernel(encapsulation.inKernel) : say.portRefused(port, closed)
    if (found && (encapsulation.matches(found, tunnel) || (await this.#move(found, tunnel)))) {
      if (found.mtu === mtu && found.up && !isMute(found) && found.master === undefined) return found
      const change = {
        mtu,
        up: true,
        ...(found.kind === 'vxlan' && { noArp: false }),
        ...(found.master !== undefined && { master: 0 }),
      }
      const fault = await this.#send(tunnel.device, [{ do: 'link.set', link: found.index, change }])
      return fault ?? found
    }
    // What cannot be changed is part of what it is: it is made anew, and the routes through it after it.
    const [other] = found ? stackedOn([found], all) : []
    if (other) return say.stacked(tunnel.device, other, true)
    if (found) await kernel.apply([{ do: 'link.delete', link: found.index }])
    const [result] = await kernel.apply([{ do: 'link.add', link: { ...link, mtu } }])
    if (!result.ok && port) await this.#ports.remove(port.port)
    // EINVAL: devices of a kernel that has them, and not their way through UDP (CONFIG_NET_FOU_IP_TUNNELS).
    if (!result.ok && (result.errno === 'EOPNOTSUPP' || (port && result.errno === 'EINVAL')))
      return say.notInKernel(encapsulation.inKernel)
    if (!result.ok) return say.refused(tunnel.device, result)
    const made = await kernel.link(tunnel.device)
    if (!made) return say.unread(tunnel.device, 'it was made and is not there')
    mirror.noteLink(made)
    return made
  }

  async #checkOffload({ kind, device }: Tunnel, link: number): Promise<void> {
    const problem = kind === 'vxlan' ? await this.#options.checksumOffload.ensure(device, link) : undefined
    if (problem === undefined) this.#offload.delete(device)
    else this.#offload.set(device, problem)
  }

  /** The node has another address: if nothing else differs the device gets it as it is, and its routes stay. False: it cannot. */
  async #move(found: Link, tunnel: Tunnel): Promise<boolean> {
    const encapsulation = deviceOf(tunnel)
    const local = found.tunnel?.local
    if (local === undefined) return false
    const names = { ...tunnel.names, [local]: nameAt(tunnel, tunnel.local) }
    if (!encapsulation.matches(found, { ...tunnel, local, names })) return false
    const [result] = await this.#options.kernel.apply([
      { do: 'link.move', link: found.index, to: encapsulation.link(tunnel) },
    ])
    return result.ok
  }

  #steps(desired: DesiredTunnel, link: number, found: OnDevice): readonly Operation[] {
    this.#known.set(link, deviceOf(desired.tunnel).ends(desired.tunnel))
    return stepsOn(desired, link, onDevice(link, found), this.#isSettled())
  }

  /** Removes devices that nobody wants, when nothing leaves by them any more; true if one went. */
  async #trim(links: readonly Link[], all: readonly Link[]): Promise<boolean> {
    const { kernel, mirror } = this.#options
    this.#stacked.clear()
    const unwanted = links.filter(({ name }) => !this.#desired.some(({ tunnel }) => tunnel.device === name))
    if (unwanted.length === 0 || !this.#mayRemove) return false
    const idle = this.#isSettled() ? unwanted.filter(({ index }) => !mirror.carriesOurs(index)) : []
    for (const { name, on } of stackedOn(idle, all)) this.#stacked.set(on.index, say.stacked(on.name, { name }))
    const going = idle.filter(({ index }) => !this.#stacked.has(index))
    if (going.length < unwanted.length && this.#isSettled()) this.#armTrim(lingerFor)
    for (const { index, name, tunnel } of going) {
      if (deviceNamed(name)?.receives && tunnel?.encap) await this.#ports.remove(tunnel.encap.port)
      await kernel.apply([{ do: 'link.delete', link: index }])
    }
    return going.length > 0
  }

  /** What rtnetlink knows nothing of. */
  async #configure({ tunnel, key }: DesiredTunnel): Promise<string | undefined> {
    return tunnel.kind === 'wireguard' && key ? this.#wireguard.ensure(tunnel, key, this.#isSettled()) : undefined
  }

  #isSettled(): boolean {
    return this.#mayRemove && this.#options.clock.now() - this.#changedAt >= lingerFor
  }

  async #send(device: string, operations: readonly Operation[]): Promise<string | undefined> {
    if (operations.length === 0) return undefined
    const results = await this.#options.kernel.apply(operations)
    for (const [i, result] of results.entries()) {
      if (result.ok || (operations[i].do.endsWith('.delete') && gone.has(result.errno))) continue
      return say.refused(device, result)
    }
    return undefined
  }
}

/** What somebody may keep changing, as people say it. */
const itself = 'it'
const itsMtu = 'its MTU'
const itsState = 'whether it is up'
const itsArp = 'whether it asks for addresses (arp)'
const itsMaster = 'whether it is a port of another device (master)'

function objectOf(step: Operation): string {
  if ('address' in step) return `its address ${step.address.cidr}`
  if ('neighbour' in step) return `its neighbour ${step.neighbour.address}`
  return 'entry' in step ? `its forwarding entry ${step.entry.mac}` : itself
}

function onDevice(link: number, { addresses, neighbours, fdb }: OnDevice): OnDevice {
  const on = <T extends { readonly link: number }>(rows: readonly T[]) => rows.filter(row => row.link === link)
  return { addresses: on(addresses), neighbours: on(neighbours), fdb: on(fdb) }
}

/** Somebody else removed it first. */
const gone = new Set(['ENOENT', 'EADDRNOTAVAIL', 'ENODEV'])

/** Of the kinds only VXLAN asks for link-layer addresses; the others are without by nature. */
function isMute({ kind, noArp }: Link): boolean {
  return kind === 'vxlan' && noArp === true
}
