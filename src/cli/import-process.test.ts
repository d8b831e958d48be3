// `margayctl import FILE` as an operator runs it: killed amid its writes, and run again; asked only, and then done.

import { type ChildProcess, execFile } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { TestEtcd } from '../datastore/etcd/testing.ts'
import { openDatastore } from '../datastore/index.ts'
import { exportAll } from './export.ts'
import { program } from './testing.ts'

type Line = readonly [kind: string, name: string, value: unknown]

const textOf = (lines: readonly Line[]): string =>
  [{ margayExport: 1 }, ...lines.map(([kind, name, value]) => ({ kind, name, value })), { records: lines.length }]
    .map(line => `${JSON.stringify(line)}\n`)
    .join('')

interface Ended {
  readonly out: string
  readonly err: string
  readonly signal: NodeJS.Signals | undefined
}

function start(folder: string, ...args: string[]): { readonly child: ChildProcess; readonly ended: Promise<Ended> } {
  const argv = [program, '--config', join(folder, 'margayd.yaml'), 'import', join(folder, 'x.jsonl'), ...args]
  const { promise, resolve } = Promise.withResolvers<Ended>()
  const child = execFile(process.execPath, argv, (error, out, err) => resolve({ out, err, signal: error?.signal }))
  return { child, ended: promise }
}

const identity: Line = ['ClusterInformation', 'default', { clusterGUID: 'a-b-c' }]
const records = [identity, ...Array.from({ length: 1_500 }, (_, i): Line => ['Later', `r${10_000 + i}`, { i }])]

for (const type of ['embedded', 'etcd'] as const)
  t.test(`killed amid its writes into ${type}, the same command goes on from there`, async t => {
    const etcd = type === 'etcd' ? await TestEtcd.start(t) : undefined
    const where = etcd ? `type: etcd, endpoints: [${etcd.endpoints.join(', ')}]` : 'path: cluster.db'
    const folder = t.testdir({ 'margayd.yaml': `datastore: { ${where} }`, 'x.jsonl': textOf(records) })
    const store = await openDatastore(
      etcd ? { type: 'etcd', ...etcd.settings() } : { type: 'embedded', path: join(folder, 'cluster.db') },
      { create: true },
    )
    t.teardown(() => store.close())
    // The marker alone, a few of the records, and more.
    for (const [kind, name] of [identity, records[20], records[300]]) {
      const { child, ended } = start(folder)
      t.teardown(() => child.kill('SIGKILL'))
      while (child.exitCode === null && !(await store.get(kind, name))) await sleep(1)
      child.kill('SIGKILL')
      t.match(await ended, { signal: 'SIGKILL' }, `killed after ${kind} ${name}`)
      t.match((await store.get(identity[0], identity[1]))?.value, { importOf: identity[2] }, 'no cluster yet')
    }
    const again = await start(folder).ended
    const [, created, equal] = /^(\d+) created, 0 replaced, (\d+) equal\n$/.exec(again.out) ?? []
    t.equal(Number(created) + Number(equal), records.length, again.out + again.err)
    t.ok(Number(equal) >= 300, 'what was there stayed')
    let text = ''
    for await (const line of exportAll(store)) text += `${line}\n`
    t.equal(text, textOf(records), 'what comes out again is the file')
  })

t.test('what a cluster lived with is told as what it is: asked only, it is not written', async t => {
  const folder = t.testdir({ 'margayd.yaml': 'datastore: { path: cluster.db }' })
  const pools = Array.from({ length: 8 }, (_, i): Line => {
    const spec = { cidr: `10.1.0.0/${16 + i}` }
    return ['IPPool', `p${i}`, { apiVersion: 'margay.io/v1', kind: 'IPPool', metadata: { name: `p${i}` }, spec }]
  })
  writeFileSync(join(folder, 'x.jsonl'), textOf(pools))
  const asked = await start(folder, '--dry-run').ended
  t.match(asked, {
    out: /\nnothing is written yet\n$/,
    err: /overlaps pool.*\nand \d+ more\nit would be written as the/s,
  })
  t.match(await start(folder).ended, { out: /^8 created/, err: /overlaps pool.*\nand \d+ more\nwritten as the file/s })
  t.match(await start(folder).ended, { out: /8 equal/ })
})
