import t from 'tap'
import { datastoreSuite } from './contract-suite.ts'
import { MemoryDatastore } from './memory.ts'

t.test('contract', async t => {
  const store = new MemoryDatastore()
  await datastoreSuite(t, store, store)
})

t.test('it can fail like a real one', async t => {
  const store = new MemoryDatastore()
  await store.create('Node', 'n', 1)
  const events = store.watch(['Node'], new AbortController().signal)[Symbol.asyncIterator]()
  t.match((await events.next()).value, { type: 'snapshot', entries: [{ name: 'n' }] })
  store.fail('no disk')
  await t.rejects(store.get('Node', 'n'), { code: 'unreachable', message: 'no disk' })
  t.same((await events.next()).value, { type: 'lost', reason: 'no disk' })
  store.fail()
  t.match((await events.next()).value, { type: 'snapshot', entries: [{ name: 'n' }] })
  await store.close()
})
