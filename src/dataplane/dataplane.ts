// The dataplane of one node: its routes, its pods' attachments, its packet filter, and what is true of it.
//
// Opening reads the kernel and writes nothing. Closing leaves everything in place, so that packets flow on while the
// daemon restarts.

import type { Rtnetlink } from '../../netlink/types.ts'
import { type Clock, systemClock } from './clock.ts'
import { endpointName } from '../model/endpoint.ts'
import type { FibResult } from '../model/fib.ts'
import { Tunnels } from './encapsulation/index.ts'
import { ChecksumOffload } from './encapsulation/checksum-offload.ts'
import { Endpoints } from './endpoints/endpoints.ts'
import { HostEndGuard } from './endpoints/guard.ts'
import { isHostDevice } from './endpoints/names.ts'
import { hostCidr } from './endpoints/wiring.ts'
import { FactsWatch } from './facts.ts'
import { Filters } from './filters/filters.ts'
import type { Kernel, Sysctl } from './kernel.ts'
import { KernelMirror } from './mirror.ts'
import { type FabricDevices, type NodeSetup, restoreNode, setUpNode } from './node-setup.ts'
import { filteredAnyway, ReversePath } from './reverse-path.ts'
import { OwnTable } from './routes/own-table.ts'
import { defaultMark, mainTable, type Mark } from './routes/route.ts'
import { RouteTable } from './routes/route-table.ts'
import { Settings } from './settings.ts'
import { passOver } from './silent-neighbour.ts'

export interface DataplaneOptions {
  readonly kernel: Kernel
  /** What marks routes as ours. Default: table main, protocol 81, metric 1024. */
  readonly mark?: Partial<Mark>
  /** Milliseconds between full audits when nothing happens. Default: 90,000. */
  readonly auditEvery?: number
  readonly clock?: Clock
  /** Whether TCP of pods shall agree on segments that fit the route out of the node. Default: no. */
  readonly clampMss?: boolean
  /** Whether rules of ours let pods through where iptables would drop them. Default: no, it is reported. */
  readonly forwardAccept?: boolean
  /** Default: true, as the kernel makes a device. */
  readonly vxlanChecksumOffload?: boolean
}

export class Dataplane implements AsyncDisposable {
  readonly routes: RouteTable
  readonly endpoints: Endpoints
  readonly tunnels: Tunnels
  readonly facts: FactsWatch
  readonly filters: Filters
  /** Only where our routes are not in main. */
  readonly ownTable: OwnTable | undefined
  readonly #settings: Settings
  readonly #guard: HostEndGuard
  readonly #reversePath: ReversePath
  #fabric: FabricDevices = { all: [] }
  readonly #kernel: Kernel
  readonly #socket: Rtnetlink
  readonly #mirror: KernelMirror

  private constructor(
    { kernel, clampMss, forwardAccept, vxlanChecksumOffload = true }: DataplaneOptions,
    socket: Rtnetlink,
    mirror: KernelMirror,
    clock: Clock,
    auditEvery: number,
  ) {
    this.#kernel = kernel
    this.#socket = socket
    this.#mirror = mirror
    this.routes = new RouteTable({ kernel: socket, mirror, clock, auditEvery })
    if (mirror.mark.table !== mainTable) this.ownTable = new OwnTable({ socket, mirror, clock, auditEvery })
    this.routes.onResults(() => this.ownTable?.lookSoon())
    this.#settings = new Settings({ kernel, socket, mirror, clock, auditEvery })
    this.#guard = new HostEndGuard({ kernel, socket, mirror, clock, onDisabled: name => this.#settings.lookSoon(name) })
    this.filters = new Filters({
      open: () => kernel.openNetfilter(),
      clock,
      auditEvery,
      clampMss,
      forwardAccept,
      ...(kernel.iptables && { iptables: kernel.iptables }),
    })
    this.endpoints = new Endpoints({
      kernel,
      mirror,
      routes: this.routes,
      guard: this.#guard,
      settings: this.#settings,
      setUnchecked: devices => this.filters.setUnchecked(devices),
    })
    this.tunnels = new Tunnels({
      kernel: socket,
      mirror,
      openFou: () => kernel.openFou(),
      checksumOffload: new ChecksumOffload(() => kernel.openEthtool(), vxlanChecksumOffload),
      openWireguard: () => kernel.openWireguard(),
      clock,
      auditEvery,
    })
    this.facts = new FactsWatch(mirror, clock)
    this.#reversePath = new ReversePath(kernel, socket, value => (this.facts.reversePathFilter = value))
  }

