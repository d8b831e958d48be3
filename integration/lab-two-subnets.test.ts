// Nodes in two subnets, and between them a router that knows nothing of pods: VXLAN, on any kernel.

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { encapsulationHolds } from './kit/encapsulated.ts'
import { eventually, TestLab } from './kit/lab.ts'

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
