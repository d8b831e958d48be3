// A pod's attachment to the network. Types only.

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
  /** Whether it may send from its own addresses only. Default: yes. */
  readonly sourceCheck?: false
  /** Who the pod is to people: `K8S_POD_NAMESPACE/K8S_POD_NAME` where the runtime says so. */
  readonly label?: string
}

/** The key of an endpoint within its node. */
export function endpointKey(e: {
  readonly network: string
  readonly containerId: string
  readonly ifName: string
}): string {
  return `${e.network}/${e.containerId}/${e.ifName}`
}
