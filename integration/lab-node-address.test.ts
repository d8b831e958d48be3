// A node whose address changes, in the lab two-subnets: n1 and n2 reach each other straight, n3 is behind VXLAN.

import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { parse, stringify } from 'yaml'
import { eventually, TestLab } from './kit/lab.ts'

const lab = await TestLab.up(t, { lab: 'two-subnets' }, 'address')
const blockOf = async (node: string, six: boolean): Promise<string> =>
  (await lab.ask(node, '/v1/status', {})).blocks.find(block => block.includes(':') === six)!
const gatewayTo = async (from: string, block: string): Promise<string | undefined> =>
  (await lab.routes(from)).find(({ dst }) => dst === block)?.gateway
/** What `ip` says of a tunnel's own end. */
const localOf = async (node: string, device: string): Promise<string | undefined> =>
  / local (\S+)/.exec(await lab.exec(node, 'ip', '-d', 'link', 'show', device))?.[1]
const addressesIn = async (node: string): Promise<string> =>
  (await lab.margayctl(node, 'get', 'node', node, '-o', 'json')).stdout

t.test('both addresses are there for a while: nothing is lost', async t => {
  // The kernel takes secondary addresses along with the first of their subnet, unless told to keep them (systemd tells it).
  await lab.exec('n1', 'sysctl', '-qw', 'net.ipv4.conf.eth0.promote_secondaries=1')
  await lab.exec('n1', 'ip', 'address', 'add', '10.3.1.21/24', 'dev', 'eth0')
  await lab.exec('n1', 'ip', 'address', 'add', 'fd00:3:1::21/64', 'dev', 'eth0', 'nodad')
  const devices = await lab.exec('n1', 'sh', '-c', 'ip -o link | cut -d: -f1,2')
  const pings = (['ipv4', 'ipv6'] as const).flatMap(family =>
    [
      ['n1-p1', 'n3-p1'],
      ['n3-p2', 'n1-p2'],
      ['n2-p1', 'n1-p1'],
      ['n1-p2', 'n2-p2'],
    ].map(([from, to]) => ({
      name: `${family} ${from} ${to}`,
      ping: lab.pinging(from, lab.addresses(to)[family]!, 100),
    })),
  )
  const nodes = readFileSync(lab.dir.nodeResources, 'utf8')
    .replace('10.3.1.11/24', '10.3.1.21/24')
    .replace('fd00:3:1::11/64', 'fd00:3:1::21/64')
  const file = join(lab.dir.path, 'moved.yaml')
  writeFileSync(file, nodes)
  const applied = await lab.margayctl('n2', 'apply', '-f', file)
  t.equal(applied.code, 0, applied.stderr)

  const [block4, block6] = [await blockOf('n1', false), await blockOf('n1', true)]
  for (const node of ['n2', 'n3'])
    await eventually(
      `${node} leads to n1 by its new address`,
      async () => {
        const { peers } = await lab.ask(node, '/v1/bgp/summary', {})
        const isUp = peers.some(({ address, state }) => address === '10.3.1.21' && state === 'Established')
        return isUp && (await gatewayTo(node, block4)) === '10.3.1.21'
      },
      90,
    )
  await eventually('n2 leads IPv6 there, too', async () => (await gatewayTo('n2', block6)) === 'fd00:3:1::21', 90)
  await eventually(
    'the tunnels of n1 have moved',
    async () => (await localOf('n1', 'margay-vxlan4')) === '10.3.1.21',
    90,
  )
  await eventually('of both families', async () => (await localOf('n1', 'margay-vxlan6')) === 'fd00:3:1::21', 90)
  await eventually(
    'no route of n1 prefers its old address',
    async () => {
      const routes = await lab.exec('n1', 'sh', '-c', 'ip route show proto 81; ip -6 route show proto 81')
      return !/src (10\.3\.1\.11|fd00:3:1::11) /.test(routes)
    },
    90,
  )
  await lab.exec('n1', 'ip', 'address', 'delete', '10.3.1.11/24', 'dev', 'eth0')
  await lab.exec('n1', 'ip', 'address', 'delete', 'fd00:3:1::11/64', 'dev', 'eth0')
  await lab.established()
  for (const { name, ping } of pings) {
    const { sent, lost } = await ping.end()
    t.ok(sent > 100, `${name}: ${sent} sent`)
    t.same(lost, [], name)
  }
  t.equal(
    await lab.exec('n1', 'sh', '-c', 'ip -o link | cut -d: -f1,2'),
    devices,
    'pods and tunnels have their devices',
  )
  await eventually(
    'nothing is left to say',
    async () => (await lab.ask('n1', '/v1/status', {})).problems.length === 0,
    90,
  )
})

t.test('a restart after that keeps routes as ever: the router id is what it was', async t => {
  const losses = [lab.losses('n1'), lab.losses('n3')]
  const ping = lab.pinging('n3-p1', lab.addresses('n1-p1').ipv4!, 100)
  await lab.stop('n1', 'margayd')
  lab.startNode('n1')
  await eventually('in sync', async () => (await lab.ask('n1', '/v1/status', {}).catch(() => undefined))?.inSync, 90)
  await lab.established()
  t.equal((await lab.ask('n1', '/v1/bgp/summary', {})).routerId, '10.3.1.11')
  for (const loss of losses) t.same(await loss.end(), [])
  t.same((await ping.end()).lost, [])
})

t.test('the address is replaced, and the node finds the new one', async t => {
  const { config } = lab.files('n3')
  const settings = parse(readFileSync(config, 'utf8')) as Record<string, object>
  writeFileSync(config, stringify({ ...settings, node: { ...settings['node'], address: { ipv4: 'route-to-peers' } } }))
  const restart = async (node: string): Promise<void> => {
    await lab.stop(node, 'margayd')
    lab.startNode(node)
    await eventually('in sync', async () => (await lab.ask(node, '/v1/status', {}).catch(() => undefined))?.inSync, 90)
  }
  await restart('n3')
  t.match(await addressesIn('n3'), '10.3.2.13/24', 'what its Node has stays')

  const devices = await lab.exec('n3', 'sh', '-c', 'ip -o link | cut -d: -f1,2')
  const replace = [
    'ip address delete 10.3.2.13/24 dev eth0',
    'ip address add 10.3.2.33/24 dev eth0',
    'ip route add default via 10.3.2.1',
  ]
  await lab.exec('n3', 'sh', '-c', replace.join(' && '))
  await eventually('its Node has it', async () => (await addressesIn('n3')).includes('10.3.2.33/24'), 90)
  for (const node of ['n1', 'n2'])
    await eventually(
      `${node} leads there`,
      async () => (await gatewayTo(node, await blockOf('n3', false))) === '10.3.2.33',
      90,
    )
  await lab.established()
  for (const to of Object.values(lab.addresses('n3-p1')))
    for (const from of ['n1-p1', 'n2-p1'])
      await eventually(
        `${from} reaches ${to}`,
        async () => (await lab.tryExec(from, 'ping', '-n', '-c1', '-W1', to)).code === 0,
        90,
      )
  t.equal(await lab.exec('n3', 'sh', '-c', 'ip -o link | cut -d: -f1,2'), devices)
  await eventually(
    'nothing is left to say',
    async () => (await lab.ask('n3', '/v1/status', {})).problems.length === 0,
    90,
  )
})
