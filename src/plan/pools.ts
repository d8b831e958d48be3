// What the pools cannot give the nodes that they are for.

import { parsePrefix, subnetCount } from '../../inet/index.ts'
import { selects } from '../resources/index.ts'
import type { IPPoolResource, NodeResource } from '../resources/index.ts'

export function poolProblems(pools: readonly IPPoolResource[], nodes: readonly NodeResource[]): readonly string[] {
  return pools.filter(pool => !pool.spec.disabled).flatMap(pool => tooSmall(pool, nodes))
}

function tooSmall({ metadata, spec }: IPPoolResource, nodes: readonly NodeResource[]): readonly string[] {
  const range = parsePrefix(spec.cidr)
  if (!range) return []
  const blocks = subnetCount(range, spec.blockSize)
  const wanting = nodes.filter(node => selects(spec.nodeSelector, node.metadata.labels)).length
  if (blocks >= wanting) return []
  return [
    `ippool "${metadata.name}": ${spec.cidr} has ${blocks} ${blocks === 1 ? 'block' : 'blocks'} of /${spec.blockSize} for ${wanting} nodes, so some get none; add a pool, or make one with smaller blocks.`,
  ]
}
