// A station on the in-memory network, and what it was told as tshark (Debian's `tshark`) reads it.

import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { acceptAll, type Policy } from '../types.ts'
import { Engine } from '../core/engine.ts'
import { config, established, type Peers, speaker } from '../core/test-speakers.ts'
import { Puppet } from '../core/test-puppet.ts'
import type { SimulatedSpeaker } from '../transport/simulation.ts'
import { Simulation } from '../transport/simulation.ts'
import type { Conn } from '../transport/transport.ts'
import { attribute, raw, update } from '../wire/test-messages.ts'
import { asPath, origin } from '../wire/attributes.ts'
import { BmpStation, type StationOptions } from './index.ts'

const [A, B, C, STATION] = ['10.0.0.1', '10.0.0.2', '10.0.0.3', '10.0.0.9']

class Receiver {
  octets: Buffer[] = []
  connections = 0
  closed = false
  conn: Conn | undefined
  #stop = () => {}
  readonly #net: Simulation

  constructor(net: Simulation) {
    this.#net = net
  }

  listen(paused = false): this {
    const events = {
      accepted: (conn: Conn) => {
        this.connections++
        this.closed = false
        this.octets = []
        this.conn = conn
        conn.onData(octets => this.octets.push(Buffer.from(octets)))
        conn.onClose(() => (this.closed = true))
        if (paused) conn.pause(true)
      },
      listening: () => {},
      failed: () => {},
    }
    this.#stop = this.#net.network.host(STATION).listen({ port: 11019 }, events)
    return this
  }

  stop(): void {
    this.#stop()
    this.conn?.close(false)
  }

  /** Whole messages so far. */
  get messages(): Buffer[] {
    const all = Buffer.concat(this.octets)
    const list: Buffer[] = []
    for (let at = 0; at + 6 <= all.length;) {
      const length = all.readUInt32BE(at + 1)
      if (all[at] !== 3 || length < 6) throw new Error(`no BMP message at ${at}`)
      if (at + length > all.length) break
      list.push(all.subarray(at, at + length))
      at += length
    }
    return list
  }

  of(type: number): Buffer[] {
    return this.messages.filter(message => message[5] === type)
  }
}

function station(net: Simulation, one: SimulatedSpeaker, options: Partial<StationOptions> = {}, said: string[] = []) {
  const on = (_: 'turn', callback: () => void) => one.onTurn(callback)
  const all = { address: STATION, port: 11019, retry: 1, statistics: 0, ...options }
  const surroundings = { transport: net.network.host(A), clock: net.clock, report: (text: string) => said.push(text) }
  return new BmpStation({ engine: one.engine, on }, all, surroundings)
}

interface Fields {
  readonly [name: string]: readonly string[] | undefined
}

