// Two neighbours, each on a cable of its own, with the same table: what the failover is measured with.

import { all, type Shape } from './scenario.ts'

export const routes = [300, 3_000, 100_000] as const

export const twoLegs: readonly Shape[] = routes.map((prefixes): Shape => {
  const peers = [0, 1].map(() => ({ prefixes, sets: prefixes * 0.15, receives: false }))
  return {
    family: 'ipv4-unicast',
    kind: 'ebgp',
    peers,
    kernel: true,
    hasSameTables: true,
    legs: true,
    holdTime: 6,
    phases: [{ row: undefined, changes: all(peers, 'announce') }],
  }
})
