// Pods' attachments: a veth pair, /32 and /128 addresses, a host route each. No bridge.
//
// The pair is made in one message with its far end already in the pod's namespace, and everything else hangs on it:
// deleting the host end, or the namespace, removes all of it. So an attachment that was cut short at any point is undone
// by deleting one device, whose name follows from the endpoint's key. Nothing is remembered here beyond the process;
// whoever calls keeps the records and gives them to `adopt` at the next start.

import type { Link, Rtnetlink } from '../../../netlink/types.ts'
import { type Endpoint, endpointKey, endpointName } from '../../model/endpoint.ts'
import type { FibEntry } from '../../model/fib.ts'
import { ensureSysctls, type Kernel } from '../kernel.ts'
import type { KernelMirror } from '../mirror.ts'
import type { RouteTable } from '../routes/route-table.ts'
import type { Settings } from '../settings.ts'
import { Attacher } from './attach.ts'
import { type Asked, checkEndpoint, type EndpointProblem } from './check.ts'
import { deleteFarEnd, DeviceDeletion, type RemoveOutcome } from './delete.ts'
import { type EndpointError, errorOf, Refused } from './errors.ts'
import type { HostEndGuard } from './guard.ts'
import { type EndpointId, hostDeviceName, isHostDevice, isNameless, podAddress } from './names.ts'
import { reversePathFilter, sourceCheckOf, uncheckedDevices } from './source-check.ts'
import type { PodSources } from './sources.ts'
import { validate } from './validate.ts'
import * as wiring from './wiring.ts'

/** What to attach: an `Endpoint` without what the attachment finds out; a MAC may be asked for. */
export type EndpointRequest = Omit<Endpoint, 'hostDevice'>

export type AddOutcome =
  { readonly ok: true; readonly endpoint: Endpoint } | { readonly ok: false; readonly error: EndpointError }

export interface Adoption {
  readonly adopted: readonly Endpoint[]
  /** Recorded, but their device is gone: the node was restarted, or the pod's namespace is gone. */
  readonly lost: readonly Endpoint[]
  /** Devices of ours that no record named; deleted, unless they were to be kept. */
  readonly strays: readonly string[]
  /** Those that were kept: whose pods they are is not known, only their device and addresses. */
  readonly unknown: readonly Endpoint[]
  /** Sentences for what could not be repaired or deleted. */
  readonly problems: readonly string[]
}

export interface EndpointsOptions {
  readonly kernel: Kernel
  /** Tells which devices are gone. */
  readonly mirror: KernelMirror
  readonly routes: RouteTable
  /** Keeps host ends as they are made here. */
  readonly guard: HostEndGuard
  readonly settings: Settings
  /** Hears which host ends may send from any address. Resolves when it is in force, or cannot be. */
  readonly setUnchecked: (devices: readonly string[]) => Promise<void>
}

export class Endpoints {
  readonly #kernel: Kernel
  readonly #routes: RouteTable
  readonly #guard: HostEndGuard
  readonly #settings: Settings
  readonly #setUnchecked: EndpointsOptions['setUnchecked']
  readonly #deletion: DeviceDeletion
  readonly #attacher: Attacher
  readonly #known = new Map<string, Endpoint>()
  /** The same by their host ends. */
  readonly #devices = new Map<string, Endpoint>()
  readonly #addresses = new Map<string, string>()
  /** The last call for each key: calls for one endpoint run one after another. */
  readonly #queues = new Map<string, Promise<unknown>>()
  #sources: PodSources = {}
  #ready = false

  constructor({ kernel, mirror, routes, guard, settings, setUnchecked }: EndpointsOptions) {
    this.#kernel = kernel
    this.#routes = routes
    this.#guard = guard
    this.#settings = settings
    this.#setUnchecked = setUnchecked
    this.#deletion = new DeviceDeletion(kernel, mirror)
    this.#attacher = new Attacher(kernel, routes, this.#deletion)
  }

