// How update groups share, pace and resynchronise: what a session and an operator would notice.

import t from 'tap'
import type { ChangeView, Policy } from '../types.ts'
import { Bench, id, type Receiver } from './testing.ts'

const prefixes = (count: number, from = 0) =>
  Array.from({ length: count }, (_, i) => `10.${(from + i) >> 8}.${(from + i) & 255}.0/24`)

const receiversOf = (bench: Bench, ...peers: number[]) =>
  new Map(peers.map(n => [n, bench.receiver(n)] as [number, Receiver]))

t.test('a change is encoded once for all members: they are handed the same octets', async t => {
  const bench = new Bench()
  for (let n = 0; n < 10; n++) bench.up(n)
  const receivers = receiversOf(bench, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9)
  for (const receiver of receivers.values()) receiver.hold = () => {}
  bench.settle(receivers)
  bench.announce(0, prefixes(500), { path: [65000] })
  bench.settle(receivers)
  const [first] = receivers.get(1)!.chunks.slice(-1)
  for (let n = 1; n < 10; n++) {
    const [last] = receivers.get(n)!.chunks.slice(-1)
    t.equal(last.buffer, first.buffer)
    t.equal(last.byteOffset, first.byteOffset)
    t.equal(receivers.get(n)!.messages, 2, 'one UPDATE and End-of-RIB')
  }
  t.equal(receivers.get(0)!.announced, 0, 'never back to where it came from')
})

t.test('peers that are told different things are in different groups', async t => {
  const bench = new Bench()
  bench.up(0)
  bench.up(1)
  bench.up(2, { nextHopSelf: Uint8Array.of(192, 0, 2, 201) })
  const receivers = receiversOf(bench, 1, 2)
  bench.announce(0, prefixes(1))
  bench.settle(receivers)
  t.same(
    [1, 2].map(n => [...receivers.get(n)!.routes.values()][0].nextHop),
    ['192.0.2.200', '192.0.2.201'],
  )
})

t.test('only the next hop changes: the change is sent (and nothing twice)', async t => {
  const bench = new Bench()
  bench.up(0)
  bench.up(1, { nextHop: 'keep' })
  const receivers = receiversOf(bench, 1)
  bench.announce(0, prefixes(1), { nextHop: '192.0.2.1' })
  bench.settle(receivers)
  bench.announce(0, prefixes(1), { nextHop: '192.0.2.9' })
  bench.announce(0, prefixes(1), { nextHop: '192.0.2.9' })
  bench.settle(receivers)
  t.same(
    [...receivers.get(1)!.routes.values()].map(view => view.nextHop),
    ['192.0.2.9'],
  )
  t.equal(receivers.get(1)!.announced, 2)
})

t.test('within one turn the last state wins', async t => {
  const bench = new Bench()
  bench.up(0)
  bench.up(1)
  const receivers = receiversOf(bench, 1)
  bench.settle(receivers)
  const [p] = prefixes(1)
  bench.announce(0, [p], { path: [1] })
  bench.withdraw(0, [p])
  bench.settle(receivers)
  t.same(receivers.get(1)!.log, ['eor'], 'came and went unseen')
  bench.announce(0, [p], { path: [1] })
  bench.withdraw(0, [p])
  bench.announce(0, [p], { path: [2] })
  bench.settle(receivers)
  t.same(receivers.get(1)!.log, ['eor', `+${p}`])
  t.equal(receivers.get(1)!.routes.get(p)?.asPath, '64999 2')
})

t.test('a peer that becomes the source of the best path is sent a withdrawal of what it was told', async t => {
  const bench = new Bench()
  for (const n of [0, 1, 2]) bench.up(n)
  const receivers = receiversOf(bench, 0, 1, 2)
  const [p] = prefixes(1)
  bench.announce(0, [p], { path: [1, 2] })
  bench.settle(receivers)
  bench.announce(1, [p], { path: [1] })
  bench.settle(receivers)
  t.same(receivers.get(0)!.log, ['eor', `+${p}`])
  t.same(receivers.get(1)!.log, [`+${p}`, 'eor', `-${p}`])
  t.same(receivers.get(2)!.log, [`+${p}`, 'eor', `+${p}`])
})

