// Copies say what their node has given, also after somebody else has had hands on them, or the node was killed before it wrote them.

import t from 'tap'
import { lockKind, lockName } from '../datastore/contract.ts'
import { MemoryDatastore } from '../datastore/memory.ts'
import { allAddresses } from './all-addresses.ts'
import { type AddressCopy, copyKind } from './records.ts'
import { MortalDisk, owner, pool, testNode } from './testing.ts'

const four = { families: [4] } as const
const pools = [pool('v4', '10.42.0.0/29', { blockSize: 29 })]

async function noted() {
  const datastore = new MemoryDatastore()
  const node = testNode('n1', datastore, pools)
  await node.ipam.load()
  const [{ address }] = (await node.ipam.assign({ ...owner(1), ...four })).addresses
  await node.ipam.stop()
  const [copy] = (await datastore.list(copyKind)).entries
  const told = async () => (await allAddresses(datastore)).map(row => `${row.address} ${row.containerId}`)
  return { datastore, node, address, copy, told }
}

const hands: Readonly<Record<string, (at: Awaited<ReturnType<typeof noted>>) => Promise<unknown>>> = {
  deleted: ({ datastore, copy }) => datastore.delete(copyKind, copy.name, copy.version),
  'given another address': ({ datastore, copy, address }) => {
    const value = copy.value as AddressCopy
    const addresses = { '10.42.0.7': value.addresses[address] }
    return datastore.update(copyKind, copy.name, { ...value, addresses }, copy.version)
  },
  'given to another node': ({ datastore, copy }) =>
    datastore.update(copyKind, copy.name, { ...(copy.value as AddressCopy), node: 'n9' }, copy.version),
}

for (const [what, change] of Object.entries(hands))
  t.test(`a copy that was ${what} is found and written anew, also after a restart`, async t => {
    const at = await noted()
    t.same(await at.node.ipam.staleCopies(), [], 'all is well before')
    await change(at)
    const node = at.node.restart()
    await node.ipam.load()
    const differing = what === 'given to another node' ? [] : [at.address]
    const [stale] = await node.ipam.staleCopies()
    t.match(stale, { name: at.copy.name })
    t.same(stale?.differing.slice(0, 1), differing, 'and nothing else of it')
    t.same(await node.ipam.mendCopies(), [at.copy.name])
    t.same(await node.ipam.staleCopies(), [])
    t.same(await at.told(), [`${at.address} c1`])
  })

t.test('what a killed node had not noted yet is noted by its next life', async t => {
  const { datastore, node, told } = await noted()
  datastore.fail('cut off')
  const [{ address }] = (await node.ipam.assign({ ...owner(2), ...four })).addresses
  const next = node.restart()
  await next.ipam.load()
  await t.rejects(next.ipam.mendCopies(), { code: 'unreachable' })
  datastore.fail()
  t.equal((await next.ipam.mendCopies()).length, 1)
  t.ok((await told()).includes(`${address} c2`))
})

t.test('a locked datastore is left as it is, and the refusal says so', async t => {
  const { datastore, node, copy } = await noted()
  await datastore.delete(copyKind, copy.name, copy.version)
  await datastore.create(lockKind, lockName, { by: 'op', since: 'noon' })
  t.match(await node.ipam.staleCopies(), [{ name: copy.name }])
  await t.rejects(node.ipam.mendCopies(), { code: 'unreachable', message: /locked/ })
  t.equal(await datastore.get(copyKind, copy.name), undefined)
})

t.test('a store that is not whole writes no copy: it has to learn from them', async t => {
  const { datastore, told, address } = await noted()
  datastore.fail('away')
  const lost = testNode('n1', datastore, pools, new MortalDisk().tables)
  await lost.ipam.load()
  datastore.fail()
  t.same(await lost.ipam.mendCopies(), [])
  t.same(await told(), [`${address} c1`])
})

t.test('after a start every copy is put right at once, and one that is right is not written', async t => {
  const { datastore, node, copy, told, address } = await noted()
  const next = node.restart()
  await next.ipam.load()
  next.ipam.noteAll()
  await next.ipam.stop()
  t.equal((await datastore.get(copyKind, copy.name))?.version, copy.version)
  await datastore.update(copyKind, copy.name, { ...(copy.value as AddressCopy), addresses: {} }, copy.version)
  const again = next.restart()
  await again.ipam.load()
  again.ipam.noteAll()
  await again.ipam.stop()
  t.same(await told(), [`${address} c1`])
})
