// What a lab's hosts are asked.

import type { KernelRoute } from '../../../src/lab/routes.ts'
import type { RouterPlan } from '../../../src/lab/topology.ts'
import type { TestLab } from '../../kit/lab.ts'

/** Routes of ours in a node's kernel that lead to somebody else. */
export async function learned(lab: TestLab, node: string): Promise<readonly KernelRoute[]> {
  const routes = await lab.routes(node)
  return routes.filter(
    ({ protocol, gateway, nexthops }) => protocol === '81' && (gateway !== undefined || nexthops !== undefined),
  )
}

/** The routers with which a node has sessions. */
export function routersOf(lab: TestLab, node: string): readonly RouterPlan[] {
  return lab.topology.routers.filter(({ neighbours }) => neighbours.some(({ name }) => name === node))
}

/** The role of the process of a router that speaks BGP. */
export const bgpOf = ({ kind }: RouterPlan): string => (kind === 'bird' ? 'bird' : 'bgpd')
