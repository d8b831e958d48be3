// What etcd goes through in a cluster's life, and what its clients must not notice, or must be told.

import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { type Datastore, StoreError, type WatchEvent } from '../contract.ts'
import { openEtcdDatastore } from './datastore.ts'
import { TestEtcd } from './testing.ts'

/** What a watch has told, as a node keeps it. */
class View {
  readonly records = new Map<string, unknown>()
  readonly heard: string[] = []
  readonly #stop = new AbortController()
  readonly #done: Promise<void>

  constructor(store: Datastore, kind: string) {
    this.#done = this.#follow(store.watch([kind], this.#stop.signal))
  }

  async #follow(events: AsyncIterable<WatchEvent>): Promise<void> {
    for await (const event of events) {
      this.heard.push(event.type)
      if (event.type === 'snapshot') {
        this.records.clear()
        for (const { name, value } of event.entries) this.records.set(name, value)
      }
      if (event.type === 'put') this.records.set(event.entry.name, event.entry.value)
      if (event.type === 'delete') this.records.delete(event.name)
    }
  }

  async end(): Promise<void> {
    this.#stop.abort()
    await this.#done
  }
}

async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  for (const deadline = performance.now() + 90_000; !(await holds()); await sleep(50))
    if (performance.now() > deadline) throw new Error(`not within 90 s: ${what}`)
}

async function all(store: Datastore, kind: string): Promise<ReadonlyMap<string, unknown>> {
  const { entries } = await store.list(kind, { limit: 10_000 })
  return new Map(entries.map(entry => [entry.name, entry.value]))
}

/** Counts up in one record, as the only one that writes it. */
class Writer {
  count = 0
  #stopped = false
  readonly #done: Promise<void>

  constructor(store: Datastore) {
    this.#done = this.#work(store)
  }

  async #work(store: Datastore): Promise<void> {
    let version = await store.create('Counter', 'c', 0)
    let isDone: 'known' | 'unknown' = 'known'
    while (!this.#stopped)
      try {
        version = await store.update('Counter', 'c', this.count + 1, version)
        this.count++
        isDone = 'known'
      } catch (error) {
        // A write that was done twice, or although its failure was told, would make the next one a conflict.
        const isExpected = error instanceof StoreError && (error.code === 'unreachable' || isDone === 'unknown')
        if (!isExpected) throw error
        isDone = 'unknown'
        const found = await store.get('Counter', 'c').catch(() => undefined)
        if (!found) continue
        version = found.version
        this.count = found.value as number
      }
  }

  async end(): Promise<void> {
    this.#stopped = true
    await this.#done
  }

  async moves(): Promise<void> {
    const target = this.count + 5
    await until('writes go on', () => this.count >= target)
  }
}

t.test('three members: the leader is killed, another hangs, all are killed', async t => {
  const etcd = await TestEtcd.start(t, { members: 3 })
  const stores = [openEtcdDatastore(etcd.settings()), openEtcdDatastore(etcd.settings())]
  const [a, b] = stores
  const view = new View(b, 'Counter')
  const writer = new Writer(a)
  const sees = () => until('the watch has it', () => view.records.get('c') === writer.count)
  await writer.moves()

  const leader = await etcd.leader()
  await leader.kill()
  await writer.moves()
  leader.start()
  await etcd.healthy()
  t.pass('a killed leader: writes went on')

  const next = await etcd.leader()
  next.signal('SIGSTOP')
  await writer.moves()
  next.signal('SIGCONT')
  await etcd.healthy()
  t.pass('a leader that hangs: writes went on')

  for (const member of etcd.members) await member.kill()
  await until('the watch says so', () => view.heard.at(-1) === 'lost')
  for (const member of etcd.members) member.start()
  await etcd.healthy()
  await writer.moves()
  await writer.end()
  await sees()
  t.equal((await a.get('Counter', 'c'))?.value, writer.count, 'nothing that was acknowledged is lost')
  await view.end()
  for (const store of stores) await store.close()
})

t.test('compaction while a client is away', async t => {
  const etcd = await TestEtcd.start(t)
  const [a, b] = [openEtcdDatastore(etcd.settings()), openEtcdDatastore(etcd.settings())]
  for (const name of ['stays', 'goes']) await a.create('Node', name, 1)
  const view = new View(b, 'Node')
  await until('it is in sync', () => view.records.size === 2)
  await etcd.members[0].kill()
  await until('it is lost', () => view.heard.at(-1) === 'lost')
  etcd.members[0].start()
  await etcd.healthy()
  await a.delete('Node', 'goes')
  await a.create('Node', 'comes', 1)
  await compact(etcd)
  await until('it has what is there now', () => view.records.has('comes') && !view.records.has('goes'))
  t.same([...view.records.keys()].toSorted(), ['comes', 'stays'])
  await compactWhileWriting(t, etcd, a, view)
  await view.end()
  await Promise.all([a.close(), b.close()])
})

