// A cluster is moved from one store into another, and a store is locked by an operator.

import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import t from 'tap'
import { openEtcdDatastore } from '../datastore/etcd/datastore.ts'
import { TestEtcd } from '../datastore/etcd/testing.ts'
import { type Datastore, openEmbeddedDatastore } from '../datastore/index.ts'
import { exportAll, importAll, readExport } from './export.ts'
import { program } from './testing.ts'

async function textOf(store: Datastore): Promise<string> {
  let text = ''
  for await (const line of exportAll(store)) text += `${line}\n`
  return text
}

t.test('out of a file, into etcd', async t => {
  const etcd = await TestEtcd.start(t)
  const from = openEmbeddedDatastore(join(t.testdir(), 'cluster.db'), { create: true })
  const into = openEtcdDatastore(etcd.settings({ pageSize: 2 }))
  await from.create('ClusterInformation', 'default', { clusterGUID: 'a-b-c' })
  for (let i = 0; i < 5; i++) await from.create('IPPool', `p${i}`, { spec: { cidr: `10.${i}.0.0/16` } })
  await from.create('SomeKindOfLater', 'x/y', { kept: ['as', 'it', 'is'] })
  await from.create('DatastoreLock', 'default', {})

  const text = await textOf(from)
  const read = (text: string) => readExport(text, 'x.jsonl')
  const whole = { created: 7, replaced: 0, same: 0, kept: [] }
  t.same(await importAll(into, read(text), { force: false, write: false }), whole)
  t.same(await into.kinds(), [], 'asked only, nothing is written')
  t.same(await importAll(into, read(text), { force: false }), whole, 'all but the lock')
  t.equal(await textOf(into), text, 'what comes out again is the same')
  t.same(
    await importAll(into, read(text), { force: false }),
    { created: 0, replaced: 0, same: 7, kept: [] },
    'once more changes nothing',
  )

  const other = text.replace('a-b-c', 'd-e-f')
  await t.rejects(importAll(into, read(other), { force: false }), {
    message: /holds a cluster already \(ClusterInformation, IPPool, SomeKindOfLater\): nothing was written/,
  })
  const replaced = await importAll(into, read(other), { force: true })
  t.same(replaced, { created: 0, replaced: 1, same: 6, kept: [], isOtherCluster: true })
  t.throws(() => read('noise'), { message: /x\.jsonl:1 is not JSON: nothing was written/ })
  t.throws(() => read('{"margayExport":9}\n'), { message: /is no export of this version/ })
  const lines = text.split('\n')
  const spoiled = lines.with(3, '{"kind":"Node"}').join('\n')
  t.throws(() => read(spoiled), { message: /x\.jsonl:4 is no record of Margay/ })
  for (const cut of [4, lines.length - 2])
    t.throws(() => read(`${lines.slice(0, cut).join('\n')}\n`), {
      message: /x\.jsonl is not whole.*nothing was written/,
    })

  await etcd.ctl('put', '/margay/Block/10-60-0-16-29', 'not JSON')
  await t.rejects(textOf(into), {
    message: /^block "10-60-0-16-29" in the datastore cannot be read.*no Margay wrote it: it is not JSON/,
  })
  await Promise.all([from.close(), into.close()])
})

