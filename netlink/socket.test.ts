// Sockets with options, in a namespace of their own, tried between two of them on its loopback interface.

import { createServer, Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { type DialSocket, type Hops, type Sockets, sockets } from './socket.ts'
import { namespace } from './test-namespace.ts'

/** Node's types do not know `manualStart`. */
const idle = { manualStart: true, readable: true, writable: true }
let port = 1790

/** A listener on the address with these options, which echoes; its fd. */
async function echo(t: Tap, make: Sockets, address: string | undefined, hops: Hops = {}) {
  const fd = make.listen({ address, port: ++port, ...hops })
  const taken: Socket[] = []
  const server = createServer(socket => {
    taken.push(socket)
    socket.on('error', () => {})
    socket.on('data', octets => socket.write(octets))
  })
  await new Promise<void>(resolve => server.listen({ fd }, resolve))
  t.teardown(() => {
    for (const socket of taken) socket.destroy()
    server.close()
  })
  return { fd, port, taken }
}

type Tap = Parameters<typeof namespace>[0]

/** `wait`: milliseconds in which it should connect, or until it counts as unanswered. */
async function dial(t: Tap, make: Sockets, to: DialSocket, toPort: number, wait = 5000) {
  const fd = make.dial(to)
  const socket = new Socket({ fd, ...idle })
  let answer = ''
  socket.on('error', () => {})
  socket.on('data', octets => (answer += octets.toString()))
  t.teardown(() => socket.destroy())
  socket.connect({ host: to.address, port: toPort })
  const connected = await Promise.race([
    new Promise(resolve => socket.once('connect', () => resolve(true))),
    sleep(wait, false),
  ])
  const says = async (text: string, patience = 5000) => {
    socket.write(text)
    for (let i = 0; i < patience / 20 && !answer.endsWith(text); i++) await sleep(20)
    return answer.endsWith(text)
  }
  return { fd, connected, says, socket }
}

t.test('TCP-MD5: only the same key is answered, and it changes without a flap', async t => {
  const make = sockets({ netns: namespace(t).path })
  for (const [address, listen] of [
    ['127.0.0.1', '127.0.0.1'],
    ['127.0.0.1', undefined],
    ['::1', '::1'],
  ] as const) {
    const { fd, port, taken } = await echo(t, make, listen)
    make.setKey(fd, address, 'one')
    const right = await dial(t, make, { address, secret: 'one' }, port)
    t.equal(right.connected, true, `${address} on ${listen}`)
    t.equal((await dial(t, make, { address, secret: 'two' }, port, 250)).connected, false, 'another key')
    t.equal((await dial(t, make, { address }, port, 250)).connected, false, 'none')
    t.ok(await right.says('before'))
    const { _handle: handle } = taken[0] as Socket & { _handle: { fd: number } }
    make.setKey(handle.fd, address, 'two')
    right.socket.write('between')
    await sleep(50)
    make.setKey(right.fd, address, 'two')
    t.ok(await right.says('after'), 'the same connection goes on')
    make.setKey(fd, address, undefined)
    t.equal((await dial(t, make, { address }, port)).connected, true, 'and without any')
    make.setKey(fd, address, undefined)
  }
})

t.test('GTSM: what comes from too far is not answered', async t => {
  const make = sockets({ netns: namespace(t).path })
  for (const address of ['127.0.0.1', '::1']) {
    const { port } = await echo(t, make, address, { ttl: 255, leastTtl: 255 })
    t.equal((await dial(t, make, { address, ttl: 255, leastTtl: 255 }, port)).connected, true, address)
    t.equal((await dial(t, make, { address, ttl: 254 }, port, 250)).connected, false)
    t.equal((await dial(t, make, { address }, port, 250)).connected, false)
    const open = await echo(t, make, address)
    const late = await dial(t, make, { address }, open.port)
    t.ok(await late.says('hello'))
    make.setHops(late.fd, { leastTtl: 255 })
    t.notOk(await late.says('again', 250), 'an open connection too')
  }
})

t.test('source address, link, an address that is not there yet', async t => {
  const { path } = namespace(t)
  const make = sockets({ netns: path })
  const { port, taken } = await echo(t, make, undefined)
  const from = await dial(t, make, { address: '127.0.0.1', localAddress: '127.0.0.9' }, port)
  t.ok(from.connected && (await from.says('hello')))
  t.equal(taken[0].remoteAddress, '::ffff:127.0.0.9')
  t.throws(() => make.listen({ address: '10.9.9.9', port: 1 }), { code: 'EADDRNOTAVAIL' })
  const early = sockets({ netns: path, freebind: true })
  early.close(early.listen({ address: '10.9.9.9', port: 1 }))
  t.throws(() => sockets({ netns: path, device: 'none0' }).dial({ address: '::1' }), { code: 'ENODEV' })
  const bound = sockets({ netns: path, device: 'lo' })
  t.equal((await dial(t, bound, { address: '127.0.0.1' }, port)).connected, true)
})

t.test('what cannot be is refused with a code, and no key is in the words', async t => {
  const make = sockets({ netns: namespace(t).path })
  t.throws(() => make.dial({ address: 'nowhere', secret: 'hunter2' }), { code: 'EINVAL', message: /^(?!.*hunter2)/ })
  t.throws(() => make.dial({ address: '127.0.0.1', secret: 'hunter2'.repeat(20) }), { message: /^(?!.*hunter2)/ })
  t.throws(() => make.dial({ address: '127.0.0.1', ttl: 256 }), { code: 'EINVAL' })
  t.throws(() => sockets({ netns: '/run/netns/mgp-none' }).dial({ address: '::1' }), { code: 'ENOENT' })
})
