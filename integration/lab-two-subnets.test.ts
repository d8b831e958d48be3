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
