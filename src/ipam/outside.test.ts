// Pods that run on while their node's blocks went to others: they are known everywhere, and nothing is written of them while that must not be.

import t from 'tap'
import { lockKind, lockName } from '../datastore/contract.ts'
import { MemoryDatastore } from '../datastore/memory.ts'
import { checkCluster } from './cluster-check.ts'
import { freeBlocks } from './decommission.ts'
import { outsideName } from './outside.ts'
import { copyKind } from './records.ts'
import { MortalDisk, owner, pool, testNode } from './testing.ts'

const four = { families: [4] } as const
const pools = [pool('v4', '10.42.0.0/29', { blockSize: 30 })]

/** Node n1 has two pods, was decommissioned by force, and is back; n2 has given the address of the first. */
async function back() {
  const datastore = new MemoryDatastore()
  for (const name of ['n1', 'n2']) await datastore.create('Node', name, {})
  await datastore.create('IPPool', 'v4', pools[0])
  const before = testNode('n1', datastore, pools)
  await before.ipam.load()
  const given = []
  for (const id of [1, 2])
    given.push((await before.ipam.assign({ ...owner(id), ...four, label: `lab/p${id}` })).addresses[0])
  await before.ipam.stop()
  await freeBlocks(datastore, 'n1', '2026-01-02T00:00:00.000Z')
  const [{ address: shared, block }, { address: alone }] = given
  const other = testNode('n2', datastore, pools)
  await other.ipam.load()
  await other.ipam.assign({ ...owner('x'), ...four, requested: [shared], label: 'lab/x' })
  await other.ipam.stop()
  const node = before.restart()
  await node.ipam.load()
  return { datastore, node, other, shared, alone, block }
}

t.test('whose they are by now is told, on the node itself and everywhere', async t => {
  const { datastore, node, shared, alone, block } = await back()
  t.same(Object.fromEntries(await node.ipam.elsewhere([shared, alone])), {
    [shared]: { block: { cidr: block, node: 'n2', isMember: true }, pod: 'lab/x' },
    [alone]: { block: { cidr: block, node: 'n2', isMember: true } },
  })
  await node.ipam.stop() // writes the copies
  const found = await checkCluster(datastore)
  t.match(found.map(({ kind, object }) => `${kind} ${object}`).toSorted(), [`duplicate ${shared}`, `no-block ${alone}`])
  const textOf = (kind: string): string => found.find(each => each.kind === kind)?.text ?? ''
  t.match(textOf('duplicate'), `its block ${block} is node "n2"'s. Delete lab/p1 on node "n1".`)
  t.match(
    textOf('no-block'),
    /^lab\/p2 on node "n1" has it, and its block .* is node "n2"'s: another pod may be given it/,
  )

  await node.ipam.release(owner(1))
  await node.ipam.release(owner(2))
  await node.ipam.stop()
  t.same(await checkCluster(datastore), [], 'when the pods are gone, so are the findings')
})

t.test('a node whose datastore is away or locked writes nothing of it, and says that it cannot be asked', async t => {
  const { datastore, node, other, shared } = await back()
  await other.ipam.stop()
  await datastore.create(lockKind, lockName, { by: 'op', since: 'noon' })
  await node.ipam.stop()
  t.equal(await datastore.get(copyKind, outsideName('n1')), undefined)
  t.match((await node.ipam.elsewhere([shared])).get(shared), { pod: 'lab/x' }, 'reading is allowed')
  datastore.fail('cut off')
  t.match((await node.ipam.elsewhere([shared])).get(shared), { unknown: /cut off/ })
})

t.test('a node that then loses its store knows them again', async t => {
  const { datastore, node, shared, alone } = await back()
  await node.ipam.stop()
  const lost = testNode('n1', datastore, pools, new MortalDisk().tables)
  await lost.ipam.load()
  t.match(
    lost.ipam.show().addresses.toSorted((a, b) => (a.address < b.address ? -1 : 1)),
    [shared, alone].toSorted().map(address => ({ address, network: 'pods' })),
  )
})
