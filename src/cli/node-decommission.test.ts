import t from 'tap'
import { MemoryDatastore } from '../datastore/memory.ts'
import { planFor, planText } from './node-decommission.ts'

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
