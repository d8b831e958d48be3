// What the pools cannot give the nodes that they are for, and blocks that are of no pool.

import { contains, parsePrefix, subnetCount } from '../../inet/index.ts'
import { selects } from '../resources/index.ts'
import type { IPPoolResource, NodeResource } from '../resources/index.ts'

/** `own`: CIDRs of the node's own blocks. */
export function poolProblems(
  pools: readonly IPPoolResource[],
  nodes: readonly NodeResource[],
  own: readonly string[],
): readonly string[] {
  return [...pools.filter(pool => !pool.spec.disabled).flatMap(pool => tooSmall(pool, nodes)), ...orphans(pools, own)]
}

/** Encapsulation, NAT and source checks follow the pool: without it the pods of a block have none of them. */
function orphans(pools: readonly IPPoolResource[], own: readonly string[]): readonly string[] {
  const ranges = pools.flatMap(({ spec }) => parsePrefix(spec.cidr) ?? [])
  const lost = own.filter(cidr => {
    const block = parsePrefix(cidr)
    return block && !ranges.some(range => contains(range, block))
  })
  if (lost.length === 0) return []
  return [
    `blocks ${lost.join(', ')} of this node are in no ippool, so its pods with addresses of them have neither encapsulation nor natOutgoing nor source check; apply the pool again, with disabled: true if no new pod is to get an address of it`,
  ]
}

function tooSmall({ metadata, spec }: IPPoolResource, nodes: readonly NodeResource[]): readonly string[] {
  const range = parsePrefix(spec.cidr)
  if (!range) return []
  const blocks = subnetCount(range, spec.blockSize)
  const wanting = nodes.filter(node => selects(spec.nodeSelector, node.metadata.labels)).length
  if (blocks >= wanting) return []
  return [
    `ippool "${metadata.name}": ${spec.cidr} has ${blocks} ${blocks === 1 ? 'block' : 'blocks'} of /${spec.blockSize} for ${wanting} nodes, so blocks are split, down to single addresses, and when all are given some nodes get none; add a pool, or make one with smaller blocks.`,
  ]
}
