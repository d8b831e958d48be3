// A file that was edited by hand is looked at before anything of it is written.

import { execFile } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { openEtcdDatastore } from '../datastore/etcd/datastore.ts'
import { TestEtcd } from '../datastore/etcd/testing.ts'
import { type Datastore, openEmbeddedDatastore } from '../datastore/index.ts'
import { importAll, readExport } from './export.ts'
import { requireSound } from './sound-records.ts'
import { program } from './testing.ts'

type Line = readonly [kind: string, name: string, value: unknown]

const textOf = (...lines: readonly Line[]): string =>
  [{ margayExport: 1 }, ...lines.map(([kind, name, value]) => ({ kind, name, value })), { records: lines.length }]
    .map(line => `${JSON.stringify(line)}\n`)
    .join('')
const recordsOf = (...lines: readonly Line[]) => readExport(textOf(...lines), 'x.jsonl')

const resource = (kind: string, name: string, spec: object, key = name): Line => [
  kind,
  key,
  { apiVersion: 'margay.io/v1', kind, metadata: { name, labels: {}, annotations: {} }, spec },
]
const pool = (name: string, cidr: string, key?: string) => resource('IPPool', name, { cidr }, key)
const block = (name: string, cidr: string, node: string): Line => [
  'Block',
  name,
  { cidr, node, pool: 'p', claimedAt: '' },
]
const copy = (name: string, cidr: string, node: string): Line => ['AddressCopy', name, { node, cidr, addresses: {} }]

for (const { name, lines, what } of [
  {
    name: 'a name twice',
    lines: [pool('p', '10.1.0.0/16'), pool('p', '10.2.0.0/16')],
    what: /x\.jsonl:3: ippool "p": line 2 has that name, too\nNothing was written/,
  },
  { name: 'no kind', lines: [['', '', 5]], what: /x\.jsonl:2: .*no kind of a record/ },
  { name: 'two kinds in one', lines: [['A/B', 'w', 5]], what: /a\/b "w": that is no kind of a record/ },
  { name: 'no name', lines: [['Later', '', 5]], what: /later "": a record has a name/ },
  { name: 'no resource', lines: [['IPPool', 'bad', { nonsense: 1 }]], what: /x\.jsonl:2: ippool "bad": apiVersion/ },
  {
    name: 'a resource under another name',
    lines: [pool('q', '10.3.0.0/16', 'key')],
    what: /its metadata\.name is "q"/,
  },
  { name: 'no block', lines: [['Block', '10-1-0-0-26', {}]], what: /has not the fields of a record of its kind/ },
  {
    name: 'a block under another name',
    lines: [block('odd', '10.1.1.0/26', 'n1')],
    what: /the block 10\.1\.1\.0\/26 is called 10-1-1-0-26/,
  },
  {
    name: 'blocks of two nodes that overlap',
    lines: [
      block('10-1-0-0-27', '10.1.0.0/27', 'n2'),
      block('10-1-0-0-24', '10.1.0.0/24', 'n1'),
      block('10-1-0-64-26', '10.1.0.64/26', 'n1'),
    ],
    what: /x\.jsonl:2: block "10-1-0-0-27": it is node "n2"'s, and 10\.1\.0\.0\/24, .* node "n1"'s.*\nNothing/,
  },
  {
    name: 'a copy under another name',
    lines: [copy('10-1-0-0-26', '10.1.1.0/26', 'n1')],
    what: /such a copy of node "n1" is called 10-1-1-0-26/,
  },
] satisfies readonly { readonly name: string; readonly lines: readonly Line[]; readonly what: RegExp }[])
  t.test(name, async t => {
    await t.rejects(requireSound(undefined, recordsOf(...lines), 'x.jsonl'), { exitCode: 1, message: what })
  })

t.test('what a cluster lived with comes back with it, and is told', async t => {
  const lines = [pool('p', '10.1.0.0/16'), pool('q', '10.1.128.0/17')]
  const told = await requireSound(undefined, recordsOf(...lines), 'x.jsonl')
  t.match(told.join('\n'), /ippool "p": cidr 10\.1\.0\.0\/16 overlaps pool "q".*\n +x\.jsonl:2:1/)
  const store = openEmbeddedDatastore(join(t.testdir(), 'empty.db'), { create: true })
  await t.rejects(requireSound(store, recordsOf(...lines), 'x.jsonl'), { message: /overlaps pool "q"/ })
  await store.close()
})

