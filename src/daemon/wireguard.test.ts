// The node's WireGuard key: made, kept, published, and rotated, on files and a datastore in memory.

import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { MemoryDatastore } from '../datastore/memory.ts'
import { type NodeResource, parseResource } from '../resources/index.ts'
import { createLog } from './log.ts'
import { WireguardKeys } from './wireguard.ts'

const bare = {
  apiVersion: 'margay.io/v1',
  kind: 'Node',
  metadata: { name: 'n1', labels: { rack: 'r1' } },
  spec: { bgp: { ipv4Address: '10.0.1.7/24' } },
}

async function setUp(t: Test, file = join(t.testdir({}), 'wireguard.key')) {
  const datastore = new MemoryDatastore()
  await datastore.create('Node', 'n1', bare)
  const lines: string[] = []
  const log = createLog({ level: 'debug', format: 'json', write: line => lines.push(line) })
  /** Public keys in the order in which they came into force here, and in the Node. */
  const events: string[] = []
  const store = {
    get: datastore.get.bind(datastore),
    update: async (...args: Parameters<MemoryDatastore['update']>) => {
      const version = await datastore.update(...args)
      events.push(`published ${(args[2] as NodeResource).spec.wireguard?.publicKey}`)
      return version
    },
  }
  const keys = new WireguardKeys({
    node: 'n1',
    file,
    datastore: store,
    log,
    apply: async () => void events.push(`in force ${keys.key?.publicKey}`),
    onDue: () => {},
  })
  t.teardown(() => keys.close())
  await keys.load()
  const node = async (): Promise<NodeResource> => {
    const parsed = parseResource((await datastore.get('Node', 'n1'))?.value)
    if (!parsed.ok) throw new Error('the Node cannot be read')
    return parsed.resource as NodeResource
  }
  /** Until the Node says so. */
  const published = async (): Promise<void> => {
    const known = async () => (await node()).spec.wireguard?.publicKey === keys.key?.publicKey
    for (const deadline = Date.now() + 30_000; !(await known()) && Date.now() < deadline;)
      await new Promise(resolve => setTimeout(resolve, 5))
    await new Promise(resolve => setImmediate(resolve))
  }
  return { datastore, store, file, keys, lines, events, node, published }
}

t.test('made once, for root only, and published beside what the Node says otherwise', async t => {
  const { file, keys, lines, node, published } = await setUp(t)
  t.equal(keys.key, undefined)
  await keys.make()
  const publicKey = keys.key?.publicKey
  t.equal(statSync(file).mode & 0o777, 0o600)
  keys.look(await node(), true, false)
  t.equal((await node()).spec.wireguard, undefined, 'not while the datastore is away')
  keys.look(await node(), false, true)
  t.equal((await node()).spec.wireguard, undefined, 'not while no device has it')
  keys.look(await node(), true, true)
  await published()
  t.match(await node(), { ...bare, spec: { ...bare.spec, wireguard: { publicKey } } })
  t.notMatch(lines.join('\n'), readFileSync(file, 'utf8').trim(), 'no log has it')
  await keys.make()
  t.equal(keys.key?.publicKey, publicKey)
  t.equal((await setUp(t, file)).keys.key?.publicKey, publicKey, 'and the next daemon has it, too')
})

t.test('somebody takes the key out of the Node: it is written again', async t => {
  const { datastore, keys, node, published } = await setUp(t)
  await keys.make()
  keys.look(await node(), true, true)
  await published()
  const entry = (await datastore.get('Node', 'n1'))!
  await datastore.update('Node', 'n1', bare, entry.version)
  keys.look(await node(), true, true)
  await published()
  t.equal((await node()).spec.wireguard?.publicKey, keys.key?.publicKey)
})

t.test('a rotation: kept, in force, then published', async t => {
  const { file, keys, events, node, published } = await setUp(t)
  await keys.make()
  keys.look(await node(), true, true)
  await published()
  const before = keys.key?.publicKey
  events.length = 0
  const publicKey = await keys.rotate()
  t.not(publicKey, before)
  t.same(events, [`in force ${publicKey}`, `published ${publicKey}`])
  t.equal((await setUp(t, file)).keys.key?.publicKey, publicKey)
})

t.test('a rotation that nobody would hear of: the old key is in force as before', async t => {
  const { file, keys, store, node, published } = await setUp(t)
  await t.rejects(keys.rotate(), /no WireGuard device/)
  await keys.make()
  keys.look(await node(), true, true)
  await published()
  const before = keys.key?.publicKey
  store.update = async () => {
    throw new Error('the disk is full')
  }
  await t.rejects(keys.rotate(), /could not be published \(the disk is full\), so the old one is in force again/)
  t.equal(keys.key?.publicKey, before)
  t.equal((await setUp(t, file)).keys.key?.publicKey, before)
  keys.look(await node(), true, false)
  await t.rejects(keys.rotate(), /datastore is away/)
})

t.test('a file that holds no key is left alone, and told', async t => {
  const file = join(t.testdir({}), 'wireguard.key')
  writeFileSync(file, 'garbage\n')
  const { keys } = await setUp(t, file)
  await keys.make()
  t.equal(keys.key, undefined)
  t.match(keys.fault, /wireguard\.key does not hold a WireGuard key/)
  t.equal(readFileSync(file, 'utf8'), 'garbage\n')
})
