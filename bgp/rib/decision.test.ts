import t from 'tap'
import { type Step, steps } from './decision.ts'
import type { PeerTraits } from './port.ts'
import { type Attributes, Bench } from '../groups/testing.ts'
import type { DecisionOptions } from '../types.ts'

interface Path extends Attributes {
  readonly peer: number
  readonly traits?: Partial<PeerTraits>
}
const ibgp: Partial<PeerTraits> = { kind: 'ibgp', remoteAs: 64999 }
const member: Partial<PeerTraits> = { kind: 'confed-ebgp', remoteAs: 64998 }
const P = '10.0.0.0/24'

/** Each row: paths, the peers of best and multipath paths in order, and why the last one listed is not used. */
const rows: {
  name: string
  paths: Path[]
  chosen: number[]
  reason: string | RegExp
  options?: DecisionOptions
  metric?: Record<string, number>
}[] = [
  {
    name: 'higher LOCAL_PREF',
    paths: [
      { peer: 0, localPref: 200, path: [1, 2, 3], traits: ibgp },
      { peer: 1, path: [1], traits: ibgp },
    ],
    chosen: [0],
    reason: 'LOCAL_PREF 100 is lower than 200',
  },
  {
    name: 'shorter AS path, an AS_SET counting as one',
    paths: [
      { peer: 0, path: [1, [2, 3, 4]] },
      { peer: 1, path: [1, 2, 3] },
    ],
    chosen: [0],
    reason: 'AS path of length 3 is longer than 2',
  },
  {
    name: 'lower origin',
    paths: [
      { peer: 0, path: [1], origin: 'igp' },
      { peer: 1, path: [1], origin: 'incomplete' },
    ],
    chosen: [0],
    reason: 'origin incomplete is worse than igp',
  },
  {
    name: 'lower MED of one neighbouring AS',
    paths: [
      { peer: 0, path: [1], med: 5 },
      { peer: 1, path: [1], med: 9 },
    ],
    chosen: [0],
    reason: 'MED 9 is higher than 5 from the same AS',
  },
  {
    name: 'no MED counts as 0',
    paths: [
      { peer: 1, path: [1] },
      { peer: 0, path: [1], med: 1 },
    ],
    chosen: [1],
    reason: 'MED 1 is higher than 0 from the same AS',
  },
  {
    name: 'MED of different neighbouring ASes is not compared',
    paths: [
      { peer: 0, path: [1], med: 500 },
      { peer: 1, path: [2], med: 1 },
    ],
    chosen: [0, 1],
    reason: 'router id 10.0.0.2 is higher than 10.0.0.1 of peer-0',
  },
  {
    name: 'eBGP over iBGP',
    paths: [
      { peer: 1, path: [1] },
      { peer: 0, path: [1], traits: ibgp },
    ],
    chosen: [1],
    reason: 'learned by iBGP; a path learned by eBGP is preferred',
  },
  {
    name: 'eBGP over another member of our confederation (RFC 5065 §5.3)',
    paths: [
      { peer: 1, path: [1] },
      { peer: 0, path: [1], members: [64998], traits: member },
    ],
    chosen: [1],
    reason: 'learned inside the confederation; a path learned by eBGP is preferred',
  },
  {
    name: 'iBGP and another member of our confederation are equal',
    paths: [
      { peer: 0, path: [1], members: [64998], traits: member },
      { peer: 1, path: [1], traits: ibgp },
    ],
    chosen: [0, 1],
    reason: 'router id 10.0.0.2 is higher than 10.0.0.1 of peer-0',
  },
  {
    name: 'members of our confederation make no path longer (RFC 5065 §5.3)',
    paths: [
      { peer: 0, path: [1], members: [64998, 64997, 64996], traits: member },
      { peer: 1, path: [1, 2], members: [64998], traits: member },
    ],
    chosen: [0],
    reason: 'AS path of length 2 is longer than 1',
  },
  {
    name: 'MED of one neighbouring AS, whichever members are in front of it',
    paths: [
      { peer: 1, path: [1], members: [64998], med: 5, traits: member },
      { peer: 0, path: [1], members: [64997], med: 9, traits: member },
    ],
    chosen: [1],
    reason: 'MED 9 is higher than 5 from the same AS',
  },
  {
    name: 'MED of different neighbouring ASes behind the same member is not compared',
    paths: [
      { peer: 0, path: [1], members: [64998], med: 9, traits: member },
      { peer: 1, path: [2], members: [64998], med: 5, traits: member },
    ],
    chosen: [0, 1],
    reason: 'router id 10.0.0.2 is higher than 10.0.0.1 of peer-0',
  },
  {
    name: 'nearer next hop',
    paths: [
      { peer: 1, path: [1], nextHop: '192.0.2.2' },
      { peer: 0, path: [1], nextHop: '192.0.2.1' },
    ],
    metric: { '192.0.2.1': 20, '192.0.2.2': 10 },
    chosen: [1],
    reason: 'IGP metric 20 to the next hop is higher than 10',
  },
  {
    name: 'lower router id, with multipath',
    paths: [
      { peer: 0, path: [1] },
      { peer: 1, path: [2] },
    ],
    chosen: [0, 1],
    reason: 'router id 10.0.0.2 is higher than 10.0.0.1 of peer-0',
  },
  {
    name: 'ORIGINATOR_ID stands for the router id (RFC 4456 §9)',
    paths: [
      { peer: 1, path: [1], originatorId: '10.0.0.3', clusterList: ['9.9.9.9'], traits: ibgp },
      { peer: 0, path: [1], originatorId: '10.0.0.4', clusterList: ['9.9.9.9'], traits: ibgp },
    ],
    chosen: [1, 0],
    reason: 'router id 10.0.0.4 is higher than 10.0.0.3 of peer-1',
  },
  {
    name: 'shorter CLUSTER_LIST (RFC 4456 §9)',
    paths: [
      { peer: 1, path: [1], originatorId: '10.0.0.9', clusterList: ['1.1.1.1'], traits: ibgp },
      { peer: 0, path: [1], originatorId: '10.0.0.9', clusterList: ['1.1.1.1', '2.2.2.2'], traits: ibgp },
    ],
    chosen: [1, 0],
    reason: 'cluster list of length 2 is longer than 1',
  },
  {
    name: 'MED of different neighbouring ASes, if told to compare it',
    options: { alwaysCompareMed: true },
    paths: [
      { peer: 1, path: [2], med: 1 },
      { peer: 0, path: [1], med: 500 },
    ],
    chosen: [1],
    reason: 'MED 500 is higher than 1',
  },
  {
    name: 'no MED, if told that it counts as highest',
    options: { missingMed: 'highest' },
    paths: [
      { peer: 1, path: [1], med: 4294967295 },
      { peer: 0, path: [1] },
    ],
    chosen: [1],
    reason: 'no MED, which counts as highest, is higher than 4294967295 from the same AS',
  },
  {
    name: 'multipath over equal AS paths only',
    options: { multipath: 'equal' },
    paths: [
      { peer: 0, path: [1, 3] },
      { peer: 1, path: [1, 3] },
      { peer: 2, path: [1, 4] },
    ],
    chosen: [0, 1],
    reason: 'router id 10.0.0.3 is higher than 10.0.0.1 of peer-0',
  },
  {
    name: 'no multipath',
    options: { multipath: 'off' },
    paths: [
      { peer: 0, path: [1, 3] },
      { peer: 1, path: [1, 3] },
    ],
    chosen: [0],
    reason: 'router id 10.0.0.2 is higher than 10.0.0.1 of peer-0',
  },
  {
    name: 'GRACEFUL_SHUTDOWN of an eBGP peer is LOCAL_PREF 0',
    paths: [
      { peer: 1, path: [1, 2, 3] },
      { peer: 0, path: [1], communities: ['graceful-shutdown'] },
    ],
    chosen: [1],
    reason: 'LOCAL_PREF 0 is lower than 100: GRACEFUL_SHUTDOWN',
  },
  {
    name: 'lower peer address',
    paths: [
      { peer: 0, path: [1], traits: { routerId: 9 } },
      { peer: 1, path: [1], traits: { routerId: 9 } },
    ],
    chosen: [0, 1],
    reason: 'peer address 192.0.2.2 is higher than that of peer-0',
  },
]

