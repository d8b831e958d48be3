import t from 'tap'
import type { Entry, WatchEvent } from '../datastore/contract.ts'
import { MemoryDatastore, MemoryNodeStore } from '../datastore/memory.ts'
import { Cluster } from './cluster.ts'
import { createLog } from './log.ts'

const log = createLog({ level: 'error', format: 'text' })

/** A cluster on stores that outlive it, and what it heard of. */
function open(datastore: MemoryDatastore, nodeStore: MemoryNodeStore, secondListAfter?: number) {
  const heard: string[][] = []
  const cluster = new Cluster({
    datastore,
    nodeStore,
    kinds: ['Node', 'IPPool'],
    log,
    onChange: kinds => heard.push([...kinds].toSorted()),
    guardPercent: () => 50,
    ...(secondListAfter !== undefined && { secondListAfter }),
  })
  return { cluster, heard }
}

async function until(what: () => boolean): Promise<void> {
  while (!what()) await new Promise(resolve => setTimeout(resolve, 5))
}

t.test('what is written is seen, and only the kinds that changed are told', async t => {
  const datastore = new MemoryDatastore()
  const version = await datastore.create('Node', 'n1', { a: 1 })
  await datastore.create('Secret', 'other', {})
  const { cluster, heard } = open(datastore, new MemoryNodeStore())
  cluster.start()
  await until(() => cluster.state === 'in sync')
  t.match(cluster.list('Node'), [{ name: 'n1', value: { a: 1 } }])
  t.same(cluster.list('Secret'), [], 'kinds that were not asked for stay out')
  await datastore.create('IPPool', 'p1', {})
  await until(() => cluster.list('IPPool').length === 1)
  await datastore.update('Node', 'n1', { a: 2 }, version)
  await datastore.delete('IPPool', 'p1')
  await until(() => cluster.list('IPPool').length === 0)
  t.match(cluster.list('Node'), [{ value: { a: 2 } }])
  t.same(
    heard.filter(kinds => kinds.length > 0),
    [['Node'], ['IPPool'], ['Node'], ['IPPool']],
  )
  await cluster.stop()
})

t.test('a record that can be read no more keeps what was read last, also over a restart', async t => {
  const datastore = new UnreadableDatastore()
  const nodeStore = new MemoryNodeStore()
  const version = await datastore.create('Node', 'n1', { a: 1 })
  const first = open(datastore, nodeStore).cluster
  first.start()
  await until(() => first.state === 'in sync')
  datastore.unreadable.add('n1')
  await datastore.update('Node', 'n1', { a: 2 }, version)
  await until(() => first.list('Node')[0]?.unreadable !== undefined)
  t.match(first.list('Node'), [{ value: { a: 1 }, unreadable: /a newer Margay/ }], 'an edit')
  await first.stop()

  const second = open(datastore, nodeStore).cluster
  await second.load()
  second.start()
  await until(() => second.state === 'in sync')
  t.match(second.list('Node'), [{ value: { a: 1 }, unreadable: /a newer Margay/ }], 'a list')
  await second.stop()
})

/** Cannot read the records of these names from now on. */
class UnreadableDatastore extends MemoryDatastore {
  readonly unreadable = new Set<string>()

  override async *watch(...given: Parameters<MemoryDatastore['watch']>): AsyncGenerator<WatchEvent> {
    const seen = (entry: Entry): Entry =>
      this.unreadable.has(entry.name) ? { ...entry, value: {}, newer: 2, unreadable: 'a newer Margay wrote it' } : entry
    for await (const event of super.watch(...given))
      if (event.type === 'snapshot') yield { ...event, entries: event.entries.map(seen) }
      else if (event.type === 'put') yield { ...event, entry: seen(event.entry) }
      else yield event
  }
}

