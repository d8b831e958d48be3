// netlink-ts: rtnetlink for Node.

export { errnoName, errnoText, NetlinkError } from './core/errno.ts'
export { type Namespace, namespaceId } from './core/namespace.ts'
export { readSysctl, readSysctls, type Sysctl, writeSysctl, writeSysctls } from './core/sysctl.ts'
export { open, type OpenOptions } from './route/rtnetlink.ts'
export type * from './types.ts'