for (const { name, paths, chosen, reason, metric, options = {} } of rows) {
  t.test(name, async t => {
    for (const order of [paths, paths.toReversed()]) {
      const bench = new Bench()
      bench.rib.setDecision(options)
      bench.rib.setNextHops(
        Object.entries(metric ?? {}).map(([address, m]) => ({ address, reachable: true, metric: m })),
      )
      for (const path of order) bench.up(path.peer, path.traits)
      for (const path of order) bench.announce(path.peer, [P], path)
      bench.work()
      const views = bench.paths(P)
      t.same(
        views.filter(view => view.best || view.multipath).map(view => view.peer),
        chosen.map(peer => `peer-${peer}`),
      )
      t.equal(views[0].best && views[0].reason, undefined)
      t.match(views.at(-1)!.reason, reason)
    }
  })
}

t.test('MED is deterministic: the result does not depend on the order of arrival', async t => {
  const paths: Path[] = [
    { peer: 0, path: [1], med: 10, traits: { routerId: 1 } },
    { peer: 1, path: [2], med: 1, traits: { routerId: 2 } },
    { peer: 2, path: [1], med: 5, traits: { routerId: 3 } },
  ]
  for (const order of [
    [0, 1, 2],
    [2, 1, 0],
    [1, 0, 2],
    [0, 2, 1],
    [1, 2, 0],
    [2, 0, 1],
  ]) {
    const bench = new Bench()
    for (const i of order) bench.up(i, paths[i].traits)
    for (const i of order) bench.announce(i, [P], paths[i])
    bench.work()
    t.same(
      bench.paths(P).map(view => [view.peer, view.best, view.multipath]),
      [
        ['peer-1', true, false],
        ['peer-2', false, true],
        ['peer-0', false, false],
      ],
    )
  }
})

