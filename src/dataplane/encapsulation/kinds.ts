// The table of encapsulations: the only list of them.

import type { Link } from '../../../netlink/types.ts'
import { type Tunnel, tunnelDevice, type TunnelKind } from '../../model/tunnel.ts'
import type { Encapsulation, TunnelDevice } from './encapsulation.ts'
import { fou, gue } from './fou.ts'
import { gre } from './gre.ts'
import { ipip } from './ipip.ts'
import { none } from './none.ts'
import { vxlan } from './vxlan.ts'
import { wireguard } from './wireguard.ts'

export const encapsulations: { readonly [K in 'none' | TunnelKind]: Encapsulation } = {
  none,
  ipip,
  vxlan,
  gre,
  fou,
  gue,
  wireguard,
}

/** What is left of a link's MTU for packets within the tunnel; without a tunnel all of it. */
export function mtuWithin(parent: number, tunnel?: Pick<Tunnel, 'kind' | 'family'>): number {
  return parent - encapsulations[tunnel?.kind ?? 'none'].overhead(tunnel?.family ?? 4)
}

export function deviceOf({ kind }: Tunnel): TunnelDevice {
  const { device } = encapsulations[kind]
  if (!device) throw new Error(`encapsulation ${kind} has no device`)
  return device
}

const devices = new Map(
  Object.values(encapsulations).flatMap(({ kind, device }) =>
    kind === 'none' ? [] : ([4, 6] as const).map(family => [tunnelDevice(kind, family), device] as const),
  ),
)

/** The encapsulation whose device has that name. */
export function deviceNamed(name: string): TunnelDevice | undefined {
  return devices.get(name)
}

/** Ours by its name and its kind; a device of our name and another kind is somebody's, and left alone. */
export function isOurDevice({ name, kind }: Pick<Link, 'name' | 'kind'>): boolean {
  return kind !== undefined && deviceNamed(name)?.linkKind === kind
}
