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
  t.same(await importAll(into, read(text), false), { created: 7, replaced: 0, same: 0 }, 'all but the lock')
  t.equal(await textOf(into), text, 'what comes out again is the same')
  t.same(await importAll(into, read(text), false), { created: 0, replaced: 0, same: 7 }, 'once more changes nothing')

  const other = text.replace('a-b-c', 'd-e-f')
  await t.rejects(importAll(into, read(other), false), {
    message: /holds a cluster already \(ClusterInformation, IPPool, SomeKindOfLater\): nothing was written/,
  })
  t.same(await importAll(into, read(other), true), { created: 0, replaced: 1, same: 6 })
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
