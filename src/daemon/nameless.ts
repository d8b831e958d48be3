// Pods whose records were lost with the node's own store and that no copy in the datastore named at the start: known by their devices
// alone, until somebody names them.
//
// A device's name follows from the key of its endpoint, so a key that comes up later (from a copy, when the datastore is back, or from the
// runtime) proves itself. Addresses alone would not: a copy may be older than the pod that has the address now.

import type { Endpoints } from '../dataplane/endpoints/endpoints.ts'
import { hostDeviceName, isNameless } from '../dataplane/endpoints/names.ts'
import type { NodeStore } from '../datastore/node-store.ts'
import type { Ipam, Owner } from '../ipam/index.ts'
import { endpointKey, type Endpoint } from '../model/endpoint.ts'
import type { Log } from './log.ts'
import type { Turns } from './turns.ts'

/** Of the node's own store: the attachments that runtimes were told of. */
export const endpointsTable = 'endpoints'

/** Of a pod of which nothing beyond its name and addresses is known. */
export const partial = { netns: '', isPartial: true } as const

export interface NamelessPorts {
  readonly ipam: Ipam
  readonly endpoints: Endpoints
  readonly nodeStore: NodeStore
  readonly log: Log
}

/** A pod as a copy or a runtime names it. */
export interface Named extends Owner {
  readonly label?: string
  readonly netns?: string
}

/** Every nameless pod that an address's record names becomes that one. */
export async function nameKnown(ports: NamelessPorts, turns: Turns): Promise<void> {
  const { ipam, endpoints } = ports
  for (const endpoint of endpoints.all.filter(each => each.isPartial && !isNameless(each)))
    await turns.run(endpointKey(endpoint), () => complete(ports, endpoint))
  const devices = new Set(endpoints.all.filter(isNameless).map(({ hostDevice }) => hostDevice))
  if (devices.size === 0) return
  const owners = new Map(
    ipam
      .show()
      .addresses.filter(({ network }) => network !== '')
      .map(row => [endpointKey(row), row]),
  )
  for (const [key, { network, containerId, ifName, label }] of owners) {
    const owner = { network, containerId, ifName, ...(label !== undefined && { label }) }
    if (devices.has(hostDeviceName(owner))) await turns.run(key, () => nameOne(ports, owner))
  }
}

/** If the pod's device is a nameless one, it is this pod's from now on. To be called while no ADD or DEL of the pod runs. */
export async function nameOne({ ipam, endpoints, nodeStore, log }: NamelessPorts, pod: Named): Promise<void> {
  const before = endpoints.get(pod)
  if (!before || !isNameless(before)) return
  const { network, containerId, ifName } = pod
  const key = endpointKey(pod)
  const rows = ipam.show().addresses
  const details = rows.find(row => endpointKey(row) === key && row.details)?.details
  const { isPartial: _, sourceCheck, ...seen } = before
  const label = pod.label ?? rows.find(row => endpointKey(row) === key)?.label
  // What the kernel leads to it; of a family of which that is nothing, what is recorded for it and nobody has.
  const held = new Set(endpoints.all.flatMap(({ addresses }) => addresses))
  const hasFamily = (address: string): boolean =>
    before.addresses.some(each => each.includes(':') === address.includes(':'))
  const more = rows.filter(row => endpointKey(row) === key && !held.has(row.address) && !hasFamily(row.address))
  const addresses = [...before.addresses, ...more.map(({ address }) => address)]
  const named: Endpoint = {
    ...seen,
    // What the kernel tells counts where nothing was noted.
    ...(details ?? { ...partial, ...(sourceCheck === false && { sourceCheck }) }),
    network,
    containerId,
    ifName,
    netns: pod.netns ?? details?.netns ?? '',
    addresses,
    ...(label !== undefined && { label }),
  }
  await ipam.rename(addresses, { network, containerId, ifName, ...(label !== undefined && { label }) })
  await nodeStore.commit([
    { do: 'put', table: endpointsTable, key, value: named },
    { do: 'delete', table: endpointsTable, key: endpointKey(before) },
  ])
  await endpoints.name(named)
  log.info('pod known by its device alone has its name again', {
    pod: label ?? `${containerId}/${ifName}`,
    device: before.hostDevice,
  })
}

/** Of a pod that its runtime named, what the copies tell is added. */
async function complete({ ipam, endpoints, nodeStore }: NamelessPorts, pod: Owner): Promise<void> {
  const before = endpoints.get(pod)
  const row = ipam.show().addresses.find(each => endpointKey(each) === endpointKey(pod) && each.details)
  if (!before?.isPartial || !row?.details) return
  const { isPartial: _, sourceCheck: __, ...seen } = before
  const whole: Endpoint = { ...seen, ...row.details, ...(row.label !== undefined && { label: row.label }) }
  await nodeStore.commit([{ do: 'put', table: endpointsTable, key: endpointKey(pod), value: whole }])
  await endpoints.name(whole)
}