t.test('into a cluster that lives: who has which addresses stays as it is there', async t => {
  const store = openEmbeddedDatastore(join(t.testdir(), 'cluster.db'), { create: true })
  const block = (cidr: string, node: string) => ({ cidr, node, pool: 'p', claimedAt: '' })
  const copy = (...addresses: string[]) => ({
    node: 'n1',
    cidr: '10.42.0.0/26',
    addresses: Object.fromEntries(addresses.map(address => [address, {}])),
  })
  await store.create('ClusterInformation', 'default', { clusterGUID: 'a-b-c' })
  await store.create('IPPool', 'p', { spec: { cidr: '10.42.0.0/16' } })
  await store.create('Block', '10-42-0-0-26', block('10.42.0.0/26', 'n1'))
  await store.create('AddressCopy', '10-42-0-0-26', copy('10.42.0.1'))
  const given = await store.create('Block', '10-42-9-0-26', block('10.42.9.0/26', 'n1'))
  const split = await store.create('Block', '10-42-8-0-26', block('10.42.8.0/26', 'n1'))
  const records = readExport(await textOf(store), 'x.jsonl')
  // Since then n1 has given two blocks back, of which n2 has one and a part of the other, and a pod has come.
  await store.delete('Block', '10-42-9-0-26', given)
  await store.create('Block', '10-42-9-0-26', block('10.42.9.0/26', 'n2'))
  await store.delete('Block', '10-42-8-0-26', split)
  await store.create('Block', '10-42-8-7-32', block('10.42.8.7/32', 'n2'))
  const old = await store.get('AddressCopy', '10-42-0-0-26')
  await store.update('AddressCopy', '10-42-0-0-26', copy('10.42.0.1', '10.42.0.2'), old!.version)
  const before = await textOf(store)

  await t.rejects(importAll(store, records, { force: false }), {
    message: /holds this cluster, and 3 of its records .*block "10-42-8-7-32".*: nothing was written; .*--force/,
  })
  t.equal(await textOf(store), before)
  t.match(await importAll(store, records, { force: true }), {
    created: 0,
    replaced: 0,
    kept: [
      /10-42-0-0-26" \(its node keeps it\)/,
      /10-42-8-0-26" \(10\.42\.8\.7\/32 is n2's\)/,
      /10-42-9-0-26" \(.* is n2's\)/,
    ],
  })
  t.equal(await textOf(store), before)
  await store.close()
})

