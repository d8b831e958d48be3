import { all, tableOf, type TrafficScenario, type TrafficSize } from './scenario.ts'

const SENDERS = 4
const RECEIVERS = 10

/** Several have the same prefixes, and all their paths go to everybody else. */
function paths(prefixes: number): TrafficSize {
  const sender = { prefixes, sets: prefixes * 0.15, receives: false }
  const receiver = { prefixes: 0, sets: 0, receives: true }
  const peers = [...Array.from({ length: SENDERS }, () => sender), ...Array.from({ length: RECEIVERS }, () => receiver)]
  return tableOf(prefixes, {
    peers,
    hasSameTables: true,
    hasPaths: true,
    phases: [{ row: 'ADD-PATH', changes: all(peers, 'announce') }],
  })
}

export const addPath: TrafficScenario = {
  name: 'add-path',
  words: `${SENDERS} eBGP peers send the same prefixes, and ${RECEIVERS} others are told of all paths (RFC 7911).`,
  targets: { 'ADD-PATH': { wall: 1 } },
  sizes: [paths(5_000), paths(20_000), paths(100_000)],
  standard: 2,
  short: { others: ['frr'] },
  contenders: ['margay', 'bird', 'frr', 'openbgpd'],
}
