// Settings under /proc/sys stay as we need them: whoever changes one finds it put right.
//
// The kernel announces some changes (RTM_NEWNETCONF: forwarding, rp_filter, ignore_routes_with_linkdown). Those of the whole node that
// it does not announce are read every second, all others with the slow audit. Who keeps changing one is answered ever more slowly.

import type { NetlinkEvent, Rtnetlink } from '../../netlink/types.ts'
import type { Clock } from './clock.ts'
import { isHostDeviceName } from './endpoints/names.ts'
import { Fights } from './fights.ts'
import { isRight, type Kernel, type Sysctl } from './kernel.ts'
import type { KernelMirror } from './mirror.ts'

export interface SettingsOptions {
  readonly kernel: Kernel
  readonly socket: Rtnetlink
  readonly mirror: KernelMirror
  readonly clock: Clock
  /** Milliseconds between looks at all of them when nothing happens. */
  readonly auditEvery: number
}

/** Owner of what concerns the node as a whole; other owners are devices. */
const theNode = ''
/** Wait after an event for the rest of its burst. Milliseconds. */
const settleFor = 20
/** Between looks at what the kernel does not announce. Milliseconds. */
const pollEvery = 1_000
/** Settings read in one visit to /proc/sys. */
const batchSize = 512

export class Settings {
  readonly #options: SettingsOptions
  readonly #wanted = new Map<string, readonly Sysctl[]>()
  readonly #fights: Fights<string>
  /** Settings that were right when last seen. */
  readonly #right = new Set<string>()
  /** What the kernel refused, by setting. */
  readonly #refused = new Map<string, string>()
  readonly #due = new Set<string>()
  /** Links whose settings were announced and that nobody had kept by then. */
  readonly #strange = new Set<number>()
  readonly #cancels = new Map<'look' | 'poll' | 'audit', () => void>()
  #unwatch: Promise<() => Promise<void>> | undefined
  #turn: Promise<void> = Promise.resolve()
  #closed = false

  constructor(options: SettingsOptions) {
    this.#options = options
    this.#fights = new Fights(options.clock)
  }

  /** What the whole node needs from now on. It is put into force by whoever calls, and kept so here. */
  keepNode(settings: readonly Sysctl[]): void {
    this.#keep(theNode, settings)
  }

  /** What a device needs from now on, as above. */
  keepDevice(device: string, settings: readonly Sysctl[]): void {
    this.#keep(device, settings)
  }

