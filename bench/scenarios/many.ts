import { all, type TrafficScenario, type TrafficSize } from './scenario.ts'

/** Every peer sends to every other. */
function allToAll(count: number, prefixes: number): TrafficSize {
  const peers = Array.from({ length: count }, () => ({ prefixes, sets: prefixes * 0.15, receives: true }))
  return {
    label: `${count} × ${prefixes}`,
    // Deliveries.
    units: count * (count - 1) * prefixes,
    shape: {
      family: 'ipv4-unicast',
      kind: 'ebgp',
      peers,
      phases: [{ row: 'many', changes: all(peers, 'announce') }],
    },
  }
}

const targets = { many: { wall: 0.6, cpu: 0.6, overBird: 80 } }

export const many: TrafficScenario = {
  name: 'many',
  words: 'Many eBGP peers, each with a table of its own that goes to all the others.',
  targets,
  targetsAt: { 0: targets, 2: targets },
  sizes: [allToAll(30, 1_000), allToAll(100, 1_000), allToAll(500, 200)],
  standard: 1,
  short: { others: ['frr', 'bird'] },
}
