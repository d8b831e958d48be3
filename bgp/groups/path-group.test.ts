// Several paths of a prefix in one group (RFC 7911): which ones go out, under which identifiers, and how little is said again.

import t from 'tap'
import type { PeerTraits } from '../rib/port.ts'
import type { PathSelection, Policy } from '../types.ts'
import { type Attributes, Bench, id, type Receiver } from './testing.ts'

const P = '10.0.0.0/24'
const client: Partial<PeerTraits> = { kind: 'ibgp', remoteAs: 64999, reflectorClient: true }

const takes = (paths: PathSelection, more: Partial<PeerTraits> = {}): Partial<PeerTraits> => ({
  pathIdsSent: true,
  paths,
  ...more,
})

/** Peers 0–2 send one path each; the others are given, and read. */
function stage(...readers: Partial<PeerTraits>[]) {
  const bench = new Bench()
  const receivers = new Map<number, Receiver>()
  for (let n = 0; n < 3; n++) {
    bench.up(n, { pathIds: true })
    receivers.set(n, bench.receiver(n))
  }
  for (const [i, more] of readers.entries()) {
    bench.up(3 + i, more)
    receivers.set(3 + i, bench.receiver(3 + i))
  }
  const said: (() => string[])[] = readers.map((_, i) => {
    let seen = 0
    return () => {
      bench.settle(receivers)
      const { log } = receivers.get(3 + i)!
      const news = log.slice(seen).filter(line => line !== 'eor')
      seen = log.length
      return news.toSorted()
    }
  })
  return { bench, receivers, said }
}

/** AS paths that a receiver has for P, sorted. */
const has = (receiver: Receiver) =>
  [...receiver.routes.values()].map(({ asPath }) => asPath.replace(/^64999 ?/, '')).toSorted()

const routes: readonly [number, number, Attributes][] = [
  [0, 1, { path: [7, 8] }],
  [0, 2, { path: [7] }],
  [1, 1, { path: [9] }],
  [2, 5, { path: [9, 9, 9], communities: ['65535:65281'] }], // NO_EXPORT
]

for (const [name, selection, more, expected] of [
  ['all', 'all', {}, ['7', '7 8', '9']],
  ['all to a client: NO_EXPORT stays in the AS, and that is where it is', 'all', client, ['7', '7 8', '9', '9 9 9']],
  ['ecmp', 'ecmp', {}, ['7', '9']],
  ['the best', { best: 1 }, {}, ['7']],
  ['the best two', { best: 2 }, {}, ['7', '9']],
  ['the best ten', { best: 10 }, client, ['7', '7 8', '9', '9 9 9']],
  ['the best after policy', { best: 2 }, { export: not7() }, ['7 8', '9']],
  ['ecmp after policy', 'ecmp', { export: not7() }, ['9']],
] as const satisfies [string, PathSelection, Partial<PeerTraits>, string[]][]) {
  t.test(`selection: ${name}`, async t => {
    const { bench, receivers } = stage(takes(selection, more), {})
    for (const [peer, pathId, a] of routes) bench.announce(peer, [`${pathId} ${P}`], a)
    bench.settle(receivers)
    t.same(has(receivers.get(3)!), expected)
    t.same(has(receivers.get(4)!), ['7'], 'a peer without ADD-PATH beside it has the best one')
    t.equal(bench.rib.sent(id(3)), expected.length)
    const shown = bench.rib.walk('out', id(3), 1 as never, 100).rows
    t.same(
      shown.map(({ pathId, prefix }) => `${pathId} ${prefix}`).toSorted(),
      [...receivers.get(3)!.routes.keys()].toSorted(),
      'the Adj-RIB-Out is what was sent',
    )
    const said = bench.rib.explainExports(id(3), bench.rib.lookup(P)!)
    t.same(
      said
        .filter(one => one.accepted)
        .map(one => `${one.pathId} ${P}`)
        .toSorted(),
      [...receivers.get(3)!.routes.keys()].toSorted(),
      'and so is what is explained',
    )
    t.equal(said.length, 4)
    const inside = bench.rib.walk('in', id(0), 1 as never, 100).rows
    t.same(inside.map(({ pathId, asPath }) => `${pathId} ${asPath}`).toSorted(), ['1 7 8', '2 7'])
  })
}

