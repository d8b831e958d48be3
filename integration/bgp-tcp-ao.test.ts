// TCP-AO (RFC 5925) under sessions of our own: keys that come and go. The scenario runs on sockets of this kernel where it has
// TCP-AO, and always on sockets of this kernel with a stand-in for its keys, which behaves as net/ipv4/tcp_ao.c does.

import { readlinkSync } from 'node:fs'
import { release } from 'node:os'
import t, { type Test } from 'tap'
import { ConfigError, Speaker, tcpWith } from '../bgp/index.ts'
import type { PeerConfig, SocketMaker, TcpAoIds, TcpAoKey, TcpAoMaker } from '../bgp/index.ts'
import { sockets } from '../netlink/socket.ts'
import { within } from './kit/bgp-pair.ts'

const [ONE, TWO] = ['127.0.23.1', '127.0.23.2']
const PORT = 10179
const SECRET = 'correct horse'

const first = { sendId: 1, receiveId: 101, algorithm: 'hmac-sha1', secret: `${SECRET} 1` } as const
const second = { sendId: 2, receiveId: 102, algorithm: 'aes-128-cmac', secret: `${SECRET} 2`, maclen: 16 } as const
/** The other end's view of a key. */
const mirrored = (key: TcpAoKey): TcpAoKey => ({ ...key, sendId: key.receiveId, receiveId: key.sendId })
const asked = (key: TcpAoKey): TcpAoKey => ({ ...key, preferred: true })

interface Held extends TcpAoIds {
  readonly remote: string
  readonly secret: string
}

/** The keys of one socket. */
interface Keys {
  held: Held[]
  sends?: number
  asks?: number
}

class Refusal extends Error {
  readonly code: string

  constructor(code: string) {
    super(code)
    this.code = code
  }
}

/** A kernel's keys: sockets are known by inode, since descriptors are used again. No segment is checked. */
class Kernel implements TcpAoMaker {
  readonly calls: string[] = []
  /** Connections that come in were made before the listener had a key. */
  unsigned = false
  /** How often a connection had none. */
  without = 0
  readonly #all = new Map<string, Keys>()
  readonly #listeners = new Set<string>()

  maker(): SocketMaker {
    const real = sockets()
    return {
      ...real,
      tcpAo: this,
      dial: ({ tcpAo = [], ...options }) => {
        const fd = real.dial(options)
        const begin = tcpAo.find(key => key.preferred) ?? tcpAo[0]
        for (const key of tcpAo) this.add(fd, options.address, key)
        if (begin) Object.assign(this.#keys(fd), { sends: begin.sendId, asks: begin.receiveId })
        return fd
      },
      listen: options => {
        const fd = real.listen(options)
        this.#listeners.add(inode(fd))
        return fd
      },
    }
  }

  lacks(): undefined {
    return undefined
  }

  add(fd: number, remote: string, key: TcpAoKey): void {
    this.#say('add', fd, `${remote} ${key.sendId}/${key.receiveId}`)
    const { held } = this.#keys(fd)
    const clash = held.some(
      one => one.remote === remote && (one.sendId === key.sendId || one.receiveId === key.receiveId),
    )
    if (clash) throw new Refusal('EEXIST')
    held.push({ remote, sendId: key.sendId, receiveId: key.receiveId, secret: key.secret })
  }

  keys(fd: number) {
    const { held, asks } = this.#keys(fd)
    if (held.length === 0) this.without++
    return held.length === 0 ? undefined : held.map(one => ({ ...one, requested: one.receiveId === asks }))
  }

  request(fd: number, receiveId: number): void {
    this.#say('request', fd, String(receiveId))
    const keys = this.#keys(fd)
    if (!keys.held.some(one => one.receiveId === receiveId)) throw new Refusal('ENOENT')
    keys.asks = receiveId
  }

  delete(fd: number, remote: string, { sendId, receiveId }: TcpAoIds, instead?: TcpAoIds): void {
    this.#say('delete', fd, `${remote} ${sendId}/${receiveId}${instead ? ` for ${instead.sendId}` : ''}`)
    const keys = this.#keys(fd)
    if (instead) Object.assign(keys, { sends: instead.sendId, asks: instead.receiveId })
    const found = keys.held.find(one => one.remote === remote && one.sendId === sendId && one.receiveId === receiveId)
    if (!found) throw new Refusal('ENOENT')
    if (keys.sends === sendId || keys.asks === receiveId) throw new Refusal('EBUSY')
    keys.held.splice(keys.held.indexOf(found), 1)
  }

  /** What listeners have now. */
  listening(): string[] {
    return [...this.#listeners].flatMap(socket => (this.#all.get(socket)?.held ?? []).map(text))
  }

  /** A socket that nobody has made here came in by a listener, and has its keys. */
  #keys(fd: number): Keys {
    const socket = inode(fd)
    const known = this.#all.get(socket)
    if (known) return known
    const from = this.#listeners.has(socket) || this.calls.at(-1)?.startsWith(`add dialed`) ? [] : this.#inherited()
    const keys: Keys = { held: from, sends: from[0]?.sendId, asks: from[0]?.receiveId }
    this.#all.set(socket, keys)
    return keys
  }

  #inherited(): Held[] {
    return this.unsigned ? [] : [...this.#listeners].flatMap(socket => [...(this.#all.get(socket)?.held ?? [])])
  }

  #say(what: string, fd: number, more: string): void {
    const socket = inode(fd)
    const kind = this.#listeners.has(socket) ? 'listener' : this.#all.has(socket) ? 'connection' : 'dialed'
    this.calls.push(`${what} ${kind} ${more}`)
  }
}

