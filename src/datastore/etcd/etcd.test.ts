import t from 'tap'
import { datastoreSuite } from '../contract-suite.ts'
import { openEtcdDatastore } from './datastore.ts'
import { TestEtcd } from './testing.ts'

t.test('contract', async t => {
  const etcd = await TestEtcd.start(t)
  await datastoreSuite(t, openEtcdDatastore(etcd.settings()), openEtcdDatastore(etcd.settings({ pageSize: 2 })))
})
