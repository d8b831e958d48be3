// Blocks that are claimed before the last address is given. That no block comes to two nodes by it: adversary.test.ts.

import t from 'tap'
import { parsePrefix } from '../../inet/index.ts'
import { lockKind, lockName } from '../datastore/contract.ts'
import { MemoryDatastore } from '../datastore/memory.ts'
import type { IPPoolResource } from '../resources/index.ts'
import { freeBlocks } from './decommission.ts'
import { Ipam } from './ipam.ts'
import { blockKind, type Owner } from './records.ts'
import { ipamSettings, type IpamSettings } from './settings.ts'
import { MortalDisk, owner, pool } from './testing.ts'
import type { AssignRequest } from './types.ts'

interface Setting {
  readonly pools?: readonly IPPoolResource[]
  readonly settings?: Partial<IpamSettings>
  readonly disk?: MortalDisk
  readonly datastore?: MemoryDatastore
  readonly isWelcome?: boolean
}

/** A node with blocks of eight, whose clock stands still, and a datastore whose new records of blocks can be kept waiting. */
async function node({ pools, settings, disk = new MortalDisk(), datastore, isWelcome = true }: Setting = {}) {
  const store = datastore ?? new MemoryDatastore()
  const gate = { waits: Promise.resolve(), asked: 0 }
  const create = store.create.bind(store)
  store.create = async (kind, name, value) => {
    if (kind === blockKind) gate.asked++
    if (kind === blockKind) await gate.waits
    return create(kind, name, value)
  }
  const clock = { ms: Date.UTC(2026, 0, 1) }
  const timers = new Set<() => void>()
  const labels: Record<string, string> = {}
  const current = [...(pools ?? [pool('v4', '10.42.0.0/24', { blockSize: 29 })])]
  const ipam = new Ipam({
    node: 'n1',
    datastore: store,
    nodeStore: disk,
    pools: () => current,
    labels: () => labels,
    settings: () => ({ ...ipamSettings([], []), maxBlocks: 0, ...settings }),
    now: () => new Date(clock.ms),
    timer: (_, look) => {
      timers.add(look)
      return () => timers.delete(look)
    },
    ahead: () => (isWelcome ? [] : undefined),
  })
  await ipam.load()
  const turns = (): Promise<void> => new Promise(resolve => setTimeout(resolve, 20))
  /** The moment without new pods. */
  const rest = async (): Promise<void> => {
    await turns()
    for (const look of timers) {
      timers.delete(look)
      look()
    }
    await turns()
  }
  let given = 0
  const give = async (count: number, more: Partial<AssignRequest> = {}): Promise<readonly string[]> => {
    const all = Array.from({ length: count }, () => ipam.assign({ ...owner(given++), families: [4], ...more }))
    return (await Promise.all(all)).map(({ addresses }) => addresses[0].address)
  }
  const count = () => ipam.owned().length
  return { ipam, gate, clock, give, turns, rest, count, datastore: store, disk, pools: current, labels }
}

const owners = (from: number, to: number): Owner[] => Array.from({ length: to - from }, (_, i) => owner(from + i))

t.test('a full node gives the next address without the datastore', async t => {
  const { datastore, give, rest, count } = await node()
  await give(3)
  await rest()
  t.equal(count(), 1, 'more than half of the block is free')
  await give(1)
  await rest()
  t.equal(count(), 2)
  await rest()
  t.equal(count(), 2, 'one is enough')
  datastore.fail('away')
  t.equal(new Set(await give(12)).size, 12)
})

t.test('while pods come it waits, but not until nothing is left', async t => {
  const { give, turns, count, gate } = await node()
  for (let i = 0; i < 5; i++) {
    await give(1)
    await turns()
    t.equal(count(), 1, `${i + 1} pods`)
  }
  await give(1)
  await turns()
  t.equal(count(), 2, 'a quarter is left')
  t.equal(gate.asked, 2)
})

t.test('as many pods may come again: that few addresses were left counts, also if pods end meanwhile', async t => {
  const { ipam, give, rest, count } = await node()
  await give(4)
  for (const each of owners(0, 4)) await ipam.release(each)
  await rest()
  t.equal(count(), 2)
})

const reserved = Array.from({ length: 32 }, (_, i) => parsePrefix(`10.42.0.${8 * i + 7}/32`)!)
const two = [pool('a', '10.42.0.0/27', { blockSize: 29 }), pool('b', '10.43.0.0/24', { blockSize: 29 })]
const cases: readonly { readonly name: string; readonly blocks: number; readonly setting: Setting }[] = [
  { name: 'the node owns as many blocks as it may', blocks: 1, setting: { settings: { maxBlocks: 1 } } },
  { name: 'none is to be kept', blocks: 1, setting: { settings: { keepBlocks: 0 } } },
  { name: 'it is not the time', blocks: 1, setting: { isWelcome: false } },
  {
    name: 'half of the pool is exceeded',
    blocks: 1,
    setting: { pools: [pool('a', '10.42.0.0/28', { blockSize: 29 })] },
  },
  { name: 'half of the pool is not exceeded', blocks: 2, setting: { pools: two } },
  { name: 'of what is free some rests', blocks: 2, setting: { settings: { cooldown: 600_000 } } },
  { name: 'of what is free some is reserved', blocks: 2, setting: { settings: { reserved } } },
]
for (const { name, blocks, setting } of cases)
  t.test(`when few are left: ${name}`, async t => {
    const { ipam, give, rest, count } = await node(setting)
    await give(setting.settings?.reserved ? 2 : 3)
    await rest()
    t.equal(count(), 1)
    if (setting.settings?.cooldown !== undefined) await ipam.release(owner(0))
    await give(setting.settings?.reserved || setting.settings?.cooldown ? 1 : 2)
    await rest()
    t.equal(count(), blocks)
  })

