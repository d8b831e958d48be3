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

t.test('a record of a newer Margay is left out and reported', t => {
  const snapshots = new SnapshotBuilder()
  const entry = { kind: 'IPPool', name: 'p', version: '!1' as Version, value: {}, newer: 7 }
  t.same(snapshots.update(['IPPool'], () => [entry]).pools, [])
  t.same(snapshots.problems, ['ippool "p" was written by a newer Margay (layout 7) and is left out: upgrade this node'])
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
