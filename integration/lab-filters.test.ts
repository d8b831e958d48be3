// The packet filter between real nodes: natOutgoing, the check of pods' sources, and a restart that nobody notices.

import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { everyPairReaches } from './kit/expect.ts'
import { eventually, labFile, TestLab } from './kit/lab.ts'

const text = readFileSync(labFile('two-racks'), 'utf8')
  .replace('cidr: 10.42.0.0/16', 'cidr: 10.42.0.0/16, natOutgoing: true')
  .replace("cidr: 'fd00:42::/48'", "cidr: 'fd00:42::/48', natOutgoing: true")
const lab = await TestLab.up(t, { text }, 'filters')
const node = { ipv4: '10.1.1.11', ipv6: 'fd00:1:1::11' }
const client = { ipv4: '192.0.2.10', ipv6: '2001:db8:2::10' }

/** Answers one connection with the address that it came from. */
const server = `require('net').createServer(s => { s.end(s.remoteAddress); s.on('error', () => {}) }).listen(7777, '::')`
const caller = (to: string): string =>
  `const s = require('net').connect(7777, '${to}').on('data', d => process.stdout.write(String(d).replace('::ffff:', ''))).on('error', () => process.exit(1)); s.setTimeout(3000, () => process.exit(1))`

/** The address under which `host` sees a TCP connection of a pod. */
async function seenBy(host: string, address: string, pod: string): Promise<string> {
  const listening = lab.running(host, [process.execPath, '-e', server])
  const seen = await eventually(`${pod} reaches ${address}`, async () => {
    const { code, stdout } = await lab.tryExec(pod, process.execPath, '-e', caller(address))
    return code === 0 && stdout !== '' && stdout
  })
  await listening()
  return seen
}

const ruleset = (host: string): Promise<string> => lab.exec(host, 'nft', '-a', 'list', 'ruleset')
const masquerades = async (host: string): Promise<boolean> => (await ruleset(host)).includes('masquerade')

t.test('every pair still reaches each other', async t => {
  for (const host of lab.nodes) t.ok(await masquerades(host), `${host} masquerades`)
  await everyPairReaches(t, lab)
})

t.test('who sees whom', async t => {
  const pod = lab.addresses('r1n1-p1')
  for (const family of ['ipv4', 'ipv6'] as const) {
    const own = pod[family]!
    t.equal(await seenBy('client', client[family], 'r1n1-p1'), node[family], `${family}: the outside sees the node`)
    t.equal(await seenBy('r2n1-p1', lab.addresses('r2n1-p1')[family]!, 'r1n1-p1'), own, `${family}: a pod sees the pod`)
    t.equal(
      await seenBy('r1n1-p2', lab.addresses('r1n1-p2')[family]!, 'r1n1-p1'),
      own,
      `${family}: so does its neighbour`,
    )
    t.equal(await seenBy('r1n1', node[family], 'r1n1-p1'), own, `${family}: its own node sees the pod`)
    const other = family === 'ipv4' ? '10.1.2.11' : 'fd00:1:2::11'
    t.equal(await seenBy('r2n1', other, 'r1n1-p1'), own, `${family}: another node sees the pod`)
  }
})

t.test('a pod that says it is another is not heard', async t => {
  const victim = lab.addresses('r1n2-p1')
  for (const [family, to] of [
    ['ipv4', '10.1.2.11'],
    ['ipv6', 'fd00:1:2::11'],
  ] as const) {
    const address = victim[family]!
    await lab.exec('r1n1-p1', 'ip', 'address', 'add', address, 'dev', 'lo', ...(family === 'ipv6' ? ['nodad'] : []))
    const { code } = await lab.tryExec('r1n1-p1', 'ping', '-n', '-c2', '-i0.2', '-W1', '-I', address, to)
    t.not(code, 0)
    await lab.exec('r1n1-p1', 'ip', 'address', 'delete', address, 'dev', 'lo')
  }
  const [, packets] = /counter packets (\d+) .*drop/.exec(await ruleset('r1n1')) ?? []
  t.ok(Number(packets) >= 4, `${packets} packets dropped`)
})

