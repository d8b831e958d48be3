// The speaker on real TCP, over the loopback interface.

import { createServer } from 'node:net'
import { once } from 'node:events'
import t, { type Test } from 'tap'
import { ConfigError, issueText, type RouteChange, Speaker } from './index.ts'
import type { SimplePeer } from './simple-config.ts'

const [A, B] = ['127.0.0.1', '127.0.0.2']

/** A port that nobody uses on either address. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, A)
  await once(server, 'listening')
  const address = server.address()
  server.close()
  return typeof address === 'object' && address !== null ? address.port : 0
}

function make(port: number, own: string, asn: number, other: string, remoteAs: number, more: Partial<SimplePeer> = {}) {
  // Loopback addresses are no next hops.
  const nextHopSelf = { 'ipv4-unicast': own.replace('127', '10') }
  const peer = { address: other, port, localAddress: own, remoteAs, nextHopSelf, connectRetry: 1, ...more }
  return new Speaker({ asn, routerId: own, listenPort: port, listenAddresses: [own], peers: { other: peer } })
}

async function pair(t: Test) {
  const port = await freePort()
  const a = make(port, A, 65001, B, 65002)
  const b = make(port, B, 65002, A, 65001)
  t.teardown(async () => {
    await a.stop()
    await b.stop()
  })
  return { a, b }
}

/** The next changes, as many as asked for: `+prefix nexthops` or `-prefix`. */
async function take(changes: AsyncIterator<RouteChange>, count: number): Promise<string[]> {
  const list: string[] = []
  while (list.length < count) {
    const { value, done } = await changes.next()
    if (done) break
    list.push(value.withdrawn ? `-${value.prefix}` : `+${value.prefix} ${value.nextHops.join()}`)
  }
  return list.toSorted()
}

t.test('five lines: start, announce, hear', async t => {
  const { a, b } = await pair(t)
  await b.start()
  const heard = b.best()
  await a.start()
  a.announce('10.1.0.0/24', { communities: ['65001:1'] })
  a.announce('10.2.0.0/24')
  t.same(await take(heard, 2), ['+10.1.0.0/24 10.0.0.1', '+10.2.0.0/24 10.0.0.1'])
  a.withdraw('10.1.0.0/24')
  t.same(await take(heard, 1), ['-10.1.0.0/24'])
  t.match(b.status(), [{ name: 'other', state: 'Established', prefixesReceived: 1 }])
  await a.stop()
  t.same(await take(heard, 1), ['-10.2.0.0/24'])
  t.match(b.status()[0].lastError, /Administrative Shutdown/)
})

t.test('a large table passes both ways at once', async t => {
  const { a, b } = await pair(t)
  const many = (first: number) =>
    Array.from({ length: 30_000 }, (_, i) => ({ prefix: `${first}.${i >> 8}.${i & 255}.0/24`, med: i % 100 }))
  await Promise.all([a.start(), b.start()])
  a.originate(many(10))
  b.originate(many(20))
  const full = (one: Speaker) => one.status()[0].prefixesAccepted === 30_000
  await new Promise<void>(resolve => {
    const look = () => full(a) && full(b) && resolve()
    a.on('turn', look)
    b.on('turn', look)
  })
  t.match(a.status(), [{ prefixesSent: 30_000, flaps: 0 }])
  t.match(b.status(), [{ prefixesSent: 30_000, flaps: 0 }])
})

t.test('refusals are errors with words', async t => {
  const speaker = new Speaker({ asn: 0, routerId: 'x', peers: [] })
  await t.rejects(speaker.start(), ConfigError)
  const good = new Speaker({ asn: 65001, routerId: '1.1.1.1', listenPort: 0 })
  await good.start()
  t.teardown(() => good.stop())
  t.throws(() => good.announce('10.0.0.1/24'), /10\.0\.0\.1\/24.*no prefix; write it like/)
  for (const none of [undefined, 5, null]) {
    t.throws(() => good.announce(none as never), { message: /it is no prefix; write it like/, name: 'ConfigError' })
  }
  t.throws(() => good.announce('10.1.0.0/24', { med: 1.5 }), /^originate 10\.1\.0\.0\/24 med is 1\.5: it does/)
  t.match(good.originate([undefined as never, { prefix: '10.1.0.0/24', med: -1 }]).map(issueText), [
    /^originate is undefined: it is no route; write it like/,
    /^originate 10\.1\.0\.0\/24 med is -1: it does not fit into 4 octets; give a whole number from 0 to 4294967295/,
  ])
  const early = new Speaker({ asn: 65001, routerId: '1.1.1.1', listenPort: 0 })
  t.match(early.originate([{ prefix: '10.1.0.0/24', med: -1 }]), [{ value: -1 }], 'told before the start as well')
  t.match(good.configure({ asn: 65001, routerId: '1.1.1.1', peers: [{ address: 'x', remoteAs: 1 }] }).map(issueText), [
    'peer "x": address is "x": it is no IP address; write it like 10.0.1.1 or fd00::1',
  ])
  await t.rejects(good.start(), /running/)
})

t.test('a port that is taken is told in one sentence', async t => {
  const port = await freePort()
  const holder = createServer().listen(port, A)
  await once(holder, 'listening')
  const texts: string[] = []
  const busy = new Speaker({ asn: 65001, routerId: '1.1.1.1', listenPort: port, listenAddresses: [A] })
  const told = new Promise<void>(resolve => {
    busy.on('peer', report => {
      texts.push(report.text)
      resolve()
    })
  })
  await busy.start()
  t.teardown(() => busy.stop())
  await told
  t.match(texts, [/^cannot listen on 127\.0\.0\.1 port \d+: another process has it/])
  holder.close()
})
