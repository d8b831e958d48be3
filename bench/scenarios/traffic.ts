// Scenarios whose traffic the generator makes. Apart from the others, because the generator's process reads them, too.

import { addPath } from './add-path.ts'
import { churn } from './churn.ts'
import { fullTable, ipv6Table } from './full-table.ts'
import { idle, idleUnderLoad } from './idle.ts'
import { kernel } from './kernel.ts'
import { many } from './many.ts'
import { policy } from './policy.ts'
import { reflector } from './reflector.ts'
import { restart } from './restart.ts'
import type { Shape, TrafficScenario } from './scenario.ts'
import { twoLegs } from './two-legs.ts'

export const traffic: readonly TrafficScenario[] = [
  fullTable,
  ipv6Table,
  reflector,
  many,
  churn,
  policy,
  addPath,
  idle,
  idleUnderLoad,
  kernel,
  restart,
]

/** Traffic of scenarios that measure themselves. */
const others: Readonly<Record<string, readonly Shape[]>> = { failover: twoLegs }

export function shapeOf(scenario: string, size: number): Shape | undefined {
  return traffic.find(({ name }) => name === scenario)?.sizes[size]?.shape ?? others[scenario]?.[size]
}