async function compact(etcd: TestEtcd): Promise<void> {
  const [{ Status }] = JSON.parse(await etcd.ctl('endpoint', 'status', '-w', 'json')) as [
    { Status: { header: { revision: number } } },
  ]
  await etcd.ctl('compact', String(Status.header.revision)).catch((error: unknown) => {
    // Nothing was written since the last time.
    if (!String(error).includes('has been compacted')) throw error
  })
}

async function compactWhileWriting(t: Test, etcd: TestEtcd, store: Datastore, view: View): Promise<void> {
  for (let round = 0; round < 5; round++) {
    const writes = Array.from({ length: 20 }, (_, i) => store.create('Node', `n${round}-${i}`, i))
    await Promise.all([...writes, compact(etcd)])
  }
  await until('the watch has all', () => view.records.size === 102)
  t.same(Object.fromEntries(view.records), Object.fromEntries(await all(store, 'Node')))
}

t.test('one endpoint of several is dead from the start', async t => {
  const etcd = await TestEtcd.start(t)
  for (let i = 0; i < 4; i++) {
    const store = openEtcdDatastore(etcd.settings({ endpoints: ['http://127.0.0.1:9', ...etcd.endpoints] }))
    await store.create('Node', `n${i}`, 1)
    t.match(await store.get('Node', `n${i}`), { value: 1 })
    await store.close()
  }
})

t.test('a watch that is given up while it lists ends, also when etcd answers again', async t => {
  const etcd = await TestEtcd.start(t)
  const store = openEtcdDatastore(etcd.settings({ timeout: 20_000 }))
  t.teardown(() => store.close())
  await store.get('Node', 'n')
  const [member] = etcd.members
  member.signal('SIGSTOP')
  const stop = new AbortController()
  const events = store.watch(['Node'], stop.signal)[Symbol.asyncIterator]()
  const first = events.next()
  await sleep(200)
  stop.abort()
  member.signal('SIGCONT')
  t.match(await first, { done: true })
})

t.test('nobody answers', async t => {
  const store = openEtcdDatastore({ endpoints: ['http://127.0.0.1:9'], prefix: '/m', pageSize: 10, timeout: 5_000 })
  await t.rejects(store.get('Node', 'n'), {
    code: 'unreachable',
    message: /etcd at http:\/\/127\.0\.0\.1:9 does not answer: .*ECONNREFUSED.*check that it runs/,
  })
  await store.close()

  const endpoints = ['http://127.0.0.1:9', 'http://127.0.0.2:9']
  const several = openEtcdDatastore({ endpoints, prefix: '/m', pageSize: 10, timeout: 5_000 })
  const told = await several.get('Node', 'n').catch((error: unknown) => String(error))
  for (const where of endpoints) t.match(told, `${where} (`, 'each endpoint is named')
  t.match(told, /does not answer at any of .*ECONNREFUSED.*; check that it runs/)
  await several.close()
})

t.test('what a newer Margay wrote, and what nobody of ours wrote', async t => {
  const etcd = await TestEtcd.start(t)
  const store = openEtcdDatastore(etcd.settings())
  const newer = '{"layout":7,"value":{"a":1},"more":true}'
  await etcd.ctl('put', '/margay/Node/newer', newer)
  await etcd.ctl('put', '/margay/Node/noise', 'not JSON')
  await etcd.ctl('put', '/margay/stray', 'no record')
  t.same(await store.kinds(), ['Node', 'stray'])
  const { entries } = await store.list('Node')
  t.match(entries, [
    { name: 'newer', value: {}, newer: 7 },
    { name: 'noise', value: {}, unreadable: /not JSON/ },
  ])
  for (const { name, version } of entries)
    await t.rejects(store.update('Node', name, {}, version), { code: 'conflict', message: /stays as it is/ })
  t.equal((await etcd.ctl('get', '--print-value-only', '/margay/Node/newer')).trim(), newer)
  for (const { name, version } of entries) await store.delete('Node', name, version)
  t.same((await store.list('Node')).entries, [])
  await store.close()
})
