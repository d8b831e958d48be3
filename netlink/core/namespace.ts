// Network namespaces by path or by open fd, and the files under /proc/sys/net as a namespace sees them.

import { fstatSync } from 'node:fs'
import { addon } from './addon.ts'
import { errnoName, errnoText, NetlinkError } from './errno.ts'

/** `/run/netns/x`, `/proc/42/ns/net`, a name (`x`: as `ip netns` has it) or an open fd. */
export type Namespace = string | number

const directory = '/run/netns/'

function refusal(netns: Namespace, errno: number): NetlinkError {
  const code = errnoName(errno)
  const object = typeof netns === 'number' ? `fd ${netns}` : `"${netns}"`
  const reason =
    code === 'ENOENT'
      ? 'does not exist: it was removed or never made (see: ip netns list)'
      : code === 'EINVAL'
        ? 'is not a network namespace; give /run/netns/NAME or /proc/PID/ns/net'
        : code === 'EPERM'
          ? 'may not be entered: this needs CAP_SYS_ADMIN'
          : `cannot be opened: ${errnoText(code)}`
  return new NetlinkError(code, `network namespace ${object} ${reason}`)
}

/**
 * Opens a namespace; -1 for undefined, which is the process's own. A given fd is checked and returned as it is.
 * @throws NetlinkError ENOENT, EINVAL (not a network namespace)…
 */
export function openNamespace(netns: Namespace | undefined): { readonly fd: number; close(): void } {
  if (netns === undefined) return { fd: -1, close() {} }
  if (typeof netns === 'number') {
    const code = addon().checkNamespace(netns)
    if (code !== 0) throw refusal(netns, code)
    return { fd: netns, close() {} }
  }
  const fd = addon().openNamespace(netns.includes('/') ? netns : directory + netns)
  if (fd < 0) throw refusal(netns, fd)
  return { fd, close: () => addon().closeNamespace(fd) }
}

/**
 * What identifies a namespace for as long as it lives: device and inode of its nsfs file, `4:4026531840`. Two paths with one id
 * are one namespace. Ids are used again after a namespace is gone.
 * @throws NetlinkError if it is missing or no network namespace
 */
export function namespaceId(netns: Namespace): string {
  const opened = openNamespace(netns)
  try {
    const { dev, ino } = fstatSync(opened.fd, { bigint: true })
    return `${dev}:${ino}`
  } finally {
    opened.close()
  }
}

/** The error of a namespace that could be opened but not entered. */
export function entryRefused(netns: Namespace, errno: number): NetlinkError {
  return refusal(netns, errno)
}
