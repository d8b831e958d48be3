import { all, oneToMany, tableOf, type TrafficScenario, type TrafficSize } from './scenario.ts'

/** One eBGP peer sends its table, the device puts it into the kernel's; then all of it is withdrawn. */
function load(prefixes: number): TrafficSize {
  const peers = oneToMany(prefixes, 0)
  return tableOf(prefixes, {
    peers,
    kernel: true,
    phases: [
      { row: 'kernel', changes: all(peers, 'announce') },
      { row: 'kernel, back out', changes: all(peers, 'withdraw') },
    ],
  })
}

const targets = { kernel: { wall: 0.7 }, 'kernel, back out': { wall: 0.7 } }

export const kernel: TrafficScenario = {
  name: 'kernel',
  words:
    'One eBGP peer sends its table, and all of it goes into the table of the kernel (Margay: the whole daemon); then it is withdrawn, and all of it goes. The clock runs until the kernel has, or has not, every route.',
  targets,
  targetsAt: { 2: targets },
  sizes: [load(10_000), load(100_000), load(500_000)],
  standard: 1,
  contenders: ['margay', 'bird', 'frr'],
}
