// Records of every kind, and entries of copies, as anybody may have written them: nothing ends with an exception, what is good counts, and
// what is not is told and stays.

import t from 'tap'
import { type Entry, type Version } from '../datastore/contract.ts'
import { readLock } from '../datastore/lock.ts'
import { MemoryDatastore } from '../datastore/memory.ts'
import { guidIn } from './identity.ts'
import { SnapshotBuilder, watchedKinds } from './snapshot.ts'
import { allKinds } from '../resources/index.ts'
import { allAddresses } from '../ipam/all-addresses.ts'
import { checkCluster } from '../ipam/cluster-check.ts'
import { blocksOfNode, decommissioned, decommissionKind, freeBlocks } from '../ipam/decommission.ts'
import { isKnownKind, isStrange } from '../ipam/known-kinds.ts'
import { blockKind, copyKind } from '../ipam/records.ts'
import { requestKind } from '../ipam/requests.ts'
import { MortalDisk, owner, pool, testNode } from '../ipam/testing.ts'

const values: readonly unknown[] = [
  null,
  5,
  'text',
  true,
  [],
  [1, null, 'x'],
  {},
  { node: 'n1' },
  { node: 5, cidr: [], pool: null, addresses: 'x' },
  { node: 'n1', cidr: 'no prefix', pool: 'v4', addresses: null },
  { node: 'n1', cidr: '10.42.0.0/29', addresses: [1, 2] },
  { node: 'n1', from: 'n1', family: 4, ranges: [null, 5, 'no range'] },
  { node: 'n1', at: 'noon', blocks: [null, 5, { a: 1 }] },
  { accepts: [null], leaving: {}, sends: 'x', bare: [], open: { p: [5] }, inSync: {}, done: 5 },
  { by: null, since: {}, reason: 5, clusterGUID: { a: 1 } },
  { apiVersion: 'margay.io/v1', kind: 'Node', metadata: null, spec: [] },
  { apiVersion: 'margay.io/v1', kind: ['IPPool'], metadata: { name: {}, labels: [null] }, spec: { cidr: 5 } },
]

const pools = [pool('v4', '10.42.0.0/29', { blockSize: 29 })]
const kinds = [...new Set([...allKinds, ...watchedKinds, copyKind, blockKind, requestKind, decommissionKind])]

for (const kind of kinds)
  t.test(`records of kind ${kind} that are none`, async t => {
    for (const [i, value] of values.entries()) {
      const datastore = new MemoryDatastore()
      // One of this node's own names, and another.
      for (const name of ['n1', '10-42-0-0-29', 'n1.ipv4', 'n1.outside', `x${i}`])
        await datastore.create(kind, name, value)
      const { entries } = await datastore.list(kind)
      const what = JSON.stringify(value)
      t.equal(isKnownKind(kind), true)
      for (const entry of entries) t.doesNotThrow(() => isStrange(entry), what)
      const builder = new SnapshotBuilder()
      t.doesNotThrow(() => builder.update(watchedKinds, of => (of === kind ? entries : [])), what)
      await t.resolves(checkCluster(datastore), what)
      await t.resolves(allAddresses(datastore), what)
      await t.resolves(blocksOfNode(datastore, 'n1'), what)
      await t.resolves(decommissioned(datastore, 'n1'), what)
      const { ipam } = testNode('n1', datastore, pools, new MortalDisk().tables)
      await t.resolves(ipam.load(), what)
      await t.resolves(ipam.serveRequests(), what)
      await t.resolves(ipam.staleCopies(), what)
      await t.resolves(ipam.sweepCopies(), what)
      await t.resolves(ipam.elsewhere(['10.42.0.1']), what)
      t.same(ipam.show().addresses, [], what)
      await ipam.stop()
      await t.resolves(freeBlocks(datastore, 'n1', 'noon'), what)
    }
  })

t.test('a lock and an identity that say nothing', async t => {
  for (const value of values) {
    const datastore = new MemoryDatastore()
    await datastore.create('DatastoreLock', 'default', value)
    t.match(await readLock(datastore), { by: String, since: String }, 'it is locked all the same')
    await t.rejects(datastore.create('Node', 'x', {}), { code: 'locked' })
    const entry: Entry = { kind: 'ClusterInformation', name: 'default', version: '1' as Version, value }
    t.equal(guidIn(entry), undefined)
  }
})