t.test('prefixes of one set are packed, though they come one by one', async t => {
  const bench = new Bench()
  bench.up(0)
  bench.up(1)
  const receivers = receiversOf(bench, 1)
  bench.settle(receivers)
  for (const [i, p] of prefixes(900).entries()) bench.announce(0, [p], { path: [65000, (i % 3) + 1] })
  bench.settle(receivers)
  t.equal(receivers.get(1)!.messages, 1 + 3)
  for (const p of prefixes(900)) bench.withdraw(0, [p])
  bench.settle(receivers)
  t.equal(receivers.get(1)!.messages, 1 + 3 + 1)
})

t.test('End-of-RIB follows all that was there, and waits for our own routes to be complete', async t => {
  const bench = new Bench()
  bench.out.setComplete(false)
  bench.up(0)
  const receivers = receiversOf(bench, 0)
  bench.settle(receivers)
  t.same(receivers.get(0)!.log, [])
  bench.rib.originate(prefixes(3).map(prefix => ({ prefix })))
  bench.out.setComplete(true)
  bench.pull(0, receivers.get(0)!)
  t.notOk(receivers.get(0)!.log.includes('eor'), 'not before they are decided')
  bench.work()
  t.same(bench.out.takeReady(), [id(0)])
  bench.settle(receivers)
  t.equal(receivers.get(0)!.log.indexOf('eor'), 3)
  bench.settle(receivers)
  t.equal(receivers.get(0)!.endOfRib, 1)
})

t.test('a peer that comes late or asks for a refresh gets everything', async t => {
  const bench = new Bench()
  bench.up(0)
  bench.up(1)
  const receivers = receiversOf(bench, 1)
  bench.announce(0, prefixes(100), { path: [65000] })
  bench.settle(receivers)
  bench.up(2)
  receivers.set(2, bench.receiver(2))
  bench.settle(receivers)
  t.equal(receivers.get(2)!.routes.size, 100)
  t.equal(receivers.get(2)!.endOfRib, 1)
  bench.rib.refresh(id(1))
  t.ok(bench.out.takeReady().includes(id(1)))
  bench.settle(receivers)
  t.equal(receivers.get(1)!.announced, 200)
  t.equal(receivers.get(1)!.endOfRib, 1)
  t.equal(receivers.get(2)!.announced, 100, 'nobody else is sent anything')
})

t.test('a peer that does not read holds no octets beyond the limit, and catches up', async t => {
  const bench = new Bench({ limits: { lead: 20_000, ring: 40_000, slice: 64 } })
  for (const n of [0, 1, 2]) bench.up(n)
  const receivers = receiversOf(bench, 1, 2)
  bench.settle(receivers)
  const [slow, fast] = [receivers.get(1)!, receivers.get(2)!]
  receivers.delete(1)
  for (let round = 0; round < 50; round++) {
    bench.announce(0, prefixes(1000), { path: [65000, round + 1] })
    bench.settle(receivers)
  }
  bench.withdraw(0, prefixes(500))
  bench.settle(receivers)
  t.equal(fast.routes.size, 500)
  t.equal(slow.announced, 0)
  bench.pull(1, slow)
  t.same([...slow.routes.keys()].toSorted(), prefixes(500, 500).toSorted())
  t.equal(slow.announced, 500, 'the last state only')
  for (const view of slow.routes.values()) if (view.asPath !== '64999 65000 50') t.fail(view.asPath)
})

t.test('a peer that read part of a flush and then falls behind misses nothing', async t => {
  const bench = new Bench({ limits: { lead: 400_000, ring: 400_000, slice: 4096 } })
  for (const n of [0, 1, 2]) bench.up(n)
  const receivers = receiversOf(bench, 1, 2)
  bench.settle(receivers)
  const [slow, fast] = [receivers.get(1)!, receivers.get(2)!]
  for (const [i, p] of prefixes(3000).entries()) bench.announce(0, [p], { path: [65000, i + 1] })
  bench.work()
  t.ok(bench.out.pull(id(1), slow), 'there is more than one pull hands over')
  receivers.delete(1)
  for (let round = 1; round <= 8; round++) {
    for (const [i, p] of prefixes(1000, 10_000).entries()) bench.announce(0, [p], { path: [65000, round, i + 1] })
    bench.settle(receivers)
  }
  bench.pull(1, slow)
  t.equal(fast.routes.size, 4000)
  t.same([...slow.routes.keys()].toSorted(), [...fast.routes.keys()].toSorted())
})

