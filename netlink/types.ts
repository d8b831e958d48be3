// The words of rtnetlink, read and written alike: what a dump returns can be given back to `apply`. Types only.
// Sources: linux/if_link.h, if_addr.h, rtnetlink.h, neighbour.h.

import type { PrefixKey } from '../inet/index.ts'

/** Address family: 4 = AF_INET, 6 = AF_INET6. */
export type IpFamily = 4 | 6

export interface Link {
  readonly index: number
  readonly name: string
  /** IFLA_INFO_KIND: `veth`, `bridge`, `vxlan`…; undefined for physical devices and `lo`. */
  readonly kind?: string
  /** IFF_UP. */
  readonly up: boolean
  /** IFLA_CARRIER. */
  readonly carrier: boolean
  readonly loopback: boolean
  /** IFF_NOARP: nobody is asked for link-layer addresses (ARP, NDP); so tunnels are by nature, others when somebody says so. */
  readonly noArp?: boolean
  readonly mtu: number
  /** `02:00:00:00:00:01`; undefined where the device has none. */
  readonly mac?: string
  /** Index of the veth peer or lower device (IFLA_LINK), perhaps in another namespace. */
  readonly peerIndex?: number
  /** Index of the bridge or bond it belongs to (IFLA_MASTER). */
  readonly master?: number
  /** Of kinds `ipip`, `gre` and `vxlan`: where the outer packets come from and go to. */
  readonly tunnel?: TunnelInfo
}

/** What IFLA_INFO_DATA says of a tunnel. An address that is not set is absent. */
export interface TunnelInfo {
  readonly local?: string
  readonly remote?: string
  /** VXLAN: network identifier, UDP port, whether it learns from what it receives. */
  readonly id?: number
  readonly port?: number
  readonly learning?: boolean
  /** GRE: the key of what is sent and taken. */
  readonly key?: number
  /** Of the outer header; absent: what is within decides, or the kernel. */
  readonly ttl?: number
  /** TOS or traffic class; 1: that of the packet within. Absent: 0. */
  readonly tos?: number
  /** Don't-fragment bit where it is not the kernel's default, which is off for VXLAN and on for IPIP and GRE (`nopmtudisc` is off). */
  readonly df?: 'on' | 'off' | 'inherit'
  /** Index of the one link that the outer packets leave by; absent: where the route leads. */
  readonly link?: number
  /** IPIP and GRE: wrapped once more, in UDP. */
  readonly encap?: UdpEncap
}

/** UDP around a tunnel's packets (Foo-over-UDP, Generic UDP Encapsulation); the source port follows from the flow within. */
export interface UdpEncap {
  readonly type: 'fou' | 'gue'
  /** UDP port of the far end. What arrives is unwrapped by a port of `openFou`. */
  readonly port: number
}

/** A link to make: one kind of device a member of the union. */
export type NewLink = {
  readonly name: string
  readonly mtu?: number
  readonly mac?: string
  readonly up?: boolean
} & (
  | { readonly kind: 'veth'; readonly peer: VethPeer }
  | { readonly kind: 'bridge' }
  /** Its key, port and peers come by WireGuard's own protocol (`openWireguard`). */
  | { readonly kind: 'wireguard' }
  | {
      readonly kind: 'vxlan'
      readonly id: number
      /** UDP port; default 4789 (the kernel's own default is 8472). */
      readonly port?: number
      readonly local?: string
      readonly learning?: boolean
    }
  /**
   * Without `remote`: of IPIP the gateway of each route is the far end; of GRE the link-layer address of its neighbour is, an IPv4
   * address in the form of a MAC (`0a:00:02:0b`).
   */
  | ({ readonly kind: 'ipip' } & NewTunnel)
  | ({
      readonly kind: 'gre'
      /** Sent along, and nothing else is taken. 32 bits. */
      readonly key?: number
    } & NewTunnel)
)

/** IPv4 in IPv4. */
export interface NewTunnel {
  readonly local?: string
  readonly remote?: string
  /** Of the outer header, 1–255; default: that of the packet within. */
  readonly ttl?: number
  readonly encap?: UdpEncap
}

/** The other end, made directly in another namespace: `netns` is a path (`/run/netns/x`, `/proc/42/ns/net`), a name of `ip netns` or an open fd. */
export interface VethPeer {
  readonly name: string
  readonly netns?: string | number
  readonly mtu?: number
  readonly mac?: string
}

export interface LinkChange {
  readonly name?: string
  readonly up?: boolean
  readonly noArp?: boolean
  readonly mtu?: number
  readonly mac?: string
  readonly master?: number
  readonly netns?: string | number
  /** Number under which `links.delete` takes several links at once (IFLA_GROUP); 0: none. */
  readonly group?: number
  readonly ipv4?: Ipv4Settings
  /** Whether the kernel makes IPv6 addresses for it by itself, link-local ones too (IFLA_INET6_ADDR_GEN_MODE). */
  readonly ipv6Addresses?: 'none' | 'eui64'
}

