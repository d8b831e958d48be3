// Who is let in at the daemon's sockets: real processes in real namespaces, at a server that stands for either of the two.

import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdtempSync, rmSync, statSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { namespace } from '../../netlink/test-namespace.ts'
import { callerGuard, networkOf } from './caller.ts'
import { listenForRoot } from './socket.ts'

const folder = mkdtempSync(join(tmpdir(), 'mgc-'))
chmodSync(folder, 0o755)
t.teardown(() => rmSync(folder, { recursive: true, force: true }))

/** Says "hello" to whom it lets in. */
async function serve(test: Pick<typeof t, 'teardown'>, name: string) {
  const path = join(folder, name)
  const told: string[] = []
  const clock = { now: 0 }
  const mayCall = callerGuard(
    path,
    text => told.push(text),
    () => clock.now,
  )
  const server = createServer(socket => mayCall(socket) && socket.end('hello'))
  await listenForRoot(server, path)
  test.teardown(() => server.close())
  return { path, told, clock }
}

const calling = `
  const socket = require('net').connect(process.argv[1])
  socket.on('error', () => {}).on('data', octets => process.stdout.write(octets))`

/** Makes a process nobody's, but able to read a checkout wherever it is. */
const asNobody = [
  'setpriv',
  '--reuid=65534',
  '--clear-groups',
  '--inh-caps=+dac_override',
  '--ambient-caps=+dac_override',
]

/** What a process hears that is started by these words, as root has them. */
async function hear(path: string, ...words: readonly string[]): Promise<string> {
  const [command, ...args] = [...words, process.execPath, '-e', calling, path]
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  let heard = ''
  child.stdout.on('data', (octets: Buffer) => (heard += octets.toString()))
  await once(child, 'close')
  return heard
}

t.test('root of the node gets in, root of a pod does not', async t => {
  const { path, told } = await serve(t, 'pods.sock')
  const pod = namespace(t)
  t.equal(await hear(path), 'hello')
  t.same(told, [])
  t.equal(await hear(path, 'ip', 'netns', 'exec', pod.name), '')
  t.match(told, [/pods\.sock: process \d+ \(.*\) called, which is in another network namespace/])
  t.equal(await hear(path, 'unshare', '--net', '--pid', '--fork'), '', 'as little in a pid namespace of its own')
  t.equal(await hear(path, 'setpriv', '--bounding-set=-all', '--inh-caps=-all'), 'hello', 'rights do not matter')
})

t.test('another user does not get in, though the mode lets him', async t => {
  const { path, told } = await serve(t, 'users.sock')
  t.equal(statSync(path).mode & 0o777, 0o600, 'which it does not by itself')
  chmodSync(path, 0o666)
  t.equal(await hear(path, ...asNobody), '')
  t.match(told, [/process \d+ of user 65534 called, and only root may/])
})

t.test('who is in no pid namespace of the daemon does not get in', async t => {
  const path = join(folder, 'pids.sock')
  const serving = `import { createServer } from 'node:net'
    import { callerGuard } from ${JSON.stringify(new URL('caller.ts', import.meta.url).href)}
    const mayCall = callerGuard(${JSON.stringify(path)}, console.log)
    createServer(socket => mayCall(socket) && socket.end('hello')).listen(${JSON.stringify(path)}, () => console.log('up'))`
  const argv = [
    '--pid',
    '--fork',
    '--kill-child',
    '--mount-proc',
    process.execPath,
    '--input-type=module',
    '-e',
    serving,
  ]
  const server = spawn('unshare', argv, { stdio: ['ignore', 'pipe', 'inherit'] })
  t.teardown(() => server.kill('SIGKILL'))
  let told = ''
  server.stdout.on('data', (octets: Buffer) => (told += octets.toString()))
  await once(server.stdout, 'data')
  t.equal(await hear(path), '')
  t.match(told, /outside of the pid namespace of margayd/)
})

t.test('many are told of in one line', async t => {
  const { path, told, clock } = await serve(t, 'many.sock')
  const pod = namespace(t)
  for (let n = 0; n < 3; n++) t.equal(await hear(path, 'ip', 'netns', 'exec', pod.name), '')
  t.equal(told.length, 1)
  clock.now = 60_000
  await hear(path, 'ip', 'netns', 'exec', pod.name)
  t.match(told.slice(1), [/so were 2 others/])
})

t.test('a daemon without rights over other processes tells networks apart as well', async t => {
  const pod = namespace(t)
  const there = spawn('ip', ['netns', 'exec', pod.name, 'sh', '-c', 'echo there; exec sleep 60'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  t.teardown(() => there.kill())
  await once(there.stdout, 'data')
  const look = `import { networkOf } from ${JSON.stringify(new URL('caller.ts', import.meta.url).href)}
    console.log(JSON.stringify([networkOf(${process.pid}), networkOf('self'), networkOf(${there.pid})]))`
  const run = (...argv: readonly string[]) =>
    spawnSync(asNobody[0], [...asNobody.slice(1), ...argv], { encoding: 'utf8' })
  t.not(run('readlink', `/proc/${there.pid}/ns/net`).status, 0, 'ns/net it may not read')
  const seen = run(process.execPath, '--input-type=module', '-e', look).stdout
  const [ours, its, pods] = JSON.parse(seen) as (string | undefined)[]
  t.equal(ours, networkOf('self'))
  t.equal(its, ours)
  t.equal(pods, networkOf(there.pid ?? 0))
  t.not(pods, ours)
})
