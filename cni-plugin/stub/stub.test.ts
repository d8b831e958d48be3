// The real executable against a server in this process.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { FakeBackend } from '../protocol/fake-backend.ts'
import { listenCni } from '../protocol/server.ts'
import { supportedVersions } from '../protocol/versions.ts'
import { buildStub } from './build.ts'

const stub = buildStub()

interface World {
  readonly socket: string
  readonly spoolDir: string
}

function world(test: Pick<typeof t, 'teardown'>): World {
  const dir = temporary(test)
  return { socket: join(dir, 'cni.sock'), spoolDir: join(dir, 'lib/margay/spool') }
}

async function serve(test: Pick<typeof t, 'teardown'>, at: World, backend = new FakeBackend()) {
  const server = await listenCni({ ...at, backend })
  test.teardown(() => server.close())
  return backend
}

function start(at: World, command: string, env: Record<string, string> = {}, more: object | string = {}) {
  const pod = { CNI_COMMAND: command, CNI_CONTAINERID: 'c1', CNI_IFNAME: 'eth0', CNI_NETNS: '/run/netns/p1' }
  const child = spawn(stub, { env: { ...pod, HOME: '/not/forwarded', ...env } })
  child.stdin.on('error', () => {})
  const conf = { cniVersion: '1.0.0', prevName: { name: 'x', socket: '/wrong' }, name: 'pods', ...at }
  child.stdin.end(typeof more === 'string' ? more : JSON.stringify({ ...conf, ...more }))
  return child
}

