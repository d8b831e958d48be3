// What is true of this node now, seen from the kernel. Types only.

export interface Facts {
  readonly links: readonly LinkFact[]
  /** Every address of the node, `10.0.1.7/24` with its link's name. */
  readonly addresses: readonly AddressFact[]
  /** Routes in the main table that are not ours: connected, static, of other daemons. */
  readonly foreignRoutes: readonly ForeignRoute[]
  /** `net.ipv4.conf.all.rp_filter`: 1 strict, 2 loose; absent: off. Every device has at least that. */
  readonly reversePathFilter?: number
}

export interface AddressFact {
  readonly link: string
  readonly cidr: string
  /** The kernel prefers another of that subnet; of IPv6: it is a temporary one. Default: no. */
  readonly secondary?: boolean
}

export interface LinkFact {
  readonly index: number
  readonly name: string
  readonly up: boolean
  readonly carrier: boolean
  readonly mtu: number
}

export interface ForeignRoute {
  /** `10.0.1.0/24`, `0.0.0.0/0`. */
  readonly prefix: string
  readonly gateway?: string
  readonly device?: string
  /** Preferred source, where the route says one. */
  readonly source?: string
  readonly protocol: number
  readonly metric: number
  /** rtnetlink's scope link and no gateway: directly connected. */
  readonly connected: boolean
}
