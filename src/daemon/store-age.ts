// Whether the node's own store knows the pods that the kernel shows: it is new (the disk was lost), or older than they are (a backup that was
// put back).
//
// An address is in the store before the device of its pod is made, and leaves it after the device is gone (docs/ipam.md, rule 4). So a
// device of ours whose pod is neither recorded as attached nor has an address in the store was made after what the store tells of; that of
// an ADD that broke off has its address there. The same is told by a recorded pod that the kernel has other addresses for.

import { tables as ipamTables } from '../ipam/records.ts'
import type { AddressInUse, AddressRow } from '../ipam/index.ts'
import { hostDeviceName } from '../dataplane/endpoints/names.ts'
import type { Dataplane } from '../dataplane/index.ts'
import type { Kernel } from '../dataplane/kernel.ts'
import type { NodeStore } from '../datastore/node-store.ts'
import type { Endpoint } from '../model/endpoint.ts'
import { addressesInUse, type AddressOfDevice } from './in-use.ts'
import { endpointsTable } from './nameless.ts'

export interface StoreAge {
  readonly is: 'whole' | 'lost' | 'behind'
  /** What the kernel shows, where the store does not know it. */
  readonly inUse: readonly AddressInUse[]
  /** Addresses that the store has for pods that do not have them any more. */
  readonly disowned: readonly string[]
  /** Addresses that the kernel leads to pods, by device: of a store that was lost all, else of recorded pods that have other ones by now. */
  readonly moved: ReadonlyMap<string, readonly string[]>
}

export const wholeStore: StoreAge = { is: 'whole', inUse: [], disowned: [], moved: new Map() }

export interface StoreAgePorts {
  readonly kernel: Kernel
  readonly dataplane: Pick<Dataplane, 'podDevices' | 'leads'>
  readonly nodeStore: NodeStore
  /** Of our routes. */
  readonly protocol: number
}

/** `isNew`: the store was made just now. */
export async function storeAge(ports: StoreAgePorts, isNew: boolean): Promise<StoreAge> {
  const { kernel, dataplane, nodeStore, protocol } = ports
  if (isNew) {
    const inUse = await addressesInUse(kernel, protocol)
    const led = [...byDevice(inUse)].map(([device, of]) => [device, of.map(({ address }) => address)] as const)
    return { ...wholeStore, is: 'lost', inUse, moved: new Map(led) }
  }
  const records = (await nodeStore.all(endpointsTable)).map(row => row.value as Endpoint)
  const rows = new Map((await nodeStore.all(ipamTables.addresses)).map(row => [row.key, row.value as AddressRow]))
  const devices = dataplane.podDevices()
  const known = new Set([...records.map(({ hostDevice }) => hostDevice), ...[...rows.values()].map(hostDeviceName)])
  const isUnknown = devices.some(device => !known.has(device))
  const there = records.filter(({ hostDevice }) => devices.includes(hostDevice))
  const isLed = ({ addresses, hostDevice }: Endpoint): boolean =>
    addresses.every(address => dataplane.leads(address, hostDevice))
  // The kernel may have very many routes, so they are read only where something is amiss.
  if (!isUnknown && there.every(isLed)) return wholeStore

  const inUse = await addressesInUse(kernel, protocol)
  const ofDevice = byDevice(inUse)
  const moved = new Map(
    there.flatMap(({ hostDevice, addresses: before }) => {
      const now = (ofDevice.get(hostDevice) ?? []).map(({ address }) => address)
      const isOther = now.some(address => {
        const same = before.filter(each => isSix(each) === isSix(address))
        return same.length > 0 && same.every(each => !now.includes(each))
      })
      return isOther ? [[hostDevice, now]] : []
    }),
  )
  if (!isUnknown && moved.size === 0) return wholeStore
  const disowned = inUse.filter(isOfPod).flatMap(({ address, device }) => {
    const row = rows.get(address)
    return row && row.containerId !== '' && hostDeviceName(row) !== device ? [address] : []
  })
  return { is: 'behind', inUse, disowned, moved }
}

/** The addresses of a pod whose device the kernel leads `now` to: of a family of which that is nothing, those of `before`. */
export function addressesNow(now: readonly string[], before: readonly string[]): readonly string[] {
  return [...now, ...before.filter(each => now.every(one => isSix(one) !== isSix(each)))]
}

function byDevice(inUse: readonly AddressOfDevice[]) {
  return Map.groupBy(inUse.filter(isOfPod), ({ device }) => device)
}

function isOfPod(each: AddressOfDevice): each is AddressOfDevice & { readonly device: string } {
  return each.device !== undefined
}

function isSix(address: string): boolean {
  return address.includes(':')
}
