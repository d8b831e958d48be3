// Two racks, a BIRD top-of-rack router each, a BIRD spine: eBGP in one rack, iBGP in the other, IPv4 and IPv6 on one session.

import t from 'tap'
import { everyPairReaches, kernelIsRight, podsComeAndGo, routerHasBlocks } from './kit/expect.ts'
import { eventually, TestLab } from './kit/lab.ts'

const tors = { r1: { ipv4: '10.1.1.1', ipv6: 'fd00:1:1::1' }, r2: { ipv4: '10.1.2.1', ipv6: 'fd00:1:2::1' } } as const
const torOf = (node: string) => tors[node.slice(0, 2) as keyof typeof tors]

const lab = await TestLab.up(t, { lab: 'two-racks' }, 'racks')

t.test('every pair of pods, nodes and the outside client', async t => everyPairReaches(t, lab))

t.test('the kernel of each node: everything behind its ToR', async t => {
  for (const node of lab.nodes) await kernelIsRight(t, lab, node, (_, family) => torOf(node)[family])
})

t.test('no node has a default route', async t => {
  for (const node of lab.nodes)
    t.notOk(
      (await lab.routes(node)).some(route => route.dst === 'default'),
      node,
    )
})

t.test("every router's own table lists every block", async t => {
  for (const router of ['tor1', 'tor2', 'spine']) await routerHasBlocks(t, lab, router)
})

t.test('the outside client sees a pod by its own address: no NAT on the way', async t => {
  const { ipv4 } = lab.addresses('r1n1-p1')
  const ttl = await lab.exec('r1n1-p1', 'ping', '-n', '-c', '1', '-w', '2', '192.0.2.10')
  t.match(ttl, /ttl=61/, 'three routers between: node, tor1, spine')
  const heard = lab
    .exec('client', 'timeout', '5', 'tcpdump', '-l', '-n', '-c', '1', '-i', 'eth0', 'icmp and icmp[0] == 8')
    .catch(() => '')
  const ping = lab.exec('r1n1-p1', 'ping', '-n', '-c', '20', '-i', '0.2', '192.0.2.10')
  if ((await lab.tryExec('client', 'which', 'tcpdump')).code === 0) t.match(await heard, `IP ${ipv4} > 192.0.2.10`)
  await ping
})

t.test('a ToR accepts pods only', async t => {
  const table = await lab.exec('tor1', 'birdc', 'show', 'route', 'protocol', 'r1n1')
  const prefixes = [...table.matchAll(/^([0-9a-f:.]+\/\d+)/gm)].map(([, prefix]) => prefix)
  t.ok(prefixes.length > 0)
  t.same(
    prefixes.filter(prefix => !/^(10\.42\.|fd00:42:)/.test(prefix)),
    [],
  )
})

t.test('a pod goes, another comes', async t => podsComeAndGo(t, lab, 'r2n1'))

/** A router that came back has yet to learn the blocks of its other node. */
const everyoneAgain = () =>
  eventually('everyone reaches everyone', async () => (await lab.probe()).every(probe => probe.ok), 20)

t.test('a ToR that falls silent', async t => {
  const remote = async (): Promise<number> =>
    (await lab.routes('r1n1')).filter(route => route.protocol === '81' && route.gateway !== undefined).length
  const before = await remote()
  t.ok(before > 0)
  // Alive for TCP, dead for BGP: only the hold timer tells.
  lab.signal('tor1', 'bird', 'SIGSTOP')
  await eventually('its routes are gone within the hold time of 9 s', async () => (await remote()) === 0, 12)
  t.same((await lab.routes('r1n1')).filter(route => route.type === 'unreachable').length > 0, true, 'own blocks stay')
  lab.signal('tor1', 'bird', 'SIGCONT')
  await eventually('it comes back by itself', async () => (await remote()) === before, 40)
  await lab.established()
  await everyoneAgain()
  await everyPairReaches(t, lab)
})

t.test('a ToR that dies', async t => {
  const remote = async (node: string): Promise<number> =>
    (await lab.routes(node)).filter(route => route.protocol === '81' && route.gateway !== undefined).length
  const before = await remote('r2n1')
  await lab.kill('tor2', 'bird')
  await eventually('its routes are gone', async () => (await remote('r2n1')) === 0, 12)
  const summary = await lab.ask('r2n1', '/v1/bgp/summary', {})
  t.match(summary.peers[0].lastError, /\w+/, 'the session says why it is down')
  await lab.startRouter('tor2')
  await eventually('they return', async () => (await remote('r2n1')) === before, 40)
  await lab.established()
  await everyoneAgain()
  await everyPairReaches(t, lab)
})
