import { all, tableOf, thousands, type Peer, type TrafficScenario, type TrafficSize } from './scenario.ts'

const HOLD_TIME = 9
/** All is measured for a minute, the short set does with less: twice the hold time, so that what is lost shows. */
const SECONDS = process.env.BENCH_FULL ? 60 : 20

const quiet: Peer = { prefixes: 0, sets: 0, receives: false, isQuiet: true }

function sessions(count: number): TrafficSize {
  return {
    label: `${thousands(count)} sessions`,
    units: count,
    shape: {
      family: 'ipv4-unicast',
      kind: 'ebgp',
      peers: Array.from({ length: count }, () => quiet),
      holdTime: HOLD_TIME,
      phases: [{ row: 'idle', changes: [], seconds: SECONDS }],
    },
  }
}

export const idle: TrafficScenario = {
  name: 'idle',
  words: `Sessions with a keepalive every 3 s and a hold time of ${HOLD_TIME} s, and nothing else, for 20 s (\`--full\`: a minute): processor time, and the latest keepalive. None may be lost.`,
  targets: { idle: { cpu: 1 } },
  sizes: [sessions(100), sessions(300), sessions(1_000)],
  standard: 2,
  short: { others: ['gobgp'], isOneSize: true },
  contenders: ['margay', 'bird', 'frr', 'openbgpd', 'gobgp'],
}

/** The same sessions, and two peers more between which a table comes and goes. */
function loaded(prefixes: number): TrafficSize {
  const peers: readonly Peer[] = [
    { prefixes, sets: prefixes * 0.15, receives: false },
    { prefixes: 0, sets: 0, receives: true },
    ...Array.from({ length: 200 }, () => quiet),
  ]
  return tableOf(prefixes, {
    peers,
    holdTime: HOLD_TIME,
    phases: [
      { row: 'idle, table loads', changes: all(peers, 'announce'), seconds: HOLD_TIME },
      { row: 'idle, table goes', changes: all(peers, 'withdraw'), seconds: HOLD_TIME },
    ],
  })
}

export const idleUnderLoad: TrafficScenario = {
  name: 'idle-load',
  words:
    '200 such sessions, which are told of nothing, while a table comes from one peer and goes to another, and is withdrawn. The time is that by which the latest keepalive was late; counted is the longest turn of the event loop in milliseconds, waits for a processor included.',
  targets: {
    'idle, table loads': { seconds: 1, count: 25, counts: 'ms turn' },
    'idle, table goes': { seconds: 1, count: 25, counts: 'ms turn' },
  },
  sizes: [loaded(10_000), loaded(100_000), loaded(1_000_000)],
  standard: 2,
  short: { others: [], isOneSize: true },
  contenders: ['margay', 'bird', 'frr'],
}
