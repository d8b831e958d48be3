import { all, oneToMany, tableOf, type TrafficScenario, type TrafficSize } from './scenario.ts'

const RECEIVERS = 10
const STEPS = 20

/** A tenth of a table goes and comes back, again and again. */
function flap(prefixes: number): TrafficSize {
  const peers = oneToMany(prefixes, RECEIVERS)
  const part = prefixes / 10
  const steps = Array.from({ length: STEPS }, (_, i) => {
    const from = (i % 10) * part
    const range = { peer: 0, from, to: from + part }
    return [
      { row: 'churn, gone', changes: [{ ...range, kind: 'withdraw' as const }] },
      { row: 'churn, back', changes: [{ ...range, kind: 'announce' as const }] },
    ]
  })
  return tableOf(prefixes, { peers, phases: [{ row: undefined, changes: all(peers, 'announce') }, ...steps.flat()] })
}

export const churn: TrafficScenario = {
  name: 'churn',
  words: `One eBGP peer sends to ${RECEIVERS}; a tenth of its table is withdrawn and announced anew, ${STEPS} times. The time is that of a step, the median of all.`,
  targets: { 'churn, gone': { wall: 0.8 }, 'churn, back': { wall: 0.8 } },
  sizes: [flap(10_000), flap(30_000), flap(100_000)],
  standard: 2,
  short: { others: ['bird'] },
}
