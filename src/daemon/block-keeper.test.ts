import t from 'tap'
import type { Entry, Version } from '../datastore/contract.ts'
import { ipamSettings } from '../ipam/settings.ts'
import { BlockKeeper } from './block-keeper.ts'
import { createLog } from './log.ts'

t.test('empty blocks go back as the IPAMConfiguration says, and only in sync', async t => {
  const calls: unknown[] = []
  let isInSync = false
  let failure: Error | undefined
  let looks = 0
  const request = { node: 'n2', from: 'n1', family: 4, ranges: ['10.42.0.0/16'] }
  const entry: Entry = { kind: 'BlockRequest', name: 'n2.ipv4', version: '1' as Version, value: request }
  let requests: readonly Entry[] = []
  const keeper = new BlockKeeper({
    node: 'n1',
    list: () => requests,
    learn: async () => {
      if (failure) throw failure
    },
    ipam: {
      serveRequests: async () => {
        calls.push('serve')
        if (failure) throw failure
        return []
      },
      lookAhead: async () => {
        looks++
        if (failure) throw failure
      },
      mendCopies: async () => {
        calls.push('mend')
        return []
      },
      sweepCopies: async () => {
        calls.push('sweep')
        return []
      },
      releaseEmptyBlocks: async (...given) => {
        calls.push(given)
        if (failure) throw failure
        return ['10.42.0.0/26']
      },
    },
    settings: () => ({ ...ipamSettings([], []), keepBlocks: 2, freeEmptyAfter: 7_000 }),
    isInSync: () => isInSync,
    log: createLog({ level: 'error', format: 'text', write: () => undefined }),
  })
  await keeper.look()
  t.same(calls, [], 'nothing goes while the cluster is not known')
  isInSync = true
  await keeper.look()
  t.same(calls, [[2, 7_000], 'mend', 'sweep'])
  await keeper.look()
  t.same(calls.slice(3), [[2, 7_000]], 'copies are not compared or swept at each look')
  t.equal(looks, 2, 'a block is claimed ahead at each look, where one is wanted')
  failure = new Error('away')
  await t.resolves(keeper.look(), 'tried again at the next look')

  requests = [{ ...entry, value: { ...request, from: 'n3' } }]
  await keeper.serve()
  t.notOk(calls.includes('serve'), 'what others are asked for is theirs')
  requests = [entry]
  await t.resolves(keeper.serve())
  t.ok(calls.includes('serve'))
})
