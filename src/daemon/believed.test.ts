// What a node writes goes into its own cluster's store and into no other, before the first look at it, too.

import t from 'tap'
import { MemoryDatastore, MemoryNodeStore } from '../datastore/memory.ts'
import { believed } from './believed.ts'
import { Cluster } from './cluster.ts'
import { log } from './testing-pods.ts'

function open(datastore: MemoryDatastore, nodeStore: MemoryNodeStore) {
  const kinds = ['Node']
  const cluster = new Cluster({ datastore, nodeStore, kinds, log, onChange: () => {}, guardPercent: () => 100 })
  return { cluster, store: believed(datastore, () => cluster.doubt()) }
}

async function until(condition: () => boolean): Promise<void> {
  for (let i = 0; i < 3_000 && !condition(); i++) await new Promise(resolve => setTimeout(resolve, 10))
}

t.test('an empty store, or another cluster’s, in the place of the known one is not written', async t => {
  const nodeStore = new MemoryNodeStore()
  const mine = new MemoryDatastore()
  const first = open(mine, nodeStore)
  await first.store.create('Block', 'before', {})
  first.cluster.start()
  await until(() => first.cluster.list('ClusterInformation').length === 1)
  await first.store.create('Block', 'x', {})
  await first.cluster.stop()

  const others = new MemoryDatastore()
  await others.create('ClusterInformation', 'default', { clusterGUID: 'somebody else' })
  for (const [other, why] of [
    [new MemoryDatastore(), /it is empty or new.*put back the store of this cluster/],
    [others, /it holds another cluster/],
  ] as const) {
    const { cluster, store } = open(other, nodeStore)
    await cluster.load()
    const refused = { code: 'unreachable', message: why }
    await t.rejects(store.create('Block', 'y', {}), refused, 'before anything was heard of it')
    cluster.start()
    await until(() => cluster.state === 'lost')
    await t.rejects(store.create('Block', 'y', {}), refused, 'and after')
    await t.rejects(store.list('Block'), refused)
    await cluster.stop()
    t.same((await other.list('Block')).entries, [])
  }

  const { cluster, store } = open(mine, nodeStore)
  await cluster.load()
  await store.create('Block', 'y', {})
  mine.fail('down')
  cluster.start()
  await until(() => cluster.state === 'lost')
  await t.rejects(store.get('Block', 'y'), { code: 'unreachable', message: /down/ })
  mine.fail(undefined)
  await until(() => cluster.state === 'in sync')
  t.match(await store.get('Block', 'y'), { name: 'y' })
  await cluster.stop()
})
