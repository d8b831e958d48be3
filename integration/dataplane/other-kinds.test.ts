// The matrix for the kinds of tunnel that the kernel at hand may lack. Where one is missing, a sentence says so and nothing is half
// done; the tunnels themselves are then tried in a virtual machine under Debian's kernel (scripts/stock-kernel), in one boot and one lab.

import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { WireguardView } from '../../src/api/contract.ts'
import { probeEnd } from '../continuity/kit/probe-program.ts'
import { tunnelsSurvive } from '../kit/encapsulated.ts'
import { eventually, execute, labFile, TestLab } from '../kit/lab.ts'
import { casesOf } from './cases.ts'
import { kernelHasThem, optionalKinds } from './kinds.ts'
import { matrix } from './matrix.ts'
import { type Row, writeRows } from './table.ts'

const file = 'integration/dataplane/other-kinds.test.ts'
/** Tests of the data plane alone that want such a kernel, too. */
const apart = ['src/dataplane/wireguard.contract.test.ts', 'src/dataplane/encapsulation/wireguard.kernel.test.ts']
/** `FoU,GUE`: these kinds only; `all` of them take longer than a run of every test has on a slow machine. */
const { MATRIX: asked = 'IPIP,WireGuard' } = process.env
const kinds = optionalKinds.filter(({ title }) => asked === 'all' || asked.split(',').includes(title))
const cases = casesOf(kinds)
const inMachine = process.env['STOCK_KERNEL'] !== undefined
const mark = 'rows: '
const sealed = /^unreachable 10\.44\.0\.0\/16 /m

if (inMachine) t.test('each kind', async t => console.log(`# ${mark}${JSON.stringify(await everyKind(t))}`))
else if (kernelHasThem()) t.test('each kind', async t => writeRows(await everyKind(t)))
else {
  t.test('without the kinds in the kernel: a sentence each, and nothing half done', async t => {
    const text = readFileSync(labFile('two-subnets'), 'utf8').replaceAll('    pods: 2\n', '')
    const lab = await TestLab.up(t, { text }, 'no-kinds')
    for (const node of lab.nodes) await lab.addPod(node, `${node}-p1`)
    const before = await eventually('n1 knows the way to the others', async () => {
      const ways = await waysOf(lab)
      return ways.length === 4 && ways.every(way => way.includes('dev')) && ways
    })
    for (const { field, missing, device } of optionalKinds) {
      await setMode(lab, field)
      await eventually(
        `${field}: the daemon says so`,
        async () => (await lab.ask('n1', '/v1/status', {})).problems.some(problem => missing.test(problem)),
        60,
      )
      t.same(await waysOf(lab), before, `${field}: packets go as they did`)
      t.notMatch(await lab.exec('n1', 'ip', 'route'), sealed, `${field}: and no wider route is cut off`)
      t.notMatch(await lab.exec('n1', 'ip', '-o', 'link'), /margay-(?!vxlan)|tunl0|gre0/, `${field}: no device`)
      t.notOk((await lab.ask('n1', '/v1/ipam', {})).addresses.some(({ containerId }) => containerId === device('ipv4')))
      await t.rejects(lab.addPod('n1', `n1-${field.toLowerCase()}`), missing, `${field}: and no pod is attached`)
    }
  })

  t.test("under Debian's kernel", async t => {
    let inside = await inTheMachine()
    if (emulatorFault.test(inside.stdout)) inside = await inTheMachine()
    if (inside.code === 69) return t.pass("under Debian's kernel", { skip: inside.stderr.trim() })
    const fault = emulatorFault.exec(inside.stdout)
    if (fault) return t.pass("under Debian's kernel", { skip: `the emulated machine ended Node twice: ${fault[0]}` })
    for (const [, line] of inside.stdout.matchAll(/^\s*ok \d+ - (.*)$/gm)) t.pass(line)
    t.equal(inside.code, 0, inside.code === 0 ? 'all of it' : inside.stdout + inside.stderr)
    const [, rows] = new RegExp(`^# ${mark}(.*)$`, 'm').exec(inside.stdout) ?? []
    return writeRows(JSON.parse(rows ?? '[]') as Row[])
  })
}

/** Node never ends so by itself: the emulator's doing. */
const emulatorFault = /Segmentation fault|Trace\/breakpoint trap|Illegal instruction|signal: SIG(?:SEGV|TRAP|ILL)/

function inTheMachine(): ReturnType<typeof execute> {
  probeEnd() // made here: a compiler takes its time there
  // In one program, and with tap as this one has it: to begin takes one as long there as some of the tests.
  const files = [...apart, file].map(each => `await import(${JSON.stringify(join(process.cwd(), each))})`)
  return execute([
    'scripts/stock-kernel',
    '--limit',
    '1700',
    'env',
    `MATRIX=${asked}`,
    process.execPath,
    ...process.execArgv,
    '--input-type=module',
    '--eval',
    files.join('\n'),
  ])
}

