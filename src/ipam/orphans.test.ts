// Copies that a killed node left of blocks that it has no more go by themselves, and take nothing along that is not noted elsewhere.

import t from 'tap'
import { lockKind, lockName } from '../datastore/contract.ts'
import { MemoryDatastore } from '../datastore/memory.ts'
import { requestKind } from './requests.ts'
import { copyKind } from './records.ts'
import { MortalDisk, owner, pool, testNode } from './testing.ts'

const four = { families: [4] } as const
const pools = [pool('v4', '10.42.0.0/29', { blockSize: 29 })]

/** n1 split its block, with a pod in it, and was killed before it could write its copies. */
async function killed() {
  const datastore = new MemoryDatastore()
  const before = testNode('n1', datastore, pools)
  await before.ipam.load()
  const [{ address }] = (await before.ipam.assign({ ...owner(1), ...four })).addresses
  await before.ipam.stop()
  await datastore.create(requestKind, 'n2.ipv4', { node: 'n2', from: 'n1', family: 4, ranges: ['10.42.0.0/29'] })
  await before.ipam.serveRequests()
  const node = before.restart()
  await node.ipam.load()
  return { datastore, node, address }
}

const copies = async (datastore: MemoryDatastore) => (await datastore.list(copyKind)).entries.map(({ name }) => name)

t.test('what is noted for a block that was split goes, and its pods are noted first', async t => {
  const { datastore, node, address } = await killed()
  t.same(await node.ipam.orphanCopies(), ['10-42-0-0-29'])
  t.same(await node.ipam.sweepCopies(), ['10-42-0-0-29'])
  t.same(await node.ipam.orphanCopies(), [])
  t.match(await copies(datastore), [/^10-42-0-\d-(30|31|32)$/])
  const lost = testNode('n1', datastore, pools, new MortalDisk().tables)
  await lost.ipam.load()
  t.match(lost.ipam.show().addresses, [{ address, ...owner(1) }], 'a node that loses its store now knows its pod')
})

t.test('a copy goes only when what is in it is noted elsewhere, and only from a store that may be written', async t => {
  const { datastore, node } = await killed()
  await datastore.create(lockKind, lockName, { by: 'op', since: 'noon' })
  await t.rejects(
    node.ipam.sweepCopies().then(gone => gone.length === 0 && Promise.reject(new Error('nothing went'))),
    /nothing went|locked/,
  )
  t.same(await copies(datastore), ['10-42-0-0-29'])
})

t.test("a node that lost its store and has not read the copies deletes none; nor another node's", async t => {
  const { datastore } = await killed()
  datastore.fail('away')
  const lost = testNode('n1', datastore, pools, new MortalDisk().tables)
  await lost.ipam.load()
  datastore.fail()
  t.same(await lost.ipam.sweepCopies(), [])
  const other = testNode('n2', datastore, pools)
  await other.ipam.load()
  t.same(await other.ipam.sweepCopies(), [])
  t.same(await copies(datastore), ['10-42-0-0-29'])
})
