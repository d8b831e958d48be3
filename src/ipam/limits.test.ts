// What the cluster may want of IPAM: limits, rest, reservations, and pools that are for some only.

import t from 'tap'
import { parsePrefix } from '../../inet/index.ts'
import { MemoryDatastore } from '../datastore/memory.ts'
import { owner, pool, type TestNode, testNode } from './testing.ts'
import type { AssignRequest } from './types.ts'

const four = { families: [4] } as const

/** The address that a pod gets. */
async function give(node: TestNode, id: string | number, more: Partial<AssignRequest> = {}): Promise<string> {
  return (await node.ipam.assign({ ...owner(id), ...four, ...more })).addresses[0].address
}

t.test('a node owns no more blocks of a family than it may', async t => {
  const node = testNode('n1', new MemoryDatastore(), [
    pool('v4', '10.42.0.0/24', { blockSize: 31 }),
    pool('v6', 'fd00::/120', { blockSize: 127 }),
  ])
  node.settings.maxBlocks = 2
  await node.ipam.load()
  for (let id = 0; id < 4; id++) await node.ipam.assign({ ...owner(id), families: [4, 6] })
  await t.rejects(give(node, 4), {
    code: 'exhausted',
    message:
      'pool "v4" (10.42.0.0/24): node "n1" owns 2 blocks, as many as it may (maxBlocksPerHost of the IPAMConfiguration), and they are full. Raise the limit, or free addresses: margayctl ipam show',
  })
  const elsewhere = ['10.42.0.0', '10.42.0.2', '10.42.0.4'].find(
    address => !node.ipam.owned().some(({ cidr }) => cidr.startsWith(`${address}/`)),
  )
  await t.rejects(give(node, 4, { requested: [elsewhere!] }), { code: 'exhausted' }, 'not by name either')
  node.settings.maxBlocks = 3
  t.ok(await give(node, 4))
})

t.test('at the limit a refusal says whether the blocks are full, or are not those that were asked for', async t => {
  const pools = [pool('a', '10.42.0.0/24', { blockSize: 30 }), pool('b', '10.43.0.0/24', { blockSize: 30 })]
  const node = testNode('n1', new MemoryDatastore(), pools)
  node.settings.maxBlocks = 1
  await node.ipam.load()
  await give(node, 1, { pools: ['a'] })
  const limit = 'node "n1" owns 1 block, as many as it may (maxBlocksPerHost of the IPAMConfiguration), and'
  const asked = '10.42.0.99'
  await t.rejects(give(node, 2, { requested: [asked] }), {
    code: 'exhausted',
    message: `address ${asked}: ${limit} it lies in none of them. Raise the limit, or choose an address of one of them: margayctl ipam show`,
  })
  await t.rejects(give(node, 2, { pools: ['b'] }), {
    code: 'exhausted',
    message: `pool "b" (10.43.0.0/24): ${limit} none of them is of it. Raise the limit, or free addresses: margayctl ipam show`,
  })
  for (const id of [2, 3, 4]) await give(node, id)
  await t.rejects(give(node, 5, { pools: ['a'] }), { message: /, and they are full\. Raise/ })
})

t.test('an address rests before another pod gets it, also over a restart, unless it is asked for by name', async t => {
  let node = testNode('n1', new MemoryDatastore(), [pool('v4', '10.42.0.0/31', { blockSize: 31 })])
  node.settings.cooldown = 600_000
  await node.ipam.load()
  const [first] = [await give(node, 1), await give(node, 2)]
  await node.ipam.release(owner(1))
  node = node.restart()
  node.settings.cooldown = 600_000
  await node.ipam.load()
  await t.rejects(give(node, 3), {
    code: 'exhausted',
    message: /full\. What is free in them rests \(ipCooldownSeconds\)/,
  })
  t.equal(await give(node, 3, { requested: [first] }), first)
  await node.ipam.release(owner(3))
  node.pass(700_000)
  t.equal(await give(node, 4), first)

  await node.ipam.release(owner(4))
  node.pass(-3_600_000)
  await t.rejects(give(node, 5), { code: 'exhausted' })
  node.pass(700_000)
  t.equal(await give(node, 5), first, 'a clock that was set back costs no more than the rest itself')
})

t.test(
  'of all addresses of a node the never used come first, then the one free for longest, whatever its block',
  async t => {
    let node = testNode('n1', new MemoryDatastore(), [
      pool('v4', '10.42.0.0/29', { blockSize: 30 }),
      pool('w4', '10.43.0.0/30', { blockSize: 30, assignmentMode: 'Manual' }),
    ])
    await node.ipam.load()
    const first = await Promise.all([0, 1, 2, 3].map(id => give(node, id)))
    const fifth = await give(node, 4) // of another block
    await node.ipam.release(owner(0))
    const fresh = [await give(node, 5), await give(node, 6), await give(node, 7)]
    t.notOk(
      [...first, fifth].some(address => fresh.includes(address)),
      'none that was used, while others never were',
    )
    await node.ipam.release(owner(6))
    await node.ipam.release(owner(1))
    node = node.restart()
    await node.ipam.load()
    t.same([await give(node, 8), await give(node, 9), await give(node, 10)], [first[0], fresh[1], first[1]])

    await node.ipam.release(owner(8))
    t.match(await give(node, 11, { pools: ['w4'] }), /^10\.43\./)
    await node.ipam.release(owner(11))
    for (const id of [12, 13, 14]) await give(node, id, { pools: ['w4'] })
    t.match(await give(node, 15, { pools: ['w4', 'v4'] }), /^10\.43\./, 'pools that are named have their order')
  },
)

