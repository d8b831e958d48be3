// What may wrap packets, and what each looks like from outside. Whoever adds a kind adds it here: the matrix tries it.

import { execFileSync } from 'node:child_process'

export type Family = 'ipv4' | 'ipv6'

export interface Wrapping {
  /** As the table names it. */
  readonly title: string
  /** The pool's field that turns it on. */
  readonly field: string
  /** Octets that the outer headers take, by the family of the packets inside; absent = it does not carry them. */
  readonly overhead: Readonly<Partial<Record<Family, number>>>
  readonly device: (family: Family) => string
  /** Outer packets, as tcpdump filters them and as it prints them. */
  readonly filter: (family: Family) => string
  readonly outer: RegExp
  /** Nobody on the way can read what is within. */
  readonly encrypted?: boolean
}

/** One that a kernel may lack. */
export interface Optional extends Wrapping {
  /** Kernel modules without which there is no such tunnel. */
  readonly modules: readonly string[]
  /** What the daemon says where they are missing. */
  readonly missing: RegExp
}

const ip = (family: Family): string => (family === 'ipv4' ? 'ip' : 'ip6')

export const vxlan: Wrapping = {
  title: 'VXLAN',
  field: 'vxlanMode',
  overhead: { ipv4: 50, ipv6: 70 },
  device: family => `margay-vxlan${family === 'ipv4' ? 4 : 6}`,
  filter: family => `${ip(family)} and udp port 4789`,
  outer: /VXLAN, flags \[I\]/,
}

export const optionalKinds: readonly Optional[] = [
  {
    title: 'IPIP',
    field: 'ipipMode',
    modules: ['ipip'],
    missing: /no IPIP devices \(CONFIG_NET_IPIP\).*modprobe ipip/,
    overhead: { ipv4: 20 },
    device: () => 'margay-ipip',
    filter: () => 'ip proto 4',
    outer: /proto IPIP \(4\)/,
  },
  {
    title: 'GRE',
    field: 'greMode',
    modules: ['ip_gre'],
    missing: /no GRE devices \(CONFIG_NET_IPGRE\).*modprobe ip_gre/,
    overhead: { ipv4: 24 },
    device: () => 'margay-gre',
    filter: () => 'ip proto 47',
    outer: /proto GRE \(47\)/,
  },
  {
    title: 'FoU',
    field: 'fouMode',
    modules: ['fou', 'ip_gre'],
    missing: /no FoU devices \(CONFIG_NET_FOU,.*modprobe -a fou ip_gre/,
    overhead: { ipv4: 36 },
    device: () => 'margay-fou',
    filter: () => 'ip and udp port 5556',
    outer: /proto UDP \(17\)[^]*\.5556: /,
  },
  {
    title: 'GUE',
    field: 'gueMode',
    modules: ['fou', 'ip_gre'],
    missing: /no GUE devices \(CONFIG_NET_FOU,.*modprobe -a fou ip_gre/,
    overhead: { ipv4: 40 },
    device: () => 'margay-gue',
    filter: () => 'ip and udp port 6080',
    outer: /proto UDP \(17\)[^]*\.6080: /,
  },
  {
    title: 'WireGuard',
    field: 'wireguardMode',
    modules: ['wireguard'],
    missing: /no WireGuard devices \(CONFIG_WIREGUARD\).*modprobe wireguard/,
    overhead: { ipv4: 60, ipv6: 80 },
    device: family => `margay-wg${family === 'ipv4' ? 4 : 6}`,
    filter: family => `${ip(family)} and udp port ${family === 'ipv4' ? 51820 : 51821}`,
    outer: /UDP[^]*\.5182[01]: /,
    encrypted: true,
  },
]

export const wrappings: readonly Wrapping[] = [vxlan, ...optionalKinds]

/** Whether the kernel at hand has IPIP, and so, it may be thought, the others. */
export function kernelHasThem(): boolean {
  try {
    const argv = ['--net', 'ip', 'link', 'add', 'name', 'try0', 'type', 'ipip', 'local', '192.0.2.1']
    execFileSync('unshare', argv, { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}