function inode(fd: number): string {
  return readlinkSync(`/proc/self/fd/${fd}`)
}

const text = ({ remote, sendId, receiveId }: Held) => `${remote} ${sendId}/${receiveId}`

interface End {
  readonly speaker: Speaker
  /** Keys of TCP-AO as the hub has them, or one of TCP-MD5, or none. */
  readonly use: (keys: readonly TcpAoKey[] | string | undefined) => void
}

function end(t: Test, make: SocketMaker, [asn, own, other]: readonly [number, string, string], listens: boolean): End {
  const config = (more: Pick<PeerConfig, 'tcpAo' | 'secret'>) => ({
    asn,
    routerId: own,
    listenPort: listens ? PORT : 0,
    listenAddresses: [own],
    peers: {
      other: {
        address: other,
        localAddress: own,
        port: PORT,
        passive: listens,
        remoteAs: 65003 - asn + 65000,
        ...more,
        connectRetry: 1,
        holdTime: 9,
        families: ['ipv4-unicast'] as const,
        nextHopSelf: { 'ipv4-unicast': `10.0.0.${asn - 65000}` },
      },
    },
  })
  const speaker = new Speaker(config({ tcpAo: [listens ? first : mirrored(first)] }), { transport: tcpWith(make) })
  t.teardown(() => speaker.stop())
  return {
    speaker,
    use: keys => {
      const tcpAo = (keys: readonly TcpAoKey[]) => (listens ? keys : keys.map(mirrored))
      const more = typeof keys === 'string' ? { secret: keys } : keys && { tcpAo: tcpAo(keys) }
      t.same(speaker.configure(config(more ?? {})), [])
    },
  }
}

/** Two speakers with one key, up. */
async function pair(t: Test, hub: SocketMaker, leaf: SocketMaker) {
  const a = end(t, hub, [65001, ONE, TWO], true)
  const b = end(t, leaf, [65002, TWO, ONE], false)
  const said: string[] = []
  for (const { speaker } of [a, b]) speaker.on('peer', report => said.push(report.text))
  await Promise.all([a.speaker.start(), b.speaker.start()])
  const state = () => [a, b].map(({ speaker }) => speaker.status()[0]?.state).join()
  const up = () => within(30, async () => state() === 'Established,Established')
  const flaps = () => [a, b].map(({ speaker }) => speaker.status()[0]?.flaps ?? 0)
  let routes = 0
  /** A route of one end is heard at the other. */
  const speaks = () => {
    a.speaker.announce(`10.1.${++routes}.0/24`)
    return within(10, async () => b.speaker.status()[0]?.prefixesReceived === routes)
  }
  return { a, b, said, up, flaps, speaks }
}

