import { execFileSync, spawnSync } from 'node:child_process'
import { closeSync, openSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { Worker } from 'node:worker_threads'
import t from 'tap'
import { namespaceId, open, type Operation, type Route } from '../index.ts'
import { namespace } from '../test-namespace.ts'

const library = new URL('../index.ts', import.meta.url).href

const blackhole = (i: number): Route => ({
  dst: `20.${i >> 16}.${(i >> 8) & 255}.${i & 255}/32`,
  type: 'blackhole',
  metric: 5,
  nextHops: [],
})

const operations = (verb: 'route.add' | 'route.delete', count: number): Operation[] =>
  Array.from({ length: count }, (_, i) => ({ do: verb, route: blackhole(i) }))

/** Counts turns of the event loop until stopped. */
function turns(each = (): unknown => undefined): () => number {
  let count = 0
  let running = true
  const turn = (): void => {
    count++
    each()
    if (running) setImmediate(turn)
  }
  setImmediate(turn)
  return () => {
    running = false
    return count
  }
}

t.test('the event loop turns while 100,000 routes are written and read', async t => {
  const ns = namespace(t)
  const netlink = await open({ netns: ns.path })
  t.teardown(() => netlink.close())
  const list = operations('route.add', 100_000)
  let inThisTurn = 0
  let most = 0
  for (const operation of list)
    Object.defineProperty(operation, 'do', {
      get() {
        most = Math.max(most, ++inThisTurn)
        return 'route.add'
      },
    })
  const writing = turns(() => (inThisTurn = 0))
  const results = await netlink.apply(list)
  const turnsOfWriting = writing()
  t.ok(results.every(result => result.ok))
  t.equal(most, 1024, 'operations read in one turn')
  t.ok(turnsOfWriting >= 98, `${turnsOfWriting} turns`)
  const reading = turns()
  const routes = await netlink.routes({ family: 4 })
  const turnsOfReading = reading()
  t.equal(routes.length, 100_000)
  t.ok(turnsOfReading >= 30, `${turnsOfReading} turns: one for each 128 KiB at least`)
})

t.test('calls take effect in their order, each batch as a whole', async t => {
  const ns = namespace(t)
  const netlink = await open({ netns: ns.path })
  t.teardown(() => netlink.close())
  const [added, before, deleted, after] = await Promise.all([
    netlink.apply(operations('route.add', 5000)),
    netlink.routes(),
    netlink.apply(operations('route.delete', 5000)),
    netlink.routes(),
  ])
  t.ok([...added, ...deleted].every(result => result.ok))
  t.equal(before.length, 5000)
  t.equal(after.length, 0)
  t.same(await netlink.apply([]), [])
})

t.test('close during a dump and a batch rejects both and frees everything', async t => {
  const ns = namespace(t)
  const first = await open({ netns: ns.path })
  await first.apply(operations('route.add', 20_000))
  await first.close()
  const count = (): number => readdirSync('/proc/self/fd').length
  const threads = (): number => readdirSync('/proc/self/task').length
  const [filesBefore, threadsBefore] = [count(), threads()]
  for (let i = 0; i < 20; i++) {
    const netlink = await open({ netns: ns.path })
    await netlink.watch(['route4'], () => {})
    const dump = netlink.routes()
    const batch = netlink.apply(operations('route.add', 10_000))
    if (i % 2) await new Promise(setImmediate)
    const closing = netlink.close()
    await Promise.all([
      t.rejects(dump, { code: /ECANCELED|EBADF/ }),
      t.rejects(batch, { code: /ECANCELED|EBADF/ }),
      closing,
    ])
    await netlink.close()
    await t.rejects(netlink.links(), { code: 'EBADF', message: /closed/ })
    await t.rejects(
      netlink.apply([]).then(() => netlink.apply(operations('route.add', 1))),
      { code: 'EBADF' },
    )
  }
  await new Promise(setImmediate)
  t.ok(count() <= filesBefore + 1, `${count()} open files, ${filesBefore} before`)
  t.ok(threads() <= threadsBefore + 1, `${threads()} threads, ${threadsBefore} before`)
})

t.test('a namespace whose name is gone lives as long as the socket', async t => {
  const ns = namespace(t)
  const id = namespaceId(ns.name)
  const netlink = await open({ netns: ns.path })
  ns.ip('link add a0 type veth peer a1')
  execFileSync('ip', ['netns', 'del', ns.name])
  t.same(await netlink.apply([{ do: 'link.set', link: (await netlink.link('a0'))!.index, change: { up: true } }]), [
    { ok: true },
  ])
  await netlink.close()
  await t.rejects(open({ netns: ns.path }), {
    code: 'ENOENT',
    message: `network namespace "${ns.path}" does not exist: it was removed or never made (see: ip netns list)`,
  })
  t.throws(() => namespaceId(ns.path), { code: 'ENOENT' })
  t.match(id, /^\d+:\d+$/)
})

t.test('namespaces are found by path, name and fd; anything else is refused in a sentence', async t => {
  const ns = namespace(t)
  const fd = openSync(ns.path, 'r')
  t.teardown(() => closeSync(fd))
  ns.ip('link add a0 type veth peer a1')
  for (const netns of [ns.path, ns.name, fd]) {
    const netlink = await open({ netns })
    t.ok(await netlink.link('a0'), String(netns))
    await netlink.close()
    t.equal(namespaceId(netns), namespaceId(ns.path))
  }
  t.not(namespaceId('/proc/self/ns/net'), namespaceId(ns.path))
  t.equal(`net:[${namespaceId('/proc/self/ns/net').split(':')[1]}]`, readlinkSync('/proc/self/ns/net'))
  for (const [netns, code, text] of [
    ['/etc/passwd', 'EINVAL', '"/etc/passwd" is not a network namespace; give /run/netns/NAME or /proc/PID/ns/net'],
    ['/proc/self/ns/uts', 'EINVAL', '"/proc/self/ns/uts" is not a network namespace'],
    ['mgn-none', 'ENOENT', '"mgn-none" does not exist'],
    [9999, 'EBADF', 'fd 9999 cannot be opened'],
  ] as const) {
    await t.rejects(open({ netns }), { code, message: new RegExp(`^network namespace ${text}`) })
    t.throws(() => namespaceId(netns), { code }, String(netns))
  }
})

t.test('an idle socket lets the process end, a pending call and a subscription do not', async t => {
  const ns = namespace(t)
  const run = (code: string): string =>
    spawnSync(process.execPath, ['--input-type=module', '-e', `import { open } from '${library}'\n${code}`], {
      encoding: 'utf8',
      timeout: 20_000,
    }).stdout
  const opened = `const netlink = await open({ netns: '${ns.path}' })\n`
  t.match(
    run(`${opened}console.log((await netlink.links()).length); process.on('exit', c => console.log('exit', c))`),
    /1\nexit 0/,
  )
  t.match(
    run(`${opened}const stop = await netlink.watch(['link'], () => {}); setTimeout(stop, 20).unref(); process.on('exit', () => console.log('end'))
         setTimeout(() => console.log('still here'), 10).unref()`),
    /still here\nend/,
  )
  t.match(
    run(`${opened}netlink.apply(Array.from({ length: 30000 }, (_, i) => ({ do: 'route.add', route: { dst: '30.0.' + (i >> 8) + '.' + (i & 255), type: 'blackhole', nextHops: [] } })))
         setTimeout(() => { console.log('leaving'); process.exit(0) }, 5)`),
    /leaving/,
    'and process.exit in the middle of a batch is clean',
  )
})

t.test('a worker that is terminated takes its sockets along', async t => {
  const ns = namespace(t)
  const code = `
    import { parentPort } from 'node:worker_threads'
    import { open } from '${library}'
    const netlink = await open({ netns: '${ns.path}' })
    await netlink.watch(['route4'], () => {})
    const pending = netlink.apply(Array.from({ length: 20000 }, (_, i) => ({
      do: 'route.replace',
      route: { dst: '30.0.' + (i >> 8) + '.' + (i & 255), type: 'blackhole', nextHops: [] },
    })))
    parentPort.postMessage('go')
    await pending`
  for (let i = 0; i < 3; i++) {
    const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(code)}`))
    await new Promise((resolve, reject) => {
      worker.once('message', resolve)
      worker.once('error', reject)
    })
    await worker.terminate()
    const names = readdirSync('/proc/self/task').map(task =>
      readFileSync(`/proc/self/task/${task}/comm`, 'utf8').trim(),
    )
    t.notOk(names.includes('netlink'))
  }
})
