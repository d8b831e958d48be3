// Bad input, one clear refusal each: object, value, reason, next step. The daemon and the other sessions go on.

import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { inNamespace, processesIn } from '../src/lab/processes.ts'
import { makePodNamespace, namespacesThere, removeNamespaces } from '../src/lab/network.ts'
import { LabDir } from '../src/lab/state.ts'
import { everyPairReaches } from './kit/expect.ts'
import { eventually, execute, labFile, margayctl, TestLab } from './kit/lab.ts'

const folder = mkdtempSync(join(tmpdir(), 'margay-bad-'))
t.teardown(() => rmSync(folder, { recursive: true, force: true }))
const fileOf = (name: string, text: string): string => {
  const file = join(folder, name)
  writeFileSync(file, text)
  return file
}
const document = (kind: string, name: string, spec: string): string =>
  `apiVersion: margay.io/v1\nkind: ${kind}\nmetadata: { name: ${name} }\nspec: ${spec}\n`

t.test('a lab file', async t => {
  const name = await TestLab.reserve(t, 'bad')
  const subnets = 'subnets: [{ name: lan, ipv4: 10.2.0.0/24 }]\n'
  const node = 'nodes: [{ name: n1, interfaces: [{ subnet: lan, ipv4: 10.2.0.11 }] }]\n'
  for (const c of [
    {
      name: 'a mistyped key',
      text: `name: x\n${subnets}nods: []\n`,
      code: 2,
      says: [/nods is not a field/, /bad\.yaml:3:1/, /Did you mean nodes\?/],
    },
    { name: 'no such file', text: undefined, code: 2, says: [/missing\.yaml does not exist/, /configs\/labs/] },
    {
      name: 'a resource with a wrong field',
      text: `name: x\n${subnets}${node}---\n${document('IPPool', 'a', '{ cdir: 10.42.0.0/16 }')}`,
      code: 1,
      says: [/ippool "a"/i, /cdir/, /bad\.yaml:8:/, /cidr/],
    },
  ])
    t.test(c.name, async t => {
      const file = c.text === undefined ? join(folder, 'missing.yaml') : fileOf('bad.yaml', c.text)
      const { code, stderr } = await margayctl('lab', 'up', '--name', name, file)
      t.equal(code, c.code, stderr)
      for (const says of c.says) t.match(stderr, says)
      t.notMatch(stderr, /\n\s+at /, 'no stack trace')
      t.notOk(new LabDir(name).exists, 'nothing is left')
      t.same(
        namespacesThere().filter(netns => netns.startsWith(name)),
        [],
      )
    })

  t.test("somebody's namespace of the same name", async t => {
    const netns = `${name}-n1`
    await makePodNamespace(netns)
    t.teardown(() => removeNamespaces([netns]))
    const { code, stderr } = await margayctl('lab', 'up', '--name', name, labFile('full-mesh'))
    t.equal(code, 1)
    t.match(stderr, `Network namespace ${netns} exists already`)
    t.ok(namespacesThere().includes(netns), 'it is left alone')
    t.notOk(new LabDir(name).exists)
  })

  t.test('without root', async t => {
    const { code, stderr } = await execute([
      'setpriv', // nobody, but able to read a checkout wherever it is
      '--reuid=65534',
      '--clear-groups',
      '--inh-caps=+dac_override',
      '--ambient-caps=+dac_override',
      process.execPath,
      'dist/margayctl.js',
      'lab',
      'up',
      '--name',
      name,
      labFile('full-mesh'),
    ])
    t.equal(code, 1)
    t.match(stderr, /only root may: run the same command with sudo/)
  })

  t.test('in a network namespace of its own', async t => {
    const command = [process.execPath, 'dist/margayctl.js', 'lab', 'up', '--name', name, labFile('full-mesh')]
    const { code, stderr } = await execute(['unshare', '--net', ...command])
    t.equal(code, 1)
    t.match(stderr, /asked from the network namespace of pid 1, and this is another one: run the same command there/)
  })
})

/** The mesh, and a router that only n1 will be told of. */
const meshWithRouter = readFileSync(labFile('full-mesh'), 'utf8').replace(
  /^nodes:$/m,
  `routers:
  - name: tor
    kind: bird
    asn: 64600
    routerId: 10.2.0.1
    interfaces: [{ subnet: lan, ipv4: 10.2.0.1, ipv6: 'fd00:2::1' }]
    neighbours: [{ host: n1, accept: pods }]

nodes:`,
)

