// Real processes on a real datastore, killed at any moment, as is the datastore: what a process has said is true afterwards, and
// nothing is given twice. `HAMMER_LIVES=100` for longer.

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { TestEtcd } from '../datastore/etcd/testing.ts'
import { type DatastoreSettings, openDatastore, openNodeStore } from '../datastore/index.ts'
import { Ipam } from './ipam.ts'
import { hammerPools, owner } from './testing.ts'

const program = fileURLToPath(new URL('./testing-process.ts', import.meta.url))
const names = ['n1', 'n2', 'n3']
const lives = Number(process.env['HAMMER_LIVES'] ?? 2)

t.test('kill -9 at any moment, on the embedded store', async t => {
  await hammer(t, { type: 'embedded', path: join(folderOf(t), 'cluster.db') })
})

t.test('kill -9 at any moment, on etcd, which is killed as well', async t => {
  const etcd = await TestEtcd.start(t)
  const [member] = etcd.members
  await hammer(t, { type: 'etcd', ...etcd.settings({ timeout: 1_000 }) }, async () => {
    await member.kill()
    member.start()
    await etcd.healthy()
  })
})

/** `onLife` is called once in every life of the first node, while all are at work. */
async function hammer(t: Test, cluster: DatastoreSettings, onLife = async () => {}): Promise<void> {
  const folder = folderOf(t)
  const own = (name: string) => join(folder, `${name}.db`)
  /** `n1 7` -> the addresses it was told. */
  const told = new Map<string, string>()
  const faults: string[] = []
  let adds = 0

  const hear = (name: string, line: string): void => {
    const [verb, id, addresses] = line.split(' ')
    const key = `${name} ${id}`
    if (verb === 'del') told.delete(key)
    if (verb !== 'add') return
    adds++
    if ((told.get(key) ?? addresses) !== addresses) faults.push(`${key} had ${told.get(key)} and got ${addresses}`)
    for (const [other, theirs] of told)
      if (other !== key && addresses.split(',').some(address => theirs.split(',').includes(address)))
        faults.push(`${key} got ${addresses} while ${other} has ${theirs}`)
    told.set(key, addresses)
  }
  const live = async (name: string): Promise<void> => {
    for (let life = 0; life < lives; life++) {
      const child: ChildProcess = spawn(process.execPath, [program, name, JSON.stringify(cluster), own(name)], {
        stdio: ['ignore', 'pipe', 'pipe'],
      })
      const lines = createInterface({ input: child.stdout! })
      let errors = ''
      child.stderr!.on('data', chunk => (errors += String(chunk)))
      let busy = 0
      let disturbing = Promise.resolve()
      const enough = 20 + Math.floor(Math.random() * 100)
      const ends = Promise.all([once(child, 'exit'), once(lines, 'close')])
      const tooLate = setTimeout(() => child.kill('SIGTERM'), 120_000)
      lines.on('line', line => {
        hear(name, line)
        if (++busy === enough) child.kill('SIGKILL')
        if (name === names[0] && busy === 10) disturbing = onLife()
      })
      const [[, signal]] = await ends
      clearTimeout(tooLate)
      await disturbing
      if (signal !== 'SIGKILL') faults.push(`${name} did not live to be killed: ${errors}`)
    }
  }
  await Promise.all(names.map(live))
  t.same(faults, [])
  t.ok(adds > names.length * lives, `${adds} addresses were given`)

  const datastore = await openDatastore(cluster, { create: true })
  for (const name of names) {
    const nodeStore = await openNodeStore(own(name))
    const ipam = new Ipam({ node: name, datastore, nodeStore, pools: () => hammerPools, labels: () => ({}) })
    await ipam.load()
    await ipam.refresh()
    for (const [key, addresses] of told) {
      const [node, id] = key.split(' ')
      if (node !== name) continue
      const again = await ipam.assign({ ...owner(id), families: [4, 6] })
      t.same(again.addresses.map(({ address }) => address).join(','), addresses, `${key} has what it was told`)
    }
    for (let id = 0; id < 30; id++) await ipam.release(owner(id))
    await ipam.releaseEmptyBlocks(0)
    t.same(ipam.show().addresses, [])
    await ipam.stop()
    await nodeStore.close()
  }
  t.same((await datastore.list('Block')).entries, [], 'no block stays claimed')
  await datastore.close()
}

function folderOf(t: Test): string {
  const folder = mkdtempSync(join(tmpdir(), 'margay-hammer-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}