t.test('the oldest eBGP path stays, if told to keep it (RFC 5004)', async t => {
  for (const [preferOldest, best] of [
    [true, 'peer-1'],
    [false, 'peer-0'],
  ] as const) {
    const bench = new Bench()
    bench.rib.setDecision({ preferOldest })
    for (const n of [0, 1, 2]) bench.up(n)
    bench.announce(1, [P], { path: [1] })
    bench.work()
    bench.announce(0, [P], { path: [2] })
    bench.work()
    t.equal(bench.paths(P)[0].peer, best)
    bench.announce(1, [P], { path: [1], med: 3 })
    bench.work()
    t.equal(bench.paths(P)[0].peer, best, 'what changes nothing in rank changes nothing')
    if (preferOldest)
      t.equal(bench.paths(P)[1].reason, 'peer-1 sent the best path before, and this one is not better (RFC 5004)')
    bench.announce(2, [P], { path: [1], localPref: 200 })
    bench.work()
    t.equal(bench.paths(P)[0].peer, 'peer-2', 'a better one takes over')
  }
  const inside = new Bench()
  inside.rib.setDecision({ preferOldest: true })
  for (const n of [0, 1]) inside.up(n, ibgp)
  inside.announce(1, [P])
  inside.work()
  inside.announce(0, [P])
  inside.work()
  t.equal(inside.paths(P)[0].peer, 'peer-0', 'age is nothing among iBGP paths')
})

t.test('other rules of decision hold for every prefix at once', async t => {
  const bench = new Bench()
  for (const n of [0, 1]) bench.up(n)
  const prefixes = Array.from({ length: 100 }, (_, i) => `10.0.${i}.0/24`)
  bench.announce(0, prefixes, { path: [1], med: 9 })
  bench.announce(1, prefixes, { path: [2], med: 5 })
  bench.work()
  const by = () => new Set(bench.rib.walk('loc', null, 1 as never, 1000).rows.map(row => row.peer))
  t.same(by(), new Set(['peer-0']))
  bench.rib.setDecision({ alwaysCompareMed: true })
  t.ok(bench.rib.pending)
  bench.work()
  t.same(by(), new Set(['peer-1']))
})

t.test('what may not be used says why', async t => {
  const bench = new Bench()
  for (const n of [0, 1, 2, 3]) bench.up(n)
  bench.announce(0, [P], { path: [1] }, 'as-loop')
  bench.announce(1, [P], { path: [1], nextHop: '198.51.100.1' })
  bench.announce(2, [P], { path: [1, 2, 3] })
  bench.rib.setNextHops([{ address: '198.51.100.1', reachable: false, metric: 0 }])
  bench.work()
  const reason = (peer: string) => bench.paths(P).find(view => view.peer === peer)?.reason
  t.equal(reason('peer-0'), 'our own AS is in the AS path')
  t.equal(reason('peer-1'), 'next hop 198.51.100.1 is unreachable')
  t.equal(reason('peer-2'), undefined)
  t.same(bench.rib.received(0 as never), { all: 1, accepted: 0 })
  for (const [kind, text] of [
    ['originator-loop', 'ORIGINATOR_ID is our own router id'],
    ['cluster-loop', 'our own cluster id is in the cluster list'],
    ['route-leak', 'a route leak: ONLY_TO_CUSTOMER says that it must not come from there (RFC 9234 §5)'],
  ] as const) {
    bench.announce(3, [P], { path: [1] }, kind)
    bench.work()
    t.equal(reason('peer-3'), text)
  }
  bench.rib.originate([{ prefix: P }])
  bench.work()
  t.equal(reason('peer-2'), 'our own route is preferred')
  t.equal(bench.paths(P)[0].peer, 'local')
})

