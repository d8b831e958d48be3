// The next hops of one route as the FIB wants them: sorted, without doubles.

import { compareAddresses } from '../../inet/index.ts'
import type { NextHop } from '../model/fib.ts'
import { parseScopedAddress } from './facts-index.ts'

/** Sorted by gateway (numerically, none first), then device; of two that are the same hop one stays. */
export function mergeNextHops(hops: readonly NextHop[]): readonly NextHop[] {
  const sorted = hops.toSorted(compareNextHops)
  return sorted.filter((hop, i) => i === 0 || compareNextHops(sorted[i - 1], hop) !== 0)
}

function compareNextHops(a: NextHop, b: NextHop): number {
  return compareGateways(a.gateway, b.gateway) || compareText(a.device, b.device)
}

function compareGateways(a: string | undefined, b: string | undefined): number {
  if (a === b) return 0
  if (a === undefined || b === undefined) return a === undefined ? -1 : 1
  const [left, right] = [parseScopedAddress(a), parseScopedAddress(b)]
  return left && right ? compareAddresses(left.address, right.address) : compareText(a, b)
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
