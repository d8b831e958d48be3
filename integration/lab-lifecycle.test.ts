// A node rests, comes back, leaves: drained without a lost packet, and reset without a trace.

import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { CniError } from '../src/lab/cni-runner.ts'
import { eventually as within, TestLab } from './kit/lab.ts'

const perSecond = 1000
const lab = await TestLab.up(t, { lab: 'two-racks' }, 'lifecycle')

/** Polls with a limit for a machine that is busy with much else. */
const eventually = <T>(what: string, read: () => Promise<T | undefined | false>): Promise<T> => within(what, read, 60)
const drainOf = async (node: string) => (await lab.ask(node, '/v1/status', {})).drain
/** IPv4 blocks of a node that a router, a BIRD, has from it, each with its communities as BIRD prints them. */
async function heardBy(router: string, neighbour: string): Promise<Record<string, string>> {
  const text = await lab.exec(router, 'birdc', 'show', 'route', 'protocol', neighbour, 'all')
  const paths = text.split(/^(?=\S+\/\d+\s)/m).filter(path => path.startsWith('10.42.'))
  return Object.fromEntries(paths.map(path => [path.split(/\s/)[0], /community: (.*)/.exec(path)?.[1] ?? '']))
}
const blocks4 = async (node: string) =>
  (await lab.ask(node, '/v1/status', {})).blocks.filter(cidr => cidr.startsWith('10.'))

t.test('drain and undrain: running pods lose nothing, new pods are refused, peers are told first', async t => {
  const ping = lab.pinging('r2n1-p1', lab.addresses('r1n1-p1').ipv4!, perSecond)
  const [block] = await blocks4('r1n1')
  // Peers of all three get their time at once.
  for (const args of [['r1n1'], ['r1n2'], ['r2n2', '--force']])
    t.match(
      await lab.margayctl('r2n1', 'node', 'drain', ...args),
      { code: 0, stdout: /is being drained/ },
      'any node can say it',
    )
  await eventually('tor1 hears GRACEFUL_SHUTDOWN', async () =>
    ((await heardBy('tor1', 'r1n1'))[block] ?? '').includes('65535,0'),
  )
  const refused = await lab.addPod('r1n1', 'late').catch((error: unknown) => error)
  t.ok(refused instanceof CniError && refused.code === 11, 'ADD: try again later')
  t.match(String(refused), /node r1n1 is being drained and takes no new pods; margayctl node undrain r1n1/)

  await eventually('peers have had their time', async () => (await drainOf('r1n1'))?.phase === 'waiting')
  t.ok((await heardBy('tor1', 'r1n1'))[block], 'a block with pods stays announced')
  const status = await lab.margayctl('r1n1', 'status')
  t.match(status.stdout, /drain +waiting: announces .*\(2 pods\)/)

  t.match(await lab.margayctl('r1n1', 'node', 'undrain'), { code: 0 })
  await eventually('tor1 hears it without', async () => (await heardBy('tor1', 'r1n1'))[block] === '')
  t.equal(await drainOf('r1n1'), undefined)
  const { sent, lost } = await ping.end()
  t.ok(sent > perSecond, `${sent} sent`)
  t.same(lost, [], 'no packet of a running pod is lost')
})

t.test('a drained block goes with its last pod, and stays away over a restart', async t => {
  const [block] = await blocks4('r1n2')
  for (const pod of ['r1n2-p1', 'r1n2-p2']) await lab.removePod(pod)
  await eventually('it is drained', async () => (await drainOf('r1n2'))?.phase === 'drained')
  await eventually('tor1 has no block of it', async () => Object.keys(await heardBy('tor1', 'r1n2')).length === 0)
  t.same(await blocks4('r1n2'), [block], 'it keeps its block')

  await lab.kill('r1n2', 'margayd')
  lab.startNode('r1n2')
  await eventually(
    'it is in sync again',
    async () => (await lab.ask('r1n2', '/v1/status', {}).catch(() => undefined))?.inSync,
  )
  t.equal((await drainOf('r1n2'))?.phase, 'drained')
  t.same(await heardBy('tor1', 'r1n2'), {}, 'nothing came back')

  t.match(await lab.margayctl('r1n2', 'node', 'undrain'), { code: 0 })
  await eventually('its block is back', async () => block in (await heardBy('tor1', 'r1n2')))
  await lab.addPod('r1n2', 'r1n2-p3')
})

t.test('drained by force, a node withdraws blocks with running pods too', async t => {
  await eventually('it is drained', async () => (await drainOf('r2n2'))?.phase === 'drained')
  await eventually('tor2 has no block of it', async () => Object.keys(await heardBy('tor2', 'r2n2')).length === 0)
  t.match(await lab.margayctl('r2n2', 'node', 'drain', 'nobody'), { code: 3, stderr: /no node "nobody"/ })
})