t.test('why a path is not sent', async t => {
  const { bench, receivers } = stage(takes({ best: 1 }), takes('ecmp'), takes('all', { export: not7() }))
  bench.up(2, takes('all'))
  receivers.set(2, bench.receiver(2))
  for (const [peer, pathId, a] of routes.slice(0, 2)) bench.announce(peer, [`${pathId} ${P}`], a)
  bench.announce(2, [P], { path: [9] })
  bench.settle(receivers)
  const why = (peer: number) =>
    bench.rib
      .explainExports(id(peer), bench.rib.lookup(P)!)
      .map(({ from, text }) => `${from} ${text}`)
      .toSorted()
  t.match(why(3), [/^peer-0 accepted/, 'peer-0 not sent: 1 other is better', 'peer-2 not sent: 1 other is better'])
  t.match(why(4), [/^peer-0 accepted/, 'peer-0 not sent: it does not share the load with the best path', /^peer-2 acc/])
  t.match(why(5), [/^peer-0 accepted/, /^peer-0 rejected by export policy "not-7": rule "seven"/, /^peer-2 accepted/])
  t.match(why(2), [/^peer-0 accepted/, /^peer-0 accepted/, 'peer-2 not sent: it came from this peer'])
  t.match(why(1), [/^peer-0 accepted/], 'of a peer without ADD-PATH the best one')
})

/** Nothing whose AS path is just 7. */
function not7(): Policy {
  return { name: 'not-7', rules: [{ name: 'seven', when: { asPath: '7' }, then: 'reject' }], otherwise: 'accept' }
}

t.test('a path keeps its identifier through every change, and only what changed is said', async t => {
  const { bench, receivers, said } = stage(takes('all'))
  const [news] = said
  bench.announce(0, [`1 ${P}`, `2 ${P}`], { path: [7] })
  bench.announce(1, [`1 ${P}`], { path: [9] })
  t.equal(news().length, 3)
  const reader = receivers.get(3)!
  const idOf = (asPath: string) => [...reader.routes].find(([, view]) => view.asPath === asPath)?.[0]
  const nine = idOf('64999 9')
  bench.announce(1, [`1 ${P}`], { path: [9, 9] })
  t.same(news(), [`+${nine}`], 'replaced: one announcement under the same identifier, no withdrawal')
  bench.announce(1, [`1 ${P}`], { path: [9, 9] })
  t.same(news(), [], 'the same again: nothing')
  bench.announce(2, [`1 ${P}`], { path: [5] })
  t.equal(news().length, 1, 'a new best path is one more path, and says nothing of the others')
  bench.withdraw(2, [`1 ${P}`])
  news()
  const before = new Set(reader.routes.keys())
  bench.withdraw(0, [`1 ${P}`])
  const gone = news()
  t.equal(gone.length, 1)
  t.ok(before.has(gone[0].slice(1)) && gone[0].startsWith('-'), 'one withdrawal, by its identifier')
  bench.withdraw(1, [`1 ${P}`])
  bench.announce(1, [`1 ${P}`], { path: [9, 9] })
  t.same(news(), [], 'withdrawn and announced again before anybody looked')
  bench.withdraw(0, [`2 ${P}`])
  bench.withdraw(1, [`1 ${P}`])
  news()
  t.equal(reader.routes.size, 0)
  bench.work()
  t.same(bench.usage(), { ...bench.usage(), prefixes: 0, paths: 0, attributeSets: 0 }, 'nothing is left behind')
})

t.test('with best N a better path pushes one out, and the others are not said again', async t => {
  const { bench, said } = stage(takes({ best: 2 }))
  const [news] = said
  bench.announce(0, [`1 ${P}`], { path: [7, 8] })
  bench.announce(0, [`2 ${P}`], { path: [7, 8, 9] })
  const [first, second] = news()
  bench.announce(1, [`1 ${P}`], { path: [9] })
  const change = news()
  t.equal(change.length, 2)
  t.ok(change.includes(`-${second.slice(1)}`), 'the worst goes')
  t.notOk(change.join().includes(first.slice(1)), 'the middle one is left alone')
  bench.withdraw(1, [`1 ${P}`])
  t.ok(news().includes(second), 'and comes back under its identifier')
})

