// Nodes whose datastore is a real etcd: they start from it, and whatever happens to it, pods keep their network and new ones come.

import { execFile } from 'node:child_process'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import { socketOf } from '../src/lab/etcd.ts'
import { nodeFiles } from '../src/lab/nodes.ts'
import { everyPairReaches } from './kit/expect.ts'
import { eventually, TestLab } from './kit/lab.ts'

const text = `
name: etcd
subnets: [{ name: lan, ipv4: 10.2.0.0/24, ipv6: 'fd00:2::/64' }]
nodes:
  - { name: n1, interfaces: [{ subnet: lan, ipv4: 10.2.0.11, ipv6: 'fd00:2::11' }], pods: 1 }
  - { name: n2, interfaces: [{ subnet: lan, ipv4: 10.2.0.12, ipv6: 'fd00:2::12' }], pods: 1 }
---
{ apiVersion: margay.io/v1, kind: IPPool, metadata: { name: v4 }, spec: { cidr: 10.43.0.0/16 } }
---
{ apiVersion: margay.io/v1, kind: IPPool, metadata: { name: v6 }, spec: { cidr: 'fd00:43::/48' } }
`

const lab = await TestLab.up(t, { text }, 'etcd', 'etcd')
const limit = 90

async function etcdctl(...args: string[]): Promise<string> {
  const env = { ...process.env, ETCDCTL_API: '3' }
  const { stdout } = await promisify(execFile)(
    'etcdctl',
    ['--endpoints', `unix://${socketOf(lab.dir)}`, '--command-timeout', '30s', ...args],
    { env },
  )
  return stdout
}

const datastoreIs = (state: string) =>
  Promise.all(
    lab.nodes.map(node =>
      eventually(
        `${node} says that its datastore is ${state}`,
        async () => (await lab.ask(node, '/v1/status', {}).catch(() => undefined))?.datastore.state === state,
        limit,
      ),
    ),
  )

const problems = async (node: string) => (await lab.ask(node, '/v1/status', {})).problems.join('\n')

/** A pod that comes now reaches one on the other node. */
async function newPodReaches(t: Test, node: string, name: string, other: string): Promise<void> {
  await lab.addPod(node, name)
  for (const address of Object.values(lab.addresses(other)))
    await eventually(
      `${name} reaches ${address}`,
      async () => (await lab.tryExec(name, 'ping', '-n', '-c', '1', '-w', '2', address)).code === 0,
      limit,
    )
  t.pass(`${name} on ${node} has its network`)
  await lab.removePod(name)
}

/** The pods that are there talk all the while; not one packet is lost. */
async function underTraffic(t: Test, work: () => Promise<void>): Promise<void> {
  const ping = lab.pinging('n1-p1', lab.addresses('n2-p1').ipv4!, 50)
  await work()
  const { sent, lost } = await ping.end()
  t.same(lost, [], `of ${sent} packets none is lost`)
}

t.test('every pair of pods and nodes', async t => everyPairReaches(t, lab))

