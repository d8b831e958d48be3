// What an operator sees of nodes that live, that are silent, and of which nothing was heard.

import t from 'tap'
import { MemoryDatastore } from '../datastore/memory.ts'
import { listNodes } from './node-list.ts'

t.test('alive, silent, never seen, and no member', async t => {
  const store = new MemoryDatastore()
  for (const name of ['n1', 'n2', 'n3']) await store.create('Node', name, {})
  const about = { version: '1.0.0', host: 'm', since: '2026-01-01T00:00:00.000Z' }
  await store.keepAlive('n1', about, 600)
  await store.keepAlive('n2', about, 0)
  await store.keepAlive('n4', about, 600)
  t.match(await listNodes(store), [
    { name: 'n1', state: 'alive', about, isMember: true },
    { name: 'n2', state: 'silent', seen: /^20/, about, isMember: true },
    { name: 'n3', state: 'never seen', seen: undefined, isMember: true },
    { name: 'n4', state: 'alive', isMember: false },
  ])
})