t.test('another choice, live: only the difference is sent, with the same identifiers', async t => {
  const { bench, receivers, said } = stage(takes('all'))
  const [news] = said
  for (const [peer, pathId, a] of routes) bench.announce(peer, [`${pathId} ${P}`], a)
  const all = news()
  t.equal(all.length, 3)
  bench.rib.setPolicies(id(3), { paths: { best: 2 } })
  const less = news()
  t.equal(less.length, 1)
  t.ok(less[0].startsWith('-') && all.includes(`+${less[0].slice(1)}`))
  bench.rib.setPolicies(id(3), { paths: { best: 3 } })
  t.same(news(), [`+${less[0].slice(1)}`])
  bench.rib.setPolicies(id(3), { paths: 'all' })
  t.same(news(), [])
  t.equal(receivers.get(3)!.endOfRib, 1)
})

t.test('split horizon is by path, and a chunk is encoded once for the group', async t => {
  const bench = new Bench()
  for (let n = 0; n < 4; n++) bench.up(n, takes('all', { ...client, pathIds: true }))
  const receivers = new Map([0, 1, 2, 3].map(n => [n, bench.receiver(n)]))
  for (const receiver of receivers.values()) receiver.hold = () => {}
  bench.settle(receivers)
  for (let n = 0; n < 3; n++) bench.announce(n, [`1 ${P}`, `2 ${P}`], { path: [n + 1] })
  bench.settle(receivers)
  for (const [n, receiver] of receivers) {
    t.same(
      has(receiver),
      ['1', '1', '2', '2', '3', '3'].filter(path => path !== `${n + 1}`),
    )
    t.equal(bench.rib.sent(id(n)), receiver.routes.size)
  }
  t.equal(
    [...receivers.get(3)!.routes.values()].map(view => `${view.originatorId} ${view.clusterList.join()}`).toSorted()[0],
    '10.0.0.1 192.0.2.1',
    'reflected, each with its originator',
  )
  bench.announce(0, [`3 ${P}`], { path: [8] })
  bench.settle(receivers)
  const last = [1, 2, 3].map(n => receivers.get(n)!.chunks.at(-1)!)
  t.ok(last.every(chunk => chunk.buffer === last[0].buffer && chunk.byteOffset === last[0].byteOffset))
})

t.test('a peer that goes takes its paths with it, and its identifiers are free only when all have heard', async t => {
  const bench = new Bench({ limits: { lead: 200, ring: 400 } })
  for (const n of [0, 1]) bench.up(n, { pathIds: true })
  for (const n of [2, 3]) bench.up(n, takes('all'))
  const [fast, slow] = [bench.receiver(2), bench.receiver(3)]
  const prefixes = Array.from({ length: 200 }, (_, i) => `10.1.${i}.0/24`)
  bench.settle(
    new Map([
      [2, fast],
      [3, slow],
    ]),
  )
  bench.announce(
    0,
    prefixes.flatMap(prefix => [`1 ${prefix}`, `2 ${prefix}`]),
    { path: [7] },
  )
  bench.settle(
    new Map([
      [2, fast],
      [3, slow],
    ]),
  )
  t.equal(slow.routes.size, 400)
  bench.rib.peerDown(id(0))
  bench.settle(new Map([[2, fast]]))
  t.equal(fast.routes.size, 0)
  for (let i = 0; i < 5; i++) {
    bench.announce(
      1,
      prefixes.map(prefix => `1 ${prefix}`),
      { path: [9, i + 1] },
    )
    bench.settle(new Map([[2, fast]]))
  }
  const known = new Set(slow.routes.keys())
  t.notOk(
    [...fast.routes.keys()].some(key => known.has(key)),
    'no identifier means another path to one who has not heard',
  )
  const before = slow.announced
  bench.settle(
    new Map([
      [2, fast],
      [3, slow],
    ]),
  )
  t.same([...slow.routes.keys()].toSorted(), [...fast.routes.keys()].toSorted())
  t.equal(slow.announced - before, 200, 'the slow one sees the last state only')
  bench.work()
  t.equal(bench.usage().paths, 200, 'and the old paths are gone from the tables')
})

