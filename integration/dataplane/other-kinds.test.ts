// The matrix for the kinds of tunnel that the kernel at hand may lack. Where one is missing, a sentence says so and nothing is half
// done; the tunnels themselves are then tried in a virtual machine under Debian's kernel (scripts/stock-kernel), in one boot and one lab.

import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { tunnelsSurvive } from '../kit/encapsulated.ts'
import { eventually, execute, labFile, TestLab } from '../kit/lab.ts'
import { kernelHas, tunnelKinds } from '../kit/tunnel-kinds.ts'
import { otherKinds } from './cases.ts'
import { matrix } from './matrix.ts'
import { type Row, writeRows } from './table.ts'

const file = 'integration/dataplane/other-kinds.test.ts'
const inMachine = process.env['STOCK_KERNEL'] !== undefined
const mark = 'rows: '

if (inMachine) t.test('each kind', async t => console.log(`# ${mark}${JSON.stringify(await everyKind(t))}`))
else if (kernelHas('ipip', 'local', '192.0.2.1')) t.test('each kind', async t => writeRows(await everyKind(t)))
else {
  t.test('without the kinds in the kernel: a sentence each, and nothing half done', async t => {
    const text = readFileSync(labFile('two-subnets'), 'utf8').replaceAll('    pods: 2\n', '')
    const lab = await TestLab.up(t, { text }, 'no-kinds')
    for (const { field, missing, device } of tunnelKinds) {
      await setMode(lab, field)
      await eventually(
        `${field}: the daemon says so`,
        async () => (await lab.ask('n1', '/v1/status', {})).problems.some(problem => missing.test(problem)),
        60,
      )
      t.notMatch(await lab.exec('n1', 'ip', '-o', 'link'), /margay-(?!vxlan)|tunl0|gre0/, `${field}: no device`)
      t.notOk((await lab.ask('n1', '/v1/ipam', {})).addresses.some(({ containerId }) => containerId === device))
      await t.rejects(lab.addPod('n1', `n1-${field.toLowerCase()}`), missing, `${field}: and no pod is attached`)
    }
  })

  t.test("under Debian's kernel", async t => {
    const inside = await execute(['scripts/stock-kernel', '--limit', '560', process.execPath, file])
    if (inside.code === 69) return t.pass("under Debian's kernel", { skip: inside.stderr.trim() })
    for (const [, line] of inside.stdout.matchAll(/^\s*ok \d+ - (.*)$/gm)) t.pass(line)
    t.equal(inside.code, 0, inside.code === 0 ? 'all of it' : inside.stdout + inside.stderr)
    const [, rows] = new RegExp(`^# ${mark}(.*)$`, 'm').exec(inside.stdout) ?? []
    return writeRows(JSON.parse(rows ?? '[]') as Row[])
  })
}

async function everyKind(t: Test): Promise<readonly Row[]> {
  for (const { modules } of tunnelKinds) for (const module of modules) execFileSync('modprobe', [module])
  const rows = await matrix(t, {
    which: otherKinds,
    tag: 'kinds',
    bare: false,
    then: async (t, lab, wrapping) => {
      await tunnelsSurvive(t, lab, [{ family: 'ipv4', device: wrapping.device('ipv4') }])
    },
  })
  return rows
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