t.test('a node with addresses at rest claims another block rather than wake them', async t => {
  const node = testNode('n1', new MemoryDatastore(), [pool('v4', '10.42.0.0/24', { blockSize: 31 })])
  node.settings.cooldown = 600_000
  await node.ipam.load()
  const used = [await give(node, 1), await give(node, 2)]
  for (const id of [1, 2]) await node.ipam.release(owner(id))
  t.notOk(used.includes(await give(node, 3)))
  t.same(await node.ipam.releaseEmptyBlocks(0), [], 'nor does the block go to a node that knows nothing of their rest')
  node.pass(700_000)
  t.equal((await node.ipam.releaseEmptyBlocks(0)).length, 1)
})

t.test('reserved addresses are given by name only, and blocks of them are not claimed', async t => {
  const node = testNode('n1', new MemoryDatastore(), [pool('v4', '10.42.0.0/29', { blockSize: 30 })])
  node.settings.reserved = ['10.42.0.0/30', '10.42.0.5/32'].map(text => parsePrefix(text)!)
  await node.ipam.load()
  t.same([await give(node, 1), await give(node, 2), await give(node, 3)], ['10.42.0.4', '10.42.0.6', '10.42.0.7'])
  await t.rejects(give(node, 4), { code: 'exhausted', message: /or is reserved \(IPReservation\)/ })
  t.equal(await give(node, 4, { requested: ['10.42.0.5'] }), '10.42.0.5')
  t.equal(await give(node, 5, { requested: ['10.42.0.2'] }), '10.42.0.2')
})

t.test('pools by namespace, use and name', async t => {
  const node = testNode('n1', new MemoryDatastore(), [
    pool('a', '10.42.0.0/24', { namespaceSelector: "kubernetes.io/metadata.name == 'web'" }),
    pool('b', '10.43.0.0/24', { allowedUses: ['Workload'] }),
    pool('c', '10.44.0.0/24', { allowedUses: ['Tunnel'] }),
    pool('d', '10.45.0.0/24', { assignmentMode: 'Manual' }),
  ])
  await node.ipam.load()
  let id = 0
  const from = async (more: Partial<AssignRequest>) => (await give(node, id++, more)).split('.')[1]
  t.equal(await from({ namespace: 'web' }), '42')
  t.equal(await from({ namespace: 'db' }), '43')
  t.equal(await from({}), '43')
  t.equal(await from({ use: 'Tunnel' }), '42', 'a node has no namespace')
  t.equal(await from({ use: 'Tunnel', pools: ['c'] }), '44')
  t.equal(await from({ pools: ['d'] }), '45')
  t.equal(await from({ pools: ['10.45.0.0/24', 'b'] }), '45', 'by CIDR, in the order asked for')
  t.equal(await from({ requested: ['10.45.0.9'] }), '45')
  await t.rejects(from({ pools: ['c'] }), {
    code: 'no-pool',
    message: /^node "n1": none of the pools c serves IPv4 to it\. Apply/,
  })
  await t.rejects(from({ pools: ['e'] }), {
    code: 'no-pool',
    message: 'pool e: there is none of that name or range. List them: margayctl get ippools',
  })
  await t.rejects(from({ requested: ['10.42.0.9'], namespace: 'db' }), { code: 'not-available' })
})

t.test('empty blocks stay for a time, and one with room stays for good', async t => {
  const node = testNode('n1', new MemoryDatastore(), [pool('v4', '10.42.0.0/24', { blockSize: 30 })])
  await node.ipam.load()
  for (let id = 0; id < 10; id++) await give(node, id)
  t.equal(node.ipam.owned().length, 3)
  for (let id = 4; id < 10; id++) await node.ipam.release(owner(id))
  const tidy = async () => (await node.ipam.releaseEmptyBlocks(1, 300_000)).length
  t.equal(await tidy(), 0)
  node.pass(400_000)
  t.equal(await tidy(), 1, 'the last one is full, so an empty one stays')
  await node.ipam.release(owner(0))
  t.equal(await tidy(), 1, 'now that one has room')
  for (let id = 0; id < 4; id++) await node.ipam.release(owner(id))
  node.pass(400_000)
  t.equal(await tidy(), 0)
  node.pools[0] = pool('v4', '10.42.0.0/24', { blockSize: 30, disabled: true })
  t.equal(await tidy(), 1, 'a disabled pool needs none')
  t.same(node.ipam.owned(), [])
})
