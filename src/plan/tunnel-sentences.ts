// What an operator is told of a node's tunnels: a sentence each.

import { formatAddress, type InterfaceAddress } from '../../inet/index.ts'
import type { TunnelKind, TunnelRule } from '../model/tunnel.ts'
import { wireguardPort } from '../model/wireguard.ts'
import { firstOf, tunnelModes } from '../resources/index.ts'
import type { IPPoolResource } from '../resources/index.ts'
import type { NodeSpeaker } from './speakers.ts'
import type { End } from './tunnel-ends.ts'

export function lateText(
  { device, remotes, bare = [] }: TunnelRule,
  { kind, family }: { readonly kind: TunnelKind; readonly family: 4 | 6 },
): readonly string[] {
  const late = [...remotes.filter(({ instead }) => instead).map(({ nextHop }) => nextHop), ...bare]
  if (late.length === 0) return []
  const list = firstOf(late, 5)
  const unheard =
    kind === 'wireguard'
      ? `, or the two have not met: margayctl wireguard shows who has, and UDP port ${wireguardPort(family)} has to be open between them`
      : ''
  return [`packets to ${list} leave as before: this node or that one does not take them by ${device} yet${unheard}`]
}

/** Nodes that have published a key and were not met: a node without one is told of by planWireguard. */
export function keptBackText(ends: readonly End[], device: string, family: 4 | 6): readonly string[] {
  const late = ends.filter(({ hasKey }) => hasKey).map(({ text }) => text)
  if (late.length === 0) return []
  return [
    `packets to ${firstOf(late, 5)} do not leave until this node and that one have met by ${device}, because they are never sent there in the open: margayctl wireguard shows who has, and UDP port ${wireguardPort(family)} has to be open between them`,
  ]
}

/** Why a device that no pool asks for stays. `senders`: nodes that still send by it. */
export function waitText(device: string, senders: readonly string[]): string {
  if (senders.length === 0) return `device ${device} stays: a node takes packets by no other way yet`
  return `device ${device} stays until it is heard of ${firstOf(senders, 5)} that nothing is sent by it any more; of a node that is off, it does no harm`
}

export function withoutAddress(local: NodeSpeaker, pool: IPPoolResource, kind: TunnelKind, family: 4 | 6): string {
  return `node "${local.name}": it has no IPv${family} address, so it has no tunnel for ippool "${pool.metadata.name}" (${fieldOf(kind)}); add bgp.ipv${family}Address to its Node.`
}

export function withoutSubnet(
  local: NodeSpeaker,
  pool: IPPoolResource,
  kind: TunnelKind,
  own: InterfaceAddress,
): string {
  return `node "${local.name}": its address ${formatAddress(own.address)}/${own.length} has no subnet, so ippool "${pool.metadata.name}" (${fieldOf(kind)} CrossSubnet) is tunnelled to every node; write the length of its subnet in bgp.ipv${own.address.family}Address, or Always.`
}

function fieldOf(kind: TunnelKind): string {
  return tunnelModes.find(row => row.kind === kind)?.field ?? kind
}
