import { all, oneToMany, tableOf, type TrafficScenario, type TrafficSize } from './scenario.ts'

/** A device whose kernel has a table's routes stops, leaves them, and comes back. */
function again(prefixes: number): TrafficSize {
  const peers = oneToMany(prefixes, 0)
  const changes = all(peers, 'announce')
  return tableOf(prefixes, {
    peers,
    kernel: true,
    phases: [
      { row: undefined, changes },
      { row: 'restart', changes, restart: true },
    ],
  })
}

export const restart: TrafficScenario = {
  name: 'restart',
  words:
    'A router whose kernel has all routes of its one peer is stopped, leaves them, and is started anew; the peer dials and tells the same. The time from the start until it says that it is in sync, and what it wrote into the kernel meanwhile.',
  targets: { restart: { wall: 1, count: 0, counts: 'writes' } },
  sizes: [again(10_000), again(30_000), again(100_000)],
  standard: 2,
  contenders: ['margay', 'bird'],
}
