// A Calico cluster's etcd is read by the command, as an operator runs it: told first, then taken, and nothing of what is there is replaced
// unasked.

import { execFile } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { Etcd3 } from 'etcd3'
import t from 'tap'
import { TestEtcd } from '../datastore/etcd/testing.ts'
import { openEmbeddedDatastore } from '../datastore/index.ts'
import { calicoKeys } from '../resources/calico/testing.ts'
import { importCalico, importText, readCalico } from './import-calico.ts'
import { program } from './testing.ts'

const etcd = await TestEtcd.start(t)
const calico = new Etcd3({ hosts: [...etcd.endpoints] })
t.teardown(() => calico.close())
const folder = t.testdir({ 'margayd.yaml': 'datastore: { path: cluster.db }' })
const store = openEmbeddedDatastore(join(folder, 'cluster.db'), { create: true })
t.teardown(() => store.close())
const endpoints = etcd.endpoints.join(',')

interface Ended {
  readonly code: number
  readonly out: string
  readonly err: string
}

function run(...args: string[]): Promise<Ended> {
  const argv = [program, '--config', join(folder, 'margayd.yaml'), 'import', ...args]
  return new Promise(resolve => {
    execFile(process.execPath, argv, (error, out, err) => resolve({ code: error ? Number(error.code) : 0, out, err }))
  })
}

const specOf = async (kind: string, name: string) =>
  ((await store.get(kind, name))?.value as { readonly spec: unknown } | undefined)?.spec

t.test('what cannot be meant', async t => {
  t.match(await run('--from-calico-etcd', endpoints), {
    code: 3,
    err: /has no keys below \/calico\/.*calicoctl get -o yaml/,
  })
  t.match(await run(), { code: 2, err: /needs a file that export wrote, or --from-calico-etcd/ })
  await t.rejects(readCalico({ endpoints: '10.0.0.1' }), { exitCode: 2, message: /10\.0\.0\.1 is no endpoint/ })
  await t.rejects(readCalico({ endpoints, username: 'u' }), {
    exitCode: 2,
    message: /both --username and --password-file/,
  })
})

t.test("what Calico's etcd has against the command is said by its options", async t => {
  const passwordFile = join(t.testdir({ password: 'secret' }), 'password')
  await t.rejects(readCalico({ endpoints, username: 'u', passwordFile }), {
    message: /etcd has no users: leave --username out/,
  })
  await t.rejects(readCalico({ endpoints, ca: '/nowhere/ca.pem' }), {
    message: /\/nowhere\/ca\.pem.*cannot be read \(ENOENT\).*correct the option/,
  })
})

t.test('told, then taken', async t => {
  for (const [key, value] of calicoKeys) await calico.put(key).value(value)
  const { header: untouched } = await calico.getAll().prefix('/calico/').exec()

  const told = await run('--from-calico-etcd', endpoints, '--dry-run')
  t.match(told, { code: 0, out: /\nnothing is written yet\n$/ })
  t.match(told.out, /ippool "default-ipv4-ippool": taken\n  changed   disabled: true, as nodes of Calico/)
  t.match(told.out, /bgppeer "pods": not taken: it is a session with pods/)
  t.match(told.out, /\nProfile \(2\): not taken: Margay has no network policy\n/)
  t.match(told.out, /nodes\/broken: not taken: it cannot be read/)
  t.same(readdirSync(folder), ['margayd.yaml'], 'no store is begun')
  t.same(await store.kinds(), [])
  t.equal(
    (await run('--from-calico-etcd', endpoints, '--dry-run')).out,
    told.out,
    'an empty store is no other than none',
  )

  t.match(await run('--from-calico-etcd', endpoints), { code: 0, out: /\nwritten\n$/ })
  t.match(await specOf('Node', 'rack1-n1'), { bgp: { asNumber: 65001, ipv4Address: '10.0.1.11/24' } })
  t.match(await specOf('BGPConfiguration', 'default'), { asNumber: 64513, nodeToNodeMeshEnabled: false })
  t.match(await specOf('BGPPeer', 'rack1-tor'), { peerIP: '10.0.1.1', asNumber: 65101, nextHopMode: 'Keep' })
  t.match(await specOf('IPPool', 'default-ipv4-ippool'), { cidr: '192.168.0.0/16', disabled: true })
  t.match(await specOf('IPAMConfiguration', 'default'), { maxBlocksPerHost: 8 })
  t.match(await specOf('IPReservation', 'old'), { reservedCIDRs: ['192.168.1.0/28', '192.168.7.53/32'] })
  const { header } = await calico.getAll().prefix('/calico/').exec()
  t.equal(header.revision, untouched.revision, "nothing was written into Calico's etcd")
})