t.test('a path set is as big as a thousand anycast nodes and stays exact', async t => {
  const bench = new Bench()
  for (let n = 0; n < 200; n++) {
    bench.up(n)
    bench.announce(n, [P], { path: [1, n + 1], nextHop: `192.0.2.${n + 1}` })
  }
  bench.work()
  t.equal(bench.paths(P).length, 200)
  for (let n = 0; n < 200; n += 2) bench.withdraw(n, [P])
  bench.announce(1, [P], { path: [1, 2, 3] })
  bench.work()
  const views = bench.paths(P)
  t.equal(views.length, 100)
  t.equal(views.filter(view => view.best || view.multipath).length, 99)
  for (let n = 1; n < 200; n += 2) bench.rib.peerDown(n as never)
  bench.work()
  t.match(bench.usage(), { prefixes: 1, paths: 0, attributeSets: 0 }, 'peers that never pulled hold the prefix')
  for (let n = 0; n < 200; n += 2) bench.rib.peerDown(n as never)
  bench.work()
  t.match(bench.usage(), { prefixes: 0, paths: 0, attributeSets: 0 })
})

t.test('the whole order: a step decides against all that come behind it, and says so', async t => {
  const reasons: { readonly [S in Step]?: string | RegExp } = {
    local: 'our own route is preferred',
    longStale: /long/,
    localPref: 'LOCAL_PREF 100 is lower than 200',
    asPathLength: 'AS path of length 2 is longer than 1',
    origin: 'origin incomplete is worse than igp',
    med: 'MED 5 is higher than 0 from the same AS',
    kind: 'learned by iBGP; a path learned by eBGP is preferred',
    metric: 'IGP metric 10 to the next hop is higher than 1',
    oldest: /sent the best path before, and this one is not better/,
    routerId: /^router id 0\.0\.0\.6 is higher than 0\.0\.0\.5/,
    clusterList: 'cluster list of length 2 is longer than 1',
    address: /^peer address 192\.0\.2\.2 is higher/,
  }
  // The last one tells two paths of one peer apart, which differ in nothing else.
  t.equal(steps.at(-1), 'pathId')
  for (const [at, step] of steps.slice(0, -1).entries()) {
    const bench = new Bench()
    bench.rib.setNextHops([
      { address: '198.51.100.1', reachable: true, metric: 1 },
      { address: '198.51.100.2', reachable: true, metric: 10 },
    ])
    bench.rib.setDecision({ preferOldest: at <= steps.indexOf('oldest') })
    /** Equal before the step; there the winner is better, and behind it the loser. */
    const announce = (isWinner: boolean) => {
      const isWorse = (other: Step) => steps.indexOf(other) >= at && (other === step) !== isWinner
      const peer = isWorse('address') ? 1 : 0
      const kind = isWorse('kind') ? ibgp : {}
      bench.up(peer, { ...kind, routerId: isWorse('routerId') ? 6 : 5 })
      bench.announce(peer, [P], {
        communities: isWorse('longStale') ? ['llgr-stale'] : [],
        localPref: isWorse('localPref') ? 100 : 200,
        path: isWorse('asPathLength') ? [1, 2] : [1],
        origin: isWorse('origin') ? 'incomplete' : 'igp',
        med: isWorse('med') ? 5 : 0,
        nextHop: isWorse('metric') ? '198.51.100.2' : '198.51.100.1',
        clusterList: isWorse('clusterList') ? ['1.1.1.1', '2.2.2.2'] : ['1.1.1.1'],
      })
      bench.work()
      return `peer-${peer}`
    }
    // The one that comes first is the oldest.
    const [first, second] = [announce(step === 'oldest'), step === 'local' ? '' : announce(step !== 'oldest')]
    const winner = step === 'local' ? 'local' : step === 'oldest' ? first : second
    if (step === 'local') bench.rib.originate([{ prefix: P, localPref: 1 }])
    bench.work()
    const views = bench.paths(P)
    t.equal(views[0].peer, winner, step)
    t.match(views[1]?.reason, reasons[step] ?? /no reason/, step)
  }
})
