import t from 'tap'
import { MemoryDatastore } from '../datastore/memory.ts'
import { checkCluster } from '../ipam/cluster-check.ts'
import { copyKind } from '../ipam/records.ts'
import { stays } from './datastore.ts'
import { decommission, endangeredText, planFor, planText } from './node-decommission.ts'

t.test(
  'a node whose Node cannot be read is not taken for one without, and what is not known of it is said',
  async t => {
    const store = new MemoryDatastore()
    await store.create('Node', 'torn', { spec: 5 })
    await store.create('Block', 'b', { cidr: '10.42.0.0/26', node: 'torn', pool: 'p', claimedAt: '' })
    const plan = await planFor(store, 'torn')
    t.same(
      planText(plan, { signs: [], unasked: [] })
        .replace(/read: .*/, 'read: …')
        .split('\n'),
      [
        'node "torn"',
        '  its Node goes, which cannot be read: …',
        '  ! not known: its addresses, so it was not pinged; see for yourself that the machine is off',
        '  block 10.42.0.0/26 goes back to its pool (0 in use when it was last heard of)',
      ],
    )
    await store.delete('Node', 'torn')
    t.match(planText(await planFor(store, 'torn'), { signs: [], unasked: [] }), /whose Node is gone already/)
    await t.rejects(planFor(store, 'none'), { message: /there is no node "none"/ })
  },
)

t.test(
  'of a node that is no more a note of its addresses is left: whoever meets it is led to what takes it away',
  async t => {
    const store = new MemoryDatastore()
    const row = { network: 'n', containerId: 'c', ifName: 'eth0', pool: 'v4', since: '', label: 'lab/p' }
    await store.create(copyKind, 'gone.outside', { node: 'gone', cidr: '', addresses: { '10.42.0.7': row } })
    const next = /margayctl node decommission gone/
    t.match(await checkCluster(store), [{ kind: 'no-block', object: '10.42.0.7', text: next }])
    const entry = await store.get(copyKind, 'gone.outside')
    t.match(entry && stays(entry), next)
    const plan = await planFor(store, 'gone')
    t.same(planText(plan, { signs: [], unasked: [] }).split('\n'), [
      'node "gone", whose Node is gone already',
      '  note "gone.outside" goes, of addresses outside its blocks (1 in use when it was written)',
    ])
    await decommission(store, plan)
    t.same(await checkCluster(store), [])
    t.equal(await store.get(copyKind, 'gone.outside'), undefined)
  },
)

t.test('a block in which pods of others have addresses is not freed without a word', async t => {
  const store = new MemoryDatastore()
  const row = { network: 'n', containerId: 'c', ifName: 'eth0', pool: 'v4', since: '', label: 'lab/p' }
  const block = { cidr: '10.42.0.0/26', node: 'n11', pool: 'v4', claimedAt: '' }
  await store.create('Block', '10-42-0-0-26', block)
  await store.create(copyKind, 'n1.outside', { node: 'n1', cidr: '', addresses: { '10.42.0.7': row } })
  const plan = await planFor(store, 'n11')
  t.match(
    planText(plan, { signs: [], unasked: [] }),
    /\n {2}! in use by others: 1 address of pods of node "n1" are in bl/,
  )
  t.match(
    endangeredText(plan),
    /^block 10\.42\.0\.0\/26 of node "n11" has 1 address of pods of node "n1": freed, it .*: margayctl ipam reassign 10\.42\.0\.0\/26 n1\. --force frees it all the same$/,
  )
  await store.create('Node', 'n11', {})
  t.match(
    endangeredText(await planFor(store, 'n11')),
    /; delete those pods first; margayctl ipam check names them\. --force/,
  )
  await store.delete(copyKind, 'n1.outside')
  t.equal(endangeredText(await planFor(store, 'n11')), undefined)
})