t.test(
  'a record that becomes none of its kind keeps what was read last, and one that never was any has nothing',
  async t => {
    const datastore = new MemoryDatastore()
    const nodeStore = new MemoryNodeStore()
    const isSound = ({ value }: Entry): boolean => value !== null
    const make = () =>
      new Cluster({
        datastore,
        nodeStore,
        kinds: ['Node'],
        log,
        onChange: () => undefined,
        guardPercent: () => 50,
        unsound: entry => (isSound(entry) ? undefined : 'it is none'),
      })
    const version = await datastore.create('Node', 'n1', { a: 1 })
    await datastore.create('Node', 'n2', null)
    const first = make()
    first.start()
    await until(() => first.state === 'in sync')
    const spoiled = await datastore.update('Node', 'n1', null, version)
    await until(() => first.list('Node')[0]?.unreadable !== undefined)
    const kept = { name: 'n1', value: { a: 1 }, unreadable: 'it is none' }
    t.match(first.list('Node'), [kept, { name: 'n2', value: null }], 'an edit')
    await first.stop()
    const second = make()
    await second.load()
    second.start()
    await until(() => second.state === 'in sync')
    t.match(second.list('Node'), [kept, { name: 'n2', value: null }], 'a list after a restart')
    await datastore.update('Node', 'n1', { a: 2 }, spoiled)
    await until(() => second.list('Node')[0]?.unreadable === undefined)
    t.match(second.list('Node'), [{ name: 'n1', value: { a: 2 } }], 'until it is one again')
    await second.stop()
  },
)

t.test('a lost datastore changes nothing, and its next snapshot is compared with what is held', async t => {
  const datastore = new MemoryDatastore()
  await datastore.create('Node', 'n1', {})
  const { cluster, heard } = open(datastore, new MemoryNodeStore())
  cluster.start()
  await until(() => cluster.state === 'in sync')
  datastore.fail('the disk is gone')
  await until(() => cluster.state === 'lost')
  t.match(cluster.text, /the disk is gone; what is known stays in force$/)
  t.match(cluster.list('Node'), [{ name: 'n1' }])
  heard.length = 0
  datastore.fail(undefined)
  await until(() => cluster.state === 'in sync')
  t.ok(
    heard.every(kinds => kinds.length === 0),
    'nothing had changed',
  )
  await cluster.stop()
})

t.test('a restart without the datastore knows what the last run knew', async t => {
  const datastore = new MemoryDatastore()
  const nodeStore = new MemoryNodeStore()
  await datastore.create('Node', 'n1', { a: 1 })
  await datastore.create('Node', 'n2', {})
  const first = open(datastore, nodeStore).cluster
  t.notOk(await first.load(), 'a first run knows nothing')
  first.start()
  await until(() => first.list('Node').length === 2)
  await datastore.delete('Node', 'n2')
  await until(() => first.list('Node').length === 1)
  await first.stop()
  datastore.fail('down')
  const { cluster } = open(datastore, nodeStore)
  t.ok(await cluster.load())
  t.match(cluster.list('Node'), [{ name: 'n1', value: { a: 1 } }])
  t.equal(cluster.state, 'connecting')
})

/** The value of the Node "deep" is nested as etcd and JSON.parse take it. */
class DeepDatastore extends MemoryDatastore {
  override async *watch(...given: Parameters<MemoryDatastore['watch']>): AsyncGenerator<WatchEvent> {
    let value: unknown = []
    for (let i = 0; i < 100_000; i++) value = [value]
    for await (const event of super.watch(...given))
      if (event.type === 'snapshot')
        yield { ...event, entries: event.entries.map(each => (each.name === 'deep' ? { ...each, value } : each)) }
      else yield event
  }
}

t.test('a record that is nested too deep to be written keeps no other from the checkpoint', async t => {
  const [datastore, nodeStore] = [new DeepDatastore(), new MemoryNodeStore()]
  await datastore.create('Node', 'deep', {})
  await datastore.create('Node', 'n1', {})
  const first = open(datastore, nodeStore).cluster
  first.start()
  await until(() => first.state === 'in sync')
  await first.stop()
  const second = open(new MemoryDatastore(), nodeStore).cluster
  t.equal(await second.load(), true)
  t.match(second.list('Node'), [{ name: 'n1' }])
})

