// TLS, client certificates, users: what is refused and how that is told, and credentials that change under a running client.

import { once } from 'node:events'
import { copyFileSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { AlarmAction, AlarmType } from 'etcd3'
import t, { type Test } from 'tap'
import type { Datastore, WatchEvent } from '../contract.ts'
import { EtcdClient } from './client.ts'
import { openEtcdDatastore } from './datastore.ts'
import type { EtcdSettings } from './settings.ts'
import { makeOld, replace, twoAuthorities } from './testing-certificates.ts'
import { TestEtcd } from './testing.ts'

async function succeeds(what: string, call: () => Promise<unknown>): Promise<void> {
  for (const deadline = performance.now() + 60_000; ; await sleep(100))
    try {
      await call()
      return
    } catch (error) {
      if (performance.now() > deadline) throw new Error(`not within 60 s: ${what}`, { cause: error })
    }
}

async function nextOf(events: AsyncIterator<WatchEvent>, type: WatchEvent['type']): Promise<WatchEvent> {
  for (;;) {
    const { done, value } = await events.next()
    if (done) throw new Error('the watch has ended')
    if (value.type === type) return value
  }
}

/** With a member that hangs: it takes connections (`met`), and says nothing. */
async function withSilent(
  t: Test,
  scheme: string,
  use: (endpoint: string, met: ReadonlySet<Socket>) => Promise<void>,
): Promise<void> {
  const met = new Set<Socket>()
  const silent = createServer(socket => met.add(socket.on('error', () => undefined)))
  t.teardown(() => {
    for (const socket of met) socket.destroy()
    silent.close()
  })
  await once(silent.listen(0, '127.0.0.1'), 'listening')
  await use(`${scheme}://127.0.0.1:${(silent.address() as AddressInfo).port}`, met)
}

t.test('client certificates, and their rotation', async t => {
  const folder = t.testdir()
  const { at, right: tls } = twoAuthorities(folder)
  const etcd = await TestEtcd.start(t, { tls })

  const refused = async (store: Datastore, message: RegExp) => {
    await t.rejects(store.get('Node', 'n'), { code: 'unauthorised', message })
    await store.close()
  }
  const open = (given: typeof tls | Partial<typeof tls>) =>
    openEtcdDatastore(etcd.settings({ tls: given, timeout: 3000 }))
  await refused(
    open({ ...tls, ca: at('wrong.pem') }),
    /wrong\.pem, datastore\.tls\.ca \(wrong\), has not signed the certificate that etcd at https:\S+ shows: put/,
  )
  await refused(
    open({ ca: tls.ca }),
    /etcd at https:\S+ wants to see a certificate of this node: name one in datastore/,
  )
  await refused(
    open({ ...tls, key: at('wrong-node.key') }),
    /wrong-node\.key, datastore\.tls\.key, is not the key of \S+right-node\.pem, datastore\.tls\.cert: put/,
  )
  await refused(
    openEtcdDatastore(etcd.settings({ endpoints: etcd.endpoints.map(each => each.replace('127.0.0.1', 'localhost')) })),
    /the certificate that etcd at https:\/\/localhost:\d+ shows is not for that host .*: write a host of its subjectAltName/,
  )
  // The second of two tries finds a member that says nothing, and ends for lack of time.
  await withSilent(t, 'https', async hanging => {
    const endpoints = [...etcd.endpoints, hanging]
    const wrong = { ...tls, cert: at('wrong-node.pem'), key: at('wrong-node.key') }
    await refused(
      openEtcdDatastore(etcd.settings({ endpoints, tls: wrong, timeout: 6000 })),
      /wrong-node\.pem, datastore\.tls\.cert, is signed by wrong and not by \S+right\.pem, datastore\.tls\.ca, and etcd/,
    )
  })
  makeOld(folder, 'right')
  await refused(open({ ...tls, cert: at('old.pem') }), /old\.pem, datastore\.tls\.cert, has expired at .* renew it/)
  writeFileSync(at('junk'), 'junk\n')
  for (const which of ['ca', 'cert', 'key'])
    await refused(
      open({ ...tls, [which]: at('junk') }),
      new RegExp(`junk, datastore\\.tls\\.${which}, holds no [^:(]*: put`),
    )
  await refused(
    open({ ...tls, cert: at('nowhere.pem') }),
    /nowhere\.pem, the client certificate, cannot be read \(ENOENT\)/,
  )

  const own = { ca: tls.ca, cert: at('own.pem'), key: at('own.key') }
  copyFileSync(at('wrong-node.pem'), own.cert)
  copyFileSync(at('wrong-node.key'), own.key)
  const store = open(own)
  await t.rejects(store.get('Node', 'n'), 'a certificate of another authority')
  const events = store.watch(['Node'], new AbortController().signal)[Symbol.asyncIterator]()
  t.match(await nextOf(events, 'lost'), { type: 'lost' })
  replace(own.key, tls.key)
  replace(own.cert, tls.cert)
  await succeeds('the new certificate is taken', () => store.get('Node', 'n'))
  t.match(await nextOf(events, 'snapshot'), { entries: [] }, 'also by a watch that was refused')
  await store.create('Node', 'n', 1)
  t.match(await nextOf(events, 'put'), { entry: { name: 'n' } })
  await store.close()
})

t.test('an authority that is put in the wrong place under a running client is told at once, in words', async t => {
  const { at, right } = twoAuthorities(t.testdir())
  const etcd = await TestEtcd.start(t, { tls: right })
  const ca = at('ca.pem')
  copyFileSync(right.ca, ca)
  // Who waited for the end of that time would wait for longer than a test may take.
  const store = openEtcdDatastore(etcd.settings({ tls: { ...right, ca }, timeout: 3_600_000 }))
  await store.create('Node', 'n', 1)
  replace(ca, at('wrong.pem'))
  let told: unknown
  await succeeds('it is refused', async () => {
    told = await store.tryWrite().catch((error: unknown) => error)
    if (told === undefined) throw new Error('it goes on')
  })
  const fault = `${ca}, datastore.tls.ca (wrong), has not signed the certificate that etcd at ${etcd.endpoints[0]} shows`
  const next = "put the certificate of etcd's authority there, with those between the two if there are any"
  t.equal(String(told), `StoreError: ${fault}: ${next}; files are read again when they change.`)
  replace(ca, right.ca)
  await succeeds('the right one is taken', () => store.tryWrite())
  await store.close()
})

/** From now on etcd wants a user: root may all, node what is under /margay/. */
async function beginUsers(etcd: TestEtcd): Promise<void> {
  await etcd.ctl('user', 'add', 'root:secret')
  await etcd.ctl('user', 'grant-role', 'root', 'root')
  await etcd.ctl('role', 'add', 'margay')
  await etcd.ctl('role', 'grant-permission', 'margay', 'readwrite', '/margay/', '--prefix')
  await etcd.ctl('user', 'add', 'node:first')
  await etcd.ctl('user', 'grant-role', 'node', 'margay')
  await etcd.ctl('auth', 'enable')
}

t.test('a user with a password, over TLS', async t => {
  const folder = t.testdir({ password: 'first\n', wrong: 'nonsense' })
  const { at, right: tls } = twoAuthorities(folder)
  const etcd = await TestEtcd.start(t, { tls })
  await beginUsers(etcd)

  const auth = { username: 'node', passwordFile: at('password') }
  const store = openEtcdDatastore(etcd.settings({ auth }))
  await store.create('Node', 'n', 1)
  await store.keepAlive('n', {}, 600)
  const events = store.watch(['Node'], new AbortController().signal)[Symbol.asyncIterator]()
  t.match(await nextOf(events, 'snapshot'), { entries: [{ name: 'n' }] })
  await store.create('Node', 'm', 1)
  t.match(await nextOf(events, 'put'), { entry: { name: 'm' } })
  t.match(await store.signs(), [{ name: 'n', isAlive: true }])
  await store.close()

  for (const { settings, message } of [
    {
      settings: { auth: { ...auth, passwordFile: at('wrong') } },
      message: /does not know this user with this password/,
    },
    { settings: { auth, tls: { ...tls, ca: at('wrong.pem') } }, message: /has not signed the certificate/ },
    { settings: { auth, prefix: '/other' }, message: /user node of etcd may not do that/ },
    { settings: {}, message: /user right-node of etcd may not do that: .* \/margay\/ --prefix/ },
  ]) {
    const refused = openEtcdDatastore(etcd.settings({ timeout: 5000, ...settings }))
    await t.rejects(refused.get('Node', 'n'), { code: 'unauthorised', message })
    await refused.close()
  }
  const root = ['--user', 'root:secret']
  await etcd.ctl(...root, 'user', 'add', 'right-node', '--no-password')
  await etcd.ctl(...root, 'user', 'grant-role', 'right-node', 'margay')
  const byName = openEtcdDatastore(etcd.settings({}))
  t.match(await byName.get('Node', 'n'), { value: 1 }, 'the name in its certificate is a user')
  await byName.close()
})

/** The log-in at a member that hangs has to leave time for another one. */
async function passesBySilence(t: Test, etcd: TestEtcd, auth: EtcdSettings['auth']): Promise<void> {
  await withSilent(t, 'http', async (hanging, met) => {
    // A client begins with one of them at random.
    while (met.size === 0) {
      const store = openEtcdDatastore(etcd.settings({ endpoints: [hanging, ...etcd.endpoints], auth }))
      t.equal(await store.get('Node', 'n'), undefined)
      await store.close()
    }
  })
}

t.test('users, and a password that changes', async t => {
  const folder = t.testdir({ password: 'first\n', wrong: 'nonsense' })
  const etcd = await TestEtcd.start(t)
  const root = ['--user', 'root:secret']
  const early = openEtcdDatastore(
    etcd.settings({ auth: { username: 'node', passwordFile: join(folder, 'password') }, timeout: 5000 }),
  )
  await t.rejects(early.get('Node', 'n'), {
    code: 'unauthorised',
    message: /etcd has no users: remove datastore\.auth/,
  })
  await early.close()
  await beginUsers(etcd)

  const open = (more: Parameters<TestEtcd['settings']>[0]) =>
    openEtcdDatastore(etcd.settings({ timeout: 5000, ...more }))
  await passesBySilence(t, etcd, { username: 'node', passwordFile: join(folder, 'password') })
  for (const { settings, message } of [
    { settings: {}, message: /etcd wants a user: set datastore\.auth/ },
    {
      settings: { auth: { username: 'node', passwordFile: join(folder, 'wrong') } },
      message: /etcd does not know this user with this password/,
    },
    {
      settings: { auth: { username: 'node', passwordEnv: 'MARGAY_TEST_NO_SUCH' } },
      message: /set MARGAY_TEST_NO_SUCH, or name a file/,
    },
    {
      settings: { prefix: '/other', auth: { username: 'node', passwordFile: join(folder, 'password') } },
      message: /user node of etcd may not do that: grant its role readwrite: .* ROLE readwrite \/other\/ --prefix/,
    },
  ]) {
    const store = open(settings)
    const told = await store.get('Node', 'n').catch((error: unknown) => error)
    t.match(told, { code: 'unauthorised', message })
    t.notMatch(String(told), /first|nonsense/, 'no password is told')
    await store.close()
  }

  const store = open({ auth: { username: 'node', passwordFile: join(folder, 'password') } })
  await store.create('Node', 'n', 1)
  const events = store.watch(['Node'], new AbortController().signal)[Symbol.asyncIterator]()
  t.match(await nextOf(events, 'snapshot'), { entries: [{ name: 'n' }] })
  await etcd.ctl(...root, 'user', 'delete', 'node')
  await etcd.ctl(...root, 'user', 'add', 'node:second')
  await etcd.ctl(...root, 'user', 'grant-role', 'node', 'margay')
  await t.rejects(store.create('Node', 'm', 1), { code: 'unauthorised' })
  writeFileSync(join(folder, 'password'), 'second\n')
  await succeeds('the new password is taken', () => store.create('Node', 'm', 1))
  process.env['MARGAY_TEST_PASSWORD'] = 'second'
  const other = open({ auth: { username: 'node', passwordEnv: 'MARGAY_TEST_PASSWORD' } })
  t.match(await other.get('Node', 'm'), { value: 1 })

  const grant = (rights: string) =>
    etcd.ctl(...root, 'role', 'grant-permission', 'margay', rights, '/margay/', '--prefix')
  await grant('read')
  await succeeds('reading goes on', () => store.get('Node', 'm'))
  await t.rejects(store.tryWrite(), { code: 'unauthorised', message: /may not do that: grant its role readwrite/ })
  await grant('readwrite')
  await store.tryWrite()
  process.env['MARGAY_TEST_ROOT'] = 'secret'
  const operator = new EtcdClient(etcd.settings({ auth: { username: 'root', passwordEnv: 'MARGAY_TEST_ROOT' } }))
  const alarm = (action: 'Activate' | 'Deactivate') =>
    operator.run(etcd => etcd.maintenance.alarm({ action: AlarmAction[action], memberID: 0, alarm: AlarmType.Nospace }))
  await alarm('Activate')
  await t.rejects(store.tryWrite(), { code: 'unreachable', message: /quota is used up \(alarm NOSPACE\)/ })
  await alarm('Deactivate')
  await succeeds('there is room again', () => store.tryWrite())
  operator.close()
  await Promise.all([store.close(), other.close()])
})