async function run(...args: Parameters<typeof start>) {
  const child = start(...args)
  const [out, err]: string[] = ['', '']
  const texts = { out, err }
  child.stdout.on('data', (chunk: Buffer) => (texts.out += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => (texts.err += chunk.toString()))
  const [exitCode] = (await once(child, 'close')) as [number | null]
  return { exitCode, json: texts.out === '' ? undefined : (JSON.parse(texts.out) as object), err: texts.err }
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

const spooled = (at: World) => readdirSync(at.spoolDir)

t.test('it is small and needs nothing beside it', async t => {
  t.ok(statSync(stub).size < 50 * 1024, `${statSync(stub).size} octets`)
  t.notMatch(readFileSync(stub, 'latin1'), /ld-linux|ld-musl|\/bin\/sh/, 'static, and calls no shell')
})

t.test('ADD, a second ADD, DEL', async t => {
  const at = world(t)
  const backend = await serve(t, at)
  const add = await run(at, 'ADD', { CNI_ARGS: 'K8S_POD_NAMESPACE=shop;K8S_POD_NAME=web-0' })
  t.match(add, {
    exitCode: 0,
    err: '',
    json: { cniVersion: '1.0.0', ips: [{ address: '10.42.0.5/32', interface: 1 }, {}] },
  })
  t.match(backend.endpoints.get('pods/c1/eth0'), { label: 'shop/web-0', netns: '/run/netns/p1' })
  t.match(await run(at, 'ADD'), { exitCode: 1, json: { code: 101 } })
  t.strictSame(await run(at, 'DEL'), { exitCode: 0, json: undefined, err: '' })
  t.equal(backend.endpoints.size, 0)
})

t.test('thirty pods at once', async t => {
  const at = world(t)
  const backend = await serve(t, at)
  const ids = Array.from({ length: 30 }, (_, i) => `pod-${i}`)
  const results = await Promise.all(ids.map(id => run(at, 'ADD', { CNI_CONTAINERID: id })))
  t.ok(results.every(result => result.exitCode === 0))
  t.equal(new Set([...backend.endpoints.values()].flatMap(endpoint => endpoint.addresses)).size, 60)
})

t.test('a large configuration, and one too large', async t => {
  const at = world(t)
  await serve(t, at)
  t.match(await run(at, 'ADD', {}, { note: 'x'.repeat(3 * 1024 * 1024) }), { exitCode: 0 })
  t.match(await run(at, 'ADD', {}, { note: 'x'.repeat(5 * 1024 * 1024) }), {
    exitCode: 1,
    json: { code: 5, msg: /longer than 4 MiB/ },
  })
})

t.test('a stub that is killed takes its ADD with it', async t => {
  const at = world(t)
  const backend = await serve(t, at)
  const gate = Promise.withResolvers<void>()
  backend.gate = gate.promise
  const child = start(at, 'ADD')
  await until(() => backend.endpoints.size === 1)
  child.kill('SIGKILL')
  await once(child, 'close')
  await new Promise(resolve => setTimeout(resolve, 20))
  gate.resolve()
  await until(() => backend.endpoints.size === 0)
  t.match(await run(at, 'ADD'), { exitCode: 0 }, 'and the next one finds the place free')
})

t.test('without a daemon', async t => {
  const at = world(t)
  t.match(await run(at, 'VERSION'), { exitCode: 0, json: { cniVersion: '1.0.0', supportedVersions } })
  t.match(await run(at, 'CHECK'), {
    exitCode: 1,
    json: { cniVersion: '1.0.0', code: 11, msg: `margayd does not listen at ${at.socket}`, details: /^Start margayd/ },
  })
  t.match(await run(at, 'STATUS'), { exitCode: 1, json: { code: 50, msg: /does not listen/ } })
  t.match(await run({ ...at, socket: `${import.meta.filename}/x` }, 'ADD'), {
    exitCode: 1,
    json: { code: 11, msg: /cannot be reached at .*Not a directory/ },
  })
  t.match(await run({ ...at, socket: `/${'x'.repeat(200)}` }, 'CHECK'), {
    exitCode: 1,
    json: { code: 11, msg: /File ?name too long/ },
  })
  t.strictSame(await run(at, '', {}), {
    exitCode: 0,
    json: undefined,
    err: 'margay-cni: CNI plugin of Margay. Container runtimes call it; see the CNI specification.\n',
  })
})

t.test('a bad call is told so at once, daemon or no daemon', async t => {
  const at = world(t)
  for (const daemon of [false, true]) {
    if (daemon) await serve(t, at)
    for (const [what, env, stdin, want] of [
      ['no JSON', {}, '{"name": "pods"', { code: 6, msg: /no JSON object/ }],
      ['a list', {}, '[]', { code: 6, msg: /no JSON object/ }],
      ['more than JSON', {}, '{"name":"pods"} {}', { code: 6, msg: /no JSON object/ }],
      ['nothing', {}, ' ', { code: 6, msg: /is empty/ }],
      ['no name', {}, { name: undefined }, { code: 7, msg: /name is missing/ }],
      ['a name of another type', {}, { name: 3 }, { code: 7, msg: /name/ }],
      ['a bad name', {}, { name: 'a b' }, { code: 7, msg: /name "a b" is no network name/ }],
      [
        'a version to come',
        {},
        { cniVersion: '2.0.0' },
        { code: 1, msg: /"2\.0\.0" is not/, details: /0\.1\.0, .*1\.1\.0/ },
      ],
      ['no such command', { CNI_COMMAND: 'PAINT' }, {}, { code: 4, msg: /CNI_COMMAND is "PAINT"/ }],
      ['no namespace', { CNI_NETNS: '' }, {}, { code: 4, msg: /CNI_NETNS is not set/ }],
      ['a bad id', { CNI_CONTAINERID: '../x' }, {}, { code: 4, msg: /CNI_CONTAINERID "\.\.\/x"/ }],
      ['a bad interface', { CNI_IFNAME: 'a/b' }, {}, { code: 4, msg: /CNI_IFNAME "a\/b"/ }],
    ] as const) {
      // What cannot be read leads to no daemon: an unusual socket is not even found.
      t.match(
        await run(at, 'ADD', env, stdin),
        { exitCode: 1, json: want },
        `${what}, ${daemon ? 'with' : 'without'} daemon`,
      )
    }
  }
})

t.test('an ADD waits for a daemon that restarts', async t => {
  const at = world(t)
  const adding = run(at, 'ADD')
  await new Promise(resolve => setTimeout(resolve, 150))
  await serve(t, at)
  t.match(await adding, { exitCode: 0 })
})

t.test('a daemon that dies amid a call', async t => {
  const at = world(t)
  const server = createServer(socket => socket.once('data', () => socket.destroy())).listen(at.socket)
  await once(server, 'listening')
  t.teardown(() => server.close())
  t.match(await run(at, 'ADD'), { exitCode: 1, json: { code: 11, msg: /ended before it answered/ } })
  t.match(await run(at, 'DEL'), { exitCode: 0 })
  t.equal(spooled(at).length, 1)
})

t.test('a daemon that listens and never answers holds up nobody for ever', async t => {
  const at = world(t)
  const server = createServer(() => {}).listen(at.socket)
  await once(server, 'listening')
  const [status, version] = await Promise.all([run(at, 'STATUS'), run(at, 'VERSION')])
  t.match(status, { exitCode: 1, json: { code: 50, msg: /does not answer within 10 s/, details: /restart it/ } })
  t.match(version, { exitCode: 0, json: { supportedVersions } })
  server.close()
})

t.test('a daemon of another version', async t => {
  const at = world(t)
  const server = createServer(socket => socket.once('data', () => socket.end(Uint8Array.of(9)))).listen(at.socket)
  await once(server, 'listening')
  t.teardown(() => server.close())
  for (const command of ['ADD', 'DEL'])
    t.match(await run(at, command), { exitCode: 1, json: { code: 102, msg: /another version/ } })
})

t.test('a DEL without a daemon is done when it is back', async t => {
  const at = world(t)
  const backend = new FakeBackend()
  const server = await listenCni({ ...at, backend })
  await run(at, 'ADD')
  await run(at, 'ADD', {}, { name: 'other' })
  await run(at, 'ADD', { CNI_CONTAINERID: 'c2' })
  await server.close()

  for (let i = 0; i < 3; i++) t.strictSame(await run(at, 'DEL'), { exitCode: 0, json: undefined, err: '' })
  await run(at, 'DEL', {}, { name: 'other' })
  t.equal(spooled(at).length, 2, 'once for each network, however often it is asked')
  t.match(spooled(at), [/^c1:eth0:[0-9a-f]{16}\.del$/, /^c1:eth0:/])
  t.equal(statSync(join(at.spoolDir, spooled(at)[0])).mode & 0o777, 0o600)
  t.equal(backend.endpoints.size, 3)

  await serve(t, at, backend)
  t.same([...backend.endpoints.keys()], ['pods/c2/eth0'])
  t.same(spooled(at), [])
})

t.test('a DEL that can neither be done nor kept says so', async t => {
  const at = world(t)
  mkdirSync(join(at.spoolDir, '..'), { recursive: true })
  writeFileSync(at.spoolDir, 'a file')
  t.match(await run(at, 'DEL'), {
    exitCode: 1,
    json: { code: 5, msg: /cannot be kept in .*: Not a directory/, details: /Start margayd/ },
  })
  t.match(await run({ ...at, spoolDir: 'relative' }, 'DEL'), { exitCode: 1, json: { code: 5 } })
  t.match(await run(at, 'DEL', { CNI_CONTAINERID: '../../etc/passwd' }), {
    exitCode: 1,
    json: { code: 4, msg: /CNI_CONTAINERID "\.\.\/\.\.\/etc\/passwd"/ },
  })
  t.match(await run(at, 'DEL', {}, { name: 3 }), { exitCode: 1, json: { code: 7, msg: /name is missing, or no text/ } })
  t.match(await run(at, 'DEL', { CNI_IFNAME: '' }), { exitCode: 1, json: { code: 4, msg: /CNI_IFNAME is not set/ } })
})
