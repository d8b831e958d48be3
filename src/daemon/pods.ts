// What the daemon does for a CNI call: an address from IPAM, an attachment from the data plane, and a record of it in the node's own
// store before the answer leaves.
//
// The order makes every crash harmless. ADD: address (durable), device, record (durable), answer. DEL: device, address, record. So
// whatever a restart finds without a record was never answered to a runtime, and is taken back (`recover`). Calls for one attachment
// come one after another: the CNI server sees to that.

import type {
  AddRequest,
  Attachment,
  AttachmentKey,
  CheckRequest,
  CniBackend,
  NamespaceKind,
} from '../../cni-plugin/protocol/backend.ts'
import type { Target } from '../../cni-plugin/protocol/environment.ts'
import { CniError, code } from '../../cni-plugin/protocol/errors.ts'
import { namespaceKind } from '../../cni-plugin/protocol/namespace.ts'
import type { EndpointErrorCode } from '../dataplane/endpoints/errors.ts'
import type { Adoption, Endpoints } from '../dataplane/endpoints/endpoints.ts'
import { hostDeviceName, isNameless, mayBePods } from '../dataplane/endpoints/names.ts'
import { shownRoutes } from '../dataplane/endpoints/wiring.ts'
import type { NodeStore } from '../datastore/node-store.ts'
import { IpamError } from '../ipam/errors.ts'
import type { AddressRow, Ipam } from '../ipam/index.ts'
import { type Endpoint, endpointKey, hostMac } from '../model/endpoint.ts'
import type { IpFamily } from '../../inet/index.ts'
import type { Log } from './log.ts'
import { endpointsTable as table, nameKnown, nameOne, partial } from './nameless.ts'
import type { IPPoolResource } from '../resources/index.ts'
import { askedFamilies, askedPools, askedRoutes, askedSysctls, requireOneOfEach } from './pod-request.ts'
import { addressesNow, type StoreAge } from './store-age.ts'
import { Readiness, type ReadinessOptions } from './readiness.ts'
import { isTunnelOwner } from './tunnels.ts'
import { Turns } from './turns.ts'
import { StoreFault } from './watched-store.ts'

const noPool =
  'no enabled pool is for this node: apply an IPPool, or see nodeSelector and disabled of those that are there'

export interface PodsOptions {
  readonly ipam: Ipam
  readonly endpoints: Endpoints
  readonly nodeStore: NodeStore
  readonly log: Log
  /** Families that pods of a namespace get an address of, or none at all. */
  readonly families: (namespace: string | undefined) => readonly IpFamily[]
  /** MTU of a new pod with these addresses. */
  readonly mtu: (addresses: readonly string[]) => number
  /** Resolves when what has to be seen before an address is given has been seen, and after some seconds all the same. */
  readonly looked: () => Promise<void>
  /** Why no pod can be attached now; undefined: it can. */
  readonly obstacle: () => string | undefined
  /** The cluster's pools as they are now. */
  readonly pools: () => readonly IPPoolResource[]
  /** Sysctls that pods may ask for, by name or with `*` at the end. */
  readonly sysctls: () => readonly string[]
  /** BGP sessions of this node. */
  readonly peers: ReadinessOptions['peers']
}

/** Of the node's own store: keys of attachments that ended before it knew all addresses. */
const endedTable = 'ended'

export class Pods implements CniBackend {
  readonly #options: PodsOptions
  readonly #readiness: Readiness
  readonly #turns = new Turns()
  /** Ended while the node's store did not know all addresses: a copy may tell of theirs later. By `endpointKey`. */
  readonly #ended = new Map<string, AttachmentKey>()
  /** Records of nameless pods whose devices were gone at the start, by device: a DEL may still come, or a copy name them. */
  readonly #gone = new Map<string, Endpoint>()
  #recovered = false

