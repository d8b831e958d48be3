// Blocks that are claimed before the last address is given. That no block comes to two nodes by it: adversary.test.ts.

import t from 'tap'
import { MemoryDatastore, MemoryNodeStore } from '../datastore/memory.ts'
import { Ipam } from './ipam.ts'
import { blockKind } from './records.ts'
import { ipamSettings } from './settings.ts'
import { owner, pool } from './testing.ts'

/** A node with blocks of eight, whose clock stands still, and a datastore that can be made to keep a new record waiting, or to fail. */
async function node({ maxBlocks = 0, looksAhead = true } = {}) {
  const datastore = new MemoryDatastore()
  const create = datastore.create.bind(datastore)
  const gate = { waits: Promise.resolve(), asked: 0, fails: false }
  datastore.create = async (kind, name, value) => {
    if (kind === blockKind) gate.asked++
    if (kind === blockKind) await gate.waits
    if (gate.fails) throw new Error('the datastore is not to be asked')
    return create(kind, name, value)
  }
  const clock = { ms: Date.UTC(2026, 0, 1) }
  const ipam = new Ipam({
    node: 'n1',
    datastore,
    nodeStore: new MemoryNodeStore(),
    pools: () => [pool('v4', '10.42.0.0/24', { blockSize: 29 })],
    labels: () => ({}),
    settings: () => ({ ...ipamSettings([], []), maxBlocks }),
    now: () => new Date(clock.ms),
    timer: () => () => undefined,
    looksAhead,
  })
  await ipam.load()
  let given = 0
  const give = async (count: number): Promise<readonly string[]> => {
    const all = Array.from({ length: count }, () => ipam.assign({ ...owner(given++), families: [4] }))
    return (await Promise.all(all)).map(({ addresses }) => addresses[0].address)
  }
  const turns = (): Promise<void> => new Promise(resolve => setTimeout(resolve, 20))
  return { ipam, gate, clock, give, turns }
}

t.test('at the pace of the last second the addresses run out: the next block is there before', async t => {
  const { ipam, gate, give, turns } = await node()
  await give(3)
  await turns()
  t.equal(ipam.owned().length, 1)
  await give(2)
  await turns()
  t.equal(ipam.owned().length, 2)
  gate.fails = true
  t.equal(new Set(await give(11)).size, 11, 'without the datastore')
})

for (const [name, options, pause] of [
  ['pods come one by one', {}, 2_000],
  ['the node owns as many blocks as it may', { maxBlocks: 1 }, 0],
  ['it was not asked for', { looksAhead: false }, 0],
] as const)
  t.test(`no block is claimed ahead: ${name}`, async t => {
    const { ipam, clock, give, turns } = await node(options)
    for (let i = 0; i < 6; i++) {
      await give(1)
      clock.ms += pause
      await turns()
    }
    t.equal(ipam.owned().length, 1)
  })

t.test('addresses come and go while a block is claimed, and what looks at blocks waits for the claim', async t => {
  const { ipam, gate, give, turns } = await node()
  await give(3)
  const { promise, resolve } = Promise.withResolvers<void>()
  gate.waits = promise
  const before = gate.asked
  await give(2)
  await turns()
  t.equal(gate.asked, before + 1)
  t.equal((await give(3)).length, 3, 'the last of the block')
  await ipam.release(owner(0))
  t.equal(ipam.owned().length, 1)
  const tidied = ipam.releaseEmptyBlocks(5)
  const more = give(4)
  await turns()
  t.equal(ipam.owned().length, 1)
  resolve()
  await tidied
  t.equal(new Set(await more).size, 4)
  t.equal(gate.asked, before + 1, 'nobody claims another one')
  t.equal(ipam.owned().length, 2)
})