t.test('an empty store, or another cluster’s, in the place of the known one changes nothing', async t => {
  const nodeStore = new MemoryNodeStore()
  const mine = new MemoryDatastore()
  await mine.create('Node', 'n1', {})
  const first = open(mine, nodeStore).cluster
  first.start()
  await until(() => first.list('ClusterInformation').length === 1)
  await first.stop()
  const others = new MemoryDatastore()
  await others.create('ClusterInformation', 'default', { clusterGUID: 'somebody else' })
  await others.create('Node', 'theirs', {})
  for (const [store, what] of [
    [new MemoryDatastore(), /it is empty or new/],
    [others, /it holds another cluster.*put back the store/],
  ] as const) {
    const { cluster } = open(store, nodeStore)
    await cluster.load()
    cluster.start()
    await until(() => cluster.state === 'lost')
    t.match(cluster.text, what)
    await store.create('Node', 'n9', {})
    await new Promise(resolve => setImmediate(resolve))
    t.same(
      cluster.list('Node').map(entry => entry.name),
      ['n1'],
    )
    await cluster.stop()
  }
  const { cluster } = open(mine, nodeStore)
  await cluster.load()
  cluster.start()
  await until(() => cluster.state === 'in sync')
  t.pass('the right one is taken back')
  await cluster.stop()
})

t.test('the right store is noticed where a wrong one was', async t => {
  const nodeStore = new MemoryNodeStore()
  const store = new MemoryDatastore()
  await store.create('Node', 'n1', {})
  const first = open(store, nodeStore).cluster
  first.start()
  await until(() => first.list('ClusterInformation').length === 1)
  await first.stop()
  const [{ value, version }] = (await store.list('ClusterInformation')).entries
  const wrong = await store.update('ClusterInformation', 'default', { clusterGUID: 'wrong' }, version)
  const { cluster } = open(store, nodeStore)
  await cluster.load()
  cluster.start()
  await until(() => cluster.state === 'lost')
  await store.update('ClusterInformation', 'default', value, wrong)
  await until(() => cluster.state === 'in sync')
  t.match(cluster.list('Node'), [{ name: 'n1' }])
  await cluster.stop()
})

/** A node that is in sync with a store that has an identity, two nodes and a pool. */
async function inSync() {
  const datastore = new MemoryDatastore()
  for (const name of ['n1', 'n2']) await datastore.create('Node', name, {})
  await datastore.create('IPPool', 'p1', {})
  const { cluster } = open(datastore, new MemoryNodeStore())
  cluster.start()
  await until(() => cluster.list('ClusterInformation').length === 1)
  const records = await Promise.all(
    ['ClusterInformation', 'IPPool', 'Node'].map(async kind => (await datastore.list(kind)).entries),
  )
  return { datastore, cluster, records: records.flat() }
}

t.test(
  'a store that is emptied while it is watched takes nothing away, and is believed again when its records are back',
  async t => {
    const { datastore, cluster, records } = await inSync()
    datastore.wipe()
    await until(() => cluster.state === 'lost')
    t.match(cluster.text, /it is empty or new.*margayctl import/)
    t.match(await cluster.doubt(), /it is empty or new/, 'nothing is written there')
    await new Promise(resolve => setTimeout(resolve, 300)) // it is looked at again meanwhile
    t.same(
      [...cluster.list('IPPool'), ...cluster.list('Node')].map(({ name }) => name),
      ['p1', 'n1', 'n2'],
    )
    for (const { kind, name, value } of records) await datastore.create(kind, name, value)
    await until(() => cluster.state === 'in sync' && cluster.held === undefined)
    t.equal(await cluster.doubt(), undefined)
    t.equal(cluster.list('Node').length, 2)
    await datastore.delete('Node', 'n2')
    await until(() => cluster.list('Node').length === 1)
    await cluster.stop()
  },
)

t.test('a node that was in no cluster takes the records of an import for one when all are there', async t => {
  const datastore = new MemoryDatastore()
  const marker = await datastore.create('ClusterInformation', 'default', { importOf: { clusterGUID: 'a-b-c' } })
  await datastore.create('Node', 'n1', {})
  const { cluster } = open(datastore, new MemoryNodeStore())
  cluster.start()
  await until(() => cluster.state === 'lost')
  t.match(cluster.text, /an import into the datastore has begun and not ended.* run the same margayctl import again/)
  t.match(await cluster.doubt(), /an import/, 'and writes nothing there')
  t.same(cluster.list('Node'), [])
  await datastore.create('Node', 'n2', {})
  await datastore.update('ClusterInformation', 'default', { clusterGUID: 'a-b-c' }, marker)
  await until(() => cluster.state === 'in sync')
  t.equal(cluster.list('Node').length, 2)
  await cluster.stop()
})

