// All scenarios, in the order of the page: the only list.

import { churn } from './churn.ts'
import { fullTable, ipv6Table } from './full-table.ts'
import { many } from './many.ts'
import { reflector } from './reflector.ts'
import type { Scenario } from './scenario.ts'

export const scenarios: readonly Scenario[] = [fullTable, ipv6Table, reflector, many, churn]

export * from './scenario.ts'
