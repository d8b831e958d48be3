import t from 'tap'
import * as fc from 'fast-check'
import { Backoff, LONGEST_REST, LONGEST_WHILE_KEPT } from './backoff.ts'
import { Random } from './random.ts'
import { TimerWheel } from './timers.ts'

t.test('timers fire at their time and in their order', t => {
  const wheel = new TimerWheel(1000)
  const [a, b, c, d] = [wheel.create(), wheel.create(), wheel.create(), wheel.create()]
  const fired: [number, number][] = []
  const advance = (now: number) => wheel.advance(now, id => fired.push([id, now]))
  wheel.arm(a, 5000)
  wheel.arm(b, 1500)
  wheel.arm(c, 400_000) // several rounds of the wheel
  wheel.arm(d, 1400)
  t.equal(wheel.next(), 1400)
  advance(1399)
  t.same(fired, [])
  advance(1500)
  t.same(fired.splice(0), [
    [d, 1500],
    [b, 1500],
  ])
  wheel.arm(a, 9000)
  wheel.arm(a, 7000)
  advance(6999)
  t.same(fired, [])
  t.equal(wheel.next(), 7000)
  advance(7000)
  t.same(fired.splice(0), [[a, 7000]])
  advance(399_999)
  t.same(fired, [])
  advance(1_000_000)
  t.same(fired, [[c, 1_000_000]])
  t.equal(wheel.next(), Infinity)
  t.end()
})

t.test('one that fires may disarm another or arm itself', t => {
  const wheel = new TimerWheel(0)
  const [a, b] = [wheel.create(), wheel.create()]
  wheel.arm(a, 10)
  wheel.arm(b, 10)
  const fired: number[] = []
  wheel.advance(10, id => {
    fired.push(id)
    wheel.disarm(b)
    wheel.arm(a, 20)
  })
  t.same(fired, [a])
  t.equal(wheel.next(), 20)
  wheel.destroy(a)
  t.equal(wheel.next(), Infinity)
  t.equal(wheel.create(), a, 'ids are used again')
  t.end()
})

t.test('any sequence fires what a plain list would', t => {
  const op = fc.record({ id: fc.nat(4), after: fc.nat(200_000), pass: fc.nat(90_000), disarm: fc.boolean() })
  fc.assert(
    fc.property(fc.array(op, { maxLength: 60 }), ops => {
      const wheel = new TimerWheel(0)
      const ids = Array.from({ length: 5 }, () => wheel.create())
      const model = new Map<number, number>()
      let now = 0
      for (const { id, after, pass, disarm } of ops) {
        if (disarm) {
          wheel.disarm(ids[id])
          model.delete(ids[id])
        } else {
          wheel.arm(ids[id], now + after)
          model.set(ids[id], now + after)
        }
        const soonest = Math.min(...model.values(), Infinity)
        if (wheel.next() !== soonest) return false
        now += pass
        const fired: number[] = []
        wheel.advance(now, timer => fired.push(timer))
        const expected = [...model].filter(([, at]) => at <= now).toSorted(([, x], [, y]) => x - y)
        if (fired.length !== expected.length || fired.some(timer => !expected.some(([want]) => want === timer)))
          return false
        for (const [timer] of expected) model.delete(timer)
      }
      return true
    }),
    { numRuns: 500 },
  )
  t.end()
})

t.test('the rest in Idle doubles while sessions die young, and no further than half a minute', t => {
  const backoff = new Backoff()
  t.same(
    Array.from({ length: 7 }, () => backoff.next(0, false)),
    [1, 2, 4, 8, 16, LONGEST_REST, LONGEST_REST],
  )
  t.equal(backoff.next(5, false), LONGEST_REST, 'a session that was Established for a moment does not count')
  t.equal(backoff.next(0, true), LONGEST_WHILE_KEPT, 'routes that are kept for the peer do not wait for long')
  t.equal(backoff.next(61, false), 1)
  t.equal(backoff.next(0, false), 2)
  t.end()
})

t.test('jitter lies between 0.75 and 1, and a seed gives the same numbers again', t => {
  const [a, b] = [new Random(7), new Random(7)]
  for (let i = 0; i < 1000; i++) {
    const value = a.jitter(100)
    if (value < 75 || value > 100) t.fail(`${value}`)
    if (value !== b.jitter(100)) t.fail('not the same')
  }
  t.not(new Random(1).next(), new Random(2).next())
  t.end()
})