t.test('again, and not over what differs', async t => {
  const does = async (force = false) => {
    const { objects } = await importCalico(store, await readCalico({ endpoints }), { write: true, force })
    return new Map(objects.map(each => [each.object, each.does]))
  }
  t.same([...new Set((await does()).values())].toSorted(), ['equal', 'not taken'])

  const key = '/calico/resources/v3/projectcalico.org/bgppeers/rack1-tor'
  const [, peer] = calicoKeys.find(([each]) => each === key) ?? ['', '']
  await calico.put(key).value(peer.replace('65101', '65102'))
  const other = peer.replaceAll('rack1-tor', 'new').replace('10.0.1.1', '10.0.1.2')
  await calico.put(key.replace('rack1-tor', 'new')).value(other)
  t.match(await run('--from-calico-etcd', endpoints), {
    code: 1,
    out: /bgppeer "rack1-tor": there already, and different\n(?:  changed .*\n)*  changed   spec\.asNumber: 65101 there, 65102 in Calico\n/,
    err: /bgppeer "rack1-tor": the datastore has another of that name: nothing was written; --force/,
  })
  t.equal(await specOf('BGPPeer', 'new'), undefined, 'all or nothing')
  t.equal((await does(true)).get('bgppeer "rack1-tor"'), 'replace')
  t.match(await specOf('BGPPeer', 'rack1-tor'), { asNumber: 65102 })
  t.match(await specOf('BGPPeer', 'new'), { peerIP: '10.0.1.2' })
})

t.test('what does not fit what is there is not taken', async t => {
  const ours = {
    apiVersion: 'margay.io/v1',
    kind: 'IPPool',
    metadata: { name: 'ours' },
    spec: { cidr: '172.16.0.0/12' },
  }
  await store.create('IPPool', 'ours', ours)
  const overlap = { kind: 'IPPool', metadata: { name: 'theirs' }, spec: { cidr: '172.16.0.0/16' } }
  const { objects } = await importCalico(
    store,
    { objects: [overlap], blocks: [], unreadable: [], others: {} },
    { write: true, force: true },
  )
  t.match(objects, [{ does: 'not taken', why: /cidr 172\.16\.0\.0\/16 overlaps pool "ours"/ }])
  t.equal(await store.get('IPPool', 'theirs'), undefined)
})

t.test('of two keys that say one name, that with its name is meant', async t => {
  const peer = { kind: 'BGPPeer', metadata: { name: 'twin' }, spec: { peerIP: '10.0.7.1', asNumber: 65107 } }
  const at = (name: string) => `/calico/resources/v3/projectcalico.org/bgppeers/${name}`
  const { objects } = await importCalico(
    store,
    {
      objects: [
        { ...peer, key: at('other') },
        { ...peer, key: at('twin') },
      ],
      blocks: [],
      unreadable: [],
      others: {},
    },
    { write: true, force: false },
  )
  t.match(objects, [
    { does: 'not taken', why: /bgppeers\/other, and \S+bgppeers\/twin has that name, too/ },
    { does: 'create' },
  ])
  t.ok(await store.get('BGPPeer', 'twin'))
})

t.test("Calico's two names of one kind, and its address manager's own record", async t => {
  const configs = [
    ['ipamconfigs', 'IPAMConfig', 4],
    ['ipamconfigurations', 'IPAMConfiguration', 7],
  ] as const
  for (const [plural, kind, maxBlocksPerHost] of configs)
    await calico
      .put(`/calico/resources/v3/projectcalico.org/${plural}/default`)
      .value(JSON.stringify({ kind, metadata: { name: 'default' }, spec: { maxBlocksPerHost } }))
  const taken = async () => {
    const into = openEmbeddedDatastore(join(t.testdir(), 'cluster.db'), { create: true })
    const read = await readCalico({ endpoints })
    const counts = async (write: boolean) => {
      const { objects } = await importCalico(into, read, { write, force: false })
      return objects.filter(({ kind }) => kind === 'IPAMConfiguration')
    }
    const [asked, done, again] = [await counts(false), await counts(true), await counts(false)]
    const stored = (await into.get('IPAMConfiguration', 'default'))?.value
    await into.close()
    t.same(done, asked, 'it is written as it was told')
    t.same(new Set(again.map(({ does }) => does)), new Set(['equal', 'not taken']), 'and then it is there')
    return { done, stored }
  }
  const three = await taken()
  t.match(three.stored, { spec: { maxBlocksPerHost: 8 } })
  t.match(three.done, [
    { does: 'create', changed: [/strictAffinity/] },
    {
      does: 'not taken',
      why: /ipamconfigs\/default, and \/calico\/ipam\/v2\/config is what Calico's address manager goes by/,
    },
    { does: 'not taken', why: /ipamconfigurations\/default, and \/calico\/ipam\/v2\/config/ },
  ])
  await calico.delete().key('/calico/ipam/v2/config')
  const two = await taken()
  t.match(two.stored, { spec: { maxBlocksPerHost: 4 } })
  t.match(two.done, [
    { does: 'create' },
    { does: 'not taken', why: /ipamconfigurations\/default, and \S+ipamconfigs\/default has that name, too/ },
  ])
})

t.test('a name of many lines forges none', async t => {
  const name = 'x\nippool "fake": taken\u001b[2J'
  const objects = ['IPPool', name].map(kind => ({ kind, metadata: { name }, spec: { cidr: '10.19.0.0/16' } }))
  const read = { objects, blocks: [], unreadable: [`/calico/${name}`], others: { 'other keys': [`/calico/${name}`] } }
  const lines = importText(await importCalico(store, read, { write: false, force: false })).split('\n')
  t.equal(lines.length, 4)
  t.match(lines[0], /^ippool "x ippool "fake": taken \[2J": not taken: metadata\.name/)
  for (const line of lines) t.notMatch(line, /\p{Cc}/u)
})
