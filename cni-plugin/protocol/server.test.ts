import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import type { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { namespace } from '../../netlink/test-namespace.ts'
import type { CallReport } from './connection.ts'
import { FakeBackend } from './fake-backend.ts'
import { listenCni } from './server.ts'
import { receipt, wireVersion, writeRequest } from './wire.ts'

const env = (command: string, more: object = {}) => ({
  CNI_COMMAND: command,
  CNI_CONTAINERID: 'c1',
  CNI_IFNAME: 'eth0',
  CNI_NETNS: '/run/netns/p1',
  ...more,
})
const conf = (more: object = {}) => JSON.stringify({ cniVersion: '1.1.0', name: 'pods', type: 'margay-cni', ...more })

async function daemon(test: Pick<typeof t, 'teardown'>, backend = new FakeBackend(), lookEvery?: number) {
  const dir = temporary(test)
  const [socket, spoolDir] = [join(dir, 'run/cni.sock'), join(dir, 'spool')]
  const reports: CallReport[] = []
  const problems: string[] = []
  const start = async () => {
    const server = await listenCni({
      socket,
      spoolDir,
      backend,
      onCall: report => reports.push(report),
      onProblem: text => problems.push(text),
      lookEvery,
    })
    test.teardown(() => server.close())
    return server
  }
  return { backend, socket, spoolDir, reports, problems, start }
}

/** Stands in for the stub; `answer` is what the daemon said, undefined if it closed. */
class Client {
  readonly socket: Socket
  readonly #chunks: Buffer[] = []

  constructor(path: string, octets: Uint8Array) {
    this.socket = connect(path, () => this.socket.write(octets))
    this.socket.on('data', (chunk: Buffer) => this.#chunks.push(chunk))
    this.socket.on('error', () => {})
  }

  async answer(): Promise<{ exitCode: number; stdout: string } | undefined> {
    for (;;) {
      const octets = Buffer.concat(this.#chunks)
      if (octets.length >= 10 && octets.length >= 10 + octets.readUInt32BE(2)) {
        return { exitCode: octets[1], stdout: octets.toString('utf8', 10, 10 + octets.readUInt32BE(2)) }
      }
      if (this.socket.closed) return undefined
      await Promise.race([once(this.socket, 'data'), once(this.socket, 'close')])
    }
  }

  async receive() {
    const answer = await this.answer()
    this.socket.end(Uint8Array.of(receipt))
    return answer
  }
}

/** Short, for a socket's path has at most 107 octets. */
function temporary(test: Pick<typeof t, 'teardown'>): string {
  const dir = mkdtempSync(join(tmpdir(), 'mgc-'))
  test.teardown(() => rmSync(dir, { recursive: true, force: true }))
  return dir
}

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise(resolve => setTimeout(resolve, 5))
}

t.test('a call and its answer', async t => {
  const { start, socket, reports } = await daemon(t)
  await start()
  const answer = await new Client(socket, writeRequest({ env: env('ADD'), stdin: conf({ secret: 'hush' }) })).receive()
  t.equal(answer?.exitCode, 0)
  t.match(JSON.parse(answer?.stdout ?? ''), { cniVersion: '1.1.0', ips: [{ address: '10.42.0.5/32' }, {}] })
  await until(() => reports.length === 1)
  t.strictSame(reports, [
    { command: 'ADD', containerId: 'c1', ifName: 'eth0', exitCode: 0, error: undefined, abandoned: false },
  ])
})

t.test('a request in single octets', async t => {
  const { start, socket } = await daemon(t)
  await start()
  const client = new Client(socket, new Uint8Array())
  for (const octet of writeRequest({ env: env('STATUS'), stdin: conf() })) {
    client.socket.write(Uint8Array.of(octet))
    await new Promise(resolve => setImmediate(resolve))
  }
  t.same(await client.receive(), { exitCode: 0, stdout: '' })
})

t.test('a runtime that is gone before the answer leaves nothing behind', async t => {
  const { start, socket, backend, reports } = await daemon(t)
  await start()
  const gate = Promise.withResolvers<void>()
  backend.gate = gate.promise
  const early = new Client(socket, writeRequest({ env: env('ADD'), stdin: conf() }))
  await until(() => backend.endpoints.size === 1)
  early.socket.destroy()
  await once(early.socket, 'close')
  await new Promise(resolve => setTimeout(resolve, 20))
  gate.resolve()
  await until(() => reports.length === 1)
  t.match(reports[0], { command: 'ADD', exitCode: 1, abandoned: true })
  t.equal(backend.endpoints.size, 0, 'while the daemon worked')

  const late = new Client(socket, writeRequest({ env: env('ADD'), stdin: conf() }))
  t.equal((await late.answer())?.exitCode, 0)
  t.equal(backend.endpoints.size, 1)
  late.socket.destroy()
  await until(() => reports.length === 2)
  t.match(reports[1], { command: 'ADD', exitCode: 0, abandoned: true })
  t.equal(backend.endpoints.size, 0, 'and after it answered, without a receipt')
})

t.test('calls for one interface wait for each other, others do not', async t => {
  const { start, socket, backend } = await daemon(t)
  await start()
  const gate = Promise.withResolvers<void>()
  backend.gate = gate.promise
  const add = new Client(socket, writeRequest({ env: env('ADD'), stdin: conf() }))
  await until(() => backend.calls.length === 1)
  const del = new Client(socket, writeRequest({ env: env('DEL'), stdin: conf() }))
  const other = new Client(socket, writeRequest({ env: env('DEL', { CNI_CONTAINERID: 'c2' }), stdin: conf() }))
  t.equal((await other.receive())?.exitCode, 0)
  t.same(backend.calls, ['add pods/c1/eth0', 'del pods/c2/eth0'])
  gate.resolve()
  t.equal((await add.receive())?.exitCode, 0)
  t.equal((await del.receive())?.exitCode, 0)
  t.same(backend.calls, ['add pods/c1/eth0', 'del pods/c2/eth0', 'del pods/c1/eth0'])
})

t.test('a stub that does not fit is told so', async t => {
  const { start, socket } = await daemon(t)
  await start()
  const huge = Uint8Array.of(wireVersion, 0, 0, 0, 0, 255, 255, 255, 255)
  for (const [octets, want] of [
    [Uint8Array.of(9, 0, 0), /speaks version 9/],
    [huge, /request of 4294967295 octets is too long/],
  ] as const) {
    const answer = await new Client(socket, octets).receive()
    t.equal(answer?.exitCode, 1)
    t.match(JSON.parse(answer?.stdout ?? ''), { code: 102, msg: want, details: /Install/ })
  }
})

t.test('spooled DELs are done before anything else', async t => {
  const { start, socket, spoolDir, backend, problems } = await daemon(t)
  const del = (id: string) => writeRequest({ env: env('DEL', { CNI_CONTAINERID: id, CNI_NETNS: '' }), stdin: conf() })
  mkdirSync(spoolDir)
  writeFileSync(join(spoolDir, 'c1:eth0:1.del'), del('c1'))
  writeFileSync(join(spoolDir, 'c2:eth0:2.del'), del('c2'))
  writeFileSync(join(spoolDir, 'c3:eth0:3.del'), del('c3').subarray(0, 20))
  writeFileSync(join(spoolDir, 'c4:eth0:4.del'), writeRequest({ env: env('ADD'), stdin: conf() }))
  writeFileSync(join(spoolDir, '.tmp-77'), 'half')
  const gate = Promise.withResolvers<void>()
  const realDel = backend.del.bind(backend)
  backend.del = async key => {
    await gate.promise
    if (key.containerId === 'c2') throw new Error('device is busy')
    return realDel(key)
  }
  const starting = start()
  await until(() => existsSync(socket))
  const add = new Client(socket, writeRequest({ env: env('ADD', { CNI_CONTAINERID: 'c9' }), stdin: conf() }))
  await once(add.socket, 'connect')
  await new Promise(resolve => setTimeout(resolve, 20))
  gate.resolve()
  await starting
  t.equal((await add.receive())?.exitCode, 0)
  t.same(backend.calls, ['del pods/c1/eth0', 'add pods/c9/eth0'])
  t.same(readdirSync(spoolDir), ['c2:eth0:2.del'], 'what failed is tried again later')
  t.match(problems, [
    /c2:eth0:2\.del: its DEL failed .*device is busy/,
    /c3:eth0:3\.del: it is no DEL/,
    /c4:eth0:4\.del: it is no DEL/,
  ])
})

const spooledDel = (id: string) =>
  writeRequest({ env: env('DEL', { CNI_CONTAINERID: id, CNI_NETNS: '' }), stdin: conf() })

t.test(
  'a DEL that is spooled while the daemon runs is done before an ADD of the same attachment, and never after it',
  async t => {
    const { start, socket, spoolDir, backend } = await daemon(t)
    const server = await start()
    mkdirSync(spoolDir)
    const add = async (id: string) =>
      new Client(socket, writeRequest({ env: env('ADD', { CNI_CONTAINERID: id }), stdin: conf() })).receive()
    await add('c1')
    writeFileSync(join(spoolDir, 'c1:eth0:1.del'), spooledDel('c1'))
    await add('c2')
    t.same(readdirSync(spoolDir), ['c1:eth0:1.del'], 'another attachment has nothing to do with it')
    t.equal((await add('c1'))?.exitCode, 0)
    t.same(readdirSync(spoolDir), [])
    await server.close()
    await start()
    t.same(backend.calls, ['add pods/c1/eth0', 'add pods/c2/eth0', 'del pods/c1/eth0', 'add pods/c1/eth0'])
  },
)

t.test('an ADD waits for the DEL that is owed for the same attachment', async t => {
  const { start, socket, spoolDir, backend } = await daemon(t)
  await start()
  mkdirSync(spoolDir)
  writeFileSync(join(spoolDir, 'c1:eth0:1.del'), spooledDel('c1'))
  backend.del = () => Promise.reject(new Error('device is busy'))
  const answer = await new Client(socket, writeRequest({ env: env('ADD'), stdin: conf() })).receive()
  t.match(JSON.parse(answer?.stdout ?? ''), { code: 11, msg: /earlier DEL/, details: /device is busy/ })
  t.same(backend.calls, [])
})

t.test('a DEL that is spooled while the daemon runs is done soon', async t => {
  const { start, spoolDir, backend } = await daemon(t, new FakeBackend(), 20)
  await start()
  mkdirSync(spoolDir)
  writeFileSync(join(spoolDir, 'c1:eth0:1.del'), spooledDel('c1'))
  await until(() => backend.calls.length > 0)
  await until(() => readdirSync(spoolDir).length === 0)
  t.same(backend.calls, ['del pods/c1/eth0'])
})

t.test('root of a pod that has the socket mounted gets no answer, and nothing is done for it', async t => {
  const { start, socket, backend, problems } = await daemon(t)
  await start()
  const octets = Buffer.from(writeRequest({ env: env('ADD'), stdin: conf() })).toString('hex')
  const call = `const socket = require('net').connect(${JSON.stringify(socket)}, () => socket.write(Buffer.from('${octets}', 'hex')))
    socket.on('error', () => {}).on('data', octets => process.stdout.write(octets, () => socket.destroy()))`
  const { path } = namespace(t)
  const child = spawn('nsenter', [`--net=${path}`, process.execPath, '-e', call])
  let heard = ''
  child.stdout.on('data', (octets: Buffer) => (heard += octets.toString()))
  await once(child, 'close')
  t.equal(heard, '')
  t.same(backend.calls, [])
  t.match(problems, [/cni\.sock: process \d+ \(.*\) called, which is in another network namespace/])
  t.equal(statSync(socket).mode & 0o777, 0o600)
})

t.test('one daemon a socket', async t => {
  const { start, socket } = await daemon(t)
  const server = await start()
  await t.rejects(start(), /another daemon listens there/)
  const idle = connect(socket)
  await once(idle, 'connect')
  await server.close()
  t.notOk(existsSync(socket), 'closed although a connection said nothing')

  const dead = createServer().listen(socket)
  await once(dead, 'listening')
  dead.close()
  writeFileSync(socket, '')
  await start()
  t.ok(existsSync(socket), 'what a killed daemon left is no hindrance')
})