/** Settings of a link under `net/ipv4/conf`. Set so, they cost no file, and nobody hears of them: the kernel announces only sysctls. */
export interface Ipv4Settings {
  readonly forwarding?: boolean
  readonly sendRedirects?: boolean
  /** 0–2, as `rp_filter` says. */
  readonly reversePathFilter?: number
}

export interface InterfaceAddress {
  /** Link index. */
  readonly link: number
  /** `10.0.1.7/24`. */
  readonly cidr: string
  /** IFA_LOCAL's peer (point to point), if different. */
  readonly peer?: string
  readonly scope: Scope
  /** IFA_F_NODAD. */
  readonly noDad?: boolean
  /** IFA_F_TENTATIVE, read only. */
  readonly tentative?: boolean
  /** IFA_F_SECONDARY: of its subnet another is preferred; for IPv6 the same bit says that it is temporary (RFC 8981). Read only. */
  readonly secondary?: boolean
}

export type Scope = 'universe' | 'site' | 'link' | 'host' | 'nowhere'

export type RouteType =
  'unicast' | 'local' | 'broadcast' | 'anycast' | 'multicast' | 'blackhole' | 'unreachable' | 'prohibit' | 'throw'

export interface RouteNextHop {
  readonly gateway?: string
  /** Link index. */
  readonly link?: number
  /** RTNH_F_ONLINK. */
  readonly onlink?: boolean
  /** 1–256; default 1. */
  readonly weight?: number
  /** RTNH_F_DEAD, RTNH_F_LINKDOWN, read only. */
  readonly dead?: boolean
  readonly linkDown?: boolean
}

export interface Route {
  /** `10.42.0.0/26`; `0.0.0.0/0` and `::/0` are the default routes. */
  readonly dst: string
  /** Default `unicast`. */
  readonly type?: RouteType
  /** Default 254, main. */
  readonly table?: number
  /** RTA_PROTOCOL (rtm_protocol). Default 4, static. On delete: 0 or absent matches any. */
  readonly protocol?: number
  /** Default: `link` without a gateway, else `universe`; IPv6 has no scope. */
  readonly scope?: Scope
  /** RTA_PRIORITY. Absent = 0 for IPv4; the kernel makes it 1024 for IPv6. */
  readonly metric?: number
  readonly tos?: number
  /** IPv6: for packets from these addresses alone (RTA_SRC), `fd00:1::/64`. Its key in the kernel is another than that of the route for all. */
  readonly from?: string
  /** One next hop is written plainly, several as RTA_MULTIPATH; none for blackhole and its like. */
  readonly nextHops: readonly RouteNextHop[]
  /** RTA_PREFSRC. */
  readonly source?: string
  /** RTAX_MTU. */
  readonly mtu?: number
  /** RTA_NH_ID of a nexthop object, read only. */
  readonly nextHopId?: number
  /**
   * Read only: it has what is not told here, as `ip route … advmss 700 hoplimit 3 realm 5 expires 100 pref low encap …` gives it (other
   * RTA_METRICS than the MTU, RTA_FLOW, RTA_CACHEINFO, RTA_PREF, RTA_ENCAP).
   */
  readonly further?: boolean
}

export interface Neighbour {
  readonly link: number
  readonly address: string
  /** Its link-layer address: 6 octets of Ethernet; 4 of GRE, which are an IPv4 address. */
  readonly mac?: string
  readonly state: 'permanent' | 'reachable' | 'stale' | 'delay' | 'probe' | 'failed' | 'incomplete' | 'noarp' | 'none'
  /** NTF_PROXY. */
  readonly proxy?: boolean
  /** NTF_ROUTER: it has said that it is a router (RFC 4861 §7.2.4). */
  readonly router?: boolean
}

/** An entry of a link's own forwarding table: frames for `mac` go to `dst` (VXLAN). */
export interface FdbEntry {
  readonly link: number
  readonly mac: string
  /** The far end's address; absent in entries that are not VXLAN's. */
  readonly dst?: string
  /** UDP port, network (VNI) and link that frames to this far end leave by; absent: those of the device. */
  readonly port?: number
  readonly vni?: number
  readonly via?: number
}

/** One message of a batch. `link` arguments are indices. */
export type Operation =
  | { readonly do: 'link.add'; readonly link: NewLink }
  | { readonly do: 'link.set'; readonly link: number; readonly change: LinkChange }
  /** Gives a tunnel that is there the ends that `to` says; its other traits have to be what they are (RTM_NEWLINK, changelink). */
  | { readonly do: 'link.move'; readonly link: number; readonly to: NewLink }
  | { readonly do: 'link.delete'; readonly link: number }
  /** All links of a group, which share the kernel's waiting for readers (RCU): a tenth of the time that one after the other takes. ENODEV: none is in it. */
  | { readonly do: 'links.delete'; readonly group: number }
  | { readonly do: 'address.add' | 'address.replace' | 'address.delete'; readonly address: InterfaceAddress }
  /** add = NLM_F_EXCL, replace = NLM_F_CREATE|NLM_F_REPLACE. */
  /** `key`: of the route's `dst`, from a caller with very many, so that nobody reads it again. */
  | { readonly do: 'route.add' | 'route.replace' | 'route.delete'; readonly route: Route; readonly key?: PrefixKey }
  /** set: without NLM_F_CREATE, so ENOENT says that there is none. */
  | { readonly do: 'neighbour.replace' | 'neighbour.set' | 'neighbour.delete'; readonly neighbour: Neighbour }
  /** Entries are permanent. */
  | { readonly do: 'fdb.replace' | 'fdb.delete'; readonly entry: FdbEntry }

