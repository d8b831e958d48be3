// A block is split when the pool has none left (docs/ipam.md).

import t from 'tap'
import { formatPrefix, parseAddress, parsePrefix } from '../../inet/index.ts'
import { MemoryDatastore } from '../datastore/memory.ts'
import type { IPPoolResource } from '../resources/index.ts'
import { gaps, pieceAround, remainder } from './parts.ts'
import { blockKind, copyKind } from './records.ts'
import { requestKind } from './requests.ts'
import { owner, pool, type TestNode, testNode } from './testing.ts'

const four = { families: [4] } as const
const prefix = (text: string) => parsePrefix(text)!
const give = async (node: TestNode, id: string | number, requested?: string) =>
  (await node.ipam.assign({ ...owner(id), ...four, ...(requested && { requested: [requested] }) })).addresses[0].address
const cidrsOf = (node: TestNode) => node.ipam.owned().map(({ cidr }) => cidr)

t.test('what is left of a block without a part', async t => {
  for (const [block, part, left] of [
    ['10.0.0.0/30', '10.0.0.3/32', ['10.0.0.0/31', '10.0.0.2/32']],
    ['10.0.0.0/30', '10.0.0.0/31', ['10.0.0.2/31']],
    ['10.0.0.0/30', '10.0.0.0/30', []],
    ['fd00::/122', 'fd00::20/123', ['fd00::/123']],
  ] as const)
    t.same(remainder(prefix(block), prefix(part)).map(formatPrefix), left)
})

t.test('what lies between the parts of blocks that were split', async t => {
  const taken = ['10.0.0.0/26', '10.0.0.64/27', '10.0.0.96/32', '10.0.0.112/28', '10.0.9.0/32'].map(prefix)
  t.same(gaps(prefix('10.0.0.0/24'), 26, taken).map(formatPrefix), [
    '10.0.0.104/29',
    '10.0.0.100/30',
    '10.0.0.98/31',
    '10.0.0.97/32',
  ])
  t.same(gaps(prefix('10.0.0.0/25'), 26, [prefix('10.0.0.0/24'), prefix('10.0.0.5/32')]), [])
  const around = (text: string) => pieceAround(parseAddress(text)!, 26, taken)
  t.same(
    ['10.0.0.99', '10.0.0.107', '10.0.0.200'].map(text => formatPrefix(around(text)!)),
    ['10.0.0.98/31', '10.0.0.104/29', '10.0.0.192/26'],
  )
  t.equal(around('10.0.0.96'), undefined)
})

const asking = (name: string, datastore: MemoryDatastore, pools: IPPoolResource[], patience = 0) =>
  testNode(name, datastore, pools, undefined, undefined, patience)

/** One block of the pool's, which n1 has, with `used` pods; n2 has none and has asked. */
async function asked(cidr: string, used: number, blockSize: number) {
  const datastore = new MemoryDatastore()
  const pools = [pool('v4', cidr, { blockSize })]
  const [giver, taker] = [asking('n1', datastore, pools), asking('n2', datastore, pools)]
  await giver.ipam.load()
  await taker.ipam.load()
  const given: string[] = []
  for (let id = 0; id < used; id++) given.push(await give(giver, id))
  await giver.ipam.stop()
  await t.rejects(give(taker, 'x'), {
    code: 'asked',
    message: /every block is taken.* Node "n1" is asked to leave a part of a block: try again\./,
  })
  return { datastore, giver, taker, given, pools }
}

t.test('a node that finds no block owns a part of another’s; the rest stays its owner’s', async t => {
  const { datastore, giver, taker, given } = await asked('10.42.0.0/26', 4, 26)
  t.same(await giver.ipam.serveRequests(), [{ block: '10.42.0.0/26', part: '10.42.0.56/29' }], 'at most a quarter')
  t.same((await datastore.list(requestKind)).entries, [], 'the request is answered')
  t.same(cidrsOf(giver).toSorted(), ['10.42.0.0/27', '10.42.0.32/28', '10.42.0.48/29'])
  t.equal(await give(taker, 'x'), '10.42.0.56')
  t.same(cidrsOf(taker), ['10.42.0.56/29'])
  for (const [id, address] of given.entries()) t.equal(await give(giver, id), address, 'pods keep their addresses')
  t.same(
    giver.ipam.show().addresses.map(({ block }) => block),
    given.map(() => '10.42.0.0/27'),
  )
  await giver.ipam.stop()
  t.same(
    (await datastore.list(copyKind)).entries.map(({ name }) => name),
    ['10-42-0-0-27'],
    'the copies are those of the parts',
  )

  const all = new Set([...given, '10.42.0.56'])
  for (let id = 10; id < 62; id++) all.add(await give(giver, id))
  for (let id = 10; id < 17; id++) all.add(await give(taker, id))
  t.equal(all.size, 64, 'each address once')
  t.equal(await give(taker.restart(), 'x'), '10.42.0.56')
})

