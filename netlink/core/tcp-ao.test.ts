// Records of TCP-AO against octets written down by hand from linux/tcp.h (little-endian), and what this kernel says to them.

import { existsSync, readFileSync } from 'node:fs'
import { endianness, release } from 'node:os'
import { createServer, Socket } from 'node:net'
import { gunzipSync } from 'node:zlib'
import t from 'tap'
import { parsePrefix, type Prefix } from '../../inet/index.ts'
import { sockets } from '../socket.ts'
import { namespace } from '../test-namespace.ts'
import { addRecord, deleteRecord, keysRequest, readKeys, requestRecord, type TcpAoKey } from './tcp-ao.ts'

const key: TcpAoKey = { sendId: 100, receiveId: 101, algorithm: 'hmac-sha1', secret: 'hunter2' }
const [four, six, rack] = ['10.0.0.2', 'fd00::2', '10.0.0.0/24'].map(text => parsePrefix(text) as Prefix)

/** So many octets, zero but for these: hexadecimal by offset. */
function octets(length: number, parts: Readonly<Record<number, string>>): string {
  const all = Buffer.alloc(length)
  for (const [at, hex] of Object.entries(parts)) Buffer.from(hex.replaceAll(' ', ''), 'hex').copy(all, Number(at))
  return all.toString('hex')
}

const hex = (record: Uint8Array) => Buffer.from(record).toString('hex')
const HMAC_SHA1 = '68 6d 61 63 28 73 68 61 31 29'
const HUNTER2 = '68 75 6e 74 65 72 32'
const skip = endianness() === 'LE' ? false : 'the octets here are those of a little-endian machine'

t.test('a key to add: struct tcp_ao_add', { skip }, async t => {
  for (const [name, record, parts] of [
    [
      'IPv4',
      addRecord(four, key, false, false),
      { 0: '02 00 00 00 0a 00 00 02', 128: HMAC_SHA1, 202: '20 64 65 00 00 07', 208: HUNTER2 },
    ],
    [
      'in use at once',
      addRecord(four, key, false, true),
      { 0: '02 00 00 00 0a 00 00 02', 128: HMAC_SHA1, 196: '03', 202: '20 64 65 00 00 07', 208: HUNTER2 },
    ],
    [
      'IPv4 on a socket of IPv6, a prefix',
      addRecord(rack, key, true, false),
      { 0: '0a 00', 18: 'ff ff 0a 00 00 00', 128: HMAC_SHA1, 202: '18 64 65 00 00 07', 208: HUNTER2 },
    ],
    [
      'IPv6, another algorithm and length',
      addRecord(six, { ...key, algorithm: 'aes-128-cmac', maclen: 16 }, true, false),
      {
        0: '0a 00',
        8: 'fd 00 00 00 00 00 00 00 00 00 00 00 00 00 00 02',
        128: '63 6d 61 63 28 61 65 73 31 32 38 29',
        202: '80 64 65 10 00 07',
        208: HUNTER2,
      },
    ],
    [
      'HMAC-SHA-256',
      addRecord(four, { ...key, algorithm: 'hmac-sha256' }, false, false),
      {
        0: '02 00 00 00 0a 00 00 02',
        128: '68 6d 61 63 28 73 68 61 32 35 36 29',
        202: '20 64 65 00 00 07',
        208: HUNTER2,
      },
    ],
  ] as const) {
    t.equal(hex(record), octets(288, parts), name)
  }
})

t.test('a key to delete, one to ask for: struct tcp_ao_del, struct tcp_ao_info_opt', { skip }, async t => {
  const plain = { 0: '02 00 00 00 0a 00 00 02', 138: '20 64 65' }
  t.equal(hex(deleteRecord(four, key, false, undefined)), octets(144, plain))
  const instead = { ...plain, 132: '03', 138: '20 64 65 c8 c9' }
  t.equal(hex(deleteRecord(four, key, false, { sendId: 200, receiveId: 201 })), octets(144, instead))
  t.equal(hex(requestRecord(201)), octets(48, { 0: '02', 7: 'c9' }))
})