t.test('each pool and family by what pods of it ask for', async t => {
  const isWeb = { namespaceSelector: "kubernetes.io/metadata.name == 'web'" }
  const { give, rest, ipam, labels, count } = await node({
    pools: [
      pool('a', '10.42.0.0/24', { blockSize: 29, ...isWeb }),
      pool('b', '10.43.0.0/24', { blockSize: 29, namespaceSelector: '!has(x)' }),
      pool('c', 'fd00::/112', { blockSize: 125, nodeSelector: '!has(gone)' }),
    ],
  })
  const ofPools = () =>
    ipam
      .owned()
      .map(({ pool: name }) => name)
      .toSorted()
  await give(5, { namespace: 'web' })
  await rest()
  t.same(ofPools(), ['a', 'a'])
  await give(6, { namespace: 'db' })
  await rest()
  t.same(ofPools(), ['a', 'a', 'b', 'b'])
  await give(5, { families: [6] })
  await rest()
  t.same(ofPools(), ['a', 'a', 'b', 'b', 'c', 'c'])
  labels['gone'] = ''
  for (const each of owners(11, 16)) await ipam.release(each)
  await ipam.releaseEmptyBlocks(1)
  t.same(
    ofPools().filter(name => name === 'c'),
    ['c'],
    'a pool that does not select the node any more',
  )
  await ipam.lookAhead()
  await rest()
  t.equal(count(), 5)
})

t.test('blocks do not come and go', async t => {
  const { ipam, clock, give, rest, gate, count } = await node()
  await give(4)
  await rest()
  t.equal(count(), 2)
  const look = async () => {
    clock.ms += 400_000
    const gone = await ipam.releaseEmptyBlocks(1, 300_000)
    await ipam.lookAhead()
    await rest()
    return gone.length
  }
  t.equal(await look(), 0, 'without the empty one, another would be claimed')
  await ipam.release(owner(0))
  await ipam.release(owner(1))
  t.equal(await look(), 0, 'nor at the edge')
  await ipam.release(owner(2))
  t.equal(await look(), 1)
  t.equal(await look(), 0)
  t.equal(gate.asked, 2)
  t.equal(count(), 1)
})

t.test('addresses come and go while a block is claimed, and what looks at blocks waits for the claim', async t => {
  const { ipam, gate, give, rest, turns, count } = await node()
  await give(3)
  const { promise, resolve } = Promise.withResolvers<void>()
  gate.waits = promise
  await give(3)
  await turns()
  t.equal(gate.asked, 2)
  t.equal((await give(2)).length, 2, 'the last of the block')
  await ipam.release(owner(0))
  t.equal((await give(1)).length, 1)
  t.equal(count(), 1)
  const refreshed = ipam.refresh()
  const more = give(4)
  await turns()
  t.equal(count(), 1)
  resolve()
  await refreshed
  t.equal(new Set(await more).size, 4)
  await rest()
  t.equal(gate.asked, 2, 'nobody claims another one')
  t.equal(count(), 2)
})

t.test('a claim that fails loses nothing, and is not tried again at once', async t => {
  const { ipam, datastore, give, rest, clock, count } = await node()
  await datastore.create(blockKind, '10-99-0-0-29', { cidr: '10.99.0.0/29', node: 'n2', pool: 'x', claimedAt: '' })
  await give(3)
  const lock = await datastore.create(lockKind, lockName, { by: 'op1', since: 'noon', reason: 'disks' })
  await give(2)
  await rest()
  t.equal(count(), 1)
  t.equal((await give(3)).length, 3)
  await t.rejects(give(1), { code: 'unreachable' }, 'as without a claim ahead')
  await datastore.delete(lockKind, lockName, lock)
  await ipam.lookAhead()
  await rest()
  t.equal(count(), 1)
  clock.ms += 100_000
  await ipam.lookAhead()
  await rest()
  t.equal(count(), 2)
  t.equal((await give(8)).length, 8)
})

t.test('the disk dies between the record and the block in the store: the next look takes it over', async t => {
  for (const after of [false, true]) {
    const { datastore, disk, give, turns, rest } = await node()
    await give(5)
    disk.die(0, after)
    await rest()
    t.equal((await datastore.list(blockKind)).entries.length, 2)
    const back = await node({ datastore, disk: new MortalDisk(disk.tables) })
    t.equal(back.count(), 2, 'after a restart')
    t.equal((await back.give(1)).length, 1)

    disk.mend()
    await turns()
    t.equal(new Set(await give(11)).size, 11, 'without one')
  }
})

t.test('a node that was decommissioned claims nothing ahead', async t => {
  const { ipam, datastore, give, rest, gate } = await node()
  await give(3)
  await freeBlocks(datastore, 'n1', '2026-01-02T00:00:00.000Z')
  await give(2)
  await rest()
  t.equal(gate.asked, 1)
  t.same((await datastore.list(blockKind)).entries, [])
  await ipam.stop()
})

t.test('a stop waits for the claim', async t => {
  const { ipam, gate, give, turns, count } = await node()
  await give(3)
  const { promise, resolve } = Promise.withResolvers<void>()
  gate.waits = promise
  await give(3)
  await turns()
  let isStopped = false
  const stopped = ipam.stop().then(() => (isStopped = true))
  await turns()
  t.notOk(isStopped)
  resolve()
  await stopped
  t.equal(count(), 2)
})