t.test('with nobody reading, changes wait as state and no work is left to do', async t => {
  const bench = new Bench({ limits: { lead: 2000, ring: 40_000, slice: 16 } })
  bench.up(0)
  bench.up(1)
  const receiver = bench.receiver(1)
  for (let round = 0; round < 20; round++) {
    bench.announce(0, prefixes(1000), { path: [65000, round + 1] })
    bench.work()
    t.notOk(bench.rib.pending)
  }
  bench.pull(1, receiver)
  t.equal(receiver.routes.size, 1000)
  t.ok(receiver.announced < 3000, `${receiver.announced} announcements for 20,000 changes`)
})

t.test('a new export policy sends what differs and nothing else', async t => {
  const bench = new Bench()
  bench.up(0)
  bench.up(1)
  bench.up(2)
  const receivers = receiversOf(bench, 1, 2)
  bench.announce(0, prefixes(20), { path: [65000] })
  bench.settle(receivers)
  const low = { prefixes: [{ prefix: '10.0.0.0/20', min: 24, max: 24 }] }
  const policy: Policy = {
    name: 'p',
    otherwise: 'accept',
    rules: [
      { name: 'not these', when: { prefixes: [{ prefix: '10.0.0.0/22', min: 24, max: 24 }] }, then: 'reject' },
      { name: 'tag', when: low, then: 'accept', set: { addCommunities: ['1:1'] } },
    ],
  }
  bench.rib.setPolicies(id(1), { import: { name: 'accept-all', rules: [], otherwise: 'accept' }, export: policy })
  bench.settle(receivers)
  const one = receivers.get(1)!
  t.same(one.withdrawn, 4)
  t.same(one.announced, 20 + 12)
  t.equal(one.endOfRib, 1)
  t.equal(receivers.get(2)!.messages, 2, 'the other member notices nothing')
  bench.rib.setPolicies(id(1), { import: { name: 'accept-all', rules: [], otherwise: 'accept' }, export: policy })
  bench.settle(receivers)
  t.same(one.announced, 20 + 12, 'an equal policy changes nothing')
})

t.test('work keeps to its units, and comes to an end', async t => {
  const bench = new Bench()
  bench.up(0)
  bench.up(1)
  const receiver = bench.receiver(1)
  bench.pull(1, receiver)
  bench.announce(0, prefixes(1000), { path: [65000] })
  let turns = 0
  let before = 0
  while (bench.rib.work(50)) {
    turns++
    bench.pull(1, receiver)
    t.ok(receiver.announced - before <= 50 + 4096, 'a pull may go on where work was held up')
    before = receiver.announced
    const chosen = bench.rib.walk('loc', null, id(0) as never, 5000).rows.length
    if (chosen > turns * 50) t.fail(`${chosen} decided after ${turns} turns of 50`)
    if (turns > 1000) t.bailout('never ends')
  }
  t.ok(turns >= 1000 / 50)
  bench.pull(1, receiver)
  t.equal(receiver.routes.size, 1000)
  bench.rib.peerDown(id(0))
  t.equal(bench.rib.work(100), true)
  const left = bench.rib.walk('loc', null, id(0) as never, 5000).rows.length
  t.ok(left >= 900, `${left} are left after one turn of 100`)
})

