import t from 'tap'
import { lockKind, lockName, type Version } from '../datastore/contract.ts'
import { MemoryDatastore } from '../datastore/memory.ts'
import { checkCluster } from './cluster-check.ts'
import { blocksOfNode, freeBlocks } from './decommission.ts'
import { isStrange } from './known-kinds.ts'
import { blockKind, copyKind } from './records.ts'
import { owner, pool, testNode } from './testing.ts'

/** Of which each has a pod. */
async function twoNodes(): Promise<MemoryDatastore> {
  const datastore = new MemoryDatastore()
  const pools = [pool('v4', '10.42.0.0/24')]
  await datastore.create('IPPool', 'v4', pools[0])
  for (const name of ['n1', 'n2']) {
    await datastore.create('Node', name, {})
    const { ipam } = testNode(name, datastore, pools)
    await ipam.load()
    await ipam.assign({ ...owner(1), families: [4], label: `web/${name}` })
    await ipam.stop()
  }
  return datastore
}

t.test('records that agree, and those that do not', async t => {
  const datastore = await twoNodes()
  t.same(await checkCluster(datastore), [])

  const [block] = (await datastore.list(blockKind)).entries
  const { cidr, node } = block.value as { cidr: string; node: string }
  const copy = (await datastore.get(copyKind, block.name))!.value as { addresses: Record<string, object> }
  const [[address, row]] = Object.entries(copy.addresses)
  const inside = `${cidr.split('/')[0]}/28`
  await datastore.create(blockKind, inside.replaceAll(/[./]/g, '-'), {
    cidr: inside,
    node: 'n3',
    pool: 'v4',
    claimedAt: '',
  })
  await datastore.create(blockKind, '10-99-0-0-26', { cidr: '10.99.0.0/26', node: 'n1', pool: 'old', claimedAt: '' })
  await datastore.create(blockKind, 'broken', 'what is this')
  await datastore.create(copyKind, 'left', { node: 'n4', cidr: '10.42.9.0/26', addresses: { [address]: row } })
  for (const name of ['a', 'b', 'c d', 'e']) await datastore.create('Widget', name, { of: 'somebody else' })
  const found = await checkCluster(datastore)
  t.same(found.map(({ kind, object, repair }) => `${kind} ${object}${repair ? ' fixable' : ''}`).toSorted(), [
    `dead-node ${inside}`,
    `duplicate ${address}`,
    `duplicate ${inside}`,
    'no-pool 10.99.0.0/26',
    'orphan-copy left fixable',
    'unknown-kind Widget',
    'unreadable broken',
  ])
  t.match(
    found.find(({ object }) => object === address)?.text,
    `web/${node} on node "${node}" and web/${node} on node "n4"`,
  )
  t.match(
    found.find(({ kind }) => kind === 'unknown-kind')?.text,
    /a newer one wrote these records, or another program: a, b, c d and 1 more\. They stay.*: margayctl datastore delete Widget a, and so on\./,
  )
  t.match(
    found.find(({ kind }) => kind === 'unreadable')?.text,
    /this Block record cannot be read: it has not the fields of one\. .*: margayctl datastore delete Block broken\./,
  )
  await datastore.create(lockKind, lockName, {})
  for (const { repair } of found) if (repair) await t.rejects(repair(), { code: 'locked' })
  await datastore.delete(lockKind, lockName)
  for (const { repair } of found) t.not(await repair?.(), false)
  t.notOk((await checkCluster(datastore)).some(({ object }) => object === 'left' || object === address))

  const newer = { version: '!1' as Version, value: {}, newer: 2, unreadable: 'a newer Margay wrote it' }
  const seen: typeof datastore.list = async (kind, page) => {
    const { entries, next } = await datastore.list(kind, page)
    return { entries: kind === copyKind ? entries.map(entry => ({ ...entry, ...newer })) : entries, next }
  }
  await datastore.create('IPPool', 'spoiled', null)
  const later = await checkCluster(
    Object.create(datastore, { list: { value: seen }, kinds: { value: () => datastore.kinds() } }) as typeof datastore,
  )
  t.match(
    later.filter(({ kind }) => kind === 'unreadable').map(({ object, text, repair }) => ({ object, text, repair })),
    [
      { object: 'spoiled', text: 'this IPPool record cannot be read', repair: undefined },
      { object: 'broken', text: 'this Block record cannot be read', repair: undefined },
      ...Array.from({ length: 2 }, () => ({
        text: 'AddressCopy record cannot be read: a newer Margay',
        repair: undefined,
      })),
    ],
    'what a newer Margay wrote stays',
  )
  t.notOk(later.some(({ kind }) => kind === 'no-pool' || kind === 'orphan-copy'))
})

