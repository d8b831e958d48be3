// A speaker that warms up: nobody can tell, it ends, and routes end it at once.

import t, { type Test } from 'tap'
import { config } from './core/test-speakers.ts'
import { onWork } from './core/test-work.ts'
import { Speaker } from './index.ts'
import { Simulation } from './transport/simulation.ts'
import type { Clock } from './transport/transport.ts'
import type { Report } from './types.ts'

const [A, B] = ['10.0.0.1', '10.0.0.2']

/** A speaker that warms up, a step a millisecond, and counts what other engines than its own are given to do. */
function stage(t: Test) {
  const net = new Simulation(1)
  const clock: Clock = {
    now: () => net.clock.now(),
    at: (time, callback) => net.clock.at(time, callback),
    soon: callback => void net.clock.at(net.clock.now() + 1, callback),
  }
  const options = { transport: net.network.host(A), clock, seed: 1, warmUp: true }
  const speaker = new Speaker(config(A, 65001, { [B]: { remoteAs: 65002, connectRetry: 1 } }), options)
  const reports: Report[] = []
  let turns = 0
  speaker.on('peer', report => void reports.push(report))
  speaker.on('incident', report => void reports.push(report))
  speaker.on('turn', () => turns++)
  let steps = 0
  onWork(t, engine => {
    if (engine !== speaker.engine) steps++
  })
  const start = async () => {
    const started = speaker.start()
    net.run(0.01)
    await started
    net.run(0) // `start` goes on after this
  }
  return { net, speaker, reports, start, steps: () => steps, turns: () => turns }
}

t.test('nothing is to be seen of it, and it ends', async t => {
  const { net, speaker, reports, start, steps, turns } = stage(t)
  await start()
  speaker.announce('10.1.0.0/24')
  net.run(0.5)
  const [before, told, turned] = [steps(), reports.length, turns()]
  t.ok(before > 100, `${before} steps`)
  net.run(0.4)
  t.ok(steps() > before + 100, 'it goes on beside a route of our own')
  t.same([reports.length, turns()], [told, turned], 'no report, no turn')
  net.run(30)
  const after = steps()
  net.run(30)
  t.equal(steps(), after, 'it has ended')
  t.same(
    reports.filter(({ type }) => !['listen', 'state', 'connectFailed'].includes(type)),
    [],
  )
  t.same([speaker.engine.rib('ipv4-unicast').size, speaker.engine.rib('ipv6-unicast').size], [1, 0])
  t.match(speaker.status(), [{ name: B, messagesIn: 0, messagesOut: 0, prefixesReceived: 0 }])
  t.match(speaker.counters(), [{ name: B, in: { update: 0 }, out: { update: 0 }, established: 0 }])
})

t.test('the first route of a peer ends it', async t => {
  const { net, speaker, start, steps } = stage(t)
  const other = net.add(config(B, 65002, { [A]: { remoteAs: 65001, connectRetry: 1 } }), B)
  await start()
  t.ok(
    net.runUntil(() => speaker.status()[0].state === 'Established', 5),
    'the session opens meanwhile',
  )
  other.originate('10.2.0.0/24')
  net.run(0.2)
  t.equal(speaker.status()[0].prefixesReceived, 1)
  const before = steps()
  t.ok(before > 0)
  net.run(1)
  t.equal(steps(), before)
})

t.test('a speaker that stops ends it', async t => {
  const { net, speaker, start, steps } = stage(t)
  await start()
  net.run(0.1)
  const stopped = speaker.stop()
  net.run(0.01)
  await Promise.resolve()
  net.run(0.01)
  await stopped
  const before = steps()
  net.run(1)
  t.equal(steps(), before)
})
