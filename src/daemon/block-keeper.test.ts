import t from 'tap'
import { ipamSettings } from '../ipam/settings.ts'
import { BlockKeeper } from './block-keeper.ts'
import { createLog } from './log.ts'

t.test('empty blocks go back as the IPAMConfiguration says, and only in sync', async t => {
  const calls: unknown[] = []
  let isInSync = false
  let failure: Error | undefined
  const keeper = new BlockKeeper({
    ipam: {
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
  t.same(calls, [[2, 7_000]])
  failure = new Error('away')
  await t.resolves(keeper.look(), 'tried again at the next look')
})
