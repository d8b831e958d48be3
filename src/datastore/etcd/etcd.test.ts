import t from 'tap'
import { datastoreSuite } from '../contract-suite.ts'
import { EtcdClient } from './client.ts'
import { openEtcdDatastore } from './datastore.ts'
import { TestEtcd } from './testing.ts'

t.test('contract', async t => {
  const etcd = await TestEtcd.start(t)
  await datastoreSuite(t, openEtcdDatastore(etcd.settings()), openEtcdDatastore(etcd.settings({ pageSize: 2 })))
})

t.test('a sign of life that is repeated writes nothing, and its key goes with its lease', async t => {
  const etcd = await TestEtcd.start(t)
  const store = openEtcdDatastore(etcd.settings())
  const revision = async () => /"revision":(\d+)/.exec(await etcd.ctl('get', 'x', '-w', 'json'))?.[1]
  await store.keepAlive('n1', { version: '1' }, 600)
  const before = await revision()
  for (let i = 0; i < 5; i++) await store.keepAlive('n1', { version: '1' }, 600)
  t.equal(await revision(), before)
  // More digits than a number has.
  const [, lease] = /"lease":(\d+)/.exec(await etcd.ctl('get', '/margay/~alive/n1', '-w', 'json'))!
  await etcd.ctl('lease', 'revoke', BigInt(lease).toString(16))
  t.match(await store.signs(), [{ name: 'n1', isAlive: false }])
  await store.keepAlive('n1', { version: '1' }, 600)
  t.match(await store.signs(), [{ name: 'n1', isAlive: true }], 'a lease that is gone is followed by another')
  await store.close()
})

t.test(
  'a sign of life that somebody put there by hand has no lease: it stays, and the command that removes it is told',
  async t => {
    const etcd = await TestEtcd.start(t)
    const store = openEtcdDatastore(etcd.settings())
    await store.keepAlive('n1', { version: '1' }, 600)
    t.equal((await store.sign('n1'))?.removal, undefined)
    for (const name of ['n1', 'n 2']) await etcd.ctl('put', `/margay/~alive/${name}`, 'x')
    t.match(await store.signs(), [
      { name: 'n 2', isAlive: true, seen: '', removal: "etcdctl del '/margay/~alive/n 2'" },
      { name: 'n1', about: { version: '1' }, isAlive: true, removal: 'etcdctl del /margay/~alive/n1' },
    ])
    await store.keepAlive('n1', { version: '1' }, 600)
    t.equal((await store.sign('n1'))?.removal, undefined, 'a margayd that runs writes its own over it')
    await etcd.ctl('put', '/margay/~alive/n1', 'x')
    await etcd.ctl('del', '/margay/~alive/n1')
    t.match(await store.sign('n1'), { isAlive: false, removal: undefined })
    await store.close()
  },
)

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
