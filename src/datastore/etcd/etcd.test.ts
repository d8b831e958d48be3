import t from 'tap'
import { datastoreSuite } from '../contract-suite.ts'
import { EtcdClient } from './client.ts'
import { openEtcdDatastore } from './datastore.ts'
import { TestEtcd } from './testing.ts'

t.test('contract', async t => {
  const etcd = await TestEtcd.start(t)
  await datastoreSuite(t, openEtcdDatastore(etcd.settings()), openEtcdDatastore(etcd.settings({ pageSize: 2 })))
})

/** Each answer is lost once, so each request is made twice. */
class Forgetful extends EtcdClient {
  override async run<T>(request: Parameters<EtcdClient['run']>[0]): Promise<T> {
    await super.run(request)
    return (await super.run((etcd, options) => request(etcd, options, true))) as T
  }
}

t.test('contract, though every first answer is lost', async t => {
  const etcd = await TestEtcd.start(t)
  const settings = etcd.settings()
  const open = () => openEtcdDatastore(settings, new Forgetful(settings))
  await datastoreSuite(t, open(), open())
})
