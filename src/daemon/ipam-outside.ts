// Findings about an attached pod whose address lies in no block of its node, so that another node may have given it, or give it: on the
// pod's node, and on that which has the block.

import type { IpamFinding } from '../api/contract.ts'
import type { Elsewhere, Ipam } from '../ipam/index.ts'
import { firstPutBack } from '../ipam/misassigned.ts'
import { outsideName } from '../ipam/outside.ts'

export interface OutsidePod {
  /** As people call it. */
  readonly pod: string
  readonly node: string
  readonly address: string
  readonly where: Elsewhere
  /** The node is no member of the cluster. */
  readonly isExpelled: boolean
}

export function outsideFinding({ pod, node, address, where, isExpelled }: OutsidePod): IpamFinding {
  const { block, pod: other, unknown } = where
  const taken = isExpelled ? ', as soon as the node is taken back: apply its Node' : ''
  const next = `Delete pod ${pod}: when it starts again, it gets an address of a block of node "${node}"${taken}.`
  const found = (kind: IpamFinding['kind'], text: string): IpamFinding => ({ kind, object: address, text })
  if (unknown !== undefined)
    return found(
      'no-block',
      `pod ${pod} has it, and it lies in no block of this node. Whose it is cannot be asked: ${unknown}`,
    )
  if (block?.node === node)
    return found(
      'no-block',
      `pod ${pod} has it, and its block ${block.cidr} is not in force yet, though it is noted for this node. See margayctl status.`,
    )
  if (block && other !== undefined)
    return found(
      'duplicate',
      `pod ${pod} on node "${node}" and ${other} on node "${block.node}" have it, and its block ${block.cidr} is node "${block.node}"'s. ${next}`,
    )
  const whose = block
    ? `its block ${block.cidr} is node "${block.node}"'s`
    : 'no record says whose its block is, and whoever claims it has it'
  const first = block && !block.isMember ? `${firstPutBack(block.cidr, node)} ` : ''
  return found(
    'no-block',
    `pod ${pod} on node "${node}" has it, and ${whose}: another pod may be given it at any time, unless that node knows of this one. ${first}${next}`,
  )
}

/** Of this node's blocks: what it gives to nobody. */
export function heldFindings(ipam: Pick<Ipam, 'held'>): readonly IpamFinding[] {
  return [...ipam.held].map(([address, { node, pod }]) => ({
    kind: 'no-block',
    object: address,
    text: `${pod} on node "${node}" has it, and this node took its block over, which somebody gave it by hand. It gives the address to nobody as long as AddressCopy "${outsideName(node)}" notes it. Delete that pod; if the machine is off for good: margayctl node decommission ${node}.`,
  }))
}
