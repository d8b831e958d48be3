// The kernel's error numbers (asm-generic/errno.h) by name, and what they mean when rtnetlink says them.

import { constants } from 'node:os'

/** What an error means to a user of netlink, for those that rtnetlink gives. */
const meanings: Readonly<Record<string, string>> = {
  EPERM: 'not permitted: this needs CAP_NET_ADMIN in the network namespace',
  EACCES: 'not permitted: this needs CAP_NET_ADMIN in the network namespace',
  ENOENT: 'there is no such thing',
  ESRCH: 'there is no such route or table',
  EINTR: 'interrupted',
  EBADF: 'the file descriptor or socket is closed',
  EAGAIN: 'the kernel is short of resources just now',
  ENOMEM: 'the kernel has no memory for it',
  EBUSY: 'in use, or in a state that does not allow the change',
  EEXIST: 'it exists already',
  ENODEV: 'there is no such link',
  EINVAL: 'the kernel does not accept this combination of values',
  ERANGE: 'a value is outside of what the kernel accepts',
  ENAMETOOLONG: 'the name is too long: a link has at most 15 characters',
  ENOTEMPTY: 'something still depends on it',
  EMSGSIZE: 'the message is too large',
  EOPNOTSUPP: 'this kernel does not support it; a module may be missing',
  EPROTONOSUPPORT: 'this kernel does not support the protocol',
  EAFNOSUPPORT: 'this kernel does not support the address family; IPv6 may be switched off',
  EADDRINUSE: 'the address is in use',
  EADDRNOTAVAIL: 'there is no such address',
  ENETDOWN: 'the link is down',
  ENETUNREACH: 'the gateway is not reachable: no link has its subnet (onlink allows that)',
  EHOSTUNREACH: 'the gateway is not reachable: no link has its subnet (onlink allows that)',
  ENOBUFS: 'the receive buffer ran over: what became of this is unknown',
  ENOTCONN: 'not connected',
  ECANCELED: 'the socket was closed before the kernel answered',
  EPFNOSUPPORT: 'this kernel does not support the protocol family',
  ELOOP: 'too many links lead into each other',
  EXDEV: 'it belongs to another place',
  ENOSYS: 'this kernel does not have it',
}

const names = new Map<number, string>(Object.entries(constants.errno).map(([name, value]) => [value, name]))
names.set(95, 'EOPNOTSUPP') // the same number as ENOTSUP
names.set(11, 'EAGAIN') // and EWOULDBLOCK
names.set(129, 'EKEYREJECTED') // Node has no name for it

/** `EEXIST` for 17; `errno 4711` for a number without a name. The sign does not matter. */
export function errnoName(errno: number): string {
  return names.get(Math.abs(errno)) ?? `errno ${Math.abs(errno)}`
}

/** A sentence's worth of meaning for an errno name. */
export function errnoText(name: string): string {
  return meanings[name] ?? `the kernel answered ${name}`
}

/** A call as a whole failed: a socket that could not be opened, a dump that ended early, a closed socket. */
export class NetlinkError extends Error {
  /** `ENOENT`, as in Node's own errors. */
  readonly code: string

  constructor(code: string, message: string) {
    super(message)
    this.name = 'NetlinkError'
    this.code = code
  }
}
