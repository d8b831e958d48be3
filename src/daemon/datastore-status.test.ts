import t from 'tap'
import { lockKind, lockName } from '../datastore/contract.ts'
import { MemoryDatastore } from '../datastore/memory.ts'
import { datastoreStatus } from './datastore-status.ts'

t.test('what keeps writes off is told as long as it lasts', async t => {
  const store = new MemoryDatastore()
  const status = () => datastoreStatus('etcd', { state: 'in sync', text: undefined, held: undefined }, store)
  t.same(await status(), { type: 'etcd', state: 'in sync' })
  await store.create(lockKind, lockName, { by: 'op1', since: 'noon', reason: 'new disks' })
  const refusal = {
    code: 'locked',
    text: 'The datastore was locked by op1, noon (new disks): nothing is written until margayctl datastore unlock.',
  }
  t.same(await status(), { type: 'etcd', state: 'in sync', refusal })
  await store.delete(lockKind, lockName)
  t.same(await status(), { type: 'etcd', state: 'in sync' })
  store.fail('this user of etcd may not do that', 'unauthorised')
  t.match(await status(), { refusal: { code: 'unauthorised', text: 'this user of etcd may not do that' } })
})

t.test('a store that is lost says so itself, and one that hangs holds nobody up', async t => {
  const hanging = { tryWrite: () => new Promise<void>(() => {}) }
  t.same(await datastoreStatus('etcd', { state: 'lost', text: 'no answer', held: undefined }, hanging), {
    type: 'etcd',
    state: 'lost',
    text: 'no answer',
  })
  t.match(await datastoreStatus('etcd', { state: 'in sync', text: undefined, held: undefined }, hanging, 1), {
    refusal: { code: 'unreachable', text: /has not answered/ },
  })
})