const sound: readonly Line[] = [
  pool('p', '10.1.0.0/16'),
  block('10-1-0-0-24', '10.1.0.0/24', 'n1'),
  block('10-1-0-0-26', '10.1.0.0/26', 'n1'),
  copy('10-1-0-0-24', '10.1.0.0/24', 'n1'),
  copy('n1.outside', '', 'n1'),
  ['Later', 'x/y', 5],
]
const ofOneStore: readonly Line[] = [
  ['DatastoreLock', 'default', { reason: 'file' }],
  ['~alive', 'n1', { store: 'x' }],
]

t.test('many problems are counted', async t => {
  const lines = Array.from({ length: 50 }, (_, i): Line => ['Node', `n${i}`, 5])
  const error = await requireSound(undefined, recordsOf(...lines), 'x.jsonl').catch((error: unknown) => error)
  const { message } = error as Error
  t.match(message, /\nand 30 more\nNothing was written/)
  t.equal(message.split('\n').length, 22)
})

t.test('what is of one store is left with it and named, in etcd as elsewhere', async t => {
  const etcd = await TestEtcd.start(t)
  const store = openEtcdDatastore(etcd.settings())
  const records = recordsOf(...ofOneStore, ...sound)
  await requireSound(store, records, 'x.jsonl')
  const told = await importAll(store, records, { force: false, write: false })
  t.match(told, { created: 6, left: ['datastorelock "default"', '~alive "n1"'] })
  t.same(await importAll(store, records, { force: false }), told)
  t.same(await store.kinds(), ['AddressCopy', 'Block', 'IPPool', 'Later'])
  t.same(await store.signs(), [])
  t.notMatch(await etcd.ctl('get', '--prefix', '/margay/~', '--keys-only'), /alive/)
  await store.close()
})

t.test('by force, beside what is there', async t => {
  const store: Datastore = openEmbeddedDatastore(join(t.testdir(), 'cluster.db'), { create: true })
  for (const [kind, name, value] of [...sound, pool('other', '10.2.0.0/16')]) await store.create(kind, name, value)
  await requireSound(store, recordsOf(...sound), 'x.jsonl')
  await t.rejects(requireSound(store, recordsOf(pool('new', '10.2.1.0/24')), 'x.jsonl'), {
    message: /cidr 10\.2\.1\.0\/24 overlaps pool "other"/,
  })
  const rivals = recordsOf(block('10-1-0-0-25', '10.1.0.0/25', 'n2'), copy('10-1-0-0-25', '10.1.0.0/25', 'n2'))
  for (const write of [false, true])
    t.match(await importAll(store, rivals, { force: true, write }), {
      created: 0,
      kept: [/^block "10-1-0-0-25" \(.* is n1's\)/, /^addresscopy "10-1-0-0-25" \(.* is n1's\)/],
    })
  t.equal(await store.get('AddressCopy', '10-1-0-0-25'), undefined)
  await store.close()
})

t.test('the command tells what it then does', async t => {
  const folder = t.testdir({ 'margayd.yaml': 'datastore: { path: cluster.db }' })
  const file = join(folder, 'x.jsonl')
  const run = (...args: string[]) =>
    new Promise<string>(resolve => {
      const argv = [program, '--config', join(folder, 'margayd.yaml'), 'import', file, ...args]
      execFile(process.execPath, argv, (error, out, err) => resolve(`${error?.code ?? 0} ${out}${err}`))
    })
  writeFileSync(file, textOf(...sound, pool('p', '10.1.0.0/16')))
  const refused = await run('--dry-run')
  t.match(refused, /^1 margayctl: .*x\.jsonl:8: ippool "p": line 2 has that name, too/)
  t.equal(await run(), refused)
  writeFileSync(file, textOf(...ofOneStore, ...sound))
  const counts = /^0 6 created, 0 replaced, 0 equal; not written, as .*: datastorelock "default", ~alive "n1"\n/
  t.match(await run('--dry-run'), counts)
  t.match(await run(), counts)
})