  /** Something tells that a setting of the device has changed which the kernel does not announce. */
  lookSoon(device: string): void {
    this.#due.add(device)
    if (!this.#cancels.has('look')) this.#lookIn(settleFor)
  }

  /** Resolves when nothing of it is written any more. */
  async dropNode(): Promise<void> {
    this.dropDevice(theNode)
    await this.#turn
  }

  dropDevice(device: string): void {
    for (const { name } of this.#wanted.get(device) ?? []) {
      this.#right.delete(name)
      this.#refused.delete(name)
      this.#fights.forget(name)
    }
    this.#wanted.delete(device)
  }

  /** Sentences for settings that the kernel refuses, and for those that somebody changes again and again. */
  get problems(): readonly string[] {
    const fights = [...this.#fights.all()]
      .filter(([name]) => !this.#follows(name))
      .map(
        ([name, { count, by }]) =>
          `sysctl ${name}: somebody sets it to ${by} again and again (${count} times in a short while), and Margay needs it otherwise, so it is put right ever more slowly; look for it in /etc/sysctl.d, in network managers and other daemons`,
      )
    return [...this.#refused.values(), ...fights]
  }

  /** Whoever turns forwarding off on the whole node turns it off on every link: one cause, told once. */
  #follows(name: string): boolean {
    const [, family] = /^net\/(ipv[46])\/conf\/(?!all\/).*\/forwarding$/.exec(name) ?? []
    const cause = family === 'ipv4' ? 'net/ipv4/ip_forward' : 'net/ipv6/conf/all/forwarding'
    return family !== undefined && this.#fights.at(cause) !== undefined
  }

  async close(): Promise<void> {
    this.#closed = true
    for (const cancel of this.#cancels.values()) cancel()
    await this.#turn
    await (
      await this.#unwatch?.catch(() => undefined)
    )?.()
  }

  #keep(owner: string, settings: readonly Sysctl[]): void {
    this.dropDevice(owner)
    this.#wanted.set(owner, settings)
    for (const { name } of settings) this.#right.add(name)
    if (this.#unwatch) return
    this.#unwatch = this.#options.socket.watch(['netconf4', 'netconf6'], event => this.#heard(event))
    this.#unwatch.catch(() => undefined) // polls and audits go on without events
    this.#arm('poll', pollEvery, () => this.#lookAt(this.#unannounced()))
    this.#arm('audit', this.#options.auditEvery, () => this.#lookAt([...this.#wanted.values()].flat()))
  }

  #arm(name: 'poll' | 'audit', every: number, look: () => Promise<void>): void {
    const cancel = this.#options.clock.after(every, () => {
      this.#inTurn(look)
      this.#arm(name, every, look)
    })
    this.#cancels.set(name, cancel)
  }

  #heard(event: NetlinkEvent): void {
    if (event.type === 'overrun') for (const owner of this.#wanted.keys()) this.lookSoon(owner)
    else if (event.type === 'netconf.put') {
      const { link } = event.netconf
      const device = typeof link === 'number' ? this.#options.mirror.link(link)?.name : undefined
      if (device !== undefined && this.#wanted.has(device)) return this.lookSoon(device)
      if (typeof link !== 'number') return this.lookSoon(theNode)
      this.#strange.add(link)
      if (!this.#cancels.has('look')) this.#lookIn(settleFor)
    }
  }

  /** A link is announced before its name is known. Those of new pods are put right by whoever makes them. */
  #meetStrangers(): void {
    for (const link of this.#strange)
      if (!isHostDeviceName(this.#options.mirror.link(link)?.name ?? '')) this.#due.add(theNode)
    this.#strange.clear()
  }

  #lookIn(ms: number): void {
    this.#cancels.get('look')?.()
    const cancel = this.#options.clock.after(ms, () => {
      this.#cancels.delete('look')
      this.#meetStrangers()
      const due = [...this.#due].flatMap(owner => this.#wanted.get(owner) ?? [])
      this.#due.clear()
      if (due.length > 0) this.#inTurn(() => this.#lookAt(due))
    })
    this.#cancels.set('look', cancel)
  }

  #unannounced(): readonly Sysctl[] {
    return (this.#wanted.get(theNode) ?? []).filter(({ name }) => !isAnnounced(name))
  }

  #inTurn(look: () => Promise<void>): void {
    this.#turn = this.#turn.then(() => (this.#closed ? undefined : look())).catch(() => undefined) // the next look comes
  }

  async #lookAt(settings: readonly Sysctl[]): Promise<void> {
    for (let i = 0; i < settings.length; i += batchSize) await this.#putRight(settings.slice(i, i + batchSize))
  }

  async #putRight(settings: readonly Sysctl[]): Promise<void> {
    const { kernel } = this.#options
    const values = await kernel.readSysctls(settings.map(({ name }) => name))
    const wrong = settings.filter((setting, i) => {
      const { name } = setting
      if (isRight(setting, values[i])) {
        this.#right.add(name)
        this.#refused.delete(name)
        return false
      }
      // A setting that is not there went with its device.
      if (values[i] === undefined) return false
      if (this.#right.delete(name)) this.#fights.struck(name, values[i])
      if (!this.#fights.at(name) || this.#fights.wait(name) === 0) return true
      this.#due.add(this.#ownerOf(name))
      this.#lookIn(this.#fights.wait(name))
      return false
    })
    for (const setting of wrong) {
      const [failed] = await kernel.writeSysctls([setting])
      if (failed === undefined) this.#right.add(setting.name)
      else this.#refused.set(setting.name, `${failed}; check that /proc/sys is writable`)
    }
  }

  #ownerOf(name: string): string {
    for (const [owner, settings] of this.#wanted) if (settings.some(setting => setting.name === name)) return owner
    return theNode
  }
}

function isAnnounced(name: string): boolean {
  return /\/(ip_forward|forwarding|rp_filter|ignore_routes_with_linkdown)$/.test(name)
}
