// Capabilities that a peer refuses (RFC 5492), and what the ends call themselves.

import t from 'tap'
import { PATIENCE } from '../session/withheld.ts'
import { Simulation } from '../transport/simulation.ts'
import type { Capability } from '../wire/capabilities.ts'
import { HEADER_LENGTH, message, NOTIFICATION, OPEN } from '../wire/header.ts'
import { decodeOpen } from '../wire/open.ts'
import { Puppet } from './test-puppet.ts'
import { config, established, speaker } from './test-speakers.ts'

const [A, B] = ['10.0.0.1', '10.0.0.2']
const full = {
  hostname: 'a',
  domainName: 'example.net',
  softwareVersion: 'bgp-speaker',
  gracefulRestart: { restartTime: 60 },
} as const

/** A puppet that answers each OPEN as `answer` says: by a NOTIFICATION, by closing (undefined), or politely. */
function stage(
  answer: (sent: readonly number[]) => readonly number[] | 'polite' | undefined,
  peer = {},
  more: object = full,
) {
  const net = new Simulation(8)
  const options = { polite: false, open: { capabilities: [] } as { capabilities: Capability[] } }
  const puppet = new Puppet(net, B, options).listen()
  const a = speaker(net, A, 65001, { [B]: { remoteAs: 65002, connectRetry: 1, ...peer } }, more)
  /** Codes of the capabilities in every OPEN that came. */
  const opens: number[][] = []
  const codes = (octets: Uint8Array) => {
    const open = decodeOpen(octets, HEADER_LENGTH, octets.length)
    if ('fault' in open) return []
    // By their codes in the message: unknown ones are none of ours.
    const list: number[] = []
    for (let at = 29; at < octets.length; at += 2 + octets[at + 1]) list.push(octets[at + 2])
    return list
  }
  const run = (seconds: number) => {
    for (let tenths = 0; tenths < seconds * 10; tenths++) {
      net.run(0.1)
      for (const octets of puppet.received.splice(0)) {
        if (octets[18] !== OPEN) continue
        const sent = codes(octets)
        opens.push(sent)
        const said = answer(sent)
        if (said === 'polite' && options.polite) continue // it has answered by itself
        if (said === 'polite') {
          puppet.sendOpen()
          options.polite = true
          puppet.send(message(4, new Uint8Array(0)))
        } else if (said) puppet.send(message(NOTIFICATION, Uint8Array.from(said)))
        if (said !== 'polite') puppet.close()
      }
    }
  }
  return { net, puppet, a, opens, run, options }
}

const everything = [1, 2, 70, 65, 6, 64, 73, 75]

t.test('what a peer names as unsupported is left out at once, and shown', t => {
  const { a, opens, run } = stage(sent => (sent.includes(70) ? [2, 7, 70, 0, 73, 2, 0, 0] : 'polite'))
  run(10)
  t.same(opens, [everything, everything.filter(code => code !== 70 && code !== 73)])
  t.match(a.peer(B), { state: 'Established', leftOut: ['enhancedRefresh', 'hostname'] })
  t.end()
})

t.test('if it names none, first all that is newer goes, then the rest', t => {
  const { a, opens, run } = stage(sent => (sent.length > 0 ? [2, 7] : 'polite'))
  run(20)
  t.same(opens, [everything, [1, 2, 65], []])
  t.match(a.peer(B), {
    state: 'Established',
    families: ['ipv4-unicast'],
    gracefulRestart: false,
    extendedMessages: false,
  })
  t.end()
})

t.test('a peer that knows no optional parameters gets none (RFC 5492 §3)', t => {
  const { a, net, opens, run, puppet } = stage(sent => (sent.length > 0 ? [2, 4] : 'polite'))
  run(10)
  t.same(opens, [everything, []])
  t.equal(a.peer(B).state, 'Established')
  // 2-octet AS numbers then, both ways: an AS_PATH of one.
  a.originate('10.9.0.0/24')
  net.run(1)
  const update = puppet.received.find(octets => octets[18] === 2 && octets.length > 30)
  t.match(Buffer.from(update ?? []).toString('hex'), /4002040201fde9/)
  t.end()
})

