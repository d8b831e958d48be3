// The executable end to end: two of them over the loopback interface, and the command that talks to them.

import { once } from 'node:events'
import { existsSync, statSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { request } from './http.ts'
import { Executable, failure } from './test-executable.ts'

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  return typeof address === 'object' && address !== null ? address.port : 0
}

interface Side {
  readonly own: number
  readonly other: number
  readonly port: number
}

/** The router at 127.0.0.`own` with one peer, `other`; loopback addresses are no next hops. */
function config({ own, other, port }: Side, peer: object = {}, more: object = {}) {
  const [address, localAddress] = [`127.0.0.${other}`, `127.0.0.${own}`]
  const accept = { import: 'accept-all', export: 'accept-all' }
  const nextHopSelf = { 'ipv4-unicast': `10.0.0.${own}` }
  const all = { address, localAddress, port, remoteAs: 65000 + other, nextHopSelf, connectRetry: 1, ...accept, ...peer }
  const routerId = `10.0.0.${own}`
  return {
    asn: 65000 + own,
    routerId,
    listenPort: port,
    listenAddresses: [localAddress],
    peers: { other: all },
    ...more,
  }
}

async function pair(t: Test, more: object = {}) {
  const port = await freePort()
  const [sideA, sideB] = [
    { own: 1, other: 2, port },
    { own: 2, other: 1, port },
  ]
  const a = new Executable(t).write(config(sideA, {}, { announce: ['10.1.0.0/24'], ...more }))
  // One of them dials, so that it is the same every time.
  const b = new Executable(t).write(
    config(sideB, { passive: true }, { announce: [{ prefix: '10.2.0.0/24', med: 5 }], ...more }),
  )
  return { a, b, sideA, sideB }
}

