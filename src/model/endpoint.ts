// A pod's attachment to the network. Types only.

import type { IpFamily } from '../../inet/index.ts'

/** One interface of one container: what CNI ADD makes and DEL removes. */
export interface Endpoint {
  /** CNI network name, container id and interface: the key. */
  readonly network: string
  readonly containerId: string
  readonly ifName: string
  /** Path of the network namespace, as the runtime gave it. */
  readonly netns: string
  /** The host's side of the veth pair. */
  readonly hostDevice: string
  /** Addresses without length, IPv4 and IPv6. */
  readonly addresses: readonly string[]
  readonly mtu: number
  /** Pod's MAC, known once it is made. */
  readonly mac?: string
  /** Its default routes are another interface's, of these families. */
  readonly withoutDefault?: readonly IpFamily[]
  /** Routes of the pod by this interface, beside the default routes. */
  readonly routes?: readonly PodRoute[]
  /** Settings that were asked for in the pod's namespace, by path under `/proc/sys`; once it is made, as the kernel shows them. */
  readonly sysctls?: Readonly<Record<`net/${string}`, string>>
  /** Whether it may send from its own addresses only. Default: yes. */
  readonly sourceCheck?: false
  /** Its record was lost, and what of it neither the copies nor the kernel tell is not known: MAC, routes, sysctls, default routes. */
  readonly isPartial?: true
  /** Who the pod is to people: `K8S_POD_NAMESPACE/K8S_POD_NAME` where the runtime says so. */
  readonly label?: string
}

/** What of an endpoint neither its key nor the kernel of its node tells: it is noted beside its addresses. */
export type EndpointDetails = Pick<Endpoint, 'mac' | 'netns' | 'routes' | 'sourceCheck' | 'sysctls' | 'withoutDefault'>

/** Undefined: they are not known. */
export function detailsOf(endpoint: Endpoint | undefined): EndpointDetails | undefined {
  if (!endpoint || endpoint.isPartial || endpoint.netns === '') return undefined
  const { netns, mac, routes, sourceCheck, sysctls, withoutDefault } = endpoint
  return {
    netns,
    ...(mac !== undefined && { mac }),
    ...(routes && { routes }),
    ...(sourceCheck === false && { sourceCheck }),
    ...(sysctls && { sysctls }),
    ...(withoutDefault && { withoutDefault }),
  }
}

/** A route of a pod; its next hop is the pod's gateway. */
export interface PodRoute {
  /** `10.9.0.0/16`. */
  readonly dst: string
  readonly mtu?: number
  /** Absent: the kernel's choice. */
  readonly metric?: number
}

/** What people know the pod by. */
export function endpointName(endpoint: Endpoint): string {
  // One whose name was lost is known by its device alone.
  return endpoint.label ?? (endpoint.network === '' ? endpoint.containerId : endpointKey(endpoint))
}

/** The key of an endpoint within its node. */
export function endpointKey(e: {
  readonly network: string
  readonly containerId: string
  readonly ifName: string
}): string {
  return `${e.network}/${e.containerId}/${e.ifName}`
}

/** Every host end has it, so one neighbour entry serves all pods; fe80::ecee:eeff:feee:eeee follows from it (EUI-64). */
export const hostMac = 'ee:ee:ee:ee:ee:ee'
