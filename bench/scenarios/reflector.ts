import { all, oneToMany, tableOf, type TrafficScenario, type TrafficSize } from './scenario.ts'

const CLIENTS = 50

/** A client of a route reflector sends, fifty others receive. */
function reflect(prefixes: number): TrafficSize {
  const peers = oneToMany(prefixes, CLIENTS)
  return tableOf(prefixes, {
    kind: 'reflector',
    peers,
    phases: [{ row: 'reflector', changes: all(peers, 'announce') }],
  })
}

const targets = { reflector: { wall: 0.6, cpu: 0.6 } }

export const reflector: TrafficScenario = {
  name: 'reflector',
  words: `A client of a route reflector sends its table, ${CLIENTS} other clients receive it.`,
  targets,
  targetsAt: { 1: targets },
  sizes: [reflect(5_000), reflect(20_000), reflect(100_000)],
  standard: 2,
  short: { others: ['frr'] },
}
