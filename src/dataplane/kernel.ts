// What the dataplane needs of Linux: rtnetlink, sysctls and the identity of a network namespace.
//
// `linux.ts` is the real one, `fake-kernel.ts` the one of the unit tests. A namespace is named by its path
// (`/run/netns/x`, `/proc/42/ns/net`); without a path it is the node's own.

import type { Ethtool } from '../../netlink/generic/ethtool-types.ts'
import type { Fou } from '../../netlink/generic/fou-types.ts'
import type { Wireguard } from '../../netlink/generic/wireguard-types.ts'
import type { Netfilter } from '../../netlink/netfilter/types.ts'
import type { Iptables } from './filters/iptables.ts'
import type { Rtnetlink } from '../../netlink/types.ts'

export interface Kernel {
  /** rtnetlink in a namespace. The node's own tells nothing of its own IPv4 routes, another's is not watched. The caller closes it. Rejects if there is no such namespace. */
  open(netns?: string): Promise<Rtnetlink>
  /** nftables of the node's own namespace. The caller closes it. Rejects with the kernel's code where there is none. */
  openNetfilter(): Promise<Netfilter>
  /** iptables of that namespace; absent: there is none. */
  readonly iptables?: Iptables
  /** UDP ports that unwrap tunnelled packets, in the node's own namespace. The caller closes it. Rejects with ENOENT where the kernel has none. */
  openFou(): Promise<Fou>
  /** Features of the node's own devices. The caller closes it. Rejects with ENOENT where the kernel cannot be asked so. */
  openEthtool(): Promise<Ethtool>
  /** WireGuard devices of the node's own namespace. The caller closes it. Rejects with `NoGenericFamily` where the kernel has none. */
  openWireguard(): Promise<Wireguard>
  /** The same text for the same namespace; undefined if the path leads to no network namespace (any more). */
  identify(netns?: string): Promise<string | undefined>
  /** Values in order; undefined where the kernel has no such setting. Rejects if the namespace cannot be entered. */
  readSysctls(names: readonly SysctlName[], netns?: string): Promise<readonly (string | undefined)[]>
  /** Writes in order, each tried; a sentence for every one that failed, but not for an optional one that is not there. Rejects if the namespace cannot be entered. */
  writeSysctls(settings: readonly Sysctl[], netns?: string): Promise<readonly string[]>
}

/** Path under `/proc/sys`. With slashes, because device names may contain dots. */
export type SysctlName = `net/${string}`

export interface Sysctl {
  readonly name: SysctlName
  readonly value: string
  /** A kernel without the setting (IPv6 switched off) is fine. */
  readonly optional?: boolean
  /** Only this value is changed: any other is as good as `value`. */
  readonly only?: string
}

/** True if a setting needs no write. */
export function isRight({ value, optional, only }: Sysctl, found: string | undefined): boolean {
  return found === value || (optional === true && found === undefined) || (only !== undefined && found !== only)
}

/** Writes only what differs. Returns what was there before, to be written back, and sentences for what failed. */
export async function ensureSysctls(
  kernel: Kernel,
  settings: readonly Sysctl[],
  netns?: string,
): Promise<{ readonly previous: readonly Sysctl[]; readonly failed: readonly string[] }> {
  const values = await kernel.readSysctls(
    settings.map(setting => setting.name),
    netns,
  )
  const differing = settings.filter((setting, i) => !isRight(setting, values[i]))
  const previous = settings.flatMap((setting, i) => {
    const before = values[i]
    return before === undefined || isRight(setting, before) ? [] : [{ name: setting.name, value: before }]
  })
  return { previous, failed: differing.length > 0 ? await kernel.writeSysctls(differing, netns) : [] }
}
