// A real etcd that is written to and compacted while its keys are read.

import { Etcd3 } from 'etcd3'
import t from 'tap'
import { TestEtcd } from './etcd/testing.ts'
import { readForeignEtcd, readPages } from './foreign-etcd.ts'

const etcd = await TestEtcd.start(t)
const client = new Etcd3({ hosts: [...etcd.endpoints] })
t.teardown(() => client.close())

const keys = Array.from({ length: 100 }, (_, i) => `/calico/${String(i).padStart(3, '0')}`)
for (const key of keys) await client.put(key).value('before')

/** Someone writes, and what was before is compacted. */
async function compact(): Promise<void> {
  const { header } = await client.put('/calico/099').value('after')
  await client.kv.compact({ revision: header.revision, physical: true })
}

/** Pages of a read amid which that happens: after so many of them, each time. */
function compacting(pages: number) {
  const limits: number[] = []
  const ask: Parameters<typeof readPages>[0] = async request => {
    const page = await client.kv.range(request)
    limits.push(Number(request.limit))
    if (limits.length <= pages) await compact()
    return page
  }
  return { ask, limits }
}

t.test('what is compacted amid a read is read anew', async t => {
  const { ask, limits } = compacting(1)
  const found = await readPages(ask, '/calico/', 30)
  t.same(
    found.map(({ key }) => key),
    keys,
  )
  t.equal(found.at(-1)?.value, 'after', 'all of it at one revision, that of the second read')
  t.same(limits, [30, 240], 'and longer pages are fewer')
})

t.test('a read that fits into one page cannot be kept from its end', async t => {
  const { ask, limits } = compacting(Infinity)
  t.equal((await readPages(ask, '/calico/', 1)).length, keys.length)
  t.same(limits, [1, 8, 64, 512])
})

t.test('one that never comes to its end says why, and what to do', async t => {
  for (let i = 100; i < 600; i++) await client.put(`/calico/${i}`).value('')
  const { ask } = compacting(Infinity)
  await t.rejects(readPages(ask, '/calico/', 1), {
    name: 'StoreError',
    code: 'conflict',
    message:
      /^etcd was compacted amid each of 4 reads .* below \/calico\/.*Run the command again.*--auto-compaction-retention\.$/,
  })
})

t.test('an etcd that is not there is said without a word of daemons', async t => {
  const settings = { endpoints: ['http://127.0.0.1:9'], pageSize: 500, timeout: 1_000 }
  const error = await readForeignEtcd(settings, '/calico/').catch((error: unknown) => error)
  t.match(error, { name: 'StoreError', code: 'unreachable', message: /check that it runs and can be reached\.$/ })
})