t.test('what somebody wrote into etcd by hand is named with what to do, and that helps', async t => {
  await etcdctl('put', '/margay/~alive/ghost', 'x')
  t.match(await lab.margayctl('n1', 'status'), {
    stdout: /! node "ghost": its sign of life .*has no lease.*: etcdctl del \/margay\/~alive\/ghost$/m,
  })
  await etcdctl('del', '/margay/~alive/ghost')
  t.notMatch((await lab.margayctl('n1', 'status')).stdout, 'ghost')

  const [block] = (await lab.ask('n1', '/v1/status', {})).blocks.filter(cidr => !cidr.includes(':'))
  const key = `/margay/Block/${block.replaceAll(/[./]/g, '-')}`
  const record = (await etcdctl('get', '--print-value-only', key)).trim()
  await etcdctl('put', key, record.replace('"node":"n1"', '"node":"n11"'))
  const command = `margayctl ipam reassign ${block} n1`
  await eventually('n1 says how to put it back', async () => (await problems('n1')).includes(command), limit)
  t.match(await lab.margayctl('n2', 'ipam', 'check'), { code: 1, stdout: new RegExp(`there is no Node.*${command}`) })
  t.match(await lab.margayctl('n2', 'node', 'decommission', 'n11', '--yes'), { code: 1, stderr: new RegExp(command) })
  t.match(await lab.margayctl('n2', 'ipam', 'reassign', block, 'n1'), { code: 0 })
  await eventually('n1 has it again', async () => (await lab.ask('n1', '/v1/status', {})).blocks.includes(block), limit)
  t.equal(await problems('n1'), '')

  await eventually(
    'n1 is reached again',
    async () =>
      (await lab.tryExec('n2-p1', 'ping', '-n', '-c', '1', '-w', '2', lab.addresses('n1-p1').ipv4!)).code === 0,
    limit,
  )

  await underTraffic(t, async () => {
    await etcdctl('put', key, record.replace('"node":"n1"', '"node":""'))
    const reads = new RegExp(
      `^block ".*" .*stays in force.*no Node can have that name.* ${key.split('/').at(-1)}$`,
      'm',
    )
    await eventually('n1 says that it cannot be read', async () => reads.test(await problems('n1')), limit)
    t.same((await lab.ask('n1', '/v1/status', {})).unreadable?.length, 1)
    t.ok((await lab.ask('n1', '/v1/status', {})).blocks.includes(block), 'it stays in force')
    await etcdctl('put', key, record)
    await eventually('all is well', async () => (await problems('n1')) === '', limit)
  })
})

t.test('the records are in etcd', async t => {
  const keys = await etcdctl('get', '--prefix', '/margay/', '--keys-only')
  for (const key of ['/margay/Node/n1', '/margay/IPPool/v4', '/margay/ClusterInformation/default', '/margay/Block/'])
    t.match(keys, key)
  const { datastore } = await lab.ask('n1', '/v1/status', {})
  t.equal(datastore.type, 'etcd')
})

/** Leases that keys of ours are on. */
async function leases(): Promise<readonly string[]> {
  const answer = await etcdctl('get', '--prefix', '/margay/~alive/', '-w', 'json')
  return [...answer.matchAll(/"lease":(\d+)/g)].map(([, id]) => BigInt(id).toString(16))
}

t.test('signs of life are lost: no route, session, block or packet goes with them', async t =>
  underTraffic(t, async () => {
    const state = async () => {
      const blocks = await Promise.all(lab.nodes.map(async node => (await lab.ask(node, '/v1/status', {})).blocks))
      const sessions = await Promise.all(
        lab.nodes.map(async node => (await lab.ask(node, '/v1/bgp/summary', {})).peers.map(({ state }) => state)),
      )
      return { blocks, sessions, records: await etcdctl('get', '--prefix', '/margay/Block/') }
    }
    const before = await state()
    const routes = lab.nodes.map(node => lab.running(node, ['ip', '-o', 'monitor', 'route']))
    for (let round = 0; round < 2; round++) {
      const lost = await eventually(
        'both nodes are alive',
        async () => {
          const now = await leases()
          return now.length === lab.nodes.length && now
        },
        limit,
      )
      for (const lease of lost) await etcdctl('lease', 'revoke', lease)
      const listed = (await lab.margayctl('n1', 'node', 'list')).stdout
      t.match(listed, /n[12] +(silent|alive)/)
    }
    await eventually('both say again that they are alive', async () => (await leases()).length === 2, limit)
    t.match((await lab.margayctl('n2', 'node', 'list')).stdout, /\nn1 +alive +now[^]*\nn2 +alive +now/)
    t.same(await state(), before)
    for (const heard of routes) t.equal((await heard()).replaceAll(/^.*table local.*\n/gm, ''), '')
  }),
)

t.test('kill -9 of etcd, and of a daemon while it is away', async t =>
  underTraffic(t, async () => {
    await lab.kill('etcd', 'etcd')
    await datastoreIs('lost')
    await newPodReaches(t, 'n1', 'during', 'n2-p1')
    await lab.kill('n2', 'margayd')
    lab.startNode('n2')
    await datastoreIs('lost')
    await newPodReaches(t, 'n2', 'restarted', 'n1-p1')
    await lab.startEtcd()
    await datastoreIs('in sync')
    await newPodReaches(t, 'n1', 'after', 'n2-p1')
  }),
)