  /** What the node's own packets to pods come from, where that has to be told; in force at once for all pods. */
  setSources(sources: PodSources): void {
    if (sources.v4 === this.#sources.v4 && sources.v6 === this.#sources.v6) return
    this.#sources = sources
    if (this.#ready)
      this.#routes.patch(
        'endpoint',
        this.#entries().map(entry => ({ prefix: entry.prefix, entry })),
      )
  }

  #entries(): FibEntry[] {
    return [...this.#known.values()].flatMap(endpoint => wiring.endpointRoutes(endpoint, this.#sources))
  }

  /** The endpoints that are attached. */
  get all(): readonly Endpoint[] {
    return [...this.#known.values()]
  }

  /** By its key, or by its device where only that is known. */
  get(id: EndpointId): Endpoint | undefined {
    return this.#known.get(endpointKey(id)) ?? this.#devices.get(hostDeviceName(id))
  }

  /**
   * Takes over what an earlier process made, to be called once with every record. Host ends are put right where they
   * differ. Devices of ours that no record names go: an ADD that was never answered left them. With `keepStrays` the records
   * are known to be incomplete, and such a device stays with the addresses that the kernel leads to it. Declares the class
   * `endpoint` of the route table in sync.
   */
  async adopt(records: readonly Endpoint[], { keepStrays = false } = {}): Promise<Adoption> {
    await using node = await this.#kernel.open()
    const devices = new Map((await node.links()).filter(isHostDevice).map(link => [link.name, link]))
    const adopted: Endpoint[] = []
    const lost: Endpoint[] = []
    const problems: string[] = []
    for (const record of records) {
      const link = devices.get(record.hostDevice)
      devices.delete(record.hostDevice)
      if (!link) {
        lost.push(record)
        this.#guard.miss(record)
        continue
      }
      // Of a record that was made up anew nobody knows the MTU but the device.
      const endpoint = keepStrays ? await this.#withSourceCheck({ ...record, mtu: link.mtu }) : record
      adopted.push(endpoint)
      this.#remember(endpoint)
      problems.push(...(await this.#putRight(node, endpoint, link)))
      await this.#keep(endpoint, link.index)
    }
    const strays = [...devices.values()]
    const unknown = keepStrays
      ? await Promise.all((await endpointsOf(node, strays)).map(endpoint => this.#withSourceCheck(endpoint)))
      : []
    for (const endpoint of unknown) this.#remember(endpoint)
    await this.#tellUnchecked()
    const deleted = await Promise.all(
      strays.map(async link => {
        if (keepStrays) return undefined
        const outcome = await this.#deletion.delete(link.name)
        if (!outcome.ok) problems.push(outcome.error.text)
        return outcome.ok ? link.name : undefined
      }),
    )
    this.#routes.set('endpoint', this.#entries())
    this.#routes.inSync('endpoint')
    this.#ready = true
    return { adopted, lost, strays: deleted.filter(name => name !== undefined), unknown, problems }
  }

  /** Attaches a pod, wholly or not at all. */
  add(request: EndpointRequest): Promise<AddOutcome> {
    return this.#inTurn(request, async () => {
      const endpoint: Endpoint = { ...request, hostDevice: hostDeviceName(request) }
      const reserved: string[] = []
      try {
        await this.#admit(endpoint)
        for (const address of endpoint.addresses) {
          this.#reserve(address, endpoint)
          reserved.push(address)
        }
        const { attached, index } = await this.#attacher.attach(endpoint, this.#sources)
        this.#remember(attached)
        await this.#keep(attached, index)
        if (attached.sourceCheck === false) await this.#tellUnchecked()
        return { ok: true, endpoint: attached }
      } catch (thrown) {
        for (const address of reserved) this.#addresses.delete(address)
        return { ok: false, error: await this.#faultOf(endpoint, thrown) }
      }
    })
  }

  /** Where the pod has gone meanwhile, whatever the kernel said last, that is why. */
  async #faultOf(endpoint: Endpoint, thrown: unknown): Promise<EndpointError> {
    const name = endpointName(endpoint)
    const error = errorOf(`endpoint ${name}`, thrown)
    if (error.code !== 'kernel-refused' || (await this.#kernel.identify(endpoint.netns)) !== undefined) return error
    return { code: 'netns-missing', text: `endpoint ${name}: the pod's namespace went away meanwhile; start it again` }
  }

  /** One that was known in part, by its device alone at the least, is this endpoint from now on. False: no such is known so. */
  name(endpoint: Endpoint): Promise<boolean> {
    return this.#inTurn(endpoint, async () => {
      const before = this.get(endpoint)
      if (!before?.isPartial && !(before && isNameless(before))) return false
      this.#forget(before)
      this.#remember(endpoint)
      const entries = wiring.endpointRoutes(endpoint, this.#sources)
      this.#routes.patch(
        'endpoint',
        entries.map(entry => ({ prefix: entry.prefix, entry })),
      )
      await using node = await this.#kernel.open()
      const link = await node.link(endpoint.hostDevice)
      if (!link) return true
      await this.#putRight(node, endpoint, link)
      await this.#keep(endpoint, link.index)
      await this.#tellUnchecked()
      return true
    })
  }

  /** What of the attachment is not as it was made; empty: all is well. */
  async check(endpoint: Endpoint, asked?: Asked): Promise<readonly EndpointProblem[]> {
    return checkEndpoint(this.#kernel, endpoint, asked)
  }

  /** Whether the pod's namespace is there; where its path is not known, it may be. */
  async hasNamespace({ netns }: Endpoint): Promise<boolean> {
    return netns === '' || (await this.#kernel.identify(netns)) !== undefined
  }

  /** Detaches a pod. Needs no record, no namespace; may be repeated. */
  remove(id: EndpointId): Promise<RemoveOutcome> {
    return this.#inTurn(id, async () => {
      const endpoint = this.get(id)
      const hostDevice = hostDeviceName(id)
      this.#drop(hostDevice)
      // First the routes, then the device: otherwise the route table would put back what goes with the device, or would have to look
      // whether it went.
      if (endpoint) {
        const prefixes = wiring.endpointRoutes(endpoint).map(({ prefix }) => prefix)
        this.#routes.patch(
          'endpoint',
          prefixes.map(prefix => ({ prefix })),
        )
        await this.#routes.settle(prefixes)
      }
      const deleted = await this.#deletion.delete(hostDevice)
      const isElsewhere = deleted.ok && !deleted.removed && endpoint !== undefined
      const outcome = isElsewhere ? await this.#removeFarEnd(endpoint) : deleted
      if (endpoint && outcome.ok) this.#forget(endpoint)
      if (endpoint?.sourceCheck === false) await this.#tellUnchecked()
      return outcome
    })
  }

  async #removeFarEnd(endpoint: Endpoint): Promise<RemoveOutcome> {
    try {
      return await deleteFarEnd(this.#kernel, endpoint)
    } catch (thrown) {
      return { ok: false, error: errorOf(`endpoint ${endpointName(endpoint)}`, thrown) }
    }
  }

  /** What was begun is done. Pods stay. */
  async close(): Promise<void> {
    await Promise.all(this.#queues.values())
    await this.#attacher.close()
    await this.#deletion.close()
  }

  async #admit(endpoint: Endpoint): Promise<void> {
    validate(endpoint)
    const name = endpointName(endpoint)
    if (!this.#ready)
      throw new Refused(
        'not-ready',
        `endpoint ${name}: the daemon is still taking over the pods of its last run; try again`,
      )
    const known = this.#known.get(endpointKey(endpoint))
    if (known)
      throw new Refused(
        'endpoint-exists',
        `endpoint ${name}: already attached with ${known.addresses.join(', ')}; delete it before adding it again`,
      )
    const pod = await this.#kernel.identify(endpoint.netns)
    if (pod === undefined)
      throw new Refused(
        'netns-missing',
        `endpoint ${name}: ${endpoint.netns} is no network namespace, so the pod is gone or was not made; start it again`,
      )
    if (pod === (await this.#kernel.identify()))
      throw new Refused(
        'netns-is-host',
        `endpoint ${name}: ${endpoint.netns} is the node's own network namespace, which needs no attachment; give the pod its own`,
      )
  }

  #reserve(address: string, endpoint: Endpoint): void {
    const holder = this.#addresses.get(address)
    if (holder !== undefined)
      throw new Refused(
        'address-in-use',
        `endpoint ${endpointName(endpoint)}: ${address} belongs to endpoint ${holder} on this node; release that one or take another address`,
      )
    this.#addresses.set(address, endpointKey(endpoint))
  }

  // Keeping and detaching.

  async #putRight(node: Rtnetlink, endpoint: Endpoint, link: Link): Promise<readonly string[]> {
    const families = wiring.familiesOf(endpoint.addresses)
    const rpFilter = await reversePathFilter(this.#kernel, endpoint)
    const { failed } = await ensureSysctls(this.#kernel, wiring.hostSettings(link.name, families, rpFilter))
    if (link.up) return failed
    const results = await node.apply(wiring.hostOperations(link.index, families))
    return [
      ...failed,
      ...results.flatMap(result => (result.ok ? [] : [`endpoint ${endpointName(endpoint)}: ${result.text}`])),
    ]
  }

  /** From now on its host end stays as it is. */
  async #keep(endpoint: Endpoint, index: number): Promise<void> {
    const { hostDevice, addresses } = endpoint
    this.#guard.keep(endpoint, index)
    const rpFilter = await reversePathFilter(this.#kernel, endpoint)
    this.#settings.keepDevice(hostDevice, wiring.hostSettings(hostDevice, wiring.familiesOf(addresses), rpFilter))
  }

  async #withSourceCheck(endpoint: Endpoint): Promise<Endpoint> {
    const isUnchecked = endpoint.isPartial && (await sourceCheckOf(this.#kernel, endpoint)) === false
    return isUnchecked ? { ...endpoint, sourceCheck: false } : endpoint
  }

  #tellUnchecked(): Promise<void> {
    return this.#setUnchecked(uncheckedDevices(this.#known.values()))
  }

  #drop(hostDevice: string): void {
    this.#guard.release(hostDevice)
    this.#settings.dropDevice(hostDevice)
  }

  #remember(endpoint: Endpoint): void {
    const key = endpointKey(endpoint)
    this.#known.set(key, endpoint)
    this.#devices.set(endpoint.hostDevice, endpoint)
    for (const address of endpoint.addresses) this.#addresses.set(address, key)
  }

  #forget(endpoint: Endpoint): void {
    this.#known.delete(endpointKey(endpoint))
    this.#devices.delete(endpoint.hostDevice)
    for (const address of endpoint.addresses) this.#addresses.delete(address)
  }

  async #inTurn<T>(id: EndpointId, task: () => Promise<T>): Promise<T> {
    const key = endpointKey(id)
    const turn = (this.#queues.get(key) ?? Promise.resolve()).then(task)
    const settled = turn.then(
      () => {},
      () => {},
    )
    this.#queues.set(key, settled)
    await settled
    if (this.#queues.get(key) === settled) this.#queues.delete(key)
    return turn
  }
}

/** What the kernel shows of attachments whose records are lost. */
async function endpointsOf(node: Rtnetlink, links: readonly Link[]): Promise<readonly Endpoint[]> {
  const routes = await node.routes({ table: 0 })
  return links.map(({ index, name, mtu }) => {
    const toIt = routes.filter(({ nextHops }) => nextHops[0]?.link === index)
    const addresses = [...new Set(toIt.flatMap(route => podAddress(route) ?? []))]
    return { network: '', containerId: name, ifName: '', netns: '', hostDevice: name, addresses, mtu, isPartial: true }
  })
}
