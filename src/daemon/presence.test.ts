// A node's sign of life: given while the datastore is its own, told when it cannot be given, and of no weight.

import t from 'tap'
import { MemoryDatastore } from '../datastore/memory.ts'
import { PresenceKeeper } from './presence.ts'
import { log } from './testing-pods.ts'

t.test('a sign, and why there is none', async t => {
  const datastore = new MemoryDatastore()
  let isInSync = false
  const about = { version: '1', host: 'machine', since: '2026-01-01T00:00:00.000Z' }
  const keeper = new PresenceKeeper({ node: 'n1', about, datastore, isInSync: () => isInSync, log })
  await keeper.sign()
  t.same(await datastore.signs(), [], 'not in a store that may be of another cluster')
  isInSync = true
  datastore.fail('this user may not do that.', 'unauthorised')
  await keeper.sign()
  t.match(keeper.problems, [/node "n1": the others cannot see that it is alive.*this user may not do that/])
  isInSync = false
  t.same(keeper.problems, [], 'a lost datastore is told elsewhere')
  isInSync = true
  datastore.fail()
  await keeper.sign()
  t.same(keeper.problems, [])
  t.match(await datastore.signs(), [{ name: 'n1', about, isAlive: true }])
})
