// Devices of others that stand on one of ours (a VLAN, a macvlan): the kernel takes them along with it, so ours stays while they are there.

import type { Link } from '../../netlink/types.ts'

export interface Stacked {
  readonly name: string
  readonly kind?: string
  /** Our device. */
  readonly on: Link
}

/** The other end of a veth pair stands on nothing. */
export function stackedOn(ours: readonly Link[], links: readonly Link[]): readonly Stacked[] {
  return links.flatMap(link => {
    const lower = link.kind === 'veth' ? undefined : (link.tunnel?.link ?? link.peerIndex)
    const on = ours.some(({ index }) => index === link.index) ? undefined : ours.find(({ index }) => index === lower)
    return on ? [{ name: link.name, kind: link.kind, on }] : []
  })
}
