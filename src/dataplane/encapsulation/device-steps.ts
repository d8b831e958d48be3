// What is on a tunnel device: its address, its neighbours and its forwarding entries, as wanted against what the kernel has.
//
// The kernel sends an event for each write, ours too. `isMeddling` knows them apart by what the device is to have.

import type { FdbEntry, InterfaceAddress, Neighbour, NetlinkEvent, Operation } from '../../../netlink/types.ts'
import type { Tunnel } from '../../model/tunnel.ts'
import type { DeviceEnd } from './encapsulation.ts'
import { deviceOf } from './kinds.ts'

/** What the kernel has on one device. */
export interface OnDevice {
  readonly addresses: readonly InterfaceAddress[]
  readonly neighbours: readonly Neighbour[]
  readonly fdb: readonly FdbEntry[]
}

/** `stale`: far ends that are not wanted any more go. */
export function stepsOn(
  { tunnel, address }: { readonly tunnel: Tunnel; readonly address?: string },
  link: number,
  { addresses, neighbours, fdb }: OnDevice,
  stale: boolean,
): readonly Operation[] {
  const ends = deviceOf(tunnel).ends(tunnel)
  const cidr = address === undefined ? undefined : `${address}/${tunnel.family === 4 ? 32 : 128}`
  const adds: Operation[] = ends.flatMap((end): Operation[] => {
    const { gateway, mac } = end
    return [
      ...entrySteps(end, link, fdb),
      ...(neighbours.some(one => one.address === gateway && isNeighbourOf(one, end))
        ? []
        : [
            {
              do: 'neighbour.replace' as const,
              neighbour: { link, address: gateway, mac, state: 'permanent' as const },
            },
          ]),
    ]
  })
  if (cidr !== undefined && !addresses.some(one => one.cidr === cidr))
    adds.push({ do: 'address.add', address: { link, cidr, scope: 'universe', noDad: tunnel.family === 6 } })
  const removes: Operation[] = [
    ...addresses
      .filter(one => one.cidr !== cidr && !one.cidr.startsWith('fe80:'))
      .map(one => ({ do: 'address.delete' as const, address: one })),
    ...(stale
      ? [
          ...neighbours
            .filter(one => one.state === 'permanent' && !ends.some(end => end.gateway === one.address))
            .map(neighbour => ({ do: 'neighbour.delete' as const, neighbour })),
          ...fdb
            .filter(entry => entry.dst !== undefined && !ends.some(end => end.mac === entry.mac))
            .map(entry => ({ do: 'fdb.delete' as const, entry })),
        ]
      : []),
  ]
  return [...adds, ...removes]
}

/** Frames for a MAC go to each of its far ends. A replacement takes the place of the first one. */
function entrySteps(end: DeviceEnd, link: number, fdb: readonly FdbEntry[]): readonly Operation[] {
  const { mac, dst } = end
  if (dst === undefined) return []
  const wrong = fdb.filter(entry => entry.mac === mac && entry.dst !== undefined && !isEntryOf(entry, end))
  const isThere = fdb.some(entry => isEntryOf(entry, end))
  return [
    ...(isThere ? [] : [{ do: 'fdb.replace' as const, entry: { link, mac, dst } }]),
    ...wrong.slice(isThere ? 0 : 1).map(entry => ({ do: 'fdb.delete' as const, entry })),
  ]
}

/** True if the event tells of what we did not do: an end that is wanted went or changed, another one came. `ends`: those of its link. */
export function isMeddling(event: NetlinkEvent, ends: readonly DeviceEnd[]): boolean {
  if (event.type === 'neighbour.put' || event.type === 'neighbour.delete') {
    const { neighbour } = event
    const end = ends.find(({ gateway }) => gateway === neighbour.address)
    if (event.type === 'neighbour.delete') return end !== undefined
    // Of an address that is no node's the kernel itself makes entries, none of them permanent.
    return end ? !isNeighbourOf(neighbour, end) : neighbour.state === 'permanent'
  }
  if (event.type === 'fdb.put' || event.type === 'fdb.delete') {
    const { entry } = event
    if (entry.dst === undefined) return false
    return ends.some(end => isEntryOf(entry, end)) === (event.type === 'fdb.delete')
  }
  return false
}

function isNeighbourOf({ mac, state }: Neighbour, end: DeviceEnd): boolean {
  return mac === end.mac && state === 'permanent'
}

function isEntryOf({ mac, dst, port, vni, via }: FdbEntry, end: DeviceEnd): boolean {
  return mac === end.mac && dst === end.dst && port === undefined && vni === undefined && via === undefined
}
