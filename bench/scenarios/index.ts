// All scenarios, in the order of the page: the only list.

import { mesh, reflectors } from './cluster.ts'
import { failover } from './failover.ts'
import { memory } from './memory.ts'
import { netlink } from './netlink.ts'
import { plan } from './plan.ts'
import { pods } from './pods.ts'
import type { Scenario } from './scenario.ts'
import { traffic } from './traffic.ts'

export const scenarios: readonly Scenario[] = [...traffic, netlink, failover, mesh, reflectors, plan, pods, memory]

export * from './scenario.ts'
