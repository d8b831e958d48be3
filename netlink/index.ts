// netlink-ts: rtnetlink for Node. `open` for all of it, `routes` for a line or two, and what else a user of namespaces needs.

export { errnoName, errnoText, NetlinkError } from './core/errno.ts'
export { type Namespace, namespaceId } from './core/namespace.ts'
export { readSysctl, readSysctls, type Sysctl, writeSysctl, writeSysctls } from './core/sysctl.ts'
export { open, type OpenOptions } from './route/rtnetlink.ts'
export { routes, RouteTable, type SimpleRoute } from './route/table.ts'
export type * from './types.ts'