async function everyKind(t: Test): Promise<readonly Row[]> {
  for (const { modules } of optionalKinds) for (const module of modules) execFileSync('modprobe', [module])
  return matrix(t, {
    cases,
    tag: 'kinds',
    bare: false,
    // A kernel holds back 128 packets for a WireGuard node that has not answered yet: in the machine, where all nodes share one slow
    // processor, so few a second that this is four seconds' worth.
    rate: inMachine ? 30 : 1000,
    then: async (t, lab, { wrapping, mode }, probe) => {
      if (mode !== 'Always' || !wrapping) return
      const { title, device } = wrapping
      if (!['FoU', 'GUE', 'WireGuard'].includes(title)) return
      await tunnelsSurvive(t, lab, [{ family: 'ipv4', device: device('ipv4') }])
      if (title !== 'WireGuard') return
      t.match(await lab.exec('n1', 'ip', 'route'), sealed, 'no default route takes what no tunnel carries')
      // What it sends would have to wait, too.
      const rotate = () => rotationLosesNothing(t, lab)
      await (probe ? probe.rest(rotate) : rotate())
      await t.test('the devices that the kernel makes by itself are left as they were made', async t => {
        t.notMatch(await lab.exec('n1', 'ip', '-o', 'link', 'show', 'type', 'ipip'), /tunl0.*[<,]UP/)
        t.notMatch(await lab.exec('n1', 'ip', '-o', 'link', 'show', 'type', 'gre'), /gre0.*[<,]UP/)
      })
    },
  })
}

async function rotationLosesNothing(t: Test, lab: TestLab): Promise<void> {
  await t.test(
    'a WireGuard key is changed in the midst of packets and their answers each way: none is lost',
    async t => {
      const key = async (): Promise<string | undefined> => (await lab.ask('n1', '/v1/wireguard', {})).publicKey
      const before = await key()
      const folder = mkdtempSync(join(tmpdir(), 'rotation-'))
      t.teardown(() => rmSync(folder, { recursive: true }))
      const end = join(folder, 'end')
      // Ten packets a second leave a node, and the kernel holds back 128 for one that has not answered yet. They go on until others pass
      // again, however slow this machine is, and a little longer.
      const pods = [
        ['n1-p1', 'n3-p1'],
        ['n3-p1', 'n1-p1'],
      ] as const
      const probes = pods.map(([from, to]) => {
        const ping = `ping -n -i 0.2 -w 300 ${lab.addresses(to).ipv4}`
        return lab.tryExec(
          from,
          'sh',
          '-c',
          `${ping} & until [ -e ${end} ]; do sleep 0.2; done; sleep 3; kill -INT $!; wait`,
        )
      })
      try {
        const rotated = await lab.margayctl('n1', 'node', 'rotate-key')
        t.equal(rotated.code, 0, rotated.stderr)
        for (const [from, to] of pods)
          await lab.exec(from, 'ping', '-n', '-q', '-c', '3', '-w', '90', lab.addresses(to).ipv4 ?? '')
      } finally {
        writeFileSync(end, '')
      }
      for (const { stdout } of await Promise.all(probes)) {
        const arrived = new Set(Array.from(stdout.matchAll(/icmp_seq=(\d+) ttl/g), ([, number]) => Number(number)))
        const last = Math.max(0, ...arrived)
        t.ok(last > 20, `${last} packets`)
        // What is under way at the end is not lost.
        t.same(
          Array.from({ length: last }, (_, i) => i + 1).filter(number => !arrived.has(number)),
          [],
          'none is missing before the last that came',
        )
      }
      const after = await key()
      t.not(after, before)
      const peers = JSON.parse((await lab.margayctl('n3', 'wireguard', '-o', 'json')).stdout) as WireguardView
      t.match(
        peers.peers.find(({ node }) => node === 'n1'),
        { publicKey: after, handshake: Number },
      )
    },
  )
}

/** Where n1 sends what is for the pods of the others. */
async function waysOf(lab: TestLab): Promise<readonly string[]> {
  const routes = await lab.routes('n1')
  const blocks = await Promise.all(['n2', 'n3'].map(async node => (await lab.ask(node, '/v1/status', {})).blocks))
  return blocks.flat().map(block => `${block} ${JSON.stringify(routes.find(({ dst }) => dst === block))}`)
}

/** Packets of pods are wrapped so from now on. */
async function setMode(lab: TestLab, field: string): Promise<void> {
  await lab.apply(
    'n1',
    `apiVersion: margay.io/v1
kind: IPPool
metadata: { name: pods-v4 }
spec: { cidr: 10.44.0.0/16, ${field}: Always }
`,
  )
}
