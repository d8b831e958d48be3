import t from 'tap'
import { lockKind, lockName } from '../datastore/contract.ts'
import { MemoryDatastore } from '../datastore/memory.ts'
import { blockKind, copyKind } from './index.ts'
import type { IpamError } from './errors.ts'
import { owner, pool, testNode } from './testing.ts'
import { prefixOf, parseAddress, formatPrefix } from '../../inet/index.ts'

const four = { families: [4] } as const
const both = { families: [4, 6] } as const

t.test('a pod gets an address of each family, and the same ones when it asks again', async t => {
  const { ipam } = testNode('n1', new MemoryDatastore(), [pool('v4', '10.42.0.0/16'), pool('v6', 'fd00:42::/112')])
  await ipam.load()
  t.same(ipam.families(), [4, 6])
  const first = await ipam.assign({ ...owner(1), ...both, label: 'default/web' })
  t.same(
    first.addresses.map(({ family, pool }) => [family, pool]),
    [
      [4, 'v4'],
      [6, 'v6'],
    ],
  )
  t.equal(first.repeated, false)
  for (const { address, block, family } of first.addresses)
    t.equal(formatPrefix(prefixOf(parseAddress(address)!, family === 4 ? 26 : 122)), block)
  t.same(await ipam.assign({ ...owner(1), ...both }), { ...first, repeated: true })
  t.match(ipam.show(), {
    node: 'n1',
    blocks: [
      { size: 64, used: 1 },
      { size: 64, used: 1 },
    ],
    addresses: [{ containerId: 'c1', ifName: 'eth0', label: 'default/web', since: /^2026-/ }, { containerId: 'c1' }],
  })
})

t.test('dual stack is all or nothing', async t => {
  const node = testNode('n1', new MemoryDatastore(), [pool('v4', '10.42.0.0/24')])
  await node.ipam.load()
  await t.rejects(node.ipam.assign({ ...owner(1), ...both }), {
    code: 'no-pool',
    message:
      'node "n1": no enabled IPv6 pool selects it. Apply an IPPool, or see nodeSelector, namespaceSelector, allowedUses and disabled: margayctl get ippools -o yaml',
  })
  t.same(node.ipam.show().addresses, [])
})

t.test('every address of a block is given, the longest free first, then another block is claimed', async t => {
  const { ipam } = testNode('n1', new MemoryDatastore(), [pool('v4', '10.42.0.0/28', { blockSize: 30 })])
  await ipam.load()
  const give = async (id: number) => (await ipam.assign({ ...owner(id), ...four })).addresses[0]
  const given = [await give(0), await give(1), await give(2), await give(3)]
  t.equal(new Set(given.map(({ block }) => block)).size, 1)
  const lasts = given.map(({ address }) => Number(address.split('.')[3]) % 4)
  t.same(lasts, [0, 1, 2, 3], 'network and broadcast addresses are addresses like others')
  await ipam.release(owner(2))
  await ipam.release(owner(0))
  t.same([(await give(5)).address, (await give(6)).address], [given[2].address, given[0].address])
  t.not((await give(7)).block, given[0].block)
  t.equal(ipam.owned().length, 2)
})

t.test('the longest free comes first after a restart too', async t => {
  const node = testNode('n1', new MemoryDatastore(), [pool('v4', '10.42.0.0/30', { blockSize: 30 })])
  await node.ipam.load()
  const given: string[] = []
  for (let id = 0; id < 4; id++) given.push((await node.ipam.assign({ ...owner(id), ...four })).addresses[0].address)
  for (const id of [3, 1, 2]) await node.ipam.release(owner(id))
  const { ipam } = node.restart()
  await ipam.load()
  t.same(await ipam.release(owner('unknown')), [], 'nobody loses anything')
  for (const expected of [given[3], given[1], given[2]])
    t.equal((await ipam.assign({ ...owner(expected), ...four })).addresses[0].address, expected)
})