const row = (id: string) => ({ ...owner(id), pool: 'v4', since: '2026-01-01T00:00:00.000Z' })
/** Of an entry that is no owner. */
const entries: Readonly<Record<string, unknown>> = {
  null: null,
  'a text': 'id-x',
  'a number': 7,
  'a list': [1, 2],
  'an object of somebody else': { nonsense: 1 },
  'an owner of other types': { network: 5, containerId: { a: 1 }, ifName: ['x'] },
}

for (const [what, entry] of Object.entries(entries))
  t.test(`a node that lost its store and finds ${what} among the addresses of its copy`, async t => {
    const datastore = new MemoryDatastore()
    await datastore.create('Node', 'n1', {})
    await datastore.create('IPPool', 'v4', pools[0])
    const first = testNode('n1', datastore, pools)
    await first.ipam.load()
    const [{ address }] = (await first.ipam.assign({ ...owner('a'), families: [4] })).addresses
    await first.ipam.stop()
    const [{ name, version, value }] = (await datastore.list(copyKind)).entries
    const copy = value as { readonly addresses: object }
    const strange = { '10.42.0.6': entry, 'not an address': row('x') }
    await datastore.update(copyKind, name, { ...copy, addresses: { ...copy.addresses, ...strange } }, version)
    t.match(await checkCluster(datastore), [
      { kind: 'unreadable', object: name, text: /"10\.42\.0\.6".*and 1 more.*--fix/ },
    ])
    t.same(
      (await allAddresses(datastore)).map(each => each.address),
      [address],
    )

    const next = testNode('n1', datastore, pools, new MortalDisk().tables)
    await next.ipam.load()
    next.ipam.noteAll()
    t.match(next.ipam.show().addresses, [{ address, containerId: 'ca' }], 'the good ones count')
    t.equal(next.ipam.show().addresses.length, 1)
    await next.ipam.assign({ ...owner('b'), families: [4] })
    await next.ipam.mendCopies()
    const stored = async () => ((await datastore.get(copyKind, name))!.value as { addresses: object }).addresses
    t.match(await stored(), strange, 'the others stay')
    t.equal(Object.keys(await stored()).length, 4)
    t.match(next.ipam.show().problems, [
      /AddressCopy "10-42-0-0-29".*"10\.42\.0\.6" says nothing that tells whose it is \(and 1 more\)/,
    ])

    t.same(await next.ipam.discardStrange(), [name])
    t.equal(Object.keys(await stored()).length, 2)
    t.same(next.ipam.show().problems, [])
    t.same(await checkCluster(datastore), [])
    await next.ipam.stop()
  })

t.test('of an owner with parts that cannot be read the rest counts', async t => {
  const datastore = new MemoryDatastore()
  const bad = {
    ...row('a'),
    label: 5,
    details: { netns: '/n', sysctls: { 'net/../kernel/panic': '1' } },
  }
  const good = { ...row('b'), label: 'lab/b', details: { netns: '/n', routes: [{ dst: '10.9.0.0/16' }] } }
  await datastore.create(copyKind, 'n1.outside', {
    node: 'n1',
    cidr: '',
    addresses: { '10.9.0.1': bad, '10.9.0.2': good },
  })
  const { ipam } = testNode('n1', datastore, pools)
  await ipam.load()
  const [a, b] = ipam.show().addresses
  t.same(a, { ...row('a'), address: '10.9.0.1', block: '' })
  t.same(b, { ...good, address: '10.9.0.2', block: '' })
  await ipam.stop()
})

t.test('a store into which an earlier Margay took such an entry is read', async t => {
  const disk = new MortalDisk()
  await disk.commit([
    { do: 'put', table: 'addresses', key: '10.42.0.6', value: null },
    { do: 'put', table: 'ipam', key: 'node', value: 'n1' },
  ])
  const { ipam } = testNode('n1', new MemoryDatastore(), pools, disk.tables)
  await ipam.load()
  t.match(ipam.show().addresses, [{ address: '10.42.0.6', containerId: '' }], 'in use by nobody')
  await ipam.stop()
})