t.test('a deletion waits for the store to answer whose it is; if it does not, a complete list tells', async t => {
  const { datastore, cluster } = await inSync()
  const get = datastore.get.bind(datastore)
  datastore.get = () => Promise.reject(new Error('nobody is there'))
  await datastore.delete('Node', 'n2')
  await until(() => cluster.state === 'lost')
  t.match(cluster.text, /nobody is there/)
  t.equal(cluster.list('Node').length, 2)
  datastore.get = get
  await until(() => cluster.list('Node').length === 1)
  t.equal(cluster.state, 'in sync')
  await cluster.stop()
})

t.test('a store that becomes another cluster’s while it is watched is not believed', async t => {
  const { datastore, cluster, records } = await inSync()
  const [{ kind, name, value, version }] = records
  const theirs = await datastore.update(kind, name, { clusterGUID: 'somebody else' }, version)
  await until(() => cluster.state === 'lost')
  t.match(cluster.text, /it holds another cluster/)
  await datastore.delete('Node', 'n2')
  t.equal(cluster.list('Node').length, 2)
  await datastore.create('Node', 'n2', {})
  await datastore.update(kind, name, value, theirs)
  await until(() => cluster.state === 'in sync')
  await cluster.stop()
})

/** A cluster that knew four nodes, in front of its store with one of them left. */
async function reduced(secondListAfter?: number) {
  const [before, nodeStore] = [new MemoryDatastore(), new MemoryNodeStore()]
  for (const name of ['n1', 'n2', 'n3', 'n4']) await before.create('Node', name, {})
  const first = open(before, nodeStore).cluster
  first.start()
  await until(() => first.state === 'in sync')
  let identity: unknown
  while (identity === undefined) identity = (await before.get('ClusterInformation', 'default'))?.value
  await first.stop()
  const after = new MemoryDatastore()
  await after.create('ClusterInformation', 'default', identity)
  await after.create('Node', 'n1', { new: true })
  const { cluster, heard } = open(after, nodeStore, secondListAfter)
  await cluster.load()
  cluster.start()
  await until(() => cluster.state === 'in sync')
  return { cluster, heard, datastore: after, nodeStore, names: () => cluster.list('Node').map(({ name }) => name) }
}

t.test('a list that lacks most of the cluster is held back, and single edits are not', async t => {
  const { cluster, datastore, nodeStore, names } = await reduced()
  t.same(names(), ['n1', 'n2', 'n3', 'n4'])
  t.match(cluster.held, /without 3 of 4 peers/)
  t.match(cluster.list('Node')[0].value, { new: true }, 'what the list changes counts')
  await datastore.delete('Node', 'n1')
  await until(() => names().length === 3)
  t.same(names(), ['n2', 'n3', 'n4'], 'a single edit counts')
  await cluster.stop()

  const again = open(datastore, nodeStore).cluster
  await again.load()
  again.start()
  await until(() => again.state === 'in sync')
  t.equal(again.list('Node').length, 3, 'a restart does not end it')
  t.ok(again.acceptHeld())
  t.same(again.list('Node'), [])
  t.equal(again.held, undefined)
  t.notOk(again.acceptHeld(), 'once')
  await again.stop()
})

t.test('what is held back ends when the records are put back', async t => {
  const { cluster, datastore, names } = await reduced()
  await datastore.create('Node', 'n2', {})
  await until(() => cluster.held === undefined)
  t.same(names(), ['n1', 'n2'], 'two of four may be gone')
  await cluster.stop()
})

t.test('records that are put back one after the other take nothing away meanwhile', async t => {
  const { cluster, datastore, names } = await reduced()
  for (const name of ['n2', 'n3', 'n4']) {
    await datastore.create('Node', name, {})
    await new Promise(resolve => setTimeout(resolve, 20))
    t.same(names(), ['n1', 'n2', 'n3', 'n4'])
  }
  t.equal(cluster.held, undefined)
  await cluster.stop()
})

t.test('the store is asked again, and believed if it says the same', async t => {
  const { cluster, names } = await reduced(20)
  await until(() => cluster.held === undefined)
  t.same(names(), ['n1'])
  await cluster.stop()
})