t.test('what a peer demands of us is no reason to leave anything out', t => {
  const { a, opens, run } = stage(() => [2, 7, 1, 4, 0, 25, 0, 70])
  run(20)
  t.ok(opens.length > 2)
  for (const sent of opens) t.same(sent, everything)
  t.match(a.peer(B).lastError, /capability 1 is asked for/)
  t.end()
})

t.test('a data field that lies about its lengths does no harm', t => {
  for (const data of [[70], [70, 255], [64, 9, 1], [0, 0, 0, 0, 0, 0], Array.from({ length: 4000 }, () => 0)]) {
    const { a, opens, run } = stage(() => [2, 7, ...data])
    run(10)
    t.ok(opens.length > 1)
    t.not(a.peer(B).state, 'Established')
  }
  t.end()
})

t.test('a peer that closes at every OPEN is tried with less, every other time', t => {
  const { a, opens, run } = stage(sent => (sent.length > 3 ? undefined : 'polite'))
  run(60)
  t.same(
    opens.slice(0, PATIENCE).map(({ length }) => length),
    Array.from({ length: PATIENCE }, () => everything.length),
  )
  t.same(opens[PATIENCE], [1, 2, 65])
  t.equal(a.peer(B).state, 'Established')
  const never = stage(() => undefined)
  never.run(60)
  t.same(
    never.opens.slice(PATIENCE, PATIENCE + 5).map(({ length }) => length),
    [3, 8, 0, 8, 3],
    'nothing proves the reason',
  )
  t.end()
})

t.test('a peer that only rested, or was not configured yet, loses nothing by the guess', t => {
  let open = 0
  const { a, opens, run, options } = stage(() => (++open <= PATIENCE ? undefined : 'polite'))
  options.open.capabilities = [{ kind: 'fourOctetAs', asn: 65002 }, { kind: 'extendedMessages' }]
  run(60)
  t.same(opens.slice(PATIENCE), [[1, 2, 65], everything], 'its OPEN has capabilities: once more with all')
  t.match(a.peer(B), { state: 'Established', leftOut: [], extendedMessages: true })
  t.end()
})

t.test('without families there is IPv4 only: a peer that is to have IPv6 alone is not offered that', t => {
  const v6 = { families: ['ipv6-unicast'], nextHopSelf: { 'ipv6-unicast': 'fd00::1' } }
  const { opens, run } = stage(() => undefined, v6)
  run(60)
  t.ok(opens.length > PATIENCE + 3)
  for (const sent of opens) t.ok(sent.includes(1))
  t.end()
})

t.test('what was refused is offered again after an hour, and after a reset', t => {
  let old = true
  const { a, net, opens, run, options, puppet } = stage(sent => (old && sent.includes(64) ? [2, 7, 64, 0] : 'polite'))
  run(10)
  t.same(a.peer(B).leftOut, ['gracefulRestart'])
  const again = () => {
    options.polite = false
    puppet.close()
    run(10)
    return opens.at(-1)?.includes(64)
  }
  t.equal(again(), false, 'remembered')
  old = false
  net.run(3600)
  t.equal(again(), true)
  t.same(a.peer(B).leftOut, [])
  old = true
  t.equal(again(), false)
  old = false
  options.polite = false
  a.driver.with(engine => engine.resetPeer(B))
  run(10)
  t.ok(opens.at(-1)?.includes(64))
  t.end()
})

t.test('names and versions are told and shown (for display only)', t => {
  const net = new Simulation(3)
  const a = speaker(net, A, 65001, { [B]: 65002 }, full)
  const b = speaker(net, B, 65002, { [A]: 65001 }, { hostname: 'bé' })
  t.ok(net.runUntil(() => established([a, B], [b, A]), 20))
  t.match(b.peer(A), {
    hostname: 'a',
    domainName: 'example.net',
    softwareVersion: 'bgp-speaker',
    extendedMessages: true,
  })
  t.match(a.peer(B), { hostname: 'bé', domainName: undefined, softwareVersion: undefined })
  a.configure(config(A, 65001, { [B]: 65002 }, { ...full, hostname: 'other' }))
  net.run(1)
  t.equal(a.peer(B).flaps, 0, 'another name is no reason to end a session')
  t.end()
})