t.test('route refresh sends every path again, and End-of-RIB comes once', async t => {
  const { bench, receivers, said } = stage(takes('all'))
  const [news] = said
  for (const [peer, pathId, a] of routes) bench.announce(peer, [`${pathId} ${P}`], a)
  const first = news()
  bench.rib.refresh(id(3))
  t.same(news(), first)
  t.equal(receivers.get(3)!.endOfRib, 1)
})

t.test(
  'a peer that restarts: its paths stay under their identifiers, and what it does not tell again goes',
  async t => {
    const { bench, said } = stage(takes('all'))
    const [news] = said
    bench.announce(0, [`1 ${P}`, `2 ${P}`], { path: [7] })
    const both = news()
    bench.rib.peerAway(id(0))
    t.same(news(), [])
    t.equal(bench.rib.stale(id(0)), 2)
    bench.up(0, { pathIds: true })
    bench.announce(0, [`2 ${P}`, `3 ${P}`], { path: [7] })
    const one = news()
    t.equal(one.length, 1, 'a new identifier of its own is a new path')
    bench.rib.sweepStale(id(0))
    t.same(
      news(),
      both.filter(line => line === both[0]).map(line => line.replace('+', '-')),
      'the first was not told again',
    )
    t.equal(bench.rib.stale(id(0)), 0)
  },
)

t.test(
  'a slow reader is no fault of the sender: withdrawn paths that it has not heard of count against nobody',
  async t => {
    const bench = new Bench({ limits: { lead: 200, ring: 400 } })
    bench.up(0, { pathIds: true })
    for (const n of [1, 2]) bench.up(n, takes('all'))
    const [fast, slow] = [bench.receiver(1), bench.receiver(2)]
    const both = new Map([
      [0, bench.receiver(0)],
      [1, fast],
      [2, slow],
    ])
    bench.settle(both)
    for (let at = 0; at < 12_000; at += 100) {
      const some = Array.from({ length: 100 }, (_, i) => `${at + i + 1} ${P}`)
      t.equal(bench.announce(0, some, { path: [at + 1] }), undefined)
      bench.settle(new Map([[1, fast]]))
      if (at < 11_900) bench.withdraw(0, some)
      bench.settle(new Map([[1, fast]]))
    }
    t.equal(fast.routes.size, 100)
    t.ok(bench.usage().paths <= 4096, 'nor does the table grow')
    bench.settle(both)
    t.same([...slow.routes.keys()].toSorted(), [...fast.routes.keys()].toSorted())
    t.same(has(slow), has(fast))
    bench.work()
    t.equal(bench.usage().paths, 100)
  },
)

t.test('a prefix with thousands of paths: found by an index, bounded by a ceiling for each peer', async t => {
  const { bench, receivers } = stage(takes({ best: 3 }))
  const announced = Array.from({ length: 5000 }, (_, i) => `${i + 1} ${P}`)
  for (let at = 0; at < announced.length; at += 100) {
    bench.announce(0, announced.slice(at, at + 100), { path: [7, at + 1], med: at })
    bench.settle(receivers)
  }
  t.equal(bench.rib.received(id(0)).all, 4096)
  bench.announce(1, [`1 ${P}`], { path: [9] })
  bench.announce(0, announced.slice(0, 10), { path: [7] })
  bench.settle(receivers)
  t.equal(bench.rib.received(id(1)).all, 1, 'others still may')
  t.same(has(receivers.get(3)!), ['7', '7', '7'].toSorted(), 'and what is there may still change')
  bench.withdraw(0, announced)
  bench.settle(receivers)
  t.same(has(receivers.get(3)!), ['9'])
  bench.withdraw(1, [`1 ${P}`])
  bench.settle(receivers)
  bench.work()
  t.equal(bench.usage().paths, 0)
})
