// Nodes in two subnets, and between them a router that knows nothing of pods: VXLAN, on any kernel.

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { encapsulationHolds } from './kit/encapsulated.ts'
import { eventually, TestLab } from './kit/lab.ts'

interface Answer {
  readonly paths: readonly { readonly to: string; readonly found: { readonly octets?: number } }[]
  readonly advice: readonly string[]
}

const lab = await TestLab.up(t, { lab: 'two-subnets' }, 'subnets')

await encapsulationHolds(t, lab, [
  {
    family: 'ipv4',
    device: 'margay-vxlan4',
    mtu: 1450,
    filter: 'udp port 4789',
    outer: /VXLAN, flags \[I\] .*vni 4096/,
  },
  {
    family: 'ipv6',
    device: 'margay-vxlan6',
    mtu: 1430,
    filter: 'ip6 and udp port 4789',
    outer: /VXLAN, flags \[I\] .*vni 4097/,
  },
])

t.test('the MTU of the link changes: tunnels and new pods follow, and running pods are named', async t => {
  const mtuOf = async (host: string, device: string): Promise<number> =>
    Number(/mtu (\d+)/.exec(await lab.exec(host, 'ip', 'link', 'show', device))?.[1])
  const complaint = async (): Promise<string | undefined> =>
    (await lab.ask('n1', '/v1/status', {})).problems.find(problem => problem.includes('greater MTU'))
  t.equal(await complaint(), undefined)
  await lab.exec('n1', 'ip', 'link', 'set', 'eth0', 'mtu', '1400')
  for (const [device, mtu] of [
    ['margay-vxlan4', 1350],
    ['margay-vxlan6', 1330],
  ] as const)
    await eventually(`${device} follows`, async () => (await mtuOf('n1', device)) === mtu, 60)
  t.match(await eventually('the status names the pods', complaint, 60), /2 running pods .*\(1430, has room for 1330\)/)
  await lab.addPod('n1', 'n1-late')
  t.equal(await mtuOf('n1-late', 'eth0'), 1330)
  t.equal(await mtuOf('n1-p1', 'eth0'), 1430, 'a running pod keeps its own')
  await lab.removePod('n1-late')
  await lab.exec('n1', 'ip', 'link', 'set', 'eth0', 'mtu', '1500')
  await eventually('nothing is left to say', async () => (await complaint()) === undefined, 60)
  await eventually('the tunnel is as wide again', async () => (await mtuOf('n1', 'margay-vxlan4')) === 1450, 60)
})

t.test('what the paths carry: node mtu', async t => {
  const run = async (...args: string[]) => {
    const { code, stdout, stderr } = await lab.margayctl('n1', '-o', 'json', 'node', 'mtu', ...args)
    const { paths = [], advice = [] } = (stdout === '' ? {} : JSON.parse(stdout)) as Partial<Answer>
    return { code, stderr, advice, passes: new Map(paths.map(({ to, found }) => [to, found.octets])) }
  }
  const whole = await run()
  t.equal(whole.code, 0, whole.stderr + whole.advice.join())
  t.same(
    [...whole.passes.values()].toSorted((a = 0, b = 0) => a - b),
    [1430, 1430, 1450, 1450, 1500, 1500, 1500, 1500],
    'each node by both families, straight and through a tunnel',
  )

  await lab.exec('gw', 'ip', 'link', 'set', 'eth1', 'mtu', '1400')
  const less = await run('n3')
  t.equal(less.code, 1)
  t.equal(less.passes.get('10.3.2.13'), 1400, 'a router says what it takes')
  t.equal(less.passes.get('fd00:3:2::13'), 1400)
  t.match(
    less.advice.find(sentence => sentence.startsWith('10.3.2.13')),
    /1400 octets pass, and 1500 .*mtu: 1400.*10\.44\.0\.0\/16 1350/,
  )
  await lab.exec('gw', 'ip', 'link', 'set', 'eth1', 'mtu', '1500')

  const silent =
    'add table ip small; add chain ip small f { type filter hook forward priority 0; }; add rule ip small f ip length > 1442 drop'
  await lab.exec('gw', 'nft', silent)
  const dropped = await run('n3')
  t.equal(
    dropped.passes.get('10.3.2.13'),
    1442,
    'one that drops without a word is found by halving, and what another said before is not remembered',
  )
  await lab.exec('gw', 'nft', 'delete', 'table', 'ip', 'small')
  t.equal((await run('n9')).code, 3)
})

t.test('no pool needs tunnels any more: devices and their addresses go', async t => {
  const pools = ['10.44.0.0/16', 'fd00:44::/48'].map(
    (cidr, i) => `---
apiVersion: margay.io/v1
kind: IPPool
metadata: { name: pods-v${i === 0 ? 4 : 6} }
spec: { cidr: '${cidr}', vxlanMode: Never }
`,
  )
  const file = join(lab.dir.path, 'no-tunnels.yaml')
  writeFileSync(file, pools.join(''))
  const applied = await lab.margayctl('n1', 'apply', '-f', file)
  t.equal(applied.code, 0, applied.stderr)
  for (const node of lab.nodes) {
    await eventually(`no tunnel on ${node}`, async () => {
      const links = await lab.exec(node, 'ip', '-o', 'link')
      const { addresses } = await lab.ask(node, '/v1/ipam', {})
      return !links.includes('margay-') && addresses.length === 4
    })
  }
  t.pass('gone')
})
