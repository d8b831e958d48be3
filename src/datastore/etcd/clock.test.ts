// Clocks that are wrong: a node's time of day that is years off and jumps, and a member of etcd whose own clock counts from elsewhere.

import { spawn } from 'node:child_process'
import { globSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { openEtcdDatastore } from './datastore.ts'
import { TestEtcd } from './testing.ts'
import type { Told } from './testing-client.ts'

async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  for (const deadline = performance.now() + 90_000; !(await holds()); await sleep(50))
    if (performance.now() > deadline) throw new Error(`not within 90 s: ${what}`)
}

/** The program of a node, whose time of day the test sets. */
class Node {
  readonly told: Told[] = []
  readonly #clock: string

  constructor(t: Test, endpoints: readonly string[]) {
    const [library] = globSync('/usr/lib/*/faketime/libfaketime.so.1')
    if (library === undefined) throw new Error('libfaketime is not installed: run npm run setup -- --tests')
    this.#clock = join(t.testdir(), 'clock')
    this.setClock('+0')
    const child = spawn(process.execPath, [`${import.meta.dirname}/testing-client.ts`, ...endpoints], {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: {
        ...process.env,
        LD_PRELOAD: library,
        FAKETIME_TIMESTAMP_FILE: this.#clock,
        FAKETIME_NO_CACHE: '1',
        // As on a real machine: setting the time of day leaves the other clock alone.
        FAKETIME_DONT_FAKE_MONOTONIC: '1',
      },
    })
    t.teardown(() => child.kill('SIGKILL'))
    createInterface({ input: child.stdout }).on('line', line => this.told.push(JSON.parse(line) as Told))
  }

  /** `+10y`, `-1d`, from the machine's own time on. */
  setClock(offset: string): void {
    writeFileSync(this.#clock, `${offset}\n`)
  }

  /** Until so many more of a sort were told. */
  async tells(told: Told['told'], isMeant: (told: Told) => boolean = () => true, more = 5): Promise<void> {
    const count = () => this.told.filter(each => each.told === told && isMeant(each)).length
    const target = count() + more
    await until(`${more} more are ${told}`, () => count() >= target)
  }

  get lastWritten(): number {
    return this.told.findLast(each => each.told === 'written')?.value ?? 0
  }
}

t.test('the time of day of a node is years off, and jumps, while etcd is there and while it is away', async t => {
  const etcd = await TestEtcd.start(t)
  const others = openEtcdDatastore(etcd.settings())
  t.teardown(() => others.close())
  const node = new Node(t, etcd.endpoints)
  const isAlive = async () => (await others.signs()).some(({ name, isAlive }) => name === 'node' && isAlive)
  const now = new Date().getUTCFullYear()
  const in10 = (told: Told) => 'year' in told && told.year > now + 8
  const before10 = (told: Told) => 'year' in told && told.year < now - 8

  await node.tells('written')
  node.setClock('+3650d')
  await node.tells('written', in10)
  node.setClock('-3650d')
  await node.tells('written', before10)
  await node.tells('heard')
  t.ok(await isAlive(), 'whatever its clock says')

  // A call that waits while the clock is set back ends when its time is over.
  etcd.members[0].signal('SIGSTOP')
  await node.tells('failed', before10, 1)
  await node.tells('asks', undefined, 1)
  node.setClock('-7300d')
  await node.tells('failed', told => 'year' in told && told.year < now - 18, 1)
  await etcd.members[0].kill()
  node.setClock('+3650d')
  await node.tells('failed', in10, 2)
  const failures = node.told.flatMap(each => (each.told === 'failed' ? [each.code] : []))
  t.same([...new Set(failures)], ['unreachable'])
  etcd.members[0].start()
  await etcd.healthy()
  await node.tells('written', in10)
  const last = node.lastWritten
  await until('its watch is there again', () => node.told.some(each => each.told === 'heard' && each.value >= last))
  await until('it is alive', isAlive)
})

t.test('a leader whose clock counts from elsewhere: leases hold', async t => {
  const etcd = await TestEtcd.start(t, { members: 3, firstAhead: 90_000_000 })
  const store = openEtcdDatastore(etcd.settings())
  t.teardown(() => store.close())
  const [odd, even] = etcd.members
  const lead = async (member: typeof odd) => {
    const id = /"member_id":(\d+)/.exec(await etcd.ctlAt(member, 'endpoint', 'status', '-w', 'json'))?.[1] ?? '0'
    const leader = await etcd.leader()
    if (leader !== member) await etcd.ctlAt(leader, 'move-leader', BigInt(id).toString(16))
    await until('it leads', async () => (await etcd.leader()) === member)
  }
  await lead(even)
  await store.keepAlive('n1', {}, 600)
  await lead(odd)
  t.match(await store.signs(), [{ name: 'n1', isAlive: true }])
  await store.keepAlive('n1', {}, 600)
  await store.keepAlive('n2', {}, 600)
  await lead(even)
  await store.keepAlive('n2', {}, 600)
  t.match(await store.signs(), [
    { name: 'n1', isAlive: true },
    { name: 'n2', isAlive: true },
  ])
})
