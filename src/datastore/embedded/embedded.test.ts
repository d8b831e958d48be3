import { existsSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import t from 'tap'
import type { WatchEvent } from '../contract.ts'
import { datastoreSuite } from '../contract-suite.ts'
import { openEmbeddedDatastore } from './datastore.ts'

t.test('contract', async t => {
  const path = join(t.testdir(), 'deep', 'cluster.db')
  await datastoreSuite(t, openEmbeddedDatastore(path, { create: true }), openEmbeddedDatastore(path, { create: true }))
})

t.test('what was written is there after the last process has closed', async t => {
  const path = join(t.testdir(), 'cluster.db')
  const first = openEmbeddedDatastore(path, { create: true })
  const version = await first.create('Node', 'n', { a: 1 })
  await first.close()
  const second = openEmbeddedDatastore(path, { create: true })
  t.same(await second.get('Node', 'n'), { kind: 'Node', name: 'n', version, value: { a: 1 } })
  await second.close()
  await t.rejects(second.get('Node', 'n'), { code: 'unreachable', message: /it is closed/ })
})

t.test('a slow watcher gets the latest state, and a snapshot if the log was trimmed meanwhile', async t => {
  const path = join(t.testdir(), 'cluster.db')
  const [reader, writer] = [
    openEmbeddedDatastore(path, { create: true }),
    openEmbeddedDatastore(path, { create: true }),
  ]
  const stop = new AbortController()
  const events = reader.watch(['Node'], stop.signal)[Symbol.asyncIterator]()
  t.match((await events.next()).value, { type: 'snapshot', entries: [] })
  let version = await writer.create('Node', 'n', 0)
  for (let i = 1; i <= 50; i++) version = await writer.update('Node', 'n', i, version)
  await writer.create('Node', 'm', 0)
  await writer.delete('Node', 'm')
  const heard: WatchEvent[] = []
  while (heard.at(-1)?.type !== 'delete') heard.push((await events.next()).value as WatchEvent)
  t.ok(heard.length < 20, `${heard.length} events for 53 changes`)
  t.match(
    heard.findLast(event => event.type === 'put'),
    { entry: { value: 50 } },
  )
  while ((await events.next()).value?.type !== 'bookmark');

  const behind = events.next() // waits
  const db = new DatabaseSync(path)
  db.exec(
    "INSERT INTO changes (kind, name) SELECT 'Node', 'x' FROM changes; DELETE FROM changes WHERE number < (SELECT max(number) FROM changes)",
  )
  db.close()
  await writer.create('Node', 'after', 1)
  const event = (await behind).value as WatchEvent
  t.equal(event.type, 'snapshot')
  t.same(event.type === 'snapshot' && event.entries.map(entry => entry.name), ['after', 'n'])
  stop.abort()
  await reader.close()
  await writer.close()
})

t.test('a file that goes is lost, not empty', async t => {
  const folder = t.testdir()
  const path = join(folder, 'cluster.db')
  const store = openEmbeddedDatastore(path, { create: true })
  await store.create('Node', 'n', 1)
  const events = store.watch(['Node'], new AbortController().signal)[Symbol.asyncIterator]()
  t.match((await events.next()).value, { type: 'snapshot', entries: [{ name: 'n' }] })
  renameSync(path, join(folder, 'away.db'))
  await t.rejects(store.get('Node', 'n'), {
    code: 'unreachable',
    message: `datastore ${path}: was removed. Put the file back; every node goes on with what it knows until then.`,
  })
  t.match((await events.next()).value, { type: 'lost', reason: /was removed/ })
  t.notOk(existsSync(path), 'it is not made anew')
  renameSync(join(folder, 'away.db'), path)
  t.match((await events.next()).value, { type: 'snapshot', entries: [{ name: 'n' }] })
  await store.close()
})

t.test('a file that cannot be used is told with the next step', async t => {
  const folder = t.testdir({ 'a-file': '', 'noise.db': 'x'.repeat(5000) })
  const newer = new DatabaseSync(join(folder, 'newer.db'))
  newer.exec('PRAGMA user_version = 9')
  newer.close()
  for (const { file, reason } of [
    { file: 'a-file/cluster.db', reason: 'cannot be made, as a part of its path is a file. Name another path.' },
    {
      file: 'noise.db',
      reason: 'is damaged (file is not a database). Stop Margay, move the file away and restore it from a backup.',
    },
    { file: 'newer.db', reason: 'was written by a newer Margay (layout 9, this one knows 1). Upgrade this node.' },
  ]) {
    const path = join(folder, file)
    const store = openEmbeddedDatastore(path, { create: true })
    const expected = { code: 'unreachable', message: `datastore ${path}: ${reason}` }
    await t.rejects(store.get('Node', 'n'), expected, file)
    const events = store.watch(['Node'], new AbortController().signal)[Symbol.asyncIterator]()
    t.same((await events.next()).value, { type: 'lost', reason: expected.message })
    await store.close()
  }
})

t.test('what a newer Margay wrote, or nobody of ours, is listed, and not written over', async t => {
  const path = join(t.testdir(), 'cluster.db')
  const store = openEmbeddedDatastore(path, { create: true })
  await store.create('Node', 'n', 1)
  const newer = '{"layout":7,"value":{},"more":true}'
  const database = new DatabaseSync(path)
  database.prepare('UPDATE entries SET value = ?').run(newer)
  const { entries } = await store.list('Node')
  t.match(entries, [{ name: 'n', value: {}, newer: 7 }])
  await t.rejects(store.update('Node', 'n', 2, entries[0].version), {
    code: 'conflict',
    message: /Node n was written by a newer Margay.*Upgrade this node/,
  })
  t.equal(database.prepare('SELECT value FROM entries').get()?.['value'], newer)
  await store.create('Node', 'noise', 1)
  database.prepare("UPDATE entries SET value = 'not JSON' WHERE name = 'noise'").run()
  database.close()
  t.match(await store.list('Node'), { entries: [{ name: 'n' }, { name: 'noise', value: {}, unreadable: /not JSON/ }] })
  await store.delete('Node', 'noise')
  await store.delete('Node', 'n', entries[0].version)
  await store.close()
})

t.test('who must not begin a cluster makes no file, and takes one that comes', async t => {
  const path = join(t.testdir(), 'absent', 'cluster.db')
  const reader = openEmbeddedDatastore(path, { create: false })
  await t.rejects(reader.list('Node'), {
    code: 'unreachable',
    message: /there is no such file\. Put it back or correct datastore\.path/,
  })
  t.notOk(existsSync(path))
  const writer = openEmbeddedDatastore(path, { create: true })
  await writer.create('Node', 'n1', {})
  t.match(await reader.list('Node'), { entries: [{ name: 'n1' }] })
  await Promise.all([reader.close(), writer.close()])
})