t.test('a running cluster', async t => {
  const lab = await TestLab.up(t, { text: meshWithRouter }, 'input')

  /** Applies a document and gives back what was said. */
  const apply = (text: string) => lab.margayctl('n1', 'apply', '-f', fileOf('resource.yaml', text))
  const pids = () => Promise.all(lab.nodes.map(async node => (await lab.ask(node, '/v1/status', {})).pid))
  const before = await pids()

  await t.test('a wrong field', async t => {
    const { code, stderr } = await apply(document('BGPPeer', 'tor', '{ peerIP: 10.2.0.99, asNumer: 64600 }'))
    t.equal(code, 1)
    t.match(stderr, /bgppeer "tor": .*asNumer/)
    t.match(stderr, /resource\.yaml:4:\d+ /)
    t.match(stderr, /asNumber/, 'what was meant')
    t.match(await lab.margayctl('n1', 'get', 'bgppeer', 'tor'), { code: 3 }, 'nothing was written')
  })

  await t.test('a pool that overlaps', async t => {
    const { code, stderr } = await apply(document('IPPool', 'second', '{ cidr: 10.43.128.0/17 }'))
    t.equal(code, 1)
    t.match(stderr, /ippool "second": cidr 10\.43\.128\.0\/17 overlaps pool "pods-v4"/)
    t.match(stderr, /resource\.yaml:4:\d+ /)
  })

  await t.test("a peer with another AS than its Node's", async t => {
    const { code, stderr } = await apply(
      document('BGPPeer', 'stranger', '{ node: n1, peerIP: 10.2.0.12, asNumber: 65099 }'),
    )
    t.equal(code, 1)
    t.match(stderr, /bgppeer "stranger": asNumber 65099 is not that of node "n2" at 10\.2\.0\.12 \(64512\)/)
  })

  await t.test('a router with another AS than was said', async t => {
    const applied = await apply(document('BGPPeer', 'tor', '{ node: n1, peerIP: 10.2.0.1, asNumber: 65099 }'))
    t.equal(applied.code, 0, applied.stderr)
    const tor = async () => (await lab.ask('n1', '/v1/bgp/summary', {})).peers.find(peer => peer.address === '10.2.0.1')
    const text = await eventually('the session says so', async () => {
      const said = (await tor())?.lastError
      return said?.includes('64600') && said
    })
    t.match(text, /65099/, 'what was configured')
    t.match(text, /64600/, 'what the router says')
    t.not((await tor())?.state, 'Established')
    const others = (await lab.ask('n1', '/v1/bgp/summary', {})).peers.filter(peer => peer.address !== '10.2.0.1')
    t.match(
      others,
      [
        { state: 'Established', flaps: 0 },
        { state: 'Established', flaps: 0 },
      ],
      'the other sessions go on',
    )

    t.equal((await apply(document('BGPPeer', 'tor', '{ node: n1, peerIP: 10.2.0.1, asNumber: 64600 }'))).code, 0)
    await eventually('corrected, it opens', async () => (await tor())?.state === 'Established', 40)
    await everyPairReaches(t, lab)
  })

  await t.test('a busy port 179', async t => {
    await lab.stop('n3', 'margayd')
    const script = "require('net').createServer().listen(179, () => console.log('mine'))"
    const [command, ...args] = inNamespace(lab.netns('n3'), [process.execPath, '-e', script])
    const holder = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] })
    t.teardown(() => holder.kill())
    await new Promise(resolve => holder.stdout.once('data', resolve))
    lab.startNode('n3')
    const status = await eventually('n3 answers', async () => lab.ask('n3', '/v1/status', {}).catch(() => undefined))
    const said = await eventually('its log says so', async () =>
      readFileSync(lab.dir.log('n3', 'margayd'), 'utf8')
        .split('\n')
        .find(line => line.includes('cannot listen')),
    )
    t.match(said, /port 179: another process has it/)
    t.match(said, /ss -ltnp/, 'the next step')
    t.equal((await lab.ask('n3', '/v1/status', {})).pid, status.pid, 'the daemon goes on')
    t.ok(
      (await lab.ask('n1', '/v1/bgp/summary', {})).peers.some(
        peer => peer.address === '10.2.0.12' && peer.state === 'Established',
      ),
    )
    holder.kill()
    await lab.established()
    await everyPairReaches(t, lab)
  })

  await t.test('a namespace that does not exist', async t => {
    const given = async () => (await lab.ask('n2', '/v1/ipam', {})).addresses.length
    const count = await given()
    const runtime = lab.runtime('n2')
    const error = await runtime.add('ghost', '/run/netns/no-such-namespace').then(
      () => undefined,
      (error: unknown) => error as Error,
    )
    t.match(error?.message, /no-such-namespace/)
    t.match(error?.message, /does not exist|no network namespace|ENOENT/i)
    t.equal(await given(), count, 'no address is given')
    await runtime.del('ghost')
  })

  await t.test('all of it went by without a restart', async t => {
    const after = await pids()
    t.same(after.slice(0, 2), before.slice(0, 2))
    t.ok(processesIn([lab.netns('n3')]).length > 0)
    t.ok(existsSync(lab.files('n1').api))
  })
})
