import t from 'tap'
import type { Version } from '../datastore/contract.ts'
import { emptySnapshot } from '../plan/snapshot.ts'
import { SnapshotBuilder, unconfirmed, watchedKinds } from './snapshot.ts'

t.test('a block that a checkpoint names as ours is not announced unless the node itself holds it', t => {
  const blocks = [
    { cidr: '10.42.0.0/26', node: 'n1' },
    { cidr: '10.42.0.64/26', node: 'n1' },
    { cidr: '10.42.0.128/26', node: 'n2' },
  ]
  t.same(unconfirmed(blocks, 'n1', ['10.42.0.0/26', '10.42.9.0/26']), ['10.42.0.64/26'])
  t.same(unconfirmed(blocks, 'n1', ['10.42.0.0/26', '10.42.0.96/27']), [], 'a block that is being split is announced')
  t.end()
})

t.test('a block that no pool could have is nobody’s: its node would announce what is not the pods’', t => {
  for (const [name, cidr] of [
    ['0-0-0-0-0', '0.0.0.0/0'],
    ['10-0-0-0-8', '10.0.0.0/8'],
    ['---0', '::/0'],
  ]) {
    const snapshots = new SnapshotBuilder()
    const entry = { kind: 'Block', name, version: '!1' as Version, value: { node: 'n1', cidr, pool: 'p' } }
    t.match(
      snapshots.update(['Block'], () => [entry]),
      { blocks: [] },
    )
    t.match(snapshots.problems, [/it has not the fields of one, or a prefix larger than any/])
  }
  t.end()
})

t.test('a record whose name would forge lines is told in one', t => {
  const snapshots = new SnapshotBuilder()
  const entry = { kind: 'IPPool', name: '\x1b[31mred\nx', version: '!1' as Version, value: {} }
  snapshots.update(['IPPool'], () => [entry, { ...entry, name: '' }])
  const [forged, nameless] = snapshots.problems
  t.match(forged, /^ippool " \[31mred x" in the datastore cannot be read/)
  t.notMatch(forged, /\p{Cc}/u)
  t.match(nameless, /margayctl datastore delete IPPool ''$/)
  t.end()
})

t.test('a record that cannot be read is left out and reported', t => {
  for (const [kind, object] of [
    ['IPPool', 'ippool "p"'],
    ['Block', 'block "p"'],
  ]) {
    const snapshots = new SnapshotBuilder()
    const entry = { kind, name: 'p', version: '!1' as Version, value: {}, unreadable: 'it is torn: mend it' }
    t.match(
      snapshots.update([kind], () => [entry]),
      { pools: [], blocks: [] },
    )
    const text = `${object} in the datastore cannot be read and is left out: it is torn: mend it`
    t.same(snapshots.problems, [text])
    t.equal(
      snapshots.obstacle,
      kind === 'IPPool' ? text : undefined,
      'without a pool nobody knows what pods shall have',
    )
  }
  t.end()
})

t.test('a record that cannot be read any more is in force as it was read last, and reported', t => {
  const snapshots = new SnapshotBuilder()
  const unreadable = { name: 'p', version: '!1' as Version, unreadable: 'it is torn: mend it' }
  const spec = { cidr: '10.42.0.0/16' }
  const pool = { apiVersion: 'projectcalico.org/v3', kind: 'IPPool', metadata: { name: 'p' }, spec }
  const value = { IPPool: pool, Block: { cidr: '10.42.0.0/26', node: 'n1' } }
  t.match(
    snapshots.update(['IPPool', 'Block'], kind => [{ ...unreadable, kind, value: value[kind as keyof typeof value] }]),
    { pools: [{ spec }], blocks: [value.Block] },
  )
  t.same(
    snapshots.problems,
    ['ippool', 'block'].map(
      kind =>
        `${kind} "p" in the datastore cannot be read, and stays in force as it was read last: it is torn: mend it`,
    ),
  )
  t.equal(snapshots.obstacle, undefined)
  t.end()
})

t.test('a block of which a record tells that has another name is nobody’s, and reported', t => {
  const snapshots = new SnapshotBuilder()
  const entry = { kind: 'Block', version: '1' as Version, value: { cidr: '10.42.0.0/26', node: 'n1', pool: 'p' } }
  const names = ['10-42-0-0-26', '10-42-0-64-26']
  const { blocks } = snapshots.update(['Block'], () => names.map(name => ({ ...entry, name })))
  t.same(blocks, [{ cidr: '10.42.0.0/26', node: 'n1' }])
  t.match(snapshots.problems, [/^block "10-42-0-64-26" .* is left out: .* nobody can claim 10\.42\.0\.64\/26/])
  t.end()
})

t.test('a block of a node that no Node can be is nobody’s, and reported', t => {
  const snapshots = new SnapshotBuilder()
  const entry = { kind: 'Block', name: '10-42-0-0-26', version: '1' as Version }
  const { blocks } = snapshots.update(['Block'], () => [
    { ...entry, value: { cidr: '10.42.0.0/26', node: '', pool: 'p' } },
  ])
  t.same(blocks, [])
  t.match(snapshots.problems, [
    /left out: it says that it is node ""'s, .*: margayctl datastore delete Block 10-42-0-0-26$/,
  ])
  t.end()
})

t.test('a record that is none of its kind is reported, whatever the kind', t => {
  for (const kind of watchedKinds.filter(each => each !== 'BlockRequest')) {
    const snapshots = new SnapshotBuilder()
    snapshots.update([kind], () => [{ kind, name: 'n', version: '1' as Version, value: 5 }])
    t.match(snapshots.problems, [
      / "n" in the datastore cannot be read and is left out: .*margayctl ((datastore )?delete|node decommission) /,
    ])
    snapshots.update([kind], () => [])
    t.same([snapshots.problems, snapshots.obstacle], [[], undefined])
  }
  t.end()
})

t.test('of two records of a kind only the one that changed is another object: plan looks at identity', t => {
  const snapshots = new SnapshotBuilder()
  const node = (name: string, asNumber: number) => {
    const value = { apiVersion: 'margay.io/v1', kind: 'Node', metadata: { name }, spec: { bgp: { asNumber } } }
    return { kind: 'Node', name, version: '!1' as Version, value }
  }
  const [a, b] = [node('a', 65001), node('b', 65001)]
  const before = snapshots.update(['Node'], () => [a, b]).nodes
  const after = snapshots.update(['Node'], () => [a, node('b', 65002)]).nodes
  t.equal(after[0], before[0])
  t.not(after[1], before[1])
  t.equal(after[1].spec.bgp?.asNumber, 65002)
  t.end()
})

t.test('no value that a record may have breaks the others', t => {
  for (const kind of watchedKinds)
    for (const value of [null, 5, 'x', [], {}, { spec: 5 }, { spec: null, metadata: null }, { cidr: 5, node: 'n' }]) {
      const snapshots = new SnapshotBuilder()
      t.doesNotThrow(() => snapshots.update([kind], () => [{ kind, name: 'n', version: '1' as Version, value }]))
    }
  t.end()
})

t.test('each part of a snapshot comes of a kind that the daemon follows', t => {
  const snapshots = new SnapshotBuilder()
  const snapshot = snapshots.update(watchedKinds, () => [])
  // A list that was read anew is another one.
  for (const [part, list] of Object.entries(emptySnapshot))
    t.not(snapshot[part as keyof typeof snapshot], list, `${part} are read`)
  t.end()
})
