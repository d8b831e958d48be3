// The lab two-subnets with every kind of tunnel that the kernel at hand may lack. Where one is missing, a sentence says so and
// nothing is half done; the tunnels themselves are then tried in a virtual machine under Debian's kernel (scripts/stock-kernel),
// all of them in one boot and one lab.

import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { WireguardView } from '../src/api/contract.ts'
import { encapsulationHolds, exactMtuHolds, outerHeadersHold } from './kit/encapsulated.ts'
import { eventually, execute, labFile, TestLab } from './kit/lab.ts'
import { kernelHas, transferHolds, tunnelKinds } from './kit/tunnel-kinds.ts'

const file = 'integration/lab-tunnel-kinds.test.ts'
/** Tests of the data plane alone that want such a kernel, too. */
const apart = ['src/dataplane/wireguard.contract.test.ts', 'src/dataplane/encapsulation/wireguard.kernel.test.ts']
const [first, ...others] = tunnelKinds
/** The lab with that kind; of IPv4 only, since IPv6 has VXLAN, which every kernel at hand has had a test of. */
const labText = readFileSync(labFile('two-subnets'), 'utf8')
  .replace('10.44.0.0/16, vxlanMode', `10.44.0.0/16, ${first.field}`)
  .replace(/---\napiVersion.*\nkind: IPPool\nmetadata: \{ name: pods-v6 \}\n.*\n/, '')

if (process.env['STOCK_KERNEL'] !== undefined || kernelHas('ipip', 'local', '192.0.2.1')) await everyKind()
else {
  t.test('without the kinds in the kernel: a sentence each, and nothing half done', async t => {
    const lab = await TestLab.up(t, { text: labText.replaceAll('    pods: 2\n', '') }, 'no-kinds')
    for (const { field, missing, device } of tunnelKinds) {
      await setMode(lab, field)
      await eventually(
        `${field}: the daemon says so`,
        async () => (await lab.ask('n1', '/v1/status', {})).problems.some(problem => missing.test(problem)),
        60,
      )
      t.notMatch(await lab.exec('n1', 'ip', '-o', 'link'), /margay-|tunl0|gre0/, `${field}: no device`)
      t.notOk((await lab.ask('n1', '/v1/ipam', {})).addresses.some(({ containerId }) => containerId === device))
      await t.rejects(lab.addPod('n1', `n1-${device}`), missing, `${field}: and no pod is attached`)
    }
  })

  t.test("under Debian's kernel", async t => {
    const inside = await execute([
      'scripts/stock-kernel',
      '--limit',
      '600',
      'sh',
      '-c',
      [...apart, file].map(each => `${process.execPath} ${each}`).join(' && '),
    ])
    if (inside.code === 69) return t.pass("under Debian's kernel", { skip: inside.stderr.trim() })
    for (const [, line] of inside.stdout.matchAll(/^\s*ok \d+ - (.*)$/gm)) t.pass(line)
    return t.equal(inside.code, 0, inside.code === 0 ? 'all of it' : inside.stdout + inside.stderr)
  })
}

async function everyKind(): Promise<void> {
  for (const { modules } of tunnelKinds) for (const module of modules) execFileSync('modprobe', [module])
  const lab = await TestLab.up(t, { text: labText }, 'kinds')
  await t.test(first.field, t => encapsulationHolds(t, lab, [first]))
  for (const row of others)
    await t.test(row.field, async t => {
      await setMode(lab, row.field)
      for (const [node, far] of [
        ['n1', 'n3'],
        ['n3', 'n1'],
      ] as const) {
        const { blocks } = await lab.ask(far, '/v1/status', {})
        await eventually(`${node} reaches ${far} by ${row.device}`, async () =>
          (await lab.routes(node)).some(({ dst, dev }) => dst === blocks[0] && dev === row.device),
        )
      }
      await eventually('packets pass', async () => (await ping(lab, 'n1-p1', 'n3-p1')).code === 0)
      await exactMtuHolds(t, lab, row)
      await outerHeadersHold(t, lab, row)
      await transferHolds(t, lab, 'n3-p1', 'n1-p1', row.field)
      // The pods began with the first kind, which leaves them the most.
      const { problems } = await lab.ask('n1', '/v1/status', {})
      t.match(problems, [/^2 running pods have a greater MTU .*has room for/])
      t.equal(problems.length, 1, problems.join('\n'))
    })
  await t.test('a WireGuard key is changed in the midst of 100 packets each way: none is lost', async t => {
    const before = await keyOf(lab, 'n1')
    // As many as the kernel holds back for a node that has not answered yet (128): nothing hangs on how fast this machine is.
    const probes = [
      ['n1-p1', 'n3-p1'],
      ['n3-p1', 'n1-p1'],
    ].map(([from, to]) => ping(lab, from, to, '-q', '-c', '100', '-i', '0.1', '-W', '30'))
    const rotated = await lab.margayctl('n1', 'node', 'rotate-key')
    t.equal(rotated.code, 0, rotated.stderr)
    for (const { stdout } of await Promise.all(probes)) t.match(stdout, /100 packets transmitted, 100 received/)
    const after = await keyOf(lab, 'n1')
    t.not(after, before)
    const peers = JSON.parse((await lab.margayctl('n3', 'wireguard', '-o', 'json')).stdout) as WireguardView
    t.match(
      peers.peers.find(({ node }) => node === 'n1'),
      { publicKey: after, handshake: Number },
    )
  })
  t.test('the devices that the kernel makes by itself are left as they were made', async t => {
    t.notMatch(await lab.exec('n1', 'ip', '-o', 'link', 'show', 'type', 'ipip'), /tunl0.*[<,]UP/)
    t.notMatch(await lab.exec('n1', 'ip', '-o', 'link', 'show', 'type', 'gre'), /gre0.*[<,]UP/)
  })
}

function ping(lab: TestLab, from: string, to: string, ...words: string[]) {
  const options = words.length > 0 ? words : ['-c', '1', '-w', '3']
  return lab.tryExec(from, 'ping', '-n', ...options, lab.addresses(to).ipv4!)
}

async function keyOf(lab: TestLab, node: string): Promise<string | undefined> {
  return (await lab.ask(node, '/v1/wireguard', {})).publicKey
}

/** Packets of pods are wrapped so from now on. */
async function setMode(lab: TestLab, field: string): Promise<void> {
  const path = join(lab.dir.path, 'mode.yaml')
  writeFileSync(
    path,
    `apiVersion: margay.io/v1
kind: IPPool
metadata: { name: pods-v4 }
spec: { cidr: 10.44.0.0/16, ${field}: CrossSubnet }
`,
  )
  const applied = await lab.margayctl('n1', 'apply', '-f', path)
  if (applied.code !== 0) throw new Error(applied.stderr)
}
