// A cluster moves from the embedded store to an etcd of three members, and then one node is cut off from all of them: its pods keep their
// network, new ones get addresses from the blocks that it holds, also over a restart, and it follows when it is let in again.

import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { parse, stringify } from 'yaml'
import { TestEtcd } from '../src/datastore/etcd/testing.ts'
import { eventually, TestLab } from './kit/lab.ts'

const text = `
name: cut
subnets: [{ name: lan, ipv4: 10.2.0.0/24 }]
nodes:
  - { name: n1, interfaces: [{ subnet: lan, ipv4: 10.2.0.11 }], pods: 1 }
  - { name: n2, interfaces: [{ subnet: lan, ipv4: 10.2.0.12 }], pods: 1 }
---
{ apiVersion: margay.io/v1, kind: IPPool, metadata: { name: v4 }, spec: { cidr: 10.43.0.0/16 } }
`

const lab = await TestLab.up(t, { text }, 'etcd-cut')
const limit = 120
/** Of etcd, on the nodes' own network. */
const address = '10.2.0.200'
const [bridge] = lab.topology.switch.bridges
await lab.exec('switch', 'ip', 'address', 'add', `${address}/24`, 'dev', bridge)
await lab.exec('switch', 'ip', 'link', 'set', 'lo', 'up')
const etcd = await TestEtcd.start(t, { members: 3, at: { netns: lab.netns('switch'), address } })

const statusOf = (node: string) => lab.ask(node, '/v1/status', {}).catch(() => undefined)
const datastoreIs = (node: string, state: string) =>
  eventually(
    `the datastore of ${node} is ${state}`,
    async () => (await statusOf(node))?.datastore.state === state,
    limit,
  )

async function margayctl(node: string, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await lab.margayctl(node, ...args)
  if (code !== 0) throw new Error(`margayctl ${args.join(' ')} on ${node}: ${stderr || stdout}`)
  return stdout
}

/** Nothing that n2's pod sends to n1's is lost. */
async function underTraffic(t: Test, work: () => Promise<void>): Promise<void> {
  const ping = lab.pinging('n2-p1', lab.addresses('n1-p1').ipv4!, 50)
  await work()
  const { sent, lost } = await ping.end()
  t.same(lost, [], `of ${sent} packets none is lost`)
}

async function newPodReaches(t: Test, name: string): Promise<void> {
  await lab.addPod('n1', name)
  const to = lab.addresses('n2-p1').ipv4!
  await eventually(
    `${name} reaches n2-p1`,
    async () => (await lab.tryExec(name, 'ping', '-n', '-c', '1', '-w', '2', to)).code === 0,
    limit,
  )
  t.pass(`${name} has its network`)
}

t.test('from the embedded store to etcd, as the page says', async t =>
  underTraffic(t, async () => {
    const blocks = async () => Promise.all(lab.nodes.map(async node => (await statusOf(node))?.blocks))
    const before = await blocks()
    await margayctl('n1', 'datastore', 'lock', '--reason', 'it moves')
    const file = join(lab.dir.path, 'cluster.jsonl')
    writeFileSync(file, await margayctl('n1', 'export'))
    for (const node of lab.nodes) {
      const { config } = lab.files(node)
      const datastore = { type: 'etcd', endpoints: etcd.endpoints }
      writeFileSync(config, stringify({ ...(parse(readFileSync(config, 'utf8')) as object), datastore }))
    }
    t.match(await margayctl('n1', 'import', file), /^\d+ created, 0 replaced, 0 equal/)
    for (const node of lab.nodes) {
      await lab.stop(node, 'margayd')
      lab.startNode(node)
      await datastoreIs(node, 'in sync')
    }
    t.same(await blocks(), before, 'each has its blocks')
    for (const node of lab.nodes) t.equal((await statusOf(node))?.datastore.type, 'etcd')
  }),
)

t.test('one node is cut off, while the others lose the leader', async t =>
  underTraffic(t, async () => {
    const isN1 = async (state: string) => new RegExp(`\\nn1 +${state}`).test(await margayctl('n2', 'node', 'list'))
    await eventually('n2 sees that n1 is alive', () => isN1('alive'), limit)
    // Packets go nowhere, and nobody says so.
    const rules = [
      'table inet cut',
      '{ chain out { type filter hook output priority 0; ip daddr',
      address,
      'drop; }; }',
    ]
    await lab.exec('n1', 'nft', rules.join(' '))
    await newPodReaches(t, 'unnoticed')
    await datastoreIs('n1', 'lost')
    await (await etcd.leader()).kill()
    await lab.apply(
      'n2',
      '{ apiVersion: margay.io/v1, kind: IPPool, metadata: { name: more }, spec: { cidr: 10.44.0.0/24, disabled: true } }',
    )
    await datastoreIs('n2', 'in sync')
    await newPodReaches(t, 'cut')
    await lab.kill('n1', 'margayd')
    lab.startNode('n1')
    await datastoreIs('n1', 'lost')
    await newPodReaches(t, 'restarted')
    await eventually('n2 sees that n1 is silent', () => isN1('silent'), limit)
    const { code, stderr } = await lab.margayctl('n1', 'get', 'nodes')
    t.equal(code, 1)
    t.match(stderr, /etcd does not answer at any of http:\/\/10\.2\.0\.200:\d+ \(nothing/)

    await lab.exec('n1', 'nft', 'delete', 'table', 'inet', 'cut')
    await datastoreIs('n1', 'in sync')
    t.match(await margayctl('n1', 'get', 'pools'), /more +10\.44\.0\.0\/24/)
    await eventually('n1 is alive', () => isN1('alive'), limit)
    for (const name of ['unnoticed', 'cut', 'restarted']) await lab.removePod(name)
  }),
)
