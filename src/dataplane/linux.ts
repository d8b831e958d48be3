// The kernel that the process runs on, seen from one network namespace.

import {
  namespaceId,
  NetlinkError,
  open,
  openEthtool,
  openFou,
  openNetfilter,
  openWireguard,
  readSysctls,
  visit,
  writeSysctls,
} from '../../netlink/index.ts'
import { linuxIptables } from './filters/iptables.ts'
import type { Kernel } from './kernel.ts'

/** `netns`: the node's namespace, a path or a name of `ip netns`; default: that of the process. */
export function linuxKernel(netns?: string): Kernel {
  /** Of the process, which stays in its namespace. */
  let own: string | undefined
  return {
    open: path => (path === undefined ? open({ netns, mutesOwnRoutes: true }) : visit(path)),
    iptables: linuxIptables(netns),
    openNetfilter: () => openNetfilter({ netns }),
    openFou: () => openFou({ netns }),
    openEthtool: () => openEthtool({ netns }),
    openWireguard: () => openWireguard({ netns }),
    async identify(path = netns) {
      try {
        return path === undefined ? (own ??= namespaceId('/proc/self/ns/net')) : namespaceId(path)
      } catch {
        return undefined
      }
    },
    async readSysctls(names, path = netns) {
      const values = await readSysctls(path, names)
      return values.map(value => (value instanceof NetlinkError ? undefined : value))
    },
    async writeSysctls(settings, path = netns) {
      const failed = await writeSysctls(path, settings)
      return failed.map(error => error.message)
    },
  }
}