/** What tshark finds in the messages: these fields of each. */
function tshark(t: Test, messages: readonly Buffer[], ...fields: readonly string[]): Fields[] {
  const folder = mkdtempSync(join(tmpdir(), 'bmp-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const [dump, capture] = [join(folder, 'dump.txt'), join(folder, 'x.pcap')]
  const hex = (message: Buffer) => `000000 ${message.toString('hex').replaceAll(/../g, '$& ')}\n`
  writeFileSync(dump, messages.map(hex).join('\n'))
  execFileSync('text2pcap', ['-q', '-T', '40000,11019', dump, capture], { stdio: 'ignore' })
  const wanted = fields.flatMap(field => ['-e', field])
  const argv = ['-r', capture, '-d', 'tcp.port==11019,bmp', '-T', 'json', ...wanted, '-e', '_ws.malformed']
  const packets = JSON.parse(execFileSync('tshark', argv, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }))
  return (packets as { _source: { layers: Fields } }[]).map(({ _source }) => _source.layers)
}

const onlyTwo: Policy = {
  name: 'only-two',
  rules: [{ name: 'two', when: { prefixes: [{ prefix: '10.2.0.0/24' }] }, then: 'accept', set: { localPref: 222 } }],
  otherwise: 'reject',
}

function stage(more: Peers = {}) {
  const net = new Simulation(5)
  const nextHopSelf = (n: number) => ({ nextHopSelf: { 'ipv6-unicast': `fd00::${n}` } })
  const peers = { [B]: { remoteAs: 65002, ...nextHopSelf(1), import: onlyTwo, export: acceptAll }, ...more }
  const a = speaker(net, A, 65001, peers)
  const b = speaker(net, B, 65002, { [A]: { remoteAs: 65001, ...nextHopSelf(2) } })
  a.originate('10.1.0.0/24', 'fd01::/64')
  b.originate('10.2.0.0/24', '10.3.0.0/24', 'fd02::/64')
  return { net, a, b, peers, up: () => net.runUntil(() => established([a, B], [b, A]), 60) && (net.run(2), true) }
}

/** `flags prefix` of each Route Monitoring, `-prefix` where it is withdrawn; `EoR`. */
function routes(messages: readonly Buffer[]): string[] {
  return messages.flatMap(message => {
    const kind = message[6] === 3 ? 'loc' : { 0: 'pre', 0x40: 'post', 0x50: 'out' }[message[7] & 0x7f]
    const body = message.subarray(48 + 19)
    const withdrawn = body.readUInt16BE(0)
    const attributes = body.readUInt16BE(2 + withdrawn)
    const nlri = body.subarray(4 + withdrawn + attributes)
    const list = (octets: Buffer, sign: string) => {
      const found: string[] = []
      for (let at = 0; at < octets.length; at += 1 + Math.ceil(octets[at] / 8)) {
        const address = [...octets.subarray(at + 1, at + 1 + Math.ceil(octets[at] / 8)), 0, 0, 0].slice(0, 4)
        found.push(`${kind} ${sign}${address.join('.')}/${octets[at]}`)
      }
      return found
    }
    if (withdrawn + attributes + nlri.length === 0) return [`${kind} EoR`]
    return [...list(body.subarray(2, 2 + withdrawn), '-'), ...list(nlri, '')]
  })
}

for (const first of ['the station', 'the session'] as const) {
  t.test(`all four tables, ${first} first`, t => {
    const { net, a, up, b } = stage()
    const receiver = new Receiver(net).listen()
    if (first === 'the session') up()
    const told = station(net, a, { views: ['pre', 'post', 'out', 'loc'] })
    if (first === 'the station') net.run(0.1)
    up()
    const own = ['10.1.0.0/24', '10.2.0.0/24']
    const seen = new Set(routes(receiver.of(0)))
    for (const row of [
      ...['10.2.0.0/24', '10.3.0.0/24', 'EoR'].map(prefix => `pre ${prefix}`),
      ...['10.2.0.0/24', 'EoR'].map(prefix => `post ${prefix}`),
      ...['10.1.0.0/24', 'EoR'].map(prefix => `out ${prefix}`),
      ...[...own, 'EoR'].map(prefix => `loc ${prefix}`),
    ]) {
      t.ok(seen.has(row), row)
    }
    t.notOk(seen.has('post 10.3.0.0/24'), 'import policy has rejected it')
    t.equal(receiver.of(3).length, 2, 'two peers up: B, and the Loc-RIB')

    const before = receiver.messages.length
    b.originate('10.3.0.0/24', 'fd02::/64')
    net.run(2)
    const gone = routes(receiver.messages.slice(before).filter(message => message[5] === 0))
    for (const row of ['pre -10.2.0.0/24', 'post -10.2.0.0/24', 'loc -10.2.0.0/24']) t.ok(gone.includes(row), row)
    b.stop('cease')
    net.run(1)
    t.equal(receiver.of(2).length, 1)
    told.stop()
    net.run(1)
    t.equal(receiver.messages.at(-1)?.[5], 5, 'Termination is the last')
    t.ok(receiver.closed)
    t.end()
  })
}

t.test('tshark reads every message, and the same in them', t => {
  const { net, a, b, up } = stage()
  const receiver = new Receiver(net).listen()
  up()
  const told = station(net, a, { views: ['pre', 'post', 'out', 'loc'], statistics: 60, mirror: true, sysName: 'rr1' })
  net.run(61)
  a.driver.with(engine => engine.resetPeer(B))
  net.run(1)
  told.stop()
  net.run(1)
  const fields = ['bmp.type', 'bmp.peer.type', 'bmp.peer.flags', 'bmp.peer.ip.addr', 'bmp.peer.asn', 'bmp.peer.id']
  const more = [
    'bgp.nlri_prefix',
    'bgp.mp_reach_nlri_ipv6_prefix',
    'bgp.open.myas',
    'bmp.peer.down.reason',
    'bmp.stats.count',
  ]
  const packets = tshark(t, receiver.messages, ...fields, ...more, 'bgp.notify.minor_error_cease', 'bmp.init.info')
  t.equal(packets.length, receiver.messages.length)
  t.same(
    packets.filter(packet => packet['_ws.malformed']),
    [],
    'nothing is malformed',
  )
  const of = (type: number) => packets.filter(packet => packet['bmp.type']?.[0] === String(type))
  t.match(of(4), [{ 'bmp.init.info': ['bgp-speaker', 'rr1'] }])
  const [peerUp, locUp] = of(3)
  t.match(peerUp, { 'bmp.peer.asn': ['65002'], 'bgp.open.myas': ['65001', '65002'] })
  t.match(locUp, { 'bmp.peer.type': ['3'], 'bmp.peer.asn': ['65001'] })
  t.ok(
    of(0).some(packet => packet['bgp.mp_reach_nlri_ipv6_prefix']?.includes('fd02::')),
    'IPv6 too',
  )
  t.ok(of(0).some(packet => packet['bgp.nlri_prefix']?.includes('10.3.0.0')))
  t.ok(of(1).length >= 2, 'statistics of the peer and of the Loc-RIB')
  t.match(of(2)[0], { 'bmp.peer.down.reason': ['1'], 'bgp.notify.minor_error_cease': ['4'] }, 'we reset it')
  t.ok(of(6).length > 0, 'mirrored')
  t.equal(of(5).length, 1)
  b.stop('cease')
  t.end()
})

t.test('routes that count as withdrawn are withdrawn there, too (RFC 7606)', t => {
  const net = new Simulation(5)
  const a = speaker(net, A, 65001, { [C]: 65003 })
  const puppet = new Puppet(net, C, { open: { asn: 65003, routerId: 3 } }).listen()
  const receiver = new Receiver(net).listen()
  const told = station(net, a, { views: ['pre'] })
  t.ok(net.runUntil(() => established([a, C]), 60))
  const path = attribute(asPath, [{ type: 'sequence', asns: [65003] }])
  puppet.send(
    update({
      attributes: [attribute(origin, 'igp'), path, raw(3, [10, 0, 0, 3])],
      announced: ['10.5.0.0/24'],
    }),
  )
  net.run(1)
  puppet.send(update({ attributes: [raw(1, [9]), path, raw(3, [10, 0, 0, 3])], announced: ['10.5.0.0/24'] }))
  net.run(1)
  t.same(
    routes(receiver.of(0)).filter(row => !row.includes('EoR')),
    ['pre 10.5.0.0/24', 'pre -10.5.0.0/24'],
  )
  told.stop()
  t.end()
})

t.test(
  'a large table goes in slices, and a station that does not read bounds what waits, and is connected to anew',
  t => {
    const { net, a, b, up } = stage()
    up()
    const many = Array.from({ length: 30_000 }, (_, i) => `20.${i >> 8}.${i & 255}.0/24`)
    b.originate(...many)
    t.ok(net.runUntil(() => a.peer(B).prefixesReceived === 30_000, 60))
    const receiver = new Receiver(net).listen()
    const said: string[] = []
    const told = station(net, a, { views: ['pre', 'loc'], mostWaiting: 512 * 1024 }, said)
    t.ok(net.runUntil(() => routes(receiver.of(0)).includes('pre EoR'), 60))
    t.equal(new Set(routes(receiver.of(0)).filter(row => row.startsWith('pre 20.'))).size, 30_000)
    receiver.stop()
    net.run(0.5)
    const stuck = new Receiver(net).listen(true)
    t.ok(net.runUntil(() => stuck.connections === 1, 60))
    net.run(5)
    t.ok(told.waiting < 512 * 1024, `${told.waiting} octets wait after the dump has begun`)
    for (let i = 0; i < 12; i++) {
      b.originate(...(i % 2 ? many : []))
      net.run(5)
    }
    t.ok(
      said.some(text => /is too slow: \d+ octets wait for it; it is tried again/.test(text)),
      said.join('\n'),
    )
    t.ok(stuck.connections > 1)
    told.stop()
    t.end()
  },
)

t.test('paths with identifiers keep them, in a dump as in what comes later (RFC 7911)', t => {
  const net = new Simulation(5)
  const four = 'ipv4-unicast'
  const D = '10.0.0.4'
  const sends = {
    remoteAs: 65001,
    reflectorClient: true,
    nextHop: 'keep',
    addPath: { [four]: { send: 'all' } },
  } as const
  const b = speaker(net, B, 65001, { [A]: sends, [C]: 65003, [D]: 65004 })
  const a = speaker(net, A, 65001, { [B]: { remoteAs: 65001, addPath: { [four]: { receive: true } } } })
  const [c, d] = [C, D].map((address, i) => speaker(net, address, 65003 + i, { [B]: 65001 }))
  const all = () => a.table(four, 'in', B).filter(({ prefix }) => prefix === '10.9.0.0/24').length
  for (const one of [c, d]) one.originate('10.9.0.0/24')
  b.originate('10.5.0.0/24')
  t.ok(net.runUntil(() => all() === 2, 60))
  const receiver = new Receiver(net).listen()
  const told = station(net, a, { views: ['pre', 'post'] })
  net.run(2)
  const nlri = (octets: Buffer) => octets.subarray(48 + 19 + 4 + octets.readUInt16BE(48 + 19 + 2)).toString('hex')
  const withdrawn = (octets: Buffer) =>
    octets.subarray(48 + 19 + 2, 48 + 19 + 2 + octets.readUInt16BE(48 + 19)).toString('hex')
  const id = (n: number) => `0000000${n}180a0900`
  const ids = a.table(four, 'in', B).flatMap(({ prefix, pathId }) => (prefix === '10.9.0.0/24' ? [pathId ?? 0] : []))
  t.same(
    receiver
      .of(0)
      .map(nlri)
      .filter(text => text.endsWith('180a0900'))
      .toSorted(),
    ids.flatMap(n => [id(n), id(n)]).toSorted(),
    'before policy and after it',
  )
  c.originate()
  t.ok(net.runUntil(() => all() === 1, 60))
  const gone = receiver.of(0).map(withdrawn).filter(Boolean)
  t.equal(gone.length, 2)
  t.equal(new Set(gone).size, 1, 'one path of the two')
  told.stop()
  t.end()
})

t.test('a speaker that has not started has nothing to tell, and tells it later', t => {
  const net = new Simulation(5)
  const engine = new Engine({ seed: 1, now: 0 })
  const receiver = new Receiver(net).listen()
  const said: string[] = []
  const options = { address: STATION, port: 11019, retry: 1 }
  const surroundings = { transport: net.network.host(A), clock: net.clock, report: (text: string) => said.push(text) }
  const told = new BmpStation({ engine, on: () => () => {} }, options, surroundings)
  net.run(2)
  t.match(said, [/hears nothing before the speaker has started; it is tried again$/])
  t.equal(receiver.messages.length, 0)
  engine.configure(config(A, 65001, {}))
  t.ok(net.runUntil(() => receiver.messages.length > 0, 60))
  told.stop()
  t.end()
})

t.test('a station that is away is tried again, more and more seldom; it costs nothing meanwhile', t => {
  const { net, a, up } = stage()
  up()
  const said: string[] = []
  const told = station(net, a, {}, said)
  net.run(600)
  t.match(said, [/^BMP station 10\.0\.0\.9 port 11019 cannot be reached \(.*\); it is tried again$/], 'told once')
  const receiver = new Receiver(net).listen()
  t.notOk(
    net.runUntil(() => told.connected, 60),
    'it rests longer than a minute by now',
  )
  t.ok(net.runUntil(() => told.connected, 720))
  net.run(1)
  t.equal(receiver.messages[0][5], 4, 'Initiation comes first')
  receiver.stop()
  net.run(0.5)
  t.notOk(told.connected)
  const again = new Receiver(net).listen()
  t.ok(
    net.runUntil(() => again.connections === 1, 3),
    'soon, since all went well before',
  )
  told.stop()
  a.configure(config(A, 65001, {}))
  t.end()
})