t.test('two routers, driven by words', async t => {
  const { a, b, sideA } = await pair(t)
  await b.run()
  await a.run('--routes')
  await a.until(() => a.has('route', { prefix: '10.2.0.0/24', peer: 'other', med: 5, withdrawn: false }))
  t.match(a.lines[0].time, /^\d{4}-\d\d-\d\dT[\d:.]+Z$/, 'every line has a time')
  t.ok(a.has('state', { peer: 'other', to: 'Established' }))
  t.ok(a.has('route', { prefix: '10.1.0.0/24', peer: 'local' }))
  await b.until(() => b.has('endOfRib', { peer: 'other' }))
  t.equal(statSync(a.socket).mode & 0o777, 0o600, 'the socket is its owner’s')

  t.match(await a.ctl('show', 'peers'), /^PEER .*STATE.*\nother +127\.0\.0\.2 +65002 +Established .* 1 +1 +1\n$/)
  t.match(JSON.parse(await a.ctl('show', 'peers', 'other', '--json')), [{ name: 'other', prefixesReceived: 1 }])
  t.match(await a.ctl('show', 'routes'), /\* +10\.2\.0\.0\/24 +10\.0\.0\.2 +other +5 +65002 i\n/)
  t.match(await a.ctl('show', 'routes', 'in', '--peer', 'other', '--json'), /"prefix":"10\.2\.0\.0\/24"/)
  for (const [table, prefix] of [
    ['in', '10.2.0.0/24'],
    ['accepted', '10.2.0.0/24'],
    ['out', '10.1.0.0/24'],
  ]) {
    t.match(await a.get(`/routes?table=${table}&peer=other`), [{ prefix, family: 'ipv4-unicast' }], table)
  }
  t.match(await a.ctl('explain', '10.1.0.0/24'), /\n\nPEER +TOLD +WHY\nother +yes +/)
  t.match(await a.get('/counters'), [
    {
      name: 'other',
      in: { open: 1, update: 2, notification: 0 },
      out: { open: 1, update: 2 },
      established: 1,
      flaps: 0,
    },
  ])
  t.match(await a.ctl('counters'), /other +in +1 +2 /)

  await a.ctl('announce', '10.9.0.0/24', '{ "prefix": "10.8.0.0/16", "communities": ["65001:8"] }')
  await poll(async () => (await b.prefixes()).includes('10.9.0.0/24'))
  t.match(await b.get('/explain?prefix=10.8.0.0/16'), { paths: [{ communities: ['65001:8'] }] })
  await a.ctl('withdraw', '10.9.0.0/24', '10.1.0.0/24')
  await poll(async () => !(await b.prefixes()).includes('10.1.0.0/24'))
  t.match(await a.get('/announced'), [{ prefix: '10.8.0.0/16' }])

  await a.ctl('reset', 'other', 'back', 'at', 'ten')
  await b.until(() => b.lines.some(({ text }) => /Administrative Reset: "back at ten"/.test(String(text))))
  await b.until(() => b.lines.filter(({ type }) => type === 'endOfRib').length === 2)
  t.match(await b.get('/counters'), [
    { notificationsIn: [{ code: 6, subcode: 4, count: 1, text: 'Cease / Administrative Reset' }], flaps: 1 },
  ])
  t.match(await a.get('/counters'), [{ notificationsOut: [{ code: 6, subcode: 4, count: 1 }] }])
  await b.post('/refresh', { peer: 'other' })
  await poll(async () => (await a.get<{ in: { routeRefresh: number } }[]>('/counters'))[0].in.routeRefresh === 1)
  await b.post('/refresh', { peer: 'other', direction: 'out' })
  await poll(async () => (await b.get<{ out: { update: number } }[]>('/counters'))[0].out.update >= 5)
  await b.post('/disable', { peer: 'other', words: 'for the night' })
  await a.until(() => a.has('sessionError', { code: 6, subcode: 2, sent: false }))
  t.match(await b.ctl('show', 'peers'), /Idle \(disabled\)/)
  await b.post('/enable', { peer: 'other' })
  await b.until(() => b.lines.filter(({ type }) => type === 'endOfRib').length === 3)

  await a.write(config(sideA, { holdTime: 33, description: 'new' }, { announce: ['10.7.0.0/24'] })).post('/reload')
  await poll(async () => (await b.prefixes()).includes('10.7.0.0/24'))
  t.match(await a.get('/peers'), [{ description: 'new', state: 'Established' }], 'no new session for a word')
  t.match(
    await b.prefixes(),
    ['10.8.0.0/16', '10.2.0.0/24', '10.7.0.0/24'].toSorted(),
    'what was announced by word stays',
  )

  await a.ctl('stop')
  t.equal(await a.exit(), 0)
  t.ok(a.has('stopped', { mode: 'cease' }))
  t.notOk(existsSync(a.socket), 'the socket goes with it')
  await poll(async () => !(await b.prefixes()).includes('10.8.0.0/16'))
  b.signal('SIGTERM')
  t.equal(await b.exit(), 0)
})

t.test('SIGHUP: a wrong file is told and changes nothing, a right one is in force', async t => {
  const { a, sideA } = await pair(t)
  await a.run()
  a.write(config(sideA, { holdTime: 1 }))
  a.signal('SIGHUP')
  await a.until(() => a.words.includes('stays in force') && a.has('refusedConfiguration'))
  t.match(a.words, `${a.file}: peer "other": holdTime is 1: RFC 4271 forbids it; give 3 to 65535 seconds`)
  t.match(await a.get('/announced'), [{ prefix: '10.1.0.0/24' }])
  await t.rejects(a.post('/reload'), /holdTime is 1: RFC 4271 forbids it/)
  a.write(config(sideA, {}, { announce: ['10.3.0.0/24'] }))
  a.signal('SIGHUP')
  await a.until(() => a.has('configured'))
  t.match(await a.get('/announced'), [{ prefix: '10.3.0.0/24' }])
})

t.test('the mark: routes live on over a restart and over a crash, and go with a stop for good', async t => {
  const { a, b } = await pair(t, { gracefulRestart: { restartTime: 60, forwarding: true } })
  const mark = join(a.folder, 'mark')
  await b.run()
  const up = () => a.until(() => a.has('endOfRib'))
  const stale = async () => (await b.get<{ prefixesStale: number }[]>('/peers'))[0].prefixesStale
  const ours = async () => (await b.get('/routes')).find(({ prefix }) => prefix === '10.1.0.0/24')
  await a.run('--mark', mark)
  t.ok(a.has('started', { restarting: false }))
  await up()
  await poll(async () => (await ours()) !== undefined)
  for (const go of [() => a.post('/stop', { mode: 'restart' }), async () => a.signal('SIGKILL')]) {
    await go()
    await a.exit()
    await poll(async () => (await stale()) === 1)
    t.match(await ours(), { best: true, stale: 'restart' }, 'kept')
    b.lines = []
    await a.run('--mark', mark)
    t.ok(a.has('started', { restarting: true }))
    await up()
    await b.until(() => b.has('endOfRib'))
    t.equal(await stale(), 0)
    t.match(await ours(), { best: true, stale: false }, 'announced again')
  }
  a.signal('SIGTERM')
  await a.exit()
  t.notOk(existsSync(mark))
  await poll(async () => (await ours()) === undefined)
})