t.test('a record that is not called as its block is nobody’s, and told', async t => {
  const pools = [pool('v4', '10.42.0.0/30', { blockSize: 31 })]
  const datastore = new MemoryDatastore()
  await datastore.create('IPPool', 'v4', pools[0])
  await datastore.create('Node', 'n1', {})
  const node = testNode('n1', datastore, pools)
  await node.ipam.load()
  const [first] = (await node.ipam.assign({ ...owner(1), families: [4], requested: ['10.42.0.0'] })).addresses
  await node.ipam.stop()
  // It tells of the block that n1 has by the record that is in order.
  const value = { cidr: first.block, node: 'n9', pool: 'v4', claimedAt: '' }
  for (const name of ['10-42-0-2-31', 'somewhere']) await datastore.create(blockKind, name, value)
  const text = {
    '10-42-0-2-31': `this Block record cannot be read: it says that node "n9" has block 10.42.0.0/31, whose record is called 10-42-0-0-31. Nobody has a block by it, and until it is deleted nobody can claim 10.42.0.2/31. Find out what wrote it, and delete the record: margayctl datastore delete Block 10-42-0-2-31.`,
    somewhere: `this Block record cannot be read: it says that node "n9" has block 10.42.0.0/31, whose record is called 10-42-0-0-31. Nobody has a block by it. Find out what wrote it, and delete the record: margayctl datastore delete Block somewhere.`,
  }
  t.same(
    await checkCluster(datastore),
    Object.entries(text).map(([object, each]) => ({ kind: 'unreadable', object, text: each })),
  )

  await node.ipam.refresh()
  t.match(node.ipam.owned(), [{ cidr: first.block }], 'whose block it is stays so')
  const another = { ...owner(2), families: [4] } as const
  await t.rejects(node.ipam.assign({ ...another, requested: ['10.42.0.2'] }), {
    code: 'not-available',
    message:
      /^address 10\.42\.0\.2: the record of block 10\.42\.0\.2\/31 in the datastore cannot be read: it says that node "n9" has .* delete Block 10-42-0-2-31$/,
  })
  await node.ipam.assign(another)
  await t.rejects(node.ipam.assign({ ...owner(3), families: [4] }), {
    code: 'exhausted',
    message: /are full.*; the record of block 10\.42\.0\.2\/31 .*margayctl datastore delete Block 10-42-0-2-31$/,
  })
  t.ok(isStrange((await datastore.get(blockKind, '10-42-0-2-31'))!), 'so the command deletes it')
  t.same(
    (await blocksOfNode(datastore, 'n9')).map(({ cidr }) => cidr),
    ['10.42.0.0/31', '10.42.0.0/31'],
  )
  await freeBlocks(datastore, 'n9', '2026-01-02T00:00:00.000Z')
  t.same(await checkCluster(datastore), [], 'and so does a decommission of its node')
  t.match((await node.ipam.assign({ ...owner(3), families: [4] })).addresses, [{ block: '10.42.0.2/31' }])
})

t.test(
  'an address that a note has for a block that it does not lie in: the note is wrong, and no pod has to go',
  async t => {
    const datastore = await twoNodes()
    const copies = (await datastore.list(copyKind)).entries
    const of = (node: string) => copies.find(({ value }) => (value as { node: string }).node === node)!
    const addresses = { ...(of('n1').value as { addresses: object }).addresses }
    await datastore.update(copyKind, of('n2').name, { ...(of('n2').value as object), addresses }, of('n2').version)
    t.match(await checkCluster(datastore), [
      { kind: 'duplicate', text: /for node "n2" in a block that it does not lie in.*Delete no pod.*on node "n2"/ },
    ])
  },
)

for (const node of ['', 'Rack_1', '--yes', 'a b'])
  t.test(
    `records of node "${node}", which no Node can be, cannot be read, and nobody is told to decommission it`,
    async t => {
      const datastore = await twoNodes()
      const [{ name, value, version }] = (await datastore.list(blockKind)).entries
      await datastore.update(blockKind, name, { ...(value as object), node }, version)
      const row = { network: 'n', containerId: 'c', ifName: 'eth0', pool: 'v4', since: '' }
      await datastore.create(copyKind, `${node}.outside`, { node, cidr: '', addresses: { '10.9.0.1': row } })
      const found = await checkCluster(datastore)
      const said = `no Node can have that name. Find out what wrote it, and delete the record: margayctl datastore delete`
      t.match(
        found
          .toSorted((a, b) => (a.object < b.object ? -1 : 1))
          .map(({ kind, object }) => `${kind} ${object}`)
          .toSorted(),
        [`unreadable ${name}`, `unreadable ${node}.outside`].toSorted(),
      )
      for (const { text } of found) t.ok(text.includes(said) && !text.includes('decommission'), text)
      for (const kind of [blockKind, copyKind])
        for (const entry of (await datastore.list(kind)).entries)
          t.equal(isStrange(entry), (entry.value as { node: string }).node === node, entry.name)
      // Whose it was goes on with it, and nobody else has it.
      const before = (value as { node: string }).node
      for (const who of ['n1', 'n2']) {
        const { ipam } = testNode(who, datastore, [pool('v4', '10.42.0.0/24')])
        await ipam.load()
        await ipam.assign({ ...owner(2), families: [4] })
        t.notOk(who !== before && ipam.owned().some(({ cidr }) => cidr === (value as { cidr: string }).cidr), who)
        await ipam.stop()
      }
      t.match((await datastore.get(blockKind, name))?.value, { node }, 'it stays')
    },
  )

t.test('a pod that two copies of its node name is one pod', async t => {
  const datastore = await twoNodes()
  const [block] = (await datastore.list(blockKind)).entries.filter(
    ({ value }) => (value as { node: string }).node === 'n1',
  )
  const copy = (await datastore.get(copyKind, block.name))!.value as { addresses: Record<string, object> }
  await datastore.create(copyKind, 'n1.outside', { node: 'n1', addresses: copy.addresses })
  await datastore.update(blockKind, block.name, { ...(block.value as object), node: 'n2' }, block.version)
  const told = (await checkCluster(datastore)).find(({ kind }) => kind === 'no-block')?.text
  t.match(told, /^web\/n1 on node "n1" has it, and its block .* is node "n2"'s/)
})