t.test('the last free address alone goes over, and comes back', async t => {
  const { datastore, giver, taker, given } = await asked('10.42.0.0/30', 3, 30)
  t.match(await giver.ipam.serveRequests(), [{ part: '10.42.0.3/32' }])
  t.equal(await give(taker, 'x'), '10.42.0.3')
  await giver.ipam.stop()
  await taker.ipam.stop()
  await t.rejects(give(giver, 9), { code: 'exhausted' }, 'nobody has anything')
  await taker.ipam.release(owner('x'))
  await taker.ipam.releaseEmptyBlocks(0)
  t.equal(await give(giver, 9), '10.42.0.3')
  for (const id of [0, 1, 2, 9]) await giver.ipam.release(owner(id))
  await giver.ipam.releaseEmptyBlocks(0)
  t.same((await datastore.list(blockKind)).entries, [])
  await give(taker, 'y')
  t.same(cidrsOf(taker), ['10.42.0.0/30'], 'the block is whole again')
  t.equal(given.length, 3)
})

t.test('what rests or is reserved is not left to others, and a full node has nothing to leave', async t => {
  const { giver, taker } = await asked('10.42.0.0/30', 3, 30)
  giver.settings.reserved = [prefix('10.42.0.3/32')]
  giver.settings.cooldown = 600_000
  await giver.ipam.release(owner(0))
  t.same(await giver.ipam.serveRequests(), [])
  giver.pass(700_000)
  await t.rejects(give(taker, 'x'), { code: 'exhausted' }, 'who had nothing is not asked again at once')
  taker.pass(700_000)
  await t.rejects(give(taker, 'x'), { code: 'asked' })
  t.match(await giver.ipam.serveRequests(), [{ part: '10.42.0.0/32' }])
  t.equal(await give(taker, 'x'), '10.42.0.0')
})

t.test('who was full when asked is asked again as soon as it has room', async t => {
  const { giver, taker } = await asked('10.42.0.0/30', 3, 30)
  await give(giver, 9)
  t.same(await giver.ipam.serveRequests(), [])
  await giver.ipam.stop()
  await t.rejects(give(taker, 'x'), { code: 'exhausted' })
  await giver.ipam.release(owner(9))
  await giver.ipam.stop()
  await t.rejects(give(taker, 'x'), { code: 'asked' })
  t.match(await giver.ipam.serveRequests(), [{ part: '10.42.0.3/32' }])
  t.equal(await give(taker, 'x'), '10.42.0.3')
})

t.test('an address of a free part may be asked for by name; one of another’s part may not', async t => {
  const { giver, taker } = await asked('10.42.0.0/28', 4, 28)
  await giver.ipam.serveRequests()
  t.same(cidrsOf(giver).toSorted(), ['10.42.0.0/29', '10.42.0.12/31', '10.42.0.8/30'])
  t.equal(await give(taker, 'x', '10.42.0.15'), '10.42.0.15')
  t.same(cidrsOf(taker), ['10.42.0.14/31'])
  await t.rejects(give(taker, 'y', '10.42.0.12'), { message: /belongs to node "n1"/ })
})

t.test('assign waits for what another node was asked for, if it may', async t => {
  const { datastore, giver, pools } = await asked('10.42.0.0/28', 4, 28)
  const patient = asking('n3', datastore, pools, 60_000)
  await patient.ipam.load()
  const address = give(patient, 'x')
  while ((await giver.ipam.serveRequests()).length === 0) await new Promise(resolve => setTimeout(resolve, 10))
  t.match(await address, /^10\.42\.0\.1\d$/)
})

t.test('a split that broke off is finished or taken back, as the own store says', async t => {
  for (const fails of ['at the first part', 'after the first part', 'before the block’s record goes'] as const) {
    const { datastore, giver, given, taker } = await asked('10.42.0.0/30', 3, 30)
    const before = datastore.delete.bind(datastore)
    const create = datastore.create.bind(datastore)
    let creates = 0
    datastore.create = (...entry) => {
      const count = entry[0] === blockKind ? creates++ : -1
      if ((fails === 'at the first part' && count === 0) || (fails === 'after the first part' && count === 1))
        datastore.fail('away')
      return create(...entry)
    }
    datastore.delete = (...entry) => {
      if (fails === 'before the block’s record goes' && entry[0] === blockKind) datastore.fail('away')
      return before(...entry)
    }
    await t.rejects(giver.ipam.serveRequests(), { code: 'unreachable' })
    datastore.create = create
    datastore.delete = before
    datastore.fail()
    const again = giver.restart()
    await again.ipam.load()
    const records = (await datastore.list(blockKind)).entries.map(({ value }) => (value as { cidr: string }).cidr)
    t.same(cidrsOf(again).toSorted(), records.toSorted(), 'records and store agree')
    const isDone = fails === 'before the block’s record goes'
    t.same(records.toSorted(), isDone ? ['10.42.0.0/31', '10.42.0.2/32'] : ['10.42.0.0/30'], fails)
    if (!isDone) await again.ipam.serveRequests()
    t.equal(await give(taker, 'x'), '10.42.0.3')
    for (const [id, address] of given.entries()) t.equal(await give(again, id), address)
  }
})
