// `margayctl ipam` with real daemons and kernels: a block is split for a node that finds none, and what may not agree is made, found,
// named with its next step, and put right where that is provable, while pods come and go.

import { cpSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import t, { type Test } from 'tap'
import { type ClusterStore, openDatastore } from '../src/datastore/index.ts'
import { CniError, CniRunner } from '../src/lab/cni-runner.ts'
import { makePodNamespace, removeNamespaces } from '../src/lab/network.ts'
import { netnsPath } from '../src/lab/processes.ts'
import { kernelIsRight } from './kit/expect.ts'
import { eventually as within, TestLab } from './kit/lab.ts'

const text = `
name: ipam
subnets: [{ name: lan, ipv4: 10.2.0.0/24, ipv6: 'fd00:2::/64' }]
nodes:
  - { name: n1, interfaces: [{ subnet: lan, ipv4: 10.2.0.11, ipv6: 'fd00:2::11' }], pods: 3 }
  - { name: n2, interfaces: [{ subnet: lan, ipv4: 10.2.0.12, ipv6: 'fd00:2::12' }], pods: 1 }
  - { name: n3, interfaces: [{ subnet: lan, ipv4: 10.2.0.13, ipv6: 'fd00:2::13' }] }
---
{ apiVersion: margay.io/v1, kind: IPPool, metadata: { name: v4 }, spec: { cidr: 10.43.0.0/16 } }
---
{ apiVersion: margay.io/v1, kind: IPPool, metadata: { name: v6 }, spec: { cidr: 'fd00:43::/48' } }
---
apiVersion: margay.io/v1
kind: IPPool
metadata: { name: narrow }
spec: { cidr: 10.44.0.0/27, blockSize: 28, assignmentMode: Manual }
`

const lab = await TestLab.up(t, { text }, 'ipam')
const store = await openDatastore({ type: 'embedded', path: lab.files('n1').store }, { create: false })
t.teardown(() => store.close())
const eventually = <T>(what: string, read: () => Promise<T | undefined | false>): Promise<T> => within(what, read, 90)
const addressOf = (node: string, family: 'ipv4' | 'ipv6'): string | undefined =>
  lab.topology.nodes.find(each => each.host === node)?.addresses[family]?.split('/')[0]

const reaches = (pod: string, address: string): Promise<unknown> =>
  eventually(
    `${pod} reaches ${address}`,
    async () => (await lab.tryExec(pod, 'ping', '-n', '-c', '1', '-w', '2', address)).code === 0,
  )

/** A pod of the narrow pool, with this address if one is named. Answers the address. */
async function addNarrow(node: string, name: string, wanted?: string): Promise<string> {
  const pod = { name, node, netns: lab.netns(name) }
  const { cni: socket, spool: spoolDir } = lab.files(node)
  const conf = { cniVersion: '1.1.0', name: 'margay', type: 'margay-cni', socket, spoolDir }
  const runner = new CniRunner({
    plugin: lab.programs.cni,
    conf: {
      ...conf,
      ipam: { ipv4_pools: ['narrow'] },
      ...(wanted !== undefined && { args: { cni: { ips: [wanted] } } }),
    },
    cacheDir: lab.dir.cniOf(node),
  })
  lab.dir.writePods(pods => [...pods, pod])
  await makePodNamespace(pod.netns)
  await runner.add(pod.name, netnsPath(pod.netns))
  return lab.addresses(pod.name).ipv4 ?? ''
}

t.test('a pool with fewer blocks than nodes: the one that finds none gets a part of a block', async t => {
  const add = (node: string): Promise<string> => addNarrow(node, `${node}-narrow`)
  const given = [await add('n1'), await add('n2'), await add('n3')]
  t.equal(new Set(given).size, 3, given.join(' '))

  const blocks = async (node: string): Promise<readonly string[]> =>
    (await lab.ask(node, '/v1/status', {})).blocks.filter(cidr => cidr.startsWith('10.44.'))
  const [first, second, third] = [await blocks('n1'), await blocks('n2'), await blocks('n3')]
  const [whole, split] = first.length === 1 ? [first, second] : [second, first]
  t.match(whole, [/\/28$/], 'one keeps its block as it was')
  t.match(third, [/^10\.44\.0\.\d+\/3\d$/], 'n3 has a part')
  t.ok(split.length > 1 && split.every(cidr => !cidr.endsWith('/28')), `the other has parts: ${split.join(' ')}`)

  for (const node of ['n1', 'n2'])
    for (const [pod, address] of [
      [`${node}-narrow`, given[2]],
      ['n3-narrow', lab.addresses(`${node}-narrow`).ipv4 ?? ''],
    ] as const)
      await reaches(pod, address)
  t.pass('its pod reaches the others, and is reached')
  // Each part is a prefix of its own, at its own node, and unreachable there but for its pods; nobody has a route to the block that was.
  const parts = [...first, ...second, ...third].toSorted()
  for (const node of lab.nodes) {
    await eventually(`${node} has routes to ${parts.join(', ')}, and to no other block`, async () => {
      const routes = (await lab.routes(node)).map(({ dst }) => dst)
      const found = routes.filter(dst => /^10\.44\..*\/(2\d|3[01])$/.test(dst))
      return found.toSorted().join() === parts.join()
    })
    await kernelIsRight(t, lab, node, addressOf)
  }
  t.match(
    (await lab.margayctl('n1', 'ipam', 'show', given[2])).stdout,
    `of node "n3", pool "narrow"; given to lab/n3-narrow`,
  )
})

interface Row {
  readonly where: string
  readonly kind: string
  readonly object: string
  readonly state: 'fixed' | 'fixable' | 'yours'
  readonly text: string
}

/** What the command says to programs. */
async function check(t: Test, node: string, ...args: string[]): Promise<readonly Row[]> {
  const { code, stdout, stderr } = await lab.margayctl(node, '-o', 'json', 'ipam', 'check', ...args)
  if (stdout === '') throw new Error(`ipam check on ${node}: ${stderr}`)
  const rows = JSON.parse(stdout) as readonly Row[]
  t.equal(code, rows.some(({ state }) => state !== 'fixed') ? 1 : 0, 'the exit code says whether anything is left')
  return rows
}

const short = (rows: readonly Row[]): readonly string[] =>
  rows.map(({ where, kind, object, state }) => `${where} ${kind} ${object} ${state}`).toSorted()

/** Rows of a node's own store, whose daemon is off. */
function ownStore(node: string, change: (run: (statement: string, ...values: string[]) => void) => void): void {
  const database = new DatabaseSync(join(lab.files(node).stateDir, 'node.db'))
  change((statement, ...values) => void database.prepare(statement).run(...values))
  database.close()
}

t.test('what does not agree is found, and --fix puts right what is provable while pods come and go', async t => {
  const [p1, p2, p3] = ['n1-p1', 'n1-p2', 'n1-p3'].map(pod => lab.addresses(pod))
  const on2 = lab.addresses('n2-p1')
  await lab.addPod('n1', 'cut')
  const cut = lab.addresses('cut')

  // n3's machine dies, before n1 can have a session with it again.
  await lab.kill('n3', 'margayd')
  await lab.exec('n3', 'ip', 'link', 'set', 'eth0', 'down')
  const ofDead = await blocksIn(store, 'n3')
  // n1 starts on a store that lacks a row, has one of another, and one of an ADD that was never answered.
  await lab.stop('n1', 'margayd')
  const since = '2026-01-01T00:00:00.000Z'
  const other = { network: 'margay', containerId: 'ghost', ifName: 'eth0', pool: 'v4', since }
  const [unfinished, stray] = ['10.43.0.40', '10.43.0.41']
  ownStore('n1', run => {
    run("DELETE FROM rows WHERE tab = 'addresses' AND key = ?", p1.ipv4 ?? '')
    run("UPDATE rows SET value = ? WHERE tab = 'addresses' AND key = ?", JSON.stringify(other), p2.ipv6 ?? '')
    run("INSERT INTO rows VALUES ('addresses', ?, ?)", unfinished, JSON.stringify(other))
  })
  lab.startNode('n1')
  // The datastore has what somebody wrote there, or a backup brought back.
  const [block2] = (await blocksIn(store, 'n2')).filter(cidr => cidr.startsWith('10.43.'))
  const inside = `${block2.split('/')[0]}/30`
  const [ofNobody, ofNoPool] = ['10.43.250.0/26', '10.99.0.0/26']
  const put = (cidr: string, node: string, pool: string) =>
    store.create('Block', cidr.replaceAll(/[./]/g, '-'), { cidr, node, pool, claimedAt: since })
  await put(inside, 'n3', 'v4')
  await put(ofNoPool, 'n3', 'gone')
  await put(ofNobody, 'n9', 'v4')
  await store.create('Block', 'scribble', { what: 'is this' })
  const row = { ...other, label: 'old/pod' }
  await store.create('AddressCopy', 'left', {
    node: 'n8',
    cidr: '10.43.251.0/26',
    addresses: { [on2.ipv4 ?? '']: row },
  })

  await eventually('n1 is in sync', async () => (await lab.ask('n1', '/v1/status', {}).catch(() => undefined))?.inSync)
  // A pod ends without a DEL, and another loses its device.
  await removeNamespaces([lab.netns('n1-p3')])
  const deviceOf = async (address = ''): Promise<string> =>
    (await lab.routes('n1')).find(({ dst }) => dst === `${address}/32`)?.dev ?? ''
  await lab.exec('n1', 'ip', 'link', 'del', await deviceOf(cut.ipv4))
  await lab.exec('n1', 'ip', 'route', 'add', stray, 'dev', await deviceOf(p2.ipv4), 'proto', '81', 'metric', '1024')
  await eventually('the last sign of n3 has run out', async () =>
    (await store.signs()).some(({ name, isAlive }) => name === 'n3' && !isAlive),
  )
  const cluster = [
    `cluster dead-node ${ofNobody} yours`,
    `cluster dead-node ${[...ofDead, inside, ofNoPool].toSorted(byRecord).join(' ')} yours`,
    `cluster duplicate ${inside} yours`,
    `cluster duplicate ${on2.ipv4} yours`,
    `cluster no-pool ${ofNoPool} yours`,
    `cluster unreadable scribble yours`,
  ]
  const ours = [`n1 duplicate ${p2.ipv6} yours`, `n1 leak ${cut.ipv4} ${cut.ipv6} yours`]
  const fixable = (state: Row['state']) => [
    `cluster orphan-copy left ${state}`,
    `n1 leak ${p3.ipv4} ${p3.ipv6} ${state}`,
    `n1 no-address ${p1.ipv4} ${state}`,
  ]
  await eventually('the stray route under our mark has gone by itself', async () =>
    (await lab.routes('n1')).every(({ dst }) => dst !== `${stray}/32` && dst !== stray),
  )
  const found = await check(t, 'n1')
  t.same(short(found), [...cluster, ...ours, ...fixable('fixable')].toSorted())
  for (const [kind, next] of [
    ['unreadable', /delete the record: margayctl datastore delete Block scribble/],
    ['dead-node', /margayctl node decommission n3\. Its margayd was last seen \d+\w+ ago; its blocks stay its own/],
    ['dead-node', /there is no Node.* margayctl node decommission n9.*never seen/],
    ['no-pool', /apply the pool again/],
    ['duplicate', /node "n3" has it, and node "n2" has .* Drain one of the two nodes/],
    [
      'duplicate',
      /n2-p1 on node "n2" and old\/pod on node "n8" have it, and its block .* is node "n2"'s\. Delete old\/pod on node "n8"/,
    ],
    ['duplicate', /n1-p2 has it, and it is recorded for ghost\/eth0\. Delete one/],
    ['leak', /namespace: no DEL has come for it\. It can be taken back/],
    ['leak', /lab\/cut.* while its namespace is there\. Restart the pod/],
    ['no-address', /lab\/n1-p1 has it, and nothing records that.* It can be recorded/],
    ['orphan-copy', /The note can be deleted/],
  ] as const)
    t.ok(
      found.some(row => row.kind === kind && next.test(row.text)),
      `${kind}: ${next.source}`,
    )
  const given = (await lab.ask('n1', '/v1/ipam', {})).addresses.map(({ address }) => address)
  t.notOk(given.includes(unfinished), 'and so did the address of an ADD that was never answered')
  for (const [args, shown] of [
    [['get', 'nodes'], /\nn1 +alive +now [^]*\nn3 +silent +\d+\w+ ago /],
    [['status'], /nodes +1 of 2 others alive; not heard of: n3 \(last seen \d+\w+ ago\)/],
  ] as const)
    await eventually(`${args.join(' ')} shows that n3 is silent`, async () =>
      shown.test((await lab.margayctl('n1', ...args)).stdout),
    )

  // Two lanes of pods that come and go, on the node that is put right.
  const runtime = lab.runtime('n1')
  const lanes = ['lane1', 'lane2']
  t.teardown(() => removeNamespaces(lanes.map(pod => lab.netns(pod))))
  for (const pod of lanes) await makePodNamespace(lab.netns(pod))
  const done = { calls: 0, isOver: false }
  const churn = async (pod: string): Promise<void> => {
    for (; !done.isOver; done.calls++) {
      // The address that nothing records is refused to others.
      await runtime.add(pod, netnsPath(lab.netns(pod))).catch((error: unknown) => t.type(error, CniError))
      await runtime.del(pod)
    }
  }
  const fixed: Row[] = []
  let left: readonly Row[] = []
  const mend = async (): Promise<void> => {
    await eventually('pods come and go', async () => done.calls > lanes.length)
    await eventually('all that can be fixed is fixed', async () => {
      left = await check(t, 'n1', '--fix')
      fixed.push(...left.filter(({ state }) => state === 'fixed'))
      return fixable('fixed').every(each => short(fixed).includes(each))
    })
  }
  await Promise.all([...lanes.map(churn), mend().finally(() => (done.isOver = true))])
  t.comment(`${done.calls} pods came and went`)
  t.same(short(fixed), fixable('fixed').toSorted(), 'what is provable, and nothing of the pods that came and went')
  const explained = left.filter(({ state, object }) => state === 'yours' && object !== on2.ipv4)
  t.same(
    short(explained),
    [...cluster, ...ours].filter(text => !text.includes(`${on2.ipv4} `)).toSorted(),
    'the rest is explained, and stays; an address that only a wrong note gave twice is not',
  )

  // The pod whose address was not recorded has it to itself.
  await lab.addPod('n1', 'new')
  const [mine, next] = [Object.values(p1), Object.values(lab.addresses('new'))]
  t.notOk(
    next.some(address => mine.includes(address)),
    'nobody else gets it',
  )
  for (const address of Object.values(on2)) await reaches('n1-p1', address)
  await t.rejects(lab.ask('n1', '/v1/ipam/release', { address: p1.ipv4 ?? '' }), /pod \S+ is attached with it/)
})

/** Its Node, while it is away. */
let nodeOf3: unknown

t.test('what is left is done as the findings say', async t => {
  const { ipv6 } = lab.addresses('n1-p2')
  for (const pod of ['cut', 'n1-p2']) await lab.removePod(pod)
  const { findings } = await lab.ask('n1', '/v1/ipam/check', {})
  t.same(
    findings.map(({ kind, object }) => `${kind} ${object}`),
    [`no-endpoint ${ipv6}`],
    'what was recorded for a pod that nobody knows lies open now',
  )
  t.match(await lab.margayctl('n1', 'ipam', 'gc'), { code: 0, stdout: `addresses taken back: ${ipv6}\n` })
  t.match(await lab.margayctl('n1', 'datastore', 'delete', 'Block', 'scribble'), { code: 0 })
  nodeOf3 = (await store.get('Node', 'n3'))?.value
  for (const node of ['n3', 'n9'])
    t.match(await lab.margayctl('n1', 'node', 'decommission', node, '--yes'), { code: 0 }, node)
  t.match(await lab.margayctl('n1', 'ipam', 'check'), { code: 0, stdout: 'blocks, addresses, pods and routes agree\n' })
})

t.test('no pod is given an address while a pool cannot be read, and the refusal says what to do', async t => {
  const netns = lab.netns('torn')
  await makePodNamespace(netns)
  t.teardown(() => removeNamespaces([netns]))
  await store.create('IPPool', 'torn', { spec: 5 })
  const runtime = lab.runtime('n1')
  const refusal = await eventually('it is refused', async () => {
    const error = await runtime.add('torn', netnsPath(netns)).catch((error: unknown) => error)
    await runtime.del('torn')
    return error instanceof CniError && error
  })
  t.match(refusal, {
    code: 11,
    message: /ippool "torn" in the datastore cannot be read and is left out: .*: margayctl delete ippool torn/,
  })
  t.match(await lab.margayctl('n1', 'delete', 'ippool', 'torn'), { code: 0 })
  await eventually('it is attached', () => runtime.add('torn', netnsPath(netns)).catch(() => undefined))
  await runtime.del('torn')
})

t.test('a decommissioned node comes back with a pod whose address another node has given since', async t => {
  const shared = lab.addresses('n3-narrow').ipv4 ?? ''
  await addNarrow('n1', 'n1-heir', shared)
  await lab.exec('n3', 'ip', 'link', 'set', 'eth0', 'up')
  await lab.exec('n3', 'ip', 'addr', 'add', 'fd00:2::13/64', 'dev', 'eth0')
  lab.startNode('n3')
  await store.create('Node', 'n3', nodeOf3)
  const told = async (node: string): Promise<string | undefined> =>
    (await check(t, node)).find(({ kind, object }) => kind === 'duplicate' && object === shared)?.text
  for (const node of ['n3', 'n2'])
    t.match(
      await eventually(`${node} tells it`, () => told(node).catch(() => undefined)),
      /n3-narrow on node "n3".* its block 10\.44\.\S+ is node "n1"'s\. Delete .*n3-narrow/,
    )
  t.match((await lab.margayctl('n3', 'ipam', 'show')).stdout, new RegExp(`${shared} +none of this node +lab/n3-narrow`))
  const shown = (await lab.margayctl('n3', 'ipam', 'show', shared)).stdout
  for (const whose of ['lab/n1-heir on node "n1"', 'lab/n3-narrow on node "n3"']) t.match(shown, whose)
  await lab.removePod('n3-narrow')
  await eventually('all agrees again', async () => (await lab.margayctl('n3', 'ipam', 'check')).code === 0)
})

t.test('the store of a node is put back from a backup: its younger pods go on, and are known', async t => {
  const state = lab.files('n1').stateDir
  await lab.stop('n1', 'margayd')
  cpSync(state, `${state}.bak`, { recursive: true })
  lab.startNode('n1')
  const isUp = (): Promise<unknown> =>
    eventually('n1 is in sync', async () => (await lab.ask('n1', '/v1/status', {}).catch(() => undefined))?.inSync)
  await isUp()
  await lab.addPod('n1', 'late')
  const { ipv4 = '', ipv6 = '' } = lab.addresses('late')
  const isNoted = async (): Promise<boolean> =>
    (await lab.margayctl('n2', 'ipam', 'show', ipv4)).stdout.includes('given to lab/late on node "n1"')
  await eventually('the copy of its address is there', isNoted)
  await lab.kill('n1', 'margayd')
  rmSync(state, { recursive: true })
  cpSync(`${state}.bak`, state, { recursive: true })
  lab.startNode('n1')
  await isUp()
  t.match(await lab.margayctl('n1', 'ipam', 'check'), { code: 0, stdout: 'blocks, addresses, pods and routes agree\n' })
  for (const address of [ipv4, ipv6]) await reaches('n2-p1', address)
  await t.resolves(lab.runtime('n1').check('late'))
  t.match((await lab.ask('n1', '/v1/status', {})).partial, [], 'nothing of it is unknown')
  await lab.addPod('n1', 'later')
  t.notOk(Object.values(lab.addresses('later')).some(address => [ipv4, ipv6].includes(address)))
})

/** The order of records in the datastore. */
function byRecord(a: string, b: string): number {
  const [left, right] = [a, b].map(cidr => cidr.replaceAll(/[.:/]/g, '-'))
  return left < right ? -1 : 1
}

async function blocksIn(from: ClusterStore, node: string): Promise<readonly string[]> {
  const { entries } = await from.list('Block')
  return entries.flatMap(({ value }) => {
    const block = value as { readonly node?: string; readonly cidr?: string }
    return block.node === node && block.cidr !== undefined ? [block.cidr] : []
  })
}