async function rotation(t: Test, hub: SocketMaker, leaf: SocketMaker): Promise<void> {
  const { a, b, said, up, flaps, speaks } = await pair(t, hub, leaf)
  t.ok(await up(), 'up with one key')
  t.ok(await speaks())
  for (const [name, keys] of [
    ['a second key is there', [first, second]],
    ['it is asked for', [first, asked(second)]],
    ['the first one goes', [second]],
  ] as const) {
    for (const { use } of [a, b]) {
      use(keys)
      t.ok(await speaks(), name)
    }
  }
  t.same(flaps(), [0, 0], 'and nothing has flapped')
  const another = { ...second, secret: `${SECRET} 3` }
  for (const { use } of [a, b]) use([another])
  t.ok(
    await within(30, async () => flaps().every(count => count >= 1)),
    'another secret under the same ids is another session',
  )
  t.ok(await up())
  for (const [name, keys] of [
    ['a key of TCP-MD5', `${SECRET} 4`],
    ['TCP-AO again', [first]],
    ['none', undefined],
  ] as const) {
    const before = flaps()
    for (const { use } of [a, b]) use(keys)
    t.ok(await within(30, async () => flaps().every((count, i) => count > before[i])), `${name}: another session, too`)
    t.ok(await up(), name)
    t.notMatch(said.join('\n'), /cannot be protected/, name)
  }
  t.notMatch(JSON.stringify([a.speaker.status(), b.speaker.status(), said]), SECRET, 'no secret is to be seen')
}

const missing = sockets().tcpAo.lacks(first) ?? sockets().tcpAo.lacks(second)
const without = missing === undefined ? false : `${missing} (${release()}); it takes Linux 6.7 with CONFIG_TCP_AO`

t.test('keys come and go between two speakers, in this kernel', { skip: without }, t =>
  rotation(t, sockets(), sockets()),
)

t.test('the same with a stand-in: what is asked of the kernel, step by step', async t => {
  const [hub, leaf] = [new Kernel(), new Kernel()]
  await rotation(t, hub.maker(), leaf.maker())
  t.same(hub.listening(), [], 'nothing is left on the listener')
  const connection = hub.calls.filter(call => call.includes('connection'))
  t.match(connection, [
    'add connection 127.0.23.2 2/102',
    'request connection 102',
    'delete connection 127.0.23.2 1/101',
    'delete connection 127.0.23.2 1/101 for 2',
  ])
  t.match(
    hub.calls.filter(call => call.includes('listener')),
    [
      'add listener 127.0.23.2 1/101',
      'add listener 127.0.23.2 2/102',
      'delete listener 127.0.23.2 1/101',
      'delete listener 127.0.23.2 2/102',
      'add listener 127.0.23.2 2/102',
      'delete listener 127.0.23.2 2/102',
    ],
    'the new key comes before the old one goes, unless it has its ids',
  )
  t.match(
    leaf.calls.filter(call => call.includes('dialed') || call.includes('connection')).slice(0, 4),
    [
      'add dialed 127.0.23.1 101/1',
      'add connection 127.0.23.1 102/2',
      'request connection 2',
      'delete connection 127.0.23.1 101/1',
    ],
    'what dials has the key before it connects',
  )
})

t.test('who comes in without TCP-AO, by a listener that had no key in that moment, is not let in', async t => {
  const hub = new Kernel()
  hub.unsigned = true
  const { up, a } = await pair(t, hub.maker(), new Kernel().maker())
  t.ok(await within(20, async () => hub.without >= 2))
  t.same([a.speaker.status()[0].state, a.speaker.status()[0].messagesIn], ['Active', 0])
  hub.unsigned = false
  t.ok(await up())
})

async function rangeRotation(
  t: Test,
  hub: SocketMaker,
  leaf: SocketMaker,
  listening: () => readonly string[] | undefined,
) {
  const range = (tcpAo: readonly TcpAoKey[]) => ({
    asn: 65001,
    routerId: ONE,
    listenPort: PORT,
    listenAddresses: [ONE],
    dynamic: [{ name: 'rack', prefix: '127.0.23.0/24', template: { remoteAs: 65002, tcpAo } }],
  })
  const a = new Speaker(range([first]), { transport: tcpWith(hub) })
  t.teardown(() => a.stop())
  await a.start()
  const b = end(t, leaf, [65002, TWO, ONE], false)
  await b.speaker.start()
  const up = async () => a.status()[0]?.state === 'Established'
  t.ok(await within(20, up))
  let routes = 0
  for (const [keys, there] of [
    [
      [second, first],
      ['127.0.23.0/24 1/101', '127.0.23.0/24 2/102'],
    ],
    [[second], ['127.0.23.0/24 2/102']],
  ] as const) {
    b.use(keys)
    t.same(a.configure(range(keys)), [])
    t.same(listening() ?? there, there)
    b.speaker.announce(`10.2.${++routes}.0/24`)
    t.ok(await within(10, async () => a.status()[0]?.prefixesReceived === routes))
  }
  t.same([await up(), a.status()[0].flaps], [true, 0])
}

