// A block that somebody gives to another node by hand, while pods of the first one have addresses in it.

import t from 'tap'
import { MemoryDatastore } from '../datastore/memory.ts'
import { freeBlocks } from './decommission.ts'
import { outsideName } from './outside.ts'
import { type BlockRecord, blockKind, copyKind } from './records.ts'
import { owner, pool, type TestNode, testNode } from './testing.ts'

const four = { families: [4] } as const
const pools = [pool('v4', '10.42.0.0/29', { blockSize: 30 })]

/** Node n1 has two pods in a block of four, whose record then says n2. `noticed`: n1 has seen that before n2 does. */
async function edited({ noticed }: { readonly noticed: boolean }) {
  const datastore = new MemoryDatastore()
  const [first, second] = ['n1', 'n2'].map(name => testNode(name, datastore, pools))
  await first.ipam.load()
  await second.ipam.load()
  const given: string[] = []
  for (const id of [1, 2])
    given.push((await first.ipam.assign({ ...owner(id), ...four, label: `lab/p${id}` })).addresses[0].address)
  await first.ipam.stop() // writes the copies
  const [record] = (await datastore.list(blockKind)).entries
  await datastore.update(blockKind, record.name, { ...(record.value as BlockRecord), node: 'n2' }, record.version)
  if (noticed) {
    await first.ipam.refresh()
    await first.ipam.stop()
  }
  await second.ipam.refresh()
  return { datastore, first, second, given, block: (record.value as BlockRecord).cidr, name: record.name }
}

for (const noticed of [true, false])
  t.test(`addresses in use are not given, ${noticed ? 'after' : 'before'} their node has noticed`, async t => {
    const { datastore, first, second, given, block, name } = await edited({ noticed })
    t.match(second.ipam.owned(), [{ cidr: block, used: 2 }], 'the block is its own')
    t.same([...second.ipam.held.keys()].toSorted(), given.toSorted())
    await t.rejects(second.ipam.assign({ ...owner('x'), ...four, requested: [given[0]] }), {
      code: 'not-available',
      message: /^address \S+: pod lab\/p1 of node "n1" has it/,
    })
    const calls: string[] = []
    const [get, list] = [datastore.get.bind(datastore), datastore.list.bind(datastore)]
    datastore.get = (...args) => (calls.push('get'), get(...args))
    datastore.list = (...args) => (calls.push('list'), list(...args))
    for (const id of ['y', 'z']) {
      const [{ address }] = (await second.ipam.assign({ ...owner(id), ...four })).addresses
      t.notOk(given.includes(address))
    }
    t.same(calls, [], 'nothing is asked at an ADD')
    t.match(second.ipam.show().problems, [
      /^block \S+: this node took it over, and pods of node "n1" have addresses in it: .*lab\/p1.*Delete those pods; if that machine is off for good: margayctl node decommission n1\.$/,
    ])

    t.same(await second.ipam.releaseEmptyBlocks(0), [])
    await second.ipam.stop() // its copy of the block takes the place of the other's
    await second.ipam.releaseEmptyBlocks(0)
    t.equal(second.ipam.held.size, 2, 'the other node may not have noticed yet')
    const again = second.restart()
    datastore.fail('away')
    await again.ipam.load()
    t.equal(again.ipam.held.size, 2, 'a restart knows them without the datastore')
    datastore.fail()

    await first.ipam.refresh()
    await first.ipam.release(owner(1))
    await first.ipam.stop()
    await again.ipam.releaseEmptyBlocks(0)
    t.same([...again.ipam.held.keys()], [given[1]], 'at the next look the address of a pod that is gone is free')
    await first.ipam.release(owner(2))
    await first.ipam.stop()
    await again.ipam.releaseEmptyBlocks(0)
    t.same([again.ipam.held.size, again.ipam.show().problems], [0, []])
    const wanted = { ...owner('w'), ...four, requested: [given[0]] }
    t.equal((await again.ipam.assign(wanted)).addresses[0].address, given[0])
    t.match((await datastore.get(copyKind, name))?.value, { node: 'n2' })
  })

/** Node n1 has two pods; then `meanwhile`; then n2 gives all that it can get. */
async function lost(meanwhile: (datastore: MemoryDatastore, name: string, first: TestNode) => Promise<unknown>) {
  const datastore = new MemoryDatastore()
  const [first, second] = ['n1', 'n2'].map(name => testNode(name, datastore, pools))
  await first.ipam.load()
  await second.ipam.load()
  const given: string[] = []
  for (const id of [1, 2]) given.push((await first.ipam.assign({ ...owner(id), ...four })).addresses[0].address)
  await first.ipam.stop()
  const [record] = (await datastore.list(blockKind)).entries
  await meanwhile(datastore, record.name, first)
  const got: string[] = []
  for (let id = 10; ; id++) {
    const assigned = await second.ipam.assign({ ...owner(id), ...four }).catch(() => undefined)
    if (!assigned) return { datastore, first, second, given, got, name: record.name }
    got.push(assigned.addresses[0].address)
  }
}

