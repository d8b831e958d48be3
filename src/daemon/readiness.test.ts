import t from 'tap'
import { Readiness, type ReadinessOptions } from './readiness.ts'

function readiness() {
  const state = { obstacle: undefined as string | undefined, configured: 2, established: 1, addresses: 'a', now: 0 }
  const options: ReadinessOptions = {
    obstacle: () => state.obstacle,
    peers: () => state,
    addresses: () => state.addresses,
    now: () => state.now,
  }
  return { state, of: new Readiness(options) }
}

t.test('what stands in the way of an ADD is 50, with running pods cut off 51', async t => {
  const { state, of } = readiness()
  of.check()
  state.obstacle = 'node n1 is being drained'
  t.throws(() => of.check(), { code: 50, message: /drained/ })
  state.established = 0
  t.throws(() => of.check(), { code: 51, message: /none of the 2 BGP sessions .* is up; node n1 is being drained/ })
  state.obstacle = undefined
  t.throws(() => of.check(), { code: 51 })
  state.configured = 0
  of.check()
})

t.test('a full pool is told until addresses change, or a minute is over', async t => {
  const { state, of } = readiness()
  of.refused('ippool "narrow" is full', 60_000)
  t.throws(() => of.check(), { code: 50, message: /narrow/ })
  state.addresses = 'b'
  of.check()
  of.refused('full again', 60_000)
  state.now = 59_000
  t.throws(() => of.check(), { code: 50 })
  state.now = 61_000
  of.check()
})