t.test('the datastore is asked only for a new block', async t => {
  const datastore = new MemoryDatastore()
  const { ipam } = testNode('n1', datastore, [pool('v4', '10.42.0.0/24', { blockSize: 31 })])
  await ipam.load()
  await ipam.assign({ ...owner(1), ...four })
  datastore.fail('datastore x: is away. Bring it back.')
  await ipam.assign({ ...owner(2), ...four })
  await t.rejects(ipam.assign({ ...owner(3), ...four }), {
    code: 'unreachable',
    message:
      'node "n1": cannot claim a block for an IPv4 address: datastore x: is away. Bring it back. Addresses that were given stay; try again when the datastore is back.',
  })
  await ipam.release(owner(1))
  await ipam.assign({ ...owner(3), ...four })
  datastore.fail()
  await ipam.assign({ ...owner(4), ...four })
  t.equal(ipam.show().addresses.length, 3)
})

t.test('who hears that its blocks are its own does not ask for them', async t => {
  const datastore = new MemoryDatastore()
  const { ipam } = testNode('n1', datastore, [pool('v4', '10.42.0.0/24')])
  await ipam.load()
  const [{ block }] = (await ipam.assign({ ...owner(1), ...four })).addresses
  const list = datastore.list.bind(datastore)
  let lists = 0
  datastore.list = (...args) => {
    lists++
    return list(...args)
  }
  const others = { cidr: '10.42.0.192/26', node: 'n2' }
  await ipam.refresh(() => [{ cidr: block, node: 'n1' }, others])
  t.equal(lists, 0)
  for (const records of [
    [],
    [others],
    [{ cidr: block, node: 'n2' }],
    [
      { cidr: block, node: 'n1' },
      { ...others, node: 'n1' },
    ],
  ]) {
    lists = 0
    await ipam.refresh(() => records)
    t.not(lists, 0, JSON.stringify(records))
  }
  t.equal(ipam.owned()[0].cidr, block)
})

for (const { name, prevent, allow, message } of [
  {
    name: 'is locked',
    prevent: (store: MemoryDatastore) =>
      store.create(lockKind, lockName, { by: 'op1', since: 'noon', reason: 'disks' }),
    allow: (store: MemoryDatastore) => store.delete(lockKind, lockName),
    message:
      'node "n1": cannot claim a block for an IPv4 address: The datastore was locked by op1, noon (disks): nothing is written until margayctl datastore unlock. Addresses that were given stay; try again when it is unlocked.',
  },
  {
    name: 'refuses this node',
    prevent: async (store: MemoryDatastore) => store.fail('etcd does not know this user.', 'unauthorised'),
    allow: async (store: MemoryDatastore) => store.fail(),
    message:
      /^node "n1": cannot claim a block for an IPv4 address: etcd does not know this user\. .*put the right credentials in place/,
  },
])
  t.test(`a datastore that ${name}: the node starts, gives what it has, and says why no more`, async t => {
    const datastore = new MemoryDatastore()
    const node = testNode('n1', datastore, [pool('v4', '10.42.0.0/24', { blockSize: 31 })])
    await node.ipam.load()
    await node.ipam.assign({ ...owner(1), ...four })
    await prevent(datastore)
    const { ipam } = node.restart()
    await ipam.load()
    await ipam.assign({ ...owner(2), ...four })
    await t.rejects(ipam.assign({ ...owner(3), ...four }), { code: 'unreachable', message })
    await allow(datastore)
    await ipam.assign({ ...owner(3), ...four })
    t.equal(ipam.owned().length, 2)
  })

t.test('a restart without the datastore keeps blocks and addresses', async t => {
  const datastore = new MemoryDatastore()
  const node = testNode('n1', datastore, [pool('v4', '10.42.0.0/24')])
  await node.ipam.load()
  const { addresses } = await node.ipam.assign({ ...owner(1), ...four })
  datastore.fail('away')
  const { ipam } = node.restart()
  await ipam.load()
  t.same(ipam.owned(), node.ipam.owned())
  t.same((await ipam.assign({ ...owner(1), ...four })).addresses, addresses)
  t.not((await ipam.assign({ ...owner(2), ...four })).addresses[0].address, addresses[0].address)
})

