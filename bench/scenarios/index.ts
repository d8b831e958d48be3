// All scenarios, in the order of the page: the only list.

import { failover } from './failover.ts'
import { netlink } from './netlink.ts'
import type { Scenario } from './scenario.ts'
import { traffic } from './traffic.ts'

export const scenarios: readonly Scenario[] = [...traffic, netlink, failover]

export * from './scenario.ts'