t.test('decommission: refused while the node lives; afterwards it uses nothing of what it lost', async t => {
  const gone = 'r2n2'
  const lost = (await lab.ask(gone, '/v1/status', {})).blocks
  const peer = `{ apiVersion: margay.io/v1, kind: BGPPeer, metadata: { name: own }, spec: { node: ${gone}, peerIP: 10.1.2.99, asNumber: 1 } }`
  await lab.exec('r2n1', 'sh', '-c', `echo '${peer}' | margayctl apply -f -`)
  t.match(
    await lab.margayctl('r2n1', 'node', 'decommission', gone, '--yes'),
    {
      code: 1,
      stdout: /alive\? its margayd says so[^]*alive\? 10\.1\.2\.12 answers ping/,
      stderr: /node "r2n2" seems alive: stop it/,
    },
    'a machine that answers is not off',
  )
  t.match(
    await lab.margayctl('r2n1', 'node', 'decommission', 'r1n1'),
    { code: 1, stdout: /alive\? rack2-tor announces its block/ },
    'nor is one whose blocks are announced',
  )

  await lab.kill(gone, 'margayd')
  await lab.exec(gone, 'ip', 'link', 'set', 'eth0', 'down')
  t.match(
    await lab.margayctl('r2n1', 'node', 'list'),
    { code: 0, stdout: /\nr2n1 +alive +now +\d+[smh]\S* +\d/ },
    'who is alive says so',
  )
  const listed = await eventually('its last sign of life has run out', async () => {
    const ended = await lab.margayctl('r2n1', 'node', 'decommission', gone)
    return !ended.stdout.includes('its margayd says so in the datastore') && ended
  })
  t.match(await lab.margayctl('r2n1', 'node', 'list'), { stdout: /\nr2n2 +silent +\d+[smh]/ })
  t.match(listed, { code: 0, stdout: /bgppeer "own" goes[^]*block 10\..*\(2 in use[^]*nothing is changed yet/ })
  t.match(await lab.margayctl('r2n1', 'get', 'nodes'), { stdout: /r2n2/ })
  t.match(await lab.margayctl('r2n1', 'node', 'decommission', gone, '--yes'), { code: 0, stdout: /\ndone; / })
  t.notMatch((await lab.margayctl('r2n1', 'get', 'nodes')).stdout, /r2n2/)
  t.notMatch((await lab.margayctl('r2n1', 'get', 'bgppeers')).stdout, /own/)

  const routes = lab.running('tor2', ['ip', '-o', 'monitor', 'route'])
  await lab.exec(gone, 'ip', 'link', 'set', 'eth0', 'up')
  lab.startNode(gone)
  const status = await eventually('it has seen the cluster', async () => {
    const answer = await lab.ask(gone, '/v1/status', {}).catch(() => undefined)
    return answer?.datastore.state === 'in sync' && answer
  })
  t.same(status.blocks, [], 'no block is its own')
  t.match(status.problems.join('\n'), /went back to its pool when this node was decommissioned/)
  const refused = await lab.addPod(gone, 'later').catch((error: unknown) => error)
  t.match(String(refused), /node "r2n2": it was decommissioned at .*to take it back, apply its Node/)
  const heard = await routes()
  for (const block of lost) t.notOk(heard.includes(block), `${block} was not announced for a moment`)
})

t.test('reset: refused while margayd runs, listed first, then no trace', async t => {
  const node = 'r2n1'
  t.match(await lab.margayctl(node, 'node', 'reset'), {
    code: 1,
    stderr: /margayd runs here \(process \d+\).*stop it first/,
  })
  const other = join(t.testdir({ 'other.yaml': 'stateDir: nowhere' }), 'other.yaml')
  t.match(
    await lab.margayctl(node, '--config', other, 'node', 'reset', '--yes'),
    { code: 1, stderr: /margayd runs here/ },
    'also with the file of another daemon',
  )
  await lab.stop(node, 'margayd')
  await lab.exec(node, 'ip', 'route', 'add', '10.42.200.0/26', 'via', '10.1.2.1', 'metric', '1024', 'proto', '80')
  const ours = async () => (await lab.routes(node)).filter(({ protocol }) => protocol === '81').length
  const before = await ours()
  const listed = await lab.margayctl(node, 'node', 'reset')
  t.match(listed, { code: 0, stdout: /interfaces of pods, which lose their network \(2\):[^]*nothing is removed yet/ })
  t.equal(await ours(), before, 'a list removes nothing')
  t.match(await lab.margayctl(node, 'node', 'reset', '--yes'), { code: 0, stdout: /\nremoved\n$/ })
  t.equal(await ours(), 0, 'no route of ours')
  t.notMatch(await lab.exec(node, 'ip', '-o', 'link'), /mgy|margay/, 'no device of ours')
  t.notMatch(await lab.exec(node, 'nft', 'list', 'tables'), /margay/, 'no table of ours')
  t.equal((await lab.exec(node, 'sysctl', '-n', 'net.ipv4.fib_multipath_hash_policy')).trim(), '0', 'settings are back')
  t.match(await lab.exec(node, 'ip', 'route'), /10\.42\.200\.0\/26 via 10\.1\.2\.1 dev \S+ proto 80 metric 1024/)
  t.match(await lab.margayctl(node, 'node', 'reset'), { stdout: /nothing of margayd is on this machine/ })
})

t.test('a datastore that comes back with most of it missing changes nothing until somebody accepts it', async t => {
  const nodes = ['r1n1', 'r1n2']
  const folder = t.testdir()
  const kept = join(folder, 'nodes.yaml')
  writeFileSync(kept, (await lab.margayctl('r1n1', 'get', 'nodes', '-o', 'yaml')).stdout)
  for (const node of nodes) await lab.stop(node, 'margayd')
  // For the next test, too: from now on a mass of BGP's withdrawals is held as well.
  const guarded = join(folder, 'guarded.yaml')
  const settings =
    'nodeToNodeMeshEnabled: false, holdTime: 9, connectRetryTime: 1, massWithdrawGuard: { percent: 20, holdWithdrawals: 600 }'
  writeFileSync(
    guarded,
    `{ apiVersion: margay.io/v1, kind: BGPConfiguration, metadata: { name: default }, spec: { ${settings} } }`,
  )
  t.match(await lab.margayctl('r1n1', 'apply', '-f', guarded), { code: 0 })
  t.match(await lab.margayctl('r1n1', 'delete', 'node', 'r1n2'), {
    code: 1,
    stderr: /its pods are cut off at once.*--force/,
  })
  for (const node of ['r1n1', 'r1n2', 'r2n1'])
    t.match(
      await lab.margayctl('r1n1', 'delete', 'node', node, '--force'),
      { code: 0 },
      'behind the back of the daemons',
    )
  for (const node of nodes) lab.startNode(node)
  for (const node of nodes)
    await eventually(`${node} holds it back`, async () => {
      const status = await lab.ask(node, '/v1/status', {}).catch(() => undefined)
      return status?.problems.some(text => /without 3 of 5 peers.*margayctl guard accept/.test(text))
    })
  await lab.established(nodes)
  const reaches = async () =>
    (await lab.tryExec('r1n1-p1', 'ping', '-c1', '-W1', lab.addresses('r1n2-p3').ipv4!)).code === 0
  await eventually('pods reach each other', reaches)

  t.match(await lab.margayctl('r1n1', 'guard', 'accept'), {
    code: 0,
    stdout: /accepted: the datastore came back without/,
  })
  await eventually(
    'who accepts it has no Node and no session',
    async () => (await lab.ask('r1n1', '/v1/bgp/summary', {})).peers.length === 0,
  )
  t.match(await lab.margayctl('r1n1', 'guard', 'accept'), { code: 3, stderr: /nothing is held back/ })

  t.match(await lab.margayctl('r1n2', 'apply', '-f', kept), { code: 0 })
  await eventually('the records are back', async () => {
    const { problems } = await lab.ask('r1n2', '/v1/status', {})
    return !problems.some(text => text.includes('guard accept'))
  })
  await lab.established(nodes)
  await eventually('pods reach each other again', reaches)
})

t.test(
  'a router that withdraws almost everything at once is not believed at once, where the cluster asks for that',
  async t => {
    const node = 'r1n2'
    const learned = async () =>
      (await lab.routes(node)).filter(({ protocol, gateway }) => protocol === '81' && gateway !== undefined).length
    const conf = join(lab.dir.host('tor1'), 'bird.conf')
    const right = readFileSync(conf, 'utf8')
    const session = /protocol bgp r1n2 \{[^]*?\n\}/.exec(right)?.[0] ?? ''
    const wrong = right.replace(session, session.replaceAll(/export where .*;/g, 'export none;'))
    t.not(wrong, right, 'a slip in the export of tor1')
    const configure = async (text: string): Promise<void> => {
      writeFileSync(conf, text)
      await lab.exec('tor1', 'birdc', 'configure')
    }
    const held = async () =>
      (await lab.ask(node, '/v1/status', {})).problems.find(text => text.includes('were withdrawn at once'))
    const received = async () => (await lab.ask(node, '/v1/bgp/summary', {})).peers[0].prefixesReceived
    const [before, advertised] = [await learned(), await received()]
    t.ok(before >= 4, `${before} learned routes`)
    const ping = lab.pinging('r1n2-p3', '192.0.2.10', perSecond)
    const losses = lab.losses(node)

    await configure(wrong)
    t.match(await eventually('the withdrawals are held', held), /of \d+ learned routes.*margayctl guard accept/)
    t.equal(await received(), 0, 'BGP itself has obeyed')
    t.equal(await learned(), before)
    await configure(right)
    await eventually('all are back', async () => (await received()) === advertised)
    await eventually('nothing is held', async () => (await held()) === undefined)
    t.same((await ping.end()).lost, [], 'no packet is lost')
    t.same(await losses.end(), [], 'no route left the kernel')

    await configure(wrong)
    await eventually('the withdrawals are held again', held)
    await lab.exec(node, 'ip', 'link', 'set', 'eth0', 'down')
    await eventually('an unreachable next hop takes its routes out all the same', async () => (await learned()) === 0)
    await lab.exec(node, 'ip', 'link', 'set', 'eth0', 'up')
    t.match(await lab.margayctl(node, 'guard', 'accept'), { code: 0, stdout: /accepted: .*learned routes/ })
    t.equal(await held(), undefined)
  },
)
