import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { namespace } from '../../netlink/test-namespace.ts'
import { ApiError, call } from './client.ts'
import type { BgpRoutes } from './contract.ts'
import { type Handlers, RequestError, serve } from './server.ts'

const folder = mkdtempSync(join(tmpdir(), 'margay-api-'))
t.teardown(() => rmSync(folder, { recursive: true }))

const handlers = {
  '/v1/bgp/routes': ({ prefix }): BgpRoutes => {
    if (prefix === 'nonsense') throw new RequestError(404, 'nonsense is no prefix')
    return { rows: [], next: prefix }
  },
} as Partial<Handlers> as Handlers

t.test('a call reaches its handler with its query, and the socket is root’s', async t => {
  const socket = join(folder, 'run/api.sock')
  const server = await serve(socket, handlers)
  t.teardown(() => server.close())
  t.equal(statSync(socket).mode & 0o777, 0o600)
  t.same(await call(socket, '/v1/bgp/routes', { prefix: '10.0.0.0/8' }), { rows: [], next: '10.0.0.0/8' })
  await t.rejects(call(socket, '/v1/bgp/routes', { prefix: 'nonsense' }), {
    status: 404,
    message: 'nonsense is no prefix',
  })
  await t.rejects(call(socket, '/v1/ipam', {}), /not served here/)
})

t.test('root of a pod that has the socket mounted gets no answer', async t => {
  const socket = join(folder, 'pod.sock')
  const told: string[] = []
  const server = await serve(socket, handlers, text => told.push(text))
  t.teardown(() => server.close())
  const asking = `import { call } from ${JSON.stringify(new URL('client.ts', import.meta.url).href)}
    console.log(await call(${JSON.stringify(socket)}, '/v1/bgp/routes', {}).then(JSON.stringify, error => error.message))`
  const argv = [process.execPath, '--input-type=module', '-e', asking]
  const child = spawn('nsenter', [`--net=${namespace(t).path}`, ...argv], { stdio: ['ignore', 'pipe', 'inherit'] })
  let said = ''
  child.stdout.on('data', (octets: Buffer) => (said += octets.toString()))
  await once(child, 'close')
  t.match(said, /margayd closed the connection .*it answers only root in the node's own network namespace/)
  t.match(told, [/pod\.sock: process \d+ \(.*\) called, which is in another network namespace/])
  t.same(await call(socket, '/v1/bgp/routes', {}), { rows: [] }, 'the server goes on')
})

t.test('a second daemon on one socket is refused, a dead socket file is replaced', async t => {
  const socket = join(folder, 'second.sock')
  const first = await serve(socket, handlers)
  await t.rejects(serve(socket, handlers), /in use by a running margayd/)
  await new Promise(resolve => first.close(resolve))
  const second = await serve(socket, handlers)
  await new Promise(resolve => second.close(resolve))
})

t.test('an absent daemon is a sentence with the next step', async t => {
  const error = await call(join(folder, 'none.sock'), '/v1/status', {}).catch((error: unknown) => error)
  t.ok(error instanceof ApiError)
  t.match(error, { status: 0, message: /does not answer on .*none\.sock: is it running\? Start it/ })
})

t.test('a request that is no path is refused, and the server goes on', async t => {
  const socket = join(folder, 'odd.sock')
  const server = await serve(socket, handlers)
  t.teardown(() => server.close())
  for (const line of ['GET // HTTP/1.1', 'GET http:// HTTP/1.1', 'BREW /v1/status HTTP/1.1', '\u0000\u0001']) {
    await new Promise<void>(resolve => {
      const raw = connect(socket, () => raw.end(`${line}\r\nhost: x\r\n\r\n`))
      raw
        .on('close', () => resolve())
        .on('error', () => resolve())
        .resume()
    })
  }
  t.same(await call(socket, '/v1/bgp/routes', {}), { rows: [] })
})
