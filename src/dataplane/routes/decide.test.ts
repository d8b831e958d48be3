import t from 'tap'
import type { Route } from '../../../netlink/types.ts'
import type { FibClass } from '../../model/fib.ts'
import { decide, type Situation } from './decide.ts'
import { defaultMark } from './route.ts'

const dst = '10.42.1.0/26'
const ours: Route = {
  dst,
  type: 'unicast',
  ...defaultMark,
  scope: 'universe',
  nextHops: [{ gateway: '10.0.1.1', link: 2 }],
}
const other: Route = { ...ours, nextHops: [{ gateway: '10.0.1.2', link: 2 }] }
const both: Route = { ...ours, nextHops: [...ours.nextHops, ...other.nextHops] }
const third: Route = { ...ours, nextHops: [{ gateway: '10.0.1.3', link: 2 }] }
const foreign = (metric: number, tos = 0): Route => ({ ...ours, protocol: 4, metric, tos })
const wanted = (route: Route, owner: FibClass = 'bgp') => ({ class: owner, route })

const all = { mayAdd: true, mayReplace: true, mayDelete: true }
const nothing: Situation = { wanted: undefined, ours: undefined, twins: [], mixed: false, foreign: [], ...all }

for (const c of [
  { name: 'nothing wanted, nothing there', given: {}, expect: { do: 'nothing' } },
  { name: 'wanted', given: { wanted: wanted(ours) }, expect: { do: 'add', route: ours } },
  { name: 'wanted, not yet allowed', given: { wanted: wanted(ours), mayAdd: false }, expect: { do: 'hold' } },
  { name: 'wanted and there', given: { wanted: wanted(ours), ours, mayAdd: false }, expect: { do: 'nothing' } },
  { name: 'changed', given: { wanted: wanted(other), ours }, expect: { do: 'replace', route: other } },
  {
    name: 'changed, perhaps of a higher class',
    given: { wanted: wanted(other), ours, mayReplace: false },
    expect: { do: 'hold' },
  },
  {
    name: 'one of another way behind ours',
    given: { wanted: wanted(ours), ours, twins: [other] },
    expect: { do: 'prune', route: other },
  },
  {
    name: 'one of another way before ours',
    given: { wanted: wanted(ours), ours: other, twins: [ours] },
    expect: { do: 'prune', route: other },
  },
  {
    name: 'one behind ours, not in sync',
    given: { wanted: wanted(ours), ours, twins: [other], mayDelete: false },
    expect: { do: 'hold' },
  },
  { name: 'wanted no more, and one behind', given: { ours, twins: [other] }, expect: { do: 'delete', route: ours } },
  {
    name: 'changed, and others may have a part in it',
    given: { wanted: wanted(third), ours: both, mixed: true },
    expect: { do: 'probe', route: other },
  },
  {
    name: 'changed, and others may have a part in it, not in sync',
    given: { wanted: wanted(third), ours: both, mixed: true, mayDelete: false },
    expect: { do: 'hold' },
  },
  {
    name: 'wanted and there, whoever has a part in it',
    given: { wanted: wanted(both), ours: both, mixed: true },
    expect: { do: 'nothing' },
  },
  { name: 'wanted no more', given: { ours }, expect: { do: 'delete', route: ours } },
  { name: 'wanted no more, not in sync', given: { ours, mayDelete: false }, expect: { do: 'hold' } },
  { name: 'foreign only', given: { foreign: [foreign(20)] }, expect: { do: 'nothing' } },
  {
    name: 'foreign at our key',
    given: { wanted: wanted(ours), foreign: [foreign(1024)] },
    expect: { do: 'yield', holder: foreign(1024) },
  },
  {
    name: "foreign at a pod's key",
    given: { wanted: wanted(ours, 'endpoint'), foreign: [foreign(1024)] },
    expect: { do: 'yield', holder: foreign(1024) },
  },
  {
    name: 'connected',
    given: { wanted: wanted(ours), foreign: [foreign(0)] },
    expect: { do: 'yield', holder: foreign(0) },
  },
  {
    name: 'foreign of a worse metric',
    given: { wanted: wanted(ours), foreign: [foreign(4000)] },
    expect: { do: 'yield', holder: foreign(4000) },
  },
  {
    name: 'foreign came after ours',
    given: { wanted: wanted(ours), ours, foreign: [foreign(0)] },
    expect: { do: 'yield', holder: foreign(0), remove: ours },
  },
  {
    name: 'foreign came, deletes wait',
    given: { wanted: wanted(ours), ours, foreign: [foreign(0)], mayDelete: false },
    expect: { do: 'yield', holder: foreign(0) },
  },
  {
    name: 'foreign for a type of service only',
    given: { wanted: wanted(ours), foreign: [foreign(0, 8)] },
    expect: { do: 'add', route: ours },
  },
  {
    name: 'a pod beside a foreign route',
    given: { wanted: wanted(ours, 'endpoint'), foreign: [foreign(4000)] },
    expect: { do: 'add', route: ours },
  },
] satisfies readonly { name: string; given: Partial<Situation>; expect: unknown }[])
  t.test(c.name, async t => {
    const step = decide({ ...nothing, ...c.given }, defaultMark)
    t.same(JSON.parse(JSON.stringify(step)), c.expect)
  })