t.test('an etcd that hangs', async t =>
  underTraffic(t, async () => {
    lab.signal('etcd', 'etcd', 'SIGSTOP')
    await newPodReaches(t, 'n1', 'hung', 'n2-p1')
    await datastoreIs('lost')
    await newPodReaches(t, 'n2', 'lost', 'n1-p1')
    const { code, stderr } = await lab.margayctl('n1', 'get', 'nodes')
    t.not(code, 0)
    t.match(stderr, /etcd at unix:\S+ does not answer/)
    lab.signal('etcd', 'etcd', 'SIGCONT')
    await datastoreIs('in sync')
  }),
)

t.test('an etcd whose quota is used up', async t =>
  underTraffic(t, async () => {
    await lab.kill('etcd', 'etcd')
    await lab.startEtcd(['--quota-backend-bytes', '1'])
    await datastoreIs('in sync')
    const pool = `{ apiVersion: margay.io/v1, kind: IPPool, metadata: { name: more }, spec: { cidr: 10.44.0.0/16 } }`
    await t.rejects(lab.apply('n1', pool), /quota is used up \(alarm NOSPACE\)/)
    t.match((await lab.ask('n1', '/v1/status', {})).datastore.refusal?.text, /alarm NOSPACE.*alarm disarm/)
    await newPodReaches(t, 'n1', 'full', 'n2-p1')
    await lab.kill('etcd', 'etcd')
    await lab.startEtcd()
    await etcdctl('alarm', 'disarm')
    await lab.apply('n1', pool)
    await datastoreIs('in sync')
  }),
)

t.test('a node that loses its store while no write goes through', async t =>
  underTraffic(t, async () => {
    await lab.margayctl('n1', 'datastore', 'lock', '--reason', 'new disks')
    await lab.kill('n1', 'margayd')
    const { stateDir } = nodeFiles(lab.dir, 'n1')
    await rm(stateDir, { recursive: true })
    await mkdir(stateDir)
    lab.startNode('n1')
    const isInSync = async () => (await lab.ask('n1', '/v1/status', {}).catch(() => undefined))?.inSync === true
    await eventually('n1 is in sync', isInSync, limit)
    await sleep(3_000) // what it does not announce is gone at n2 by then
    t.match(
      (await lab.margayctl('n1', 'ipam', 'show')).stdout,
      /its own store is new .* blocks with pods stay announced/,
    )
    await lab.margayctl('n1', 'datastore', 'unlock')
    await eventually(
      'n1 takes over its blocks',
      async () => (await lab.ask('n1', '/v1/ipam', {})).blocks.length === 2,
      limit,
    )
    // Its sign of life with the former store has to run out.
    await eventually('n1 gives addresses', async () => (await problems('n1')) === '', limit)
  }),
)

t.test('all records are deleted under running daemons, and come back by import', async t =>
  underTraffic(t, async () => {
    const { stdout: exported } = await lab.margayctl('n1', 'export')
    const file = join(lab.dir.path, 'export.jsonl')
    await writeFile(file, exported)
    await etcdctl('del', '--prefix', '/margay/')
    await datastoreIs('lost')
    t.match((await lab.ask('n1', '/v1/status', {})).datastore.text, /it is empty or new.*margayctl import/)
    await newPodReaches(t, 'n1', 'wiped', 'n2-p1')
    await lab.kill('n2', 'margayd')
    lab.startNode('n2')
    await datastoreIs('lost')
    await newPodReaches(t, 'n2', 'wiped2', 'n1-p1')
    // A sign of life that was under way may come after.
    const keys = (await etcdctl('get', '--prefix', '/margay/', '--keys-only')).split('\n').filter(key => key !== '')
    t.same(
      keys.filter(key => !key.startsWith('/margay/~')),
      [],
      'no record is written there',
    )
    t.match(await lab.margayctl('n1', 'import', file), { code: 0, stdout: / created, 0 replaced, / })
    await datastoreIs('in sync')
    await newPodReaches(t, 'n2', 'restored', 'n1-p1')
  }),
)
