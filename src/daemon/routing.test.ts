// What of the Loc-RIB's changes is handed to the kernel at once, and what the guard keeps.

import t from 'tap'
import type { ChangeView } from '../../bgp/types.ts'
import type { FibResult } from '../model/fib.ts'
import { node } from '../fib/testing.ts'
import { Routing } from './routing.ts'

/** Ten learned routes behind a guard of half of them; the kernel does not hold those that `out` names. */
function world(out: readonly string[]) {
  const changes: ChangeView[] = []
  const state = { now: 0, gone: [] as string[] }
  const timers = new Set<{ at: number; call: () => void }>()
  const outcome = (prefix: string): FibResult | undefined =>
    out.includes(prefix) ? { prefix, state: 'conflict', text: 'another route' } : undefined
  const hold = { percent: 50, seconds: 60 }
  const routing = new Routing(node, { acceptDefault: false, own: [], pools: [], hold }, ['ipv4-unicast'], {
    changes: () => ({
      next(into) {
        const change = changes.shift()
        if (change) Object.assign(into, change)
        return change !== undefined
      },
      close: () => {},
    }),
    patch: updates => state.gone.push(...updates.filter(({ entry }) => !entry).map(({ prefix }) => prefix)),
    // Trouble is also told of routes that nobody learned.
    kernel: { trouble: [...out, '10.99.0.0/16'].flatMap(prefix => outcome(prefix) ?? []), obstacle: outcome },
    tellNextHops: () => {},
    warn: () => {},
    clock: {
      now: () => state.now,
      after(ms, call) {
        const timer = { at: state.now + ms, call }
        timers.add(timer)
        return () => timers.delete(timer)
      },
    },
  })
  const say = async (nextHops: readonly string[], prefixes: readonly string[]): Promise<readonly string[]> => {
    state.gone.length = 0
    for (const prefix of prefixes)
      changes.push({ prefix, nextHops: [...nextHops], peer: 'tor', med: undefined, localPref: undefined })
    routing.wake()
    while (!routing.idle) await new Promise(resolve => setImmediate(resolve))
    const atOnce = [...state.gone]
    state.now += 1_000
    for (const timer of timers) if (timer.at <= state.now && timers.delete(timer)) timer.call()
    return atOnce
  }
  return { routing, state, say }
}

const prefixes = Array.from({ length: 10 }, (_, i) => `10.42.${i}.0/26`)

t.test('the guard counts what the kernel has: four of six are most, though ten were learned', async t => {
  const { routing, state, say } = world(prefixes.slice(6))
  t.teardown(() => routing.close())
  await say(['10.0.1.1'], prefixes)
  t.same(await say([], prefixes.slice(0, 4)), [])
  t.match(routing.guard.held, /^4 of 6 learned routes in force/)
  t.same(state.gone, [])
})

t.test('a withdrawn route that the kernel does not have is no matter of the guard', async t => {
  const { routing, say } = world(prefixes.slice(6))
  t.teardown(() => routing.close())
  await say(['10.0.1.1'], prefixes)
  t.same(await say([], prefixes.slice(6)), prefixes.slice(6), 'obeyed at once')
  t.equal(routing.guard.held, undefined)
})
