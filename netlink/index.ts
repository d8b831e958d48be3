// netlink-ts: rtnetlink and nftables for Node. `open` for all of rtnetlink, `openNetfilter` for nftables, `routes` for a line or two, and what else a user of namespaces needs.

export { errnoName, errnoText, NetlinkError } from './core/errno.ts'
export { type Namespace, namespaceId } from './core/namespace.ts'
export { readSysctl, readSysctls, type Sysctl, writeSysctl, writeSysctls } from './core/sysctl.ts'
export { NoGenericFamily } from './generic/generic.ts'
export type * from './generic/wireguard-types.ts'
export { openWireguard } from './generic/wireguard.ts'
export { intervals } from './netfilter/sets.ts'
export { openNetfilter } from './netfilter/netfilter.ts'
export type * from './netfilter/types.ts'
export { open, type OpenOptions } from './route/rtnetlink.ts'
export { routes, RouteTable, type SimpleRoute } from './route/table.ts'
export type * from './types.ts'