t.test('a full cluster is told with the pool and the next step', async t => {
  const datastore = new MemoryDatastore()
  const pools = [pool('small', '10.42.0.0/30', { blockSize: 31 })]
  const [a, b] = [testNode('a', datastore, pools).ipam, testNode('b', datastore, pools).ipam]
  for (const id of [1, 2]) await a.assign({ ...owner(id), ...four })
  for (const id of [1, 2]) await b.assign({ ...owner(id), ...four })
  await t.rejects(a.assign({ ...owner(3), ...four }), {
    code: 'exhausted',
    message:
      'pool "small" (10.42.0.0/30): every block is taken, and those of node "a" are full. Add a pool, or free addresses: margayctl ipam show',
  })
  await t.rejects(testNode('c', datastore, pools).ipam.assign({ ...owner(1), ...four }), {
    message: /every block is taken, and none of them by node "c"\. Add a pool/,
  })
})

t.test('pools: disabled ones and those for other nodes give nothing new, and lose nothing', async t => {
  const node = testNode('n1', new MemoryDatastore(), [
    pool('a', '10.42.0.0/24'),
    pool('b', '10.43.0.0/24', { nodeSelector: "rack == 'r1'" }),
  ])
  await node.ipam.load()
  const from = async (id: number) => (await node.ipam.assign({ ...owner(id), ...four })).addresses[0].pool
  t.equal(await from(1), 'a')
  node.pools[0] = pool('a', '10.42.0.0/24', { disabled: true })
  await t.rejects(from(2), { code: 'no-pool' })
  node.labels['rack'] = 'r1'
  t.equal(await from(2), 'b')
  t.equal(await from(1), 'a', 'who has an address keeps it')
  t.equal(node.ipam.owned().length, 2)
})

t.test('an address may be asked for by name', async t => {
  const datastore = new MemoryDatastore()
  const pools = [pool('v4', '10.42.0.0/24')]
  const [a, b] = [testNode('a', datastore, pools).ipam, testNode('b', datastore, pools).ipam]
  const ask = async (ipam: typeof a, id: number, address: string) =>
    (await ipam.assign({ ...owner(id), ...four, requested: [address] })).addresses[0].address
  t.equal(await ask(a, 1, '10.42.0.70'), '10.42.0.70')
  for (const [ipam, address, message] of [
    [a, '10.42.0.70', 'address 10.42.0.70: another pod has it. Delete that pod first, or choose another address.'],
    [
      b,
      '10.42.0.71',
      'address 10.42.0.71: its block belongs to node "a". Run the pod there, or choose another address.',
    ],
    [
      a,
      '10.99.0.1',
      'address 10.99.0.1: no enabled pool for this pod and node holds it. Choose one of a pool, or ask for none.',
    ],
  ] as const)
    await t.rejects(ask(ipam, 2, address), { code: 'not-available', message })
  t.same(b.owned(), [])
})

t.test('blocks of another size left by an older pool are never overlapped', async t => {
  const datastore = new MemoryDatastore()
  const old = testNode('a', datastore, [pool('p', '10.42.0.0/24', { blockSize: 28 })]).ipam
  for (let id = 0; id < 40; id++) await old.assign({ ...owner(id), ...four })
  const { ipam } = testNode('b', datastore, [pool('p', '10.42.0.0/24', { blockSize: 26 })])
  const theirs = old.show().addresses.map(row => row.address)
  const given: string[] = []
  await t.rejects(
    (async () => {
      for (let id = 0; ; id++) given.push((await ipam.assign({ ...owner(id), ...four })).addresses[0].address)
    })(),
    { code: 'exhausted' },
  )
  t.ok(given.length > 0)
  t.same(
    given.filter(address => theirs.includes(address)),
    [],
  )
})

