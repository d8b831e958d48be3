import t from 'tap'
import { FactsIndex } from './facts-index.ts'
import { HopTracker } from './hop-tracker.ts'
import { node } from './testing.ts'

t.test('a peer that invents next hops without end cannot fill the memory', async t => {
  const tracker = new HopTracker(new FactsIndex(node), { throughDefault: false }, 2)
  tracker.use('10.0.1.1')
  for (const address of ['198.51.100.1', '198.51.100.2', '198.51.100.3']) {
    tracker.use(address)
    tracker.unuse(address)
  }
  t.same(
    tracker.states().map(state => state.address),
    ['10.0.1.1', '198.51.100.2', '198.51.100.3'],
    'those in use stay, the longest idle one goes',
  )
  t.match(
    tracker.takeChanges().find(change => change.address === '198.51.100.1'),
    { reachable: true },
    'and the speaker stops holding it for unreachable',
  )
})
