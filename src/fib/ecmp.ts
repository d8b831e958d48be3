// The next hops of one route as the FIB wants them: sorted, without doubles, each with its share of the load.

import { compareAddresses } from '../../inet/index.ts'
import type { NextHop } from '../model/fib.ts'
import { parseScopedAddress } from './facts-index.ts'

/** The kernel's greatest weight (rtnh_hops is one octet, and counts from 0). */
const most = 256

/** Sorted by gateway (numerically, none first), then device; those that are the same hop become one, with the weight of all. */
export function mergeNextHops(hops: readonly NextHop[]): readonly NextHop[] {
  const merged: NextHop[] = []
  for (const hop of hops.toSorted(compareNextHops)) {
    const last = merged.at(-1)
    if (!last || compareNextHops(last, hop) !== 0) merged.push(hop)
    else if (last.weight !== undefined || hop.weight !== undefined)
      merged.splice(-1, 1, { ...last, weight: (last.weight ?? 1) + (hop.weight ?? 1) })
  }
  return inLowestTerms(merged)
}

/** Whole numbers from 1 to 256 in the proportion of the bandwidths, the least that are or, if none are, the nearest; undefined where all are equal. */
export function weightsOf(bandwidths: readonly number[]): readonly number[] | undefined {
  const greatest = Math.max(...bandwidths)
  const scaled = (to: number) => bandwidths.map(bandwidth => (to * bandwidth) / greatest)
  const exact = Array.from({ length: most }, (_, i) => i + 1).find(to => scaled(to).every(isWhole))
  const weights = scaled(exact ?? most).map(weight => Math.max(1, Math.round(weight)))
  return weights.every(weight => weight === weights[0]) ? undefined : weights
}

/** As far as the 24 bits of a link bandwidth's mantissa tell. */
function isWhole(value: number): boolean {
  return Math.round(value) > 0 && Math.abs(value - Math.round(value)) < 1e-6 * value
}

/** What is left of the hops after some went or were merged: equal weights, or that of a hop alone, say nothing. */
function inLowestTerms(hops: readonly NextHop[]): readonly NextHop[] {
  const weights = hops.map(hop => hop.weight ?? 1)
  const divisor = weights.reduce(gcd, 0)
  const greatest = Math.max(...weights) / divisor
  return hops.map(({ gateway, device, onlink }, i) => {
    const lowest = weights[i] / divisor
    const weight = greatest > most ? Math.max(1, Math.round((most * lowest) / greatest)) : lowest
    return {
      device,
      ...(gateway !== undefined && { gateway }),
      ...(onlink && { onlink }),
      ...(weight !== 1 && { weight }),
    }
  })
}

function gcd(a: number, b: number): number {
  return b === 0 ? a : gcd(b, a % b)
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