t.test('margayd restarts: nothing is written, nothing of a translated connection is lost', async t => {
  const before = await ruleset('r1n1')
  const events = lab.running('r1n1', ['nft', 'monitor'])
  const pings = (['ipv4', 'ipv6'] as const).map(family => lab.pinging('r1n1-p2', client[family], 1000))
  await sleep(500)
  await lab.kill('r1n1', 'margayd')
  await sleep(500)
  lab.startNode('r1n1')
  await eventually(
    'r1n1 is in sync',
    async () => (await lab.ask('r1n1', '/v1/status', {}).catch(() => undefined))?.inSync,
    40,
  )
  await sleep(1000)
  for (const ping of pings) {
    const { sent, lost } = await ping.end()
    t.ok(sent > 1000, `${sent} sent`)
    t.same(lost, [])
  }
  t.equal(await events(), '', 'no transaction')
  // Counters aside: they count on.
  const still = (text: string): string => text.replaceAll(/packets \d+ bytes \d+/g, '')
  t.equal(still(await ruleset('r1n1')), still(before))
})

t.test('somebody flushes the ruleset', async () => {
  await lab.exec('r1n1', 'nft', 'flush', 'ruleset')
  await eventually('it is back within a second', () => masquerades('r1n1'), 1)
})

t.test('a host that drops what it forwards is told of, with a command that helps', async t => {
  const problems = async (): Promise<string | undefined> =>
    (await lab.ask('r1n2', '/v1/status', {})).problems.find(problem => problem.includes('FORWARD'))
  t.equal(await problems(), undefined)
  for (const iptables of ['iptables', 'ip6tables']) {
    await lab.exec('r1n2', iptables, '-P', 'FORWARD', 'DROP')
    const text = await eventually('the status says so', problems)
    const [, command] = /let them through: (.*)/.exec(text) ?? []
    t.not(
      (await lab.tryExec('r1n2-p1', 'ping', '-n', '-c1', '-W1', iptables === 'iptables' ? client.ipv4 : client.ipv6))
        .code,
      0,
    )
    await lab.exec('r1n2', 'sh', '-c', command)
    await eventually('and no more', async () => (await problems()) === undefined)
  }
  await everyPairReaches(t, lab)
})

t.test('natOutgoing is switched off: pods are seen as themselves again', async t => {
  const pool = (name: string, cidr: string): string =>
    `apiVersion: margay.io/v1\nkind: IPPool\nmetadata: { name: ${name} }\nspec: { cidr: '${cidr}' }\n`
  const both = `${pool('pods-v4', '10.42.0.0/16')}---\n${pool('pods-v6', 'fd00:42::/48')}`
  const applied = await lab.margayctl('r1n1', 'apply', '-f', `${t.testdir({ 'pools.yaml': both })}/pools.yaml`)
  t.equal(applied.code, 0, applied.stderr)
  for (const host of lab.nodes) await eventually(`${host} translates no more`, async () => !(await masquerades(host)))
  t.equal(await seenBy('client', client.ipv4, 'r1n1-p1'), lab.addresses('r1n1-p1').ipv4)
})

t.test('wrapped packets of nodes pass, those of others are dropped', async t => {
  const text = readFileSync(labFile('full-mesh'), 'utf8')
    .replace('cidr: 10.43.0.0/16', 'cidr: 10.43.0.0/16, natOutgoing: true, vxlanMode: Always')
    .replace("cidr: 'fd00:43::/48'", "cidr: 'fd00:43::/48', natOutgoing: true, vxlanMode: Always")
  const mesh = await TestLab.up(t, { text }, 'filters-mesh')
  for (const host of mesh.nodes)
    t.ok(
      (await mesh.routes(host)).some(({ dev }) => dev === 'margay-vxlan6'),
      `${host} wraps`,
    )
  await everyPairReaches(t, mesh)
  const dropped = async (host: string): Promise<readonly number[]> => {
    const chain = await mesh.exec(host, 'nft', 'list', 'chain', 'inet', 'margay', 'tunnel_ends')
    return [...chain.matchAll(/counter packets (\d+)/g)].map(([, packets]) => Number(packets))
  }
  for (const host of mesh.nodes) t.same(await dropped(host), [0, 0], `${host} has dropped none`)
  // From an address of n2's that its Node does not name.
  await mesh.exec('n2', 'ip', 'address', 'add', '10.2.0.99/24', 'dev', 'eth0')
  const wrapped = `require('dgram').createSocket('udp4').bind(0, '10.2.0.99', function () { this.send(Buffer.from('0800000000100000', 'hex'), 4789, '10.2.0.11', () => this.close()) })`
  await mesh.exec('n2', process.execPath, '-e', wrapped)
  await eventually('n1 has dropped it', async () => (await dropped('n1'))[0] === 1)
})
