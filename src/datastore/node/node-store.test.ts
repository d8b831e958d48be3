import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { MemoryNodeStore } from '../memory.ts'
import type { NodeStore } from '../node-store.ts'
import { openNodeStore } from './store.ts'

for (const [name, open] of [
  ['in memory', async () => new MemoryNodeStore()],
  ['on disk', async (t: { testdir: () => string }) => openNodeStore(join(t.testdir(), 'deep', 'node.db'))],
] as const)
  t.test(`contract: ${name}`, async t => {
    const store: NodeStore = await open(t)
    t.same(await store.all('addresses'), [])
    await store.commit([
      { do: 'put', table: 'addresses', key: 'b', value: { n: 1, text: 'ü', list: [null] } },
      { do: 'put', table: 'addresses', key: 'a', value: 2 },
      { do: 'put', table: 'other', key: 'a', value: 3 },
    ])
    await store.commit([
      { do: 'delete', table: 'addresses', key: 'a' },
      { do: 'delete', table: 'addresses', key: 'never there' },
      { do: 'put', table: 'addresses', key: 'c', value: 4 },
    ])
    t.same(await store.all('addresses'), [
      { key: 'b', value: { n: 1, text: 'ü', list: [null] } },
      { key: 'c', value: 4 },
    ])
    t.same(await store.all('other'), [{ key: 'a', value: 3 }])
    await store.close()
  })

t.test('a commit is all or nothing, and there for the next process', async t => {
  const path = join(t.testdir(), 'node.db')
  const store = await openNodeStore(path)
  const circle: { self?: unknown } = {}
  circle.self = circle
  await store.commit([{ do: 'put', table: 'a', key: 'k', value: 1 }])
  const bad = [
    { do: 'put', table: 'a', key: 'k', value: 2 },
    { do: 'put', table: 'a', key: 'circle', value: circle },
  ] as const
  await t.rejects(store.commit(bad), { code: 'unreachable' })
  t.same(await store.all('a'), [{ key: 'k', value: 1 }])
  await store.close()
  const next = await openNodeStore(path)
  t.same(await next.all('a'), [{ key: 'k', value: 1 }])
  await next.close()
})

t.test('commits that are asked for at once: one that cannot be written spoils no other', async t => {
  const path = join(t.testdir(), 'node.db')
  const store = await openNodeStore(path)
  const circle: { self?: unknown } = {}
  circle.self = circle
  const put = (key: string, value: unknown) => store.commit([{ do: 'put', table: 'a', key, value }])
  const all = Promise.allSettled([put('1', 1), put('2', 2), put('3', circle), put('2', 4), put('5', 5)])
  t.same(
    (await store.all('a')).map(({ key, value }) => [key, value]),
    [
      ['1', 1],
      ['2', 4],
      ['5', 5],
    ],
    'what is asked for next finds them',
  )
  t.same(
    (await all).map(({ status }) => status),
    ['fulfilled', 'fulfilled', 'rejected', 'fulfilled', 'fulfilled'],
  )
  t.match((await all)[2], { reason: { code: 'unreachable', message: /node store .*node\.db: / } })
  const last = [put('6', 6), put('7', 7)]
  await store.close()
  await Promise.all(last)
  const next = await openNodeStore(path)
  t.same((await next.all('a')).length, 5)
  await next.close()
})

t.test('a damaged store: its daemon learns all anew', async t => {
  const path = join(t.testdir(), 'node.db')
  writeFileSync(path, 'no database, and longer than the header of one would be, which has a hundred octets'.repeat(3))
  await t.rejects(openNodeStore(path), /is damaged.*Move the file away and start margayd.*An older copy/)
})