t.test('the keys of a socket: struct tcp_ao_getsockopt', { skip }, async t => {
  t.equal(hex(keysRequest(2)), octets(608, { 272: '02 00 00 00 04 00' }))
  const answer = octets(608, {
    0: '02 00 00 00 0a 00 00 00',
    192: HUNTER2,
    272: '03 00 00 00 01 00 64 65 18 0c 00 07',
    304: '0a 00',
    312: 'fd 00 00 00 00 00 00 00 00 00 00 00 00 00 00 02',
    576: '00 00 00 00 02 00 c8 c9 80 0c 00 07',
  })
  t.same(readKeys(Buffer.from(answer, 'hex')), {
    count: 3,
    keys: [
      { remote: '10.0.0.0/24', sendId: 100, receiveId: 101, sends: true, requested: false },
      { remote: 'fd00::2/128', sendId: 200, receiveId: 201, sends: false, requested: true },
    ],
  })
})

const { tcpAo } = sockets()
const missing = tcpAo.lacks(key)

t.test('a kernel without TCP-AO says so, and no secret is in any words', async t => {
  const make = sockets()
  const fd = make.dial({ address: '127.0.0.1' })
  t.teardown(() => make.close(fd))
  t.throws(() => tcpAo.add(fd, 'nowhere', key), { code: 'EINVAL', message: /^(?!.*hunter2)/ })
  const long = { ...key, secret: 'hunter2'.repeat(20) }
  t.throws(() => tcpAo.add(fd, '127.0.0.1', long), { code: 'EINVAL', message: /^(?!.*hunter2)/ })
  if (missing === undefined) return
  t.equal(missing, 'this kernel has no TCP-AO')
  const refused = { code: 'ENOPROTOOPT', message: /^(?!.*hunter2)/ }
  t.throws(() => tcpAo.add(fd, '127.0.0.1', key), refused)
  t.throws(() => tcpAo.keys(fd), refused)
  t.throws(() => tcpAo.request(fd, 1), refused)
  t.throws(() => tcpAo.delete(fd, '127.0.0.1', key), refused)
})

t.test('what this kernel was built with, and what it answers, are one', async t => {
  if (!existsSync('/proc/config.gz')) return t.comment('this kernel does not say what it was built with')
  const config = gunzipSync(readFileSync('/proc/config.gz')).toString()
  t.equal(missing === undefined, /^CONFIG_TCP_AO=y/m.test(config))
})

const without = missing === undefined ? false : `${missing} (${release()}); it needs Linux 6.7 with CONFIG_TCP_AO`

t.test('two keys over, one after the other, on an open connection', { skip: without }, async t => {
  const net = namespace(t)
  net.ip('addr add fe80::9/64 dev lo')
  const make = sockets({ netns: net.path })
  const other = { ...key, sendId: 101, receiveId: 100 }
  const next = { ...key, sendId: 7, receiveId: 7, algorithm: 'aes-128-cmac', secret: 'next' } as const
  for (const [address, on] of [
    ['127.0.0.1', undefined],
    ['127.0.0.1', '127.0.0.1'],
    ['::1', '::1'],
    ['fe80::9%lo', undefined],
  ] as const) {
    const listener = make.listen({ address: on, port: 1790 })
    make.tcpAo.add(listener, address, key)
    const taken: Socket[] = []
    const server = createServer(socket =>
      taken.push(socket.on('error', () => {}).on('data', data => socket.write(data))),
    )
    await new Promise<void>(resolve => server.listen({ fd: listener }, resolve))
    const fd = make.dial({ address })
    make.tcpAo.add(fd, address, other, true)
    const socket = new Socket({ fd, manualStart: true, readable: true, writable: true } as object)
    await new Promise<void>(resolve => socket.connect({ host: address, port: 1790 }, resolve))
    const says = (text: string) =>
      new Promise(resolve => {
        socket.once('data', data => resolve(data.toString() === text))
        socket.write(text)
      })
    t.ok(await says('before'), `${address} on ${on}`)
    const { _handle: handle } = taken[0] as Socket & { _handle: { fd: number } }
    t.match(make.tcpAo.keys(handle.fd), [{ sendId: 100, receiveId: 101, sends: true }])
    for (const end of [fd, handle.fd]) make.tcpAo.add(end, address, next)
    for (const end of [fd, handle.fd]) make.tcpAo.request(end, 7)
    t.ok(await says('one'))
    t.ok(await says('two'))
    t.match(
      make.tcpAo.keys(fd)?.find(one => one.sends),
      { sendId: 7 },
      'the peer asked for it',
    )
    make.tcpAo.delete(fd, address, other, next)
    make.tcpAo.delete(handle.fd, address, key, next)
    t.ok(await says('after'), 'the same connection goes on')
    t.match(make.tcpAo.keys(fd), [{ sendId: 7, sends: true, requested: true }])
    socket.destroy()
    taken[0].destroy()
    server.close()
  }
})