t.test('a block that a node claims while the import runs stays with that node', async t => {
  const store = openEmbeddedDatastore(join(t.testdir(), 'cluster.db'), { create: true })
  const block = (node: string) => ({ cidr: '10.42.0.0/26', node, pool: 'p', claimedAt: '' })
  await store.create('ClusterInformation', 'default', { clusterGUID: 'a-b-c' })
  const given = await store.create('Block', '10-42-0-0-26', block('n1'))
  const records = readExport(await textOf(store), 'x.jsonl')
  await store.delete('Block', '10-42-0-0-26', given)
  const slow = new Proxy(store, {
    get: (store, key) => {
      const value: unknown = Reflect.get(store, key)
      if (typeof value !== 'function') return value
      if (key !== 'create') return value.bind(store)
      return async (kind: string, name: string, record: unknown) => {
        if (kind === 'Block') await store.create(kind, name, block('n2'))
        return store.create(kind, name, record)
      }
    },
  })
  t.match(await importAll(slow, records, { force: true }), { replaced: 0, kept: [/10-42-0-0-26" \(it is n2's\)/] })
  t.match((await store.get('Block', '10-42-0-0-26'))?.value, { node: 'n2' })
  await store.close()
})

t.test('an import that was broken off is finished by another', async t => {
  const store = openEmbeddedDatastore(join(t.testdir(), 'cluster.db'), { create: true })
  await store.create('ClusterInformation', 'default', { clusterGUID: 'a-b-c' })
  for (const name of ['p1', 'p2']) await store.create('IPPool', name, { spec: {} })
  const records = readExport(await textOf(store), 'x.jsonl')
  await store.delete('IPPool', 'p2')
  t.match(await importAll(store, records, { force: false }), { created: 1, replaced: 0, same: 2 })
  await store.close()
})

t.test('an import that is broken off leaves no identity by which daemons would believe what is there', async t => {
  const [from, into] = ['from', 'into'].map(name =>
    openEmbeddedDatastore(join(t.testdir({}), `${name}.db`), { create: true }),
  )
  await from.create('ClusterInformation', 'default', { clusterGUID: 'a-b-c' })
  for (const name of ['p1', 'p2']) await from.create('IPPool', name, { spec: {} })
  const records = readExport(await textOf(from), 'x.jsonl')
  const dying = new Proxy(into, {
    get: (store, key) => {
      if (key === 'update') return () => Promise.reject(new Error('killed'))
      const value: unknown = Reflect.get(store, key)
      return typeof value === 'function' ? value.bind(store) : value
    },
  })
  await t.rejects(importAll(dying, records, { force: false }), { message: 'killed' })
  t.equal((await into.list('IPPool')).entries.length, 2)
  t.strictSame((await into.get('ClusterInformation', 'default'))?.value, { importOf: { clusterGUID: 'a-b-c' } })
  await t.rejects(textOf(into), { message: /an import into this datastore has begun and not ended/ })
  const other = readExport((await textOf(from)).replace('a-b-c', 'd-e-f'), 'y.jsonl')
  await t.rejects(importAll(into, other, { force: false }), { message: /the import of another file .* not ended/ })
  t.match(await importAll(into, records, { force: false, write: false }), { created: 1, same: 2 })
  t.match(await importAll(into, records, { force: false }), { created: 1, same: 2 })
  t.match((await into.get('ClusterInformation', 'default'))?.value, { clusterGUID: 'a-b-c' })
  await Promise.all([from.close(), into.close()])
})

t.test('into a datastore that was emptied, and to which records were applied since', async t => {
  const store = openEmbeddedDatastore(join(t.testdir(), 'cluster.db'), { create: true })
  await store.create('ClusterInformation', 'default', { clusterGUID: 'a-b-c' })
  for (const name of ['p1', 'p2']) await store.create('IPPool', name, { spec: {} })
  const records = readExport(await textOf(store), 'x.jsonl')
  for (const kind of ['ClusterInformation', 'IPPool'])
    for (const { name, version } of (await store.list(kind)).entries) await store.delete(kind, name, version)
  const applied = await store.create('IPPool', 'p1', { spec: { disabled: true } })
  await t.rejects(importAll(store, records, { force: false }), {
    message: /holds records already, and 1 .*ippool "p1"/,
  })
  await store.update('IPPool', 'p1', { spec: {} }, applied)
  t.match(await importAll(store, records, { force: false }), { created: 2, replaced: 0, same: 1 })
  await store.close()
})

t.test('the lock', async t => {
  const folder = t.testdir({ 'margayd.yaml': 'datastore: { path: cluster.db }' })
  const margayctl = (args: readonly string[], input = '') => {
    const argv = [program, '--config', join(folder, 'margayd.yaml'), ...args]
    const { status, stdout, stderr } = spawnSync(process.execPath, argv, { input, encoding: 'utf8' })
    return { code: status, out: stdout, err: stderr }
  }
  const apply = () =>
    margayctl(
      ['apply', '-f', '-'],
      '{ apiVersion: margay.io/v1, kind: IPPool, metadata: { name: p }, spec: { cidr: 10.1.0.0/16 } }',
    )
  const store = openEmbeddedDatastore(join(folder, 'cluster.db'), { create: true })
  t.same(await store.kinds(), [])
  await store.close()
  t.match(margayctl(['datastore', 'lock', '--reason', 'new disks']), { code: 0, out: /^locked/ })
  t.match(margayctl(['datastore', 'lock']), { code: 1, err: /is locked already: by \S+ at \S+ \(new disks\)/ })
  t.match(apply(), {
    code: 1,
    err: /was locked by .* \(new disks\): nothing is written until margayctl datastore unlock/,
  })
  t.match(margayctl(['datastore', 'unlock']), { code: 0, out: /^unlocked; it was locked by .* \(new disks\)/ })
  t.match(margayctl(['datastore', 'unlock']), { code: 3, err: /is not locked/ })
  t.match(apply(), { code: 0 })
})