  constructor(options: PodsOptions) {
    this.#options = options
    const { ipam, pools, peers } = options
    this.#readiness = new Readiness({
      obstacle: () => options.obstacle() ?? (pools().every(({ spec }) => spec.disabled) ? noPool : ipam.obstacle),
      peers,
      addresses: () => JSON.stringify([pools(), ipam.show().blocks]),
    })
  }

  /** Records of the attachments that runtimes were told of. */
  async records(): Promise<readonly Endpoint[]> {
    const records = (await this.#options.nodeStore.all(table)).map(row => row.value as Endpoint)
    // Once the kernel's own link-local routes were taken for a nameless pod's.
    return records.map(record =>
      isNameless(record) ? { ...record, addresses: record.addresses.filter(mayBePods) } : record,
    )
  }

  /**
   * After a start: takes over what is recorded, and takes back what no runtime was told of. A node whose store was lost, or is older
   * than its pods, takes every pod that the datastore's copies or its own kernel show, and no device is taken back.
   */
  async recover({ is, moved }: StoreAge): Promise<Adoption> {
    const { ipam, endpoints, nodeStore, log } = this.#options
    const recorded = is === 'lost' ? this.#rebuild() : await this.records()
    const records = recorded.map(record => withAddresses(record, moved))
    const adoption = await endpoints.adopt(records, { keepStrays: is !== 'whole' })
    const { adopted, lost, unknown, strays, problems } = adoption
    // A copy, or an older record, may be of a pod that is over, whose DEL nobody repeats; another one may have its address now.
    const taken = new Set([...unknown, ...adopted].flatMap(({ addresses }) => addresses))
    const gone: Endpoint[] = []
    for (const record of is === 'whole' ? [] : lost) {
      const hasNamespace = await endpoints.hasNamespace(record)
      if (!hasNamespace || record.addresses.some(address => taken.has(address))) gone.push(record)
    }
    // Nobody is told that these lack their devices.
    for (const record of gone) await endpoints.remove(record)
    const left = lost.filter(record => !gone.includes(record))
    for (const record of left.filter(isNameless)) this.#gone.set(record.hostDevice, record)
    const found = [...adopted, ...left, ...unknown]
    if (is !== 'whole') {
      await nodeStore.commit([
        ...gone.map(record => ({ do: 'delete', table, key: endpointKey(record) }) as const),
        ...found.map(value => ({ do: 'put', table, key: endpointKey(value), value }) as const),
      ])
      const owners = new Map(ipam.show().addresses.map(row => [row.address, endpointKey(row)]))
      for (const record of adopted) {
        // Whatever a copy or an older record says: what the kernel leads to the pod is the pod's.
        const others = record.addresses.filter(address => owners.get(address) !== endpointKey(record))
        if (others.length > 0) await ipam.rename(others, record)
      }
      if (found.length > 0)
        log.warn(`the store of this node ${told[is]}; its pods are known again from the datastore and the kernel`, {
          pods: found.length,
          nameless: unknown.length,
        })
    }
    const held = new Set(found.flatMap(endpoint => endpoint.addresses))
    const isUnfinished = (row: AddressRow & { readonly address: string }): boolean =>
      !held.has(row.address) && !isTunnelOwner(row)
    for (const row of ipam.show().addresses.filter(isUnfinished))
      log.info(`address of ${is === 'whole' ? 'an unfinished ADD' : 'a pod that is gone'} released`, {
        address: row.address,
        container: row.containerId,
      })
    await ipam.releaseExcept(row => !isUnfinished(row))
    for (const name of strays) log.info('device of an unfinished ADD deleted', { device: name })
    for (const problem of problems) log.warn(problem)
    for (const { key, value } of await nodeStore.all(endedTable)) this.#ended.set(key, value as AttachmentKey)
    this.#recovered = true
    await this.nameKnown()
    return adoption
  }

  add(request: AddRequest, signal: AbortSignal): Promise<Attachment> {
    return this.#turns.run(endpointKey(request), () => this.#add(request, signal).catch(tellStore))
  }

  del(key: AttachmentKey): Promise<void> {
    return this.#turns.run(endpointKey(key), () => this.#del(key).catch(tellStore))
  }

  /** A DEL that no runtime asked for, if the pod is gone at that moment. */
  delIf(key: AttachmentKey, isGone: () => Promise<boolean>): Promise<boolean> {
    return this.between(key, async () => {
      const gone = await isGone()
      if (gone) await this.#del(key)
      return gone
    })
  }

  /** Does something to an attachment while no ADD or DEL of it is under way. */
  between<T>(key: AttachmentKey, work: () => Promise<T>): Promise<T> {
    return this.#turns.run(endpointKey(key), work)
  }

  /** Notes which attachments (`endpointKey`) an ADD or DEL is under way of, until it is disposed of. */
  moving(): ReturnType<Turns['note']> {
    return this.#turns.note()
  }

  /** Nameless pods become those whose owners are known now: for the daemon, when the datastore's copies may have been read. */
  async nameKnown(): Promise<void> {
    if (!this.#recovered) return
    await nameKnown(this.#options, this.#turns)
    if (this.#options.ipam.isWhole) await this.#endKnown()
  }

  /** Addresses of pods that ended before the store knew of them. */
  async #endKnown(): Promise<void> {
    const { ipam, endpoints, nodeStore, log } = this.#options
    for (const [id, key] of this.#ended)
      await this.#turns.run(id, async () => {
        const released = endpoints.get(key) ? [] : await ipam.release(key)
        await nodeStore.commit([{ do: 'delete', table: endedTable, key: id }])
        this.#ended.delete(id)
        if (released.length > 0)
          log.info('addresses of a pod that ended before they were known released', {
            pod: nameOf(key),
            addresses: released.join(','),
          })
      })
  }

  async #add(request: AddRequest, signal: AbortSignal): Promise<Attachment> {
    const { endpoints, nodeStore, log } = this.#options
    await this.#options.looked()
    const obstacle = this.#options.obstacle()
    if (obstacle !== undefined) throw new CniError(code.tryAgainLater, obstacle)
    if (endpoints.get(request))
      throw new CniError(code.attachmentExists, `pod ${nameOf(request)} is attached already: DEL it before another ADD`)
    const wishes = { ...askedRoutes(request), ...askedSysctls(request, this.#options.sysctls()) }
    const addresses = await this.#assign(request)
    let attached: Endpoint | undefined
    try {
      signal.throwIfAborted()
      const { network, containerId, ifName, netns, label, mac, sourceCheck } = request
      const mtu = request.mtu ?? this.#options.mtu(addresses)
      const outcome = await endpoints.add({
        network,
        containerId,
        ifName,
        netns,
        addresses,
        mtu,
        ...wishes,
        ...(label && { label }),
        ...(mac && { mac }),
        ...(sourceCheck === false && { sourceCheck }),
      })
      if (!outcome.ok) throw new CniError(codeOf[outcome.error.code], outcome.error.text)
      attached = outcome.endpoint
      signal.throwIfAborted()
      await nodeStore.commit([{ do: 'put', table, key: endpointKey(attached), value: attached }])
      this.#options.ipam.detailsChanged(addresses)
      signal.throwIfAborted()
      log.info('pod attached', { pod: nameOf(request), addresses: addresses.join(','), device: attached.hostDevice })
      return { endpoint: attached, hostMac, routes: shownRoutes(attached) }
    } catch (error) {
      await this.#undo(request, attached !== undefined)
      throw error
    }
  }

  async #del(key: AttachmentKey): Promise<void> {
    const { ipam, endpoints, nodeStore, log } = this.#options
    const isUnsure = !ipam.isWhole
    const endpoint = endpoints.get(key)
    const device = hostDeviceName(key)
    const gone = endpoint ? undefined : this.#gone.get(device)
    const outcome = await endpoints.remove(key)
    if (!outcome.ok) throw new CniError(code.tryAgainLater, outcome.error.text)
    await ipam.release(key)
    const keys = [endpointKey(key)]
    if (endpoint && isNameless(endpoint)) {
      // A pod whose record was lost is known by its device: so are its addresses.
      await ipam.releaseExcept(row => !endpoint.addresses.includes(row.address))
      keys.push(endpointKey(endpoint))
    }
    if (gone) {
      // By now others may have addresses that it had.
      const isIts = (row: AddressRow & { readonly address: string }): boolean =>
        row.containerId === '' ? gone.addresses.includes(row.address) : hostDeviceName(row) === device
      await ipam.releaseExcept(row => !isIts(row))
      keys.push(endpointKey(gone))
    }
    const { network, containerId, ifName } = key
    await nodeStore.commit([
      ...keys.map(each => ({ do: 'delete', table, key: each }) as const),
      ...(isUnsure
        ? [{ do: 'put', table: endedTable, key: keys[0], value: { network, containerId, ifName } } as const]
        : []),
    ])
    if (isUnsure) this.#ended.set(keys[0], { network, containerId, ifName })
    this.#gone.delete(device)
    if (outcome.removed) log.info('pod detached', { pod: nameOf(key) })
  }

  async check(request: CheckRequest): Promise<void> {
    const { ipam, endpoints } = this.#options
    await this.#learn(request)
    const endpoint = endpoints.get(request)
    if (!endpoint)
      throw new CniError(
        code.attachmentBroken,
        `pod ${nameOf(request)} is not attached on this node: DEL it and ADD it again`,
      )
    const faults: string[] = []
    const held = new Set(
      ipam
        .show()
        .addresses.filter(row => endpointKey(row) === endpointKey(request))
        .map(row => row.address),
    )
    for (const address of request.addresses) {
      if (!held.has(address)) faults.push(`address ${address} is not recorded for the pod; DEL it and ADD it again`)
    }
    const { netns, macs, mtus } = request
    for (const problem of await endpoints.check({ ...endpoint, netns }, { macs, mtus })) faults.push(problem.text)
    if (faults.length > 0) throw new CniError(code.attachmentBroken, `pod ${nameOf(request)}: ${faults.join('; ')}`)
  }

  async gc(network: string, valid: readonly Target[]): Promise<void> {
    for (const target of valid) await this.#learn({ network, ...target })
    const keep = new Set(valid.map(target => endpointKey({ network, ...target })))
    // Records and addresses rather than devices: after a reboot they are all that is left of a pod.
    const known = [...(await this.records()), ...this.#options.ipam.show().addresses]
    const stale = new Map(known.filter(each => each.network === network).map(each => [endpointKey(each), each]))
    for (const key of keep) stale.delete(key)
    const outcomes = await Promise.allSettled(
      [...stale.values()].map(({ containerId, ifName }) => this.del({ network, containerId, ifName })),
    )
    const faults = outcomes.flatMap(outcome =>
      outcome.status === 'rejected' ? [(outcome.reason as Error).message] : [],
    )
    if (faults.length > 0) throw new CniError(code.attachmentBroken, faults.join('; '))
  }

  async status(): Promise<void> {
    this.#readiness.check()
  }

  namespaceKind(path: string): Promise<NamespaceKind> {
    return namespaceKind(path)
  }

  /** The runtime names a pod: it may be a nameless one. */
  async #learn(pod: AttachmentKey & { readonly netns?: string }): Promise<void> {
    const endpoint = this.#options.endpoints.get(pod)
    if (endpoint && isNameless(endpoint)) await this.between(pod, () => nameOne(this.#options, pod))
  }

  /** Endpoints of the addresses whose owners the datastore's copies name. */
  #rebuild(): readonly Endpoint[] {
    const owned = this.#options.ipam.show().addresses.filter(row => row.containerId !== '' && !isTunnelOwner(row))
    return [...Map.groupBy(owned, endpointKey).values()].map((rows): Endpoint => {
      const [{ network, containerId, ifName, label, details = partial }] = rows
      const key = { network, containerId, ifName }
      const addresses = rows.map(row => row.address)
      const mtu = this.#options.mtu(addresses)
      return { ...key, hostDevice: hostDeviceName(key), addresses, mtu, ...(label && { label }), ...details }
    })
  }

  async #assign(request: AddRequest): Promise<readonly string[]> {
    const { network, containerId, ifName, label, addresses: requested } = request
    const namespace = label?.includes('/') ? label.split('/')[0] : undefined
    requireOneOfEach(requested, nameOf(request))
    const families = askedFamilies(request, this.#options.families(namespace))
    const pools = askedPools(request, this.#options.pools())
    if (families.length === 0) throw new CniError(code.noAddressLeft, noPool)
    try {
      const assigned = await this.#options.ipam.assign({
        network,
        containerId,
        ifName,
        families,
        requested,
        ...(pools && { pools }),
        ...(label && { label }),
        ...(namespace !== undefined && { namespace }),
      })
      return assigned.addresses.map(({ address }) => address)
    } catch (error) {
      if (!(error instanceof IpamError)) throw error
      // What one pod asks for in particular says nothing of the others.
      if (['exhausted', 'unreachable'].includes(error.code) && requested.length === 0 && !pools)
        this.#readiness.refused(error.message, error.code === 'unreachable' ? 10_000 : 60_000)
      if (error.code === 'store-failed') throw error
      throw new CniError(
        ['unreachable', 'asked'].includes(error.code) ? code.tryAgainLater : code.noAddressLeft,
        error.message,
      )
    }
  }

  /** Takes back a half-made ADD. What fails here is found and taken back at the next start. */
  async #undo(request: AddRequest, attached: boolean): Promise<void> {
    const { ipam, endpoints, nodeStore, log } = this.#options
    try {
      // Also where the device could not be made: as long as there is one, its address has to be recorded.
      const outcome = await endpoints.remove(request)
      if (!outcome.ok) throw new Error(outcome.error.text)
      if (attached) await nodeStore.commit([{ do: 'delete', table, key: endpointKey(request) }])
      await ipam.release(request)
    } catch (error) {
      log.error('an ADD that failed could not be taken back; a restart of margayd does it', {
        pod: nameOf(request),
        reason: String(error),
      })
    }
  }
}

