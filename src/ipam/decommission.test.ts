import t from 'tap'
import { MemoryDatastore } from '../datastore/memory.ts'
import { blocksOfNode, decommissionKind, freeBlocks } from './decommission.ts'
import { blockKind, copyKind } from './records.ts'
import { owner, pool, testNode } from './testing.ts'

const four = { families: [4] } as const
const at = '2026-01-02T00:00:00.000Z'

/** A node with two full blocks and one address in a third; then it is decommissioned. */
async function gone() {
  const datastore = new MemoryDatastore()
  const node = testNode('n1', datastore, [pool('v4', '10.42.0.0/28', { blockSize: 30 })])
  await datastore.create('Node', 'n1', {})
  await node.ipam.load()
  for (let id = 0; id < 9; id++) await node.ipam.assign({ ...owner(id), ...four })
  await node.ipam.stop()
  const held = await blocksOfNode(datastore, 'n1')
  await datastore.delete('Node', 'n1')
  const freed = await freeBlocks(datastore, 'n1', at)
  return { datastore, node, held, freed }
}

t.test('what a node holds is told, then freed, and other nodes may have it', async t => {
  const { datastore, held, freed, node } = await gone()
  t.same(
    held.map(({ used }) => used).toSorted((a, b) => a - b),
    [1, 4, 4],
  )
  t.same(freed.toSorted(), held.map(({ cidr }) => cidr).toSorted())
  t.same((await datastore.list(blockKind)).entries, [])
  t.same((await datastore.list(copyKind)).entries, [])
  const other = testNode('n2', datastore, node.pools).ipam
  await other.load()
  for (let id = 0; id < 16; id++) await other.assign({ ...owner(`x${id}`), ...four })
  t.equal(other.owned().length, 4, 'the whole pool')
  t.same(await freeBlocks(datastore, 'n1', at), [], 'a repetition finds nothing')
  t.equal(other.owned().length, 4)
})

t.test('a node that comes back uses none of it: not with pods, not without', async t => {
  const { datastore, node, freed } = await gone()
  const back = node.restart().ipam
  await back.load()
  t.same(back.owned(), [], 'nothing is its own')
  t.equal(back.show().problems.length, 4)
  t.match(
    back.show().problems[0],
    /^block 10\.42\.0\.\d+\/30: it went back to its pool when this node was decommissioned/,
  )
  t.match(back.show().problems[3], /decommissioned at 2026-01-02.*apply its Node/)
  await t.rejects(back.assign({ ...owner('new'), ...four }), { message: /it was decommissioned at 2026-01-02/ })
  const named = { ...owner('new'), ...four, requested: [freed[0].split('/')[0]] }
  await t.rejects(back.assign(named), { message: /it was decommissioned/ }, 'not by name either')
  t.same((await datastore.list(blockKind)).entries, [], 'it claims nothing')

  await datastore.create('Node', 'n1', {})
  await back.refresh()
  t.same(back.owned(), [], 'taken back, it still has pods with addresses that it lost')
  const [{ block }] = (await back.assign({ ...owner('soon'), ...four })).addresses
  t.notOk(freed.includes(block), 'new pods get addresses at once, from a block that it never lost')
  await back.releaseExcept(() => false)
  await back.refresh()
  t.same(back.show().problems, [])
  t.equal(await datastore.get(decommissionKind, 'n1'), undefined, 'the word is gone')
  t.ok((await back.assign({ ...owner('new'), ...four })).addresses[0])
})

t.test('an address of a block that another node has meanwhile is not given', async t => {
  const { datastore, node } = await gone()
  const other = testNode('n2', datastore, node.pools).ipam
  await other.load()
  for (let id = 0; id < 16; id++) await other.assign({ ...owner(`x${id}`), ...four })
  await datastore.create('Node', 'n1', {})
  const back = node.restart().ipam
  await back.load()
  t.same(back.owned(), [])
  t.match(back.show().problems[0], /the datastore says that it is node "n2"'s/)
  await t.rejects(back.assign({ ...owner('new'), ...four }), { code: 'exhausted' })
})