t.test('empty blocks are given back, and told before they are', async t => {
  const datastore = new MemoryDatastore()
  const { ipam } = testNode('n1', datastore, [pool('v4', '10.42.0.0/24', { blockSize: 31 })])
  await ipam.load()
  const told: string[][] = []
  ipam.onBlocks(blocks => told.push(blocks.map(block => block.cidr)))
  for (let id = 0; id < 6; id++) await ipam.assign({ ...owner(id), ...four })
  t.same(
    told.map(blocks => blocks.length),
    [1, 2, 3],
  )
  t.same(await ipam.releaseEmptyBlocks(0), [])
  for (let id = 0; id < 4; id++) await ipam.release(owner(id))
  t.equal((await ipam.releaseEmptyBlocks(1)).length, 1)
  t.equal(told.at(-1)?.length, 2)
  t.equal((await datastore.list(blockKind)).entries.length, 2)
})

t.test('the addresses are copied to the datastore, late and without anyone waiting', async t => {
  const datastore = new MemoryDatastore()
  const { ipam } = testNode('n1', datastore, [pool('v4', '10.42.0.0/24')])
  const [{ address, block }] = (await ipam.assign({ ...owner(1), ...four })).addresses
  datastore.fail('away')
  await ipam.assign({ ...owner(2), ...four })
  await ipam.stop()
  datastore.fail()
  await ipam.stop()
  const [copy] = (await datastore.list(copyKind)).entries
  t.match(copy.value, { node: 'n1', cidr: block, addresses: { [address]: { containerId: 'c1' } } })
  t.equal(Object.keys((copy.value as { addresses: object }).addresses).length, 2)
})

t.test('a node that lost its store rebuilds it before it gives any address', async t => {
  const datastore = new MemoryDatastore()
  const pools = [pool('v4', '10.42.0.0/29', { blockSize: 29 })]
  const before = testNode('n1', datastore, pools).ipam
  await before.load()
  for (const id of [1, 2]) await before.assign({ ...owner(id), ...four })
  await before.stop()
  const late = (await before.assign({ ...owner(3), ...four })).addresses[0].address // after the last copy
  const taken = before.show().addresses.map(row => row.address)

  const { ipam } = testNode('n1', datastore, pools)
  datastore.fail('away')
  await ipam.load({ inUse: [{ address: late }] })
  await t.rejects(ipam.assign({ ...owner(4), ...four }), {
    code: 'unreachable',
    message:
      /^node "n1": cannot learn which addresses are in use, as its own store is new or older than its pods: away/,
  })
  datastore.fail()
  const given: string[] = []
  for (let id = 4; id < 9; id++) given.push((await ipam.assign({ ...owner(id), ...four })).addresses[0].address)
  t.same(
    given.filter(address => taken.includes(address)),
    [],
  )
  t.equal(given.length, 5)
  await t.rejects(ipam.assign({ ...owner(9), ...four }), { code: 'exhausted' })

  const freed = await ipam.releaseExcept(row => row.containerId !== '')
  t.same(freed, [late], 'what was only seen in use goes when it is seen no more')
  t.equal((await ipam.assign({ ...owner(1), ...four })).repeated, true, 'who is known from a copy keeps its address')
})

t.test('a store of another node is refused', async t => {
  const datastore = new MemoryDatastore()
  const node = testNode('n1', datastore, [pool('v4', '10.42.0.0/24')])
  await node.ipam.load()
  const other = testNode('n2', datastore, node.pools, node.disk.tables)
  await t.rejects(other.ipam.load(), {
    code: 'wrong-store',
    message:
      'node store of node "n1": this node is called "n2", and would give out that node\'s addresses. Start with the old name, or with another store.',
  })
})

t.test('a block whose record cannot be read any more, as a newer Margay’s, stays in force', async t => {
  const datastore = new MemoryDatastore()
  const { ipam } = testNode('n1', datastore, [pool('v4', '10.42.0.0/28', { blockSize: 30 })])
  await ipam.load()
  await ipam.assign({ ...owner(1), ...four })
  const [{ cidr }] = ipam.owned()
  const [{ name, version }] = (await datastore.list(blockKind)).entries
  await datastore.update(blockKind, name, {}, version)
  await ipam.refresh()
  t.match(ipam.owned(), [{ cidr }])
  t.same(ipam.show().problems, [])
  t.match((await datastore.get(blockKind, name))?.value, {}, 'the record stays as it is')
  t.match((await ipam.assign({ ...owner(2), ...four })).addresses, [{ block: cidr }])
})

