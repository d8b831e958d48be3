// Nodes that peer with each other on one subnet: packets go straight from node to node.

import t from 'tap'
import { everyPairReaches, kernelIsRight, podsComeAndGo } from './kit/expect.ts'
import { eventually, margayctl, TestLab } from './kit/lab.ts'

const lab = await TestLab.up(t, { lab: 'full-mesh' }, 'mesh')
const address = (node: string, family: 'ipv4' | 'ipv6'): string | undefined =>
  lab.topology.nodes.find(each => each.host === node)?.addresses[family]?.split('/')[0]

t.test('every node has a session with every other', async t => {
  for (const node of lab.nodes) {
    const { peers } = await lab.ask(node, '/v1/bgp/summary', {})
    t.same(
      peers.map(peer => [peer.state, peer.remoteAs]),
      [
        ['Established', 64512],
        ['Established', 64512],
      ],
      node,
    )
  }
})

t.test('every pair of pods and nodes', async t => everyPairReaches(t, lab))

t.test('the kernel of each node: every block behind its own node', async t => {
  for (const node of lab.nodes) await kernelIsRight(t, lab, node, address)
})

t.test('a pod goes, another comes', async t => podsComeAndGo(t, lab, 'n2'))

t.test("another program's route in the place of ours is left, and reported until it goes", async t => {
  const { blocks } = await lab.ask('n2', '/v1/status', {})
  const block = blocks.find(each => each.includes('.'))!
  const gateway = address('n3', 'ipv4')!
  await lab.exec('n1', 'ip', 'route', 'replace', block, 'via', gateway, 'proto', 'bird', 'metric', '1024')
  const status = () => lab.ask('n1', '/v1/status', {})
  const [conflict] = await eventually('status lists it', async () => {
    const { conflicts } = (await status()).routes
    return conflicts.length > 0 && conflicts
  })
  t.equal(conflict.prefix, block)
  t.match(conflict.text, /protocol 12, BIRD, metric 1024.* ip route del 10\.43\..* proto 12 metric 1024/)
  t.match(await lab.exec('n1', 'ip', 'route', 'show', block), /proto bird/)
  await lab.exec('n1', 'ip', 'route', 'del', block, 'proto', 'bird', 'metric', '1024')
  await eventually('ours is back', async () =>
    (await lab.exec('n1', 'ip', 'route', 'show', block)).includes('proto 81'),
  )
  await eventually('all is well', async () => (await status()).routes.conflicts.length === 0)
})

t.test("the lab's own commands", async t => {
  const status = await margayctl('lab', 'status', '--name', lab.name)
  t.equal(status.code, 0, status.stdout + status.stderr)
  t.match(status.stdout, /3 of 3 processes run/)
  const routes = await margayctl('lab', 'exec', '--name', lab.name, 'n1', 'ip', 'route')
  t.match(routes.stdout, /unreachable 10\.43\./)
  const nobody = await margayctl('lab', 'exec', '--name', lab.name, 'n9', 'true')
  t.equal(nobody.code, 3)
  t.match(nobody.stderr, /no host n9: it has n1, n2, n3/)
  const ping = await margayctl('lab', 'ping', '--name', lab.name)
  t.equal(ping.code, 0)
  t.notOk(ping.stdout.includes('\u001b'), 'plain text when nobody looks')
  const again = await margayctl('lab', 'up', '--name', lab.name, 'configs/labs/full-mesh.yaml')
  t.equal(again.code, 1)
  t.match(again.stderr, `${lab.name} is up: take it down first`)
})

t.test('down removes everything, and is content to find nothing', async t => {
  const down = await margayctl('lab', 'down', lab.name)
  t.equal(down.code, 0)
  t.match(down.stdout, /is down: 3 processes and 10 namespaces removed/)
  t.match((await margayctl('lab', 'down', lab.name)).stdout, /nothing to remove/)
  t.equal((await margayctl('lab', 'status', '--name', lab.name)).code, 3)
})
