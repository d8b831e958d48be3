// Many pods at once: what waits for the disk together, and that no request suffers from another.

import t from 'tap'
import { MemoryDatastore } from '../datastore/memory.ts'
import { owner, pool, testNode } from './testing.ts'

const four = { families: [4] } as const
const numbers = Array.from({ length: 20 }, (_, i) => i)

function counted(pools = [pool('v4', '10.42.0.0/24')]) {
  const node = testNode('n1', new MemoryDatastore(), pools)
  const commit = node.disk.commit.bind(node.disk)
  const count = { commits: 0 }
  node.disk.commit = changes => {
    count.commits++
    return commit(changes)
  }
  const give = async (id: number | string, requested: readonly string[] = []) =>
    (await node.ipam.assign({ ...owner(id), ...four, requested })).addresses[0].address
  return { ...node, count, give }
}

t.test('addresses that are asked for at once are one commit, and all different', async t => {
  const { ipam, count, give } = counted()
  await ipam.load()
  await give('first')
  count.commits = 0
  const given = await Promise.all(numbers.map(n => give(n)))
  t.equal(new Set(given).size, numbers.length)
  t.equal(count.commits, 1)
  count.commits = 0
  const released = await Promise.all(numbers.map(n => ipam.release(owner(n))))
  t.same(
    released,
    given.map(address => [address]),
  )
  t.equal(count.commits, 1)
  t.equal(ipam.owned()[0].used, 1)
})

t.test('a disk that fails gives none of them, and all can ask again', async t => {
  const { ipam, disk, give } = counted()
  await ipam.load()
  await give('first')
  disk.die(0, false)
  const outcomes = await Promise.allSettled(numbers.map(n => give(n)))
  t.ok(outcomes.every(({ status }) => status === 'rejected'))
  disk.mend()
  t.equal(ipam.show().addresses.length, 1)
  t.equal(new Set(await Promise.all(numbers.map(n => give(n)))).size, numbers.length)
  t.equal(ipam.owned()[0].used, numbers.length + 1)
})

t.test('who asks for what is not there keeps nobody else from theirs', async t => {
  const { ipam, give } = counted()
  await ipam.load()
  const taken = await give('first')
  const outcomes = await Promise.allSettled([
    give('a'),
    give('b', [taken]),
    give('c'),
    give('d', ['10.99.0.1']),
    give('e'),
  ])
  t.same(
    outcomes.map(({ status }) => status),
    ['fulfilled', 'rejected', 'fulfilled', 'rejected', 'fulfilled'],
  )
  t.match(outcomes[1], { reason: { code: 'not-available', message: /another pod has it/ } })
  t.equal(ipam.owned()[0].used, 4)
})

t.test('what is asked for in one breath is done in its order', async t => {
  const { ipam, give } = counted([pool('v4', '10.42.0.0/30', { blockSize: 30 })])
  await ipam.load()
  const address = await give('a')
  const moved = await Promise.all([ipam.release(owner('a')), give('b', [address]), give('a'), give('c'), give('d')])
  t.same(moved[0], [address])
  t.equal(moved[1], address, 'by name, from who has just let go')
  t.equal(new Set(moved.slice(1)).size, 4)
  t.same(await Promise.all([give('a'), give('a'), ipam.release(owner('a')), ipam.release(owner('a'))]), [
    moved[2],
    moved[2],
    [moved[2]],
    [],
  ])
  await t.rejects(Promise.all([give('a'), give('e')]), { code: 'exhausted' }, 'one is left for two')
})

t.test('a block that is full in the midst of it', async t => {
  const { ipam, give } = counted([pool('v4', '10.42.0.0/26', { blockSize: 29 })])
  await ipam.load()
  const given = await Promise.all(numbers.map(n => give(n)))
  t.equal(new Set(given).size, numbers.length)
  t.same(
    ipam.owned().map(({ used }) => used),
    [8, 8, 4],
  )
})