  /** Reads links, addresses and routes of the node. Rejects if its namespace cannot be entered. */
  static async open(options: DataplaneOptions): Promise<Dataplane> {
    const { kernel, clock = systemClock, auditEvery = 90_000 } = options
    const socket = await kernel.open()
    try {
      const mirror = await KernelMirror.open(socket, { ...defaultMark, ...options.mark })
      return new Dataplane(options, socket, mirror, clock, auditEvery)
    } catch (error) {
      await socket.close()
      throw error
    }
  }

  /** Forwarding, and ECMP that follows the carrier of the fabric's devices. Both stay so until `restoreNode`. Returns what to write back. */
  async setUpNode(fabric: FabricDevices): Promise<NodeSetup> {
    this.#fabric = fabric
    const setup = await setUpNode(this.#kernel, fabric)
    this.#settings.keepNode(setup.settings)
    return setup
  }

  async restoreNode(previous: readonly Sysctl[]): Promise<readonly string[]> {
    await this.#settings.dropNode()
    return restoreNode(this.#kernel, previous)
  }

  /**
   * A next hop says nothing any more: from now on no route of IPv4 with another one leads to it, until it answers the kernel again. To be called
   * before the routes themselves are changed, which takes longer the more there are. `device`: of an address that is one link's only.
   * False: the kernel knew no such neighbour by asking.
   */
  async neighbourSilent(address: string, device?: string): Promise<boolean> {
    const names = device === undefined ? this.#fabric.all : [device]
    const links = names.flatMap(name => this.#mirror.linkNamed(name)?.index ?? [])
    return (await passOver(this.#socket, address, links)).some(({ ok }) => ok)
  }

  /** Sentences for what is not as it should be on this node, and what to do. Routes have theirs (`routes.trouble`). */
  get problems(): readonly string[] {
    return [
      ...this.#guard.problems,
      ...this.#taken(),
      ...this.#settings.problems,
      ...filteredAnyway(this.facts.current.reversePathFilter ?? 0, this.#fabric.unaddressed ?? [], this.#unchecked()),
      ...this.tunnels.problems,
      ...this.filters.problems,
      ...(this.ownTable?.problems ?? []),
    ]
  }

  #unchecked(): readonly string[] {
    const pods = this.endpoints.all.filter(({ sourceCheck }) => sourceCheck === false)
    return pods.map(endpointName)
  }

  /** Pods whose address a device of the node has as well: the kernel's own table goes before every route. */
  #taken(): readonly string[] {
    const pods = new Map(this.endpoints.all.flatMap(pod => pod.addresses.map(address => [address, pod] as const)))
    return [...this.#mirror.addresses].flatMap(({ cidr, link }) => {
      const pod = pods.get(cidr.split('/')[0])
      if (!pod) return []
      const device = this.#mirror.link(link)?.name ?? String(link)
      return [
        `pod ${endpointName(pod)}: device ${device} of the node has its address, so nothing reaches the pod; ip addr del ${cidr} dev ${device}`,
      ]
    })
  }

  /** Names of the host ends that are there. */
  podDevices(): readonly string[] {
    return [...this.#mirror.links].filter(isHostDevice).map(({ name }) => name)
  }

  /** Whether a route of ours leads an address, without length, by a device. */
  leads(address: string, device: string): boolean {
    const link = this.#mirror.linkNamed(device)?.index
    const route = this.#mirror.ours(hostCidr(address))
    return link !== undefined && route?.nextHops[0]?.link === link
  }

  /** Calls back when there are others of those that come and go by events alone: of the packet filter and of a table of our own. */
  onProblems(listener: (problems: readonly string[]) => void): void {
    this.filters.onProblems(listener)
    this.ownTable?.onProblems(listener)
  }

  /** Why packets to a prefix do not take our route; undefined: they do. */
  obstacle(prefix: string): FibResult | undefined {
    return this.routes.obstacle(prefix) ?? this.ownTable?.obstacle(prefix)
  }

  /** Prefixes without a route of ours in force, and why. A pod whose device is gone is told of as a pod, in `problems` alone. */
  get trouble(): readonly FibResult[] {
    const lost = this.endpoints.all.filter(({ hostDevice }) => !this.#mirror.linkNamed(hostDevice))
    const prefixes = new Set(lost.flatMap(({ addresses }) => addresses.map(hostCidr)))
    return this.routes.trouble.filter(({ prefix }) => !prefixes.has(prefix))
  }

  /** Stops watching and writing. Routes and pods stay. */
  async close(): Promise<void> {
    await this.endpoints.close()
    await this.routes.close()
    await this.ownTable?.close()
    await this.tunnels.close()
    this.facts.close()
    await this.#reversePath.close()
    await this.#guard.close()
    await this.#settings.close()
    await this.filters.close()
    await this.#mirror.close()
    await this.#socket.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}
