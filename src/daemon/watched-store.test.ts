import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import type { NodeStoreChange } from '../datastore/node-store.ts'
import { MemoryNodeStore } from '../datastore/memory.ts'
import { StoreFault, WatchedStore } from './watched-store.ts'

class Disk extends MemoryNodeStore {
  isFull = false

  override async commit(changes: readonly NodeStoreChange[]): Promise<void> {
    if (this.isFull) throw new Error('database or disk is full')
    await super.commit(changes)
  }
}

t.test('a disk that is full is told until there is room again, though nobody writes', async t => {
  const disk = new Disk()
  const store = new WatchedStore(disk, '/var/lib/margay/node.db', 10)
  const change: NodeStoreChange = { do: 'put', table: 'addresses', key: '10.42.0.2', value: {} }
  await store.commit([change])
  t.equal(store.problem, undefined)
  disk.isFull = true
  await t.rejects(store.commit([change]), new StoreFault('database or disk is full'))
  t.match(store.problem, /node\.db takes no writes \(database or disk is full\), .*df -h \/var\/lib\/margay$/)
  await sleep(50)
  t.ok(store.problem, 'and goes on being told')
  disk.isFull = false
  while (store.problem !== undefined) await sleep(5)
  await store.commit([change])
  t.match(await store.all('addresses'), [{ key: '10.42.0.2' }])
  await store.close()
})
