import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { peerCredentials, peerIsAlive } from './peer.ts'

t.test('who is at the other end of a unix socket, and whether it is still there', async t => {
  // Short, for a socket's path has at most 107 octets.
  const folder = mkdtempSync(join(tmpdir(), 'mgn-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const path = join(folder, 's')
  const server = createServer({ allowHalfOpen: true })
  await new Promise<void>(resolve => server.listen(path, resolve))
  t.teardown(() => server.close())
  const accepted = once(server, 'connection') as Promise<[Socket & { _handle: { fd: number } }]>
  const calling = `require('net').connect(process.argv[1]); setInterval(() => {}, 1000)`
  const child = spawn(process.execPath, ['-e', calling, path], { stdio: 'ignore' })
  const [socket] = await accepted
  t.teardown(() => socket.destroy())
  const { fd } = socket._handle
  const pid = child.pid ?? 0
  t.same(peerCredentials(fd), { pid, uid: process.getuid?.(), gid: process.getgid?.() })
  const isAlive = peerIsAlive(fd, pid)
  t.not(isAlive, false)
  t.not(peerIsAlive(fd, pid + 1), true, 'another pid is not its own')
  child.kill('SIGKILL')
  await once(child, 'close')
  t.equal(peerIsAlive(fd, pid), isAlive === undefined ? undefined : false)
  t.throws(() => peerCredentials(-1), { code: 'EBADF' })
})
