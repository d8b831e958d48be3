// What every datastore has to do, as tests. Run by the test of each implementation.

import type { Test } from 'tap'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ClusterStore, Datastore, StoreErrorCode, WatchEvent } from './contract.ts'
import { lockKind, lockName, StoreError } from './contract.ts'

/** `a` and `b` are clients of one empty store (the same client twice, for a store that has only one). They are closed at the end. */
export async function datastoreSuite(t: Test, a: ClusterStore, b: ClusterStore): Promise<void> {
  const cases: Record<string, (t: Test, a: ClusterStore, b: ClusterStore) => Promise<void>> = {
    'what one client creates another reads': async (t, a, b) => {
      const value = { cidr: '10.42.0.0/26', list: [1, null, 'ü'], deep: { yes: true } }
      const version = await a.create('Block', 'x', value)
      t.match(await b.get('Block', 'x'), { kind: 'Block', name: 'x', version, value })
      t.equal(await b.get('Block', 'y'), undefined)
      t.equal(await b.get('Other', 'x'), undefined, 'kinds are apart')
    },
    'only one of two creates wins': async (t, a, b) => {
      const results = await Promise.allSettled([a.create('Block', 'x', 'a'), b.create('Block', 'x', 'b')])
      t.same(results.map(result => result.status).toSorted(), ['fulfilled', 'rejected'])
      const winner = results[0].status === 'fulfilled' ? 'a' : 'b'
      t.equal((await a.get('Block', 'x'))?.value, winner)
      await fails(t, 'exists', a.create('Block', 'x', 'c'))
    },
    'an update needs the version that is stored': async (t, a, b) => {
      const first = await a.create('Node', 'n', 1)
      const second = await b.update('Node', 'n', 2, first)
      await fails(t, 'conflict', a.update('Node', 'n', 3, first))
      t.equal((await a.get('Node', 'n'))?.value, 2)
      await a.update('Node', 'n', 3, second)
      await fails(t, 'not-found', a.update('Node', 'm', 3, second))
    },
    'a delete may compare': async (t, a, b) => {
      const first = await a.create('Node', 'n', 1)
      const second = await b.update('Node', 'n', 2, first)
      await fails(t, 'conflict', a.delete('Node', 'n', first))
      await a.delete('Node', 'n', second)
      t.equal(await b.get('Node', 'n'), undefined)
      await fails(t, 'not-found', a.delete('Node', 'n'))
    },
    'a record made anew is not the old one': async (t, a) => {
      const first = await a.create('Node', 'n', 1)
      await a.delete('Node', 'n')
      const second = await a.create('Node', 'n', 1)
      t.not(first, second)
      await fails(t, 'conflict', a.update('Node', 'n', 2, first))
    },
    'a list is ordered by name and comes in pages': async (t, a) => {
      for (const name of ['c', 'a', 'e', 'b', 'd']) await a.create('Node', name, name)
      await a.create('Other', 'aa', 0)
      const names: string[][] = []
      let next: string | undefined
      do {
        const page = await a.list('Node', { next, limit: 2 })
        names.push(page.entries.map(entry => entry.name))
        next = page.next
      } while (next !== undefined)
      t.same(names, [['a', 'b'], ['c', 'd'], ['e']])
      t.same((await a.list('Nothing')).entries, [])
    },
    'which kinds there are': async (t, a, b) => {
      t.same(await b.kinds(), [])
      for (const [kind, name] of [
        ['Pool', 'p'],
        ['Node', 'a'],
        ['Node', 'b'],
      ])
        await a.create(kind, name, 1)
      t.same(await b.kinds(), ['Node', 'Pool'])
    },
    'a watch tells what is there, then what changes, whoever changes it': async (t, a, b) => {
      await a.create('Node', 'old', 1)
      await a.create('Unwatched', 'x', 1)
      const stop = new AbortController()
      const heard = follow(a, ['Node', 'Pool'], stop.signal)
      t.same(await heard.next(), { snapshot: ['Node/old=1'] })
      const version = await b.create('Node', 'new', 2)
      t.same(await heard.next(), { put: 'Node/new=2' })
      await b.create('Unwatched', 'y', 1)
      await a.update('Node', 'new', 3, version)
      t.same(await heard.next(), { put: 'Node/new=3' })
      await b.delete('Node', 'old')
      t.same(await heard.next(), { delete: 'Node/old' })
      await a.create('Pool', 'p', 4)
      t.same(await heard.next(), { put: 'Pool/p=4' })
      stop.abort()
      t.equal(await heard.next(), undefined, 'an aborted watch ends')
    },
    'nothing between snapshot and events is missed': async (t, a, b) => {
      const writes = (async () => {
        for (let i = 0; i < 60; i++) await b.create('Node', `n${i}`, i)
      })()
      const stop = new AbortController()
      const known = new Set<string>()
      for await (const event of a.watch(['Node'], stop.signal)) {
        if (event.type === 'snapshot') for (const entry of event.entries) known.add(entry.name)
        if (event.type === 'put') known.add(event.entry.name)
        if (known.size === 60) break
      }
      await writes
      t.equal(known.size, 60)
    },
    'a lock holds off every write but its own removal': async (t, a, b) => {
      const version = await a.create('Node', 'n', 1)
      await a.create(lockKind, lockName, { since: 'now', by: 'me', reason: 'a test' })
      await fails(t, 'locked', b.create('Node', 'm', 1))
      await fails(t, 'locked', b.update('Node', 'n', 2, version))
      await fails(t, 'locked', b.delete('Node', 'n', version))
      await fails(t, 'locked', b.tryWrite())
      await fails(t, 'exists', b.create(lockKind, lockName, {}))
      t.equal((await b.get('Node', 'n'))?.value, 1)
      await b.delete(lockKind, lockName)
      await b.tryWrite()
      t.same(await a.kinds(), ['Node'], 'trying writes nothing')
      await b.update('Node', 'n', 2, version)
    },
    'a sign of life is no record, and goes through while the store is locked': async (t, a, b) => {
      t.same(await b.signs(), [])
      await a.create(lockKind, lockName, {})
      const before = new Date().toISOString()
      await a.keepAlive('n2', { version: '1' }, 600)
      await b.keepAlive('n1', { version: '2' }, 600)
      t.match(await b.signs(), [
        { name: 'n1', about: { version: '2' }, isAlive: true },
        { name: 'n2', about: { version: '1' }, isAlive: true },
      ])
      t.match(await b.sign('n2'), { name: 'n2', about: { version: '1' }, isAlive: true })
      t.equal(await a.sign('n3'), undefined)
      t.ok((await b.signs()).every(({ seen }) => seen >= before && seen <= new Date().toISOString()))
      await a.keepAlive('n2', { version: '3' }, 600)
      t.match((await b.signs())[1], { about: { version: '3' }, isAlive: true })
      t.same(await a.kinds(), [lockKind])
      await b.forget('n1')
      await b.forget('n1')
      t.same(
        (await a.signs()).map(({ name }) => name),
        ['n2'],
      )
      await a.forget('n2')
      await a.keepAlive('n2', { version: '3' }, 600)
      t.match(await b.signs(), [{ name: 'n2', isAlive: true }], 'who is forgotten and alive is known again')
      await a.forget('n2')
      await b.delete(lockKind, lockName)
    },
    'a sign of life runs out, and nothing else with it': async (t, a, b) => {
      const version = await a.create('Block', 'x', { node: 'n1' })
      await a.keepAlive('n1', {}, 2)
      await a.keepAlive('n1', {}, 2)
      const [{ seen }] = await b.signs()
      while ((await b.signs())[0]?.isAlive) await sleep(100)
      t.match(await b.signs(), [{ name: 'n1', isAlive: false, seen }])
      t.match(await b.get('Block', 'x'), { version, value: { node: 'n1' } })
      await a.keepAlive('n1', {}, 600)
      t.match(await b.signs(), [{ name: 'n1', isAlive: true }])
      await a.forget('n1')
    },
    [last]: async (t, a) => {
      const heard = follow(a, ['Node'], new AbortController().signal)
      t.same(await heard.next(), { snapshot: [] })
      const end = heard.next()
      await a.close()
      t.equal(await end, undefined)
    },
  }
  for (const [name, run] of Object.entries(cases)) {
    await t.test(name, t => run(t, a, b))
    if (name !== last) await clear(b)
  }
  await b.close()
}