t.test(
  'a free block is claimed with the addresses that pods of others have in it: its record was deleted by hand',
  async t => {
    const { given, got, second } = await lost((datastore, name) => datastore.delete(blockKind, name))
    t.equal(got.length, 6, 'all others of the pool')
    t.notOk(got.some(address => given.includes(address)))
    t.same([...second.ipam.held.keys()].toSorted(), given.toSorted())
  },
)

t.test('or a decommission freed it while the pods ran on', async t => {
  const { given, got } = await lost(async (datastore, _, first) => {
    await freeBlocks(datastore, 'n1', '2026-01-02T00:00:00.000Z')
    await first.ipam.refresh()
    await first.ipam.stop()
  })
  t.equal(got.length, 6)
  t.notOk(got.some(address => given.includes(address)))
})

for (const damage of ['gone', 'not to be read'])
  t.test(`a node that has lost its store knows its block by its copy, though the record is ${damage}`, async t => {
    const datastore = new MemoryDatastore()
    const first = testNode('n1', datastore, pools)
    await first.ipam.load()
    const { addresses } = await first.ipam.assign({ ...owner(1), ...four })
    await first.ipam.stop()
    const [{ name, version, value }] = (await datastore.list(blockKind)).entries
    const { cidr } = value as BlockRecord
    if (damage === 'gone') await datastore.delete(blockKind, name)
    else await datastore.update(blockKind, name, { cidr }, version)
    const again = testNode('n1', datastore, pools)
    const lists: string[] = []
    const list = datastore.list.bind(datastore)
    datastore.list = (...args) => (lists.push(args[0]), list(...args))
    await again.ipam.load({ inUse: [{ address: addresses[0].address }] })
    datastore.list = list
    // A record that is written is looked at for rivals, too.
    const looks = damage === 'gone' ? 2 : 1
    t.equal(lists.filter(kind => kind === blockKind).length, looks, 'what it recalls by and compares with is read once')
    await again.ipam.refresh()
    t.match(again.ipam.owned(), [{ cidr, used: 1 }])
    if (damage === 'gone') t.match((await datastore.get(blockKind, name))?.value, { node: 'n1', cidr })
    else {
      t.same((await datastore.get(blockKind, name))?.value, { cidr }, 'what cannot be read is left as it is')
      await datastore.delete(blockKind, name)
      await again.ipam.refresh()
      t.match(
        (await datastore.get(blockKind, name))?.value,
        { node: 'n1', cidr },
        'deleted, as status says, it is written anew',
      )
    }
  })

t.test('a note that nothing is behind goes at the first sweep of its node', async t => {
  const { datastore, first, second } = await edited({ noticed: false })
  for (const id of [1, 2]) await first.ipam.release(owner(id))
  t.ok(await datastore.get(copyKind, outsideName('n1')), 'put there by the node that took the block')
  await first.ipam.refresh()
  await first.ipam.sweepCopies()
  t.equal(await datastore.get(copyKind, outsideName('n1')), undefined)
  await second.ipam.releaseEmptyBlocks(0)
  t.equal(second.ipam.held.size, 0)
})

t.test('and when the machine is off for good, with its decommission', async t => {
  const { datastore, second } = await edited({ noticed: false })
  await freeBlocks(datastore, 'n1', '2026-01-02T00:00:00.000Z')
  t.same((await second.ipam.releaseEmptyBlocks(1)).length, 0)
  t.equal(second.ipam.held.size, 0)
})

t.test('a record that another program wrote stays as it is, and frees nothing', async t => {
  const datastore = new MemoryDatastore()
  const record: BlockRecord = { cidr: '10.42.0.0/30', node: 'n2', pool: 'v4', claimedAt: '' }
  await datastore.create(blockKind, '10-42-0-0-30', record)
  const row = { network: 'n', containerId: 'c', ifName: 'eth0', pool: 'v4', since: '' }
  const of1 = { node: 'n1', cidr: '10.42.0.0/30', addresses: { '10.42.0.1': row, '10.42.0.2': 5, '10.42.0.5': row } }
  await datastore.create(copyKind, '10-42-0-0-30', of1)
  await datastore.create(copyKind, outsideName('n1'), { another: 'program' })
  await datastore.create(copyKind, outsideName('n3'), { node: 'n3', cidr: '', addresses: { '10.42.0.3': row } })
  const { ipam } = testNode('n2', datastore, pools)
  await ipam.load()
  t.same((await datastore.get(copyKind, outsideName('n1')))?.value, { another: 'program' })
  t.same([...ipam.held.keys()].toSorted(), ['10.42.0.1', '10.42.0.3'])
})