t.test('nobody claims what overlaps a block whose record cannot be read', async t => {
  for (const { cidr, length, part, families } of [
    { cidr: '10.42.0.0/29', length: 29, part: '10-42-0-4-30', families: [4] },
    { cidr: 'fd00:42::/125', length: 125, part: 'fd00-42---126', families: [6] },
  ] as const) {
    const datastore = new MemoryDatastore()
    const { ipam } = testNode('n1', datastore, [pool('p', cidr, { blockSize: length })])
    await ipam.load()
    await datastore.create(blockKind, part, {})
    await t.rejects(ipam.assign({ ...owner(1), families: [...families] }), { code: 'exhausted' })
    t.match((await datastore.list(blockKind)).entries, [{ name: part }], 'nor leaves a record')
    t.equal((await datastore.list(blockKind)).entries.length, 1)
  }
})

t.test('a datastore that lost the records: blocks with pods are claimed again, unless somebody was faster', async t => {
  const pools = [pool('v4', '10.42.0.0/28', { blockSize: 30 })]
  const node = testNode('n1', new MemoryDatastore(), pools)
  await node.ipam.load()
  for (let id = 0; id < 5; id++) await node.ipam.assign({ ...owner(id), ...four })
  const [first, second] = node.ipam.owned().map(block => block.cidr)

  const empty = new MemoryDatastore()
  await empty.create('Node', 'n2', {})
  const thief = testNode('n2', empty, pools).ipam
  await thief.assign({ ...owner('x'), ...four, requested: [second.split('/')[0]] })
  const after = testNode('n1', empty, pools, node.disk.tables).ipam
  await after.load()
  t.same(
    after.owned().map(block => block.cidr),
    [first],
  )
  t.match(after.show().problems, [
    `block ${second}: the datastore says that it is node "n2"'s, so nothing more is given from it. Delete the pods of this node that have addresses in it.`,
  ])
  t.equal((await empty.list(blockKind)).entries.length, 2)
})

t.test('nodes that claim at once never share a block', async t => {
  const datastore = new MemoryDatastore()
  const pools = [pool('v4', '10.42.0.0/25', { blockSize: 30 })]
  const nodes = Array.from({ length: 8 }, (_, i) => testNode(`n${i}`, datastore, pools).ipam)
  const results = await Promise.allSettled(
    nodes.flatMap(ipam => Array.from({ length: 20 }, (_, id) => ipam.assign({ ...owner(id), ...four }))),
  )
  const given = results.flatMap(result => (result.status === 'fulfilled' ? result.value.addresses[0].address : []))
  t.equal(given.length, 128, 'the pool is used up to the last address')
  t.equal(new Set(given).size, 128)
  for (const result of results)
    if (result.status === 'rejected') t.equal((result.reason as IpamError).code, 'exhausted')
  const blocks = nodes.flatMap(ipam => ipam.owned().map(block => block.cidr))
  t.equal(new Set(blocks).size, 32)
})

t.test('a start does not wait for a datastore that hangs: what the own store knows is in force', async t => {
  class Hanging extends MemoryDatastore {
    isHung = false
    override list(...given: Parameters<MemoryDatastore['list']>) {
      return this.isHung ? new Promise<never>(() => undefined) : super.list(...given)
    }
  }
  const datastore = new Hanging()
  const node = testNode('n1', datastore, [pool('v4', '10.42.0.0/29', { blockSize: 29 })])
  await node.ipam.load()
  const [{ address }] = (await node.ipam.assign({ ...owner(1), families: [4] })).addresses
  datastore.isHung = true
  const next = node.restart()
  await next.ipam.load()
  t.match(next.ipam.show(), { blocks: [{ cidr: '10.42.0.0/29' }], addresses: [{ address }] })
  t.equal((await next.ipam.assign({ ...owner(2), families: [4] })).addresses.length, 1)
})