t.test('a range has keys for its whole prefix; who comes from there has them', async t => {
  const hub = new Kernel()
  await rangeRotation(t, hub.maker(), new Kernel().maker(), () => hub.listening())
  t.equal(hub.calls.at(-1), 'delete connection 127.0.23.0/24 1/101 for 2', 'as the listener gave it')
})

t.test('the same in this kernel', { skip: without }, t => rangeRotation(t, sockets(), sockets(), () => undefined))

t.test('another secret, or none, or TCP-MD5 at one end: no session', { skip: without }, async t => {
  for (const [name, keys] of [
    ['another secret', [{ ...first, secret: 'wrong' }]],
    ['other ids', [{ ...first, sendId: 9, receiveId: 9 }]],
    ['another algorithm', [{ ...first, algorithm: 'hmac-sha256' }]],
    ['none', undefined],
    ['TCP-MD5', first.secret],
  ] as const) {
    const { a, b, up, flaps } = await pair(t, sockets(), sockets())
    t.ok(await up())
    b.use(keys)
    t.ok(await within(30, async () => flaps()[1] === 1), `${name}: the session ends`)
    t.notOk(await within(3, async () => b.speaker.status()[0].state === 'Established'), 'and does not come back')
    b.use([first])
    t.ok(await up(), 'until it is right again')
    await Promise.all([a.speaker.stop(), b.speaker.stop()])
  }
})

t.test('a kernel that has no TCP-AO refuses the configuration, and the sessions that are up go on', async t => {
  const refusing = (why: string): SocketMaker => {
    const real = sockets()
    return { ...real, tcpAo: { ...real.tcpAo, lacks: () => why } }
  }
  for (const [name, make, says] of [
    ['told so', refusing('this kernel has no TCP-AO'), /has no TCP-AO; run Linux 6\.7 or newer/],
    ['a maker without it', { ...sockets(), tcpAo: undefined }, /the transport in use has no TCP-AO; run Linux/],
    ...(missing === undefined
      ? []
      : [
          [
            'this one',
            sockets(),
            /: this kernel has no TCP-AO; run Linux 6\.7 or newer, built with CONFIG_TCP_AO/,
          ] as const,
        ]),
  ] as const) {
    const base = (asn: number, own: string, remote: string) => ({
      asn,
      routerId: own,
      listenPort: asn === 65001 ? PORT : 0,
      listenAddresses: [own],
      peers: {
        plain: { address: remote, localAddress: own, port: PORT, remoteAs: 65003 - asn + 65000, connectRetry: 1 },
      },
    })
    const config = base(65001, ONE, TWO)
    const a = new Speaker(config, { transport: tcpWith(make) })
    const b = new Speaker(base(65002, TWO, ONE))
    t.teardown(() => Promise.all([a.stop(), b.stop()]))
    await Promise.all([a.start(), b.start()])
    const up = async () => a.status()[0].state === 'Established'
    t.ok(await within(20, up), name)
    const keyed = { address: '127.0.23.9', remoteAs: 65009, passive: true, tcpAo: [first] }
    const issues = a.configure({ ...config, peers: { ...config.peers, keyed } })
    t.equal(issues.length, 1)
    t.match(new ConfigError(issues).message, says)
    t.match(new ConfigError(issues).message, /^peer "keyed": tcpAo is "\(not shown\)": /)
    t.notMatch(JSON.stringify(issues), SECRET)
    t.same([await up(), a.status().length, a.status()[0].flaps], [true, 1, 0], 'nothing else has changed')
    await Promise.all([a.stop(), b.stop()])
  }
  const plain = new Speaker({
    asn: 65001,
    routerId: ONE,
    listenPort: 0,
    peers: [{ address: TWO, remoteAs: 65002, tcpAo: [first] }],
  })
  const error = await plain.start().catch((thrown: unknown) => thrown)
  t.match(String(error), /tcpAo is "\(not shown\)": the transport in use has no such socket option.*netlink-ts\/socket/)
  t.notMatch(String(error), SECRET)
})