t.test('a name that does not fit, or is none, is refused', t => {
  for (const [more, field] of [
    [{ hostname: '' }, 'hostname'],
    [{ hostname: 'x'.repeat(65) }, 'hostname'],
    [{ hostname: 'é'.repeat(33) }, 'hostname'],
    [{ softwareVersion: 'a\u001b[31m' }, 'softwareVersion'],
    [{ domainName: 'example.net' }, 'domainName'],
  ] as const) {
    t.throws(() => speaker(new Simulation(), A, 65001, {}, more), { message: new RegExp(field) })
  }
  t.end()
})

t.test('names of a peer that lie about their length, or would speak to a terminal (CVE-2025-43971)', t => {
  const rows: [number, number[], object][] = [
    [73, [], {}],
    [73, [0], {}],
    [73, [0, 0], {}],
    [73, [1, 97], {}],
    [73, [1, 97, 0], { hostname: 'a', domainName: undefined }],
    [73, [1, 97, 1], {}],
    [73, [1, 97, 1, 98], { hostname: 'a', domainName: 'b' }],
    [73, [1, 97, 1, 98, 0], {}],
    [73, [255, 97], {}],
    [73, [3, 97, 27, 98, 0], { hostname: 'a b' }],
    [75, [], {}],
    [75, [0], {}],
    [75, [1], {}],
    [75, [1, 55], { softwareVersion: '7' }],
    [75, [1, 55, 55], {}],
    [75, [255, 55], {}],
    [75, [2, 195, 40], {}],
  ]
  for (const [code, value, shown] of rows) {
    const net = new Simulation(3)
    const unknown: Capability = { kind: 'unknown', code, value: Uint8Array.from(value) }
    const capabilities: Capability[] = [{ kind: 'fourOctetAs', asn: 65002 }, unknown]
    new Puppet(net, B, { open: { capabilities } }).listen()
    const a = speaker(net, A, 65001, { [B]: 65002 })
    t.ok(
      net.runUntil(() => established([a, B]), 20),
      `${code}: ${value.join(' ')}`,
    )
    const { hostname, domainName, softwareVersion } = a.peer(B)
    t.same(
      { hostname, domainName, softwareVersion },
      { hostname: undefined, domainName: undefined, softwareVersion: undefined, ...shown },
    )
  }
  t.end()
})

t.test('an OPEN with more than 255 octets of parameters goes out in extended form (RFC 9072)', t => {
  const net = new Simulation(3)
  const long = { hostname: 'h'.repeat(64), domainName: 'd'.repeat(64), softwareVersion: 'v'.repeat(64) }
  const six = { families: ['ipv4-unicast', 'ipv6-unicast'], nextHopSelf: { 'ipv6-unicast': 'fd00::1' } } as const
  const gracefulRestart = { restartTime: 60 }
  const a = speaker(net, A, 65001, { [B]: { remoteAs: 65002, ...six, role: 'peer' } }, { ...long, gracefulRestart })
  const puppet = new Puppet(net, '10.0.0.9')
  const b = speaker(net, B, 65002, { [A]: { remoteAs: 65001, ...six } }, { gracefulRestart })
  t.ok(net.runUntil(() => established([a, B], [b, A]), 20))
  t.match(b.peer(A), { ...long, peerRole: 'peer', gracefulRestart: true, extendedMessages: true })
  a.configure(
    config(
      A,
      65001,
      { '10.0.0.9': { remoteAs: 65009, ...six, role: 'peer', passive: true } },
      { ...long, gracefulRestart },
    ),
  )
  puppet.dial(A)
  net.run(1)
  const open = puppet.of(OPEN)[0]
  t.same([...open.subarray(28, 30)], [255, 255], `${open.length} octets`)
  t.equal((open[30] << 8) | open[31], open.length - 32)
  t.end()
})
