// The lab two-subnets with IPIP for IPv4. A kernel that lacks it refuses in a sentence; the test itself then runs in a virtual
// machine under Debian's kernel (scripts/stock-kernel).

import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import t from 'tap'
import { encapsulationHolds } from './kit/encapsulated.ts'
import { eventually, execute, labFile, TestLab } from './kit/lab.ts'

const text = readFileSync(labFile('two-subnets'), 'utf8').replace('10.44.0.0/16, vxlanMode', '10.44.0.0/16, ipipMode')

if (hasIpip()) {
  const lab = await TestLab.up(t, { text }, 'ipip')
  await encapsulationHolds(t, lab, [
    { family: 'ipv4', device: 'margay-ipip', mtu: 1480, filter: 'ip proto 4', outer: /proto IPIP \(4\)/ },
    {
      family: 'ipv6',
      device: 'margay-vxlan6',
      mtu: 1430,
      filter: 'ip6 and udp port 4789',
      outer: /VXLAN, flags \[I\] .*vni 4097/,
    },
  ])
  t.test("the kernel's own tunl0 is left as it was made", async t => {
    t.notMatch(await lab.exec('n1', 'ip', '-o', 'link', 'show', 'tunl0'), /UP/)
  })
} else {
  t.test('without IPIP in the kernel: a sentence, and nothing half done', async t => {
    const withoutPods = text.replaceAll('    pods: 2\n', '')
    const lab = await TestLab.up(t, { text: withoutPods }, 'no-ipip')
    await eventually('the daemon says so', async () =>
      (await lab.ask('n1', '/v1/status', {})).problems.some(problem =>
        /no IPIP devices \(CONFIG_NET_IPIP\).*modprobe ipip/.test(problem),
      ),
    )
    t.notMatch(await lab.exec('n1', 'ip', '-o', 'link'), /margay-ipip|tunl0/)
    t.notOk((await lab.ask('n1', '/v1/ipam', {})).addresses.some(({ containerId }) => containerId === 'margay-ipip'))
    await t.rejects(lab.addPod('n1', 'n1-late'), /no IPIP devices/, 'and no pod is attached')
  })

  t.test("under Debian's kernel", async t => {
    if (process.env['STOCK_KERNEL'] !== undefined) return t.fail("Debian's kernel has no IPIP")
    const file = 'integration/lab-two-subnets-ipip.test.ts'
    const inside = await execute(['scripts/stock-kernel', '--limit', '420', process.execPath, file])
    if (inside.code === 69) return t.pass("under Debian's kernel", { skip: inside.stderr.trim() })
    for (const [, line] of inside.stdout.matchAll(/^\s*ok \d+ - (.*)$/gm)) t.pass(line)
    return t.equal(inside.code, 0, inside.code === 0 ? 'all of it' : inside.stdout + inside.stderr)
  })
}

function hasIpip(): boolean {
  try {
    execFileSync('unshare', ['--net', 'ip', 'link', 'add', 'name', 'try0', 'type', 'ipip', 'local', '192.0.2.1'], {
      stdio: 'ignore',
    })
    return true
  } catch {
    return false
  }
}
