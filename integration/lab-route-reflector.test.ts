// Clients of two reflectors that are margayd nodes themselves, and an FRR router as their iBGP peer.

import t from 'tap'
import { everyPairReaches, kernelIsRight, podsComeAndGo, routerHasBlocks } from './kit/expect.ts'
import { eventually, TestLab } from './kit/lab.ts'

const lab = await TestLab.up(t, { lab: 'route-reflector' }, 'rr')
const address = (node: string, family: 'ipv4' | 'ipv6'): string | undefined =>
  lab.topology.nodes.find(each => each.host === node)?.addresses[family]?.split('/')[0]

t.test('a client has two sessions, a reflector one with each client, the other reflector and the router', async t => {
  const count = async (node: string): Promise<number> => (await lab.ask(node, '/v1/bgp/summary', {})).peers.length
  for (const client of ['n1', 'n2', 'n3']) t.equal(await count(client), 2, client)
  for (const reflector of ['rr1', 'rr2']) t.equal(await count(reflector), 5, reflector)
})

t.test('every pair of pods, nodes and the outside client', async t => everyPairReaches(t, lab))

t.test('the kernel of each node: reflectors leave the next hop alone', async t => {
  for (const node of lab.nodes) await kernelIsRight(t, lab, node, address)
})

t.test("the router's own table lists every block", async t => routerHasBlocks(t, lab, 'edge'))

t.test("the outside client's subnet comes from the router", async t => {
  for (const node of lab.nodes)
    t.match(
      (await lab.routes(node)).find(route => route.dst === '198.51.100.0/24'),
      { protocol: '81', gateway: '10.3.0.1' },
      node,
    )
})

t.test('a pod goes, another comes', async t => podsComeAndGo(t, lab, 'n3'))

t.test('one reflector may go', async t => {
  const before = (await lab.routes('n1')).filter(route => route.protocol === '81').length
  await lab.stop('rr2', 'margayd')
  await eventually('n1 has lost that session', async () => {
    const { peers } = await lab.ask('n1', '/v1/bgp/summary', {})
    return peers.filter(peer => peer.state === 'Established').length === 1
  })
  const after = (await lab.routes('n1')).filter(route => route.protocol === '81')
  t.ok(after.length >= before - 2, 'all but the blocks of rr2 itself may stay')
  lab.startNode('rr2')
  await lab.established()
  await everyPairReaches(t, lab)
})