t.test('readers of the Loc-RIB get all of it first, then last states', async t => {
  const bench = new Bench()
  bench.up(0)
  bench.up(1)
  const [p, q, r] = prefixes(3)
  bench.announce(0, [p, q], { path: [65000] })
  bench.work()
  const cursor = bench.rib.changes('fib')
  const view: ChangeView = { prefix: '', nextHops: [], peer: '', med: undefined, localPref: undefined }
  const read = () => {
    const lines: string[] = []
    while (cursor.next(view)) lines.push(`${view.prefix} ${view.peer} ${view.nextHops.join(',')}`)
    return lines
  }
  t.same(read(), [`${p} peer-0 192.0.2.1`, `${q} peer-0 192.0.2.1`])
  bench.announce(1, [p], { path: [65001] })
  bench.work()
  t.same(read(), [`${p} peer-0 192.0.2.1,192.0.2.2`], 'equal cost, another AS')
  bench.announce(1, [r], { path: [65001] })
  bench.work()
  bench.withdraw(1, [p, r])
  bench.withdraw(0, [q])
  bench.work()
  t.same(read().toSorted(), [`${p} peer-0 192.0.2.1`, `${q}  `], 'r came and went unseen')
  bench.rib.originate([{ prefix: q, med: 4 }])
  bench.work()
  t.same(read(), [`${q} local `], 'our own: nothing to install')
  t.equal(view.med, 4)
  bench.rib.setNextHops([{ address: '192.0.2.1', reachable: false, metric: 0 }])
  bench.work()
  t.same(read(), [`${p}  `])
  bench.rib.peerDown(id(0))
  bench.rib.originate([])
  bench.work()
  t.same(read(), [`${q}  `])
  cursor.close()
})

t.test('link bandwidths come with the next hops where every path has one', async t => {
  const bench = new Bench()
  for (const peer of [0, 1]) bench.up(peer)
  const [p] = prefixes(1)
  const cursor = bench.rib.changes('fib')
  const view: ChangeView = { prefix: '', nextHops: [], peer: '', med: undefined, localPref: undefined }
  // 0x49989680 and 0x4a989680: 1,250,000 and 5,000,000 octets a second, of AS 65000.
  const read = (first: readonly string[], second: readonly string[]) => {
    bench.announce(0, [p], { path: [65000], extendedCommunities: first })
    bench.announce(1, [p], { path: [65001], extendedCommunities: second })
    bench.work()
    t.equal(cursor.next(view), true)
    return [view.nextHops, view.bandwidths]
  }
  const both = ['192.0.2.1', '192.0.2.2']
  t.same(read(['0x4004fde849989680'], ['0x0004fde84a989680', 'rt:1:1']), [both, [1_250_000, 5_000_000]])
  t.same(read(['0x4004fde849989680'], ['rt:1:1']), [both, undefined], 'one of two has none')
  t.same(read(['0x4004fde849989680'], ['0x4004fde8ff800000']), [both, undefined], 'minus infinity is none')
  t.same(read(['0x4004fde849989680'], ['0x4004fde849989680']), [both, [1_250_000, 1_250_000]])
  bench.withdraw(1, [p])
  bench.work()
  t.equal(cursor.next(view), true)
  t.same([view.nextHops, view.bandwidths], [['192.0.2.1'], undefined], 'nothing to share')
})

t.test('200,000 prefixes in 30,000 sets arrive whole, and go', async t => {
  const bench = new Bench({ maxPrefixes: 1 << 20 })
  bench.up(0)
  bench.up(1)
  const receivers = receiversOf(bench, 1)
  const all = new Set<string>()
  for (let set = 0; set < 2000; set++) {
    const batch = Array.from({ length: 100 }, (_, i) => {
      const n = set * 100 + i
      return `${1 + (n >> 16)}.${(n >> 8) & 255}.${n & 255}.0/24`
    })
    for (const p of batch) all.add(p)
    for (let part = 0; part < 100; part += 7) {
      bench.announce(0, batch.slice(part, part + 7), { path: [65000, set + 1, part + 1] })
    }
  }
  bench.settle(receivers)
  t.match(bench.usage(), { prefixes: 200_000, paths: 200_000, attributeSets: 30_000 })
  const receiver = receivers.get(1)!
  t.equal(receiver.routes.size, 200_000)
  for (const p of all) if (!receiver.routes.has(p)) t.fail(p)
  t.equal(receiver.routes.get('1.0.107.0/24')?.asPath, '64999 65000 2 8')
  bench.rib.peerDown(id(0))
  bench.settle(receivers)
  t.equal(receiver.routes.size, 0)
  bench.work()
  t.match(bench.usage(), { prefixes: 0, paths: 0, attributeSets: 0 })
})