t.test('--no-warm-up starts as well', async t => {
  const { a } = await pair(t)
  await a.run('--no-warm-up')
  t.ok(a.has('started', { asn: 65001 }))
})

t.test('the control socket speaks HTTP', async t => {
  const { a } = await pair(t)
  await a.run()
  for (const [method, path, body, status, says] of [
    ['GET', '/peers', '', 200, /"name":"other"/],
    ['GET', '/peers?peer=othr', '', 404, /there is no peer \\"othr\\": did you mean other\?/],
    ['GET', '/peer', '', 404, /there is no \/peer: did you mean \/peers\?/],
    ['GET', '/reload', '', 405, /\/reload is asked for by POST/],
    ['DELETE', '/peers', '', 405, /\/peers is asked for by GET/],
    ['PUT', '/announce', '["10.5.0.0/24"]', 405, /\/announce is asked for by POST/],
    ['GET', '/routes?table=in', '', 400, /whose table\? Add peer=NAME/],
    ['GET', '/routes?table=rib', '', 400, /table is \\"rib\\": use loc, in, accepted, out/],
    ['GET', '/explain', '', 400, /prefix is missing/],
    ['GET', '/explain?prefix=192.0.2.0/24', '', 404, /there is no route to/],
    ['POST', '/announce', '{ "prefix": "10.0.0.1/24" }', 400, /it is no prefix; write it like/],
    ['POST', '/announce', '{ "prefix": "10.0.0.0/24", "med": 4294967296 }', 400, /med is 4294967296: it does not fit/],
    ['POST', '/announce', '[{ "prefix": "10.5.0.0/24", "mde": 1 }]', 400, /did you mean med\?/],
    ['POST', '/announce', '["10.5.0.0/24", "10.6.0.0/24"]', 200, /\{\}/],
    ['POST', '/withdraw', '["10.66.0.0/24"]', 404, /not announced here: 10\.66\.0\.0\/24/],
    ['POST', '/withdraw', '{', 400, /no JSON/],
    ['POST', '/reset', '{ "peer": 5 }', 400, /peer is 5: it is not a text/],
    ['POST', '/reset?peer=other', '', 200, /\{\}/],
  ] as const) {
    const asking = request({ socketPath: a.socket, method, path }).end(body)
    const [response] = await once(asking, 'response')
    let answer = ''
    for await (const part of response) answer += String(part)
    t.equal(response.statusCode, status, `${method} ${path}`)
    t.match(answer, says)
  }
  const asking = request({ socketPath: a.socket, path: '/events' }).end()
  const [events] = await once(asking, 'response')
  await a.post('/reload')
  let told = ''
  // The session that was reset tells of itself at the same time: iterated, for nothing is lost between two parts.
  for await (const part of events) {
    told += String(part)
    if (told.includes('"type":"configured"')) break
  }
  t.match(told, '"type":"configured"')
  await t.rejects(
    new Executable(t).ctl('show', 'peers'),
    /no router answers at .*ENOENT.*is one running with --control/,
  )
  const second = new Executable(t).write(JSON.parse('{ "asn": 65009, "routerId": "10.0.0.9", "listenPort": 0 }'))
  t.match(await failure('run', second.file, '--control', a.socket), /is the control socket of a router that runs/)
  a.signal('SIGKILL')
  await a.exit()
  t.ok(existsSync(a.socket), 'it died without removing it')
  await a.run()
  t.match(await a.get('/peers'), [{ name: 'other' }], 'and the next one takes its place')
})

/** Asks again and again until it holds; the test's own time limit ends it otherwise. */
async function poll(holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise(resolve => setTimeout(resolve, 50))
}