const last = 'closing ends a watch'

async function clear(store: Datastore): Promise<void> {
  for (const kind of ['Block', 'Node', 'Other', 'Pool', 'Unwatched'])
    for (const entry of (await store.list(kind, { limit: 1000 })).entries) await store.delete(kind, entry.name)
}

async function fails(t: Test, code: StoreErrorCode, call: Promise<unknown>): Promise<void> {
  const outcome = await call.then(
    () => 'success',
    (error: unknown) => (error instanceof StoreError ? error.code : String(error)),
  )
  t.equal(outcome, code)
}

/** A watch in short form, bookmarks left out. */
function follow(store: Datastore, kinds: readonly string[], signal: AbortSignal) {
  const events = store.watch(kinds, signal)[Symbol.asyncIterator]()
  const text = (entry: { kind: string; name: string; value: unknown }) =>
    `${entry.kind}/${entry.name}=${String(entry.value)}`
  const short = (event: WatchEvent): unknown => {
    if (event.type === 'snapshot') return { snapshot: event.entries.map(text) }
    if (event.type === 'put') return { put: text(event.entry) }
    if (event.type === 'delete') return { delete: `${event.kind}/${event.name}` }
    return event
  }
  return {
    next: async (): Promise<unknown> => {
      for (;;) {
        const { done, value } = await events.next()
        if (done) return undefined
        if (value.type !== 'bookmark') return short(value)
      }
    },
  }
}
