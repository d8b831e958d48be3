import t from 'tap'
import type { Entry, Version } from '../datastore/contract.ts'
import { massLosses, ResyncGuard, secondListAfter } from './resync-guard.ts'

/** `Node/n1` and the like, all of version 1 unless given as `Node/n1=2`. */
function records(...keys: string[]): Map<string, Entry> {
  return new Map(
    keys.map(text => {
      const [key, version = '1'] = text.split('=')
      const [kind, name] = key.split('/')
      return [key, { kind, name, version: version as Version, value: {} }]
    }),
  )
}
const full = records(
  'Node/a',
  'Node/b',
  'Node/c',
  'BGPPeer/p',
  'IPPool/v4',
  'Block/x',
  'Block/y',
  'BGPConfiguration/default',
)
const keys = (map: ReadonlyMap<string, Entry> | undefined) => map && [...map.keys()].toSorted()

for (const { name, fresh, percent = 50, expect } of [
  { name: 'nothing is gone', fresh: full, expect: [] },
  {
    name: 'half of the peers may go',
    fresh: records('Node/a', 'BGPPeer/p', 'IPPool/v4', 'Block/x', 'Block/y'),
    expect: [],
  },
  {
    name: 'nodes and peers count together',
    fresh: records('Node/a', 'IPPool/v4', 'Block/x', 'Block/y'),
    expect: [{ what: 'peers', gone: 3, of: 4 }],
  },
  {
    name: 'blocks count by themselves',
    fresh: records('Node/a', 'Node/b', 'IPPool/v4'),
    expect: [{ what: 'blocks', gone: 2, of: 2 }],
  },
  {
    name: 'the share is a setting',
    fresh: records('Node/a', 'BGPPeer/p', 'IPPool/v4', 'Block/x'),
    percent: 49,
    expect: [{ what: 'peers', gone: 2, of: 4 }],
  },
  { name: '100 percent holds nothing', fresh: records(), percent: 100, expect: [] },
  {
    name: 'a single record is never held',
    fresh: records('Node/a', 'Node/b', 'Node/c', 'BGPPeer/p', 'Block/x'),
    expect: [],
  },
])
  t.test(name, t => {
    t.same(massLosses(full, fresh, percent), expect)
    t.end()
  })

/** A guard on a clock that the test moves. */
function guard() {
  const clock = { now: 0 }
  return { clock, guard: new ResyncGuard({ percent: () => 50, now: () => clock.now, secondListAfter }) }
}
const poor = records('Node/a=2', 'Node/new', 'IPPool/v4', 'Block/x', 'Block/y')

t.test('what is lacking stays, what is new and changed counts', t => {
  const { guard: it } = guard()
  const inForce = it.judge(full, poor)
  t.same(keys(inForce), keys(new Map([...full, ...poor])))
  t.equal(inForce.get('Node/a')?.version, '2')
  t.match(it.held, /without 3 of 4 peers.*margayctl guard accept/)
  t.end()
})

t.test('recovery ends it: by single edits, or by a whole list', t => {
  const { guard: it } = guard()
  const inForce = it.judge(full, poor)
  const back = records('Node/b').get('Node/b')
  t.equal(it.edit(inForce, 'Node/other'), undefined, 'another edit does not')
  t.equal(it.edit(inForce, 'Node/b', back), 'enough')
  t.same(keys(it.accept()), keys(new Map([...poor, ...records('Node/b')])))
  t.equal(it.held, undefined)
  const again = it.judge(full, poor)
  t.ok(it.held)
  t.equal(it.judge(again, full), full)
  t.equal(it.held, undefined)
  t.end()
})

t.test('the operator accepts', t => {
  const { guard: it } = guard()
  t.equal(it.accept(), undefined, 'nothing is held')
  it.judge(full, poor)
  t.same(keys(it.accept()), keys(poor))
  t.equal(it.held, undefined)
  t.end()
})

t.test('a second equal list counts only after a minute, and another one begins anew', t => {
  const { guard: it, clock } = guard()
  const inForce = it.judge(full, poor)
  clock.now = secondListAfter - 1
  it.judge(inForce, poor)
  t.ok(it.held, 'too early')
  clock.now = secondListAfter
  it.judge(inForce, records('Node/a', 'IPPool/v4'))
  t.ok(it.held, 'another list')
  clock.now += secondListAfter - 1
  it.judge(inForce, records('Node/a', 'IPPool/v4'))
  t.ok(it.held, 'a minute after that one, not after the first')
  clock.now += 1
  t.same(keys(it.judge(inForce, records('Node/a', 'IPPool/v4'))), ['IPPool/v4', 'Node/a'])
  t.equal(it.held, undefined)
  t.end()
})

t.test('edits between two lists are no difference', t => {
  const { guard: it, clock } = guard()
  const inForce = it.judge(full, poor)
  const [[key, entry]] = records('Block/z')
  it.edit(inForce, key, entry)
  clock.now = secondListAfter
  const second = new Map([...poor, [key, entry] as const])
  t.equal(it.judge(inForce, second), second)
  t.end()
})
