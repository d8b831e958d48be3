// A node's sign of life: given while the datastore is its own, told when it cannot be given, and of no weight.

import t from 'tap'
import { MemoryDatastore } from '../datastore/memory.ts'
import { PresenceKeeper } from './presence.ts'
import { log } from './testing-pods.ts'

t.test('a sign, and why there is none', async t => {
  const datastore = new MemoryDatastore()
  let isInSync = false
  const about = { version: '1', host: 'machine', since: '2026-01-01T00:00:00.000Z' }
  const keeper = new PresenceKeeper({ node: 'n1', about, datastore, isInSync: () => isInSync, log })
  await keeper.sign()
  t.same(await datastore.signs(), [], 'not in a store that may be of another cluster')
  t.equal(keeper.obstacle, undefined)
  isInSync = true
  datastore.fail('this user may not do that.', 'unauthorised')
  await keeper.sign()
  t.match(keeper.problems, [/node "n1": the others cannot see that it is alive.*this user may not do that/])
  isInSync = false
  t.same(keeper.problems, [], 'a lost datastore is told elsewhere')
  isInSync = true
  datastore.fail()
  await keeper.sign()
  t.same(keeper.problems, [])
  t.match(await datastore.signs(), [{ name: 'n1', about, isAlive: true }])
})

t.test('two machines with one name: who comes later gives no addresses, until the other is gone', async t => {
  const datastore = new MemoryDatastore()
  const machine = (host: string, store: string, isNew: boolean) => {
    const about = { version: '1', host, since: '2026-01-01T00:00:00.000Z' }
    const keeper = new PresenceKeeper({ node: 'n1', about, datastore, isInSync: () => true, log })
    keeper.start({ store, isNew, boot: 'b', isFirstOfBoot: isNew })
    t.teardown(() => keeper.close())
    return keeper
  }
  const first = machine('one', 'a', true)
  t.match(first.obstacle, /has not seen yet whether another machine has its name/)
  await first.sign()
  t.equal(first.obstacle, undefined)
  const twin = machine('two', 'b', false)
  t.equal(twin.obstacle, undefined, 'a store of before: its addresses are its own, also while the datastore is away')
  await twin.sign()
  t.match(twin.obstacle, /"n1": another margayd is alive under this name \(on one,.*node\.name/)
  t.same(twin.problems, [twin.obstacle])
  await first.sign()
  t.equal(first.obstacle, undefined, 'who was there first is left in peace')
  const restarted = machine('one', 'a', false)
  await restarted.sign()
  t.equal(restarted.obstacle, undefined, 'the same store is the same machine')
  await datastore.forget('n1')
  await twin.sign()
  t.equal(twin.obstacle, undefined)
})

t.test('a sign that does not go by itself is told as such: what removes it ends the twin', async t => {
  const datastore = new MemoryDatastore()
  const about = { version: '1', host: 'one', since: '2026-01-01T00:00:00.000Z' }
  await datastore.keepAlive('n1', { ...about, store: 'a' }, 600)
  let removal: string | undefined = 'etcdctl del /margay/~alive/n1'
  const signs = {
    keepAlive: datastore.keepAlive.bind(datastore),
    sign: async (name: string) => {
      const found = await datastore.sign(name)
      return found && { ...found, ...(removal !== undefined && { removal }) }
    },
  }
  const keeper = new PresenceKeeper({ node: 'n1', about, datastore: signs, isInSync: () => true, log })
  keeper.start({ store: 'b', isNew: true, boot: 'b', isFirstOfBoot: true })
  t.teardown(() => keeper.close())
  await keeper.sign()
  t.match(keeper.problems, [/does not end by itself.* has no lease.*: etcdctl del \/margay\/~alive\/n1$/])
  t.notMatch(keeper.obstacle, /ends in/)
  removal = undefined
  await keeper.sign()
  t.match(keeper.obstacle, /that ends in 15 s$/)
})

t.test('a cloned machine has the same store: it gives no addresses while the first one lives', async t => {
  const datastore = new MemoryDatastore()
  const margayd = (host: string, boot: string, isFirstOfBoot: boolean) => {
    const about = { version: '1', host, since: '2026-01-01T00:00:00.000Z' }
    const keeper = new PresenceKeeper({ node: 'n1', about, datastore, isInSync: () => true, log })
    keeper.start({ store: 'a', isNew: false, boot, isFirstOfBoot })
    t.teardown(() => keeper.close())
    return keeper
  }
  const first = margayd('one', 'x', true)
  await first.sign()
  const clone = margayd('one', 'y', true)
  const looked = clone.looked()
  await clone.sign()
  await looked
  t.match(clone.obstacle, /another margayd is alive under this name with a copy of this node's store.*remove its store/)
  await first.sign()
  await clone.sign()
  t.equal(first.obstacle, undefined)
  t.ok(clone.obstacle)

  const restarted = margayd('one', 'x', false)
  await restarted.sign()
  await restarted.sign()
  t.equal(restarted.obstacle, undefined, 'a restart finds its former sign')
  await first.sign()
  t.match(
    first.obstacle,
    /with a copy of this node's store/,
    'a process that goes on beside it finds its own written over',
  )
  await restarted.sign()
  t.equal(restarted.obstacle, undefined)

  await datastore.keepAlive('n1', { version: '0', host: 'one', since: '', store: 'a' }, 15)
  await restarted.sign()
  t.equal(restarted.obstacle, undefined, 'a sign of an earlier Margay tells neither boot nor process')
})
