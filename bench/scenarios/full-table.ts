import type { Family } from '../../bgp/types.ts'
import { all, oneToMany, tableOf, type TrafficScenario, type TrafficSize } from './scenario.ts'

/** One eBGP peer sends its table, one other receives it; then all of it is withdrawn. */
function oneToOne(family: Family, prefixes: number, sets: number, rows: readonly [string, string]): TrafficSize {
  const peers = oneToMany(prefixes, 1, sets)
  return tableOf(prefixes, {
    family,
    peers,
    phases: [
      { row: rows[0], changes: all(peers, 'announce') },
      { row: rows[1], changes: all(peers, 'withdraw') },
    ],
  })
}

const ipv4 = (prefixes: number): TrafficSize =>
  oneToOne('ipv4-unicast', prefixes, prefixes * 0.15, ['full table', 'withdraw'])
const ipv6 = (prefixes: number): TrafficSize =>
  oneToOne('ipv6-unicast', prefixes, prefixes / 4, ['IPv6', 'IPv6 withdraw'])

export const fullTable: TrafficScenario = {
  name: 'full-table',
  words:
    'One eBGP peer sends a full IPv4 table, 15 attribute sets to 100 prefixes, and another receives it; then the first withdraws all of it.',
  targets: { 'full table': { wall: 0.5, memory: 200 }, withdraw: { wall: 0.7 } },
  sizes: [ipv4(10_000), ipv4(100_000), ipv4(1_000_000)],
  standard: 2,
  short: { others: ['bird'] },
}

export const ipv6Table: TrafficScenario = {
  name: 'ipv6',
  words: 'The same with IPv6 over IPv6, one attribute set to four prefixes.',
  targets: { IPv6: { wall: 0.6 } },
  sizes: [ipv6(20_000), ipv6(60_000), ipv6(200_000)],
  standard: 2,
  short: { others: ['bird'] },
}