/** What the node's own store does not take is no fault of the request. */
function tellStore(error: unknown): never {
  if (!(error instanceof StoreFault || (error instanceof IpamError && error.code === 'store-failed'))) throw error
  throw new CniError(
    code.io,
    `the node's own store takes no writes: ${error.message.replace(/\.$/, '')}`,
    'Look at its disk; margayctl status names the file.',
  )
}

const codeOf: { readonly [C in EndpointErrorCode]: number } = {
  'netns-missing': code.invalidEnvironment,
  'netns-is-host': code.hostNamespace,
  'interface-exists': code.attachmentExists,
  'endpoint-exists': code.attachmentExists,
  'address-in-use': code.attachmentExists,
  'route-conflict': code.attachmentExists,
  'bad-request': code.invalidConfig,
  'not-ready': code.tryAgainLater,
  'kernel-refused': code.internal,
}

const told = { lost: 'was lost', behind: 'is older than its pods' } as const

/** A recorded pod as the kernel has it. */
function withAddresses(record: Endpoint, moved: StoreAge['moved']): Endpoint {
  const now = moved.get(record.hostDevice)
  return now ? { ...record, addresses: addressesNow(now, record.addresses) } : record
}

function nameOf(key: AttachmentKey & { readonly label?: string }): string {
  return key.label ?? `${key.containerId}/${key.ifName}`
}
