import { all, oneToMany, tableOf, type TrafficScenario, type TrafficSize } from './scenario.ts'

/** A full table through filters that have to be gone through to their end. */
function filtered(prefixes: number): TrafficSize {
  const peers = oneToMany(prefixes, 1)
  return tableOf(prefixes, {
    peers,
    hasFilters: true,
    phases: [{ row: 'dense policy', changes: all(peers, 'announce') }],
  })
}

export const policy: TrafficScenario = {
  name: 'policy',
  words:
    'A full table, with a filter on the way in and on the way out: a prefix list of 100 lines, 100 communities, 20 patterns of AS paths, none of which any route matches, so that each is compared with all.',
  targets: { 'dense policy': { wall: 1 } },
  sizes: [filtered(10_000), filtered(100_000), filtered(1_000_000)],
  standard: 2,
  short: { others: ['bird'] },
  contenders: ['margay', 'bird', 'frr', 'openbgpd'],
}
