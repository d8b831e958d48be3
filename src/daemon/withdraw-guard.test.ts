import t from 'tap'
import { ownDoingFor, quietFor, settleFor, WithdrawGuard } from './withdraw-guard.ts'

/** Ten learned routes behind a guard of half of them for 60 s, on a clock that the test moves. */
function world(setting: { percent: number; seconds: number } | undefined = { percent: 50, seconds: 60 }) {
  const timers = new Set<{ at: number; call: () => void }>()
  const state = { now: 0, inForce: 10, gone: [] as string[], told: [] as string[] }
  const guard = new WithdrawGuard({
    clock: {
      now: () => state.now,
      after(ms, call) {
        const timer = { at: state.now + ms, call }
        timers.add(timer)
        return () => timers.delete(timer)
      },
    },
    inForce: () => state.inForce,
    letGo: prefixes => state.gone.push(...prefixes),
    tell: text => state.told.push(text),
  })
  guard.set(setting)
  const pass = (ms: number): void => {
    const end = state.now + ms
    for (;;) {
      const [next] = [...timers].filter(({ at }) => at <= end).toSorted((a, b) => a.at - b.at)
      if (!next) break
      timers.delete(next)
      state.now = Math.max(state.now, next.at)
      next.call()
    }
    state.now = end
  }
  const withdraw = (count: number): boolean[] => Array.from({ length: count }, (_, i) => guard.keeps(`p${i}`))
  return { guard, state, pass, withdraw, timers }
}

t.test('without a setting every withdrawal is obeyed at once', t => {
  const { guard } = world(undefined)
  guard.set(undefined)
  t.notOk(guard.keeps('p0'))
  t.end()
})

t.test('some withdrawals wait a second and are obeyed', t => {
  const { guard, state, pass, withdraw } = world()
  t.same(withdraw(5), Array(5).fill(true))
  pass(settleFor - 1)
  t.same(state.gone, [])
  pass(1)
  t.same(state.gone, ['p0', 'p1', 'p2', 'p3', 'p4'], 'half of them is not most')
  t.equal(guard.held, undefined)
  t.end()
})

t.test('most at once are held, told, and let go at the deadline', t => {
  const { guard, state, pass, withdraw } = world()
  withdraw(8)
  pass(settleFor)
  t.match(guard.held, /^8 of 10 learned routes.* 8 of them stay in force for 60 s more.*margayctl guard accept/)
  t.match(state.told, [/^8 of 10 learned routes/], 'the log has it once')
  t.ok(guard.holds('p0'), 'the question about one route is answered')
  t.notOk(guard.holds('p9'))
  t.ok(guard.keeps('p8'), 'what follows is held with them')
  pass(60_000 - 1)
  t.same(state.gone, [])
  pass(1)
  t.equal(state.gone.length, 9)
  t.equal(guard.held, undefined)
  t.end()
})

t.test('recovery: what comes back is an ordinary route, and the rest goes when no more comes', t => {
  const { guard, state, pass, withdraw } = world()
  withdraw(10)
  pass(settleFor)
  for (let i = 0; i < 7; i++) {
    pass(quietFor / 2)
    guard.settled(`p${i}`)
    t.same(state.gone, [], 'as long as routes come back')
  }
  pass(quietFor + settleFor)
  t.same(state.gone, ['p7', 'p8', 'p9'])
  t.end()
})

t.test('when all are back nothing is held and nothing runs', t => {
  const { guard, state, pass, withdraw, timers } = world()
  withdraw(10)
  pass(settleFor)
  for (let i = 0; i < 10; i++) guard.settled(`p${i}`)
  t.equal(guard.held, undefined)
  t.equal(timers.size, 0)
  pass(100_000)
  t.same(state.gone, [])
  t.end()
})

t.test('a session that flaps within the second is no withdrawal at all', t => {
  const { guard, state, pass, withdraw } = world()
  withdraw(10)
  pass(settleFor / 2)
  for (let i = 0; i < 10; i++) guard.settled(`p${i}`)
  pass(10_000)
  t.same(state.gone, [])
  t.end()
})

t.test('the operator lets them go, and so does a changed setting', t => {
  for (const end of ['accept', 'set'] as const) {
    const { guard, state, pass, withdraw, timers } = world()
    withdraw(10)
    pass(settleFor)
    if (end === 'accept') guard.accept()
    else guard.set(undefined)
    t.equal(state.gone.length, 10)
    t.equal(timers.size, 0)
  }
  t.end()
})

t.test('what our own configuration takes away is not held', t => {
  const { guard, pass } = world()
  guard.ownDoing()
  t.notOk(guard.keeps('p0'))
  pass(ownDoingFor)
  t.ok(guard.keeps('p0'))
  t.end()
})

t.test('a single route is never held', t => {
  const { guard, state, pass } = world()
  state.inForce = 1
  guard.keeps('p0')
  pass(settleFor)
  t.same(state.gone, ['p0'])
  t.end()
})