export type Result =
  | { readonly ok: true }
  /** `errno` as text (`EEXIST`), `text`: the kernel's extended message if it gave one, else what the errno means. */
  | { readonly ok: false; readonly errno: string; readonly text: string }

/** Settings of a link for one family, those that its announcement names. */
export interface Netconf {
  readonly family: IpFamily
  /** Link index; `all` and `default` are the rows of that name under `net/ipv4/conf`. */
  readonly link: number | 'all' | 'default'
  readonly forwarding?: boolean
  /** 0–2, as `rp_filter` says. */
  readonly reversePathFilter?: number
  readonly ignoreRoutesWithLinkDown?: boolean
}

/** A rule that says in which table the kernel looks for a route (`ip rule`), read only. The lower its priority, the earlier it is asked. */
export interface Rule {
  readonly family: IpFamily
  readonly priority: number
  readonly action: 'lookup' | 'goto' | 'nop' | 'blackhole' | 'unreachable' | 'prohibit' | 'other'
  /** Of `lookup`: 255 local, 254 main, 253 default. */
  readonly table?: number
  /** FRA_SUPPRESS_PREFIXLEN: routes of the table with prefixes so long or shorter are passed over. */
  readonly suppressPrefixLength?: number
  /** It holds for some packets only: from, to, iif, fwmark, uidrange … */
  readonly conditional?: boolean
}

/** `neighbour` tells of forwarding tables, too. */
export type Group =
  'link' | 'address4' | 'address6' | 'route4' | 'route6' | 'rule4' | 'rule6' | 'neighbour' | 'netconf4' | 'netconf6'

export type NetlinkEvent =
  | { readonly type: 'link.put'; readonly link: Link }
  | { readonly type: 'link.delete'; readonly link: Link }
  | { readonly type: 'address.put' | 'address.delete'; readonly address: InterfaceAddress }
  | { readonly type: 'route.put' | 'route.delete'; readonly route: Route }
  | { readonly type: 'rule.put' | 'rule.delete'; readonly rule: Rule }
  | { readonly type: 'neighbour.put' | 'neighbour.delete'; readonly neighbour: Neighbour }
  | { readonly type: 'fdb.put' | 'fdb.delete'; readonly entry: FdbEntry }
  /** A setting was changed by sysctl, or came and went with its link. */
  | { readonly type: 'netconf.put' | 'netconf.delete'; readonly netconf: Netconf }
  /** Events were lost (ENOBUFS): dump again. */
  | { readonly type: 'overrun' }

/** rtnetlink in one namespace. Every call waits on the addon's own thread, never on the event loop. */
export interface Rtnetlink extends AsyncDisposable {
  links(): Promise<readonly Link[]>
  /** One link by name; undefined if there is none. */
  link(name: string): Promise<Link | undefined>
  addresses(family?: IpFamily): Promise<readonly InterfaceAddress[]>
  /** Default: both families, table main. `table: 0` = every table. The kernel's own cloned and local routes are left out of main. */
  routes(filter?: {
    readonly family?: IpFamily
    readonly table?: number
    readonly protocol?: number
  }): Promise<readonly Route[]>
  /** Rules of both families, or of one, in the order in which they are asked. @throws NetlinkError EOPNOTSUPP where the kernel has none */
  rules(family?: IpFamily): Promise<readonly Rule[]>
  neighbours(family?: IpFamily): Promise<readonly Neighbour[]>
  /** Settings of one link, or of `all` or `default`; undefined if there is no such link. */
  netconf(family: IpFamily, link: Netconf['link']): Promise<Netconf | undefined>
  /** Forwarding tables of every link that keeps one of its own. */
  fdb(): Promise<readonly FdbEntry[]>
  /**
   * Sends all of them in few system calls; one result each, in their order. One failing does not stop the rest. They take effect in
   * order, too, but for thousands of deletions of IPv4 routes in a row: the kernel is much quicker with them scattered.
   */
  apply(operations: readonly Operation[]): Promise<readonly Result[]>
  /** Subscribes; resolves when the kernel has the subscription, so that a dump afterwards misses nothing. Returns the unsubscribe. */
  watch(groups: readonly Group[], handler: (event: NetlinkEvent) => void): Promise<() => Promise<void>>
  close(): Promise<void>
}
