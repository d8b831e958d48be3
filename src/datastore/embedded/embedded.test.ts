import { join } from 'node:path'
import t from 'tap'
import { datastoreSuite } from '../contract-suite.ts'
import { openEmbeddedDatastore } from './datastore.ts'

t.test('contract', async t => {
  let n = 0
  datastoreSuite(t, async () => {
    const path = join(t.testdir(), `${++n}`, 'cluster.db')
    return { open: () => openEmbeddedDatastore(path), remove: async () => {} }
  })
})
