// A record of a block that somebody edited by hand, so that it names a node that is not there, under pods of the first one.

import t from 'tap'
import { parsePrefix, type Prefix } from '../../inet/index.ts'
import type { Entry } from '../datastore/contract.ts'
import { MemoryDatastore } from '../datastore/memory.ts'
import { checkCluster } from './cluster-check.ts'
import { blocksOfNode } from './decommission.ts'
import { reassign } from './misassigned.ts'
import { outsideName } from './outside.ts'
import { blockKind, copyKind } from './records.ts'
import { MortalDisk, owner, pool, testNode } from './testing.ts'

const four = { families: [4] } as const
const command = (block: string) => `margayctl ipam reassign ${block} n1`

/** Node n1 has two pods in a block, whose record then names n11. */
async function mistyped() {
  const datastore = new MemoryDatastore()
  const pools = [pool('v4', '10.42.0.0/28', { blockSize: 29 })]
  await datastore.create('IPPool', 'v4', pools[0])
  for (const name of ['n1', 'n2']) await datastore.create('Node', name, {})
  const node = testNode('n1', datastore, pools)
  await node.ipam.load()
  const given: string[] = []
  for (const id of [1, 2])
    given.push((await node.ipam.assign({ ...owner(id), ...four, label: `lab/p${id}` })).addresses[0].address)
  await node.ipam.stop() // writes the copies
  const [{ name, value, version }] = (await datastore.list(blockKind)).entries
  await datastore.update(blockKind, name, { ...(value as object), node: 'n11' }, version)
  const { cidr } = value as { cidr: string }
  const prefix = parsePrefix(cidr) as Prefix
  return { datastore, pools, node, given: given.toSorted(), name, cidr, prefix, before: value as object }
}

for (const noticed of [false, true])
  t.test(`to put the record back is told first, ${noticed ? 'after' : 'before'} the node has noticed`, async t => {
    const { datastore, node, cidr, given } = await mistyped()
    if (noticed) {
      await node.ipam.refresh()
      await node.ipam.stop()
      const [problem] = node.ipam.show().problems
      t.match(problem, new RegExp(`there is no such Node; .*keep them: ${command(cidr)}; else delete those pods\\.$`))
    }
    const found = await checkCluster(datastore)
    const [block] = found.filter(({ kind }) => kind === 'dead-node')
    const noted = '2 addresses of pods of node "n1" are in it'
    t.match(block, { object: cidr, text: new RegExp(`${noted}.* keep their addresses: ${command(cidr)}\\.`) })
    t.notMatch(block.text, /margayctl node decommission/)
    const pods = found.filter(({ kind }) => kind === 'no-block')
    t.equal(pods.length, noticed ? 2 : 0)
    for (const { text } of pods) t.match(text, new RegExp(`${command(cidr)}\\. Else: Delete that pod`))
    t.match(await blocksOfNode(datastore, 'n11'), [{ cidr, used: 0, others: [{ node: 'n1' }] }])
    const [{ others }] = await blocksOfNode(datastore, 'n11')
    t.same(others[0].addresses.toSorted(), given, 'each once')
  })

t.test('the record is put back, and the pods are in the block of their node again', async t => {
  const { datastore, node, name, prefix, before, given } = await mistyped()
  await node.ipam.refresh()
  await node.ipam.stop()
  t.same(node.ipam.owned(), [])
  t.equal(await reassign(datastore, prefix, 'n1'), undefined)
  t.same((await datastore.get(blockKind, name))?.value, before)
  await node.ipam.refresh()
  await node.ipam.stop()
  t.match(node.ipam.owned(), [{ used: 2 }])
  t.same(node.ipam.show().problems, [])
  t.same(await checkCluster(datastore), [])
  t.equal(await datastore.get(copyKind, outsideName('n1')), undefined)
  const [{ address }] = (await node.ipam.assign({ ...owner(3), ...four })).addresses
  t.notOk(given.includes(address))
})

t.test('also where that node has lost its store meanwhile', async t => {
  const { datastore, pools, prefix, given } = await mistyped()
  t.equal(await reassign(datastore, prefix, 'n1'), undefined)
  const { ipam } = testNode('n1', datastore, pools, new MortalDisk().tables)
  await ipam.load({ inUse: given.map(address => ({ address })) })
  t.same(
    ipam
      .show()
      .addresses.map(({ address }) => address)
      .toSorted(),
    given,
  )
  t.match(ipam.owned(), [{ used: 2 }])
})

type Store = Awaited<ReturnType<typeof mistyped>>

for (const { name, does, node = 'n1', why } of [
  { name: 'the other is a Node', does: s => s.datastore.create('Node', 'n11', {}), why: /which is a Node of the clu/ },
  {
    name: 'the other was there',
    does: s => s.datastore.keepAlive('n11', {}, 0),
    why: /may have given addresses of it.* margayctl node decommission n11$/,
  },
  {
    name: 'the other has pods',
    does: s => s.datastore.create(copyKind, outsideName('n11'), { node: 'n11', cidr: '', addresses: {} }),
    why: /which notes addresses of its pods.* margayctl node decommission n11$/,
  },
  { name: 'it is no Node', node: 'n3', why: /there is no Node "n3"/ },
  {
    name: 'it has no pods there',
    node: 'n2',
    why: /"n2" notes no address.*there are 2 addresses of pods of node "n1"/,
  },
  {
    name: 'the record is gone',
    does: s => s.datastore.delete(blockKind, s.name),
    why: /has no record of its own: margayctl ipam check/,
  },
  {
    name: 'the record cannot be read',
    does: s => rewrite(s, { node: '' }),
    why: /cannot be read: margayctl ipam check/,
  },
  { name: 'it is its own already', does: s => rewrite(s, { node: 'n1' }), why: /is node "n1"'s already/ },
  {
    name: 'another has a part of it',
    does: s =>
      s.datastore.create(blockKind, `${s.name.slice(0, -2)}30`, {
        ...s.before,
        node: 'n2',
        cidr: s.cidr.replace('/29', '/30'),
      }),
    why: /overlaps \S+\/30, which is node "n2"'s/,
  },
] as readonly { name: string; does?: (s: Store) => Promise<unknown>; node?: string; why: RegExp }[])
  t.test(`it is not put back where ${name}`, async t => {
    const store = await mistyped()
    await does?.(store)
    const before = await store.datastore.get(blockKind, store.name)
    t.match(await reassign(store.datastore, store.prefix, node), why)
    t.same(await store.datastore.get(blockKind, store.name), before)
  })

async function rewrite({ datastore, name }: Store, change: object): Promise<void> {
  const { value, version } = (await datastore.get(blockKind, name)) as Entry
  await datastore.update(blockKind, name, { ...(value as object), ...change }, version)
}
